"""Values as people read them: thousands separators, percent, money, durations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

NOTHING = "—"

_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
_UNITS_ZH = {"d": "天", "h": "小时", "m": "分", "s": "秒"}


_WRITTEN: Mapping[str, Callable[[date], str]] = {
    "month": lambda day: day.isoformat()[:7],
    "quarter": lambda day: f"{day.year:04}-Q{(day.month + 2) // 3}",
    "year": lambda day: f"{day.year:04}",
}


def format_value(value: Any, shown_as: str | None, *, signed: bool = False) -> str:
    """Write a value in a format (integer, decimal, money, percent, duration; of dates month,
    quarter, year, which are written as periods are asked for; None: as it is).

    Durations are seconds, percents are shares (0.5 is 50.0%), and what separates two of them is
    told in `points` (0.5 is 50.0pp). Rounding is half up. `signed` puts a plus before what grew.
    Null is a dash.
    """
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, date):
        return _WRITTEN.get(shown_as or "", date.isoformat)(value)
    if not isinstance(value, int | float | Decimal):
        return str(value)
    plus = "+" if signed and value > 0 else ""
    if shown_as == "duration" and not _decimal(value).is_finite():
        return NOTHING
    if shown_as == "duration":
        return plus + format_duration(value)
    if shown_as == "percent":
        return f"{plus}{_rounded(_decimal(value) * 100, 1):,}%"
    if shown_as == "points":
        return f"{plus}{_rounded(_decimal(value) * 100, 1):,}pp"
    if shown_as == "integer" or (shown_as is None and isinstance(value, int)):
        return f"{plus}{_rounded(_decimal(value), 0):,}"
    if shown_as in ("money", "decimal"):
        return f"{plus}{_rounded(_decimal(value), 2):,}"
    return f"{plus}{value:,}"


def difference_format(shown_as: str | None) -> str | None:
    """The format of what separates two values of a format."""
    return "points" if shown_as == "percent" else shown_as


def format_duration(seconds: int | float | Decimal, *, language: str = "en", parts: int = 2) -> str:
    """Seconds as their two largest units: `3d 4h`, `12m 5s` (zh: `3天4小时`)."""
    rest = int(_rounded(abs(_decimal(seconds)), 0))
    found: list[tuple[str, int]] = []
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        if count or found:
            found.append((unit, count))
    shown = [(unit, count) for unit, count in (found or [("s", 0)])[:parts] if count] or [("s", 0)]
    sign = "-" if seconds < 0 else ""
    if language == "zh":
        return sign + "".join(f"{count}{_UNITS_ZH[unit]}" for unit, count in shown)
    return sign + " ".join(f"{count}{unit}" for unit, count in shown)


def _decimal(value: int | float | Decimal) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(repr(value))


def _rounded(value: Decimal, places: int) -> Decimal:
    if not value.is_finite():
        return value
    rounded = value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    return rounded if rounded else abs(rounded)
