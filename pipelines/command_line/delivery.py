"""Commands about what was delivered: deliveries, exchange allow-shrink, retry and tidy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from pipelines.command_line.exchange import exchange
from pipelines.command_line.output import (
    Format,
    FormatOption,
    LanguageOption,
    language_of,
    open_installation,
    print_json,
    print_table,
    print_text,
    vars_of,
)
from pipelines.installation import Installation

if TYPE_CHECKING:
    from connectors.ledger_rows import Batch, ExchangeEvent
    from pipelines.delivery_history import Entry

_MOST_LISTED = 200
# Their sentence says all that their detail does.
_PLAIN_EVENTS = {"missing_log", "missing_file"}
_STATUS = {
    "loaded": "已落地",
    "refused": "拒收",
    "superseded": "已被替代",
    "announced": "未完成",
    "expired": "已过期",
    "open": "未了",
    "settled": "已了",
}
SourceOption = Annotated[str | None, typer.Option("--source", help="来源 / source")]
StreamOption = Annotated[
    str | None, typer.Option("--stream", help="数据流 / stream: billing.payments")
]


def add_to(application: typer.Typer) -> None:
    """Add the commands of this module; the partners' group is there already."""
    application.command()(deliveries)
    exchange.command("allow-shrink")(allow_shrink)
    exchange.command("retry")(retry)
    exchange.command("reland")(reland)
    exchange.command("tidy")(tidy)


def deliveries(
    context: typer.Context,
    stream: Annotated[
        str | None, typer.Argument(help="来源或来源.数据流 / source or source.stream")
    ] = None,
    source: SourceOption = None,
    branch: Annotated[str | None, typer.Option(help="分支 / branch")] = None,
    first: Annotated[
        datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], help="业务日期起 / business date from"),
    ] = None,
    last: Annotated[
        datetime | None,
        typer.Option("--to", formats=["%Y-%m-%d"], help="业务日期止 / business date to"),
    ] = None,
    code: Annotated[str | None, typer.Option(help="代码 / code, such as wrong_sum")] = None,
    problems: Annotated[
        bool, typer.Option("--problems", help="只看有问题的 / only those with a problem")
    ] = False,
    open_only: Annotated[
        bool, typer.Option("--open", help="只看未了的 / only what is not settled")
    ] = False,
    reconcile: Annotated[
        bool,
        typer.Option("--reconcile", help="申报与清点对账 / declared against counted, day by day"),
    ] = False,
    limit: Annotated[
        int, typer.Option(min=0, help="最多几行，0 为全部 / rows, 0: all")
    ] = _MOST_LISTED,
    output: FormatOption = Format.text,
    language: LanguageOption = None,
) -> None:
    """列出交付批次和交换事件 / list batches and exchange events, in the order they came.

    例 / examples: huiyin deliveries --problems; huiyin deliveries billing.payments --reconcile
    """
    from pipelines.delivery_history import Choice, history

    installation = open_installation(context)
    chinese = language_of(installation, language) == "zh"
    named, _, of_stream = (stream or "").partition(".")
    if named and source and named != source:
        raise typer.BadParameter(f"{stream!r} / --source {source!r}", param_hint="STREAM")
    chosen = named or source
    if chosen is None or not _is_partner(installation, chosen, of_stream or None):
        check_stream(installation, chosen, of_stream or None)
    choice = Choice(
        source=chosen,
        stream=of_stream or None,
        branch=branch,
        first=first.date() if first else None,
        last=last.date() if last else None,
        code=code,
        problems=problems,
        open_only=open_only,
    )
    with installation.ledger() as ledger:
        found = history(ledger, choice)
    if reconcile:
        batches = [one.batch for one in found if one.batch]
        _print_reconciliation(batches, output, limit, chinese=chinese)
        return
    if output is Format.json:
        print_json(
            {
                "batches": [_with_message(one.batch) for one in found if one.batch],
                "events": [_with_message(one.event) for one in found if one.event],
            }
        )
        return
    zone = ZoneInfo(installation.settings.timezone)
    shown = found[-limit:] if limit else found
    print_table(
        "交付与交换事件" if chinese else "Deliveries and exchange events",
        ["到达", "数据流", "业务日期", "状态", "行数", "说明"]
        if chinese
        else ["at", "stream", "date", "status", "rows", "about"],
        [_row(one, zone, chinese=chinese) for one in shown],
        empty="没有符合的交付或事件。" if chinese else "No delivery or event is like that.",
    )
    if problems or open_only:
        _advise([one.code for one in shown], "zh" if chinese else "en")
    _tell_hidden(len(found) - len(shown), chinese=chinese)


