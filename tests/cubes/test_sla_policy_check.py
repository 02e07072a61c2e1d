"""What is wrong with policies taken together: each fault has its row and what it collides with."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from cubes.rule_table import RuleRow
from cubes.sla_policy_check import KnownNames, PolicyReport, check_policies
from tests.cubes.test_sla_policy import SHANGHAI, policy_row

NOW = datetime(2026, 3, 31, tzinfo=UTC)
KNOWN = KnownNames(frozenset({"resolution", "partner"}), frozenset({"waiting_on_reporter"}))
DEFAULTS = [
    {"policy_id": "default", "ordinal": "9000", "target": "5"},
    {"policy_id": "default_partner", "ordinal": "9000", "clock": "partner"},
]


def rows_of(*given: dict[str, str]) -> list[RuleRow]:
    return [policy_row(number, **values) for number, values in enumerate(given, start=1)]


def report(*given: dict[str, str], known: KnownNames = KNOWN) -> PolicyReport:
    return check_policies(rows_of(*DEFAULTS, *given), known, now=NOW, zone=SHANGHAI)


def faults(*given: dict[str, str], known: KnownNames = KNOWN) -> list[str]:
    return [f"{one.line}: {one.message}" for one in report(*given, known=known).faults]


def test_sound_policies_have_no_fault() -> None:
    assert report(
        {"policy_id": "praise", "kind": "praise", "target": "3", "warn_at": "0.5;0.8"},
        {"policy_id": "letters", "ordinal": "20", "channel": "letter", "target": "9"},
        {"policy_id": "again", "ordinal": "30", "cycle": "again", "target": "2"},
    ) == PolicyReport((), (), ())


def test_an_unknown_clock_status_and_share_are_faults() -> None:
    found = faults(
        {"policy_id": "p", "clock": "resolutoin", "target": "5"},
        {"policy_id": "q", "ordinal": "1", "kind": "praise", "pause_statuses": "on_hold",
         "target": "2.5", "warn_at": "80%", "grace": "1h", "valid_from": "2026-03"},
        {"policy_id": "r", "ordinal": "2", "kind": "complaint; praise", "warn_at": "0.8"},
        {"policy_id": "s", "ordinal": "3", "kind": "opinion", "unit": ""},
    )  # fmt: skip
    assert [one.partition(";")[0] for one in found] == [
        "4: the clock 'resolutoin' is unknown (did you mean 'resolution'?)",
        "5: grace: '1h' is no number of seconds",
        "5: pause_statuses: there is no status 'on_hold'",
        "5: target: 2.5 is no whole number of days",
        "5: valid_from '2026-03' names no day",
        "5: warn_at: '80%' is no share of the target such as 0.8",
        "6: has warn_at, but no target of which it would be a share",
        "6: kind 'complaint",
        "7: unit is empty: a clock that is measured only needs the unit it counts in",
    ]


def test_a_policy_that_an_earlier_one_takes_all_cases_of_can_never_win() -> None:
    wide = {"policy_id": "wide", "ordinal": "10", "kind": "complaint;praise", "target": "9"}
    narrow = {"policy_id": "narrow", "ordinal": "20", "kind": "praise", "channel": "web",
              "target": "3"}  # fmt: skip
    found = faults(wide, narrow)
    assert found == [
        "5: narrow (ordinal 20) can never win: wide (ordinal 10, sla_policy.csv:4) stands before "
        "it and takes every resolution clock that this one is for; if that is meant, add a version "
        "of narrow with is_active false"
    ]
    # The other way round both win, and so they do where one is not active or for another clock.
    assert faults({**wide, "ordinal": "30"}, narrow) == []
    assert faults({**wide, "is_active": "false"}, narrow) == []
    assert faults({**wide, "clock": "partner"}, narrow) == []


def test_a_policy_wins_where_the_one_before_it_is_not_in_force_yet_or_no_more() -> None:
    wide = {"policy_id": "wide", "ordinal": "10", "target": "9"}
    narrow = {"policy_id": "narrow", "ordinal": "20", "kind": "praise", "target": "3"}
    later = faults({**wide, "valid_from": "2026-04-01"}, narrow)
    assert [one for one in later if "narrow" in one] == []
    ends = {**wide, "version": "2", "valid_from": "2026-05-01", "is_active": "false"}
    shadowed = [one for one in faults(wide, ends, narrow) if "narrow" in one]
    assert shadowed == []
    # What is over cannot be put right any more: rows are only added.
    over = {**narrow, "version": "2", "valid_from": "2026-03-01", "is_active": "false"}
    assert [one for one in faults(wide, narrow, over) if "narrow" in one] == []


def test_an_operators_policy_may_take_the_place_of_a_shipped_one() -> None:
    shipped = rows_of(*DEFAULTS)
    own = replace(policy_row(9, policy_id="own", target="3"), is_operator=True)
    found = check_policies([*shipped, own], KNOWN, now=NOW, zone=SHANGHAI)
    assert found.faults == ()
    assert "default (ordinal 9000) can never win: own (ordinal 10" in found.notes[0].message


def test_a_unit_below_the_unit_of_an_earlier_policy_is_never_reached_where_the_tree_is_known() -> (
    None
):
    above = {"policy_id": "above", "ordinal": "10", "org_unit_id": "A", "target": "9"}
    below = {"policy_id": "below", "ordinal": "20", "org_unit_id": "A1", "target": "3"}
    assert faults(above, below) == []
    known = replace(KNOWN, parents={"R": None, "A": "R", "A1": "A"})
    assert [one.partition(":")[0] for one in faults(above, below, known=known)] == ["5"]


def test_a_clock_without_a_policy_for_every_case_is_a_gap() -> None:
    rows = rows_of(
        {"policy_id": "p", "kind": "praise", "target": "5"},
        {"policy_id": "one", "clock": "partner", "cycle": "first"},
        {"policy_id": "more", "clock": "partner", "cycle": "again"},
        {"policy_id": "more", "clock": "partner", "cycle": "again", "version": "2",
         "valid_from": "2026-05-01", "is_active": "false"},
    )  # fmt: skip
    found = check_policies(rows, KNOWN, now=NOW, zone=SHANGHAI).faults
    assert [one.message for one in found] == [
        "the clock partner has no active policy without conditions from 2026-04-30 16:00 UTC on, "
        "so some cases are measured without one",
        "the clock resolution has no active policy without conditions, so some cases are measured "
        "without one",
    ]


def test_a_version_that_begins_before_an_earlier_one_is_a_fault() -> None:
    praise = {"policy_id": "p", "kind": "praise", "target": "3"}
    assert faults(
        {**praise, "version": "2", "valid_from": "2026-06-01"},
        {**praise, "version": "3", "valid_from": "2026-05-01"},
    ) == ["5: version 3 of p begins before version 2, so the older number is in force after it"]


def test_a_row_that_was_corrected_by_a_later_one_is_no_fault_any_more() -> None:
    wrong = {"policy_id": "p", "kind": "praise", "target": "3", "warn_at": "x"}
    assert len(faults(wrong)) == 1
    assert faults(wrong, {**wrong, "warn_at": "0.8"}) == []


def test_what_the_snapshot_does_not_know_is_a_warning_and_what_is_off_a_note() -> None:
    known = replace(
        KNOWN,
        values={"channel": frozenset({"web", "letter"}), "source": frozenset({"intake"})},
        parents={"R": None},
        category_paths=frozenset({"宽带"}),
    )
    found = report(
        {"policy_id": "p", "channel": "web;leter", "source": "intake", "target": "3"},
        {"policy_id": "q", "org_unit_id": "X", "category_path": "宽待", "target": "3"},
        {"policy_id": "r", "channel": "gone", "is_active": "false"},
        known=known,
    )
    assert found.faults == ()
    assert [one.message for one in found.warnings] == [
        "channel 'leter' is in no row of the snapshot (did you mean 'letter'?)",
        "category_path '宽待' is no category of the snapshot",
        "org_unit_id 'X' is no unit of the snapshot",
    ]
    assert [one.line for one in found.notes] == [6]
    assert "r is not active: an operator must confirm" in found.notes[0].message
