"""Reading one file of a source into the tables `record` and `typed` by its contract."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from connectors.contract import Contract
from connectors.flat_cases import locate_mapped_columns, type_cases
from connectors.formats import read_records
from connectors.formats.delimited import Reading, check_trailer
from connectors.schema_change import ColumnFinding, resolve_header
from connectors.validation import count_sums, type_records


@dataclass(frozen=True)
class TypedFile:
    """What was read, and where each named column stands in a record (from 1).

    `extra` are columns that the contract does not know and that land behind its own; `findings`
    tell what the header means.
    """

    reading: Reading
    places: dict[str, int]
    extra: dict[str, int] = field(default_factory=dict)
    findings: tuple[ColumnFinding, ...] = ()


def read_typed(
    path: Path,
    contract: Contract,
    stream_name: str,
    connection: duckdb.DuckDBPyConnection,
    *,
    zone: str,
) -> TypedFile:
    """Read a file into `record` and `typed`; raises RefusedDelivery if it cannot be read."""
    stream = contract.streams[stream_name]
    layout = contract.layout
    reading = read_records(path, contract, stream_name, connection)
    if contract.shape == "cases":
        places = locate_mapped_columns(reading.header or (), contract)
        type_cases(connection, contract, places)
        check_trailer(reading, layout, {}, readable=True)
        return TypedFile(reading, places)
    header = resolve_header(reading.header, stream)
    type_records(
        connection,
        stream,
        header.places,
        width=len(reading.header or stream.columns),
        nulls=layout.nulls,
        zone=contract.zone or zone,
        decimal_mark=layout.decimal_mark,
        extra=header.extra,
    )
    if layout.trailer is not None:
        sums, readable = count_sums(connection, list(layout.trailer.sums))
        check_trailer(reading, layout, sums, readable=readable)
    return TypedFile(reading, header.places, header.extra, header.findings)
