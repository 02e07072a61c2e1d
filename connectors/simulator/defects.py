"""The planted defects: which rows and files are wrong, decided from the world alone."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from .chance import Ints
from .days import DAY_S, day_no
from .world import World

MALFORMED_DAY = day_no(date(2026, 3, 23))
MALFORMED_FROM = day_no(date(2026, 3, 1))
MALFORMED_CALLS_FROM = day_no(date(2026, 1, 1))
DUPLICATE_DAY = day_no(date(2026, 3, 25))
WRONG_SUM_DAY = day_no(date(2026, 3, 26))
MISSING_LOG_DAY = day_no(date(2026, 3, 27))
UNREAD_USAGE_DAYS = (WRONG_SUM_DAY, MISSING_LOG_DAY)
FAULTS = ("bad_number", "impossible_date", "too_few_fields", "missing_required")


@dataclass(frozen=True)
class Plan:
    """Index of a payment or call, and number of an event, to the fault its row carries."""

    payments: dict[int, str]
    events: dict[str, str]
    calls: dict[int, str]


def plan(world: World) -> Plan:
    """Four malformed payments, events and calls in the deliveries of 2026-03-23."""
    begin, end = span(world.payments.day, MALFORMED_FROM, MALFORMED_DAY)
    spread = [begin + (end - begin) * n // 5 for n in range(1, 5)]
    payments = dict(zip(dict.fromkeys(spread), FAULTS, strict=False)) if end > begin else {}
    candidates = [
        e for e in world.events if MALFORMED_FROM * DAY_S <= e.at < (MALFORMED_DAY + 1) * DAY_S
    ]
    events: dict[str, str] = {}
    for number, fault in enumerate(FAULTS):
        wanted = "MY" if fault == "bad_number" else "NB"
        free = [e for e in candidates if e.event_no not in events]
        # In a very small world there may be too few votes and notes; any event will do then.
        chosen = [e for e in free if e.code == wanted] or free
        if chosen:
            events[chosen[len(chosen) * (number + 1) // 5].event_no] = fault
    return Plan(payments, events, _plan_calls(world))


def _plan_calls(world: World) -> dict[int, str]:
    """Calls of the first site that nobody answered: their seconds of talk are 0 in every sum."""
    begin, end = span(world.calls.day, MALFORMED_CALLS_FROM, MALFORMED_DAY)
    silent = (world.calls.talked[begin:end] == 0) & (world.calls.branch[begin:end] == 0)
    candidates = (begin + np.flatnonzero(silent)).tolist()
    spread = [candidates[len(candidates) * n // 5] for n in range(1, 5)] if candidates else []
    return dict(zip(dict.fromkeys(spread), FAULTS, strict=False))


def span(days: Ints, first: int, last: int) -> tuple[int, int]:
    """Begin and end of the entries of days [first, last] in an array sorted by day."""
    return (
        int(np.searchsorted(days, first, side="left")),
        int(np.searchsorted(days, last, side="right")),
    )


def spoil_payment(fields: list[str], fault: str) -> list[str]:
    """The fields of a payment with one fault.

    No spoiled row carries a readable amount other than zero, so the control sum of the delivery
    is the same whether or not a reader counts rejected rows.
    """
    if fault == "bad_number":
        return [*fields[:3], "贰佰元整", *fields[4:]]
    if fault == "impossible_date":
        return [*fields[:3], "0.00", "20260230101500", *fields[5:]]
    if fault == "too_few_fields":
        return fields[:3]
    return [*fields[:3], "", *fields[4:]]


def spoil_event(fields: list[Any], fault: str) -> list[Any]:
    """The fields of an event with one fault."""
    if fault == "bad_number":
        return [*fields[:9], "五分", *fields[10:]]
    if fault == "impossible_date":
        return [*fields[:3], "2026-02-30 10:15:00", *fields[4:]]
    if fault == "too_few_fields":
        return fields[:4]
    return [fields[0], "", *fields[2:]]


def spoil_call(line: str, fault: str) -> str:
    """The record of a call with one fault; places are those of the agreed layout, from 0."""
    if fault == "bad_number":
        return f"{line[:64]}  12x5{line[70:]}"
    if fault == "impossible_date":
        return f"{line[:20]}20260230101500{line[34:]}"
    if fault == "too_few_fields":
        return line[:60]
    return f"{line[:49]}{'':12}{line[61:]}"


def spoiled(stream: str, record_no: int, fault: str, *, header: bool = True) -> dict[str, Any]:
    """A spoiled record as truth.json lists it; `header` says whether a line stands before."""
    return {
        "record_no": record_no,
        "line": record_no + header,
        "fault": fault,
        "column": COLUMN_OF_FAULT[stream][fault],
    }


COLUMN_OF_FAULT = {
    "calls": {
        "bad_number": "waited_seconds",
        "impossible_date": "started_at",
        "too_few_fields": None,
        "missing_required": "unit_code",
    },
    "payments": {
        "bad_number": "amount",
        "impossible_date": "paid_at",
        "too_few_fields": None,
        "missing_required": "amount",
    },
    "events": {
        "bad_number": "score",
        "impossible_date": "event_at",
        "too_few_fields": None,
        "missing_required": "case_no",
    },
}
