"""The streams' rows in schema `raw`: a view over the Parquet files of each, and what changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from connectors.case_mapping import FLAT_CASE_STREAM
from connectors.contract import Contract, Stream, raw_columns
from connectors.ledger_rows import Batch
from connectors.validation import literal, quoted

_FLAT = "cases"
_CURRENT, _CHANGED = "'new', 'known'", "'new', 'gone'"


@dataclass(frozen=True)
class _Files:
    """The Parquet files of some batches: one of its own each, or one that was compacted."""

    own: tuple[Path, ...]
    compacted: tuple[Path, ...]

    def __bool__(self) -> bool:
        return bool(self.own or self.compacted)


def _files(batches: Sequence[Batch], source: str, stream: str, home: Path) -> _Files:
    """Each file once, in the order of business dates and batch ids."""
    own: dict[Path, None] = {}
    compacted: dict[Path, None] = {}
    for batch in sorted(batches, key=lambda batch: (batch.business_date, batch.batch_id)):
        if (batch.source, batch.stream) != (source, stream) or batch.path is None:
            continue
        path = home / batch.path
        (own if path.stem == batch.batch_id else compacted)[path] = None
    return _Files(tuple(own), tuple(compacted))


def _select(
    columns: Mapping[str, str], files: _Files, *, changes: str, with_extra: bool = False
) -> str:
    """A query over Parquet files with the declared columns, also when there are none.

    The empty typed branch keeps the types and supplies columns that older files do not have. Of a
    compacted file only the batches count whose `change` in `raw.batch` is one of `changes` (a SQL
    list). With `with_extra`, columns that no contract knows stand behind.
    """
    typed = ", ".join(f"null::{kind} as {quoted(name)}" for name, kind in columns.items())
    parts = [f"select {typed} where false"]
    if files.own:
        parts.append(f"select * from {_parquet(files.own)}")
    if files.compacted:
        parts.append(
            f"select * from {_parquet(files.compacted)} where _batch_id in "
            f"(select batch_id from raw.batch where change in ({changes}))"
        )
    if len(parts) == 1:
        return parts[0]
    names = ", ".join(quoted(name) for name in columns)
    extra = f", * exclude ({names})" if with_extra else ""
    return f"select {names}{extra} from ({' union all by name '.join(parts)})"


def _parquet(files: Sequence[Path]) -> str:
    listed = ", ".join(literal(str(path)) for path in files)
    return f"read_parquet([{listed}], union_by_name = true)"


def write_streams(
    work: duckdb.DuckDBPyConnection,
    contracts: Mapping[str, Contract],
    batches: Sequence[Batch],
    home: Path,
) -> None:
    """Write the view of each stream's rows in the current batches, and `flat_case` over the cases
    of all sources that have one table of them.

    Streams without batches are there too, with their columns and no row.
    """
    flat: list[str] = []
    for source, contract in sorted(contracts.items()):
        for name, stream in contract.streams.items():
            columns = raw_columns(stream)
            files = _files(batches, source, name, home)
            query = _select(columns, files, changes=_CURRENT, with_extra=True)
            work.execute(f"create or replace view raw.{quoted(f'{source}__{name}')} as {query}")
            if contract.shape == _FLAT and any(b.source == source for b in batches):
                flat.append(f"select {literal(source)} as source, * from ({query})")
    if not flat:
        columns = raw_columns(Stream.model_validate(FLAT_CASE_STREAM))
        empty = _select(columns, _Files((), ()), changes=_CURRENT)
        flat = [f"select ''::varchar as source, * from ({empty})"]
    work.execute("create or replace view raw.flat_case as " + " union all by name ".join(flat))


def write_touched(
    work: duckdb.DuckDBPyConnection,
    contracts: Mapping[str, Contract],
    changed: Sequence[Batch],
    forced_days: Sequence[date],
    home: Path,
) -> None:
    """Write the days and cases that the changed batches touch, and those of the forced days.

    A batch that is gone touches what it told. Needs the views of `write_streams`.
    """
    work.execute(
        "create or replace table raw.touched_day "
        "(source varchar, stream varchar, business_date date)"
    )
    work.execute("create or replace table raw.touched_case (source varchar, case_no varchar)")
    for source, contract in sorted(contracts.items()):
        for name, stream in contract.streams.items():
            relation = f"raw.{quoted(f'{source}__{name}')}"
            files = _files(changed, source, name, home)
            delta = _select(raw_columns(stream), files, changes=_CHANGED)
            days = [f"select distinct _business_date as business_date from ({delta})"]
            versions = ""
            if stream.key and files:
                # A record sent again, even in mode append, may stand on another day or in another
                # case in its other versions. Reads the key columns only.
                keys = ", ".join(quoted(column) for column in stream.key)
                versions = f"from {relation} where ({keys}) in (select ({keys}) from ({delta}))"
                days.append(f"select distinct _business_date {versions}")
            days.extend(f"select date {literal(day.isoformat())}" for day in forced_days)
            work.execute(
                f"insert into raw.touched_day select ?, ?, business_date from "
                f"({' union '.join(days)}) where business_date is not null order by 3",
                [source, name],
            )
            case_key = stream.case_key
            if case_key:
                forced = ", ".join(f"date {literal(day.isoformat())}" for day in forced_days)
                also = (
                    f" union select {quoted(case_key)} from {relation} "
                    f"where _business_date in ({forced})"
                    if forced
                    else ""
                )
                if versions:
                    also += f" union select {quoted(case_key)} {versions}"
                work.execute(
                    f"insert into raw.touched_case select ?, case_no from (select distinct "
                    f"{quoted(case_key)} as case_no from ({delta}){also}) "
                    "where case_no is not null order by 2",
                    [source],
                )
