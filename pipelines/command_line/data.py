"""Commands about data on its way in: simulate, ingest, build, run."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer

from pipelines.command_line.delivery import check_stream
from pipelines.command_line.failure import told
from pipelines.command_line.output import (
    Format,
    FormatOption,
    open_installation,
    print_error,
    print_json,
    print_text,
    vars_of,
)
from pipelines.errors import exit_code_of
from pipelines.progress import Steps

_MOST_DAYS = 3660
StrictOption = Annotated[
    bool,
    typer.Option("--strict", help="有隔离或拒收则退出码 1 / exit 1 on any reject"),
]
DaysOption = Annotated[
    str | None,
    typer.Option("--days", help="强制重算的日期 / days to rebuild: 2026-03-01..2026-03-10"),
]


def add_to(application: typer.Typer) -> None:
    """Add the commands of this module."""
    application.command()(simulate)
    application.command()(ingest)
    application.command()(build)
    application.command()(run)


def simulate(
    context: typer.Context,
    scale: Annotated[float, typer.Option(min=0.01, max=100, help="规模 / scale")] = 1.0,
    seed: Annotated[int, typer.Option(help="随机种子 / seed")] = 20260331,
    next_day: Annotated[
        bool, typer.Option("--next-day", help="再交付一天 / deliver one more day")
    ] = False,
) -> None:
    """模拟源系统写出各自的接口 / let simulated source systems write their interfaces.

    例 / examples: huiyin simulate --scale 0.2; huiyin simulate --next-day
    """
    from pipelines.demonstration import deliver_next_day, prepare_home, simulate_sources

    installation = open_installation(context)
    steps = Steps(installation.settings.log_format)
    if next_day:
        with steps.step("simulate"):
            moment = deliver_next_day(installation, say=steps.say)
        print_text(f"{moment.isoformat()}")
        return
    installation = prepare_home(installation)
    with steps.step("simulate"):
        simulate_sources(installation, scale=scale, seed=seed, say=steps.say)


def ingest(
    context: typer.Context,
    source: Annotated[str | None, typer.Option(help="只读一个来源 / one source only")] = None,
    strict: StrictOption = False,
    output: FormatOption = Format.text,
) -> int:
    """读取并落地各来源的交付 / check and land what the sources deliver.

    例 / example: huiyin ingest --source billing
    """
    from pipelines.workflow import ingest as land

    installation = open_installation(context)
    check_stream(installation, source, None)
    steps = Steps(installation.settings.log_format)
    with steps.step("ingest"):
        report = land(installation, say=steps.say, source=source)
    landed = report.deliveries
    rejected = sum(delivery.rejected for delivery in landed)
    refused = sum(delivery.status != "loaded" for delivery in landed)
    if output is Format.json:
        print_json([vars_of(delivery) for delivery in landed])
    else:
        print_text(
            f"{len(landed)} 批 batches, {sum(d.loaded for d in landed):,} 条 records, "
            f"{rejected} 条隔离 quarantined, {refused} 批拒收或不读 refused or not read"
        )
    for name, error in report.failures.items():
        print_error(f"{name}: {told(error)}")
    if report.failures:
        return max(exit_code_of(error) for error in report.failures.values())
    return 1 if strict and (rejected or refused) else 0


def build(
    context: typer.Context,
    days: DaysOption = None,
    output: FormatOption = Format.text,
) -> None:
    """构建星型模型并发布快照 / build the star schema and publish a snapshot.

    例 / examples: huiyin build; huiyin build --days 2026-03-01..2026-03-10
    """
    from pipelines.workflow import build_and_publish

    installation = open_installation(context)
    steps = Steps(installation.settings.log_format)
    with steps.step("build and publish"):
        report = build_and_publish(
            installation, say=steps.say, progress=steps.count, forced_days=days_between(days)
        )
    if output is Format.json:
        print_json(vars_of(report))
    elif report.published:
        print_text(
            f"快照 snapshot {report.tag}: {report.models} 个模型 models, {report.checks} 项检查 "
            f"checks, {report.new} 新批次 new batches"
        )
    else:
        print_text(f"没有变化 nothing changed; 快照 snapshot {report.tag}")


def run(
    context: typer.Context,
    strict: StrictOption = False,
    days: DaysOption = None,
) -> int:
    """落地、构建、发布、计划消息，一步完成 / ingest, build, publish and plan messages.

    例 / example: huiyin run
    """
    from pipelines.command_line.telling import plan

    code = ingest(context, strict=strict)
    build(context, days=days)
    return max(code, plan(open_installation(context), Format.text))


def days_between(text: str | None) -> list[date]:
    """The days of `a..b` or of one date; raises BadParameter for anything else."""
    from datetime import timedelta

    if text is None:
        return []
    first_text, _, last_text = text.partition("..")
    try:
        first = date.fromisoformat(first_text)
        last = date.fromisoformat(last_text or first_text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r}: 2026-03-01 | 2026-03-01..2026-03-10") from error
    if last < first:
        raise typer.BadParameter(f"{text!r}: {last} < {first}")
    if (last - first).days >= _MOST_DAYS:
        raise typer.BadParameter(f"{text!r}: 最多 {_MOST_DAYS} 天 / at most {_MOST_DAYS} days")
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]
