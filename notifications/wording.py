"""Numbers and dates as people say them, in Chinese and in English.

Values are Decimals, ints or dates; ratios are fractions (0.052 is 5.2 %).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from babel import Locale
from babel.dates import format_skeleton
from babel.numbers import get_currency_symbol, parse_pattern

from cubes.label import Language

_LOCALES: Mapping[Language, Locale] = {
    "zh": Locale.parse("zh_CN"),
    "en": Locale.parse("en_US"),
}
_CENTS = parse_pattern("#,##0.00")
_NUMBERS = parse_pattern("#,##0.##")
_WAN = Decimal(10_000)
_YI = Decimal(100_000_000)
_CENT = Decimal("0.01")
_TENTH = Decimal("0.1")


def _rounded(value: Decimal, step: Decimal) -> Decimal:
    return value.quantize(step, rounding=ROUND_HALF_UP)


def _plain(value: Decimal, language: Language) -> str:
    return str(_NUMBERS.apply(value, _LOCALES[language]))


def _magnitude(value: Decimal, language: Language) -> str:
    """A number without its sign: 万 and 亿 in Chinese, grouped thousands in English."""
    if language == "en":
        return _plain(_rounded(value, Decimal(1) if value >= 1000 else _CENT), language)
    if _rounded(value, _CENT) < _WAN:
        return _plain(_rounded(value, _CENT), language)
    if _rounded(value / _WAN, _CENT) < _WAN:
        return _plain(_rounded(value / _WAN, _CENT), language) + "万"
    return _plain(_rounded(value / _YI, _CENT), language) + "亿"


def number(value: Decimal, language: Language) -> str:
    """Say a number: `12.35万`, in English `123,456`."""
    return ("-" if value < 0 else "") + _magnitude(abs(value), language)


def money(value: Decimal, language: Language, currency: str) -> str:
    """Say an amount: `¥12.35万`, in English `¥123,456`."""
    symbol = get_currency_symbol(currency, locale=_LOCALES["zh" if currency == "CNY" else language])
    size = _rounded(abs(value), _CENT)
    if size < 1000 and size % 1:
        said = str(_CENTS.apply(size, _LOCALES[language]))
    else:
        said = _magnitude(abs(value), language)
    return ("-" if value < 0 else "") + symbol + said


def percent(value: Decimal, language: Language) -> str:
    """Say a fraction: 0.0525 is `5.3%`."""
    return _plain(_rounded(value * 100, _TENTH), language) + "%"


def change(ratio: Decimal, language: Language) -> str:
    """Say a relative change: `增5.2%`, `降5.2%`, `持平`; `up 5.2%`, `down 5.2%`, `unchanged`."""
    size = percent(abs(ratio), language)
    if _rounded(ratio * 100, _TENTH) == 0:
        return "持平" if language == "zh" else "unchanged"
    if language == "zh":
        return ("增" if ratio > 0 else "降") + size
    return ("up " if ratio > 0 else "down ") + size


def points(difference: Decimal, language: Language) -> str:
    """Say a change of a rate in percentage points: `升1.2个百分点`, `up 1.2 points`."""
    size = _plain(_rounded(abs(difference) * 100, _TENTH), language)
    if _rounded(difference * 100, _TENTH) == 0:
        return "持平" if language == "zh" else "unchanged"
    if language == "zh":
        return f"{'升' if difference > 0 else '降'}{size}个百分点"
    return f"{'up' if difference > 0 else 'down'} {size} points"


def signed(difference: Decimal, language: Language) -> str:
    """Say a difference with its sign: `+20`, `-3`."""
    return ("+" if difference > 0 else "") + number(difference, language)


def times(ratio: Decimal, language: Language) -> str:
    """Say a multiple: `2.5倍`, `2.5 times`."""
    size = _plain(_rounded(ratio, _TENTH), language)
    return f"{size}倍" if language == "zh" else f"{size} times"


def day(value: date, language: Language) -> str:
    """Say a day without its year: `3月30日`, `Mar 30`."""
    return str(format_skeleton("MMMd", value, locale=_LOCALES[language]))


def month(value: date, language: Language) -> str:
    """Say the month of a day: `3月`, `Mar`."""
    return str(format_skeleton("MMMM", value, locale=_LOCALES[language]))


def wordings(language: Language, currency: str) -> dict[str, Callable[[Any], str]]:
    """Return the filters that templates may use, bound to a language and a currency."""

    def decimal(speak: Callable[[Decimal, Language], str]) -> Callable[[Any], str]:
        return lambda value: speak(Decimal(value), language)

    return {
        "number": decimal(number),
        "money": lambda value: money(Decimal(value), language, currency),
        "percent": decimal(percent),
        "change": decimal(change),
        "points": decimal(points),
        "signed": decimal(signed),
        "times": decimal(times),
        "day": lambda value: day(value, language),
        "month": lambda value: month(value, language),
    }
