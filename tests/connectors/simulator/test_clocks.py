"""The simulator's own working time against known answers, and the clocks it tells."""

import csv
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.simulator import Truth
from connectors.simulator.case import Case, Event
from connectors.simulator.case_state import states_of
from connectors.simulator.clocks import Clock, clocks_of
from connectors.simulator.days import instant_text
from connectors.simulator.life_stories import STORIES, seconds_of
from connectors.simulator.working_hours import Pause, due_after, due_in_days, elapsed
from tests.connectors.simulator.case_reading import Reading

HOUR = 3600
NOW = "2026-03-31 09:00:00"


def pause(begin: str, end: str | None) -> Pause:
    return seconds_of(begin), None if end is None else seconds_of(end)


@pytest.mark.parametrize(
    ("start", "hours", "due"),
    [
        ("2026-02-13 17:00", 8, "2026-02-14 17:30:00"),  # V1
        ("2026-02-15 10:00", 4, "2026-02-24 14:30:00"),  # V2
        ("2026-03-02 09:00", 7.5, "2026-03-02 18:00:00"),  # V3
        ("2026-03-02 11:30", 1, "2026-03-02 14:00:00"),  # V4
        ("2026-03-02 12:30", 2, "2026-03-02 15:30:00"),  # V5
        ("2026-03-02 09:00", 16, "2026-03-04 10:00:00"),  # V9 before the change
        ("2026-03-02 09:00", 4, "2026-03-02 14:30:00"),  # V9 after it
    ],
)
def test_business_hours_end_where_the_calendar_says(start: str, hours: float, due: str) -> None:
    begin, seconds = seconds_of(start), int(hours * HOUR)
    assert due_after(begin, seconds) == seconds_of(due)
    assert elapsed(begin, seconds_of(due)) == seconds
    assert elapsed(begin, seconds_of(due) - 1) == seconds - 1


def test_a_pause_moves_the_limit_by_its_working_time() -> None:
    # V6, V7 and the first answer of V8.
    paused = [pause("2026-03-02 15:00", "2026-03-04 10:00")]
    start = seconds_of("2026-03-02 14:00")
    assert due_after(start, 4 * HOUR, paused) == seconds_of("2026-03-04 14:30")
    assert elapsed(start, seconds_of("2026-03-04 12:00"), paused) == 3 * HOUR
    weekend = [pause("2026-03-06 17:00", "2026-03-08 12:00")]
    due = due_after(seconds_of("2026-03-06 16:00"), 3 * HOUR, weekend)
    assert due == seconds_of("2026-03-09 11:00")
    closed = [pause("2026-03-02 11:00", "2026-03-05 09:00")]
    assert due_after(seconds_of("2026-03-02 09:00"), 5 * HOUR, closed) == seconds_of(
        "2026-03-05 12:00"
    )


def test_a_pause_that_lasts_leaves_no_limit_unless_it_came_too_late() -> None:
    start = seconds_of("2026-03-02 14:00")
    assert due_after(start, 4 * HOUR, [pause("2026-03-02 15:00", None)]) is None
    assert due_after(start, HOUR, [pause("2026-03-02 15:00", None)]) == seconds_of(
        "2026-03-02 15:00"
    )
    assert due_in_days(start, 1, [pause("2026-03-03 23:59:59", None)]) is None
    end = seconds_of("2026-03-04")
    assert due_in_days(start, 1, [pause("2026-03-04", None)]) == end


def test_working_days_count_make_up_days_and_no_holidays() -> None:
    # V10 and V14; then one day paused from Friday to Monday.
    assert due_in_days(seconds_of("2026-02-12 15:00"), 10) == seconds_of("2026-03-05")
    assert due_in_days(seconds_of("2026-04-28 09:00"), 5) == seconds_of("2026-05-09")
    paused = [pause("2026-03-06 10:00", "2026-03-09 10:00")]
    assert due_in_days(seconds_of("2026-03-05 10:00"), 2, paused) == seconds_of("2026-03-11")


def test_from_13_to_24_february_there_are_22_hours_and_a_half() -> None:
    # V16.
    assert elapsed(seconds_of("2026-02-13 09:00"), seconds_of("2026-02-24 18:00")) == 81_000


def test_a_closing_announced_before_its_day_counts_nothing_and_one_after_it_all() -> None:
    wednesday, friday = seconds_of("2025-08-13 09:00"), seconds_of("2025-08-15 18:00")
    assert elapsed(wednesday, friday) == 15 * HOUR
    assert due_in_days(wednesday, 1) == seconds_of("2025-08-16")
    assert elapsed(seconds_of("2025-11-17"), seconds_of("2025-11-18")) == 27_000
    assert due_in_days(seconds_of("2025-11-14 09:00"), 1) == seconds_of("2025-11-18")


