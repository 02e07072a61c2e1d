"""Replay: quarantined records go through the contract as it is now, with their first arrival.

Those that are good now become a batch of their own, which belongs to the batch they came in: it
arrived when that did, and is superseded with it. Which records it settles is noted before it is
written and settled in the step that loads it, so that a kill at any moment leaves each record
either waiting or replayed, and a repeat does the rest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa

from connectors.contract import Contract
from connectors.errors import RefusedDelivery
from connectors.files.reading import read_typed
from connectors.flat_cases import locate_mapped_columns, type_cases
from connectors.formats.delimited import add_records, create_record_table
from connectors.formats.mail import COLUMNS, UnreadableMail, mail_fields
from connectors.landing import Landing, Step, explained, no_fault, only_one
from connectors.ledger import Ledger
from connectors.ledger_rows import Batch, Confirmation, QuarantineRow
from connectors.pii_store import PiiStore
from connectors.quarantining.kept_records import (
    SHARED,
    as_spelt,
    fields_of,
    names_beside,
    shared_header,
    write_records,
)
from connectors.quarantining.quarantine import (
    QuarantinedRecord,
    discard,
    forget_unfinished_replays,
    intend_replay,
    restate,
)
from connectors.schema_change import resolve_header
from connectors.scrubbing import scrub
from connectors.sql_text import quoted
from connectors.validation import Rejected, rejected_records, type_records

# Formats whose first row names the columns where the layout says so.
_WITH_HEADER = {"delimited", "national_centre", "spreadsheet"}


@dataclass(frozen=True)
class ReplayReport:
    """What a replay did to the records of one batch; `replay` is the new batch, if any was good.

    `replayed` landed (or would, in a dry run), `waiting` stay with their present reason, `lost`
    have no kept bytes, `discarded` belong to a batch that a correction has replaced.
    """

    batch: Batch
    replay: Batch | None
    replayed: int
    waiting: tuple[QuarantineRow, ...]
    lost: int
    discarded: int


def replay(
    contract: Contract,
    records: Sequence[QuarantinedRecord],
    *,
    home: Path,
    ledger: Ledger,
    pii: PiiStore,
    now: datetime,
    zone: str,
    dry_run: bool = False,
    at: Step = no_fault,
    memory_limit: str = "1GB",
) -> list[ReplayReport]:
    """Send the waiting ones of `records` (all of the source of `contract`) through it again.

    Raises LandingBusy when another process lands the source, LandingFailed for disk and stores.
    """
    found = []
    with explained(contract.source, home), only_one(home, contract.source):
        if not dry_run:
            forget_unfinished_replays(ledger, home, contract.source)
        folder = home / "tmp"
        folder.mkdir(parents=True, exist_ok=True)
        by_batch: dict[str, list[QuarantinedRecord]] = {}
        for record in records:
            if record.row.state == "waiting":
                by_batch.setdefault(record.row.batch_id, []).append(record)
        for batch_id, own in by_batch.items():
            batch = ledger.batch(batch_id)
            if batch is None or batch.stream not in contract.streams:
                continue
            with (
                TemporaryDirectory(dir=folder, prefix="replay-") as private,
                duckdb.connect(
                    config={"memory_limit": memory_limit, "temp_directory": str(folder)}
                ) as connection,
            ):
                landing = Landing(contract, home, ledger, pii, connection, now, zone, at)
                one = _Replay(landing, batch, own, Path(private))
                found.append(one.run(dry_run=dry_run))
    return found


class _Replay:
    """The replay of the waiting records of one batch."""

    def __init__(
        self, landing: Landing, batch: Batch, records: Sequence[QuarantinedRecord], folder: Path
    ) -> None:
        self._landing = landing
        self._batch = batch
        self._records = records
        self._folder = folder
        self._stream = landing.contract.streams[batch.stream]
        self._extra: tuple[str, ...] = ()
        self._rows = {one.row.record_no: one.row for one in records}
        kept = {
            number: landing.pii.quarantined_record(batch.batch_id, number) for number in self._rows
        }
        self._kept = {number: body for number, body in kept.items() if body is not None}
        self._from_file, self._header = shared_header(
            landing.pii.quarantined_record(batch.batch_id, SHARED)
        )

    def run(self, *, dry_run: bool) -> ReplayReport:
        ledger, now = self._landing.ledger, self._landing.now
        if self._batch.status == "superseded":
            if not dry_run:
                discard(ledger, self._records, reason="its batch was superseded", now=now)
            return ReplayReport(self._batch, None, 0, (), 0, len(self._records))
        lost = len(self._rows) - len(self._kept)
        if not self._kept or self._batch.status != "loaded":
            return ReplayReport(self._batch, None, 0, (), lost or len(self._rows), 0)
        good, faults = self._sift(sorted(self._kept))
        if good:
            good, repeated = self._without_repeated_keys(good)
            faults |= repeated
        waiting = tuple(
            replace(
                self._rows[number],
                column_name=fault.column,
                code="malformed_row",
                reason=fault.reason,
                masked_value=fault.masked_value,
                note=None,
            )
            for number, fault in sorted(faults.items())
        )
        if dry_run:
            return ReplayReport(self._batch, None, len(good), waiting, lost, 0)
        restate(ledger, waiting)
        loaded = self._load(good) if good else None
        return ReplayReport(self._batch, loaded, len(good), waiting, lost, 0)

    def _sift(self, numbers: list[int]) -> tuple[list[int], dict[int, Rejected]]:
        """Read records together, or in halves where one spoils the others; `typed` has the good.

        Returns the numbers of good records and the fault of each other.
        """
        try:
            count, rejected = self._read(numbers)
        except RefusedDelivery as refusal:
            if len(numbers) == 1:
                fault = Rejected(numbers[0], None, None, None, None, refusal.code, None)
                return [], {numbers[0]: fault}
            count, rejected = -1, {}
        if count == len(numbers):
            return [number for number in numbers if number not in rejected], rejected
        if len(numbers) == 1:
            fault = Rejected(numbers[0], None, None, None, None, "wrong_field_count", None)
            return [], {numbers[0]: fault}
        middle = len(numbers) // 2
        first, first_faults = self._sift(numbers[:middle])
        second, second_faults = self._sift(numbers[middle:])
        good = first + second
        faults = first_faults | second_faults
        if good:
            count, rejected = self._read(good)
            faults |= rejected
            good = [number for number in good if number not in rejected]
        return good, faults

    def _read(self, numbers: list[int]) -> tuple[int, dict[int, Rejected]]:
        """Read kept records into `typed` under their own numbers; returns records and faults."""
        connection = self._landing.connection
        places = self._read_file(numbers) if self._is_bytes(numbers) else self._read_fields(numbers)
        found = connection.execute("select count(*) from typed").fetchone()
        count = int(found[0]) if found else 0
        if count != len(numbers):
            return count, {}
        self._number(numbers)
        return count, {one.record_no: one for one in rejected_records(connection, places)}

    def _is_bytes(self, numbers: list[int]) -> bool:
        """Whether records were kept as the bytes of a file; a row without a place never was."""
        return self._from_file and self._rows[numbers[0]].byte_offset is not None

    def _read_file(self, numbers: list[int]) -> dict[str, int]:
        contract = self._landing.contract
        layout = contract.layout.model_copy(update={"compression": "none", "trailer": None})
        suffix = Path(self._batch.place).suffix or ".txt"
        if contract.interface.format == "spreadsheet":
            layout, suffix = layout.model_copy(update={"quote": layout.quote or '"'}), ".csv"
        path = self._folder / f"records{suffix}"
        header = self._header if contract.interface.format in _WITH_HEADER else None
        write_records(path, layout, header, [self._kept[number] for number in numbers])
        # The layout of the national centre is fixed by its format; here it has no trailer.
        interface = contract.interface
        if interface.format == "national_centre":
            interface = interface.model_copy(update={"format": "delimited"})
        mended = contract.model_copy(update={"file": layout, "interface": interface})
        typed = read_typed(
            path, mended, self._batch.stream, self._landing.connection, zone=self._landing.zone
        )
        self._extra = tuple(typed.extra)
        return typed.places

    def _read_fields(self, numbers: list[int]) -> dict[str, int]:
        """Read records that were kept by column, or as a mail, into `record`, and type them."""
        landing, contract = self._landing, self._landing.contract
        connection, zone = landing.connection, contract.zone or landing.zone
        given = [self._fields(number) for number in numbers]
        stream = as_spelt(self._stream, given)
        if self._header is not None:
            names = self._header
        elif contract.map is not None:
            names = list(contract.map.agreed())
        else:
            names = [column.from_ or name for name, column in stream.columns.items()]
            if contract.interface.type in {"table", "extract"}:
                names += names_beside(stream, given)
        own = {column.from_ or name: name for name, column in stream.columns.items()}
        texts = [[one.get(name, one.get(own.get(name, name))) for name in names] for one in given]
        ops = [str(one.get("_op", "I")) for one in given]
        flaws = [
            one.get("_flaw") or (None if op in {"I", "U", "D"} else "unknown_operation")
            for one, op in zip(given, ops, strict=True)
        ]
        nothing = [None] * len(numbers)
        create_record_table(connection)
        add_records(
            connection,
            [range(1, len(numbers) + 1), nothing, nothing, nothing, ops, texts, flaws],
        )
        if contract.shape == "cases":
            places = locate_mapped_columns(names, contract)
            type_cases(connection, contract, places)
            return places
        header = resolve_header(names, stream)
        self._extra = tuple(header.extra)
        from_file = contract.interface.type == "files"
        type_records(
            connection,
            stream,
            header.places,
            width=len(names),
            nulls=contract.layout.nulls if from_file else (),
            zone=zone,
            decimal_mark=contract.layout.decimal_mark if from_file else ".",
            extra=header.extra,
        )
        return header.places

    def _fields(self, number: int) -> Mapping[str, Any]:
        """A record by column, with `_flaw` where a mail cannot be read."""
        kept = self._kept[number]
        if self._landing.contract.interface.format != "mail":
            return fields_of(kept)
        try:
            return dict(zip(COLUMNS, mail_fields(kept), strict=True))
        except UnreadableMail as error:
            return {"_flaw": error.code}

    def _number(self, numbers: list[int]) -> None:
        """Give the records of `record` and `typed`, numbered from 1, their numbers back."""
        connection = self._landing.connection
        pairs = pa.table({"own": pa.array(range(1, len(numbers) + 1)), "number": pa.array(numbers)})
        connection.register("_numbers", pairs)
        for table, column in (("typed", "_record_no"), ("record", "record_no")):
            connection.execute(
                f"update {table} set {column} = n.number from _numbers n where n.own = {column}"
            )
        connection.unregister("_numbers")

    def _without_repeated_keys(self, good: list[int]) -> tuple[list[int], dict[int, Rejected]]:
        """Leave out records whose key landed with the batch they came in; `changes` may repeat."""
        landed = [
            str(self._landing.home / batch.path)
            for batch in (
                self._batch,
                *self._landing.ledger.replays_of(self._batch.batch_id, status="loaded"),
            )
            if batch.path is not None
        ]
        if self._stream.mode == "changes" or not landed:
            return good, {}
        connection, key = self._landing.connection, self._stream.key
        names = ", ".join(quoted(name) for name in key)
        connection.execute(
            f"create or replace temp table replay_key as select _record_no, {names} from typed "
            "where _fault is null"
        )
        for name in key:
            self._as_landed(name)
        # A compacted file holds other batches too; theirs are later deliveries, which may repeat.
        own = [
            self._batch.batch_id,
            *(
                one.batch_id
                for one in self._landing.ledger.replays_of(self._batch.batch_id, status="loaded")
            ),
        ]
        repeated = connection.execute(
            f"select _record_no from replay_key where ({names}) in "
            f"(select ({names}) from read_parquet(?, union_by_name = true) "
            "where _batch_id in (select unnest(?::varchar[])))",
            [sorted(set(landed)), own],
        ).fetchall()
        numbers = {row[0] for row in repeated}
        if numbers:
            connection.execute(
                "update typed set _fault = ? where _record_no in (select unnest(?::bigint[]))",
                [f"{key[0]}|duplicate_key", sorted(numbers)],
            )
        faults = {
            number: Rejected(
                number, None, None, None, key[0], "duplicate_key", self._rows[number].masked_value
            )
            for number in numbers
        }
        return [number for number in good if number not in numbers], faults

    def _as_landed(self, name: str) -> None:
        """Bring a key column of `replay_key` to the values that raw has: pseudonyms, scrubbed."""
        column = self._stream.columns[name]
        if not column.pii and not column.scrub:
            return
        connection = self._landing.connection
        texts = [
            row[0]
            for row in connection.execute(
                f"select distinct {quoted(name)} from replay_key"
            ).fetchall()
            if row[0] is not None
        ]
        for text in texts:
            new = self._landing.pii.pseudonym(column.pii, text) if column.pii else scrub(text)
            connection.execute(
                f"update replay_key set {quoted(name)} = ? where {quoted(name)} = ?", [new, text]
            )

    def _load(self, good: list[int]) -> Batch:
        batch, landing = self._batch, self._landing
        numbers = ", ".join(str(number) for number in good)
        replay_id = hashlib.sha256(f"{batch.batch_id}\0{numbers}".encode()).hexdigest()[:32]
        content = hashlib.sha256(b"\0".join(self._kept[number] for number in good)).hexdigest()
        draft = replace(
            batch,
            batch_id=replay_id,
            sequence=None,
            content_sha256=content,
            log_sha256="",
            declared_rows=None,
            declared_sums={},
            rows=len(good),
            rows_loaded=len(good),
            rejected=0,
            sums={},
            status="announced",
            code="replayed",
            reason=f"{len(good)} records of batch {batch.batch_id}",
            supersedes=None,
            path=None,
            loaded_at=None,
            replays=batch.batch_id,
        )
        intend_replay(landing.ledger, batch.batch_id, good, replay_id=replay_id)
        landing.at("intended")
        loaded = landing.land(draft, [], {}, self._extra)
        landing.ledger.confirm(
            Confirmation(loaded.batch_id, "replay", batch.place, "ok", landing.now)
        )
        return loaded
