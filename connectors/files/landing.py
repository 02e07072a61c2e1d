"""Landing of the file interface: what may be read, in which order, and what is refused why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

from connectors.errors import FileStillChanges, RefusedDelivery
from connectors.files.batch import land_file
from connectors.files.confirmation import FileConfirmer
from connectors.files.exchange import (
    READ_LOG,
    Listing,
    SendLog,
    Waiting,
    agreed_name,
    file_batch_id,
    hash_file,
    later_batch_id,
    list_files,
    parse_send_log,
    write_read_log,
)
from connectors.files.ledger import FileLedger
from connectors.files.sending_clock import aware, clock_skew
from connectors.files.sequence_rules import (
    corrected_batch,
    filled_gaps,
    gap_details,
    number_detail,
    skipped_numbers,
)
from connectors.landing import Delivery, Landing, delivery_of
from connectors.ledger_rows import Batch
from connectors.places.place import Place, Secret, no_secret, open_place, shown_name
from connectors.scrubbing import scrub

# A first delivery may bring decades of history; a year such as 26 is a slip.
_MOST_DAYS = 36_600
_ANSWERED = ("missing_log", "missing_file", "unreadable_log", "unreadable_file", "lying_log")


@dataclass(frozen=True)
class _Announced:
    waiting: Waiting
    log: SendLog


@dataclass(frozen=True)
class _Content:
    """What a file holds: its hash, whether that was taken from the file, and a copy if need be."""

    sha256: str
    certain: bool
    path: Path | None


def land_files(landing: Landing, *, secret: Secret = no_secret) -> Iterator[Delivery]:
    """Land the place of a source: earlier business dates and sequences first.

    Raises SourceUnreachable, CredentialsRefused, HostKeyRefused or InterfaceMismatch when the place
    cannot be used; what was landed before stays and is confirmed by the next run.
    """
    contract = landing.contract
    location = contract.interface.location
    with open_place(location, landing.home, secret=secret, owner=contract.source) as place:
        yield from _FileLanding(landing, place).run()


class _FileLanding:
    def __init__(self, landing: Landing, place: Place) -> None:
        self._landing = landing
        self._contract = landing.contract
        self._ledger = landing.ledger
        self._history = FileLedger(landing.ledger, landing.contract.source)
        self._now = landing.now
        self._zone = landing.contract.zone or landing.zone
        self._place = place
        self._confirmer = FileConfirmer(place, landing.ledger, now=landing.now, at=landing.at)
        self._unread: dict[str, list[int]] = defaultdict(list)
        self._branches: dict[str, set[str]] = defaultdict(set)
        self._loaded: dict[str, set[str]] = {}

    def run(self) -> Iterator[Delivery]:
        listing = list_files(self._place)
        # Only a place that could be listed may show that a landed file is archived already.
        loaded = self._ledger.unconfirmed(self._contract.source)
        if loaded:
            for batch in loaded:
                self._confirmer.add(batch, None)
            self._confirmer.finish()
            listing = list_files(self._place)
        self._settle_gone(listing)
        for name in listing.orphans:
            detail = "the send log is there, the file is not or is no plain file"
            yield from self._note("missing_file", name, detail)
        for name in listing.unreadable:
            yield from self._note("unreadable_file", name, "its send log may not be read by us")
        announced: list[_Announced] = []
        for waiting in listing.files:
            if waiting.log_bytes is None:
                self._remember_unread(waiting.name)
                if waiting.may_still_get_log(self._now):
                    continue
                yield from self._note("missing_log", waiting.name, "no send log is there yet")
                continue
            try:
                log = self._parse(waiting, waiting.log_bytes)
            except RefusedDelivery as refusal:
                yield from self._note(refusal.code, waiting.name, refusal.reason)
            else:
                announced.append(_Announced(waiting, log))
                self._branches[log.stream].add(log.branch)
        streams = list(self._contract.streams)
        announced.sort(
            key=lambda item: (
                streams.index(item.log.stream),
                item.log.branch,
                item.log.business_date,
                item.log.sequence,
                aware(item.log.sent_at, self._zone),
                item.log.file,
            )
        )
        for item in announced:
            yield from self._take(item)
            self._place.release(item.waiting.name)
        self._confirmer.finish()

    def _settle_gone(self, listing: Listing) -> None:
        """Settle events about files and logs that lie here no more as they were: the sender took
        them back, or brought what was missing."""
        bare = {shown_name(one.name) for one in listing.files if one.log_bytes is None}
        logged = {shown_name(one.name) for one in listing.files if one.log_bytes is not None}
        logged |= {shown_name(name) for name in listing.unreadable}
        orphans = {shown_name(name) for name in listing.orphans}
        for event in self._history.open_file_events(_ANSWERED):
            lasting = {"missing_log": bare, "missing_file": orphans}.get(event.code, logged)
            if event.file not in lasting:
                self._ledger.resolve_event(event.event_id, now=self._now)

    def _parse(self, waiting: Waiting, raw: bytes) -> SendLog:
        log = parse_send_log(raw)
        wrong = [
            name
            for name, agrees in (
                ("file", log.file == waiting.name),
                ("source", log.source == self._contract.source),
                ("stream", log.stream in self._contract.streams),
            )
            if not agrees
        ]
        if wrong:
            raise RefusedDelivery("lying_log", f"the send log names another {' and '.join(wrong)}")
        return log

    def _remember_unread(self, name: str) -> None:
        """A file that lies here without its log explains why its number has not come."""
        parts = agreed_name(name)
        if parts is not None:
            self._unread[parts[0]].append(parts[2])

    def _note(self, code: str, name: str, detail: str) -> Iterator[Delivery]:
        name = shown_name(name)
        stream, day, _ = agreed_name(name) or ("", None, 0)
        new = self._ledger.note_event(
            code,
            source=self._contract.source,
            stream=stream,
            business_date=day,
            file=name,
            detail=detail,
            now=self._now,
        )
        if new:
            yield self._seen(code, stream, name, day, detail)

    def _seen(self, code: str, stream: str, name: str, day: date | None, detail: str) -> Delivery:
        source = self._contract.source
        return Delivery(source, stream, None, name, day, None, 0, 0, 0, "waiting", code, detail)

    def _take(self, item: _Announced) -> Iterator[Delivery]:
        try:
            content = self._look(item)
        except PermissionError:
            yield from self._note("unreadable_file", item.waiting.name, "it may not be read by us")
        except (FileNotFoundError, FileStillChanges):
            # It was taken away since the look, or is still being written: the next look tells.
            return
        else:
            yield from self._take_content(item, content)

    def _look(self, item: _Announced) -> _Content:
        """The hash of a file, read from it only when the log cannot be taken at its word for now.

        A file of the announced size whose announced content is new is read once, by landing, which
        compares the hash; one that lies as it lay when it was left is not even fetched.
        """
        name, stamp, log = item.waiting.name, item.waiting.stamp, item.log
        seen = self._history.seen_sha256(name, stamp)
        if seen is not None and self._known(item, seen)[1] is not None:
            return _Content(seen, True, None)
        path = self._place.fetch(name)
        if seen is not None:
            return _Content(seen, True, path)
        if stamp.size == log.bytes and self._ledger.batch(file_batch_id(log, log.sha256)) is None:
            return _Content(log.sha256, False, path)
        return _Content(hash_file(path), True, path)

    def _known(self, item: _Announced, sha256: str) -> tuple[str, Batch | None]:
        """The id under which content lands, and the batch by which it is settled, if it is.

        Content that was replaced counts again when its log is newer than all that is known of it
        and of its number: a sender has taken a wrong correction back.
        """
        log = item.log
        first = file_batch_id(log, sha256)
        same = self._history.of_content(first)
        if not same:
            return first, None
        last = next((one for one in same if one.status == "loaded"), same[-1])
        if last.status == "announced":
            return last.batch_id, None
        if last.status == "refused":
            is_same_log = last.log_sha256 == item.waiting.log_sha256
            return last.batch_id, last if is_same_log else None
        if last.status == "superseded" and last.code != "expired":
            rivals = self._history.loaded_with(log.stream, log.branch, log.sequence)
            newest = max(one.sent_at or one.received_at for one in (*same, *rivals))
            if aware(log.sent_at, self._zone) > newest:
                return later_batch_id(first, len(same)), None
        return last.batch_id, last

    def _take_content(self, item: _Announced, content: _Content) -> Iterator[Delivery]:
        batch_id, known = self._known(item, content.sha256)
        batch = self._draft(item, content, batch_id)
        if known is not None or content.path is None:
            self._leave(item, content)
            if known is not None and known.status != "refused":
                yield from self._repeat(batch, known)
            elif known is not None and not self._place.exists(f"{known.place}{READ_LOG}"):
                write_read_log(self._place, known, result="refused", now=self._now)
            return
        try:
            self._check_branch(batch)
            yield from self._sequence_gaps(batch)
            batch = self._check(batch, item)
            yield from self._clock(item.log)
            yield from self._version(item.log)
            batch = land_file(self._landing, content.path, batch)
        except RefusedDelivery as refusal:
            if not content.certain:
                actual = hash_file(content.path)
                if actual != content.sha256:
                    yield from self._take_content(item, _Content(actual, True, content.path))
                    return
            self._leave(item, content)
            yield self._refuse(batch, refusal)
        else:
            self._confirmer.add(batch, item.waiting.stamp)
            yield delivery_of(batch)
            yield from self._shared_keys(batch)
        self._settle(item.log)

    def _leave(self, item: _Announced, content: _Content) -> None:
        """Note what a file holds that stays where it lies; its hash was taken from it by now."""
        self._history.note_seen(item.waiting.name, item.waiting.stamp, content.sha256)

    def _draft(self, item: _Announced, content: _Content, batch_id: str) -> Batch:
        log = item.log
        return Batch(
            batch_id=batch_id,
            source=log.source,
            stream=log.stream,
            branch=log.branch,
            business_date=log.business_date,
            covers_from=log.covers_from,
            sequence=log.sequence,
            interface="files",
            place=log.file,
            content_sha256=content.sha256,
            log_sha256=item.waiting.log_sha256,
            declared_rows=log.rows,
            declared_sums=log.sums,
            rows=0,
            rows_loaded=0,
            rejected=0,
            sums={},
            status="announced",
            code=None,
            reason=None,
            supersedes=None,
            path=None,
            received_at=self._now,
            loaded_at=None,
            sent_at=aware(log.sent_at, self._zone),
        )

    def _repeat(self, batch: Batch, known: Batch) -> Iterator[Delivery]:
        reason = f"its content was landed before as {known.place} (batch {known.batch_id})"
        new = self._ledger.note_event(
            "duplicate_batch",
            source=batch.source,
            stream=batch.stream,
            branch=batch.branch,
            business_date=batch.business_date,
            batch_id=known.batch_id,
            file=batch.place,
            detail=reason,
            now=self._now,
        )
        told = replace(batch, code="duplicate_batch", reason=reason, status="refused")
        if new or not self._place.exists(f"{batch.place}{READ_LOG}"):
            write_read_log(self._place, told, result="refused", now=self._now)
        if new:
            yield delivery_of(told)

    def _sequence_gaps(self, batch: Batch) -> Iterator[Delivery]:
        """Note numbers that were skipped, but for files that lie here without their log.

        A name tells no branch, so it explains nothing where several have sent.
        """
        sequence = batch.sequence or 0
        before = self._history.sequence_before(batch.stream, batch.branch, sequence)
        branches = self._history.branches(batch.stream) | self._branches[batch.stream]
        # One that is not listed is refused, so a name cannot be a delivery of it.
        branches &= set(self._contract.streams[batch.stream].branches or branches)
        explained = self._unread[batch.stream] if branches <= {batch.branch} else []
        runs = skipped_numbers(before, sequence, explained)
        for detail in gap_details(runs, batch.branch):
            new = self._ledger.note_event(
                "sequence_gap",
                source=batch.source,
                stream=batch.stream,
                branch=batch.branch,
                detail=detail,
                now=self._now,
            )
            if new:
                yield self._seen("sequence_gap", batch.stream, batch.place, None, detail)

    def _check_branch(self, batch: Batch) -> None:
        listed = self._contract.streams[batch.stream].branches
        if listed and batch.branch not in listed:
            raise RefusedDelivery(
                "unknown_branch",
                f"its branch {batch.branch} is none of {', '.join(listed)}, which the contract "
                "lists",
            )

    def _check(self, batch: Batch, item: _Announced) -> Batch:
        """Refuse what is wrong before reading; find the loaded batch that this one corrects."""
        log, size = item.log, item.waiting.stamp.size
        earlier = corrected_batch(self._history, batch)
        today = self._now.astimezone(ZoneInfo(self._zone)).date()
        if log.business_date > today:
            raise RefusedDelivery(
                "lying_log",
                f"its business date {log.business_date} lies after {today}, the arrival",
            )
        days = (log.business_date - log.covers_from).days + 1
        if days > _MOST_DAYS:
            raise RefusedDelivery(
                "lying_log",
                f"it says it covers {days} days, more than {_MOST_DAYS} are not believed",
            )
        if batch.content_sha256 != log.sha256 or size != log.bytes:
            if self._history.was_at(log.file, log.sha256):
                raise RefusedDelivery(
                    "changed_file", "the file has changed since the delivery that its log describes"
                )
            if item.waiting.is_younger_than_log:
                raise RefusedDelivery(
                    "changed_file", "the file was changed after its send log was written"
                )
            reason = (
                f"the send log says {log.bytes} bytes, the file has {size}"
                if size != log.bytes
                else "the SHA-256 of the send log is not that of the file"
            )
            raise RefusedDelivery("lying_log", reason, offset=size if size < log.bytes else None)
        if (later := self._ledger.sent_later(batch)) is not None:
            reason = f"batch {later.batch_id} of the same number was sent later"
            return replace(batch, code="overtaken", reason=reason)
        if earlier is None:
            return batch
        return replace(
            batch,
            supersedes=earlier.batch_id,
            code="late_correction",
            reason=f"it replaces batch {earlier.batch_id}",
        )

    def _refuse(self, batch: Batch, refusal: RefusedDelivery) -> Delivery:
        known = self._ledger.batch(batch.batch_id)
        counted = known is not None and known.status == "refused" and known.code == refusal.code
        if known is None or not counted or known.log_sha256 != batch.log_sha256:
            reason = refusal.reason
            if refusal.offset is not None:
                reason += f" (at byte {refusal.offset})"
            known = self._ledger.refuse(
                replace(batch, code=refusal.code, reason=reason, supersedes=None)
            )
        self._landing.at("refused")
        write_read_log(self._place, known, result="refused", now=self._now)
        return delivery_of(known)

    def _clock(self, log: SendLog) -> Iterator[Delivery]:
        """Note a sender's clock that cannot be right; a delivery with a right one settles it."""
        detail = clock_skew(log, now=self._now, zone=self._zone)
        yield from self._doubt("clock_skew", log, detail, day=log.business_date, file=log.file)

    def _version(self, log: SendLog) -> Iterator[Delivery]:
        """Note a log of another version of the contract, once; one of ours settles it."""
        ours, theirs = self._contract.version, log.contract_version
        if ours is None or theirs is None:
            return
        # Theirs was scrubbed when it was read.
        differs = theirs not in {ours, scrub(ours)}
        detail = f"the send log says version {theirs}, ours is {ours}" if differs else None
        yield from self._doubt("contract_version_differs", log, detail)

    def _doubt(
        self,
        code: str,
        log: SendLog,
        detail: str | None,
        *,
        day: date | None = None,
        file: str | None = None,
    ) -> Iterator[Delivery]:
        """Note something about what a branch sends; without a detail settle what was noted."""
        if detail is None:
            for event in self._history.open_branch_events(code, log.stream, log.branch):
                self._ledger.resolve_event(event.event_id, now=self._now)
            return
        new = self._ledger.note_event(
            code,
            source=log.source,
            stream=log.stream,
            branch=log.branch,
            business_date=day,
            file=file,
            detail=detail,
            now=self._now,
        )
        if new:
            yield self._seen(code, log.stream, log.file, log.business_date, detail)

    def _shared_keys(self, batch: Batch) -> Iterator[Delivery]:
        """Note, once, that branches which number alike would replace each other's records."""
        code = "branches_share_keys"
        stream = self._contract.streams[batch.stream]
        noted = self._history.open_branch_events(code, batch.stream, "main")
        if stream.branch_column is not None:
            for event in noted:
                self._ledger.resolve_event(event.event_id, now=self._now)
            return
        if batch.stream not in self._loaded:
            self._loaded[batch.stream] = self._history.loaded_branches(batch.stream)
        branches = self._loaded[batch.stream]
        branches.add(batch.branch)
        if noted or len(branches) < 2:
            return
        detail = f"{', '.join(sorted(branches))} deliver, the key is {', '.join(stream.key)}"
        self._ledger.note_event(
            code, source=batch.source, stream=batch.stream, detail=detail, now=self._now
        )
        yield self._seen(code, batch.stream, batch.place, None, detail)

    def _settle(self, log: SendLog) -> None:
        """Settle events that this delivery answers: its log came, or its number did."""
        number = number_detail(log.sequence, log.branch)
        for event in (
            *self._history.open_events_of(log.file, _ANSWERED),
            *self._history.open_events("sequence_gap", log.stream, number),
        ):
            self._ledger.resolve_event(event.event_id, now=self._now)
        for event_id in filled_gaps(self._history, log.stream, log.branch, log.sequence):
            self._ledger.resolve_event(event_id, now=self._now)
