"""The clocks of a case and the rows of one as text, in Chinese and English."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pipelines.command_line.output import print_table, print_text

if TYPE_CHECKING:
    from cubes.label import Language
    from cubes.sla_policy import SlaPolicy
    from pipelines.case_clocks import CaseClock, CaseClocks, Explanation, PolicySegment

_STATES = {
    "running": "进行中",
    "paused": "暂停",
    "met": "按时",
    "breached": "超时",
    "cancelled": "取消",
    "measured": "仅计时",
}
_REASONS = {
    "working": "工作时间",
    "make-up day": "调休上班",
    "lunch": "午休",
    "night": "非工作时段",
    "weekend": "休息日",
    "holiday": "放假",
    "paused": "暂停",
    "before start": "计时开始前",
    "after stop": "计时结束后",
}
_STATUSES = {
    "new": "已登记",
    "accepted": "已受理",
    "in_progress": "处理中",
    "waiting_on_reporter": "等待反馈人",
    "waiting_on_partner": "等待协办方",
    "resolved": "已办结",
    "closed": "已关闭",
    "rejected": "不予受理",
    "withdrawn": "已撤回",
}
_CONDITIONS = {
    "cycle": ("第几轮", "cycle"),
    "source": ("来源", "source"),
    "kind": ("类型", "kind"),
    "category_path": ("类别", "category"),
    "priority": ("优先级", "priority"),
    "complexity": ("复杂度", "complexity"),
    "org_unit_id": ("单位", "unit"),
    "channel": ("渠道", "channel"),
    "reporter_type": ("反馈人类型", "reporter type"),
}
_UNITS = {
    "business_seconds": ("工作时间", "working time"),
    "calendar_seconds": ("自然时间", "calendar time"),
    "working_days": ("个工作日", "working days"),
    "calendar_days": ("个自然日", "calendar days"),
}


def print_clocks(found: CaseClocks, language: Language) -> None:
    """All clocks of the case, one a row."""
    chinese = language == "zh"
    evaluation = {
        "as_was": ("按当时所知", "as it was known then"),
        "as_is": ("按现在所知", "by all that is known now"),
    }[found.evaluation][not chinese]
    name = "工单" if chinese else "Case"
    snapshot = "快照" if chinese else "snapshot"
    zones = {str(one["zone"]) for one in found.clocks}
    rows = [
        [
            _clock_name(one, language),
            one["ordinal"],
            _state(one, chinese),
            *(
                _minute(local_time(at, one), is_bare=len(zones) == 1)
                for at in (
                    one["started_at"],
                    one["due_at"],
                    one["stopped_at"] or one["cancelled_at"],
                )
            ),
            _clock_time(one["elapsed_s"]),
            _policy_name(one.policy, chinese),
            _holders(found, one, language),
        ]
        for one in found.clocks
    ]
    zone = f", {zones.pop()}" if len(zones) == 1 else ""
    print_table(
        f"{name} {found.case_no} ({found.source}), {evaluation}, {snapshot} {found.snapshot}{zone}",
        ["时钟", "序", "状态", "开始", "到期", "结束", "用时", "时限", "到期时 / 最久持有"]
        if chinese
        else [
            "clock",
            "no",
            "state",
            "start",
            "due",
            "end",
            "elapsed",
            "policy",
            "holder at due / longest",
        ],
        rows,
        empty="-",
    )


def print_policy(clock: CaseClock, language: Language) -> None:
    """Why the policy of the clock won, and those it was under one after the other."""
    chinese = language == "zh"
    name = f"{_clock_name(clock, language)} {clock['ordinal']}"
    policy = clock.policy
    if policy is None:
        print_text(
            f"{name}：没有适用的时限，仅计时"
            if chinese
            else f"{name}: no policy is for this case, so it is measured only"
        )
    else:
        why = _why(policy, chinese)
        print_text(
            f"{name}：依据 {_policy_text(policy, chinese)}（次序 {policy.ordinal}），{why}"
            if chinese
            else f"{name}: by {_policy_text(policy, chinese)} (ordinal {policy.ordinal}), {why}"
        )
        target = _target(clock["target"], clock["unit"], chinese)
        calendar = f"{clock['calendar_id']}, {clock['zone']}"
        print_text(f"时限 {target}（{calendar}）" if chinese else f"limit {target} ({calendar})")
    for one in clock.segments:
        print_text(_segment(one, clock, chinese))
    notes = {
        "is_breached_on_change": (
            "变更时限时已超过新时限，单独统计",
            "already past the new limit when it was set; reported apart",
        ),
        "is_provisional": (
            "到期年份的放假通知尚未发布，到期时间为暂定",
            "the notice of days off of the year it is due in is not out, so it is provisional",
        ),
    }
    for column, words in notes.items():
        if clock[column]:
            print_text(f"- {words[not chinese]}")


def _why(policy: SlaPolicy, chinese: bool) -> str:
    if not policy.conditions:
        return (
            "不限条件，排在前面的都不适用"
            if chinese
            else "which has no condition; none that stands before it is for this case"
        )
    met = "，".join if chinese else ", ".join
    conditions = met(
        f"{_CONDITIONS[name][not chinese]} = {value}" for name, value in policy.conditions.items()
    )
    return (
        f"第一条全部条件都符合的：{conditions}"
        if chinese
        else f"the first whose conditions are all met: {conditions}"
    )


def _segment(one: PolicySegment, clock: CaseClock, chinese: bool) -> str:
    since, until, due = (
        _minute(local_time(at, clock)) for at in (one.from_at, one.to_at, one.due_at)
    )
    policy, target = _policy_text(one.policy, chinese), _target(one.target, one.unit, chinese)
    return (
        f"- {since} 至 {until}：{policy}，时限 {target}，到期 {due}"
        if chinese
        else f"- {since} to {until}: {policy}, limit {target}, due {due}"
    )


def print_rows(explained: Explanation, language: Language) -> None:
    """The rows of one clock with what they add up to."""
    chinese = language == "zh"
    version = f"v{explained.clock.policy.version}" if explained.clock.policy else ""
    rows = [
        [
            _second(one.row.starts_at),
            _second(one.row.ends_at),
            _clock_time(one.row.counted // timedelta(seconds=1)),
            _reason(one.row.reason, chinese),
            version,
            one.calendar_version,
        ]
        for one in explained.rows
    ]
    print_table(
        "",
        ["从", "到", "计入", "原因", "时限版本", "日历版本"]
        if chinese
        else ["from", "to", "counted", "reason", "policy version", "calendar version"],
        rows,
        empty="-",
    )
    if explained.adds_up:
        total = _duration(explained.counted_s, chinese)
        print_text(
            f"合计 {total}（{explained.counted_s} 秒），与用时一致"
            if chinese
            else f"Together {total} ({explained.counted_s} s), the elapsed time of the clock"
        )


def wrong_text(explained: Explanation, language: Language) -> str:
    """That the rows do not add up to the elapsed time that is published."""
    clock, counted = explained.clock, explained.counted_s
    key, elapsed = clock["clock_key"], clock["elapsed_s"]
    if language == "zh":
        return (
            f"错误：逐段合计 {counted} 秒，而快照中的用时为 {elapsed} 秒（clock_key {key}）。"
            "两者之一有误；请重新生成快照（huiyin build），仍然如此则报告此工单。"
        )
    return (
        f"Error: the rows add up to {counted} s, but the snapshot says {elapsed} s elapsed "
        f"(clock_key {key}). One of both is wrong; build again (huiyin build), and if it stays so "
        "report this case."
    )


def _clock_name(clock: CaseClock, language: Language) -> str:
    label = clock.label
    name = str(clock["clock"])
    if label is None:
        return name
    return f"{label.zh} {name}" if language == "zh" else name


def _state(clock: CaseClock, chinese: bool) -> str:
    state = str(clock["state"])
    return _STATES.get(state, state) if chinese else state


def _policy_text(policy: SlaPolicy | None, chinese: bool) -> str:
    if policy is None:
        return "-"
    return f"{policy.name if chinese else policy.name_en} [{policy.policy_id} v{policy.version}]"


def _policy_name(policy: SlaPolicy | None, chinese: bool) -> str:
    if policy is None:
        return "-"
    return f"{policy.name if chinese else policy.name_en} v{policy.version}"


def _target(target: int | None, unit: str | None, chinese: bool) -> str:
    words = _UNITS.get(unit or "", ("", ""))[not chinese]
    if target is None:
        return f"无（{words}）" if chinese else f"none ({words})"
    if unit in ("working_days", "calendar_days"):
        return f"{target} {words}"
    return f"{_duration(int(target), chinese)} {words}"


def _holders(found: CaseClocks, clock: CaseClock, language: Language) -> str:
    """Who had the case when it was due, and who had it longest if that is another."""
    named = [
        str(found.unit_names.get(unit, {}).get(language, unit)) if unit else "-"
        for unit in (clock["unit_at_due_id"], clock["longest_unit_id"])
    ]
    return " / ".join(dict.fromkeys(named))


def _reason(reason: str, chinese: bool) -> str:
    if not chinese:
        return reason
    kind, _, of = reason.partition(":")
    words = _REASONS.get(kind, kind)
    return f"{words}：{_STATUSES.get(of, of)}" if of else words


def _duration(seconds: int, chinese: bool) -> str:
    """A time as hours, minutes and seconds; nothing that is 0 is told."""
    if seconds == 0:
        return "0"
    sign, seconds = ("-" if seconds < 0 else ""), abs(seconds)
    amounts = (seconds // 3600, seconds // 60 % 60, seconds % 60)
    units = ("小时", "分", "秒") if chinese else ("h", "min", "s")
    said: Sequence[str] = [
        f"{amount} {unit}" for amount, unit in zip(amounts, units, strict=True) if amount
    ]
    return sign + " ".join(said)


def local_time(instant: datetime | None, clock: CaseClock) -> datetime | None:
    """An instant in the zone of the clock's calendar, with its offset."""
    from cubes.local_clock import instant_of, micros_of, zone_of

    if instant is None:
        return None
    return instant_of(micros_of(instant), zone_of(clock["zone"]))


def _clock_time(seconds: int | None) -> str:
    """A time as hours, minutes and seconds: 9:09:22."""
    if seconds is None:
        return ""
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _minute(instant: datetime | None, *, is_bare: bool = False) -> str:
    """A local time; bare without its offset, for times of one zone."""
    if instant is None:
        return ""
    shown = instant.replace(tzinfo=None) if is_bare else instant
    return shown.isoformat(sep=" ", timespec="minutes")


def _second(instant: datetime | None) -> str:
    return "" if instant is None else instant.isoformat(sep=" ", timespec="seconds")
