"""Commands about records set aside: quarantine list, show, replay, discard."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.command_line.delivery import SourceOption, StreamOption, check_stream
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
from pipelines.errors import exit_code_of
from pipelines.installation import Installation

if TYPE_CHECKING:
    from connectors.quarantining.quarantine import QuarantinedRecord
    from connectors.quarantining.replay import ReplayReport

quarantine = typer.Typer(
    name="quarantine", help="隔离区 / records set aside with their reason", no_args_is_help=True
)
_STATES = {"waiting": "等待", "replayed": "已重放", "discarded": "已放弃"}
BatchOption = Annotated[
    str | None, typer.Option("--batch", help="批次号或其开头 / batch id or its beginning")
]
CodeOption = Annotated[
    str | None, typer.Option("--code", help="代码或原因 / code or reason: not_a_decimal")
]


class State(StrEnum):
    """What has become of a record."""

    waiting = "waiting"
    replayed = "replayed"
    discarded = "discarded"


def add_to(application: typer.Typer) -> None:
    """Add the commands of this module."""
    application.add_typer(quarantine)


@quarantine.command("list")
def list_records(
    context: typer.Context,
    source: SourceOption = None,
    stream: StreamOption = None,
    code: CodeOption = None,
    batch: BatchOption = None,
    state: Annotated[
        State | None, typer.Option(help="状态 / state: waiting | replayed | discarded")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="最多几条，0 为全部 / records, 0: all")] = 50,
    output: FormatOption = Format.text,
    language: LanguageOption = None,
) -> None:
    """列出隔离的记录：先汇总，再逐条，值已掩码 / count and list quarantined records, masked.

    例 / example: huiyin quarantine list --stream billing.payments --state waiting
    """
    from connectors.codes import hint, sentence
    from connectors.quarantining.quarantine import count_records

    installation = open_installation(context)
    chinese = language_of(installation, language) == "zh"
    spoken = "zh" if chinese else "en"
    records = _find(
        installation,
        source=source,
        stream=stream,
        code=code,
        batch=batch,
        state=state.value if state else None,
    )
    if output is Format.json:
        print_json(
            [
                {
                    **vars_of(one.row),
                    "source": one.batch.source,
                    "stream": one.batch.stream,
                    "place": one.batch.place,
                    "business_date": one.batch.business_date,
                }
                for one in records
            ]
        )
        return
    counts = count_records(records)
    print_table(
        "隔离区" if chinese else "Quarantine",
        ["数据流", "状态", "列", "原因", "条数", "批次"]
        if chinese
        else ["stream", "state", "column", "reason", "records", "batches"],
        [
            [
                f"{one.source}.{one.stream}",
                _STATES[one.state] if chinese else one.state,
                one.column_name,
                sentence(one.reason, spoken),
                one.records,
                one.batches,
            ]
            for one in counts
        ],
        empty="隔离区是空的。" if chinese else "Nothing is in quarantine.",
    )
    for reason in dict.fromkeys(one.reason for one in counts if one.state == "waiting"):
        if hint(reason, spoken):
            print_text(f"  {sentence(reason, spoken)}: {hint(reason, spoken)}")
    if not records:
        return
    shown = records[:limit] if limit else records
    print_table(
        "",
        ["批次", "记录", "文件或表", "行", "列", "掩码值", "原因", "状态"]
        if chinese
        else ["batch", "record", "place", "line", "column", "value", "reason", "state"],
        [_listed(one, chinese=chinese) for one in shown],
        empty="",
    )
    if len(shown) < len(records):
        more = len(records) - len(shown)
        print_text(
            f"另有 {more:,} 条：--limit 0 全部列出。"
            if chinese
            else f"{more:,} more: --limit 0 lists all."
        )


def _listed(record: QuarantinedRecord, *, chinese: bool) -> list[Any]:
    from connectors.codes import sentence

    row = record.row
    return [
        row.batch_id[:10],
        str(row.record_no),
        record.batch.place,
        None if row.line is None else str(row.line),
        row.column_name,
        row.masked_value,
        sentence(row.reason, "zh" if chinese else "en"),
        _STATES[row.state] if chinese else row.state,
    ]


@quarantine.command("show")
def show(
    context: typer.Context,
    batch: Annotated[str, typer.Argument(help="批次号或其开头 / batch id or its beginning")],
    record: Annotated[int, typer.Argument(help="记录号 / number of the record")],
    reveal: Annotated[
        bool, typer.Option("--reveal", help="显示原文，会留痕 / show the kept text; it is noted")
    ] = False,
    purpose: Annotated[
        str | None, typer.Option("--purpose", help="为何要看原文 / what the text is needed for")
    ] = None,
    output: FormatOption = Format.text,
    language: LanguageOption = None,
) -> None:
    """看一条隔离的记录：位置、原因、掩码值 / show one record: its place, reason, masked value.

    例 / example: huiyin quarantine show 3f2a9c10 17 --reveal --purpose "核对金额 INC-4711"
    """
    from connectors.codes import hint, sentence

    installation = open_installation(context)
    spoken = language_of(installation, language)
    chinese = spoken == "zh"
    if reveal and not (purpose and purpose.strip()):
        raise typer.BadParameter(
            "要写明用途 / say what the text is needed for", param_hint="--purpose"
        )
    found = _find(installation, batch=batch, record_no=record)
    if len(found) != 1:
        raise typer.BadParameter(
            f"{batch!r} {record}: {len(found)} 条记录 / records", param_hint="BATCH RECORD"
        )
    (one,) = found
    text = None
    if reveal and purpose:
        with installation.pii_store() as pii:
            kept = pii.reveal_record(
                one.row.batch_id, one.row.record_no, purpose.strip(), now=installation.now()
            )
        contract = installation.contracts.get(one.batch.source)
        encoding = contract.layout.encoding if contract else "utf-8"
        if kept is not None:
            text = _decoded(kept, encoding, is_bytes=one.row.byte_offset is not None)
    if output is Format.json:
        shown = {**vars_of(one.row), "place": one.batch.place, "source": one.batch.source}
        print_json(shown | ({"text": text} if reveal else {}))
        return
    row = one.row
    facts: list[tuple[str, str, object]] = [
        ("数据流", "stream", f"{one.batch.source}.{one.batch.stream}"),
        ("文件或表", "file or table", one.batch.place),
        ("业务日期", "business date", one.batch.business_date),
        ("批次", "batch", row.batch_id),
        ("记录", "record", str(row.record_no)),
        ("行", "line", row.line if row.line is None else str(row.line)),
        ("字节", "byte", row.byte_offset if row.byte_offset is None else str(row.byte_offset)),
        ("列", "column", row.column_name),
        ("值（掩码）", "masked value", row.masked_value),
        ("原因", "reason", f"{sentence(row.reason, spoken)} ({row.reason})"),
        ("怎么办", "what to do", hint(row.reason, spoken)),
        ("状态", "state", _STATES[row.state] if chinese else row.state),
        ("去向", "went", row.note),
    ]
    if reveal:
        gone = "原文已不在" if chinese else "its text is no longer kept"
        facts.append(("原文", "text", text if text is not None else gone))
    print_table(
        "",
        ["", ""],
        [[zh if chinese else en, value] for zh, en, value in facts if value not in (None, "")],
        empty="",
    )


def _decoded(kept: bytes, encoding: str, *, is_bytes: bool) -> str:
    """The text of a kept record; what was kept by column is JSON in UTF-8."""
    return kept.decode(encoding if is_bytes else "utf-8", errors="replace").rstrip("\r\n")


@quarantine.command("replay")
def replay_records(
    context: typer.Context,
    source: SourceOption = None,
    stream: StreamOption = None,
    batch: BatchOption = None,
    record: Annotated[
        int | None, typer.Option("--record", help="记录号，与 --batch 同用 / with --batch")
    ] = None,
    code: CodeOption = None,
    everything: Annotated[bool, typer.Option("--all", help="全部来源 / every source")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="只说不做 / tell, change nothing")
    ] = False,
    output: FormatOption = Format.text,
    language: LanguageOption = None,
) -> int:
    """改好合同后，隔离的记录按现在的合同再过一遍 / send kept records through the mended contract.

    到达时间仍是原来的 / they keep their arrival time.
    例 / example: huiyin quarantine replay --source billing --dry-run
    """
    from connectors.errors import ConnectorError
    from connectors.quarantining.replay import replay

    installation = open_installation(context)
    chinese = language_of(installation, language) == "zh"
    if not (everything or source or stream or batch):
        raise typer.BadParameter("--source | --stream | --batch | --all")
    if record is not None and batch is None:
        raise typer.BadParameter("--batch", param_hint="--record")
    records = _find(
        installation,
        source=source,
        stream=stream,
        batch=batch,
        code=code,
        record_no=record,
        state="waiting",
    )
    reports: list[ReplayReport] = []
    code_of_exit = 0
    for name in dict.fromkeys(one.batch.source for one in records):
        contract = installation.contracts.get(name)
        if contract is None:
            print_error(f"{name}: 没有这个来源的合同 / there is no contract of this source")
            code_of_exit = 2
            continue
        try:
            with installation.ledger() as ledger, installation.pii_store() as pii:
                reports += replay(
                    contract,
                    [one for one in records if one.batch.source == name],
                    home=installation.home.path,
                    ledger=ledger,
                    pii=pii,
                    now=installation.now(),
                    zone=installation.settings.timezone,
                    dry_run=dry_run,
                    memory_limit=installation.settings.memory_limit,
                )
        except ConnectorError as error:
            print_error(str(error))
            code_of_exit = max(code_of_exit, exit_code_of(error))
    _print_replay(reports, output, chinese=chinese, dry_run=dry_run)
    return code_of_exit


def _print_replay(
    reports: Sequence[ReplayReport], output: Format, *, chinese: bool, dry_run: bool
) -> None:
    if output is Format.json:
        print_json(
            [
                {
                    "batch": one.batch.batch_id,
                    "replay": one.replay.batch_id if one.replay else None,
                    "replayed": one.replayed,
                    "waiting": [vars_of(row) for row in one.waiting],
                    "lost": one.lost,
                    "discarded": one.discarded,
                    "dry_run": dry_run,
                }
                for one in reports
            ]
        )
        return
    title = "重放" if chinese else "Replay"
    if dry_run:
        title += "（试算，未改动）" if chinese else " (dry run, nothing was changed)"
    print_table(
        title,
        ["数据流", "文件或表", "落地", "仍隔离", "无原文", "已放弃"]
        if chinese
        else ["stream", "file or table", "landed", "still waiting", "not kept", "discarded"],
        [
            [
                f"{one.batch.source}.{one.batch.stream}",
                one.batch.place,
                one.replayed,
                len(one.waiting),
                one.lost,
                one.discarded,
            ]
            for one in reports
        ],
        empty="没有等待重放的记录。" if chinese else "No record waits for a replay.",
    )
    if any(one.replayed for one in reports) and not dry_run:
        print_text("huiyin build 之后可见 / visible after huiyin build")


@quarantine.command("discard")
def discard_records(
    context: typer.Context,
    batch: Annotated[str, typer.Argument(help="批次号或其开头 / batch id or its beginning")],
    records: Annotated[
        list[int] | None, typer.Argument(help="记录号，默认全部 / numbers of records, default all")
    ] = None,
    reason: Annotated[str, typer.Option(help="为何放弃 / why they are given up")] = "",
) -> int:
    """放弃隔离的记录并删除原文 / give up records and delete their kept text.

    例 / example: huiyin quarantine discard 3f2a9c10 17 18 --reason "测试数据"
    """
    from connectors.quarantining.quarantine import give_up

    installation = open_installation(context)
    if not reason.strip():
        raise typer.BadParameter("写明原因 / say why", param_hint="--reason")
    found = [
        one
        for one in _find(installation, batch=batch, state="waiting")
        if not records or one.row.record_no in records
    ]
    if len({one.row.batch_id for one in found}) > 1:
        raise typer.BadParameter(f"{batch!r}: 不止一批 / more than one batch", param_hint="BATCH")
    count = 0
    if found:
        with installation.ledger() as ledger, installation.pii_store() as pii:
            count = give_up(
                found[0].batch.source,
                found,
                home=installation.home.path,
                ledger=ledger,
                pii=pii,
                reason=reason,
                now=installation.now(),
            )
    print_text(f"{count} 条已放弃 / records given up")
    return 0 if count else 1


def _find(
    installation: Installation,
    *,
    source: str | None = None,
    stream: str | None = None,
    code: str | None = None,
    batch: str | None = None,
    record_no: int | None = None,
    state: str | None = None,
) -> list[QuarantinedRecord]:
    from connectors.quarantining.quarantine import find_records

    of_source, _, name = (stream or "").rpartition(".")
    chosen = of_source or source
    if of_source and source and of_source != source:
        raise typer.BadParameter(f"{stream!r} / --source {source!r}", param_hint="--stream")
    if chosen is not None:
        check_stream(installation, chosen, name or None)
    with installation.ledger() as ledger:
        return find_records(
            ledger,
            source=chosen,
            stream=name or None,
            code=code,
            batch_id=batch,
            record_no=record_no,
            state=state,
        )
