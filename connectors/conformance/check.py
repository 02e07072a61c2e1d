"""Conformance: a partner's delivery is checked by its contract, all at once, without any home.

The same readers and rules as in landing say what is wrong; what landing would only see later (the
content behind a wrong log) is looked at too. Nothing is written and nothing is moved.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb

from connectors.contract import Column, Contract
from connectors.errors import ConnectorError, RefusedDelivery
from connectors.files.exchange import (
    READ_LOG,
    SEND_LOG,
    SendLog,
    agreed_name,
    hash_file,
    parse_send_log,
    sums_agree,
)
from connectors.files.reading import TypedFile, read_typed
from connectors.validation import Rejected, count_sums, rejected_records, type_records

_LARGEST_LOG = 1024 * 1024
_MOST_LOOKED_INTO = 10_000


class UncheckableDelivery(ConnectorError):
    """What was given to be checked is no delivery of the contract; says what to give instead."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a delivery.

    `code` is the word of the ledger, `reason` the rule that a record breaks (also a word) or None,
    `detail` one sentence without personal values, and the same in Chinese where there is one.
    `line` counts from 1, `offset` is the first byte; `value` is masked.
    """

    file: str
    code: str
    detail: str
    detail_zh: str | None = None
    reason: str | None = None
    line: int | None = None
    offset: int | None = None
    column: str | None = None
    value: str | None = None


@dataclass(frozen=True)
class CheckedFile:
    """What was seen of one file: its stream (None if nothing tells it) and its records."""

    file: str
    stream: str | None
    rows: int
    good: int


@dataclass(frozen=True)
class Conformance:
    """The outcome of a check: findings in the order of files and lines."""

    files: tuple[CheckedFile, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class _Seen:
    """One file with its log, for what is told only by looking at several."""

    checked: CheckedFile
    log: SendLog | None
    sha256: str


def check_delivery(
    path: Path, contract: Contract, *, stream: str | None = None, now: datetime, zone: str
) -> Conformance:
    """Check a data file with its send log, or every delivery of a folder.

    `stream` is needed where neither log nor name tells it. Raises UncheckableDelivery for a path
    that holds no delivery, or a contract that is not one of files.
    """
    if contract.interface.type != "files":
        raise UncheckableDelivery(
            f"Checking {path} failed: source '{contract.source}' does not deliver files but by "
            f"'{contract.interface.type}'. Trying again does not help; `contract describe "
            f"{contract.source}` says how it delivers."
        )
    check = _Check(contract, stream, now, zone)
    if path.is_dir():
        return check.folder(path)
    name = path.name
    if name.endswith(SEND_LOG):
        path = path.with_name(name.removesuffix(SEND_LOG))
    if not path.is_file():
        raise UncheckableDelivery(
            f"Checking {path} failed: there is no such file. Trying again does not help; give the "
            "data file, or the folder in which it lies with its send log."
        )
    seen, findings = check.file(path)
    return Conformance((seen.checked,), tuple(findings))


def source_in_logs(path: Path) -> str | None:
    """The source that the send log of a file, or the first of a folder, names; None without one."""
    name = path.name.removesuffix(SEND_LOG)
    logs = sorted(path.glob(f"*{SEND_LOG}")) if path.is_dir() else [path.with_name(name + SEND_LOG)]
    for log in logs:
        if log.is_file():
            try:
                with log.open("rb") as file:
                    return parse_send_log(file.read(_LARGEST_LOG + 1)).source
            except RefusedDelivery:
                continue
    return None


class _Check:
    def __init__(self, contract: Contract, stream: str | None, now: datetime, zone: str) -> None:
        self._contract = contract
        self._stream = stream
        self._now = now
        self._zone = zone
        self._has_logs = contract.interface.format != "mail"

    def folder(self, folder: Path) -> Conformance:
        names = sorted(
            entry.name for entry in folder.iterdir() if entry.is_file() and entry.name[0] != "."
        )
        data = [name for name in names if not name.endswith((SEND_LOG, READ_LOG))]
        orphans = [
            name
            for name in names
            if name.endswith(SEND_LOG) and name.removesuffix(SEND_LOG) not in names
        ]
        if not data and not orphans:
            raise UncheckableDelivery(
                f"Checking {folder} failed: no file lies in it. Trying again helps once a delivery "
                "is there."
            )
        findings: list[Finding] = []
        seen: list[_Seen] = []
        for name in data:
            one, found = self.file(folder / name)
            seen.append(one)
            findings.extend(found)
        for name in orphans:
            file = _shown(name.removesuffix(SEND_LOG))
            findings.append(
                Finding(
                    file,
                    "missing_file",
                    "the log is there, the file is not",
                    "有日志，没有文件",
                )
            )
        findings.extend(_between(seen))
        return Conformance(tuple(one.checked for one in seen), tuple(findings))

    def file(self, path: Path) -> tuple[_Seen, list[Finding]]:
        """Check one file; what cannot be looked at because of a finding is left out."""
        findings: list[Finding] = []
        log = self._log(path, findings) if self._has_logs else None
        sha256, size = hash_file(path), path.stat().st_size
        if log is not None:
            findings.extend(self._log_faults(path, log, sha256, size))
        stream = self._stream_of(path, log)
        shown = _shown(path.name)
        if stream is None:
            known = ", ".join(self._contract.streams)
            detail = f"neither its log nor its name tells which stream it is: {known}"
            told = f"日志和文件名都看不出是哪个数据流：{known}"
            findings.append(Finding(shown, "unknown_stream", detail, told))
            return _Seen(CheckedFile(shown, None, 0, 0), log, sha256), findings
        rows = good = 0
        try:
            with duckdb.connect() as connection:
                rows, good = self._content(path, stream, log, connection, findings)
        except RefusedDelivery as refusal:
            findings.append(Finding(shown, refusal.code, refusal.reason, offset=refusal.offset))
        return _Seen(CheckedFile(shown, stream, rows, good), log, sha256), findings

    def _log(self, path: Path, findings: list[Finding]) -> SendLog | None:
        place = path.with_name(path.name + SEND_LOG)
        shown = _shown(path.name)
        if not place.is_file():
            findings.append(
                Finding(
                    shown,
                    "missing_log",
                    f"{shown}{SEND_LOG} does not lie beside it",
                    f"旁边没有 {shown}{SEND_LOG}",
                )
            )
            return None
        try:
            with place.open("rb") as file:
                return parse_send_log(file.read(_LARGEST_LOG + 1))
        except RefusedDelivery as refusal:
            findings.append(Finding(shown, refusal.code, refusal.reason))
            return None

    def _log_faults(self, path: Path, log: SendLog, sha256: str, size: int) -> Iterator[Finding]:
        shown = _shown(path.name)

        def lying(detail: str, zh: str, offset: int | None = None) -> Finding:
            return Finding(shown, "lying_log", detail, zh, offset=offset)

        for field, told, is_so in (
            ("file", _shown(log.file), shown),
            ("source", _shown(log.source), self._contract.source),
        ):
            if told != is_so:
                yield lying(
                    f"the log says {field} '{told}', it is '{is_so}'",
                    f"日志的 {field} 是“{told}”，应为“{is_so}”",
                )
        if log.stream not in self._contract.streams:
            known, told = ", ".join(self._contract.streams), _shown(log.stream)
            yield lying(
                f"the log says stream '{told}', the contract knows {known}",
                f"日志的 stream 是“{told}”，合同只有 {known}",
            )
        stream = self._contract.streams.get(log.stream)
        if stream is not None and stream.branches and log.branch not in stream.branches:
            listed, told = ", ".join(stream.branches), _shown(log.branch)
            yield Finding(
                shown,
                "unknown_branch",
                f"the log says branch '{told}', the contract lists {listed}",
                f"日志的 branch 是“{told}”，合同只有 {listed}",
            )
        ours, theirs = self._contract.version, log.contract_version
        if None not in (ours, theirs) and theirs != ours:
            yield Finding(
                shown,
                "contract_version_differs",
                f"the log says version {theirs}, the contract is version {ours}",
                f"日志说的版本是 {theirs}，合同是 {ours}",
            )
        today = self._now.astimezone(ZoneInfo(self._contract.zone or self._zone)).date()
        if log.business_date > today:
            yield lying(
                f"the log says business date {log.business_date}, which lies after {today}",
                f"日志的业务日期 {log.business_date} 晚于今天 {today}",
            )
        if log.bytes != size:
            yield lying(
                f"the log says {log.bytes} bytes, the file has {size}",
                f"日志说 {log.bytes} 字节，文件有 {size} 字节",
                min(size, log.bytes),
            )
        elif log.sha256 != sha256:
            yield lying("the log's SHA-256 is not that of the file", "日志的 SHA-256 与文件不符")

    def _stream_of(self, path: Path, log: SendLog | None) -> str | None:
        streams = self._contract.streams
        named = agreed_name(path.name)
        for name in (self._stream, log.stream if log else None, named[0] if named else None):
            if name in streams:
                return name
        return next(iter(streams)) if len(streams) == 1 else None

    def _content(
        self,
        path: Path,
        stream: str,
        log: SendLog | None,
        connection: duckdb.DuckDBPyConnection,
        findings: list[Finding],
    ) -> tuple[int, int]:
        definition, shown = self._contract.streams[stream], _shown(path.name)
        typed = read_typed(path, self._contract, stream, connection, zone=self._zone)
        rejected = rejected_records(connection, typed.places)
        sums, readable = count_sums(connection, definition.control.sums)
        rows = typed.reading.records
        findings.extend(
            Finding(
                shown,
                "malformed_row",
                f"record {one.record_no}",
                f"第 {one.record_no} 条记录",
                reason=one.reason,
                line=one.line,
                offset=one.byte_offset,
                column=self._name_in_file(stream, one.column),
                value=one.masked_value,
            )
            for one in self._every_fault(connection, stream, typed, rejected)
        )
        if self._has_logs and not definition.reject_limit.allows(len(rejected), rows):
            detail = f"{len(rejected)} of {rows} records break the contract"
            told = f"{rows} 条记录中有 {len(rejected)} 条不合合同"
            findings.append(Finding(shown, "reject_limit", detail, told))
        if log is None:
            return rows, rows - len(rejected)
        if log.rows != rows:
            detail = f"the log says {log.rows} rows, the file has {rows}"
            told = f"日志说 {log.rows} 条记录，文件有 {rows} 条"
            findings.append(Finding(shown, "lying_log", detail, told))
        if readable:
            findings.extend(
                Finding(
                    shown,
                    "wrong_sum",
                    f"the log says {log.sums.get(name, 'nothing')}, the file adds up to "
                    f"{sums[name]}",
                    f"日志说 {log.sums.get(name, '（没有）')}，文件合计 {sums[name]}",
                    column=self._name_in_file(stream, name),
                )
                for name in sums_agree(log.sums, sums)
            )
        return rows, rows - len(rejected)

    def _every_fault(
        self,
        connection: duckdb.DuckDBPyConnection,
        stream: str,
        typed: TypedFile,
        rejected: Sequence[Rejected],
    ) -> list[Rejected]:
        """All faults of rejected records: landing needs the first one only, a partner all."""
        definition, layout = self._contract.streams[stream], self._contract.layout
        found = {(one.record_no, one.column): one for one in rejected}
        if self._contract.map is not None or not 0 < len(rejected) <= _MOST_LOOKED_INTO:
            return list(rejected)
        connection.execute(
            "delete from record where flaw is not null or record_no not in "
            "(select _record_no from typed where _fault is not null)"
        )
        for name in definition.columns:
            key = (name,) if name in definition.key else ()
            columns = {
                other: column if other == name else Column(type="string")
                for other, column in definition.columns.items()
            }
            type_records(
                connection,
                definition.model_copy(update={"columns": columns, "mode": "changes", "key": key}),
                typed.places,
                width=len(typed.reading.header or columns),
                nulls=layout.nulls,
                zone=self._contract.zone or self._zone,
                decimal_mark=layout.decimal_mark,
            )
            for one in rejected_records(connection, typed.places):
                if one.column == name:
                    found.setdefault((one.record_no, name), one)
        places = {name: place for place, name in enumerate(definition.columns)}
        return sorted(
            found.values(), key=lambda one: (one.record_no, places.get(one.column or "", -1))
        )

    def _name_in_file(self, stream: str, column: str | None) -> str | None:
        known = self._contract.streams[stream].columns
        return known[column].from_ or column if column in known else column


def _between(seen: Sequence[_Seen]) -> Iterator[Finding]:
    """What only several files together show: gaps, numbers and contents that stand twice."""
    logged = [(one, one.log) for one in seen if one.log is not None]
    by_branch: dict[tuple[str, str], list[tuple[_Seen, SendLog]]] = {}
    contents: dict[tuple[str, str, str, str], str] = {}
    for one, log in logged:
        by_branch.setdefault((log.stream, log.branch), []).append((one, log))
        place = (log.stream, log.branch, log.business_date.isoformat(), one.sha256)
        if place in contents:
            detail = f"its content is that of {contents[place]}"
            told = f"内容与 {contents[place]} 相同"
            yield Finding(one.checked.file, "duplicate_batch", detail, told)
        contents.setdefault(place, one.checked.file)
    for (_, branch), deliveries in by_branch.items():
        dates: dict[int, str] = {}
        ordered = sorted(deliveries, key=lambda item: (item[1].sequence, item[0].checked.file))
        for one, log in ordered:
            day = log.business_date.isoformat()
            if dates.setdefault(log.sequence, day) != day:
                detail = f"sequence {log.sequence} is that of {dates[log.sequence]} too"
                told = f"序号 {log.sequence} 已用于 {dates[log.sequence]}"
                yield Finding(one.checked.file, "sequence_rewind", detail, told)
        for before, after in pairwise(sorted(dates)):
            if after > before + 1:
                first, last = before + 1, after - 1
                run = f"{first}" if first == last else f"{first}-{last}"
                file = next(one.checked.file for one, log in ordered if log.sequence == after)
                yield Finding(
                    file,
                    "sequence_gap",
                    f"sequence {run} of branch {branch} is missing",
                    f"分支 {branch} 缺序号 {run}",
                )


def _shown(name: str) -> str:
    text = os.fsencode(name).decode("utf-8", errors="replace")
    return "".join(one if one.isprintable() else "�" for one in text)
