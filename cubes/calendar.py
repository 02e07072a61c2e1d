"""The State Council's days off and make-up days, read from the list holiday-cn and kept as rows.

The State Council publishes the days off and the make-up working days of a year around November of
the year before. The list holiday-cn (MIT, NateScarlet) holds one JSON file per notice year:
`{"year", "papers": [url], "days": [{"name", "date", "isOffDay"}]}`. The year is the notice's: days
of late December may stand in the next year's file. A file with no papers is a year whose notice has
not been published; it makes no rows, and the year stays provisional.

A file tells how a year stands after all its notices, not which of them arranged a day. So a day
that the rows know already as the file tells it keeps its announcement, and one that differs was
arranged by the last notice (`holiday_changes`). What a notice replaced stays as a row.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from cubes.errors import DeclarationError, Fault
from cubes.rule_table import RULE_TABLES, announced_at

CALENDAR_ID = "china"
DAYS = "calendar_day"
NOTICES = "calendar_notice"

_ALWAYS = datetime.fromisoformat("0001-01-01")
_YEAR_FILE = re.compile(r"^\d{4}\.json$")
_NOTICE_DATE = re.compile(r"/(\d{4})-?(\d{2})(?:/(\d{2}))?/content_")


@dataclass(frozen=True, order=True)
class HolidayDay:
    """One date that the notices of a year take out of the weekly pattern."""

    date_on: date
    is_working: bool
    name: str
    year: int


@dataclass(frozen=True, order=True)
class HolidayNotice:
    """One notice: the year it arranges, its address, and its date as far as the address tells.

    `announced` is 'YYYY-MM-DD', 'YYYY-MM' or empty.
    """

    year: int
    url: str
    announced: str


@dataclass(frozen=True)
class HolidayYears:
    """All days and notices of a folder, sorted by date and by year."""

    days: tuple[HolidayDay, ...]
    notices: tuple[HolidayNotice, ...]


def read_holiday_years(folder: Path) -> HolidayYears:
    """Read every `YYYY.json` of `folder`.

    Raises DeclarationError with the faults of all files at once: no file at all, unreadable JSON,
    a missing or ill-typed field, one date arranged in two ways.
    """
    faults: list[Fault] = []
    days: dict[date, tuple[HolidayDay, Path]] = {}
    notices: list[HolidayNotice] = []
    paths = (
        sorted(path for path in folder.iterdir() if _YEAR_FILE.match(path.name))
        if folder.is_dir()
        else []
    )
    if not paths:
        faults.append(Fault(str(folder), 0, "holds no year file such as 2026.json"))
    for path in paths:
        content = _read_year(path, faults)
        if content is None:
            continue
        year, urls, found = content
        notices.extend(HolidayNotice(year, url, _announced(url)) for url in urls)
        for day in found:
            known = days.setdefault(day.date_on, (day, path))
            if known[0].is_working != day.is_working:
                faults.append(
                    Fault(
                        str(path),
                        0,
                        f"{day.date_on} is {_kind(day)} here but {_kind(known[0])} in {known[1]}",
                    )
                )
    if faults:
        raise DeclarationError("holiday", faults)
    return HolidayYears(
        days=tuple(sorted(day for day, _ in days.values())), notices=tuple(sorted(notices))
    )


def holiday_changes(
    years: HolidayYears,
    known: Mapping[str, Sequence[Mapping[str, str]]],
    calendar_id: str = CALENDAR_ID,
) -> dict[str, list[dict[str, str]]]:
    """The rows of `calendar_day` and `calendar_notice` that `known` lacks to tell what `years` do.

    `known` holds the rows of the two tables in the order in which later ones count. A notice is
    known by its address, and the date of its announcement may have been corrected there. A day that
    is in no file any more goes back to the weekly pattern. Nothing is lacking after it was added.
    """
    notices = [row for row in known[NOTICES] if row["calendar_id"] == calendar_id]
    days = [row for row in known[DAYS] if row["calendar_id"] == calendar_id]
    addresses = {row["url"] for row in notices}
    added: dict[str, list[dict[str, str]]] = {DAYS: [], NOTICES: []}
    for notice in years.notices:
        if notice.url not in addresses:
            told = {"year": str(notice.year), "announced": notice.announced, "url": notice.url}
            added[NOTICES].append(_row(NOTICES, calendar_id, told))
    notices += added[NOTICES]
    listed = {day.date_on.isoformat() for day in years.days}
    for year in sorted({notice.year for notice in years.notices}):
        texts = [row["announced"] for row in notices if row["year"] == str(year)]
        arranged = {announced_at(text) for text in texts}
        last = max(texts, key=_instant)
        current: dict[str, Mapping[str, str]] = {}
        for row in sorted(days, key=lambda row: _instant(row["announced"])):
            if announced_at(row["announced"]) in arranged:
                current[row["date_on"]] = row
        for day in years.days:
            on, works = day.date_on.isoformat(), str(day.is_working).lower()
            if day.year == year and current.get(on, {}).get("is_working") != works:
                told = {"date_on": on, "is_working": works, "name": day.name, "announced": last}
                added[DAYS].append(_row(DAYS, calendar_id, told))
        for on, row in sorted(current.items()):
            near = int(on[:4]) in {year - 1, year}
            if near and on not in listed and row["is_working"]:
                told = {"date_on": on, "is_working": "", "name": row["name"], "announced": last}
                added[DAYS].append(_row(DAYS, calendar_id, told))
    return added


def _row(table: str, calendar_id: str, told: Mapping[str, str]) -> dict[str, str]:
    return {name: told.get(name, "") for name in RULE_TABLES[table]} | {"calendar_id": calendar_id}


def _instant(announced: str) -> datetime:
    return announced_at(announced) or _ALWAYS


def _read_year(
    path: Path, faults: list[Fault]
) -> tuple[int, Sequence[str], list[HolidayDay]] | None:
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        faults.append(Fault(str(path), 0, f"cannot be read as JSON: {error}"))
        return None
    try:
        year, urls, rows = content["year"], content["papers"], content["days"]
        days = [_day(row, int(year)) for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        faults.append(Fault(str(path), 0, f"is not in the form of holiday-cn: {error!r}"))
        return None
    if str(year) != path.stem:
        faults.append(Fault(str(path), 0, f"says year {year} but is named {path.name}"))
    return int(year), [str(url) for url in urls], days


def _day(row: Any, year: int) -> HolidayDay:
    if not isinstance(row["isOffDay"], bool):
        raise ValueError(f"isOffDay of {row['date']} must be true or false")
    return HolidayDay(date.fromisoformat(row["date"]), not row["isOffDay"], str(row["name"]), year)


def _announced(url: str) -> str:
    match = _NOTICE_DATE.search(url)
    return "-".join(part for part in match.groups() if part) if match else ""


def _kind(day: HolidayDay) -> str:
    return "a working day" if day.is_working else "a day off"
