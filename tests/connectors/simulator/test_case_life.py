"""What happens to the cases of the hotline, and how often."""

from collections import Counter
from datetime import date
from itertools import pairwise

import pytest

from connectors.simulator.case import COMPLAINT_KINDS, Case
from connectors.simulator.customers import register
from connectors.simulator.days import DAY_S, day_no
from connectors.simulator.hotline import answer_calls
from connectors.simulator.organisation import hire
from connectors.simulator.rules import REMAP_DAY, REMAPPED_FROM, REMAPPED_TO

LAST = day_no(date(2026, 3, 30))


@pytest.fixture(scope="module")
def lives() -> list[Case]:
    """The cases of the hotline in a whole province."""
    staff = hire(7, LAST)
    return answer_calls(7, 1.0, LAST, register(7, 1.0, LAST, staff), staff).cases


def share(cases: list[Case], *codes: str) -> float:
    return sum(any(e.code in codes for e in c.events) for c in cases) / len(cases)


@pytest.mark.parametrize(
    ("code", "least", "most"),
    [
        ("FL", 0.02, 0.04),
        ("ZB", 0.04, 0.08),
        ("YH", 0.12, 0.22),
        ("BA", 0.008, 0.022),
        ("SR", 0.006, 0.015),
        ("CX", 0.01, 0.022),
    ],
)
def test_each_turn_of_a_life_happens_about_as_often_as_it_should(
    lives: list[Case], code: str, least: float, most: float
) -> None:
    assert least < share(lives, code) < most


def test_complaints_are_raised_and_put_right(lives: list[Case]) -> None:
    complaints = [c for c in lives if c.kind in COMPLAINT_KINDS]
    assert 0.04 < share(complaints, "DJ") < 0.08
    assert 0.02 < share(complaints, "ZG") < 0.05
    late = [
        c
        for c in complaints
        for ordered in c.events
        for verified in c.events
        if (ordered.code, verified.code) == ("ZG", "YS") and verified.at > ordered.limit
    ]
    assert 0 < len(late) < len(complaints) * 0.02


def test_the_slow_partner_keeps_cases_longer_than_the_others(lives: list[Case]) -> None:
    waits: dict[bool, list[int]] = {True: [], False: []}
    for case in lives:
        sent = {e.partner: e.at for e in case.events if e.code == "ZB"}
        for e in case.events:
            if e.code == "TH":
                waits[e.partner == "P07"].append(e.at - sent[e.partner])
    slow, others = (sum(waits[key]) / len(waits[key]) for key in (True, False))
    assert slow > 2 * others


def test_a_merged_case_names_an_earlier_one_that_stands(lives: list[Case]) -> None:
    created = {c.case_no: c for c in lives}
    for case in lives:
        for merged in (e for e in case.events if e.code == "BA"):
            other = created[merged.other_case]
            assert other.at <= case.at and other is not case
            assert not any(e.code == "BA" for e in other.events)
            assert case.events[-1] is merged


def test_the_planted_oddities_are_there(lives: list[Case]) -> None:
    found: Counter[str] = Counter()
    for case in lives:
        codes = "".join(f"{e.code} " for e in case.events if e.code in ("JJ", "CK"))
        found["resolved twice"] += "JJ JJ" in codes
        found["reopened while open"] += codes.startswith("CK")
        found["before the creation"] += case.events[0].at < case.at
        statuses = [e.status for e in case.events if e.code == "DD"]
        ends = any(e.code in ("JJ", "CX", "BA", "SR") for e in case.events)
        found["paused for ever"] += statuses[-1:] == ["DU"] and not ends
    assert set(found) == {
        "resolved twice", "reopened while open", "before the creation", "paused for ever",
    }  # fmt: skip
    assert all(3 <= n < 60 for n in found.values()), found


def test_events_are_numbered_in_order_and_never_come_before_the_day_of_the_case(
    lives: list[Case],
) -> None:
    for case in lives:
        times = [e.at for e in case.events]
        assert times == sorted(set(times))
        assert times[0] // DAY_S >= case.day
        assert [e.event_no for e in case.events] == [
            f"{case.case_no}{n:02d}" for n in range(1, len(times) + 1)
        ]


def test_units_misroute_and_pass_on(lives: list[Case]) -> None:
    again = 0
    for case in lives:
        units = [e.holder for e in case.events if e.code == "PD"]
        again += len(units) > 1
        assert all(a != b for a, b in pairwise(units))
        assert all(e.holder_no for e in case.events if e.code == "PD")
    assert 0.04 < again / len(lives) < 0.12


def test_a_category_has_its_other_name_from_the_day_of_the_remap(lives: list[Case]) -> None:
    days: dict[str, list[int]] = {REMAPPED_FROM: [], REMAPPED_TO: []}
    for case in lives:
        if case.category in days:
            days[case.category].append(case.day)
    assert max(days[REMAPPED_FROM]) < REMAP_DAY <= min(days[REMAPPED_TO])
