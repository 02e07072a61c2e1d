"""Control totals of tables: what the database itself counts and adds up, against what was read.

The database is asked in the snapshot in which the rows are read, so that a difference is never the
source at work meanwhile but a fault on the way: of a driver, of a type, of the reading.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Context, Decimal

import duckdb
import sqlalchemy as sa

from connectors.contract import Stream
from connectors.databases.table_columns import PartnerTable
from connectors.errors import RefusedDelivery
from connectors.files.exchange import sums_agree
from connectors.ledger_rows import Batch
from connectors.sql_text import quoted
from connectors.validation import count_sums

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_EXACT = Context(prec=200)


@dataclass(frozen=True)
class Totals:
    """How many rows there are, and the sums of the control columns as decimal texts.

    A sum that is no number (a database may hold one) is left out.
    """

    rows: int
    sums: Mapping[str, str]


@dataclass(frozen=True)
class Reconciliation:
    """What a database says of rows and what was counted of them.

    `readable` says that every record's control values could be read: only then do sums compare.
    """

    declared: Totals
    counted: Totals
    readable: bool

    @property
    def fault(self) -> RefusedDelivery | None:
        """The difference, if there is one that no unreadable value may explain."""
        said = []
        if self.declared.rows != self.counted.rows:
            said.append(f"rows {self.declared.rows} against {self.counted.rows}")
        elif self.readable:
            told, counted = self.declared.sums, self.counted.sums
            said += [
                f"{name} {told.get(name, 'nothing')} against {counted[name]}"
                for name in sums_agree(told, counted)
            ]
        if not said:
            return None
        reason = f"the totals that the database tells and those read differ: {', '.join(said)}"
        return RefusedDelivery("wrong_sum", reason)

    def without(self, left: Totals, readable: bool) -> Reconciliation:
        """The same of the rows that are `left` after others, known already, were taken out.

        What an unreadable value among those others added to the declared sums is not known, so that
        then no sums are declared of the rows left.
        """
        counted = self.counted
        if left.rows == counted.rows:
            return self
        if not self.readable:
            declared = Totals(self.declared.rows - counted.rows + left.rows, {})
            return Reconciliation(declared, left, False)
        sums = {
            name: _plain(
                _EXACT.add(
                    _EXACT.subtract(Decimal(said), Decimal(counted.sums[name])),
                    Decimal(left.sums[name]),
                )
            )
            for name, said in self.declared.sums.items()
        }
        declared = Totals(self.declared.rows - counted.rows + left.rows, sums)
        return Reconciliation(declared, left, readable)

    def noted(self, batch: Batch) -> Batch:
        """The batch with what was declared and counted of it.

        Sums that do not compare are noted only beside rejected records, which explain them.
        """
        declared, counted = self.declared.sums, self.counted.sums
        if not self.readable:
            declared = declared if batch.rejected else {}
            counted = {name: counted[name] for name in declared}
        return replace(
            batch, declared_rows=self.declared.rows, declared_sums=declared, sums=counted
        )


def total_columns(
    table: PartnerTable, backend: str, names: Sequence[str]
) -> list[sa.ColumnElement[str]]:
    """What to ask of a table beside its rows: their count and the sums of `names`, as texts."""
    sums = [column.total(backend) for column in table.columns if column.name in names]
    asked = [sa.func.count(), *sums]
    if backend == "postgresql":
        return [sa.cast(one, sa.Text) for one in asked]
    if backend in {"mariadb", "mysql"}:
        return [sa.cast(one, sa.CHAR) for one in asked]
    return asked


def declared_totals(
    told: Sequence[str | None], table: PartnerTable, names: Sequence[str]
) -> Totals:
    """What a database answered to `total_columns`."""
    asked = [column for column in table.columns if column.name in names]
    sums = {}
    for column, text in zip(asked, told[1:], strict=True):
        if text is None:
            sums[column.name] = "0"
        elif _NUMBER.fullmatch(text):
            sums[column.name] = _cut(text, column.contract.scale or 0)
    return Totals(int(told[0] or 0), sums)


def counted_totals(
    connection: duckdb.DuckDBPyConnection, stream: Stream, rows: int
) -> tuple[Totals, bool]:
    """What the `rows` records of `typed` add up to, and whether every value was readable.

    `stream` is the contract's as the table tells it.
    """
    sums, readable = count_sums(connection, stream.control.sums)
    return Totals(rows, sums), readable and not _hides_value(connection, stream)


def _hides_value(connection: duckdb.DuckDBPyConnection, stream: Stream) -> bool:
    """Whether a tombstone has a control value that cannot be read.

    It needs no more than its key and lands without the value, which the database adds up.
    """
    columns = list(stream.columns)
    hidden = " or ".join(
        f"(typed.{quoted(name)} is null and nullif(told.c{columns.index(name)}, '') is not null)"
        for name in stream.control.sums
    )
    if not hidden:
        return False
    row = connection.execute(
        "select exists (select 1 from typed join told_record told "
        f"on told.record_no = typed._record_no where typed._op = 'D' and ({hidden}))"
    ).fetchone()
    assert row is not None
    return bool(row[0])


def _cut(text: str, scale: int) -> str:
    """A number without zeros behind the decimals that its column has."""
    whole, point, decimals = text.partition(".")
    kept = decimals[:scale] + decimals[scale:].rstrip("0")
    return f"{whole}{point}{kept}" if kept else whole


def _plain(number: Decimal) -> str:
    return format(number, "f")
