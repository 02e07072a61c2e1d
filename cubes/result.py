"""The answer to a query: columns, rows, totals, and its forms as JSON, Arrow and data frame."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from cubes.as_was import AsWas
from cubes.period import Period

if TYPE_CHECKING:
    import pandas
    import pyarrow

    from cubes.asked import Asked


@dataclass(frozen=True)
class Column:
    """One column of a result.

    `kind` is member, time, key, measure, or detail of a single row; `type` is string, integer,
    decimal, number, date, timestamp or boolean; `format` says how a measure is shown, of a time it
    is the grain; `good` says which direction is good. `heading` is the label in short lines for a
    table, where it differs from the label.
    """

    name: str
    label: str
    type: str
    kind: Literal["member", "time", "key", "measure", "detail"]
    format: str | None = None
    good: str | None = None
    unit: str | None = None
    heading: str | None = None


@dataclass(frozen=True)
class CubeResult:
    """The answer: rows keyed by the query's names; a totals row omits what is rolled up.

    Values are Python values (Decimal stays Decimal, dates are date). `member_labels` gives for a
    column the text of its codes in the asked language. `snapshot` names the snapshot answered from;
    `asked` says what it is of; `as_was` what is shown as it was, if that was asked; `aggregate`
    which aggregate answered for the facts; `compared` with which period the query's was compared.
    """

    columns: tuple[Column, ...]
    rows: list[dict[str, Any]]
    totals: list[dict[str, Any]]
    sql: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    snapshot: str | None = None
    language: str = "zh"
    member_labels: Mapping[str, Mapping[Any, str]] = field(default_factory=dict)
    asked: Asked | None = None
    as_was: AsWas | None = None
    aggregate: str | None = None
    compared: Period | None = None

    def text(self, column: str, value: Any) -> Any:
        """The label of a member's code in the asked language, else the value itself."""
        return self.member_labels.get(column, {}).get(value, value)

    def to_mapping(self) -> dict[str, Any]:
        """The JSON form as plain values: decimals as strings with their scale, dates ISO."""
        return {
            "columns": [
                {"name": item.name, "label": item.label, "type": item.type} for item in self.columns
            ],
            "rows": [_plain_row(row) for row in self.rows],
            "totals": [_plain_row(row) for row in self.totals],
            "snapshot": self.snapshot,
            "sql": self.sql,
            **({} if self.asked is None else {"asked": self.asked.to_mapping()}),
            **({} if self.as_was is None else {"as_was": self.as_was.to_mapping()}),
            **({} if self.compared is None else {"compared": _bounds(self.compared)}),
        }

    def to_json(self) -> str:
        """The JSON text."""
        return json.dumps(self.to_mapping(), ensure_ascii=False, indent=2)

    def to_arrow(self) -> pyarrow.Table:
        """The rows (without totals) as an Arrow table with the columns' types."""
        import pyarrow

        types = {
            "string": pyarrow.string(),
            "integer": pyarrow.int64(),
            "number": pyarrow.float64(),
            "date": pyarrow.date32(),
            "timestamp": pyarrow.timestamp("us"),
            "boolean": pyarrow.bool_(),
        }
        arrays = {}
        for item in self.columns:
            values = [row[item.name] for row in self.rows]
            if item.type == "decimal":
                scale = max(
                    (-int(v.as_tuple().exponent) for v in values if v is not None), default=2
                )
                arrays[item.name] = pyarrow.array(values, type=pyarrow.decimal128(38, scale))
            elif item.type == "string":
                texts = [None if v is None else str(v) for v in values]
                arrays[item.name] = pyarrow.array(texts, type=types["string"])
            else:
                arrays[item.name] = pyarrow.array(values, type=types[item.type])
        return pyarrow.table(arrays)

    def to_pandas(self) -> pandas.DataFrame:
        """The rows (without totals) as a data frame; decimals stay Decimal objects."""
        import pandas

        names = [item.name for item in self.columns]
        data = {
            name: pandas.Series([row[name] for row in self.rows], dtype=object) for name in names
        }
        return pandas.DataFrame(data, columns=names).infer_objects()


def _bounds(period: Period) -> dict[str, Any]:
    return {"start": plain(period.start), "end": plain(period.end)}


def _plain_row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: plain(value) for name, value in row.items()}


def plain(value: Any) -> Any:
    """A value as JSON writes it: decimals as strings with their scale, dates and times ISO.

    What JSON has no number for is the text "NaN", "Infinity" or "-Infinity".
    """
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return json.dumps(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)
