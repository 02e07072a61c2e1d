"""What a contract promises of a stream, held against what the ledger and raw say.

The functions are pure; `Finding` is shown by Dagster as the result of an asset check. A fault
here is one of data: it marks, and stops nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from statistics import median
from typing import Literal
from zoneinfo import ZoneInfo

from connectors.codes import hint, sentence
from connectors.contract import Contract
from connectors.files.exchange import sums_agree
from connectors.ledger_rows import Batch, ExchangeEvent

WINDOW_DAYS = 28
_FEWEST_DAYS = 7
_FEWEST_ROWS = 10
_SAME_WEEKDAYS = 3
_LOW, _HIGH = 0.5, 2.0
_MOST_NAMED = 5

Facts = Mapping[str, int | float | str]


@dataclass(frozen=True)
class Finding:
    """The outcome of a check: the sentence in both languages, and the figures behind it."""

    passed: bool
    severity: Literal["error", "warn"]
    zh: str
    en: str
    facts: Facts = field(default_factory=dict)


@dataclass(frozen=True)
class Unread:
    """Why a source cannot be read: the word of `codes.yml` and the sentence of the error."""

    code: str
    detail: str

    def told(self, language: str) -> str:
        """What the code says and what to do, then the detail, which is English."""
        says, advice = sentence(self.code, language), hint(self.code, language)
        if language == "zh":
            return f"{says}（{self.code}）。{advice}。{self.detail}"
        return f"{says[:1].upper()}{says[1:]} ({self.code}): {advice}. {self.detail}"


def freshness(
    health: Mapping[str, object],
    *,
    expected: date | None,
    due: str | None,
    last_arrival: datetime | None,
    unread: Unread | None,
    zone: str,
) -> Finding:
    """Whether a stream is complete through the day that is due.

    `health` is the stream's part of `source_health`; `expected` None means that nothing is agreed,
    `due` the agreed time of day, `unread` why the source cannot be read now.
    """
    through = _date(health.get("complete_through"))
    missing = [str(day) for day in _listed(health.get("missing"))]
    facts: dict[str, int | float | str] = {
        "complete through": through.isoformat() if through else "-",
        "expected through": expected.isoformat() if expected else "-",
        "missing days": ", ".join(missing) or "-",
        "last arrival": _local(last_arrival, zone),
    }
    if due:
        facts["due by"] = due
    if unread is not None:
        return Finding(False, "error", unread.told("zh"), unread.told("en"), facts)
    if expected is None:
        return Finding(
            True,
            "warn",
            f"没有约定送达时间；已有数据到 {facts['complete through']}",
            f"No time of delivery is agreed; data through {facts['complete through']}",
            facts,
        )
    if through is None:
        return Finding(
            False,
            "warn",
            f"还没有完整的一天；应到 {expected}",
            f"No day is complete yet; expected through {expected}",
            facts,
        )
    if through >= expected:
        return Finding(
            True,
            "warn",
            f"数据完整到 {through}，按时",
            f"Complete through {through}, on time",
            facts,
        )
    lacking_zh = f"，缺 {_some(missing)}" if missing else ""
    lacking_en = f", missing {_some(missing)}" if missing else ""
    return Finding(
        False,
        "warn",
        f"数据只完整到 {through}，应到 {expected}{lacking_zh}",
        f"Complete only through {through}, expected through {expected}{lacking_en}",
        facts,
    )


def volume(rows: Mapping[date, int], day: date | None) -> Finding:
    """The rows of `day` against the median of the days before it, of its weekday if known enough.

    `rows` by business date; a day without rows counts as none from the first day with rows on.
    """
    if day is None or not rows:
        return Finding(True, "warn", "还没有数据可比", "There is nothing to compare yet")
    first = min(rows)
    window = [day - timedelta(days=back) for back in range(1, WINDOW_DAYS + 1)]
    before = {one: rows.get(one, 0) for one in window if one >= first}
    same = [count for one, count in before.items() if one.weekday() == day.weekday()]
    is_weekday = len(same) >= _SAME_WEEKDAYS
    usual = float(median(same if is_weekday else before.values())) if before else 0.0
    count = rows.get(day, 0)
    facts: Facts = {"day": day.isoformat(), "rows": count, "usual rows": usual}
    if len(before) < _FEWEST_DAYS or usual < _FEWEST_ROWS:
        return Finding(
            True,
            "warn",
            f"{day} 有 {count} 行；可比的太少，不作判断",
            f"{day} has {count} rows; too little before it to judge",
            facts,
        )
    share = count / usual
    zh_of = "同一星期几" if is_weekday else "日"
    en_of = "of that weekday" if is_weekday else "of a day"
    return Finding(
        _LOW <= share <= _HIGH,
        "warn",
        f"{day} 有 {count} 行，近 28 天{zh_of}的中位数 {usual:g} 行（{share:.0%}）",
        f"{day} has {count} rows, the median {en_of} in 28 days is {usual:g} ({share:.0%})",
        {**facts, "share of usual": round(share, 3)},
    )


def reconciliation(
    batches: Sequence[Batch], events: Sequence[ExchangeEvent], *, quarantined: int, now: datetime
) -> Finding:
    """Whether all that was declared was counted, and nothing is refused, missing or set aside.

    `batches` and unsettled `events` of one stream; a refusal counts until a batch with its number
    or its day is loaded, for 31 days.
    """
    loaded = [batch for batch in batches if batch.status in {"loaded", "superseded"}]
    numbers = {(batch.branch, batch.sequence) for batch in loaded if batch.sequence is not None}
    days = {(batch.branch, batch.business_date) for batch in loaded}
    refused = [
        batch
        for batch in batches
        if batch.status == "refused"
        and batch.received_at >= now - timedelta(days=31)
        and (batch.branch, batch.sequence) not in numbers
        and (batch.sequence is None or (batch.branch, batch.business_date) not in days)
    ]
    differing = [
        batch
        for batch in loaded
        if batch.declared_rows not in (None, batch.rows)
        or (batch.sums and not batch.rejected and sums_agree(batch.declared_sums, batch.sums))
    ]
    open_events = [event for event in events if event.code != "duplicate_batch"]
    facts: Facts = {
        "batches": len(loaded),
        "rows delivered": sum(batch.rows for batch in loaded),
        "rows loaded": sum(batch.rows_loaded for batch in loaded),
        "rows in quarantine": quarantined,
        "refused batches": len(refused),
        "batches that differ": len(differing),
        "open exchange events": len(open_events),
    }
    zh, en = [], []
    if refused:
        named = [(batch.place, batch.code) for batch in refused]
        zh.append(f"拒收 {len(refused)} 批：{_named(named, 'zh')}")
        en.append(f"{len(refused)} refused: {_named(named, 'en')}")
    if differing:
        zh.append(f"{len(differing)} 批申报与清点不符")
        en.append(f"{len(differing)} batches differ from what was declared")
    if open_events:
        named = [(event.file or event.stream, event.code) for event in open_events]
        zh.append(f"交换中有 {len(open_events)} 件未了：{_named(named, 'zh')}")
        en.append(f"{len(open_events)} open in the exchange: {_named(named, 'en')}")
    if quarantined:
        zh.append(f"隔离 {quarantined} 行，等待处理")
        en.append(f"{quarantined} rows wait in quarantine")
    if not zh:
        return Finding(
            True,
            "warn",
            f"{len(loaded)} 批全部对上，共 {facts['rows loaded']} 行",
            f"Batches that agree: {len(loaded)} of {len(loaded)}, {facts['rows loaded']} rows",
            facts,
        )
    severity: Literal["error", "warn"] = "error" if refused or differing else "warn"
    return Finding(False, severity, "；".join(zh), "; ".join(en), facts)


def due_text(contract: Contract, stream: str, *, language: str) -> str:
    """How a stream comes, in one clause for its description."""
    delivery = contract.streams[stream].delivery
    kind = contract.interface.type
    if language == "zh":
        words = {
            "files": "文件交换",
            "table": "标志表",
            "extract": "数据库抽取",
            "service": "服务接口",
            "inbox": "收件箱",
        }
        when = "工作日" if delivery and delivery.calendar == "working" else "每天"
        return words[kind] + (f"，{when} {delivery.by} 前送达" if delivery else "，随到随收")
    words = {
        "files": "files with logs",
        "table": "flag table",
        "extract": "extract of a table",
        "service": "service",
        "inbox": "inbox",
    }
    when = "working day" if delivery and delivery.calendar == "working" else "day"
    return words[kind] + (f", due by {delivery.by} each {when}" if delivery else ", as it comes")


def _named(coded: Sequence[tuple[str, str | None]], language: str) -> str:
    """Things with their codes, and what these say."""
    return _some(
        [
            f"{name}：{sentence(code, language)}（{code}）"
            if language == "zh"
            else f"{name}: {sentence(code, language)} ({code})"
            for name, code in coded
        ]
    )


def _some(names: Sequence[str]) -> str:
    more = f" … (+{len(names) - _MOST_NAMED})" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []


def _date(value: object) -> date | None:
    return date.fromisoformat(value) if isinstance(value, str) else None


def _local(instant: datetime | None, zone: str) -> str:
    if instant is None:
        return "-"
    return instant.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M")
