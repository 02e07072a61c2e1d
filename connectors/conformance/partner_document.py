"""The document a partner gets: everything agreed about one source, from its contract alone."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from connectors.codes import known_codes
from connectors.conformance.invention import Invention, NoSuchRows
from connectors.conformance.partner_words import (
    INTERFACES,
    LOG_FIELDS,
    PII,
    TYPES,
    Words,
    concerns_partner,
)
from connectors.contract import Column, Contract, Stream
from connectors.files.exchange import READ_LOG, SEND_LOG
from connectors.formats import suffix_of
from connectors.formats.file_columns import file_columns

_EXAMPLE_DAY = date(2026, 3, 30)


def describe(contract: Contract, *, language: str) -> str:
    """The document as Markdown, in `zh` or `en`."""
    say = Words(language == "zh")
    label = contract.label.zh if say.zh else contract.label.en
    lines = [
        f"# {say('数据交换约定', 'Data exchange')}: {label} (`{contract.source}`)",
        "",
        *_bullets(_overview(contract, say)),
        "",
    ]
    if contract.interface.type == "files" and contract.interface.format != "mail":
        lines += _files(contract, say)
    elif contract.interface.format == "mail":
        lines += [
            say(
                "每封邮件一个 `.eml` 文件，写完后再改成正式名（临时名以点开头）。不需要发送日志。",
                "One `.eml` file a mail, renamed once it is whole (its temporary name starts with "
                "a dot). No send log is needed.",
            ),
            "",
        ]
    elif contract.interface.type == "table":
        lines += _table(say)
    for name, stream in contract.streams.items():
        lines += _stream(contract, name, stream, say)
    return "\n".join([*lines, *_codes(contract, say)]).rstrip() + "\n"


def describe_as_json(contract: Contract) -> dict[str, Any]:
    """The same agreement for programs: the contract, an example log, the codes."""
    body = contract.model_dump(mode="json", by_alias=True, exclude_none=True)
    body["codes"] = {
        code.name: {"says": code.says, "hint": code.hint}
        for code in known_codes().values()
        if concerns_partner(code.name, contract)
    }
    if contract.interface.type == "files" and contract.interface.format != "mail":
        body["send_log"] = {name: _example_log(contract, name) for name in contract.streams}
    return body


def _overview(contract: Contract, say: Words) -> Iterator[tuple[str, str]]:
    if contract.version:
        yield say("版本", "Version"), contract.version
    yield say("负责人", "Owner"), contract.owner
    yield say("方式", "Kind"), say.of(INTERFACES, contract.interface.type)
    yield say("位置", "Place"), f"`{contract.interface.location}`"
    if contract.zone:
        yield say("时区", "Time zone"), contract.zone
    if contract.interface.hours:
        yield say("可读取的时段", "Hours in which we read"), contract.interface.hours
    layout = contract.layout
    form = contract.interface.format
    if contract.interface.type != "files" or form == "mail":
        return
    yield say("格式", "Format"), f"`{form}`"
    if form == "spreadsheet":
        yield say("工作表", "Sheet"), layout.sheet or say("第一个", "the first one")
        return
    yield say("编码", "Encoding"), layout.encoding
    if form in {"delimited", "national_centre"}:
        yield say("分隔符", "Delimiter"), f"`{_visible(layout.delimiter)}`"
        quote = f"`{layout.quote}`" if layout.quote else say("没有", "none")
        yield say("引号", "Quote"), quote
    if form != "json_lines":
        yield say("表头", "Header row"), say("有", "yes") if layout.header else say("没有", "none")
        empty = ", ".join(f"`{_visible(word)}`" for word in layout.nulls)
        yield (
            say("空值", "Null"),
            say("空文本", "an empty text") + (f", {empty}" if empty else ""),
        )
        yield say("小数点", "Decimal mark"), f"`{layout.decimal_mark}`"
    if layout.compression != "none":
        yield say("压缩", "Compression"), layout.compression
    if layout.trailer is not None:
        trailer = layout.trailer
        parts = [f"`{_visible(trailer.mark)}`"]
        if trailer.rows:
            parts.append(
                say(f"第 {trailer.rows} 个字段是记录数", f"field {trailer.rows} = records")
            )
        parts += [
            say(f"第 {place} 个字段是 {name} 合计", f"field {place} = sum of {name}")
            for name, place in trailer.sums.items()
        ]
        yield say("结尾行", "Trailer"), say("，", ", ").join(parts)


def _files(contract: Contract, say: Words) -> list[str]:
    stream = next(iter(contract.streams))
    name = f"{stream}_{_EXAMPLE_DAY:%Y%m%d}_0001{suffix_of(contract)}"
    log = json.dumps(_example_log(contract, stream), ensure_ascii=False, indent=1)
    read_log = {
        "file": name,
        "batch_id": "0123456789abcdef0123456789abcdef",
        "rows_read": 3,
        "rows_loaded": 3,
        "rows_rejected": 0,
        "sums": _example_log(contract, stream)["sums"],
        "sha256": "…",
        "result": "ok",
        "code": None,
        "message": None,
        "reason": None,
        "read_at": "2026-03-31T06:05:00+08:00",
    }
    return [
        f"## {say('文件与日志', 'Files and logs')}",
        "",
        say(
            f"1. 数据文件命名为 `数据流_日期_序号{suffix_of(contract)}`，例如 `{name}`。",
            f"1. Name the data file `stream_date_sequence{suffix_of(contract)}`, such as `{name}`.",
        ),
        say(
            "2. 先以点开头的临时名写完，再改成正式名。",
            "2. Write it under a name that starts with a dot, then rename it.",
        ),
        say(
            f"3. 最后写 `{name}{SEND_LOG}`，没有它我们不读文件。",
            f"3. Write `{name}{SEND_LOG}` last; the file is not read without it.",
        ),
        say(
            f"4. 我们读完后写 `{name}{READ_LOG}`；`result` 为 ok、partial 或 refused，"
            "`message` 是代码的中英文说明。",
            f"4. We answer with `{name}{READ_LOG}`; its `result` is ok, partial or refused, its "
            "`message` says the code in Chinese and English.",
        ),
        "",
        *_markdown_table(
            [say("发送日志字段", "send log field"), say("含义", "meaning")],
            [[f"`{field}`", say(*texts)] for field, texts in LOG_FIELDS.items()],
        ),
        "",
        "```json",
        log,
        "```",
        "",
        say("读取日志的例子：", "An example of a read log:"),
        "",
        "```json",
        json.dumps(read_log, ensure_ascii=False, indent=1),
        "```",
        "",
    ]


def _table(say: Words) -> list[str]:
    rows = [
        ("ifc_seq", "递增的序号，主键", "counts upwards, the primary key"),
        ("ifc_status", "0 新，1 读取中，2 完成，9 错误；写 0", "0 new, 1 reading, 2 done, 9 error"),
        ("ifc_op", "I 新增，U 更正，D 删除", "I insert, U correction, D deletion"),
        ("ifc_batch", "由我方写：批次", "written by us: the batch"),
        ("ifc_claimed_at", "由我方写：领取时间", "written by us: when it was claimed"),
        ("ifc_processed_at", "由我方写：完成时间", "written by us: when it was done"),
        ("ifc_error", "由我方写：错误代码", "written by us: why it was rejected"),
    ]
    return [
        f"## {say('接口列', 'Interface columns')}",
        "",
        say(
            "每个数据流一张同名的表，除数据列外还有：",
            "One table a stream, of the same name, with these columns beside those of the data:",
        ),
        "",
        *_markdown_table(
            [say("列", "column"), say("含义", "meaning")],
            [[f"`{name}`", say(zh, en)] for name, zh, en in rows],
        ),
        "",
    ]


def _stream(contract: Contract, name: str, stream: Stream, say: Words) -> list[str]:
    label = stream.label.zh if say.zh else stream.label.en
    modes = {
        "append": say("只增", "append: only new records"),
        "full": say("每次全量", "full: all records every time"),
        "changes": say("变更", "changes: new, corrected and deleted records"),
    }
    facts = [
        (say("一条记录", "One record"), stream.grain),
        (say("主键", "Key"), ", ".join(f"`{one}`" for one in _in_file(contract, name, stream.key))),
        (say("方式", "Mode"), modes[stream.mode]),
    ]
    if stream.branches:
        facts.append((say("分支", "Branches"), ", ".join(f"`{one}`" for one in stream.branches)))
    if stream.delivery is not None:
        days = {"daily": say("每天", "every day"), "working": say("工作日", "working days")}
        facts.append(
            (
                say("交付时间", "Delivery"),
                f"{days[stream.delivery.calendar]} {stream.delivery.by} {say('之前', 'at latest')}",
            )
        )
    if stream.control.sums:
        sums = ", ".join(f"`{one}`" for one in _in_file(contract, name, stream.control.sums))
        facts.append((say("控制合计", "Control totals"), sums))
    limit = stream.reject_limit
    share = f"{limit.share * 100:f}".rstrip("0").rstrip(".") + " %"
    facts.append(
        (
            say("整批拒收的界限", "Refused whole above"),
            say(
                f"坏记录超过 {limit.rows} 条且超过 {share}",
                f"more than {limit.rows} bad records and more than {share}",
            ),
        )
    )
    head = [
        say("列", "column"),
        say("类型", "type"),
        say("必填", "required"),
        say("规则", "rules"),
        say("例子", "example"),
    ]
    return [
        f"## {label} (`{name}`)",
        "",
        *_bullets(facts),
        "",
        *_markdown_table(head, list(_column_rows(contract, name, stream, say))),
        "",
    ]


def _column_rows(contract: Contract, name: str, stream: Stream, say: Words) -> Iterator[list[str]]:
    example = _example_row(contract, name)
    if contract.map is not None:
        for column in contract.map.columns():
            yield [f"`{column}`", say("文本", "text"), "", "", _cell(example.get(column))]
        return
    for column, told in file_columns(contract, name).items():
        definition = stream.columns[column]
        required = definition.required or column in stream.key
        kind = say.of(TYPES, definition.type)
        rules = "; ".join(_rules(definition, say))
        yield [
            f"`{told}`",
            kind,
            say("是", "yes") if required else "",
            rules,
            _cell(example.get(column)),
        ]


def _rules(column: Column, say: Words) -> Iterator[str]:
    if column.at is not None:
        first, size = column.at
        yield say(f"第 {first} 字节起 {size} 字节", f"{size} bytes from byte {first}")
    if column.values is not None:
        yield ", ".join(f"`{value}`" for value in column.values)
    if column.length is not None:
        yield say(f"最长 {column.length} 字", f"at most {column.length} characters")
    if column.min is not None:
        yield f"≥ {column.min}"
    if column.max is not None:
        yield f"≤ {column.max}"
    if column.format:
        yield ", ".join(f"`{pattern}`" for pattern in column.format)
    elif column.type in {"date", "timestamp"}:
        yield "`%Y-%m-%d`" if column.type == "date" else "`%Y-%m-%d %H:%M:%S`"
    if column.tz is not None:
        yield column.tz
    if column.pii is not None:
        kind = say.of(PII, column.pii)
        yield say(f"个人信息（{kind}），落地即假名化", f"personal ({kind}), pseudonymised at once")
    if column.scrub:
        yield say("文本中的个人信息会被遮盖", "personal data in the text is masked")


def _codes(contract: Contract, say: Words) -> list[str]:
    language = "zh" if say.zh else "en"
    rows = [
        [f"`{code.name}`", code.says[language], code.hint[language]]
        for code in known_codes().values()
        if concerns_partner(code.name, contract)
    ]
    head = [say("代码", "code"), say("含义", "meaning"), say("怎么办", "what to do")]
    return [f"## {say('代码', 'Codes')}", "", *_markdown_table(head, rows), ""]


def _in_file(contract: Contract, stream: str, columns: Sequence[str]) -> list[str]:
    names = file_columns(contract, stream)
    if contract.map is not None and "case_no" in columns:
        return [contract.map.case_no]
    return [names.get(column, column) for column in columns]


def _example_row(contract: Contract, stream: str) -> Mapping[str, str | None]:
    try:
        zone = contract.zone or "Asia/Shanghai"
        rows = Invention(contract, stream, _EXAMPLE_DAY, zone, random.Random(1)).rows(2)
    except NoSuchRows:
        return {}
    # An optional value that one row leaves out may stand in the next.
    return {name: value or rows[1][name] for name, value in rows[0].items()}


def _example_log(contract: Contract, stream: str) -> dict[str, Any]:
    branches = contract.streams[stream].branches or ("main",)
    version = {"contract_version": contract.version} if contract.version else {}
    return {
        "file": f"{stream}_{_EXAMPLE_DAY:%Y%m%d}_0001{suffix_of(contract)}",
        "source": contract.source,
        "stream": stream,
        "branch": branches[0],
        "business_date": _EXAMPLE_DAY.isoformat(),
        "covers_from": _EXAMPLE_DAY.isoformat(),
        "sequence": 1,
        "rows": 3,
        "bytes": 412,
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "sums": dict.fromkeys(contract.streams[stream].control.sums, "30.00"),
        "sent_at": "2026-03-31T05:00:00+08:00",
        **version,
    }


def _visible(text: str) -> str:
    return "".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in text)


def _cell(text: str | None) -> str:
    return "" if text is None else f"`{text}`"


def _bullets(facts: Iterator[tuple[str, str]] | list[tuple[str, str]]) -> list[str]:
    return [f"- {name}: {text}" for name, text in facts]


def _markdown_table(head: list[str], rows: list[list[str]]) -> list[str]:
    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return [line(head), line(["---"] * len(head)), *map(line, rows)]
