"""The JSON form of time limits: the golden vectors of D.13, changed targets, and every fault."""

from __future__ import annotations

from typing import Any

import pytest

from cubes.errors import DeclarationError
from cubes.json_document import read_document
from cubes.sla_evaluation import evaluate_document

WEEK = {
    day: [["09:00", "12:00"], ["13:30", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")
}
# The State Council's days off and make-up days of 2026 (D.2).
HOLIDAYS = [
    *(f"2026-01-{day:02}" for day in range(1, 4)),
    *(f"2026-02-{day}" for day in range(15, 24)),
    *(f"2026-04-{day:02}" for day in range(4, 7)),
    *(f"2026-05-{day:02}" for day in range(1, 6)),
    *(f"2026-06-{day}" for day in range(19, 22)),
    *(f"2026-09-{day}" for day in range(25, 28)),
    *(f"2026-10-{day:02}" for day in range(1, 8)),
]
MAKEUPS = ("2026-01-04", "2026-02-14", "2026-02-28", "2026-05-09", "2026-09-20", "2026-10-10")
CALENDARS = {
    "full": {
        "zone": "Asia/Shanghai",
        "week": WEEK,
        "holidays": HOLIDAYS,
        "workdays": {day: "mon" for day in MAKEUPS},
    },
    "holidays": {"zone": "Asia/Shanghai", "week": WEEK, "holidays": HOLIDAYS},
    "naive": {"zone": "Asia/Shanghai", "week": WEEK},
}


def evaluated(case: dict[str, Any]) -> dict[str, Any]:
    (answer,) = evaluate_document({"calendars": CALENDARS, "cases": [{"id": "x", **case}]})
    return answer


def due_of(case: dict[str, Any]) -> str:
    """The due time in local time; of a limit of days its last day."""
    answer = evaluated(case)
    if "due_on" in answer:
        return str(answer["due_on"])
    text = str(answer["due"])
    assert text.endswith(":00+08:00")
    return text.removesuffix(":00+08:00")


V6 = {
    "start": "2026-03-02T14:00",
    "target": "4h",
    "pauses": [["2026-03-02T15:00", "2026-03-04T10:00"]],
}
V7 = {
    "start": "2026-03-06T16:00",
    "target": "3h",
    "pauses": [["2026-03-06T17:00", "2026-03-08T12:00"]],
}
V8 = {
    "start": "2026-03-02T09:00",
    "target": "5h",
    "pauses": [["2026-03-02T11:00", "2026-03-05T09:00"]],
}
V11 = {"start": "2026-02-03T10:00", "target": {"calendar_days": 15}}
V11_PLAIN = {"start": "2026-02-03T10:00", "target": {"calendar_days": 15, "roll": False}}
V12 = {"start": "2026-01-30T10:00", "target": {"calendar_days": 15}}
V13 = {"start": "2026-03-02T10:00", "target": {"calendar_days": 60}}
V13_PLAIN = {"start": "2026-03-02T10:00", "target": {"calendar_days": 60, "roll": False}}
V14 = {"start": "2026-04-28T10:00", "target": {"working_days": 5}}

# Each row of D.13: the case and what it is due by holidays with make-up days, by holidays only, and
# by the week alone; None where the table says nothing.
VECTORS = {
    "V1": (
        {"start": "2026-02-13T17:00", "target": "8h"},
        ("2026-02-14T17:30", "2026-02-24T17:30", "2026-02-16T17:30"),
    ),
    "V2": (
        {"start": "2026-02-15T10:00", "target": "4h"},
        ("2026-02-24T14:30", "2026-02-24T14:30", "2026-02-16T14:30"),
    ),
    "V3": ({"start": "2026-03-02T09:00", "target": "7.5h"}, ("2026-03-02T18:00", None, None)),
    "V4": ({"start": "2026-03-02T11:30", "target": "1h"}, ("2026-03-02T14:00", None, None)),
    "V5": ({"start": "2026-03-02T12:30", "target": "2h"}, ("2026-03-02T15:30", None, None)),
    "V6": (V6, ("2026-03-04T14:30", None, None)),
    "V7": (V7, ("2026-03-09T11:00", None, None)),
    "V8 continue": (V8, ("2026-03-05T12:00", None, None)),
    "V8 restart": (
        {"start": "2026-03-05T09:00", "target": "5h"},
        ("2026-03-05T15:30", None, None),
    ),
    "V9 as it was": (
        {"start": "2026-03-02T09:00", "target": "16h"},
        ("2026-03-04T10:00", None, None),
    ),
    "V9 fresh": (
        {"start": "2026-03-02T15:00", "target": "4h"},
        ("2026-03-03T10:00", None, None),
    ),
    "V10": (
        {"start": "2026-02-12T10:00", "target": {"working_days": 10}},
        ("2026-03-04", "2026-03-06", "2026-02-26"),
    ),
    "V11": (V11, ("2026-02-24", None, None)),
    "V11 no roll": (V11_PLAIN, ("2026-02-18", "2026-02-18", "2026-02-18")),
    "V12": (V12, ("2026-02-14", None, None)),
    "V13": (V13, ("2026-05-06", None, None)),
    "V13 no roll": (V13_PLAIN, ("2026-05-01", "2026-05-01", "2026-05-01")),
    "V14": (V14, ("2026-05-08", "2026-05-08", None)),
}
ROWS = [
    (name, case, calendar, due)
    for name, (case, dues) in VECTORS.items()
    for calendar, due in zip(CALENDARS, dues, strict=True)
    if due is not None
]


@pytest.mark.parametrize(
    ("name", "case", "calendar", "due"), ROWS, ids=[f"{row[0]} {row[2]}" for row in ROWS]
)
def test_the_golden_vectors_are_due_when_the_table_says(
    name: str, case: dict[str, Any], calendar: str, due: str
) -> None:
    assert due_of({"calendar": calendar, **case}) == due, name


def test_v6_had_three_hours_behind_it_at_noon() -> None:
    answer = evaluated({"calendar": "full", **V6, "end": "2026-03-04T12:00"})
    assert (answer["elapsed_seconds"], answer["met"]) == (3 * 3600, True)


@pytest.mark.parametrize(("calendar", "hours"), [("full", 22.5), ("holidays", 15), ("naive", 60)])
def test_v16_counts_the_hours_the_table_says(calendar: str, hours: float) -> None:
    case = {"calendar": calendar, "start": "2026-02-13T09:00", "end": "2026-02-24T18:00"}
    answer = evaluated(case)
    assert answer["elapsed_seconds"] == hours * 3600
    assert (answer["due"], answer["met"]) == (None, None)
    assert sum(row["seconds"] for row in answer["explain"]) == hours * 3600


def test_v9_is_breached_by_the_change_of_its_target_and_not_by_anybody() -> None:
    change = {"at": "2026-03-02T15:00", "target": "4h"}
    answer = evaluated(
        {
            "calendar": "full",
            "start": "2026-03-02T09:00",
            "target": "16h",
            "end": "2026-03-02T16:00",
            "changes": [change],
        }
    )
    assert answer["due"] == "2026-03-02T14:30:00+08:00"
    assert (answer["met"], answer["breached_on_change"]) == (False, True)


def changed(*changes: tuple[str, str], **more: Any) -> dict[str, Any]:
    return evaluated(
        {
            "calendar": "full",
            "start": "2026-03-02T09:00",
            "target": "4h",
            "changes": [{"at": at, "target": target} for at, target in changes],
            **more,
        }
    )


def test_a_breach_stands_when_the_target_is_raised_later() -> None:
    answer = changed(("2026-03-02T15:00", "16h"), end="2026-03-02T16:00")
    assert answer["due"] == "2026-03-02T14:30:00+08:00"
    assert (answer["met"], answer["breached_on_change"]) == (False, False)
    # Nothing that comes later can undo it, so the end need not be known.
    assert changed(("2026-03-02T15:00", "16h"))["met"] is False


def test_a_target_that_is_raised_in_time_counts_from_the_start() -> None:
    answer = changed(("2026-03-02T14:30", "16h"), end="2026-03-04T10:00")
    assert answer["due"] == "2026-03-04T10:00:00+08:00"
    assert (answer["met"], answer["breached_on_change"]) == (True, False)


def test_a_change_after_the_stop_changes_nothing() -> None:
    answer = changed(("2026-03-02T14:00", "1h"), end="2026-03-02T14:00")
    assert answer["due"] == "2026-03-02T14:30:00+08:00"
    assert (answer["met"], answer["breached_on_change"]) == (True, False)


def test_of_several_changes_each_counts_from_its_instant_whatever_their_order() -> None:
    answer = changed(("2026-03-02T13:40", "16h"), ("2026-03-02T11:00", "3.2h"))
    # 3.2 h were over at 13:42, so at 13:40 it was not late.
    assert answer["due"] == "2026-03-04T10:00:00+08:00"
    assert answer["breached_on_change"] is False


def test_an_answer_tells_what_is_left_of_a_paused_clock() -> None:
    case = {
        "calendar": "full",
        "start": "2026-03-02T09:00",
        "target": "4h",
        "pauses": [["2026-03-02T11:00", None, "waiting_on_reporter"]],
    }
    answer = evaluated(case)
    assert (answer["due"], answer["elapsed_seconds"], answer["met"]) == (None, None, None)
    assert answer["remaining_seconds"] == 2 * 3600
    assert answer["due_if_resumed"] == "2026-03-02T14:30:00+08:00"
    assert answer["explain"] == [
        {
            "from": "2026-03-02T09:00:00+08:00",
            "to": "2026-03-02T11:00:00+08:00",
            "seconds": 7200,
            "reason": "working",
        },
        {
            "from": "2026-03-02T11:00:00+08:00",
            "to": None,
            "seconds": 0,
            "reason": "paused:waiting_on_reporter",
        },
    ]
    # Stopped while it stands still, it is within its time.
    stopped = evaluated({**case, "end": "2026-03-05T09:00"})
    assert (stopped["due"], stopped["elapsed_seconds"], stopped["met"]) == (None, 7200, True)
    assert stopped["due_if_resumed"] == "2026-03-05T11:00:00+08:00"
    days = evaluated({**case, "target": {"working_days": 3}})
    assert (days["due"], days["remaining_days"]) == (None, 3)
    assert days["due_if_resumed"] == "2026-03-06T00:00:00+08:00"


def test_each_second_of_v1_has_a_reason() -> None:
    answer = evaluated({"calendar": "full", "start": "2026-02-13T11:00", "end": "2026-02-24T10:00"})
    told = [(row["from"][5:16], row["seconds"], row["reason"]) for row in answer["explain"]]
    assert told == [
        ("02-13T11:00", 3600, "working"),
        ("02-13T12:00", 0, "lunch"),
        ("02-13T13:30", 16200, "working"),
        ("02-13T18:00", 0, "night"),
        ("02-14T09:00", 10800, "make-up day"),
        ("02-14T12:00", 0, "lunch"),
        ("02-14T13:30", 16200, "make-up day"),
        ("02-14T18:00", 0, "night"),
        ("02-15T00:00", 0, "holiday"),
        ("02-24T00:00", 0, "night"),
        ("02-24T09:00", 3600, "working"),
    ]
    weekend = evaluated(
        {"calendar": "naive", "start": "2026-03-06T17:00", "end": "2026-03-09T10:00"}
    )
    reasons = [row["reason"] for row in weekend["explain"]]
    assert reasons == ["working", "night", "weekend", "night", "working"]


def test_the_edges_are_as_documented() -> None:
    office = {"calendar": "full", "start": "2026-03-02T08:00"}
    assert evaluated({**office, "target": 0})["due"] == "2026-03-02T09:00:00+08:00"
    backwards = evaluated({**office, "end": "2026-03-01T08:00", "target": "1h"})
    assert (backwards["elapsed_seconds"], backwards["met"]) == (0, True)
    assert [row["reason"] for row in backwards["explain"]] == ["before start"]
    early = evaluated(
        {**office, "target": "1h", "pauses": [["2026-02-27T08:00", "2026-03-02T10:00"]]}
    )
    assert early["due"] == "2026-03-02T11:00:00+08:00"
    assert evaluated({**office, "target": 5400.5})["due"] == "2026-03-02T10:30:00.500000+08:00"
    assert evaluated({**office, "target": "90m"})["due"] == "2026-03-02T10:30:00+08:00"
    midnight = evaluated({**office, "target": {"working_days": 1}})
    assert (midnight["due"], midnight["due_on"]) == ("2026-03-04T00:00:00+08:00", "2026-03-03")
    business = evaluated({**office, "target": {"working_days": 1, "ends": "business"}})
    assert business["due"] == "2026-03-03T18:00:00+08:00"
    on_time = evaluated({**office, "target": "1h", "end": "2026-03-02T02:00Z"})
    assert on_time["met"] is True
    late = evaluated({**office, "target": "1h", "end": "2026-03-02T10:00:00.000001"})
    assert (late["met"], late["elapsed_seconds"]) == (False, 3600.000001)


def test_a_workday_has_its_own_hours_or_those_of_a_weekday_and_beats_a_holiday() -> None:
    calendar = {
        "zone": "Asia/Shanghai",
        "week": {"mon": [["09:00", "12:00"]], "fri": [["20:00", "24:00"]]},
        "holidays": ["2026-03-07", "2026-03-09"],
        "workdays": {"2026-03-07": "fri", "2026-03-08": [["00:00", "00:30"]]},
    }
    case = {"id": "x", "calendar": "c", "start": "2026-03-06T22:00", "end": "2026-03-16T10:00"}
    (answer,) = evaluate_document({"calendars": {"c": calendar}, "cases": [case]})
    counted = [(row["from"][5:16], row["seconds"]) for row in answer["explain"] if row["seconds"]]
    assert counted == [
        ("03-06T22:00", 7200),
        # Sat 20:00 to Sun 00:30 is one stretch of two make-up days.
        ("03-07T20:00", 16200),
        ("03-13T20:00", 14400),
        ("03-16T09:00", 3600),
    ]


def faults_of(document: Any) -> list[str]:
    with pytest.raises(DeclarationError) as caught:
        evaluate_document(document, file="f.json")
    return [fault.message for fault in caught.value.faults]


def test_all_faults_of_a_file_are_told_at_once_each_with_its_path() -> None:
    berlin = {"zone": "Europe/Berlin", "week": {"sun": [["00:00", "24:00"]]}}
    told = faults_of(
        {
            "calendars": {
                "bad": {
                    "zone": "Mars/Base",
                    "week": {
                        "mon": [["09:00", "12:00"], ["11:00", "13:00"]],
                        "tue": [["22:00", "06:00"], ["9:00", "25:00"], ["09:00"]],
                        "thurs": [],
                    },
                    "holidays": ["2026-02-30", "2026-02-16", "2026-02-16"],
                    "workdays": {"2026-02-14": "monday", "soon": [["09:00", "10:00"]]},
                    "days": [],
                },
                "berlin": berlin,
                "never": {"zone": "Asia/Shanghai", "week": {}},
            },
            "cases": [
                {"id": "a", "calendar": "nowhere", "start": "yesterday", "target": "2d"},
                {
                    "id": "b",
                    "calendar": "berlin",
                    "start": "2026-03-29T02:30",
                    "end": "2026-10-25T02:30",
                    "target": {"working_days": 1.5, "ends": "noon", "roll": 1},
                    "pauses": [
                        ["2026-03-02T10:00", "2026-03-02T09:00"],
                        ["2026-03-02T10:00"],
                        [None, None],
                        ["2026-03-02T10:00", None, 5],
                    ],
                    "changes": [{"at": "2026-03-02T10:00"}, {"target": "fast"}],
                },
                {"id": "c", "calendar": "never", "start": "2026-03-02T10:00", "target": "1h"},
                {"id": "c", "calendar": "berlin", "start": "2026-03-02", "target": -5},
                {"id": True, "stop": 1},
                {"id": "d", "calendar": "berlin", "start": "2026-03-02", "target": {}},
                {"id": "d", "calendar": "berlin", "start": "2026-03-02"},
                {"id": "d", "calendar": "berlin", "start": "2026-03-02T00:00Z"},
                {"id": "e", "calendar": "berlin", "start": "3026-03-02", "target": "1e9h"},
            ],
        }
    )
    for part in (
        "calendars.bad.zone: 'Mars/Base' is not an IANA time zone",
        "calendars.bad.week.mon: 11:00-13:00 overlaps 09:00-12:00",
        "calendars.bad.week.tue: 22:00-06:00 does not end after it starts; over midnight it is two",
        "calendars.bad.week.tue[1]: '9:00' is not a time of day from '00:00' to '24:00'",
        "calendars.bad.week.tue[1]: '25:00' is not a time of day",
        "calendars.bad.week.tue[2]: must be a pair such as ['09:00', '12:00'], not a list",
        "calendars.bad.week: has no key 'thurs' (did you mean 'thu'?)",
        "calendars.bad.holidays[0]: '2026-02-30' is not a date such as '2026-02-16'",
        "calendars.bad.holidays[2]: 2026-02-16 stands twice",
        "calendars.bad.workdays.2026-02-14: 'monday' is no weekday (mon to sun)",
        "calendars.bad.workdays.soon: 'soon' is not a date",
        "calendars.bad: has no key 'days'",
        "cases[0].calendar: no calendar 'nowhere'",
        "cases[0].start: 'yesterday' is not an instant such as",
        "cases[0].target: '2d' does not say which days: write {'working_days': n}",
        "cases[1].start: '2026-03-29T02:30' does not exist in Europe/Berlin",
        "cases[1].end: '2026-10-25T02:30' comes twice in Europe/Berlin",
        "cases[1].target.working_days: must be a whole number, not the number 1.5",
        "cases[1].target.ends: must be 'midnight' or 'business', not the text 'noon'",
        "cases[1].target.roll: must be true or false, not the number 1",
        "cases[1].pauses[0]: the pause ends at 2026-03-02T09:00:00+01:00, before it starts",
        "cases[1].pauses[1]: must be [from, to] or [from, to, state]",
        "cases[1].pauses[2][0]: None is not an instant",
        "cases[1].pauses[3][2]: must be the name of a state, not the number 5",
        "cases[1].changes[0]: lacks 'target'",
        "cases[1].changes[1]: lacks 'at'",
        "cases[1].changes[1].target: must be a duration such as '8h'",
        "cases[2]: Calendar 'never' does not reach the target from 2026-03-02T10:00:00+08:00 on",
        "cases[3].target: the number -5 is not from 0 to 100 years",
        "cases[4].id: must be a text or a number, not true",
        "cases[4]: lacks 'calendar'",
        "cases[4]: lacks 'start'",
        "cases[4]: has no key 'stop'",
        "cases[5].target: states either 'working_days' or 'calendar_days'",
        "cases: the id 'd' stands twice",
        "cases[8].start: year 3026 is outside 1900 to 2399",
        "cases[8].target: must be a duration",
    ):
        assert any(fault.startswith(part) for fault in told), f"{part}\n\n" + "\n".join(told)
    assert len(told) == 37, "\n".join(told)


@pytest.mark.parametrize(
    ("document", "part"),
    [
        ([], "the document: must be an object"),
        ({}, "the document: lacks 'calendars'"),
        ({"calendars": [], "cases": {}}, "cases: must be a list, not an object"),
        ({"calendars": {"c": None}, "cases": [None]}, "calendars.c: must be an object of names"),
        ({"calendars": {}, "cases": [], "case": []}, "the document: has no key 'case' (did you"),
    ],
)
def test_a_document_of_another_form_is_a_fault(document: Any, part: str) -> None:
    assert any(fault.startswith(part) for fault in faults_of(document))


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("{", "f.json:1: is not valid JSON"),
        ('{"a": 1,\n "a": 2}', "f.json: the name 'a' stands twice in one object"),
        ('{"a": NaN}', "NaN is no number"),
        ("[" * 100_000, "f.json: is not valid JSON"),
    ],
)
def test_a_text_that_is_no_clear_json_is_a_fault(text: str, part: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        read_document(text, file="f.json", noun="SLA")
    assert part in str(caught.value)


def test_numbers_out_of_all_bounds_are_faults_too() -> None:
    for target in (float("inf"), float("nan"), 10**400, True, {"working_days": 10**9}):
        case = {"id": "x", "calendar": "full", "start": "2026-03-02", "target": target}
        assert faults_of({"calendars": CALENDARS, "cases": [case]})