def _advise(codes: Sequence[str | None], language: str) -> None:
    """What to do about each code that asks somebody to do something."""
    from connectors.codes import asks_for_care, hint

    for code in dict.fromkeys(codes):
        if code and asks_for_care(code) and hint(code, language):
            print_text(f"  {code}: {hint(code, language)}")


def _with_message(one: Batch | ExchangeEvent) -> dict[str, Any]:
    """A batch or event for programs, with what its code says."""
    from connectors.files.exchange import code_message

    return vars_of(one) | {"message": code_message(one.code)}


def _row(entry: Entry, zone: ZoneInfo, *, chinese: bool) -> list[Any]:
    from connectors.codes import sentence

    language = "zh" if chinese else "en"
    batch, event = entry.batch, entry.event
    about = [entry.place, sentence(entry.code, language), f"({entry.code})" if entry.code else ""]
    if batch is not None and batch.rejected:
        about.append(f"隔离 {batch.rejected}" if chinese else f"{batch.rejected} rejected")
    if batch is not None and batch.status == "refused" and batch.reason:
        about.append(batch.reason)
    if event is not None and event.code not in _PLAIN_EVENTS:
        about.append(entry.detail(language))
    name = f"{entry.source}.{entry.stream}" if entry.stream else entry.source
    return [
        entry.at.astimezone(zone).strftime("%m-%d %H:%M"),
        name if entry.branch == "main" else f"{name} [{entry.branch}]",
        entry.business_date,
        _STATUS[entry.status] if chinese else entry.status,
        batch.rows if batch else None,
        " ".join(part for part in about if part),
    ]


def _print_reconciliation(
    batches: Sequence[Batch], output: Format, limit: int, *, chinese: bool
) -> None:
    from pipelines.delivery_history import reconcile

    lines = reconcile(batches)
    if output is Format.json:
        print_json([vars_of(line) for line in lines])
        return
    shown = lines[-limit:] if limit else lines
    print_table(
        "对账：申报与清点" if chinese else "Reconciliation: declared against counted",
        ["业务日期", "数据流", "项目", "申报", "清点", "差", "累计差"]
        if chinese
        else ["day", "stream", "measure", "declared", "counted", "differs", "running"],
        [
            [
                line.business_date,
                f"{line.source}.{line.stream}",
                ("行数" if chinese else "rows") if line.measure == "rows" else line.measure,
                line.declared,
                line.counted,
                line.difference or None,
                line.drift or None,
            ]
            for line in shown
        ],
        empty="没有申报过合计的批次。" if chinese else "No batch declared anything to compare.",
    )
    _tell_hidden(len(lines) - len(shown), chinese=chinese)


def _tell_hidden(hidden: int, *, chinese: bool) -> None:
    if hidden:
        print_text(
            f"前面还有 {hidden:,} 条：--limit 0 全部列出，--from 和数据流名缩小范围。"
            if chinese
            else f"{hidden:,} earlier ones are not shown: --limit 0 lists all, --from and the name "
            "of a stream narrow it down."
        )


def allow_shrink(
    context: typer.Context,
    stream: Annotated[str, typer.Argument(help="来源.数据流 / SOURCE.STREAM")],
    rows: Annotated[
        int | None, typer.Option(min=0, help="最少行数（默认：等着的那一批） / rows at least")
    ] = None,
    by: Annotated[str, typer.Option(help="谁同意的 / who allows it")] = "operator",
) -> int:
    """允许一次比上次少得多的全量 / allow one full delivery with far fewer rows than the last.

    例 / example: huiyin exchange allow-shrink hr.staffing
    """
    from connectors.full_delivery import allow_shrink as allow

    installation = open_installation(context)
    source, _, name = stream.partition(".")
    check_stream(installation, source, name or None)
    with installation.ledger() as ledger:
        allowed = allow(ledger, source, name, rows=rows, by=by, now=installation.now())
    if not allowed:
        print_text(f"没有等着的全量 / no small full delivery is waiting: {stream}")
        return 1
    for batch in allowed:
        print_text(f"{batch.place}: {batch.rows:,} 行 rows; huiyin ingest")
    return 0


