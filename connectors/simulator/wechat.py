"""Submissions to the WeChat account, and what was answered there."""

import json
from dataclasses import dataclass

from . import wording
from .case import Case, Event
from .chance import PLANTED_PHONES, WECHAT, generator, phone
from .customers import Customers
from .days import DAY_S, OFFSET, compact, hotline_season, instant_text
from .organisation import Staff, holder_on, tree
from .outage import OUTAGE_DAYS

_KINDS = ("TS", "JB", "JY", "YJ", "ZX", "WT", "BY")


@dataclass(frozen=True)
class Submission:
    """One submission as a case, with what only this system knows of it."""

    case: Case
    open_id: str
    media: int


def take_submissions(
    seed: int, scale: float, through: int, customers: Customers, staff: Staff
) -> tuple[list[Submission], list[tuple[int, str]]]:
    """All submissions up to day `through` in order of time, and the phones planted by day."""
    units = tree()
    found: list[Submission] = []
    planted: list[tuple[int, str]] = []
    for day in range(through + 1):
        rng = generator(seed, WECHAT, day)
        boost = 4.0 if day in OUTAGE_DAYS else 1.0
        n = int(rng.poisson(1.9 * scale * hotline_season(day) * boost))
        if not n:
            continue
        active = customers.active_on(day)
        for ordinal, u in enumerate(sorted(rng.random((n, 20)).tolist()), start=1):
            at = day * DAY_S + int(u[0] * (DAY_S - 1))
            number = f"W{compact(day)}{ordinal:04d}"
            customer = int(active[int(u[1] * len(active))])
            unit = units.sub_branches[int(customers.unit[customer])]
            kind = _KINDS[_place(u[2], (40, 3, 8, 6, 26, 12, 5))]
            topic = int(u[3] * len(wording.CATEGORIES))
            texts = wording.COMPLAINTS[topic] if kind in ("TS", "JB") else (wording.OTHERS[topic],)
            content = texts[int(u[4] * len(texts))].format(
                area=wording.AREAS[int(u[5] * 10)], days=2 + int(u[6] * 6),
                hour=3 + int(u[6] * 7), amount=(9, 15, 19, 29, 59, 129)[int(u[5] * 6)],
            )  # fmt: skip
            if u[7] < 0.06:
                value = phone(seed, PLANTED_PHONES + 65_000 + (day * 7 + ordinal) % 5_000)
                content += wording.PHONE_TAILS[int(u[7] * 50)].format(v=value)
                planted.append((day, value))
            known = u[8] < 0.7
            case = Case(
                case_no=number, at=at, customer=customer if known else -1,
                phone=customers.phones[customer] if u[9] < 0.4 else "", kind=kind,
                category=wording.CATEGORIES[topic][0], channel="wechat",
                unit_code=units.units[unit].code, urgency=3, content=content,
                events=_replies(number, at, kind, holder_on(staff, unit, day), u[10:]),
                source="wechat",
            )  # fmt: skip
            found.append(Submission(case, f"o6_{customer * 7_919 % 1_000_003:07d}{seed % 1000}",
                                    int(u[19] * u[18] * 4)))  # fmt: skip
    return found, planted


def _place(u: float, weights: tuple[int, ...]) -> int:
    left = u * sum(weights)
    for place, weight in enumerate(weights):
        left -= weight
        if left < 0:
            return place
    return len(weights) - 1


def _replies(number: str, at: int, kind: str, holder: str, u: list[float]) -> tuple[Event, ...]:
    steps = [Event("", "", "HF", at + 5, "", "system", automatic=True, content=wording.AUTOMATIC)]
    if u[0] < 0.99:
        text = wording.REPLIES[int(u[1] * len(wording.REPLIES))]
        delay = 600 + int(70_000 * u[2] ** 3) if u[3] < 0.9 else DAY_S + 900 + int(u[2] * DAY_S)
        steps.append(Event("", "", "HF", at + delay, holder, "handler", content=text))
        if u[4] < 0.985:
            resolved = at + delay + 1800 + int(u[5] ** 2 * 5 * DAY_S)
            text = wording.RESOLUTIONS[int(u[1] * len(wording.RESOLUTIONS))]
            steps.append(Event("", "", "JJ", resolved, holder, "handler", content=text))
            if u[6] < 0.4:
                score = 1 + _place(u[7], (8, 7, 15, 30, 40))
                voted = resolved + 3600 + int(u[2] * DAY_S)
                steps.append(Event("", "", "MY", voted, "", "reporter", score=score))
    return tuple(
        Event(f"{number}{n:02d}", number, e.code, e.at, e.actor_no, e.role, e.automatic, "", "",
              e.score, e.content)
        for n, e in enumerate(steps, start=1)
    )  # fmt: skip


def _stamp(seconds: int) -> str:
    return instant_text(seconds).replace(" ", "T") + OFFSET.replace(":", "")


def submission_lines(
    submissions: list[Submission], customers: Customers, first: int, last: int
) -> list[str]:
    """JSON lines of the submissions of days [first, last]."""
    return [
        json.dumps(
            {
                "submission_no": s.case.case_no,
                "open_id": s.open_id,
                "phone": s.case.phone or None,
                "customer_no": customers.numbers[s.case.customer] if s.case.customer >= 0 else None,
                "submitted_at": _stamp(s.case.at),
                "kind_code": s.case.kind,
                "category_path": s.case.category,
                "unit_code": s.case.unit_code,
                "media_count": s.media,
                "content": s.case.content,
            },
            ensure_ascii=False,
        )
        for s in submissions
        if first <= s.case.day <= last
    ]


def reply_lines(submissions: list[Submission], first: int, last: int) -> list[str]:
    """JSON lines of the replies of days [first, last], in order of time."""
    events = [e for s in submissions for e in s.case.events if first <= e.at // DAY_S <= last]
    events.sort(key=lambda e: (e.at, e.event_no))
    return [
        json.dumps(
            {
                "reply_no": e.event_no,
                "submission_no": e.case_no,
                "reply_code": e.code,
                "replied_at": _stamp(e.at),
                "actor_no": e.actor_no or None,
                "score": e.score or None,
                "content": e.content or None,
            },
            ensure_ascii=False,
        )
        for e in events
    ]
