"""Records of a packet: kept as columns and texts, and checked by the stream's contract."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import duckdb

from connectors.codes import sentence
from connectors.contract import Contract, Stream
from connectors.errors import RefusedDelivery
from connectors.files.exchange import sums_agree
from connectors.flat_cases import locate_mapped_columns, type_cases
from connectors.formats.delimited import add_records, create_record_table
from connectors.intake.submission import FieldFault
from connectors.schema_change import Header, resolve_header
from connectors.service.refusal import field_fault
from connectors.validation import Rejected, count_sums, rejected_records, type_records

OPERATION = "_op"
"""The key of a record that says what it does: I (the default), U or D."""


@dataclass(frozen=True)
class Records:
    """Records with the columns they name, those of the contract first, in order."""

    columns: tuple[str, ...]
    operations: tuple[str, ...]
    texts: tuple[tuple[str | None, ...], ...]

    @classmethod
    def of(cls, records: Sequence[Mapping[str, Any]], wanted: Sequence[str]) -> Records:
        """Take records as JSON gave them; values become texts, what is left out is null.

        The columns of `wanted` are always there.
        """
        named = dict.fromkeys(name for record in records for name in record)
        others = [name for name in named if name not in wanted and name != OPERATION]
        columns = (*wanted, *others)
        return cls(
            columns,
            tuple(str(record.get(OPERATION) or "I") for record in records),
            tuple(tuple(_text(record.get(name)) for name in columns) for record in records),
        )

    def with_columns(self, wanted: Sequence[str]) -> Records:
        """These records with the columns of `wanted` they lack, empty, behind their own."""
        lacking = tuple(name for name in wanted if name not in self.columns)
        if not lacking:
            return self
        empty = (None,) * len(lacking)
        texts = tuple((*row, *empty) for row in self.texts)
        return Records((*self.columns, *lacking), self.operations, texts)

    def to_bytes(self) -> bytes:
        """One fixed spelling, of which the content's hash is made."""
        return json.dumps([self.columns, self.operations, self.texts], ensure_ascii=False).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Records:
        """Read what `to_bytes` wrote."""
        columns, operations, texts = json.loads(content)
        return cls(tuple(columns), tuple(operations), tuple(tuple(row) for row in texts))

    def lay_out(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make the table `record` of these records, numbered from 1."""
        count = len(self.texts)
        numbers = list(range(1, count + 1))
        create_record_table(connection)
        add_records(
            connection,
            [
                numbers,
                numbers,
                [None] * count,
                [None] * count,
                self.operations,
                [list(row) for row in self.texts],
                [None if op in {"I", "U", "D"} else "unknown_operation" for op in self.operations],
            ],
        )

    def header(self, contract: Contract, name: str) -> Header:
        """Where each column of the contract stands; raises RefusedDelivery."""
        if contract.map is None:
            return resolve_header(self.columns, contract.streams[name])
        unknown = set(self.columns) - set(contract.map.agreed())
        if unknown:
            raise RefusedDelivery(
                "wrong_header",
                f"the records have {len(unknown)} columns that the contract does not know",
                offset=0,
            )
        return Header(locate_mapped_columns(self.columns, contract), {}, ())

    def type(
        self,
        connection: duckdb.DuckDBPyConnection,
        contract: Contract,
        name: str,
        places: Mapping[str, int],
        *,
        zone: str,
    ) -> None:
        """Make the table `typed` from the table `record` of these records by the contract."""
        if contract.map is not None:
            type_cases(connection, contract, locate_mapped_columns(self.columns, contract))
            return
        width = len(self.columns)
        stream = contract.streams[name]
        type_records(connection, stream, places, width=width, nulls=(), zone=zone)


def agreed_columns(contract: Contract, name: str) -> tuple[str, ...]:
    """The columns that records of a stream are agreed to have, as a packet names them."""
    if contract.map is not None:
        return contract.map.agreed()
    columns = contract.streams[name].columns
    return tuple(column.from_ or name for name, column in columns.items())


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def trial_faults(
    records: Records,
    contract: Contract,
    name: str,
    sums: Mapping[str, str],
    *,
    zone: str,
) -> list[FieldFault]:
    """Everything landing would find wrong with the records; nothing is kept."""
    stream = contract.streams[name]
    with duckdb.connect() as connection:
        records.lay_out(connection)
        try:
            places = records.header(contract, name).places
        except RefusedDelivery as refused:
            zh = f"{sentence(refused.code, 'zh')}（{refused.reason}）"
            return [field_fault("records", "query", said={"zh": zh, "en": refused.reason})]
        records.type(connection, contract, name, places, zone=zone)
        faults = [_record_fault(item) for item in rejected_records(connection, places)]
        wrong = wrong_sums(connection, stream, sums) if not faults else ""
    return [*faults, *([field_fault("sums", "wrong_sum", said=wrong)] if wrong else [])]


def _record_fault(item: Rejected) -> FieldFault:
    said = {language: sentence(item.reason, language) for language in ("zh", "en")}
    number = item.record_no
    return FieldFault(
        f"records.{number}.{item.column or '?'}",
        {"zh": f"第 {number} 条记录：{said['zh']}", "en": f"record {number}: {said['en']}"},
    )


def wrong_sums(
    connection: duckdb.DuckDBPyConnection, stream: Stream, declared: Mapping[str, str]
) -> str:
    """How declared and counted sums of `typed` differ; empty if they agree."""
    counted, _ = count_sums(connection, stream.control.sums)
    wrong = sums_agree(declared, counted)
    return ", ".join(
        f"{name} {declared.get(name, 'nothing')} against {format(Decimal(counted[name]), 'f')}"
        for name in wrong
    )
