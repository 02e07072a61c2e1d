"""Commands about the running processes and the machine: up, down, status, serve, doctor."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from cubes.label import Language
from pipelines.command_line.output import (
    Format,
    FormatOption,
    LanguageOption,
    language_of,
    open_installation,
    print_error,
    print_json,
    print_table,
    print_text,
)
from pipelines.installation import Installation
from pipelines.progress import Steps

if TYPE_CHECKING:
    from pipelines.processes.health import ProgramState


class DoorName(StrEnum):
    """What `serve` can serve."""

    intake = "intake"
    portal = "portal"
    service = "service"
    superset = "superset"


_STATES = {
    "healthy": "正常",
    "starting": "启动中",
    "unhealthy": "异常",
    "failed": "反复失败",
    "stopping": "停止中",
    "stopped": "已停止",
}


def add_to(application: typer.Typer) -> None:
    """Add the commands of this module."""
    application.command()(up)
    application.command()(down)
    application.command()(status)
    application.command()(serve)
    application.command()(doctor)


def up(
    context: typer.Context,
    wait: Annotated[
        float, typer.Option(min=1, max=3600, help="最多等待的秒数 / longest wait in seconds")
    ] = 180,
    output: FormatOption = Format.text,
    language: LanguageOption = None,
) -> None:
    """启动全部进程并等到正常 / start all processes and wait until they are well.

    再次执行只补上没有运行的 / a second call starts what is missing. 例 / example: huiyin up
    """
    from pipelines.processes.operation import start, wait_until_healthy

    installation = open_installation(context)
    chosen = language_of(installation, language)
    steps = Steps(installation.settings.log_format)
    if not start(installation, steps.note) and output is Format.text:
        print_error("进程已在运行。" if chosen == "zh" else "The processes run already.")
    found = wait_until_healthy(
        installation,
        seconds=wait,
        tell=lambda one, seconds: steps.done(_label(one.name, chosen), seconds),
    )
    if output is Format.json:
        print_json(_document(found, installation, chosen))
        return
    rows = [(_label(one.name, chosen), one.address) for one in found if one.address]
    print_table("", ["入口", "地址"] if chosen == "zh" else ["door", "address"], rows, empty="")
    print_text(
        "停止：huiyin down；状态：huiyin status"
        if chosen == "zh"
        else "To stop: huiyin down; how they are: huiyin status"
    )


def down(context: typer.Context, language: LanguageOption = None) -> None:
    """停止全部进程 / stop all processes and prove that none is left.

    例 / example: huiyin down
    """
    from pipelines.processes.operation import stop

    installation = open_installation(context)
    chinese = language_of(installation, language) == "zh"
    steps = Steps(installation.settings.log_format)
    stopped = stop(installation, steps.note)
    if stopped:
        print_text(
            f"已停止 {stopped} 个进程，没有遗留。"
            if chinese
            else f"Stopped {stopped} processes; none is left."
        )
    else:
        print_text("没有进程在运行。" if chinese else "Nothing was running.")


def status(
    context: typer.Context, output: FormatOption = Format.text, language: LanguageOption = None
) -> int:
    """各进程的状态；全部正常才返回 0 / how each process is; 0 only if all are well.

    例 / example: huiyin status --format json
    """
    from pipelines.processes.operation import left_over, states

    installation = open_installation(context)
    chosen = language_of(installation, language)
    found = states(installation)
    is_well = all(one.state == "healthy" for one in found)
    if output is Format.json:
        print_json(_document(found, installation, chosen))
        return 0 if is_well else 1
    headings = (
        ["进程", "状态", "地址", "开始于", "重启次数", "说明"]
        if chosen == "zh"
        else ["process", "state", "address", "since", "restarts", "detail"]
    )
    rows = [
        [
            _label(one.name, chosen),
            _STATES[one.state] if chosen == "zh" else one.state,
            one.address,
            _local(one.since, installation),
            one.restarts,
            one.detail and one.detail.text(chosen),
        ]
        for one in found
    ]
    print_table("", headings, rows, empty="")
    if left := left_over(installation):
        print_error(
            f"supervisord 已不在，遗留 {left} 个进程：huiyin down 会停止它们。"
            if chosen == "zh"
            else f"supervisord is gone and left {left} processes: huiyin down stops them."
        )
    return 0 if is_well else 1


def serve(
    context: typer.Context,
    door: Annotated[DoorName, typer.Argument(help="intake | portal | service | superset")],
    port: Annotated[int, typer.Option(min=1, max=65535, help="端口 / port")],
) -> None:
    """在前台运行一个入口 / run one door in the foreground, as `up` does.

    例 / example: huiyin serve intake --port 8010
    """
    from pipelines.serving import serve as serve_door

    serve_door(open_installation(context), door.value, port)


def doctor(
    context: typer.Context, output: FormatOption = Format.text, language: LanguageOption = None
) -> int:
    """检查机器与主目录缺什么 / what the machine and the home lack, and what to do.

    有 fail 才返回 1 / 1 only where something fails. 例 / example: huiyin doctor
    """
    from pipelines.doctor import examine

    installation = open_installation(context)
    chosen = language_of(installation, language)
    found = examine(installation)
    if output is Format.json:
        print_json(
            [
                {
                    "check": one.topic.en.lower(),
                    "topic": one.topic.text(chosen),
                    "level": one.level,
                    "text": one.text.text(chosen),
                    "remedy": one.remedy and one.remedy.text(chosen),
                }
                for one in found
            ]
        )
    else:
        headings = (
            ["检查", "结果", "说明", "怎么办"]
            if chosen == "zh"
            else ["check", "result", "finding", "what to do"]
        )
        rows = [
            [
                one.topic.text(chosen),
                one.level,
                one.text.text(chosen),
                one.remedy and one.remedy.text(chosen),
            ]
            for one in found
        ]
        print_table("", headings, rows, empty="")
    return 1 if any(one.level == "fail" for one in found) else 0


def _label(name: str, language: Language) -> str:
    from pipelines.processes.plan import LABELS

    return LABELS[name].text(language)


def _local(moment: datetime | None, installation: Installation) -> datetime | None:
    zone = ZoneInfo(installation.settings.timezone)
    return None if moment is None else moment.astimezone(zone).replace(tzinfo=None)


def _document(
    found: Sequence[ProgramState], installation: Installation, language: Language
) -> dict[str, Any]:
    zone = ZoneInfo(installation.settings.timezone)
    return {
        "healthy": all(one.state == "healthy" for one in found),
        "processes": [
            {
                "name": one.name,
                "state": one.state,
                "detail": one.detail and one.detail.text(language),
                "address": one.address,
                "since": one.since and one.since.astimezone(zone),
                "restarts": one.restarts,
                "pid": one.pid,
            }
            for one in found
        ],
    }
