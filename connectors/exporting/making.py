"""Making and delivering exports, in an order that a kill at any moment cannot harm.

The content is written under our own roof first and noted in the ledger with its hash; only then
does it go to the partner, the send log last. A delivery that was cut short is taken up again with
the same content and the same number.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Context, Decimal
from pathlib import Path
from typing import Any

from connectors.databases.database import open_database
from connectors.databases.outbound_tables import append_outbound
from connectors.errors import ExportMismatch
from connectors.exporting.declaration import SOURCE, ExportDeclaration
from connectors.exporting.ledger import ExportLedger
from connectors.exporting.told import counted
from connectors.exporting.values import UnfitValue, writer_of
from connectors.files.exchange import READ_LOG, SEND_LOG, SendLog, hash_file, send_log_bytes
from connectors.formats import suffix_of, write_file
from connectors.ledger_rows import Export
from connectors.places.place import Place, Secret, open_place, sync_folder

Row = Mapping[str, Any]

_ARCHIVE = "archive"
_LARGEST_LOG = 1024 * 1024
# A million numbers of 38 digits and more add up without rounding.
_EXACT = Context(prec=60)


@dataclass(frozen=True)
class Content:
    """What one export says: rows by the names of the query's columns, to be read once, and where
    they come from."""

    rows: Iterable[Row]
    business_date: date
    snapshot: str


def make_export(
    declaration: ExportDeclaration,
    content: Content,
    *,
    home: Path,
    exports: ExportLedger,
    now: datetime,
) -> Export:
    """Write the content of an export at home and announce it under the next number.

    The rows are written as they come. Raises ExportMismatch when they do not fit the declaration
    and whatever reading them raises; nothing is kept then. The caller holds the lock of exports.
    """
    sequence = exports.next_sequence(declaration.export)
    name = file_name(declaration, content.business_date, sequence)
    kept = kept_path(home, declaration.export, name)
    rows, sums = _write(declaration, content, kept, sequence)
    sha256 = hash_file(kept)
    made = Export(
        export_id=_export_id(declaration.export, sequence, sha256),
        export=declaration.export,
        partner=declaration.partner,
        interface=declaration.interface.type,
        place=declaration.interface.table or name,
        business_date=content.business_date,
        sequence=sequence,
        snapshot=content.snapshot,
        rows=rows,
        bytes=kept.stat().st_size,
        sha256=sha256,
        sums=sums,
        status="announced",
        code=None,
        reason=None,
        announced_at=now,
        delivered_at=None,
        due_at=now + declaration.patience,
        confirmed_at=None,
    )
    exports.announce(made)
    return made


def deliver_export(
    declaration: ExportDeclaration,
    made: Export,
    *,
    home: Path,
    exports: ExportLedger,
    now: datetime,
    secret: Secret,
    at: Callable[[str], None] = lambda step: None,
) -> Export:
    """Bring an announced export to its partner and note that it is there.

    Repeating it changes nothing. Raises SourceUnreachable when the partner's place cannot be
    reached, ExportMismatch when the kept content is gone or another one.
    """
    kept = kept_content(home, declaration, made)
    if declaration.interface.type == "files":
        place = open_place(
            declaration.interface.location, home, secret=secret, owner=declaration.partner
        )
        log = send_log_bytes(_send_log(made))
        with place:
            if not _is_there(place, made, log):
                place.put(kept, made.place)
                at("file")
                place.write(f"{made.place}{SEND_LOG}", log)
                at("send_log")
    elif declaration.interface.type == "table":
        engine = open_database(
            declaration.interface.location, home, secret=secret, owner=declaration.partner
        )
        try:
            append_outbound(
                engine,
                str(declaration.interface.table),
                declaration.contract.streams[made.export].columns,
                _kept_rows(kept, list(declaration.columns)),
                batch=made.export_id,
            )
            at("rows")
        finally:
            engine.dispose()
    return exports.deliver(made, now=now, due_at=now + declaration.patience)


def _is_there(place: Place, made: Export, log: bytes) -> bool:
    """Whether an earlier attempt brought everything and died before that was noted.

    The log goes last. A partner may have taken the file since, answered it or archived both; put
    there again, the file would be read twice.
    """
    names = (f"{made.place}{SEND_LOG}", f"{_ARCHIVE}/{made.place}{SEND_LOG}")
    for name in names:
        try:
            if place.read(name, len(log) + 1) == log:
                return True
        except (FileNotFoundError, NotADirectoryError):
            continue
    answers = (f"{made.place}{READ_LOG}", f"{_ARCHIVE}/{made.place}{READ_LOG}")
    return any(_names_hash(place, name, made.sha256) for name in answers)


def _names_hash(place: Place, name: str, sha256: str) -> bool:
    """Whether a partner's read log is one of this very content."""
    try:
        body = place.read(name, _LARGEST_LOG)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return sha256.encode() in body.lower()


def kept_path(home: Path, export: str, name: str) -> Path:
    """Where the content of an export is kept."""
    return home / "exports" / export / name


