"""A franchise chain that sells for the operator and passes on what its buyers say, in packets.

It answers its buyers itself. Its system keeps each packet as a file until the operator's service
has accepted it.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import wording
from .case import Case, Event
from .chance import FRANCHISE, generator
from .customers import Customers
from .days import (
    DAILY_START,
    DAY_S,
    OFFSET,
    compact,
    day_no,
    day_of,
    hotline_season,
    instant_text,
    month_bounds,
)
from .organisation import tree
from .sending import replace_file

SOURCE = "partner_feedback"
FOLDER = Path("simulator/franchise")
# Its shops lie in one prefecture, Luzhou.
PREFECTURE = 3
_KINDS = (
    ("TS", "complaint", 0.45),
    ("ZX", "inquiry", 0.75),
    ("JY", "suggestion", 0.9),
    ("BY", "praise", 1.0),
)
_WORDS = {code: word for code, word, _ in _KINDS}
_MILESTONES = {"HF": "replied_at", "JJ": "resolved_at", "BJ": "closed_at"}
_SENT_AT = 350 * 60


def pass_on(seed: int, scale: float, through: int, customers: Customers) -> list[Case]:
    """All cases up to day `through` with their events, in order of time."""
    units = tree()
    shops = [
        code
        for code, place in zip(units.sub_codes, units.sub_prefecture.tolist(), strict=True)
        if place == PREFECTURE
    ]
    found: list[Case] = []
    for day in range(through + 1):
        rng = generator(seed, FRANCHISE, day)
        n = int(rng.poisson(0.6 * scale * hotline_season(day)))
        if not n:
            continue
        active = customers.active_on(day)
        for ordinal, u in enumerate(sorted(rng.random((n, 12)).tolist()), start=1):
            # The shops are open from nine to nine.
            at = day * DAY_S + int((9 + 12 * u[0]) * 3600)
            kind = next(code for code, _, bound in _KINDS if u[1] < bound)
            topic = int(u[2] * len(wording.CATEGORIES))
            texts = wording.COMPLAINTS[topic] if kind == "TS" else (wording.OTHERS[topic],)
            content = texts[int(u[3] * len(texts))].format(
                area=wording.AREAS[int(u[4] * 10)], days=2 + int(u[5] * 6),
                hour=3 + int(u[5] * 7), amount=(9, 15, 19, 29, 59, 129)[int(u[4] * 6)],
            )  # fmt: skip
            number = f"P{compact(day)}{ordinal:03d}"
            found.append(
                Case(
                    case_no=number,
                    at=at,
                    customer=-1,
                    phone=customers.phones[int(active[int(u[6] * len(active))])],
                    kind=kind,
                    category=wording.CATEGORIES[topic][0],
                    channel="referral",
                    unit_code=shops[int(u[7] * len(shops))],
                    urgency=3,
                    content=content,
                    events=_milestones(number, at, u[8:]),
                    source=SOURCE,
                )
            )
    return found


def _milestones(number: str, at: int, u: list[float]) -> tuple[Event, ...]:
    if u[0] > 0.97:
        return ()
    replied = at + 900 + int(30_000 * u[1] ** 2)
    resolved = replied + 3600 + int(u[2] ** 2 * 6 * DAY_S)
    steps = [("HF", replied)]
    if u[3] < 0.96:
        steps += [("JJ", resolved), ("BJ", resolved + 7200)]
    return tuple(Event(f"{number}:{code}", number, code, when, "", "agent") for code, when in steps)


def packets(cases: list[Case], after: int, through: int) -> list[dict[str, Any]]:
    """The packets of the days in (after, through]: one of each month at first, then of each day.

    A packet tells the cases that are new or have changed, as they stand at the end of its days.
    """
    found = []
    for first, last in _spans(after, through):
        limit = (last + 1) * DAY_S
        told = [
            case
            for case in cases
            if case.at < limit
            and any(first * DAY_S <= at < limit for at in (case.at, *(e.at for e in case.events)))
        ]
        if told:
            found.append(_packet([_record(case, limit) for case in told], last))
    return found


def _spans(after: int, through: int) -> Iterator[tuple[int, int]]:
    daily = day_no(DAILY_START)
    first = after + 1
    while first <= through:
        last = min(month_bounds(day_of(first))[1], daily - 1) if first < daily else first
        yield first, last
        first = last + 1


def _packet(records: list[dict[str, str]], day: int) -> dict[str, Any]:
    sent = instant_text((day + 1) * DAY_S + _SENT_AT).replace(" ", "T")
    return {
        "id": f"feedback-{compact(day)}",
        "operation": "deliver_batch",
        "params": {
            "source": SOURCE,
            "stream": "cases",
            "rows": len(records),
            "records": records,
        },
        "sent_at": sent + OFFSET,
    }


def _record(case: Case, limit: int) -> dict[str, str]:
    """A case as its shop knows it at an instant, `limit` in local seconds from day 0."""
    category, _, subcategory = case.category.partition("/")
    record = {
        "case_no": case.case_no,
        "created_at": instant_text(case.at),
        "kind_code": _WORDS[case.kind],
        "category": category,
        "subcategory": subcategory,
        "unit_code": case.unit_code,
        "phone": case.phone,
        "content": case.content,
    }
    for event in case.events:
        if event.at < limit:
            record[_MILESTONES[event.code]] = instant_text(event.at)
    return record


def keep_packets(home: Path, cases: list[Case], after: int, through: int) -> int:
    """Write the packets that are not kept yet, to be sent when the service can be reached."""
    written = 0
    for packet in packets(cases, after, through):
        path = home / FOLDER / f"{packet['id']}.json"
        if not path.exists():
            replace_file(path, (json.dumps(packet, ensure_ascii=False, indent=1) + "\n").encode())
            written += 1
    return written
