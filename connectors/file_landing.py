"""Landing of the file interface: what may be read, in which order, and what is refused why."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from zoneinfo import ZoneInfo

from connectors.errors import RefusedDelivery
from connectors.file_reading import read_typed
from connectors.files import (
    READ_LOG,
    SendLog,
    Waiting,
    agreed_name,
    archive,
    file_batch_id,
    hash_file,
    missing_sequences,
    parse_send_log,
    sums_agree,
    waiting_files,
    write_read_log,
)
from connectors.formats.delimited import record_bytes
from connectors.landing import Delivery, Landing, delivery_of, quarantine_rows
from connectors.ledger_rows import Batch, Confirmation
from connectors.validation import Rejected, count_sums, rejected_records

_MOST_NAMED = 100


@dataclass(frozen=True)
class _Announced:
    waiting: Waiting
    log: SendLog
    sha256: str


def land_files(landing: Landing) -> Iterator[Delivery]:
    """Land the folder of a source: earlier business dates and sequences first."""
    return _FileLanding(landing).run()


class _FileLanding:
    def __init__(self, landing: Landing) -> None:
        self._landing = landing
        self._contract = landing.contract
        self._ledger = landing.ledger
        self._now = landing.now
        self._folder = landing.home / landing.contract.interface.location

    def run(self) -> Iterator[Delivery]:
        self._folder.mkdir(parents=True, exist_ok=True)
        for batch in self._ledger.unconfirmed(self._contract.source):
            self._confirm(batch)
        files, orphans = waiting_files(self._folder)
        for name in orphans:
            yield from self._note("missing_file", name, "the send log is there, the file is not")
        announced: list[_Announced] = []
        unread: list[str] = []
        for waiting in files:
            if waiting.log_bytes is None:
                unread.append(waiting.path.name)
                yield from self._note("missing_log", waiting.path.name, "no send log is there yet")
                continue
            try:
                log = self._parse(waiting, waiting.log_bytes)
            except RefusedDelivery as refusal:
                yield from self._note(refusal.code, waiting.path.name, refusal.reason)
                continue
            announced.append(_Announced(waiting, log, hash_file(waiting.path)))
        streams = list(self._contract.streams)
        announced.sort(
            key=lambda item: (
                streams.index(item.log.stream),
                item.log.branch,
                item.log.business_date,
                item.log.sequence,
                item.log.sent_at.isoformat(),
                item.log.file,
            )
        )
        for item in announced:
            yield from self._take(item, unread)

    def _parse(self, waiting: Waiting, raw: bytes) -> SendLog:
        log = parse_send_log(raw)
        wrong = [
            name
            for name, agrees in (
                ("file", log.file == waiting.path.name),
                ("source", log.source == self._contract.source),
                ("stream", log.stream in self._contract.streams),
            )
            if not agrees
        ]
        if wrong:
            raise RefusedDelivery("lying_log", f"the send log names another {' and '.join(wrong)}")
        return log

    def _note(self, code: str, name: str, detail: str) -> Iterator[Delivery]:
        # A name whose bytes are not UTF-8 cannot be stored as it is.
        name = os.fsencode(name).decode("utf-8", errors="replace")
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

    def _take(self, item: _Announced, unread: list[str]) -> Iterator[Delivery]:
        log = item.log
        batch = self._draft(item)
        known = self._ledger.batch(batch.batch_id)
        if known is not None and known.status in {"loaded", "superseded"}:
            yield from self._repeat(batch, known)
            return
        same_fault = known is not None and known.status == "refused"
        if same_fault and known is not None and known.log_sha256 == batch.log_sha256:
            if not (self._folder / f"{known.place}{READ_LOG}").exists():
                write_read_log(self._folder, known, result="refused", now=self._now)
            return
        yield from self._sequence_gaps(batch, unread)
        try:
            batch = self._place(batch)
            self._check_content(item)
            batch = self._land(batch, item)
        except RefusedDelivery as refusal:
            yield self._refuse(batch, refusal)
        else:
            self._confirm(batch)
            yield delivery_of(batch)
        self._settle(log)

    def _draft(self, item: _Announced) -> Batch:
        log = item.log
        return Batch(
            batch_id=file_batch_id(log, item.sha256),
            source=log.source,
            stream=log.stream,
            branch=log.branch,
            business_date=log.business_date,
            covers_from=log.covers_from,
            sequence=log.sequence,
            interface="files",
            place=log.file,
            content_sha256=item.sha256,
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
        if new or not (self._folder / f"{batch.place}{READ_LOG}").exists():
            write_read_log(self._folder, told, result="refused", now=self._now)
        if new:
            yield delivery_of(told)

    def _sequence_gaps(self, batch: Batch, unread: list[str]) -> Iterator[Delivery]:
        """Note numbers that were skipped, but for files that lie here without their log."""
        earlier = self._ledger.batches(
            source=batch.source, stream=batch.stream, branch=batch.branch
        )
        named = [agreed_name(name) for name in unread]
        explained = [parts[2] for parts in named if parts and parts[0] == batch.stream]
        known = [item.sequence for item in earlier if item.sequence is not None]
        for detail in _gaps(missing_sequences(known, batch.sequence or 0, explained), batch.branch):
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

    def _place(self, batch: Batch) -> Batch:
        """Find the loaded batch that this one corrects; refuse a number used for another date."""
        loaded = self._ledger.batches(
            source=batch.source, stream=batch.stream, branch=batch.branch, status="loaded"
        )
        for earlier in loaded:
            if earlier.sequence != batch.sequence:
                continue
            if earlier.business_date != batch.business_date:
                raise RefusedDelivery(
                    "sequence_rewind",
                    f"sequence {batch.sequence} was used for {earlier.business_date} before",
                )
            return replace(
                batch,
                supersedes=earlier.batch_id,
                code="late_correction",
                reason=f"it replaces batch {earlier.batch_id}",
            )
        return batch

    def _check_content(self, item: _Announced) -> None:
        log = item.log
        today = self._now.astimezone(ZoneInfo(self._contract.zone or self._landing.zone)).date()
        if log.business_date > today:
            raise RefusedDelivery(
                "lying_log",
                f"its business date {log.business_date} lies after {today}, the arrival",
            )
        if item.sha256 == log.sha256 and item.waiting.path.stat().st_size == log.bytes:
            return
        landed = self._ledger.batches(source=log.source, stream=log.stream)
        if any(one.place == log.file and one.content_sha256 == log.sha256 for one in landed):
            raise RefusedDelivery(
                "changed_file", "the file has changed since the delivery that its log describes"
            )
        size = item.waiting.path.stat().st_size
        reason = (
            f"the send log says {log.bytes} bytes, the file has {size}"
            if size != log.bytes
            else "the SHA-256 of the send log is not that of the file"
        )
        raise RefusedDelivery("lying_log", reason, offset=size if size < log.bytes else None)

    def _land(self, batch: Batch, item: _Announced) -> Batch:
        landing, connection = self._landing, self._landing.connection
        stream = self._contract.streams[batch.stream]
        path = item.waiting.path
        typed = read_typed(path, self._contract, batch.stream, connection, zone=landing.zone)
        if typed.reading.sha256 != item.sha256:
            raise RefusedDelivery("changed_file", "the file changed while it was read")
        rejected = rejected_records(connection, typed.places)
        sums, readable = count_sums(connection, stream.control.sums)
        rows = typed.reading.records
        counted = replace(
            batch, rows=rows, rows_loaded=rows - len(rejected), rejected=len(rejected), sums=sums
        )
        fault = self._control_fault(counted, readable=readable)
        if fault is not None:
            landing.ledger.refuse(
                replace(counted, code=fault.code, reason=fault.reason),
                quarantine_rows(batch.batch_id, rejected),
            )
            raise fault
        if rejected:
            code = batch.code or "malformed_row"
            reason = batch.reason or f"{len(rejected)} of {rows} rows are in quarantine"
            counted = replace(counted, code=code, reason=reason)
        return landing.land(counted, rejected, record_bytes(path, _places(rejected)))

    def _control_fault(self, batch: Batch, *, readable: bool) -> RefusedDelivery | None:
        stream = self._contract.streams[batch.stream]
        if batch.declared_rows != batch.rows:
            return RefusedDelivery(
                "lying_log", f"the send log says {batch.declared_rows} rows, {batch.rows} were read"
            )
        if not stream.reject_limit.allows(batch.rejected, batch.rows):
            return RefusedDelivery(
                "reject_limit", f"{batch.rejected} of {batch.rows} rows break the contract"
            )
        wrong = sums_agree(batch.declared_sums, batch.sums)
        # A quarantined row whose amount cannot be read may explain a difference.
        if wrong and readable:
            said = ", ".join(
                f"{name} {batch.declared_sums.get(name, 'nothing')} against {batch.sums[name]}"
                for name in wrong
            )
            return RefusedDelivery("wrong_sum", f"declared and counted sums differ: {said}")
        return None

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
        write_read_log(self._folder, known, result="refused", now=self._now)
        return delivery_of(known)

    def _confirm(self, batch: Batch) -> None:
        """Tell the sender and archive; what was done before a kill is not done twice."""
        result = "partial" if batch.rejected else "ok"
        path = self._folder / batch.place
        if path.exists() and hash_file(path) == batch.content_sha256:
            write_read_log(self._folder, batch, result=result, now=self._now)
            self._landing.at("read_log")
        archive(self._folder, batch)
        self._landing.at("archived")
        self._ledger.confirm(
            Confirmation(batch.batch_id, "read_log", batch.place, result, self._now)
        )

    def _settle(self, log: SendLog) -> None:
        """Settle events that this delivery answers: its log came, or its number did."""
        (number,) = _gaps([range(log.sequence, log.sequence + 1)], log.branch)
        for event in self._ledger.exchange_events(unresolved=True, source=log.source):
            answered = event.file == log.file and event.code in {
                "missing_log",
                "missing_file",
                "unreadable_log",
                "lying_log",
            }
            filled = event.code == "sequence_gap" and event.stream == log.stream
            if answered or (filled and event.detail == number):
                self._ledger.resolve_event(event.event_id, now=self._now)


def _gaps(runs: list[range], branch: str) -> Iterator[str]:
    """Sentences about numbers that have not come; a wide run, such as a new count, gets one."""
    for run in runs:
        if len(run) > _MOST_NAMED:
            yield f"sequences {run[0]} to {run[-1]} of branch {branch} have not come"
            continue
        for number in run:
            yield f"sequence {number} of branch {branch} has not come"


def _places(rejected: list[Rejected]) -> list[tuple[int, int, int]]:
    return [
        (one.record_no, one.byte_offset, one.byte_length)
        for one in rejected
        if one.byte_offset is not None and one.byte_length is not None
    ]
