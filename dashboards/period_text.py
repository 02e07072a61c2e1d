"""Periods of dashboards: from the words of a declaration to those of Superset."""

from __future__ import annotations

import re

_TO_DATE = re.compile(r"(?:(\d+) )?(week|month|quarter|year)s? to date")


def period_text(period: str) -> str:
    """A period in Superset's words.

    `month to date` and `12 months to date` begin with the first day of a month and end with the
    business date; the same goes for weeks, quarters and years.
    """
    found = _TO_DATE.fullmatch(period)
    if found is None:
        return period
    count, grain = int(found.group(1) or 1), found.group(2)
    # `today` is the day after the business date, so the month meant is that of the day before.
    day = 'DATEADD(DATETIME("today"), -1, day)'
    if count > 1:
        day = f"DATEADD({day}, -{count - 1}, {grain})"
    return f'DATETRUNC({day}, {grain}) : DATETIME("today")'
