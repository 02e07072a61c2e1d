"""What a careful reader of the delivered rows finds out about a case and its limits.

Written from the rules and not from the simulator: it cuts the time at every opening, closing and
pause and asks of the middle of each piece whether it counts.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import Any

import chinese_calendar

Row = dict[str, Any]
NEVER = datetime(9999, 1, 1)  # noqa: DTZ001
SEEN = datetime(2026, 3, 31, 9)  # noqa: DTZ001
CLOSED = date(2025, 8, 14)
OPENING = (time(9), time(12), time(13, 30), time(18))
STATUS = {"SL": "accepted", "PD": "in_progress", "ZB": "waiting_on_partner", "TH": "in_progress",
          "JJ": "resolved", "CK": "in_progress", "BJ": "closed", "CX": "withdrawn"}  # fmt: skip
OF_DD = {"DU": "waiting_on_reporter", "CL": "in_progress"}
ENDED = ("resolved", "closed", "withdrawn")
COMPLAINTS = ("TS", "JB")


def works(day: date) -> bool:
    return bool(chinese_calendar.is_workday(day)) and day != CLOSED


def counted(start: datetime, end: datetime, pauses: Iterable[tuple[datetime, datetime]]) -> int:
    """Working seconds between two instants without the pauses."""
    pauses = list(pauses)
    edges = {start, end} | {edge for pause in pauses for edge in pause}
    for n in range((end.date() - start.date()).days + 1):
        day = start.date() + timedelta(days=n)
        edges |= {datetime.combine(day, at) for at in (*OPENING, time(0))}
    total = timedelta()
    for begin, until in pairwise(sorted(edge for edge in edges if start <= edge <= end)):
        middle = begin + (until - begin) / 2
        is_open = OPENING[0] <= middle.time() < OPENING[1] or (
            OPENING[2] <= middle.time() < OPENING[3]
        )
        if works(middle.date()) and is_open and not any(a <= middle < b for a, b in pauses):
            total += until - begin
    return int(total.total_seconds())


def end_of_working_day(start: date, n: int) -> datetime:
    day = start
    while n:
        day += timedelta(days=1)
        n -= works(day)
    return datetime.combine(day + timedelta(days=1), time(0))


@dataclass
class Reading:
    """One case as its rows tell it."""

    row: Row
    events: list[Row] = field(default_factory=list)

    @property
    def created(self) -> datetime:
        at: datetime = self.row["created_at"]
        return at

    def at(self, code: str) -> list[datetime]:
        return [e["event_at"] for e in self.events if e["event_code"] == code]

    @property
    def is_spam(self) -> bool:
        flags = [e["event_code"] for e in self.events if e["event_code"] in ("SR", "JS")]
        return bool(flags) and flags[-1] == "SR"

    @property
    def kind(self) -> str:
        return str([self.row["kind_code"], *filter(None, self._told("kind_code"))][-1])

    def _told(self, name: str) -> list[str]:
        return [e.get(name) or "" for e in self.events]

    def statuses(self) -> list[tuple[datetime, str]]:
        found = [(self.created, "new")]
        for e in self.events:
            status = OF_DD.get(e.get("status_code", "")) or STATUS.get(e["event_code"])
            if status and e["event_at"] >= self.created:
                found.append((e["event_at"], status))
        return found

    @property
    def is_open(self) -> bool:
        gone = self.is_spam or self.at("BA")
        return not gone and self.statuses()[-1][1] not in ENDED

    def pauses(self, wanted: tuple[str, ...]) -> list[tuple[datetime, datetime]]:
        spans = pairwise([*self.statuses(), (NEVER, "")])
        return [(begin, end) for (begin, status), (end, _) in spans if status in wanted]

    def replied(self) -> datetime | None:
        """The first reply by one of ours, or the resolution."""
        return min(
            (
                e["event_at"]
                for e in self.events
                if e["event_code"] == "JJ"
                or (
                    e["event_code"] == "HF"
                    and e["is_automatic"] == "0"
                    and e["actor_role"] in ("agent", "handler")
                )
            ),
            default=None,
        )

    def _decided(self, stop: datetime | None, due: datetime | bool) -> bool | None:
        """Met, breached, or None: merged, spam, withdrawn in time, or not decided yet."""
        if self.is_spam or self.at("BA"):
            return None
        is_late = due if isinstance(due, bool) else (stop or min([SEEN, *self.at("CX")])) > due
        return False if is_late else None if stop is None else True

    def reply_met(self) -> bool | None:
        stop = self.replied()
        channel = self.row.get("channel_code")
        if channel not in ("app", "wechat") or self.created < datetime(2025, 6, 1):  # noqa: DTZ001
            return self._decided(stop, self.created + timedelta(hours=24))
        end = stop or min([SEEN, *self.at("CX")])
        return self._decided(stop, counted(self.created, end, []) > 4 * 3600)

    def resolution_met(self) -> bool | None:
        """Of the first cycle."""
        stop = min(self.at("JJ"), default=None)
        end = stop or min([SEEN, *self.at("CX")])
        kinds = [(self.created, self.row["kind_code"])]
        priorities = [(self.created, f"P{self.row.get('urgency_code') or 3}")]
        for e in self.events:
            if self.created <= e["event_at"] < end:
                kinds += [(e["event_at"], k) for k in [e.get("kind_code")] if k]
                priorities += [(e["event_at"], p) for p in [e.get("priority_code")] if p]
        cuts = sorted({at for at, _ in (*kinds, *priorities)})
        late = any(
            self._is_late(
                [k for at, k in kinds if at <= begin][-1] in COMPLAINTS
                and [p for at, p in priorities if at <= begin][-1] == "P1"
                and self.row["case_no"].startswith("H"),
                min(until, end),
            )
            for begin, until in pairwise([*cuts, end])
        )
        return self._decided(stop, late)

    def _is_late(self, is_urgent: bool, at: datetime) -> bool:
        """Whether the limit has passed at an instant, by one rule all the time."""
        if is_urgent:
            hours = 16 if self.created < datetime(2025, 9, 1) else 12  # noqa: DTZ001
            both = ("waiting_on_reporter", "waiting_on_partner")
            return counted(self.created, at, self.pauses(both)) > hours * 3600
        days = 5
        due = end_of_working_day(self.created.date(), days)
        for begin, until in self.pauses(("waiting_on_reporter",)):
            if begin >= min(due, at):
                break
            until = min(until, at)
            moved = (until.date() - begin.date()).days
            days += sum(works(begin.date() + timedelta(days=n)) for n in range(1, moved + 1))
            due = end_of_working_day(self.created.date(), days)
        # A letter is known to the day: an answer on the day after the last one comes too late.
        return at > due or (self.row["case_no"].startswith("L") and at == due)


def read_cases(rows: dict[str, list[Row]]) -> list[Reading]:
    """All cases with what was written on them, in order."""
    events: dict[str, list[Row]] = defaultdict(list)
    for event in sorted(rows["events"], key=lambda e: e["event_at"]):
        events[event["case_no"]].append(event)
    return [Reading(case, events[case["case_no"]]) for case in rows["cases"]]
