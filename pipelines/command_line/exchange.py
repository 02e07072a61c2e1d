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

_MOST_LISTED = 50
_SHOWN_ID = 8
_SETTLED = {"confirmed", "superseded"}
_WAITING = {"announced", "delivered"}
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
    limit: Annotated[
        int, typer.Option(min=0, help="最多几行，0 为全部 / rows, 0: all")
    ] = _MOST_LISTED,
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
        all_made = ExportLedger(ledger.rows).exports(export=export)
    found = [made for made in all_made if not open_only or made.status not in _SETTLED]
    found.sort(key=lambda made: (made.announced_at, made.export, made.sequence))
    if output is Format.json:
        print_json([vars_of(made) for made in found])
        return
    shown = found[-limit:] if limit else found

    def worded(made: Export) -> str:
        word = _STATUS_WORDS[made.status] if chinese else made.status
        if made.status not in _WAITING:
            return word
        due = made.due_at.astimezone(zone).strftime("%m-%d %H:%M")
        if now > made.due_at:
            return f"{word}\n{'已逾期' if chinese else 'overdue since'} {due}"
        return f"{word}\n{'期限' if chinese else 'due'} {due}"

    print_table(
        "发给伙伴的交付" if chinese else "Deliveries to partners",
        ["编号", "交付", "行数", "状态", "说明"]
        if chinese
        else ["id", "delivery", "rows", "status", "about"],
        [
            [
                made.export_id[:_SHOWN_ID],
                f"{made.export} #{made.sequence}\n{made.business_date} → {made.partner}",
                made.rows,
                worded(made),
                "\n".join(part for part in (_place(made), _about(made, chinese=chinese)) if part),
            ]
            for made in shown
        ],
        empty=_all_settled(chinese=chinese)
        if all_made
        else _nothing(bool(declarations), chinese=chinese),
    )
    if len(found) > len(shown):
        hidden = len(found) - len(shown)
        print_text(
            f"前面还有 {hidden:,} 条：--limit 0 全部列出，--open 只看未确认的。"
            if chinese
            else f"{hidden:,} earlier ones are not shown: --limit 0 lists all, --open those not "
            "confirmed."
        )


def _place(made: Export) -> str:
    """The file or table that it went to; what is fetched from the service has none."""
    return "" if made.interface == "service" else made.place


def _about(made: Export, *, chinese: bool) -> str:
    """What became of it besides its status: the sentence of its code, and the details."""
    from connectors.codes import sentence
    from connectors.exporting.told import in_language

    language = "zh" if chinese else "en"
    parts = (sentence(made.code, language), in_language(made.reason or "", language))
    return ("：" if chinese else ": ").join(part for part in parts if part)


def _all_settled(*, chinese: bool) -> str:
    return (
        "没有未确认的交付：发出的都已确认。"
        if chinese
        else "No delivery is open: all that went out are confirmed."
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
        about = _about(made, chinese=chinese)
        print_text(f"{made.export} {made.business_date}: {word}{about and f' ({about})'}")
    if not delivered and not answered:
        print_text(
            "没有到期的导出，也没有新的确认。"
            if chinese
            else "No export is due and no answer has come."
        )


@exchange.command("confirm")
def confirm(
    context: typer.Context,
    export_id: Annotated[
        str, typer.Argument(help="exchange status 里的编号或其开头 / id or its beginning")
    ],
    rows: Annotated[int, typer.Option(min=0, help="对方读到的行数 / rows the partner read")],
    result: Annotated[Result, typer.Option(help="结果 / result")] = Result.ok,
    reason: Annotated[str | None, typer.Option(help="原因 / reason")] = None,
    language: LanguageOption = None,
) -> int:
    """登记伙伴以其他途径给出的确认 / note a confirmation that came by another way.

    例 / example: huiyin exchange confirm 4f1c0a5d --rows 21
    """
    from connectors.exporting.confirmation import Answer, settle
    from connectors.exporting.ledger import ExportLedger

    installation = open_installation(context)
    chinese = language_of(installation, language) == "zh"
    with installation.ledger() as ledger:
        exports = ExportLedger(ledger.rows)
        meant = exports.beginning_with(export_id.strip().lower())
        if len(meant) != 1 or not export_id.strip():
            raise typer.BadParameter(
                f"{export_id!r}: 没有一份交付的编号这样开头，或不止一份 / "
                "no delivery has an id that begins so, or more than one; huiyin exchange status",
                param_hint="EXPORT_ID",
            )
        made = meant[0]
        answer = Answer(result.value, rows, {}, None, reason)
        settled = settle(ledger, made, answer, now=installation.now())
        if settled is None:
            now = exports.export(made.export_id) or made
            word = _STATUS_WORDS[now.status] if chinese else now.status
            print_error(
                f"登记确认未做：{made.place} 的状态是“{word}”，只有已送达、待确认的才能登记。"
                if chinese
                else f"Nothing was noted: {made.place} is {word}; only a delivered export that "
                "waits for its confirmation can be confirmed."
            )
            return 1
    _tell([], (settled,), chinese=chinese)
    return 0 if settled.status == "confirmed" else 1


def _date(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r}: 2026-03-30", param_hint="--date") from error
