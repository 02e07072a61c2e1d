"""The Parquet file of a batch while it is written: hidden, replaced values only, then in place."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from connectors.contract import Stream
from connectors.pii_store import PiiStore
from connectors.places.place import sync_folder
from connectors.scrubbing import scrub

_ROWS_PER_GROUP = 120_000
_BYTES_PER_GROUP = 64 * 1024 * 1024
_MOST_REMEMBERED = 600_000
_FOLDER = ".landing"
# Texts that repeat throughout are handed over as their dictionary; in the file they are texts.
_FEW = pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True)
class BatchFacts:
    """What every row of a batch's Parquet tells of its batch."""

    batch_id: str
    branch: str
    business_date: date
    received_at: datetime


def staging_folder(home: Path, source: str) -> Path:
    """Where Parquet files of a source are written before they get their name."""
    return home / "raw" / source / _FOLDER


def clear_staging(home: Path, source: str) -> None:
    """Remove what a landing that died left behind; only for the holder of the source's lock."""
    shutil.rmtree(staging_folder(home, source), ignore_errors=True)


class Staging:
    """Writes the good records of one batch, with personal values and free text replaced.

    `kept` gathers what the PII store must know: pseudonym -> (kind, value).
    """

    def __init__(
        self, folder: Path, stream: Stream, facts: BatchFacts, pii: PiiStore, extra: Sequence[str]
    ) -> None:
        self.path = folder / f"{facts.batch_id}.parquet"
        self.rows = 0
        self.kept: dict[str, tuple[str, str]] = {}
        self._facts = facts
        self._schema = _schema(stream, extra)
        self._key = stream.key
        self._replaced = {
            name: _Pseudonyms(pii, column.pii, self.kept if column.reveal else None)
            for name, column in stream.columns.items()
            if column.pii
        }
        scrubbed = [name for name, column in stream.columns.items() if column.scrub]
        self._scrubbed = {name: _Replacements() for name in [*scrubbed, *extra]}
        self._waiting: list[pa.Table] = []
        self._writer: pq.ParquetWriter | None = None
        self._writing: Future[None] | None = None
        self._beside: ThreadPoolExecutor | None = None

    def add(self, records: pa.Table) -> None:
        """Append good records: columns of the stream, extra ones, _record_no, _own_date, _op."""
        if not records.num_rows:
            return
        columns = [self._column(records, name) for name in self._schema.names]
        self._waiting.append(pa.Table.from_arrays(columns, schema=self._schema))
        self.rows += records.num_rows
        if (
            sum(table.num_rows for table in self._waiting) >= _ROWS_PER_GROUP
            or sum(table.nbytes for table in self._waiting) >= _BYTES_PER_GROUP
        ):
            self._write_beside()

    def finish(self, leave_out: Sequence[int] = ()) -> None:
        """End the file, without the records of these numbers, and make it durable."""
        self._written()
        if self._waiting:
            self._open().write_table(self._taken())
        if self._beside is not None:
            self._beside.shutdown()
        self._open().close()
        if leave_out:
            self._write_without(leave_out)
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def publish(self, path: Path) -> None:
        """Give the finished file its name and make that durable."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path.replace(path)
        sync_folder(path.parent)

    def discard(self) -> None:
        """Remove the file of a batch that is not loaded."""
        if self._beside is not None:
            self._beside.shutdown()
        if self._writer is not None:
            self._writer.close()
        self.path.unlink(missing_ok=True)

    def _column(self, records: pa.Table, name: str) -> pa.Array | pa.ChunkedArray:
        count = records.num_rows
        facts = self._facts
        if name == "_batch_id":
            return _constant(facts.batch_id, count)
        if name == "_branch":
            return _constant(facts.branch, count)
        if name == "_recorded_at":
            moment = facts.received_at.astimezone(UTC).replace(tzinfo=None)
            return pa.repeat(pa.scalar(moment, pa.timestamp("us")), count)
        if name == "_business_date":
            return pc.fill_null(
                records["_own_date"].cast(pa.date32()), pa.scalar(facts.business_date, pa.date32())
            )
        if name == "_op":
            return (
                records[name].cast(_FEW) if name in records.column_names else _constant("I", count)
            )
        column = records[name].cast(self._schema.field(name).type)
        if name in self._replaced:
            return self._replaced[name].replace(column)
        if name in self._scrubbed:
            return self._scrubbed[name].replace(column)
        return column

    def _write_beside(self) -> None:
        """Write what waits on another thread, while the next records are made ready."""
        self._written()
        if self._beside is None:
            self._beside = ThreadPoolExecutor(1)
        self._writing = self._beside.submit(self._open().write_table, self._taken())

    def _written(self) -> None:
        """Wait for what is being written; raises what went wrong."""
        if self._writing is not None:
            writing, self._writing = self._writing, None
            writing.result()

    def _taken(self) -> pa.Table:
        waiting, self._waiting = self._waiting, []
        return pa.concat_tables(waiting)

    def _open(self) -> pq.ParquetWriter:
        if self._writer is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = self._make_writer(self.path)
        return self._writer

    def _make_writer(self, path: Path) -> pq.ParquetWriter:
        # The only column of a key never repeats, so a dictionary of it would be thrown away.
        alone = self._key if len(self._key) == 1 else ()
        plain = {*alone, "_record_no"}
        return pq.ParquetWriter(
            path,
            self._schema,
            compression="zstd",
            compression_level=1,
            use_dictionary=[name for name in self._schema.names if name not in plain],
            store_schema=False,
        )

    def _write_without(self, leave_out: Sequence[int]) -> None:
        gone = pa.array(sorted(leave_out), pa.int64())
        temporary = self.path.with_suffix(".part")
        few = [field.name for field in self._schema if field.type == _FEW]
        source = pq.ParquetFile(self.path, memory_map=False, read_dictionary=few)
        still: set[str] = set()
        self.rows = 0
        with self._make_writer(temporary) as writer:
            for group in range(source.num_row_groups):
                table = source.read_row_group(group)
                table = table.filter(pc.invert(pc.is_in(table["_record_no"], gone)))
                self.rows += table.num_rows
                for name in self._replaced if self.kept else ():
                    still.update(pc.unique(table[name]).to_pylist())
                writer.write_table(table.cast(self._schema))
        temporary.replace(self.path)
        for pseudonym in [one for one in self.kept if one not in still]:
            del self.kept[pseudonym]


class _Replacements:
    """Replaces texts; what is new is computed once per distinct value that is remembered."""

    def __init__(self) -> None:
        self._known: dict[str | None, str] = {}
        self._repeat = True

    def compute(self, texts: list[str]) -> list[str]:
        """The replacement of each text."""
        return [scrub(text) for text in texts]

    def replace(self, column: pa.ChunkedArray) -> pa.Array:
        """The column with every text replaced."""
        if not self._repeat:
            return pa.array(self._replaced(column.to_pylist()), pa.string())
        encoded = column.combine_chunks().dictionary_encode()
        if isinstance(encoded, pa.ChunkedArray):
            encoded = encoded.combine_chunks()
        # Where most texts differ, finding the different ones costs more than it saves.
        self._repeat = 2 * len(encoded.dictionary) <= len(column)
        found = self._replaced(encoded.dictionary.to_pylist())
        return pa.array(found, pa.string()).take(encoded.indices)

    def _replaced(self, texts: list[str | None]) -> list[str | None]:
        found = list(map(self._known.get, texts))
        if None not in found:
            return found
        pairs = zip(texts, found, strict=True)
        unknown = list(
            dict.fromkeys(text for text, known in pairs if known is None and text is not None)
        )
        new = dict(zip(unknown, self.compute(unknown), strict=True))
        if len(self._known) + len(new) > _MOST_REMEMBERED:
            self._known = {}
        self._known.update(new)
        return [
            new.get(text) if known is None and text is not None else known
            for text, known in zip(texts, found, strict=True)
        ]


class _Pseudonyms(_Replacements):
    """Replaces personal values by pseudonyms; `kept` gathers those that may be revealed."""

    def __init__(self, pii: PiiStore, kind: Any, kept: dict[str, tuple[str, str]] | None) -> None:
        super().__init__()
        self._pii = pii
        self._kind = kind
        self._kept = kept

    def compute(self, texts: list[str]) -> list[str]:
        pseudonyms = self._pii.pseudonyms(self._kind, texts)
        if self._kept is not None:
            # What the store has already need not wait in memory until the batch is announced.
            new = set(self._pii.unknown(set(pseudonyms.values())))
            # Of spellings that share a pseudonym the first of the alphabet is kept.
            for text in texts:
                pseudonym = pseudonyms[text]
                known = self._kept.get(pseudonym)
                if pseudonym in new and (known is None or text < known[1]):
                    self._kept[pseudonym] = (self._kind, text)
        return [pseudonyms[text] for text in texts]


def _schema(stream: Stream, extra: Sequence[str]) -> pa.Schema:
    fields = [(name, _arrow_type(column.duckdb_type)) for name, column in stream.columns.items()]
    fields += [(name, pa.string()) for name in extra]
    fields += [
        ("_batch_id", _FEW),
        ("_record_no", pa.int64()),
        ("_business_date", pa.date32()),
        ("_recorded_at", pa.timestamp("us")),
        ("_op", _FEW),
        ("_branch", _FEW),
    ]
    return pa.schema(fields)


_ARROW_TYPES: Mapping[str, pa.DataType] = {
    "VARCHAR": pa.string(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us"),
    "BOOLEAN": pa.bool_(),
}


def _arrow_type(duckdb_type: str) -> pa.DataType:
    if duckdb_type in _ARROW_TYPES:
        return _ARROW_TYPES[duckdb_type]
    width, scale = duckdb_type.removeprefix("DECIMAL(").removesuffix(")").split(",")
    return pa.decimal128(int(width), int(scale))


def _constant(value: str, count: int) -> pa.Array:
    indices = pa.repeat(pa.scalar(0, pa.int32()), count)
    return pa.DictionaryArray.from_arrays(indices, pa.array([value]))
