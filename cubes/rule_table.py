"""Rule tables: what an installation rules by rows, as CSV files of declared columns.

The product ships one file a table; an operator adds rows of the same columns. A file is read whole
and checked by form; every cell is text, and an empty cell says nothing.
"""

from __future__ import annotations

import calendar
import csv
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cubes.declaration import suggest
from cubes.errors import Fault

Values = Mapping[str, str]

_ID = re.compile(r"^[a-z][a-z0-9_]*$")
_TIME = re.compile(r"^(\d{2}):(\d{2})$")
_ANNOUNCED = re.compile(r"^\d{4}-\d{2}(-\d{2}(T\d{2}:\d{2})?)?$")
_DAY_MINUTES = 24 * 60
_LAST_WEEKDAY = 7


@dataclass(frozen=True)
class RuleColumn:
    """One column: what a cell must be, and whether it may be empty."""

    kind: str = "text"
    required: bool = False
    choices: tuple[str, ...] = ()


_TEXT = RuleColumn()
_NAMED = RuleColumn(required=True)
_CALENDAR = RuleColumn("id", required=True)
_FLAG = RuleColumn("flag")
_ANNOUNCEMENT = RuleColumn("announced")
_FROM = RuleColumn("moment")

RULE_TABLES: Mapping[str, Mapping[str, RuleColumn]] = {
    "calendar": {
        "calendar_id": _CALENDAR,
        "label_zh": _NAMED,
        "label_en": _NAMED,
        "base_calendar_id": RuleColumn("id"),
        "zone": RuleColumn("zone"),
        "needs_notice": _FLAG,
        "makeup_weekday": RuleColumn("weekday"),
    },
    "calendar_template": {
        "calendar_id": _CALENDAR,
        "valid_from": RuleColumn("date"),
        "weekday": RuleColumn("weekday_or_none", required=True),
        "starts": RuleColumn("time"),
        "ends": RuleColumn("time"),
    },
    "calendar_day": {
        "calendar_id": _CALENDAR,
        "date_on": RuleColumn("date", required=True),
        "is_working": _FLAG,
        "name": _TEXT,
        "announced": _ANNOUNCEMENT,
        "like_weekday": RuleColumn("weekday"),
        "starts": RuleColumn("time"),
        "ends": RuleColumn("time"),
    },
    "calendar_notice": {
        "calendar_id": _CALENDAR,
        "year": RuleColumn("year", required=True),
        "announced": _ANNOUNCEMENT,
        "url": _TEXT,
    },
    "sla_policy": {
        "policy_id": RuleColumn("id", required=True),
        "version": RuleColumn("integer", required=True),
        "valid_from": _FROM,
        "ordinal": RuleColumn("integer", required=True),
        "clock": RuleColumn("id", required=True),
        "name": _NAMED,
        "name_en": _NAMED,
        "cycle": RuleColumn("choice", choices=("first", "again")),
        "source": _TEXT,
        "kind": _TEXT,
        "category_path": _TEXT,
        "priority": _TEXT,
        "complexity": _TEXT,
        "org_unit_id": _TEXT,
        "channel": _TEXT,
        "reporter_type": _TEXT,
        "calendar_id": RuleColumn("id"),
        "target": RuleColumn("number"),
        "unit": RuleColumn(
            "choice",
            choices=("business_seconds", "calendar_seconds", "working_days", "calendar_days"),
        ),
        "rolls": _FLAG,
        "ends": RuleColumn("choice", choices=("midnight", "business")),
        "target_kind": RuleColumn("choice", choices=("each", "mean", "percentile")),
        "percentile": RuleColumn("number"),
        "pause_statuses": _TEXT,
        "warn_at": _TEXT,
        "grace": _TEXT,
        "is_active": _FLAG,
        "basis": _TEXT,
        "note": _TEXT,
    },
    "sla_priority": {
        "ordinal": RuleColumn("integer", required=True),
        "valid_from": _FROM,
        "urgency": _TEXT,
        "importance": _TEXT,
        "complexity": _TEXT,
        "priority": _NAMED,
    },
    "category_remap": {
        "source": _TEXT,
        "path_from": _NAMED,
        "path_to": _NAMED,
        "valid_from": RuleColumn("date"),
    },
}
"""The columns of each rule table, in the order of its file."""