def retry(
    context: typer.Context,
    batch: Annotated[str, typer.Argument(help="批次号或其开头 / batch id or its beginning")],
) -> None:
    """改好合同之后，让拒收的文件下次重新读 / have a refused file read again, its contract mended.

    例 / example: huiyin exchange retry 3f2a9c10 && huiyin ingest
    """
    installation = open_installation(context)
    with installation.ledger() as ledger:
        refused = ledger.batches(status="refused")
        found = [one for one in refused if one.batch_id.startswith(batch)]
        if len(found) != 1:
            raise typer.BadParameter(
                f"{batch!r}: {len(found)} 个拒收批次 / refused batches", param_hint="BATCH"
            )
        if found[0].interface != "files":
            raise typer.BadParameter(
                f"{found[0].place}: 只有文件能重读；接口表、抽取和服务的批次请对方更正后重发 / "
                "only files can be read again; of a table, an extract or the service let the "
                "source correct and send them anew",
                param_hint="BATCH",
            )
        ledger.reopen(found[0].batch_id)
    print_text(
        f"{found[0].place}: 下次 huiyin ingest 重读 / is read again by the next huiyin ingest"
    )


def reland(
    context: typer.Context,
    batch: Annotated[str, typer.Argument(help="批次号或其开头 / batch id or its beginning")],
) -> None:
    """从归档重新落地一批，替代原来的 / land a loaded batch again from the archive, replacing it.

    用于落地文件丢失或合同已放宽 / for a lost Parquet file or a contract that takes more now.
    例 / example: huiyin exchange reland 3f2a9c10 && huiyin build
    """
    from connectors.files.relanding import reland as land_again

    installation = open_installation(context)
    with installation.ledger() as ledger, installation.pii_store() as pii:
        loaded = ledger.batches(status="loaded")
        found = [one for one in loaded if one.batch_id.startswith(batch)]
        if len(found) != 1:
            raise typer.BadParameter(
                f"{batch!r}: {len(found)} 个已落地批次 / loaded batches", param_hint="BATCH"
            )
        check_stream(installation, found[0].source, None)
        landed = land_again(
            installation.contracts[found[0].source],
            found[0].batch_id,
            home=installation.home.path,
            ledger=ledger,
            pii=pii,
            now=installation.now(),
            zone=installation.settings.timezone,
            secret=installation.secret,
            memory_limit=installation.settings.memory_limit,
        )
    print_text(
        f"{landed.place}: {landed.rows_loaded:,} 行 rows, {landed.rejected} 条隔离 quarantined, "
        f"批次 batch {landed.batch_id}; huiyin build"
    )


def tidy(
    context: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="只说不做 / tell, change nothing")
    ] = False,
    output: FormatOption = Format.text,
) -> int:
    """合并小文件，清理过保留期的数据 / compact small files, remove what is kept long enough.

    过保留期的：原始数据、隔离原文、归档里的文件、导出的留底 /
    that is raw data, kept records, files in archives, kept contents of exports.

    例 / example: huiyin exchange tidy --dry-run
    """
    from pipelines.tidying import tidy as tidy_home

    installation = open_installation(context)
    report = tidy_home(installation, dry_run=dry_run, say=lambda _: None)
    if output is Format.json:
        print_json(vars_of(report))
    else:
        for line in report.lines():
            print_text(line)
    return 1 if report.failures else 0


def _is_partner(installation: Installation, name: str, export: str | None) -> bool:
    """Whether our exports go to a partner of that name; their events stand under it."""
    from pipelines.exchange import exports_of

    return any(
        one.partner == name and export in (None, one.export)
        for one in exports_of(installation).values()
    )


def check_stream(installation: Installation, source: str | None, stream: str | None) -> None:
    """Refuse a source this installation does not read, or a stream it does not have."""
    if source is None:
        return
    if source not in installation.contracts:
        known = ", ".join(installation.contracts)
        raise typer.BadParameter(f"{source!r}: {known}", param_hint="--source")
    streams = installation.contracts[source].streams
    if stream is not None and stream not in streams:
        known = ", ".join(f"{source}.{name}" for name in streams)
        raise typer.BadParameter(f"{source}.{stream}: {known}", param_hint="STREAM")
