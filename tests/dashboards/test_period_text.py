"""Periods are written as Superset reads them."""

from __future__ import annotations

import pytest

from dashboards.period_text import period_text

DAY = 'DATEADD(DATETIME("today"), -1, day)'

WRITTEN = [
    ("month to date", f'DATETRUNC({DAY}, month) : DATETIME("today")'),
    ("12 months to date", f'DATETRUNC(DATEADD({DAY}, -11, month), month) : DATETIME("today")'),
    ("26 weeks to date", f'DATETRUNC(DATEADD({DAY}, -25, week), week) : DATETIME("today")'),
    ("Last 30 days", "Last 30 days"),
]


@pytest.mark.parametrize(("declared", "written"), WRITTEN)
def test_a_period_to_date_begins_with_a_whole_month_and_ends_with_the_business_date(
    declared: str, written: str
) -> None:
    assert period_text(declared) == written
