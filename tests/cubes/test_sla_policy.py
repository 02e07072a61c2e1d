"""Policies of time limits: which one a case meets first, and what their rows say together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from cubes.rule_table import RULE_TABLES, RuleRow
from cubes.sla_policy import (
    CONDITIONS,
    CaseAttributes,
    SlaPolicy,
    first_match,
    is_path_within,
    ruled_policies,
    unrated_priority,
)
from cubes.working_time import DayLimit
from tests.soak import fuzz

SHANGHAI = ZoneInfo("Asia/Shanghai")
AT = datetime(2026, 3, 2, tzinfo=UTC)
# R is the top; A and B lie below it, A1 below A.
ABOVE = {
    "R": frozenset({"R"}),
    "A": frozenset({"A", "R"}),
    "B": frozenset({"B", "R"}),
    "A1": frozenset({"A1", "A", "R"}),
}


def row(table: str, number: int, **values: str) -> RuleRow:
    said = {name: values.get(name, "") for name in RULE_TABLES[table]}
    return RuleRow(table, f"{table}.csv", number + 1, number, said)


def policy_row(number: int, **values: str) -> RuleRow:
    shared = {"version": "1", "ordinal": "10", "clock": "resolution", "unit": "working_days"}
    return row("sla_policy", number, **{**shared, **values})


def some(values: list[str]) -> st.SearchStrategy[str | None]:
    return st.none() | st.sampled_from(values)


def some_of(values: list[str]) -> st.SearchStrategy[str | None]:
    lists = st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True)
    return st.none() | lists.map(";".join)


PATHS = ["宽带", "宽带/断网", "宽带电视", "资费"]
MOMENTS = [AT + timedelta(days=days) for days in range(-2, 3)]


@st.composite
def policies(draw: st.DrawFn) -> SlaPolicy:
    since = draw(st.sampled_from(MOMENTS))
    until = draw(st.none() | st.sampled_from(MOMENTS))
    return SlaPolicy(
        policy_id=draw(st.sampled_from("pqrs")),
        clock=draw(st.sampled_from(["resolution", "acknowledge"])),
        ordinal=draw(st.integers(1, 3)),
        valid_from=since,
        valid_to=until,
        cycle=draw(some(["first", "again"])),
        source=draw(some_of(["intake", "mail"])),
        kind=draw(some_of(["complaint", "praise"])),
        category_path=draw(some(PATHS)),
        priority=draw(some_of(["P1", "P2"])),
        org_unit_id=draw(some(list(ABOVE))),
        channel=draw(some_of(["web", "letter", "web2"])),
        is_active=draw(st.booleans()),
    )


@st.composite
def cases(draw: st.DrawFn) -> CaseAttributes:
    unit = draw(some(list(ABOVE)))
    return CaseAttributes(
        source=draw(st.sampled_from(["intake", "mail"])),
        kind=draw(some(["complaint", "praise"])),
        category_path=draw(some(PATHS)),
        priority=draw(some(["P1", "P2"])),
        org_units=ABOVE[unit] if unit else frozenset(),
        channel=draw(some(["web", "letter"])),
        is_again=draw(st.booleans()),
    )


def naive_first(
    rules: list[SlaPolicy], clock: str, case: CaseAttributes, at: datetime
) -> SlaPolicy | None:
    """The definition, walked policy by policy and condition by condition."""
    for rule in sorted(rules, key=lambda one: (one.ordinal, one.policy_id)):
        if rule.clock != clock or not rule.is_active or at < rule.valid_from:
            continue
        if rule.valid_to is not None and at >= rule.valid_to:
            continue
        wanted = [
            (rule.cycle, "again" if case.is_again else "first"),
            (rule.source, case.source),
            (rule.kind, case.kind),
            (rule.priority, case.priority),
            (rule.channel, case.channel),
        ]
        if any(asked and told not in asked.split(";") for asked, told in wanted):
            continue
        if rule.category_path:
            asked, told = rule.category_path.split("/"), (case.category_path or "").split("/")
            if told[: len(asked)] != asked:
                continue
        if rule.org_unit_id and rule.org_unit_id not in case.org_units:
            continue
        return rule
    return None


@fuzz(300)
@given(st.lists(policies(), max_size=6), cases(), st.sampled_from(MOMENTS))
def test_the_first_match_is_that_of_the_definition(
    rules: list[SlaPolicy], case: CaseAttributes, at: datetime
) -> None:
    found = first_match(rules, "resolution", case, at)
    wanted = naive_first(rules, "resolution", case, at)
    assert (found is None) == (wanted is None)
    assert found is None or wanted is None or found.place == wanted.place


@fuzz(300)
@given(policies(), policies(), cases())
def test_a_policy_that_covers_another_takes_each_of_its_cases(
    wide: SlaPolicy, narrow: SlaPolicy, case: CaseAttributes
) -> None:
    if wide.covers(narrow, ABOVE.__getitem__) and narrow.is_met_by(case):
        assert wide.is_met_by(case)


def test_a_list_covers_its_part_a_branch_what_lies_in_it_and_a_unit_those_below() -> None:
    def covers(wide: dict[str, Any], narrow: dict[str, Any]) -> bool:
        one, other = (SlaPolicy("p", "resolution", **said) for said in (wide, narrow))
        return one.covers(other, ABOVE.__getitem__)

    assert covers({}, {"kind": "praise"}) and not covers({"kind": "praise"}, {})
    assert covers({"kind": "a;b;c"}, {"kind": "c;a"}) and not covers({"kind": "a"}, {"kind": "a;b"})
    assert covers({"category_path": "宽带"}, {"category_path": "宽带/断网"})
    assert not covers({"category_path": "宽带"}, {"category_path": "宽带电视"})
    assert covers({"org_unit_id": "A"}, {"org_unit_id": "A1"})
    assert not covers({"org_unit_id": "A1"}, {"org_unit_id": "A"})
    assert covers({"cycle": "first"}, {"cycle": "first"}) and not covers({"cycle": "first"}, {})


def test_what_is_not_known_of_a_case_meets_no_condition() -> None:
    nobody = CaseAttributes("intake")
    for name in CONDITIONS:
        if name not in ("cycle", "source"):
            assert not SlaPolicy("p", "resolution", **{name: "x"}).is_met_by(nobody), name
    assert SlaPolicy("p", "resolution").is_met_by(nobody)


def test_a_path_lies_within_whole_parts_only() -> None:
    assert is_path_within("A/B/C", "A/B") and is_path_within("A/B", "A/B")
    assert not is_path_within("A/BC", "A/B") and not is_path_within(None, "A")


def test_versions_follow_each_other_and_a_version_told_twice_is_a_correction() -> None:
    rows = [
        policy_row(1, policy_id="p", target="5"),
        policy_row(2, policy_id="p", version="2", valid_from="2026-03-01", target="3"),
        policy_row(3, policy_id="p", version="2", valid_from="2026-04-01", target="4"),
        policy_row(4, policy_id="q", is_active="false"),
    ]
    found = {
        (one.policy_id, one.version): (one, said) for one, said in ruled_policies(rows, SHANGHAI)
    }
    first, second = found["p", 1][0], found["p", 2][0]
    # The first of April begins in Shanghai.
    assert first.valid_to == second.valid_from == datetime(2026, 3, 31, 16, tzinfo=UTC)
    assert (first.target, second.target, second.valid_to) == (5, 4, None)
    assert found["p", 2][1] is rows[2] and not found["q", 1][0].is_active
    assert first.limit == DayLimit(5, "working_days") and found["q", 1][0].limit is None


def test_a_policy_of_calendar_seconds_counts_round_the_clock() -> None:
    assert (
        SlaPolicy("p", "c", unit="calendar_seconds", calendar_id="x").calendar_of("y") == "always"
    )
    assert SlaPolicy("p", "c", unit="working_days", calendar_id="x").calendar_of("y") == "x"
    assert SlaPolicy("p", "c", unit="working_days").calendar_of("y") == "y"


def test_a_case_that_tells_no_urgency_has_the_priority_of_the_matrix_in_force() -> None:
    rows = [
        row("sla_priority", 1, ordinal="1", urgency="1", priority="P1"),
        row("sla_priority", 2, ordinal="9", priority="P3"),
        row("sla_priority", 3, ordinal="9", priority="P4"),
        row("sla_priority", 4, ordinal="1", urgency="1", valid_from="2026-03-02", priority="P2"),
    ]
    day = datetime(2026, 3, 1, 16, tzinfo=UTC)
    # Of equal rows the later one counts; the new matrix has no rule for such a case.
    assert unrated_priority(rows, day - timedelta(seconds=1), SHANGHAI) == "P4"
    assert unrated_priority(rows, day, SHANGHAI) is None
    assert unrated_priority([], day, SHANGHAI) is None
