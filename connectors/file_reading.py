"""Reading one file of a source into the tables `record` and `typed` by its contract."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb

from connectors.contract import Contract
from connectors.flat_cases import locate_mapped_columns, type_cases
from connectors.formats.delimited import Reading, read_delimited
from connectors.validation import locate_columns, type_records


@dataclass(frozen=True)
class TypedFile:
    """What was read, and where each named column stands in a record (from 1)."""

    reading: Reading
    places: dict[str, int]


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
    reading = read_delimited(path, contract.layout, connection)
    if contract.shape == "cases":
        places = locate_mapped_columns(reading.header or (), contract)
        type_cases(connection, contract, places)
    else:
        places = locate_columns(reading.header, stream)
        type_records(
            connection,
            stream,
            places,
            width=len(reading.header or stream.columns),
            nulls=contract.layout.nulls,
            zone=contract.zone or zone,
        )
    return TypedFile(reading, places)