@dataclass(frozen=True)
class RuleRow:
    """One row: its table, the file and line it stands in, its number from 1 and its cells.

    `is_operator` tells rows of an installation from shipped ones.
    """

    table: str
    file: str
    line: int
    number: int
    values: Values
    is_operator: bool = False

    def fault(self, message: str) -> Fault:
        """A fault of this row."""
        return Fault(self.file, self.line, message)

    @property
    def content(self) -> str:
        """What the row says, whatever the order of its columns."""
        said = {name: value for name, value in self.values.items() if value}
        return json.dumps(said, ensure_ascii=False, sort_keys=True)


RuleTables = Mapping[str, Sequence[RuleRow]]


def read_rule_rows(
    path: Path, table: str, faults: list[Fault], *, is_operator: bool = False
) -> list[RuleRow]:
    """Read one file of a rule table; an absent file has no rows.

    Faults of form go to `faults`, each with its line: a file that is no CSV in UTF-8, columns that
    are unknown, missing or given twice, a row of another length, and cells that are not what their
    column needs. A row with a faulty cell is still given.
    """
    if not path.is_file():
        return []
    columns = RULE_TABLES[table]
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            lines: list[tuple[int, list[str]]] = []
            before = 0
            for cells in reader:
                lines.append((before + 1, [cell.strip() for cell in cells]))
                before = reader.line_num
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        faults.append(Fault(str(path), 0, f"cannot be read as CSV in UTF-8: {error}"))
        return []
    lines = [(line, cells) for line, cells in lines if any(cells)]
    if not lines:
        return []
    line, header = lines[0]
    wrong = [_unknown(name, columns) for name in header if name not in columns]
    wrong += [f"the column {name!r} is missing" for name in columns if name not in header]
    wrong += [f"the column {name!r} is given twice" for name in columns if header.count(name) > 1]
    if wrong:
        faults.extend(Fault(str(path), line, message) for message in wrong)
        return []
    rows = []
    for number, (line, cells) in enumerate(lines[1:], start=1):
        if len(cells) != len(header):
            faults.append(
                Fault(str(path), line, f"has {len(cells)} cells for {len(header)} columns")
            )
            continue
        given = dict(zip(header, cells, strict=True))
        values = {name: given[name] for name in columns}
        row = RuleRow(table, str(path), line, number, values, is_operator)
        faults.extend(row.fault(message) for message in _cell_faults(row))
        rows.append(row)
    return rows


def read_rule_tables(
    folder: Path, faults: list[Fault], *, is_operator: bool = False
) -> dict[str, list[RuleRow]]:
    """Read the files of all rule tables in a folder; see `read_rule_rows`."""
    return {
        table: read_rule_rows(folder / f"{table}.csv", table, faults, is_operator=is_operator)
        for table in RULE_TABLES
    }


def append_rule_rows(path: Path, table: str, rows: Sequence[Values]) -> None:
    """Append rows to a file, in the order of its columns; a file that is absent gets a header.

    What the file holds stays byte for byte.
    """
    if not rows:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    header: Sequence[str] = list(RULE_TABLES[table])
    begun = path.is_file() and path.stat().st_size > 0
    ended = True
    if begun:
        text = path.read_text(encoding="utf-8-sig")
        ended = text.endswith("\n")
        header = [name.strip() for name in next(csv.reader(text.splitlines()))]
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if not ended:
            file.write("\n")
        if not begun:
            writer.writerow(header)
        writer.writerows([row[name] for name in header] for row in rows)


def write_rule_rows(path: Path, table: str, rows: Sequence[Values]) -> None:
    """Write a file anew; the same rows always give the same bytes."""
    columns = list(RULE_TABLES[table])
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([row[name] for name in columns] for row in rows)


def announced_at(text: str) -> datetime | None:
    """The local instant from which a row is known; None for an empty cell: it always was.

    A day counts from its beginning, a month ('YYYY-MM') from its last day. Raises ValueError.
    """
    if not text:
        return None
    if not _ANNOUNCED.match(text):
        raise ValueError(f"{text!r} is no date such as 2026-03-31, 2026-03 or 2026-03-31T18:30")
    if len(text) == len("YYYY-MM"):
        year, month = int(text[:4]), int(text[5:])
        first = date(year, month, 1)
        return datetime.combine(
            first.replace(day=calendar.monthrange(year, month)[1]), datetime.min.time()
        )
    return datetime.fromisoformat(text)


