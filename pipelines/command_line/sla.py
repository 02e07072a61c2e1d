"""Commands about time limits: sla eval, due, explain and check."""

from __future__ import annotations

import sys
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
    print_table,
    print_text,
)
from pipelines.command_line.sla_explanation import explain
from pipelines.command_line.sla_policies import check

if TYPE_CHECKING:
    from cubes.working_time import DayEnds, Target

sla = typer.Typer(name="sla", help="时限 / time limits", no_args_is_help=True)


def add_to(application: typer.Typer) -> None:
    """Add the commands of this module and of those beside it."""
    sla.command("explain")(explain)
    sla.command("check")(check)
    application.add_typer(sla)


@sla.command("eval")
def evaluate(
    file: Annotated[Path, typer.Argument(help="JSON 文件，- 为标准输入 / JSON file, - is stdin")],
) -> None:
    """按文件中的日历和案例计算到期、用时与逐段说明 / due and elapsed times of the cases of a file.

    文件自带日历，不读主目录。总是输出 JSON；能算出来就退出 0（不论是否按时），文件有错退出 2 并一次
    列出全部错误 / the file holds its own calendars, no home is read. It always prints JSON and
    exits 0 when it could compute, met or not; 2 for a faulty file, with {"faults": [...]}, all at
    once.

    \b
    {"calendars": {"office": {
        "zone": "Asia/Shanghai",
        "week": {"mon": [["09:00", "12:00"], ["13:30", "18:00"]]},
        "holidays": ["2026-02-16"],
        "workdays": {"2026-02-14": "mon", "2026-02-28": [["09:00", "12:00"]]}}},
     "cases": [{"id": "A1", "calendar": "office",
        "start": "2026-02-13T17:00",
        "target": "8h",
        "end": "2026-02-16T10:00+08:00",
        "pauses": [["2026-02-14T09:00", "2026-02-14T10:00"]],
        "changes": [{"at": "2026-02-13T18:00", "target": "4h"}]}]}

    时限 / target: "8h", "90m", "30s", 秒数 / seconds, {"working_days": 10},
    {"calendar_days": 15, "roll": true}，可加 / with "ends": "midnight" | "business".

    例 / example: huiyin sla eval cases.json
    """
    from cubes.errors import DeclarationError
    from cubes.json_document import read_document
    from cubes.sla_evaluation import evaluate_document

    try:
        document = read_document(_text_of(file), file=str(file), noun="SLA")
        answers = evaluate_document(document, file=str(file))
    except DeclarationError as error:
        print_json({"faults": [str(fault) for fault in error.faults]})
        raise
    print_json(answers)


@sla.command("due")
def show_due(
    context: typer.Context,
    calendar: Annotated[str, typer.Option("--calendar", help="日历 / calendar: china")],
    start: Annotated[
        str,
        typer.Option("--start", help="起点，无时差则为当地时间 / local without an offset"),
    ],
    target: Annotated[
        str, typer.Option("--target", help="8h | 90m | 30s | 10wd 工作日 | 15cd 自然日")
    ],
    ends: Annotated[
        str, typer.Option("--ends", help="末日止于 / last day ends: midnight | business")
    ] = "midnight",
    roll: Annotated[
        bool, typer.Option("--roll/--no-roll", help="末日放假则顺延 / roll over days off (cd)")
    ] = True,
    zone: Annotated[
        str | None, typer.Option("--zone", help="时区 / zone (默认 / default: HUIYIN_TIMEZONE)")
    ] = None,
    output: FormatOption = Format.text,
    language: LanguageOption = None,
) -> None:
    """按一个日历算到期时间 / when a time limit is over by a calendar.

    用已发布快照的日历；没有快照时用自带的和本单位的规则表 / by the calendars of the published
    snapshot; before the first one by the rule tables, shipped and the operator's.

    \b
    例 / examples:
    huiyin sla due --calendar china --start 2026-02-13T17:00 --target 8h
    huiyin sla due --calendar china --start 2026-02-12 --target 10wd --ends business
    huiyin sla due --calendar china --start 2026-02-03 --target 15cd --no-roll --format json
    """
    from cubes.local_clock import micros_of, read_instant
    from cubes.working_time import due
    from pipelines.working_calendars import find_calendar

    limit = _target(target, ends, roll)
    installation = open_installation(context)
    chinese = language_of(installation, language) == "zh"
    found = find_calendar(installation, calendar, zone)
    try:
        begin = read_instant(start, found.calendar.zone)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--start") from error
    reached = due(found.calendar, begin, limit)
    assert reached.due_at is not None
    # 24:00 belongs to the day that ends.
    last = reached.due_on or found.calendar.date_of(micros_of(reached.due_at) - 1)
    answer: dict[str, Any] = {
        "calendar": calendar,
        "zone": found.calendar.zone.key,
        "start": begin,
        "target": target,
        "due": reached.due_at,
        "due_on": reached.due_on,
        "is_provisional": found.calendar.day(last).is_provisional,
        "snapshot": found.snapshot,
    }
    if output is Format.json:
        print_json(answer)
        return
    labels = {
        "calendar": ("日历", "calendar"),
        "zone": ("时区", "zone"),
        "start": ("起点", "start"),
        "target": ("时限", "target"),
        "due": ("到期", "due"),
        "due_on": ("末日", "last day"),
        "snapshot": ("快照", "snapshot"),
    }
    language_index = 0 if chinese else 1
    print_table(
        "",
        ["项目", "值"] if chinese else ["item", "value"],
        [
            [label[language_index], answer[key]]
            for key, label in labels.items()
            if answer[key] is not None
        ],
        empty="-",
    )
    if answer["is_provisional"]:
        print_text(
            "该年的放假通知尚未发布，到期时间为暂定，通知发布后重算。"
            if chinese
            else "That year's notice of days off is not out, so the due time is provisional; it is "
            "counted anew when the notice is out."
        )


def _text_of(file: Path) -> str:
    from cubes.errors import DeclarationError, Fault

    try:
        if str(file) == "-":
            return sys.stdin.read()
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        fault = Fault(str(file), 0, f"cannot be read as UTF-8 text: {error}")
        raise DeclarationError("SLA", [fault]) from error


def _target(text: str, ends: str, roll: bool) -> Target:
    """A target as a person types it: a duration, or a count of working (wd) or calendar days."""
    from cubes.sla_evaluation import read_duration
    from cubes.working_time import DayLimit

    if ends not in ("midnight", "business"):
        raise typer.BadParameter(f"{ends!r}: midnight | business", param_hint="--ends")
    until: DayEnds = "business" if ends == "business" else "midnight"
    number, unit = text.strip()[:-2], text.strip()[-2:]
    try:
        if number.isdecimal() and unit == "wd":
            return DayLimit(int(number), "working_days", ends=until)
        if number.isdecimal() and unit == "cd":
            return DayLimit(int(number), "calendar_days", roll, until)
        return read_duration(text)
    except ValueError as error:
        message = f"{error} (8h | 90m | 30s | 10wd | 15cd)"
        raise typer.BadParameter(message, param_hint="--target") from error