def complaint(*events: tuple[str, str, dict[str, Any]], urgency: int = 3) -> list[Clock]:
    """The resolution clocks of a complaint of Monday 2026-03-02 09:00, by its events."""
    written = [
        Event(f"E{n}", "T1", code, seconds_of(at), "", "handler", **more)
        for n, (at, code, more) in enumerate(events)
    ]
    case = Case("T1", seconds_of("2026-03-02 09:00"), -1, "", "TS", "", "phone", "SC", urgency, "",
                tuple(written))  # fmt: skip
    found = clocks_of(case, written, states_of(case, written), seconds_of(NOW))
    return [clock for clock in found if clock.clock == "resolution"]


def told(clock: Clock) -> tuple[str, str | None, str, bool]:
    due = None if clock.due is None else instant_text(clock.due)
    return clock.policy.policy_id, due, clock.state, clock.breached_on_change


def test_a_priority_raised_too_late_is_breached_on_change() -> None:
    # By 12 h from 09:00 on Monday it was due at 13:30 + 3 h on Tuesday, and nobody knew.
    (clock,) = complaint(("2026-03-04 09:00", "DJ", {"priority": "P1"}),
                         ("2026-03-04 10:00", "JJ", {}))  # fmt: skip
    assert told(clock) == ("sim_urgent_resolution", "2026-03-03 15:00:00", "breached", True)


def test_what_was_late_before_a_change_stays_late() -> None:
    (clock,) = complaint(("2026-03-04 09:00", "DJ", {"priority": "P3"}),
                         ("2026-03-04 10:00", "JJ", {}), urgency=1)  # fmt: skip
    # Late by the 12 h of P1 on Tuesday at 15:00, before the priority was lowered.
    assert told(clock) == ("sim_urgent_resolution", "2026-03-03 15:00:00", "breached", False)


def test_a_reclassified_case_gets_the_rule_of_its_new_kind_in_time() -> None:
    (clock,) = complaint(("2026-03-02 16:00", "FL", {"kind": "ZX"}),
                         ("2026-03-05 10:00", "JJ", {}), urgency=1)  # fmt: skip
    assert told(clock) == ("default_resolution", "2026-03-10 00:00:00", "met", False)


def test_waiting_on_a_partner_pauses_only_the_rule_that_says_so() -> None:
    waits: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("2026-03-02 10:00", "ZB", {"partner": "P07"}),
        ("2026-03-13 10:00", "TH", {}),
    )
    # 1 h before it; after it Friday 2 h and 4 h 30 min, Monday 3 h and 1 h 30 min.
    (urgent,) = complaint(*waits, ("2026-03-13 11:00", "JJ", {}), urgency=1)
    assert told(urgent)[1:3] == ("2026-03-16 15:00:00", "met")
    assert urgent.elapsed == 2 * HOUR
    (usual,) = complaint(*waits, ("2026-03-13 11:00", "JJ", {}))
    assert told(usual)[1:3] == ("2026-03-10 00:00:00", "breached")


def test_what_ends_a_case_cancels_what_still_runs_and_no_breach() -> None:
    (early,) = complaint(("2026-03-04 09:00", "CX", {}))
    assert (early.state, early.stopped) == ("cancelled", seconds_of("2026-03-04 09:00"))
    (late,) = complaint(("2026-03-12 09:00", "CX", {}))
    assert late.state == "breached"
    (merged,) = complaint(("2026-03-12 09:00", "BA", {"other_case": "T0"}))
    assert (merged.state, merged.excluded) == ("cancelled", "merged")
    (spam,) = complaint(("2026-03-02 10:00", "SR", {}))
    assert (spam.state, spam.excluded) == ("cancelled", "spam")
    (cleared,) = complaint(("2026-03-02 10:00", "SR", {}), ("2026-03-02 11:00", "JS", {}))
    assert (cleared.state, cleared.excluded) == ("breached", "")


def test_only_a_resolved_case_begins_another_cycle() -> None:
    clocks = complaint(
        ("2026-03-02 10:00", "CK", {}),
        ("2026-03-03 10:00", "JJ", {}),
        ("2026-03-03 11:00", "JJ", {}),
        ("2026-03-04 09:00", "CK", {}),
        ("2026-03-05 09:00", "DD", {"status": "DU"}),
    )
    assert [(c.ordinal, *told(c)[:3]) for c in clocks] == [
        (1, "default_resolution", "2026-03-10 00:00:00", "met"),
        (2, "sim_reopened_resolution", None, "paused"),
    ]


