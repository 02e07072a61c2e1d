"""Numbers and dates as people say them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from notifications import wording


@pytest.mark.parametrize(
    ("value", "zh", "en"),
    [
        ("0", "¥0", "¥0"),
        ("8765.43", "¥8,765.43", "¥8,765"),
        ("9999.995", "¥1万", "¥10,000"),
        ("123456.78", "¥12.35万", "¥123,457"),
        ("99999999", "¥1亿", "¥99,999,999"),
        ("-123456789", "-¥1.23亿", "-¥123,456,789"),
        ("0.5", "¥0.50", "¥0.50"),
        ("999.995", "¥1,000", "¥1,000"),
    ],
)
def test_an_amount_is_said_in_wan_and_yi_or_in_thousands(value: str, zh: str, en: str) -> None:
    assert wording.money(Decimal(value), "zh", "CNY") == zh
    assert wording.money(Decimal(value), "en", "CNY") == en


def test_a_foreign_amount_keeps_its_own_symbol() -> None:
    assert wording.money(Decimal(1500), "en", "USD") == "$1,500"
    assert wording.money(Decimal(15000), "zh", "USD") == "US$1.5万"


def test_a_change_says_its_direction_in_words() -> None:
    assert wording.change(Decimal("0.0525"), "zh") == "增5.3%"
    assert wording.change(Decimal("-0.2"), "zh") == "降20%"
    assert wording.change(Decimal("0.0004"), "zh") == "持平"
    assert wording.change(Decimal("-0.2"), "en") == "down 20%"


def test_a_rate_changes_by_points_and_not_by_percent() -> None:
    assert wording.points(Decimal("0.012"), "zh") == "升1.2个百分点"
    assert wording.points(Decimal("-0.012"), "en") == "down 1.2 points"


def test_days_and_multiples_are_short() -> None:
    assert wording.day(date(2026, 3, 30), "zh") == "3月30日"
    assert wording.day(date(2026, 3, 30), "en") == "Mar 30"
    assert wording.times(Decimal("2.47"), "zh") == "2.5倍"
    assert wording.signed(Decimal(20), "zh") == "+20"
