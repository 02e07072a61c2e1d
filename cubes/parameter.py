"""Parameters of named queries: typed values that a caller gives, with their bounds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from pydantic import model_validator

from cubes.dimension import Frozen
from cubes.errors import QueryError, ValueFault
from cubes.label import Label

Value = str | int | Decimal | bool | date

_INTEGER = re.compile(r"-?[0-9]{1,18}")
_DECIMAL = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,8})?")
_UNIT = re.compile(r"[\w-]+(\.[\w-]+)*")
_BOOLEANS = {"true": True, "false": False}
_LONGEST = 200

SQL_TYPES = {
    "date": "DATE",
    "month": "VARCHAR",
    "string": "VARCHAR",
    "integer": "BIGINT",
    "decimal": "DECIMAL(28,8)",
    "boolean": "BOOLEAN",
    "unit": "VARCHAR",
}
"""The DuckDB type of each type of parameter; a month is its first seven characters."""

_NOUNS = {
    "date": "日期",
    "month": "月份",
    "string": "文本",
    "integer": "整数",
    "decimal": "十进制数",
    "boolean": "true 或 false",
    "unit": "单位",
}
"""What a value of each type is called in Chinese."""


class Parameter(Frozen):
    """A value the caller gives; without a default it is required, unless it is optional.

    `min` and `max` bound dates and numbers, `values` lists what a string may be, `length` is the
    most characters of one. A cut that names an optional parameter without a value is left out.
    """

    type: Literal["date", "month", "string", "integer", "decimal", "boolean", "unit"] = "string"
    label: Label | None = None
    default: bool | int | Decimal | date | str | None = None
    optional: bool = False
    min: Decimal | date | None = None
    max: Decimal | date | None = None
    values: tuple[str, ...] | None = None
    length: int = _LONGEST

    @model_validator(mode="after")
    def _fits(self) -> Parameter:
        faults = list(self._faults())
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _faults(self) -> Iterator[str]:
        bounds = [bound for bound in (self.min, self.max) if bound is not None]
        wanted = {"date": date, "integer": Decimal, "decimal": Decimal}.get(self.type)
        if bounds and (wanted is None or not all(isinstance(item, wanted) for item in bounds)):
            yield f"'min' and 'max' do not fit the type {self.type}"
        if self.values is not None and self.type != "string":
            yield "'values' belongs only to strings"
        if self.optional and self.default is not None:
            yield "an optional parameter has no default"
        if self.default is not None and not bounds_are_wrong(self):
            try:
                self.read(self.default)
            except ValueError as error:
                yield f"the default {error}"

    def read(self, given: Any) -> Value:
        """The typed value of what was given; raises ValueFault with what is wrong with it."""
        text = given.isoformat() if isinstance(given, date) else str(given)
        if isinstance(given, bool):
            text = text.lower()
        if len(text) > self.length:
            raise ValueFault(
                zh=f"有 {len(text)} 个字符，最多 {self.length} 个",
                en=f"has {len(text)} characters, at most {self.length} are allowed",
            )
        value = self._typed(text)
        if value is None:
            raise ValueFault(
                zh=f"必须是{_NOUNS[self.type]}，不能是 {text!r}",
                en=f"must be a {self.type}, not {text!r}",
            )
        if self.min is not None and value < self.min:  # type: ignore[operator]
            raise ValueFault(
                zh=f"不能小于 {self.min}，给的是 {text}",
                en=f"must be at least {self.min}, not {text}",
            )
        if self.max is not None and value > self.max:  # type: ignore[operator]
            raise ValueFault(
                zh=f"不能大于 {self.max}，给的是 {text}",
                en=f"must be at most {self.max}, not {text}",
            )
        if self.values is not None and value not in self.values:
            raise ValueFault(
                zh=f"必须是 {'、'.join(self.values)} 之一，不能是 {text!r}",
                en=f"must be one of {', '.join(self.values)}, not {text!r}",
            )
        return value

    def _typed(self, text: str) -> Value | None:
        try:
            if self.type == "date":
                return date.fromisoformat(text) if len(text) == 10 else None
            if self.type == "month":
                date.fromisoformat(f"{text[:7]}-01")
                return text[:7]
            if self.type == "integer":
                return int(text) if _INTEGER.fullmatch(text) else None
            if self.type == "decimal":
                return Decimal(text) if _DECIMAL.fullmatch(text) else None
        except (ValueError, InvalidOperation):
            return None
        if self.type == "boolean":
            return _BOOLEANS.get(text)
        if self.type == "unit":
            return text if _UNIT.fullmatch(text) else None
        return text

    @property
    def signature(self) -> str:
        """How it is told in one word: its type, and `?` if it may be left out."""
        return f"{self.type}?" if self.optional or self.default is not None else self.type


def bounds_are_wrong(parameter: Parameter) -> bool:
    """Whether the bounds cannot be compared with values of the type."""
    wanted = {"date": date, "integer": Decimal, "decimal": Decimal}.get(parameter.type)
    bounds = [bound for bound in (parameter.min, parameter.max) if bound is not None]
    return bool(bounds) and (
        wanted is None or not all(isinstance(bound, wanted) for bound in bounds)
    )


def written(value: Value) -> str:
    """A typed value as a text of a query: dates ISO, booleans in lower case."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date):
        return value.isoformat()
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def read_parameter(query: str, name: str, parameter: Parameter, given: Any) -> Value:
    """The typed value of one parameter of a query; raises QueryError."""
    try:
        return parameter.read(given)
    except ValueFault as error:
        raise QueryError(
            zh=f"命名查询“{query}”的参数“{name}”{error.text('zh')}。",
            en=f"Parameter '{name}' of query '{query}' {error}.",
        ) from error
