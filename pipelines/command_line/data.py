"""Commands about data on its way in: simulate, ingest, build, run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

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

if TYPE_CHECKING:
    from pipelines.known_then import KnownThen

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
    known_at: Annotated[
        str | None,
        typer.Option(
            "--known-at",
            help="当时所知：时刻、快照编号或 now / known then: instant, snapshot tag or now",
        ),
    ] = None,
    into: Annotated[
        Path | None, typer.Option(help="写入的文件，不发布 / file to write, nothing is published")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="覆盖已有的文件 / replace an existing file")
    ] = False,
    output: FormatOption = Format.text,
) -> None:
    """构建星型模型并发布快照 / build the star schema and publish a snapshot.

    --known-at 在一旁按当时已到的数据和已公布的规则重建，写入 --into 的文件，不动已发布的一切 /
    --known-at builds from what had arrived and been announced then, into the file of --into, and
    leaves all that is published alone. 不带时区的时刻按本地时区 / an instant without an offset is
    local. 例 / examples: huiyin build; huiyin build --days 2026-03-01..2026-03-10;
    huiyin build --known-at 2026-03-31T09:00 --into then.duckdb;
    huiyin build --known-at 20260330-0001 --into then.duckdb
    """
    from pipelines.workflow import build_and_publish

    if known_at is not None or into is not None:
        _build_known_then(context, known_at, into, days=days, force=force, output=output)
        return
    if force:
        raise typer.BadParameter("只与 --into 合用 / only with --into", param_hint="--force")
    installation = open_installation(context)
    steps = Steps(installation.settings.log_format)
    with steps.step("build and publish"):
        report = build_and_publish(
            installation, say=steps.say, progress=steps.count, forced_days=days_between(days)
        )
    if output is Format.json:
        print_json(vars_of(report))
    elif report.published:
        anew = "，全部重算 everything made anew" if report.full else ""
        print_text(
            f"快照 snapshot {report.tag}: {report.models} 个模型 models, {report.checks} 项检查 "
            f"checks, {report.new} 新批次 new batches{anew}"
        )
    else:
        print_text(f"没有变化 nothing changed; 快照 snapshot {report.tag}")


def _build_known_then(
    context: typer.Context,
    known_at: str | None,
    into: Path | None,
    *,
    days: str | None,
    force: bool,
    output: Format,
) -> None:
    from pipelines.known_then import build_known_then

    if known_at is None or into is None:
        lacking = "--known-at" if known_at is None else "--into"
        message = "--known-at 与 --into 要一起给出 / --known-at and --into go together"
        raise typer.BadParameter(message, param_hint=lacking)
    if days is not None:
        message = "不与 --known-at 合用 / not with --known-at, which builds every day"
        raise typer.BadParameter(message, param_hint="--days")
    installation = open_installation(context)
    steps = Steps(installation.settings.log_format)
    with steps.step("build what was known then"):
        known = build_known_then(
            installation, known_at, into, force=force, say=steps.say, progress=steps.count
        )
    if output is Format.json:
        print_json({**vars_of(known), "file": str(known.file)})
        return
    print_text(
        f"{known.information['known_at']} 已知 known: {known.batches} 批 batches, "
        f"业务日期 business date {known.information['business_date']}; "
        f"{known.models} 个模型 models, {known.checks} 项检查 checks"
    )
    print_text(f"写入 written: {known.file}")
    print_text(f"  huiyin cube --db {known.file} query cases --measures cases")
    for line in _comparison_of(known):
        print_text(line)


def _comparison_of(known: KnownThen) -> Iterator[str]:
    """With which messages the built file can be compared, in both languages."""
    zone = ZoneInfo(known.information["zone"])
    for one in known.comparable:
        yield (
            f"可与快照 {one.tag} 的 {len(one.messages)} 条消息所告数字相比 / "
            f"comparable with the figures of {len(one.messages)} messages of snapshot {one.tag}:"
        )
        if not one.is_same_moment:
            yield (
                f"  快照的时刻不同，随时刻变的数字用 --known-at {one.tag} / it speaks of "
                f"{one.as_of.isoformat()}: for figures that depend on it use --known-at {one.tag}"
            )
        if not one.is_same_definition:
            yield (
                "  此后模型或立方体改过，差别可能由此而来 / models or cubes have changed since, "
                "which may be why figures differ"
            )
        for message in one.messages:
            yield (
                f"  {message['message_id']}  {message['subject_id']}  {message['account_id']}  "
                f"{message['created_at'].astimezone(zone):%Y-%m-%d %H:%M}"
            )
    if known.comparable:
        yield "  huiyin message explain <编号 id>"
    elif known.before is not None:
        yield (
            "没有消息出自同一批数据，可用 --known-at 快照编号 / no message told figures of exactly "
            f"these batches; the last snapshot until then is {known.before}: --known-at "
            f"{known.before}"
        )


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
