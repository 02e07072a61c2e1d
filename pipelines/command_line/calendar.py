"""Commands about working calendars: show, check, refresh."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.command_line.output import (
    Format,
    FormatOption,
    LanguageOption,
    language_of,
    open_installation,
    print_json,
    print_text,
)

if TYPE_CHECKING:
    from cubes.errors import Fault
    from cubes.working_calendar import CalendarDay, WorkingCalendar

calendar = typer.Typer(name="calendar", help="工作日历 / working calendars", no_args_is_help=True)

_FIRST_YEAR, _LAST_YEAR = 1950, 2199
_MARKS = {"holiday": ("休", "*"), "makeup": ("班", "+"), "weekend": ("末", "-")}
_WEEKDAYS = (
    ("一", "二", "三", "四", "五", "六", "日"),
    ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
)


def add_to(application: typer.Typer) -> None:
    """Add the commands of this module."""
    application.add_typer(calendar)


@calendar.command("show")
def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="日历 / calendar: china")],
    year: Annotated[int, typer.Argument(min=_FIRST_YEAR, max=_LAST_YEAR, help="年 / year")],
    known_at: Annotated[
        str | None,
        typer.Option(
            "--known-at",
            help="只看当时已公布的，无时差则为当地时间 / only what was announced by then",
        ),
    ] = None,
    output: FormatOption = Format.text,
    language: LanguageOption = None,
) -> None:
    """列出一个日历的一年：放假、调休上班、工时 / a year of a calendar with its days and hours.

    只读规则表（自带的和本单位的），不需要快照 / from the rule tables alone, no snapshot is needed.

    \b
    例 / examples:
    huiyin calendar show china 2026
    huiyin calendar show china 2020 --known-at 2020-01-20
    """
    from cubes.local_clock import read_instant, zone_of
    from cubes.rule_calendar import read_seed_calendar
    from pipelines.operator_rows import read_rules

    installation = open_installation(context)
    chinese = language_of(installation, language) == "zh"
    rules = read_rules(installation.home, installation.now())
    zone = installation.settings.timezone
    known = None
    if known_at is not None:
        try:
            known = read_instant(known_at, zone_of(zone))
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--known-at") from error
    found = read_seed_calendar(name, rules.tables, zone=zone, known_at=known)
    label = next(
        row.values
        for row in reversed(rules.tables["calendar"])
        if row.values["calendar_id"] == name
    )
    days = [found.day(day) for day in _dates(year)]
    if output is Format.json:
        print_json(_told(found, label, year, known_at, days))
        return
    title = label["label_zh" if chinese else "label_en"]
    print_text(_year_text(f"{name} {title} {year} ({found.zone.key})", found, days, chinese))


@calendar.command("check")
def check(
    context: typer.Context,
    output: FormatOption = Format.text,
    language: LanguageOption = None,
) -> int:
    """检查所有日历和规则表，自带的和本单位的 / check all calendars and rule tables.

    有错误则退出 1；提醒不影响退出码 / exits 1 for faults; remarks change no exit code.

    例 / example: huiyin calendar check
    """
    from cubes.rule_check import contradictions, remarks, rule_faults
    from pipelines.operator_rows import changed_rows, read_rule_files

    installation = open_installation(context)
    chinese = language_of(installation, language) == "zh"
    faults: list[Fault] = []
    told: list[Fault] = []
    tables = read_rule_files(installation.home, faults)
    is_readable = not faults
    if is_readable:
        faults += rule_faults(tables)
    if not faults:
        faults += contradictions(tables["calendar_day"])
        told = remarks(tables, installation.now().date())
    # Rows that could not be read are not gone.
    if is_readable and installation.home.ledger.exists():
        with installation.ledger() as ledger:
            faults += changed_rows(installation.home, ledger, tables)
    if output is Format.json:
        print_json(
            {"faults": [vars(one) for one in faults], "remarks": [vars(one) for one in told]}
        )
        return 1 if faults else 0
    for kind, found in ((("错误", "fault"), faults), (("提醒", "remark"), told)):
        for one in found:
            print_text(f"{kind[not chinese]} {one}")
    count = len(tables["calendar"])
    print_text(
        f"{count} 个日历，{len(faults)} 个错误，{len(told)} 个提醒"
        if chinese
        else f"{count} calendars, {len(faults)} faults, {len(told)} remarks"
    )
    return 1 if faults else 0


@calendar.command("refresh")
def refresh(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Argument(help="年文件目录，holiday-cn 的格式 / year files like holiday-cn's")
    ],
    into: Annotated[
        Path | None,
        typer.Option(
            "--into",
            help="改写此目录的规则表（开发用） / rewrite the tables of this folder instead",
        ),
    ] = None,
    output: FormatOption = Format.text,
    language: LanguageOption = None,
) -> None:
    """按年文件补充国务院的放假安排 / add the State Council's arrangements from year files.

    新行追加到本单位的规则表，已有的行不变；重复执行不再追加 / rows are appended to the operator's
    own tables, those there stay as they are; a second run adds nothing.

    \b
    例 / example, 先取得 / first get https://github.com/NateScarlet/holiday-cn:
    huiyin calendar refresh holiday-cn
    """
    from cubes.calendar import CALENDAR_ID, holiday_changes, read_holiday_years
    from cubes.errors import DeclarationError
    from cubes.rule_table import (
        RuleRow,
        announced_at,
        append_rule_rows,
        read_rule_tables,
        write_rule_rows,
    )
    from pipelines.operator_rows import SITE, read_rules

    installation = open_installation(context)
    chinese = language_of(installation, language) == "zh"
    years = read_holiday_years(folder)
    place = into or installation.home.site(SITE)
    tables: Mapping[str, Sequence[RuleRow]]
    if into is None:
        tables = read_rules(installation.home, installation.now()).tables
    else:
        faults: list[Fault] = []
        tables = read_rule_tables(into, faults)
        if faults:
            raise DeclarationError("rule table", faults)
    known = {table: [row.values for row in rows] for table, rows in tables.items()}
    added = holiday_changes(years, known, CALENDAR_ID)
    for table, rows in added.items():
        path = place / f"{table}.csv"
        if into is None:
            append_rule_rows(path, table, rows)
        elif rows:
            # A row of the same date and announcement is corrected in place.
            new = {(row["date_on"], row["announced"]) for row in rows if "date_on" in row}
            kept = [
                row
                for row in known[table]
                if row["calendar_id"] != CALENDAR_ID
                or (row.get("date_on"), row["announced"]) not in new
            ]
            key = "date_on" if "date_on" in rows[0] else "year"
            write_rule_rows(
                path,
                table,
                sorted(
                    [*kept, *rows],
                    key=lambda row: (
                        row["calendar_id"] != CALENDAR_ID,
                        row["calendar_id"],
                        row[key],
                        str(announced_at(row["announced"])),
                    ),
                ),
            )
    if output is Format.json:
        print_json({"folder": str(place), **added})
        return
    for row in added["calendar_notice"]:
        print_text(f"{row['year']}: {row['announced']} {row['url']}")
    for row in added["calendar_day"]:
        print_text(f"{row['date_on']} {_changed(row, chinese)} {row['name']} ({row['announced']})")
    count = len(added["calendar_day"])
    notices = len(added["calendar_notice"])
    print_text(
        f"{place}：新增 {notices} 份通知、{count} 天"
        if chinese
        else f"{place}: {notices} notices and {count} days added"
    )


def _changed(row: Mapping[str, str], chinese: bool) -> str:
    words = {"true": ("上班", "works"), "false": ("放假", "off"), "": ("恢复", "as its weekday")}
    return words[row["is_working"]][not chinese]


def _dates(year: int) -> list[date]:
    first = date(year, 1, 1).toordinal()
    return [date.fromordinal(one) for one in range(first, date(year + 1, 1, 1).toordinal())]


def _told(
    found: WorkingCalendar,
    label: Mapping[str, str],
    year: int,
    known_at: str | None,
    days: Sequence[CalendarDay],
) -> dict[str, Any]:
    return {
        "calendar": found.name,
        "label": {"zh": label["label_zh"], "en": label["label_en"]},
        "year": year,
        "zone": found.zone.key,
        "known_at": known_at,
        "is_provisional": any(day.is_provisional for day in days),
        "working_days": sum(day.is_working for day in days),
        "days": [
            {
                "date": day.date_on,
                "weekday": day.date_on.isoweekday(),
                "is_working": day.is_working,
                "kind": _kind(day),
                "name": day.name or None,
                "hours": [list(span) for span in _hours(found, day)],
            }
            for day in days
        ],
    }


def _kind(day: CalendarDay) -> str:
    """workday, weekend (a weekday without working time), holiday or makeup."""
    if day.kind != "week":
        return day.kind
    return "workday" if day.is_working else "weekend"


def _hours(found: WorkingCalendar, day: CalendarDay) -> list[tuple[str, str]]:
    """The working intervals as local times of day; the end of the day is 24:00."""
    from cubes.local_clock import instant_of

    shown = []
    for low, high in day.spans:
        starts, ends = instant_of(low, found.zone), instant_of(high, found.zone)
        until = "24:00" if ends.date() > day.date_on else f"{ends:%H:%M}"
        shown.append((f"{starts:%H:%M}", until))
    return shown


def _year_text(
    title: str, found: WorkingCalendar, days: Sequence[CalendarDay], chinese: bool
) -> str:
    lines = [title]
    working = sum(day.is_working for day in days)
    lines.append(f"{working} 个工作日" if chinese else f"{working} working days")
    if any(day.is_provisional for day in days):
        lines.append(
            "暂定：本年放假通知尚未公布，只按星期计算"
            if chinese
            else "Provisional: the year's notice is not out, so the week alone decides"
        )
    marks = {kind: mark[not chinese] for kind, mark in _MARKS.items()}
    words = ("放假", "调休上班", "休息日") if chinese else ("day off", "make-up day", "weekend")
    lines.append(
        "  ".join(f"{mark} {word}" for mark, word in zip(marks.values(), words, strict=True))
    )
    for month in range(1, 13):
        lines += ["", *_month_text([d for d in days if d.date_on.month == month], chinese)]
    lines += ["", *_names_text(days, chinese), "", *_hours_text(found, days, chinese)]
    return "\n".join(lines)


def _month_text(days: Sequence[CalendarDay], chinese: bool) -> list[str]:
    """A heading and the weeks of a month, each day with its mark; a cell is four columns wide."""
    first = days[0].date_on
    names = [f"{name}  " if chinese else f"{name} " for name in _WEEKDAYS[not chinese]]
    lines = [f"{first.year}-{first.month:02d}", " ".join(names).rstrip()]
    cells = ["    "] * (first.isoweekday() - 1)
    for day in days:
        mark = _MARKS.get(_kind(day))
        blank = "  " if chinese else " "
        shown = mark[not chinese] if mark else blank
        cells.append(f"{day.date_on.day:2d}{shown}" if chinese else f"{day.date_on.day:2d}{shown} ")
    for week in range(0, len(cells), 7):
        lines.append(" ".join(cells[week : week + 7]).rstrip())
    return lines


def _names_text(days: Sequence[CalendarDay], chinese: bool) -> list[str]:
    """The festivals in order, each with its days off and its make-up days."""
    named: dict[str, dict[str, list[str]]] = {}
    for day in days:
        if day.kind != "week":
            kinds = named.setdefault(day.name or "-", {"holiday": [], "makeup": []})
            kinds[day.kind].append(f"{day.date_on:%m-%d}")
    words = {"holiday": ("放假", "off"), "makeup": ("上班", "works")}
    lines = []
    for name, kinds in named.items():
        parts = [f"{words[kind][not chinese]} {', '.join(on)}" for kind, on in kinds.items() if on]
        lines.append(f"{name}: {'; '.join(parts)}")
    return lines or ["没有放假安排" if chinese else "no days off by notice"]


def _hours_text(found: WorkingCalendar, days: Sequence[CalendarDay], chinese: bool) -> list[str]:
    """The hours that occur, each with how many days have them, and the dates if they are few."""
    groups: dict[str, list[str]] = {}
    for day in days:
        if day.spans:
            shown = ", ".join("-".join(span) for span in _hours(found, day))
            groups.setdefault(shown, []).append(f"{day.date_on:%m-%d}")
    few = 5
    lines = []
    for shown, on in sorted(groups.items(), key=lambda item: -len(item[1])):
        many = f"{len(on)} 天" if chinese else f"{len(on)} days"
        lines.append(f"{shown}: {', '.join(on) if len(on) <= few else many}")
    return lines
