"""Landing of mail folders: mails that lie there become batches; no sender writes a log for them.

Mails are claimed by moving them into `taken/`; what lies there is the batch, whatever comes into
the folder meanwhile, so a repeat after a kill lands the same mails under the same id. After loading
each is archived under the hash of its content, by which the same mail is known when it comes
again. A folder may be a Maildir (`new/`, `cur/`); names that start with a dot are not looked at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from connectors.contract import Contract
from connectors.databases.table_landing import typed_batch
from connectors.errors import InterfaceMismatch
from connectors.files.exchange import hash_file
from connectors.formats.lines import Records
from connectors.formats.mail import COLUMNS, LARGEST_MAIL, SUFFIX, UnreadableMail, mail_fields
from connectors.landing import Delivery, Landing, delivery_of
from connectors.ledger_rows import Batch, Confirmation
from connectors.places.place import LocalPlace, Place, Secret, no_secret, open_place, shown_name

MAILS_PER_BATCH = 500
BYTES_PER_BATCH = 256 * 1024**2

_TAKEN = "taken"
_MADE = ".made"
_ARCHIVE = "archive"
_MAILDIR = ("new", "cur")
_KEPT_OF_TOO_LARGE = 64 * 1024


@dataclass(frozen=True)
class _Mail:
    """One claimed file: its name in `taken/` and the hash of its content."""

    name: str
    sha256: str


def waiting_mails(place: Place, home: Path) -> list[tuple[str, int]]:
    """Mails that were not claimed yet as (name within the place, bytes), by name."""
    found = {
        name: stamp.size
        for name, stamp in place.stamps().items()
        if name.lower().endswith(SUFFIX) and not name.startswith(".")
    }
    for folder in _MAILDIR:
        # A Maildir is known by its folders, which only a local place shows.
        if isinstance(place, LocalPlace) and (place.folder / folder).is_dir():
            with open_place(str(place.folder / folder), home) as inner:
                stamps = inner.stamps()
            found |= {f"{folder}/{name}": stamp.size for name, stamp in stamps.items()}
    return sorted(found.items())


def mail_arrivals(contract: Contract, home: Path, secret: Secret) -> tuple[str, ...]:
    """Names of mails that a landing would take, those that a killed run claimed included."""
    location, source = contract.interface.location, contract.source
    with open_place(location, home, secret=secret, owner=source) as place:
        found = [shown_name(name) for name, _ in waiting_mails(place, home)]
        if not place.exists(f"{_TAKEN}/{_MADE}"):
            return tuple(found)
    with open_place(_taken(location), home, secret=secret, owner=source) as held:
        return (*found, *(f"{_TAKEN}/{shown_name(name)}" for name in held.names()))


def land_mails(
    landing: Landing,
    *,
    secret: Secret = no_secret,
    mails_per_batch: int = MAILS_PER_BATCH,
    bytes_per_batch: int = BYTES_PER_BATCH,
) -> Iterator[Delivery]:
    """Land all mails of a source's folder, a batch at a time.

    Raises InterfaceMismatch for a contract with more streams than one, SourceUnreachable when the
    folder cannot be reached.
    """
    contract = landing.contract
    if len(contract.streams) != 1:
        raise InterfaceMismatch(
            f"Landing source '{contract.source}' was not started: a mail folder is one stream, the "
            f"contract has {len(contract.streams)}. Trying again does not help; correct 'streams'."
        )
    location = contract.interface.location
    home, source = landing.home, contract.source
    with (
        open_place(location, home, secret=secret, owner=source) as place,
        open_place(_taken(location), home, secret=secret, owner=source) as held,
    ):
        place.names()
        if not place.exists(f"{_TAKEN}/{_MADE}"):
            place.write(f"{_TAKEN}/{_MADE}", b"")
        work = _MailLanding(landing, place, held)
        yield from work.settle()
        while held.names() or work.claim(mails_per_batch, bytes_per_batch):
            yield from work.land()
    landing.ledger.note_read(contract.source, work.stream, now=landing.now)


class _MailLanding:
    def __init__(self, landing: Landing, place: Place, held: Place) -> None:
        self._landing = landing
        self._place = place
        self._held = held
        (self.stream,) = landing.contract.streams

    def settle(self) -> Iterator[Delivery]:
        """Finish what a killed run had loaded: nothing else was claimed since."""
        for batch in self._landing.ledger.unconfirmed(self._landing.contract.source):
            yield from self._finish(batch, self._mails())

    def claim(self, most_mails: int, most_bytes: int) -> bool:
        """Move mails into `taken/`, at least one; say whether there was any."""
        count = total = 0
        for name, size in waiting_mails(self._place, self._landing.home):
            if count and (count == most_mails or total + size > most_bytes):
                break
            try:
                self._place.move(name, f"{_TAKEN}/{name.rpartition('/')[2]}")
            except (FileExistsError, FileNotFoundError):
                # The same name in another folder of a Maildir, or a mail that was taken away.
                continue
            count += 1
            total += size
        self._place.flush()
        self._landing.at("claimed")
        return count > 0

    def land(self) -> Iterator[Delivery]:
        """Land what lies in `taken/` as one batch and archive it."""
        mails = self._mails()
        new = [
            same[0] for sha256, same in mails.items() if not self._place.exists(_archived(sha256))
        ]
        if not new:
            yield from self._archive(mails)
            return
        batch = self._load(new)
        yield from self._finish(batch, mails)
        yield delivery_of(batch)

    def _mails(self) -> dict[str, list[_Mail]]:
        """What lies in `taken/` by the hash of its content, in the order of the hashes."""
        found: dict[str, list[_Mail]] = {}
        for name in self._held.names():
            sha256 = hash_file(self._held.fetch(name))
            found.setdefault(sha256, []).append(_Mail(name, sha256))
            self._held.release(name)
        return dict(sorted(found.items()))

    def _load(self, mails: list[_Mail]) -> Batch:
        landing, source = self._landing, self._landing.contract.source
        records = Records(landing.connection)
        for mail in mails:
            self._add(records, mail)
        records.close()
        content = "\0".join([source, self.stream, *(mail.sha256 for mail in mails)])
        digest = hashlib.sha256(content.encode()).hexdigest()
        batch, rejected = typed_batch(
            landing,
            self.stream,
            COLUMNS,
            batch_id=digest[:32],
            interface="files",
            place=f"{len(mails)} mails",
            content_sha256=digest,
            rows=len(mails),
        )
        kept = {
            item.record_no: self._held.read(
                mails[item.record_no - 1].name,
                LARGEST_MAIL if item.reason != "too_large" else _KEPT_OF_TOO_LARGE,
            )
            for item in rejected
        }
        return landing.land(batch, rejected, kept)

    def _add(self, records: Records, mail: _Mail) -> None:
        raw = self._held.read(mail.name, LARGEST_MAIL + 1)
        try:
            records.add(mail_fields(raw))
        except UnreadableMail as error:
            # Its bytes go into quarantine with it, so nothing that came is lost.
            records.add(None, flaw=error.code)

    def _finish(self, batch: Batch, mails: dict[str, list[_Mail]]) -> Iterator[Delivery]:
        yield from self._archive(mails)
        result = "partial" if batch.rejected else "ok"
        self._landing.ledger.confirm(
            Confirmation(batch.batch_id, "archive", batch.place, result, self._landing.now)
        )
        self._landing.at("confirmed")

    def _archive(self, mails: dict[str, list[_Mail]]) -> Iterator[Delivery]:
        """Move mails to the archive; one whose content is there already came again."""
        for sha256, same in mails.items():
            for mail in same:
                target, number = _archived(sha256), 1
                if self._place.exists(target):
                    yield from self._note_duplicate(mail)
                while self._place.exists(target):
                    number += 1
                    target = f"{_archived(sha256)}.{number}"
                self._place.move(f"{_TAKEN}/{mail.name}", target)
                self._landing.at("archived")
        self._place.flush()

    def _note_duplicate(self, mail: _Mail) -> Iterator[Delivery]:
        """Tell of a mail whose content had come before; its name may hold a person's."""
        shown, detail = f"{mail.sha256[:16]}{SUFFIX}", "the same mail was landed before"
        source = self._landing.contract.source
        new = self._landing.ledger.note_event(
            "duplicate_mail",
            source=source,
            stream=self.stream,
            file=shown,
            detail=detail,
            now=self._landing.now,
        )
        if new:
            yield Delivery(
                source=source,
                stream=self.stream,
                batch_id=None,
                place=shown,
                business_date=None,
                covers_from=None,
                rows=0,
                loaded=0,
                rejected=0,
                status="waiting",
                code="duplicate_mail",
                reason=detail,
            )


def _taken(location: str) -> str:
    return f"{location.rstrip('/')}/{_TAKEN}"


def _archived(sha256: str) -> str:
    return f"{_ARCHIVE}/{sha256}{SUFFIX}"