def minute_of(text: str) -> int:
    """The minute of the day that 'HH:MM' names, up to 24:00; raises ValueError."""
    match = _TIME.match(text)
    minute = int(match[1]) * 60 + int(match[2]) if match and int(match[2]) < 60 else -1
    if not 0 <= minute <= _DAY_MINUTES:
        raise ValueError(f"{text!r} is no time of day such as 09:00, up to 24:00")
    return minute


def in_force(row: RuleRow, moment: datetime) -> bool:
    """Whether a row is announced, or valid, at a local moment (naive)."""
    text = row.values.get("announced") or row.values.get("valid_from") or ""
    starts = announced_at(text)
    return starts is None or starts <= moment


def _unknown(name: str, columns: Mapping[str, RuleColumn]) -> str:
    return f"the column {name!r} is unknown{suggest(name, columns)}"


def _cell_faults(row: RuleRow) -> list[str]:
    faults = []
    for name, column in RULE_TABLES[row.table].items():
        value = row.values[name]
        if not value:
            if column.required:
                faults.append(f"{name} is empty")
            continue
        try:
            _CHECKS[column.kind](value, column)
        except ValueError as error:
            faults.append(f"{name}: {error}")
    return faults


def _check_id(value: str, _: RuleColumn) -> None:
    if not _ID.match(value):
        raise ValueError(f"{value!r} must be of small letters, digits and _")


def _check_date(value: str, _: RuleColumn) -> None:
    try:
        valid = date.fromisoformat(value).isoformat() == value
    except ValueError:
        valid = False
    if not valid:
        raise ValueError(f"{value!r} is no date such as 2026-03-31")


def _check_announced(value: str, _: RuleColumn) -> None:
    try:
        announced_at(value)
    except ValueError as error:
        raise ValueError(
            f"{value!r} is no date such as 2026-03-31, 2026-03 or 2026-03-31T18:30"
        ) from error


def _check_moment(value: str, _: RuleColumn) -> None:
    # A rule holds from a day on; from a month nobody could tell which.
    try:
        if len(value) == len("YYYY-MM"):
            raise ValueError("a month")
        announced_at(value)
    except ValueError as error:
        raise ValueError(f"{value!r} is no date such as 2026-03-31 or 2026-03-31T18:30") from error


def _check_time(value: str, _: RuleColumn) -> None:
    minute_of(value)


def _between(first: int, last: int) -> Callable[[str, RuleColumn], None]:
    def check(value: str, _: RuleColumn) -> None:
        if not value.isdecimal() or not first <= int(value) <= last:
            raise ValueError(f"{value!r} is no number from {first} to {last}")

    return check


def _check_integer(value: str, _: RuleColumn) -> None:
    if not re.fullmatch(r"\d{1,9}", value):
        raise ValueError(f"{value!r} is no whole number")


def _check_number(value: str, _: RuleColumn) -> None:
    if not re.fullmatch(r"\d{1,12}(\.\d{1,6})?", value):
        raise ValueError(f"{value!r} is not a number")


def _check_flag(value: str, _: RuleColumn) -> None:
    if value not in {"true", "false"}:
        raise ValueError(f"{value!r} must be true or false")


def _check_zone(value: str, _: RuleColumn) -> None:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{value!r} is not an IANA time zone such as Asia/Shanghai") from error


def _check_choice(value: str, column: RuleColumn) -> None:
    if value not in column.choices:
        raise ValueError(
            f"{value!r} is none of {', '.join(column.choices)}{suggest(value, column.choices)}"
        )


def _check_text(value: str, _: RuleColumn) -> None:
    if not value.isprintable():
        raise ValueError("has a character that cannot be printed")


_CHECKS: Mapping[str, Callable[[str, RuleColumn], None]] = {
    "text": _check_text,
    "id": _check_id,
    "date": _check_date,
    "announced": _check_announced,
    "moment": _check_moment,
    "time": _check_time,
    "weekday": _between(1, _LAST_WEEKDAY),
    "weekday_or_none": _between(0, _LAST_WEEKDAY),
    "year": _between(1949, 2199),
    "integer": _check_integer,
    "number": _check_number,
    "flag": _check_flag,
    "zone": _check_zone,
    "choice": _check_choice,
}
