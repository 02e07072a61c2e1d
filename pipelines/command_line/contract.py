"""Commands for partners: contract sample, check, describe, announce; mapping suggest."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from pipelines.command_line.failure import told
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
from pipelines.installation import Installation

if TYPE_CHECKING:
    from connectors.conformance.check import Conformance, Finding
    from connectors.conformance.mapping_draft import MappingDraft
    from connectors.contract import Contract

contract = typer.Typer(
    name="contract", help="数据交换约定 / what is agreed with a partner", no_args_is_help=True
)
mapping = typer.Typer(
    name="mapping", help="公开数据集的映射 / mappings of flat data sets", no_args_is_help=True
)
_MOST_SHOWN = 200
_LARGEST_TRIED = 200 * 1024 * 1024
StreamOption = Annotated[str | None, typer.Option("--stream", help="数据流 / stream")]
DateOption = Annotated[
    str | None, typer.Option("--date", help="业务日期 / business date: 2026-03-30")
]


def add_to(application: typer.Typer) -> None:
    """Add the commands of this module."""
    application.add_typer(contract)
    application.add_typer(mapping)


@contract.command()
def sample(
    context: typer.Context,
    stream: Annotated[str, typer.Argument(help="来源.数据流 / SOURCE.STREAM")],
    rows: Annotated[int, typer.Option(min=1, max=1_000_000, help="行数 / rows")] = 10,
    into: Annotated[Path, typer.Option(help="写到哪个目录 / folder to write into")] = Path(),
    seed: Annotated[int, typer.Option(help="随机种子 / seed")] = 1,
    day: DateOption = None,
    sequence: Annotated[int, typer.Option(min=1, help="序号 / sequence")] = 1,
) -> None:
    """写一份正确的样例交付（虚构数据） / write a correct sample delivery of invented values.

    例 / example: huiyin contract sample billing.payments --rows 20 --into /tmp/partner
    """
    from connectors.conformance.sample_delivery import write_sample

    installation = open_installation(context)
    source, _, name = stream.partition(".")
    agreed = _contract(installation, source)
    name = _stream(agreed, name or None)
    zone = agreed.zone or installation.settings.timezone
    now = installation.now()
    yesterday = now.astimezone(ZoneInfo(zone)).date() - timedelta(days=1)
    paths = write_sample(
        into,
        agreed,
        name,
        rows=rows,
        day=_day(day, "--date") or yesterday,
        sequence=sequence,
        now=now,
        zone=installation.settings.timezone,
        seed=seed,
    )
    for path in paths:
        print_text(str(path))


@contract.command()
def check(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="数据文件或目录 / data file or folder")],
    source: Annotated[
        str | None,
        typer.Option("--contract", help="来源或合同文件 / source or contract file (.yml)"),
    ] = None,
    stream: StreamOption = None,
    output: FormatOption = Format.text,
    language: LanguageOption = None,
) -> int:
    """上线前检查伙伴的交付，一次列出全部问题 / check a partner's delivery, all findings at once.

    不读写主目录；有问题退出码为 1 / touches no home; exits 1 if anything is wrong.

    例 / example: huiyin contract check payments_20260330_0001.txt --contract billing
    """
    from connectors.conformance.check import check_delivery

    installation = open_installation(context)
    agreed = _contract(installation, source or _named_in_log(path))
    outcome = check_delivery(
        path,
        agreed,
        stream=_stream(agreed, stream) if stream else None,
        now=installation.now(),
        zone=installation.settings.timezone,
    )
    chinese = language_of(installation, language) == "zh"
    if output is Format.json:
        print_json(_as_json(outcome, "zh" if chinese else "en"))
    else:
        _show(outcome, chinese)
    return 1 if outcome.findings else 0


@contract.command()
def describe(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="来源或合同文件 / source or contract file (.yml)")],
    language: LanguageOption = None,
    output: Annotated[str, typer.Option("--format", help="markdown | json")] = "markdown",
) -> None:
    """写出给伙伴的约定文档 / print the document a partner gets.

    例 / example: huiyin contract describe billing --language en > billing.md
    """
    from connectors.conformance.partner_document import describe as document
    from connectors.conformance.partner_document import describe_as_json

    if output not in {"markdown", "json"}:
        raise typer.BadParameter(f"{output!r}: markdown | json", param_hint="--format")
    installation = open_installation(context)
    agreed = _contract(installation, source)
    if output == "json":
        print_json(describe_as_json(agreed))
        return
    print_text(document(agreed, language=language_of(installation, language)).rstrip())


@contract.command()
def announce(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="数据文件 / data file", exists=True, dir_okay=False)],
    source: Annotated[str, typer.Option(help="来源或合同文件 / source or contract file (.yml)")],
    stream: StreamOption = None,
    day: DateOption = None,
    covers_from: Annotated[
        str | None, typer.Option(help="覆盖的第一天 / first business date covered")
    ] = None,
    sequence: Annotated[
        int | None, typer.Option(min=1, help="序号（默认取自文件名） / default: from the name")
    ] = None,
    branch: Annotated[str, typer.Option(help="分支 / branch")] = "main",
    language: LanguageOption = None,
) -> int:
    """为手工准备的文件写发送日志 / write the send log of a file prepared by hand.

    例 / example: huiyin contract announce letters_20260330_0001.xlsx --source letters
    """
    from connectors.conformance.check import check_delivery
    from connectors.files.exchange import SEND_LOG, agreed_name
    from connectors.files.exchange import announce as write_log

    installation = open_installation(context)
    agreed = _contract(installation, source)
    named = agreed_name(path.name)
    if agreed.interface.type != "files" or agreed.interface.format == "mail":
        raise typer.BadParameter(
            f"{source!r}: 没有发送日志 / has no send logs", param_hint="--source"
        )
    if stream is None and named is not None and named[0] in agreed.streams:
        stream = named[0]
    log = write_log(
        path,
        agreed,
        _stream(agreed, stream),
        now=installation.now(),
        zone=installation.settings.timezone,
        business_date=_day(day, "--date") or (named[1] if named else None),
        covers_from=_day(covers_from, "--covers-from"),
        sequence=sequence or (named[2] if named else 1),
        branch=branch,
    )
    print_text(f"{path}{SEND_LOG}")
    chinese = language_of(installation, language) == "zh"
    print_text(
        f"{log.source}.{log.stream} {log.business_date}，序号 {log.sequence}，{log.rows} 条记录"
        if chinese
        else f"{log.source}.{log.stream} {log.business_date}, sequence {log.sequence}, "
        f"{log.rows} records"
    )
    outcome = check_delivery(
        path,
        agreed,
        stream=log.stream,
        now=installation.now(),
        zone=installation.settings.timezone,
    )
    if outcome.findings:
        _show(outcome, chinese)
    return 1 if outcome.findings else 0


@mapping.command()
def suggest(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="数据集 / data set", exists=True, dir_okay=False)],
    source: Annotated[
        str | None, typer.Option("--source", help="来源的名字 / name of the source")
    ] = None,
    language: LanguageOption = None,
) -> int:
    """由表头和取值起草映射（YAML） / draft a mapping from header and values, as YAML.

    例 / example: huiyin mapping suggest complaints.csv --source cfpb > complaints.yml
    """
    import re

    from connectors.conformance.mapping_draft import draft_mapping, source_name

    if source is not None and not re.fullmatch(r"[a-z][a-z0-9_]*", source):
        raise typer.BadParameter(f"{source!r}: [a-z][a-z0-9_]*", param_hint="--source")
    installation = open_installation(context)
    settings = installation.settings
    chosen = language_of(installation, language)
    name = source or source_name(path)
    draft = draft_mapping(
        path,
        source=name,
        zone=settings.timezone,
        calendar=settings.calendar,
        currency=settings.currency,
        language=chosen,
    )
    print_text(draft.text.rstrip())
    if draft.missing:
        missing = ", ".join(draft.missing)
        print_error(
            f"没有找到必需的列：{missing}；请手工补上。"
            if chosen == "zh"
            else f"No column was found for {missing}; name them by hand."
        )
        return 1
    _try_out(draft, path, name, chosen == "zh", settings.timezone)
    return 0


def _try_out(draft: MappingDraft, path: Path, name: str, chinese: bool, zone: str) -> None:
    """Say how many rows would land under the draft."""
    from tempfile import TemporaryDirectory

    import duckdb

    from connectors.contract import load_contract
    from connectors.errors import RefusedDelivery
    from connectors.files.reading import read_typed

    if path.stat().st_size > _LARGEST_TRIED:
        return
    with TemporaryDirectory() as folder, duckdb.connect() as connection:
        file = Path(folder) / f"{name}.yml"
        file.write_text(draft.text, encoding="utf-8")
        agreed = load_contract(file)
        try:
            read = read_typed(path, agreed, "cases", connection, zone=zone)
        except RefusedDelivery as refusal:
            print_error(told(refusal))
            return
        row = connection.execute("select count(*) from typed where _fault is null").fetchone()
    assert row is not None
    print_error(
        f"试读：{read.reading.records:,} 行中 {row[0]:,} 行可以落地。"
        if chinese
        else f"Tried out: {row[0]:,} of {read.reading.records:,} rows would land."
    )


def _contract(installation: Installation, name: str | None) -> Contract:
    """A contract by its source or its file; raises BadParameter naming those there are."""
    from connectors.contract import load_contract

    if name is not None and name.endswith((".yml", ".yaml")):
        return load_contract(Path(name))
    known = installation.declared_contracts
    if name not in known:
        raise typer.BadParameter(f"{name!r}: {', '.join(known)}", param_hint="来源 / source")
    return known[name]


def _stream(agreed: Contract, name: str | None) -> str:
    if name is None and len(agreed.streams) == 1:
        return next(iter(agreed.streams))
    if name not in agreed.streams:
        raise typer.BadParameter(
            f"{name!r}: {', '.join(agreed.streams)}", param_hint="数据流 / stream"
        )
    return name


def _named_in_log(path: Path) -> str | None:
    """The source that a send log names, where no contract was given."""
    from connectors.conformance.check import source_in_logs

    return source_in_logs(path)


def _day(text: str | None, option: str) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r}: 2026-03-30", param_hint=option) from error


def _as_json(outcome: Conformance, language: str) -> dict[str, object]:
    return {
        "files": [vars_of(file) for file in outcome.files],
        "findings": [
            vars_of(finding) | {"says": _says(finding, language), "hint": _hint(finding, language)}
            for finding in outcome.findings
        ],
    }


def _says(finding: Finding, language: str) -> str:
    from connectors.codes import sentence

    return sentence(finding.reason or finding.code, language)


def _hint(finding: Finding, language: str) -> str:
    from connectors.codes import hint

    return hint(finding.reason, language) or hint(finding.code, language)


def _show(outcome: Conformance, chinese: bool) -> None:
    language = "zh" if chinese else "en"
    print_table(
        "交付检查" if chinese else "Checked files",
        ["文件", "数据流", "记录", "合格"] if chinese else ["file", "stream", "records", "good"],
        [[file.file, file.stream, file.rows, file.good] for file in outcome.files],
        empty="没有数据文件。" if chinese else "No data file.",
    )
    shown = outcome.findings[:_MOST_SHOWN]
    many_files = len({finding.file for finding in outcome.findings}) > 1
    if shown:
        head = (
            ["代码", "行", "字节", "列", "值（掩码）", "问题", "怎么办"]
            if chinese
            else ["code", "line", "byte", "column", "masked value", "problem", "what to do"]
        )
        print_table(
            "问题" if chinese else "Findings",
            [*(["文件" if chinese else "file"] if many_files else []), *head],
            [
                [
                    *([one.file] if many_files else []),
                    one.code,
                    one.line,
                    one.offset,
                    one.column,
                    one.value,
                    _problem(one, language),
                    _hint(one, language),
                ]
                for one in shown
            ],
            empty="",
        )
    if len(outcome.findings) > len(shown):
        print_text(
            f"只列出前 {_MOST_SHOWN} 个；全部用 --format json。"
            if chinese
            else f"Only the first {_MOST_SHOWN} are shown; --format json has all."
        )
    count = len(outcome.findings)
    if count:
        print_text(f"{count} 个问题。" if chinese else f"{count} findings.")
    else:
        print_text("没有问题，可以交付。" if chinese else "No findings: it can be delivered.")


def _problem(finding: Finding, language: str) -> str:
    if finding.reason is not None:
        return _says(finding, language)
    if language == "zh":
        return f"{_says(finding, language)}：{finding.detail_zh or finding.detail}"
    return f"{_says(finding, language)}: {finding.detail}"