def test_the_clocks_of_the_lives_come_out_as_worked_out_by_hand(truth: Truth) -> None:
    computed = {
        (row["case_no"], row["clock"], row["ordinal"]): row for row in truth.clocks
    }  # fmt: skip
    compared = 0
    for life in truth.lives:
        for hand in life["clocks"]:
            if hand["clock"] not in ("first_response", "resolution"):
                continue
            row = computed[life["case_no"], hand["clock"], hand["ordinal"]]
            for name in ("policy_id", "policy_version", "elapsed_s", "state"):
                assert row[name] == hand[name], (life["case_no"], name)
            for name in ("started_at", "due_at", "stopped_at"):
                assert datetime.fromisoformat(row[name]) == datetime.fromisoformat(hand[name])
            compared += 1
    assert compared == 7


def test_the_other_clocks_of_the_lives_agree_with_the_walk() -> None:
    others = {
        row[0]: row
        for story in STORIES
        for row in story.clocks
        if row[0] not in ("first_response", "resolution")
    }
    assert set(others) == {"partner", "next_response", "rectification"}
    for row in others.values():
        assert elapsed(seconds_of(row[4]), seconds_of(row[6])) == row[7]
    assert due_in_days(seconds_of(others["partner"][4]), 3) == seconds_of(others["partner"][5])
    following = others["next_response"]
    assert due_after(seconds_of(following[4]), 8 * HOUR) == seconds_of(following[5])


def test_the_lives_are_delivered_as_they_are_told(truth: Truth, cases: list[Reading]) -> None:
    found = {case.row["case_no"]: case for case in cases}
    for life in truth.lives:
        case = found[life["case_no"]]
        assert [(f"{e['event_at'].isoformat()}+08:00", e["event_code"]) for e in case.events] == [
            (event["at"], event["code"]) for event in life["events"]
        ]
        for state in life["states"]:
            at = datetime.fromisoformat(state["at"]).replace(tzinfo=None)
            status = [s for since, s in case.statuses() if since < at][-1]
            assert status == state["status"], (life["case_no"], state)


def test_every_told_clock_is_met_or_late_as_the_rows_say(
    truth: Truth, cases: list[Reading]
) -> None:
    found = {case.row["case_no"]: case for case in cases}
    last_quarter = {
        number
        for number, case in found.items()
        if number.startswith("H") and case.created.isoformat() >= "2025-12"
    }
    first = [row for row in truth.clocks if row["ordinal"] == 1]
    assert last_quarter <= {row["case_no"] for row in first}
    states = Counter(row["state"] for row in first)
    assert {"met", "breached", "running", "cancelled"} <= set(states)
    for row in first:
        case = found[row["case_no"]]
        is_met = case.reply_met() if row["clock"] == "first_response" else case.resolution_met()
        assert is_met is {"met": True, "breached": False}.get(row["state"]), row


def test_statuses_and_backlog_are_those_of_the_rows(truth: Truth, cases: list[Reading]) -> None:
    found = {case.row["case_no"]: case for case in cases}
    for row in truth.statuses:
        at = datetime.fromisoformat(row["at"]).replace(tzinfo=None) + timedelta(hours=8)
        assert row["status"] == [s for t, s in found[row["case_no"]].statuses() if t < at][-1]
    assert len(truth.backlog) == 12
    assert truth.backlog[-1]["day"] == "2026-03-30"
    assert truth.backlog[-1]["open_cases"] == sum(case.is_open for case in cases)
    for row in truth.backlog:
        end = datetime.fromisoformat(row["day"]) + timedelta(days=1)
        opened = 0
        for case in cases:
            events = [e for e in case.events if e["event_at"] < end]
            opened += case.created < end and Reading(case.row, events).is_open
        assert row["open_cases"] == opened


def test_the_operators_rules_are_written_in_the_columns_of_the_product(home: Path) -> None:
    shipped = Path(__file__).parents[3] / "dbt_project/seeds/sla_policy.csv"
    with shipped.open(encoding="utf-8") as file:
        columns = next(csv.reader(file))
    with (home / "simulator/rules/sla_policy.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == columns
    urgent = [r for r in rows if r["policy_id"] == "sim_urgent_resolution"]
    assert [(r["version"], r["valid_from"], r["target"]) for r in urgent] == [
        ("1", "2025-01-01", "57600"),
        ("2", "2025-09-01", "43200"),
    ]
    assert {p.name for p in (home / "simulator/rules").iterdir()} == {
        "calendar.csv", "calendar_day.csv", "category_remap.csv", "sla_policy.csv",
    }  # fmt: skip
