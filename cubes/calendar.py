"""The holiday table the product ships, and how it is refreshed from a new notice.

The State Council publishes the days off and the make-up working days of a year around November of
the year before. The list holiday-cn (MIT, NateScarlet) holds one JSON file per notice year:
`{"year", "papers": [url], "days": [{"name", "date", "isOffDay"}]}`. The year is the notice's: days
of late December may stand in the next year's file. A file with no papers is a year whose notice has
not been published; it makes no rows, and the year stays provisional.

To refresh the seeds of dbt_project from a newer copy of the list:

    years = read_holiday_years(Path("holiday-cn"))
    write_holiday_seeds(years, Path("dbt_project/seeds"))
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from cubes.errors import DeclarationError, Fault

CALENDAR_ID = "china"
DAY_SEED = "calendar_day.csv"
NOTICE_SEED = "calendar_notice.csv"

_YEAR_FILE = re.compile(r"^\d{4}\.json$")
_NOTICE_DATE = re.compile(r"/(\d{4})-?(\d{2})(?:/(\d{2}))?/content_")


@dataclass(frozen=True, order=True)
class HolidayDay:
    """One date that a notice takes out of the weekly pattern."""

    date_on: date
    is_working: bool
    name: str


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


def write_holiday_seeds(years: HolidayYears, seeds: Path, calendar_id: str = CALENDAR_ID) -> None:
    """Write `calendar_day.csv` and `calendar_notice.csv` of one calendar into the folder `seeds`.

    The same years always give the same bytes.
    """
    _write_csv(
        seeds / DAY_SEED,
        ["calendar_id", "date_on", "is_working", "name"],
        (
            [calendar_id, day.date_on.isoformat(), str(day.is_working).lower(), day.name]
            for day in years.days
        ),
    )
    _write_csv(
        seeds / NOTICE_SEED,
        ["calendar_id", "year", "announced", "url"],
        ([calendar_id, str(row.year), row.announced, row.url] for row in years.notices),
    )


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
        days = [_day(row) for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        faults.append(Fault(str(path), 0, f"is not in the form of holiday-cn: {error!r}"))
        return None
    if str(year) != path.stem:
        faults.append(Fault(str(path), 0, f"says year {year} but is named {path.name}"))
    return int(year), [str(url) for url in urls], days


def _day(row: Any) -> HolidayDay:
    if not isinstance(row["isOffDay"], bool):
        raise ValueError(f"isOffDay of {row['date']} must be true or false")
    return HolidayDay(date.fromisoformat(row["date"]), not row["isOffDay"], str(row["name"]))


def _announced(url: str) -> str:
    match = _NOTICE_DATE.search(url)
    return "-".join(part for part in match.groups() if part) if match else ""


def _kind(day: HolidayDay) -> str:
    return "a working day" if day.is_working else "a day off"


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
