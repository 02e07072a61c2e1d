"""The command sla explain: how the clocks of a case came by their due and elapsed times."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

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
)

if TYPE_CHECKING:
    from cubes.label import Language
    from cubes.sla_policy import SlaPolicy
    from pipelines.case_clocks import CaseClock, CaseClocks, Explanation, PolicyBefore

_DEFAULT_CLOCK = "resolution"
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


def explain(
    context: typer.Context,
    case: Annotated[str, typer.Argument(help="工单号 / case number")],
    source: Annotated[
        str | None, typer.Option("--source", help="来源，同号时必填 / source, if several have it")
    ] = None,
    clock: Annotated[
        str, typer.Option("--clock", help="时钟 / clock: resolution | first_response | ...")
    ] = _DEFAULT_CLOCK,
    ordinal: Annotated[
        int | None, typer.Option("--ordinal", min=1, help="第几个，默认最后 / which, default last")
    ] = None,
    as_is: Annotated[
        bool, typer.Option("--as-is", help="按现在所知的日历和时限 / by all that is known now")
    ] = False,
    output: FormatOption = Format.text,
    language: LanguageOption = None,
) -> int:
    """说明一个工单的各时钟：到期、依据哪条时限、每段时间为何计入或不计 / explain the clocks of a
    case: when due, by which policy and why, and row by row why time counted or not.

    读已发布的快照。逐段合计必须等于 elapsed_s，否则报错并退出 1；没有这个工单退出 2 / reads the
    published snapshot. The rows must add up to elapsed_s, else it says so and exits 1; 2 for an
    unknown case.

    \b
    JSON:
    {"snapshot", "source", "case_no", "evaluation": "as_was" | "as_is",
     "clocks": [{"clock", "label", "ordinal", "cycle", "state", "started_at", "due_at",
       "stopped_at", "cancelled_at", "cancelled_by", "breached_at", "elapsed_seconds",
       "paused_seconds", "remaining_seconds", "overrun_seconds", "due_if_resumed_at",
       "target", "unit", "calendar_id", "zone", "calendar_version",
       "policy": null | {"id", "version", "name", "ordinal", "valid_from", "conditions"},
       "policies_before": [{"policy", "from", "to", "target", "unit", "due_at"}],
       "unit_at_due", "longest_unit": null | {"id", "name"},
       "is_breached_on_change", "is_provisional"}],
     "explained": {"clock", "ordinal", "zone", "elapsed_seconds", "counted_seconds", "adds_up",
       "rows": [{"from", "to", "seconds", "reason", "policy_version", "calendar_version"}]}}

    \b
    reason: working | night | lunch | weekend | holiday:<name> | make-up day | paused:<state>
            | before start | after stop

    \b
    例 / examples:
    huiyin sla explain H2025011300005
    huiyin sla explain H2025011300005 --clock first_response --as-is --format json
    """
    from pipelines.case_clocks import explain_case_clock, read_case_clocks

    installation = open_installation(context)
    shown = language_of(installation, language)
    evaluation = "as_is" if as_is else "as_was"
    with installation.snapshot() as snapshot:
        found = read_case_clocks(snapshot, case, source=source, evaluation=evaluation)
        default = clock == _DEFAULT_CLOCK and ordinal is None
        if default and all(one["clock"] != clock for one in found.clocks):
            clock = str(found.clocks[0]["clock"])
        explained = explain_case_clock(snapshot, found, found.chosen(clock, ordinal))
    if output is Format.json:
        print_json(_as_json(found, explained))
    else:
        _print_clocks(found, shown)
        _print_policy(explained.clock, shown)
        _print_rows(explained, shown)
    if explained.adds_up:
        return 0
    print_error(_wrong(explained, shown))
    return 1


def _as_json(found: CaseClocks, explained: Explanation) -> dict[str, Any]:
    clock = explained.clock
    return {
        "snapshot": found.snapshot,
        "source": found.source,
        "case_no": found.case_no,
        "evaluation": found.evaluation,
        "clocks": [_clock_json(found, one) for one in found.clocks],
        "explained": {
            "clock": clock["clock"],
            "ordinal": clock["ordinal"],
            "zone": clock["zone"],
            "elapsed_seconds": clock["elapsed_s"],
            "counted_seconds": explained.counted_s,
            "adds_up": explained.adds_up,
            "rows": [
                {
                    "from": one.row.starts_at,
                    "to": one.row.ends_at,
                    "seconds": one.row.counted // timedelta(seconds=1),
                    "reason": one.row.reason,
                    "policy_version": clock.policy.version if clock.policy else None,
                    "calendar_version": one.calendar_version,
                }
                for one in explained.rows
            ],
        },
    }


def _clock_json(found: CaseClocks, clock: CaseClock) -> dict[str, Any]:
    told = {
        name: _local(clock[name], clock) if name.endswith("_at") else clock[name]
        for name in (
            "clock",
            "ordinal",
            "cycle",
            "state",
            "started_at",
            "due_at",
            "stopped_at",
            "cancelled_at",
            "cancelled_by",
            "breached_at",
            "due_if_resumed_at",
            "target",
            "unit",
            "calendar_id",
            "zone",
            "calendar_version",
            "is_breached_on_change",
            "is_provisional",
        )
    }
    seconds = {
        f"{name}_seconds": clock[f"{name}_s"]
        for name in ("elapsed", "paused", "remaining", "overrun")
    }
    label = clock.label
    return {
        **told,
        **seconds,
        "label": {"zh": label.zh, "en": label.en} if label else None,
        "policy": _policy_json(clock.policy),
        "policies_before": [
            {
                "policy": _policy_json(one.policy),
                "from": _local(one.from_at, clock),
                "to": _local(one.to_at, clock),
                "target": one.target,
                "unit": one.unit,
                "due_at": _local(one.due_at, clock),
            }
            for one in clock.before
        ],
        "unit_at_due": _unit_json(found, clock["unit_at_due_id"]),
        "longest_unit": _unit_json(found, clock["longest_unit_id"]),
    }


def _policy_json(policy: SlaPolicy | None) -> dict[str, Any] | None:
    if policy is None:
        return None
    return {
        "id": policy.policy_id,
        "version": policy.version,
        "name": {"zh": policy.name, "en": policy.name_en},
        "ordinal": policy.ordinal,
        "valid_from": policy.valid_from,
        "conditions": dict(policy.conditions),
    }


def _unit_json(found: CaseClocks, unit_id: str | None) -> dict[str, Any] | None:
    if unit_id is None:
        return None
    return {"id": unit_id, "name": dict(found.unit_names.get(unit_id, {}))}


def _print_clocks(found: CaseClocks, language: Language) -> None:
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
                _minute(_local(at, one), is_bare=len(zones) == 1)
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


def _print_policy(clock: CaseClock, language: Language) -> None:
    """Why the policy of the clock won, and those before it."""
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
    for one in clock.before:
        print_text(_before(one, clock, chinese))
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


def _before(one: PolicyBefore, clock: CaseClock, chinese: bool) -> str:
    since, until, due = (_minute(_local(at, clock)) for at in (one.from_at, one.to_at, one.due_at))
    policy, target = _policy_text(one.policy, chinese), _target(one.target, one.unit, chinese)
    return (
        f"- {since} 至 {until}：{policy}，时限 {target}，到期 {due}"
        if chinese
        else f"- {since} to {until}: {policy}, limit {target}, due {due}"
    )


def _print_rows(explained: Explanation, language: Language) -> None:
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


def _wrong(explained: Explanation, language: Language) -> str:
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


def _local(instant: datetime | None, clock: CaseClock) -> datetime | None:
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
