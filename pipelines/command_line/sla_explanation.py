"""The command sla explain: how the clocks of a case came by their due and elapsed times."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.command_line.explanation_text import (
    local_time,
    print_clocks,
    print_policy,
    print_rows,
    wrong_text,
)
from pipelines.command_line.output import (
    Format,
    FormatOption,
    LanguageOption,
    language_of,
    open_installation,
    print_error,
    print_json,
)

if TYPE_CHECKING:
    from cubes.sla_policy import SlaPolicy
    from pipelines.case_clocks import CaseClock, CaseClocks, Explanation

_DEFAULT_CLOCK = "resolution"


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
       "segments": [{"policy", "from", "to", "target", "unit", "due_at"}],
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
        print_clocks(found, shown)
        print_policy(explained.clock, shown)
        print_rows(explained, shown)
    if explained.adds_up:
        return 0
    print_error(wrong_text(explained, shown))
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
        name: local_time(clock[name], clock) if name.endswith("_at") else clock[name]
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
        "segments": [
            {
                "policy": _policy_json(one.policy),
                "from": local_time(one.from_at, clock),
                "to": local_time(one.to_at, clock),
                "target": one.target,
                "unit": one.unit,
                "due_at": local_time(one.due_at, clock),
            }
            for one in clock.segments
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
