"""Commands about what goes to partners: exchange status, export, confirm."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

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
    vars_of,
)

if TYPE_CHECKING:
    from connectors.ledger_rows import Export

exchange = typer.Typer(
    name="exchange",
    help="与伙伴交换：发出、确认、逾期 / exchange with partners: what went out and was confirmed",
    no_args_is_help=True,
)

_STATUS_WORDS = {
    "announced": "已生成，未送达",
    "delivered": "已送达，待确认",
    "confirmed": "已确认",
    "refused": "对方拒收",
    "disagrees": "确认不符",
    "superseded": "已被重发代替",
}


class Result(StrEnum):
    """What a partner says about a delivery."""

    ok = "ok"
    partial = "partial"
    refused = "refused"


def add_to(application: typer.Typer) -> None:
    """Add the commands of this module."""
    application.add_typer(exchange)


@exchange.command("status")
def status(
    context: typer.Context,
    export: Annotated[str | None, typer.Argument(help="只看一个 / one export only")] = None,
    open_only: Annotated[
        bool, typer.Option("--open", help="只看未确认的 / only those not confirmed")
    ] = False,
    output: FormatOption = Format.text,
    language: LanguageOption = None,
) -> None:
    """列出发给伙伴的交付及其确认 / list what went to partners and how they confirmed it.

    例 / examples: huiyin exchange status; huiyin exchange status case_figures --open
    """
    from connectors.exporting.ledger import ExportLedger
    from pipelines.exchange import exports_of, require_exports

    installation = open_installation(context)
    chinese = language_of(installation, language) == "zh"
    if export is not None:
        require_exports(installation, [export])
    declarations = exports_of(installation)
    zone = ZoneInfo(installation.settings.timezone)
    now = installation.now()
    with installation.ledger() as ledger:
        found = ExportLedger(ledger.rows).exports(export=export)
    if open_only:
        found = [made for made in found if made.status not in {"confirmed", "superseded"}]
    if output is Format.json:
        print_json([vars_of(made) for made in found])
        return

    def local(made: Export) -> object:
        return made.due_at.astimezone(zone).replace(tzinfo=None)

    def worded(made: Export) -> str:
        late = made.status == "delivered" and now > made.due_at
        if chinese:
            return "逾期未确认" if late else _STATUS_WORDS[made.status]
        return "overdue" if late else made.status

    print_table(
        "发给伙伴的交付" if chinese else "Deliveries to partners",
        ["导出", "伙伴", "业务日期", "序号", "行数", "状态", "确认期限", "说明"]
        if chinese
        else ["export", "partner", "date", "no", "rows", "status", "due", "reason"],
        [
            [
                made.export,
                made.partner,
                made.business_date,
                made.sequence,
                made.rows,
                worded(made),
                local(made),
                made.reason,
            ]
            for made in found
        ],
        empty=_nothing(bool(declarations), chinese=chinese),
    )


def _nothing(declared: bool, *, chinese: bool) -> str:
    if declared:
        return (
            "还没有发出任何交付。发一次：huiyin exchange export"
            if chinese
            else "Nothing went out yet. To deliver what is due: huiyin exchange export"
        )
    return (
        "没有声明导出。请在 site/connectors/exports/ 下添加。"
        if chinese
        else "No export is declared. Add one in site/connectors/exports/."
    )


@exchange.command("export")
def export(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(help="哪些导出；不给则只做到期的 / which exports; default those due"),
    ] = None,
    day: Annotated[
        str | None, typer.Option("--date", help="业务日期 / business date, e.g. 2026-03-30")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="重新生成并重发 / make it anew and deliver it again")
    ] = False,
    output: FormatOption = Format.text,
    language: LanguageOption = None,
) -> int:
    """生成并送出，随后读取对方的确认 / make and deliver exports, then read the partners' answers.

    例 / examples: huiyin exchange export; huiyin exchange export case_figures --date 2026-03-30
    """
    from pipelines.exchange import exchange as run_exchange
    from pipelines.exchange import export_now, require_exports

    installation = open_installation(context)
    chinese = language_of(installation, language) == "zh"
    if not names and (day or again):
        raise typer.BadParameter("--date, --again: huiyin exchange export NAME --date ...")
    if names:
        require_exports(installation, names)
        delivered = export_now(installation, names, _date(day), again=again)
        failures: tuple[str, ...] = ()
        answered: tuple[Export, ...] = ()
    else:
        report = run_exchange(installation, say=lambda text: None)
        delivered, answered, failures = list(report.delivered), report.answered, report.failures
    if output is Format.json:
        print_json(
            {
                "delivered": [vars_of(made) for made in delivered],
                "answered": [vars_of(made) for made in answered],
                "failures": failures,
            }
        )
    else:
        _tell(delivered, answered, chinese=chinese)
    for failure in failures:
        print_error(failure)
    return 3 if failures else 0


def _tell(delivered: list[Export], answered: tuple[Export, ...], *, chinese: bool) -> None:
    for made in delivered:
        print_text(
            f"已送出 {made.place}（{made.business_date}，{made.rows} 行）"
            if chinese
            else f"delivered {made.place} ({made.business_date}, {made.rows} rows)"
        )
    for made in answered:
        word = _STATUS_WORDS[made.status] if chinese else made.status
        reason = f": {made.reason}" if made.reason else ""
        print_text(f"{made.export} {made.business_date}: {word}{reason}")
    if not delivered and not answered:
        print_text(
            "没有到期的导出，也没有新的确认。"
            if chinese
            else "No export is due and no answer has come."
        )


@exchange.command("confirm")
def confirm(
    context: typer.Context,
    export_id: Annotated[str, typer.Argument(help="exchange status --format json 里的编号 / id")],
    rows: Annotated[int, typer.Option(min=0, help="对方读到的行数 / rows the partner read")],
    result: Annotated[Result, typer.Option(help="结果 / result")] = Result.ok,
    reason: Annotated[str | None, typer.Option(help="原因 / reason")] = None,
    language: LanguageOption = None,
) -> int:
    """登记伙伴以其他途径给出的确认 / note a confirmation that came by another way.

    例 / example: huiyin exchange confirm 4f1c… --rows 21
    """
    from connectors.exporting.confirmation import Answer, settle
    from connectors.exporting.ledger import AWAITED, ExportLedger

    installation = open_installation(context)
    chinese = language_of(installation, language) == "zh"
    with installation.ledger() as ledger:
        made = ExportLedger(ledger.rows).export(export_id)
        if made is None:
            raise typer.BadParameter(
                f"{export_id!r}: huiyin exchange status --format json", param_hint="EXPORT_ID"
            )
        if made.status != AWAITED:
            word = _STATUS_WORDS[made.status] if chinese else made.status
            print_error(
                f"登记确认未做：{made.place} 的状态是“{word}”，只有已送达、待确认的才能登记。"
                if chinese
                else f"Nothing was noted: {made.place} is {word}; only a delivered export that "
                "waits for its confirmation can be confirmed."
            )
            return 1
        answer = Answer(result.value, rows, {}, None, reason)
        settled = settle(ledger, made, answer, now=installation.now())
    _tell([], (settled,), chinese=chinese)
    return 0 if settled.status == "confirmed" else 1


def _date(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r}: 2026-03-30", param_hint="--date") from error