def kept_content(
    home: Path, declaration: ExportDeclaration, made: Export, *, by_size: bool = False
) -> Path:
    """The kept content of an export, unchanged; raises ExportMismatch if it is not.

    With `by_size` it is not read through, for the later parts of a content whose first was.
    """
    kept = kept_path(home, made.export, file_name(declaration, made.business_date, made.sequence))
    is_whole = kept.is_file() and kept.stat().st_size == made.bytes
    if is_whole and (by_size or hash_file(kept) == made.sha256):
        return kept
    what = "is gone or was changed"
    if declaration.keep and made.status != "announced" and not kept.exists():
        what = f"is gone: it stays for {declaration.keep} after the confirmation"
    raise ExportMismatch(
        f"Delivering {made.place} (export {made.export_id}) failed: the content kept for it "
        f"{what}. Trying again does not help; export that day anew: huiyin exchange "
        f"export {made.export} --date {made.business_date} --again."
    )


def file_name(declaration: ExportDeclaration, business_date: date, sequence: int) -> str:
    """The agreed name of an export's file."""
    contract = declaration.contract
    suffix = suffix_of(contract)
    if contract.layout.compression != "none":
        suffix += f".{contract.layout.compression}"
    return f"{declaration.export}_{business_date:%Y%m%d}_{sequence:04d}{suffix}"


def _export_id(export: str, sequence: int, sha256: str) -> str:
    parts = "\0".join([export, str(sequence), sha256])
    return hashlib.sha256(parts.encode()).hexdigest()[:32]


class _Promise:
    """Makes the texts of rows while they are written, and notes what of them breaks what we promise
    our partner: types, required columns and keys."""

    def __init__(self, declaration: ExportDeclaration, business_date: date) -> None:
        self._declaration = declaration
        self._business_date = business_date
        self._columns = [
            (name, column.from_ or name, writer_of(column))
            for name, column in declaration.columns.items()
        ]
        self._required = [name for name, one in declaration.columns.items() if one.required]
        self._empty: set[str] = set()
        # How many values of a column are unfit in one way, and the first row with such a value.
        self._unfit: dict[tuple[str, str], tuple[int, int]] = {}
        # A hash takes the memory of a key, however long it is.
        self._keys: set[bytes] = set()
        self.rows = 0
        self.sums = dict.fromkeys(declaration.control.sums, "0")

    def passing(self, rows: Iterable[Row]) -> Iterator[Mapping[str, str | None]]:
        """The texts of the rows, counted; the sums are whole when the last one was taken."""
        sums = dict.fromkeys(self.sums, Decimal(0))
        for row in rows:
            self.rows += 1
            texts = self._texts(row)
            self._empty.update(name for name in self._required if texts[name] in (None, ""))
            key = json.dumps([texts[name] for name in self._declaration.key]).encode()
            self._keys.add(hashlib.blake2b(key, digest_size=16).digest())
            for name in sums:
                sums[name] = _EXACT.add(sums[name], Decimal(texts[name] or 0))
            yield texts
        self.sums.update({name: format(total, "f") for name, total in sums.items()})

    def _texts(self, row: Row) -> dict[str, str | None]:
        known = {**row, "business_date": self._business_date}
        texts: dict[str, str | None] = {}
        for name, column, write in self._columns:
            try:
                texts[name] = write(known.get(column))
            except UnfitValue as unfit:
                # Nothing of it is kept, so this stands for it until the last row was seen.
                texts[name] = "0"
                count, first = self._unfit.get((name, str(unfit)), (0, self.rows))
                self._unfit[name, str(unfit)] = (count + 1, first)
        return texts

    def check(self) -> None:
        """Raise ExportMismatch if the rows that passed break it; no value of theirs is told."""
        columns = self._declaration.columns
        faults = [
            f"column '{name}' of type {columns[name].type} has {counted(count, 'value')} {what} "
            f"(the first in row {first})"
            for (name, what), (count, first) in sorted(self._unfit.items())
        ]
        faults += [f"column '{name}' has rows without a value" for name in sorted(self._empty)]
        repeated = self.rows - len(self._keys)
        if repeated and not self._unfit:
            faults.append(f"{counted(repeated, 'row')} repeat{'s' * (repeated == 1)} the key")
        if faults:
            raise ExportMismatch(
                f"Making the export '{self._declaration.export}' failed: {'; '.join(faults)}. "
                "Nothing was kept. Trying again does not help; correct its query (cast or round "
                "there), key or columns."
            )


def _write(
    declaration: ExportDeclaration, content: Content, kept: Path, sequence: int
) -> tuple[int, Mapping[str, str]]:
    """Write the content whole or not at all; return its number of rows and its sums."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    # What a kill left: half a file, or a whole one of this number that was never announced.
    for pattern in (".*.part", f"{declaration.export}_*_{sequence:04d}.*"):
        for left in kept.parent.glob(pattern):
            left.unlink(missing_ok=True)
    temporary = kept.with_name(f".{kept.name}.part")
    promise = _Promise(declaration, content.business_date)
    try:
        write_file(
            promise.passing(content.rows),
            temporary,
            declaration.contract,
            declaration.export,
            sums=promise.sums,
        )
        promise.check()
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(kept)
    sync_folder(kept.parent)
    return promise.rows, promise.sums


def _kept_rows(kept: Path, columns: Sequence[str]) -> Iterator[tuple[str | None, ...]]:
    with kept.open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            yield tuple(row.get(name) for name in columns)


def _send_log(made: Export) -> SendLog:
    return SendLog(
        file=made.place,
        source=SOURCE,
        stream=made.export,
        branch="main",
        business_date=made.business_date,
        covers_from=made.business_date,
        sequence=made.sequence,
        rows=made.rows,
        bytes=made.bytes,
        sha256=made.sha256,
        sums=made.sums,
        sent_at=made.announced_at,
    )
