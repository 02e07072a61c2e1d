"""The values of an export as texts, each held to the type that its column declares."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

from connectors.exporting.declaration import ExportColumn

_LARGEST = {"integer": 2**31 - 1, "bigint": 2**63 - 1}
_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")
_DATE, _MOMENT = "%Y-%m-%d", "%Y-%m-%d %H:%M:%S"

Writer = Callable[[Any], "str | None"]


class UnfitValue(ValueError):
    """A value is not of its column's type; the message says what it is, never the value."""


def writer_of(column: ExportColumn) -> Writer:
    """What makes the text of a value of this column; it raises UnfitValue for one of another type.

    No value and an empty text give None, an empty text of a text column stays.
    """
    kind = column.type.replace(" ", "")
    decimal = _DECIMAL.fullmatch(kind)
    if decimal:
        return _filled(_decimals(int(decimal[1]), int(decimal[2])))
    if kind in _LARGEST:
        return _filled(_wholes(_LARGEST[kind]))
    if kind == "date":
        return _filled(_days(column.format or _DATE))
    if kind == "timestamp":
        return _filled(_moments(column.format or _MOMENT))
    if kind == "boolean":
        return _filled(_truth)
    return _texts(column.format, column.length)


def _filled(write: Callable[[Any], str]) -> Writer:
    return lambda value: None if value is None or value == "" else write(value)


def _decimals(digits: int, places: int) -> Callable[[Any], str]:
    whole = rf"[1-9]\d{{0,{digits - places - 1}}}|0" if digits > places else "0"
    part = rf"(?:\.\d{{1,{places}}})?" if places else ""
    plain = re.compile(rf"-?(?:{whole}){part}", re.ASCII)

    def write(value: Any) -> str:
        text = _number(value)
        if plain.fullmatch(text):
            return text
        # Zeros that say nothing may stand at both ends.
        sign, text = ("-", text[1:]) if text.startswith("-") else ("", text)
        before, _, after = text.partition(".")
        before, after = before.lstrip("0") or "0", after.rstrip("0")
        if len(after) > places:
            raise UnfitValue(f"with more than {places} decimal places")
        if len(before) > digits - places and before != "0":
            raise UnfitValue(f"with more than {digits - places} digits before the point")
        return f"{sign}{before}{after and '.'}{after}"

    return write


def _wholes(largest: int) -> Callable[[Any], str]:
    def write(value: Any) -> str:
        before, _, after = _number(value).partition(".")
        if after.strip("0"):
            raise UnfitValue("with decimal places")
        if not -largest - 1 <= int(before) <= largest:
            raise UnfitValue("beyond the numbers of this type")
        return before

    return write


def _number(value: Any) -> str:
    """A finite number in digits, without an exponent."""
    if type(value) is int:
        return str(value)
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise UnfitValue("other than a number") from None
    if not number.is_finite():
        raise UnfitValue("other than a finite number")
    return format(number, "f")


def _days(pattern: str) -> Callable[[Any], str]:
    def write(value: Any) -> str:
        if isinstance(value, str) and _is_written(value, pattern):
            return value
        if not isinstance(value, date):
            raise UnfitValue("other than a date")
        if isinstance(value, datetime) and value.time() != time.min:
            raise UnfitValue("with a time of day")
        return value.strftime(pattern)

    return write


def _moments(pattern: str) -> Callable[[Any], str]:
    def write(value: Any) -> str:
        if isinstance(value, str) and _is_written(value, pattern):
            return value
        if not isinstance(value, date):
            raise UnfitValue("other than a moment")
        return value.strftime(pattern)

    return write


def _is_written(text: str, pattern: str) -> bool:
    try:
        return datetime.strptime(text, pattern).replace(tzinfo=UTC) is not None
    except ValueError:
        return False


def _truth(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value in ("true", "false"):
        return str(value)
    raise UnfitValue("other than true and false")


def _texts(pattern: str | None, length: int | None) -> Writer:
    def write(value: Any) -> str | None:
        if value is None:
            return None
        text = _text(value, pattern)
        if length is not None and len(text) > length:
            raise UnfitValue(f"longer than {length} characters")
        return text

    return write


def _text(value: Any, pattern: str | None) -> str:
    if isinstance(value, bool):
        return _truth(value)
    if isinstance(value, datetime):
        return value.strftime(pattern or _MOMENT)
    if isinstance(value, date):
        return value.strftime(pattern or _DATE)
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value)
