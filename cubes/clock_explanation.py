"""How a clock came by its elapsed time: its pauses from the statuses of its case, its rows (D.11).

Instants count in whole seconds, as in the warehouse.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from cubes.local_clock import micros_of
from cubes.sla_policy import names
from cubes.working_calendar import WorkingCalendar
from cubes.working_time import Pause
from cubes.working_time_explanation import ExplanationRow, explain


@dataclass(frozen=True)
class StatusSpan:
    """A status of a case from (inclusive) to (exclusive), aware; None is still so."""

    status: str | None
    valid_from: datetime
    valid_to: datetime | None


@dataclass(frozen=True)
class ClockSpan:
    """What of a clock decides what counted: its ends (aware) and what stops it.

    `pause_statuses` are those of its policy; a clock with `counted_statuses` stands still in all
    others too. Both are lists such as 'a;b'.
    """

    started_at: datetime
    ended_at: datetime
    pause_statuses: str | None = None
    counted_statuses: str | None = None


def clock_pauses(clock: ClockSpan, statuses: Iterable[StatusSpan]) -> tuple[Pause, ...]:
    """The pauses that touch the clock, in order."""
    found = []
    for span in sorted(statuses, key=lambda one: one.valid_from):
        since, until = _whole(span.valid_from), span.valid_to and _whole(span.valid_to)
        touches = since < clock.ended_at and (until is None or until > clock.started_at)
        if touches and span.status is not None and _stops(clock, span.status):
            found.append(Pause(since, until, span.status))
    return tuple(found)


def explain_clock(
    calendar: WorkingCalendar,
    clock: ClockSpan,
    statuses: Iterable[StatusSpan],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> tuple[ExplanationRow, ...]:
    """The rows of a clock from its start to its end; see `explain` for `since` and `until`.

    Raises CalendarTooShort where the calendar does not reach.
    """
    return explain(
        calendar,
        _whole(clock.started_at),
        _whole(clock.ended_at),
        clock_pauses(clock, statuses),
        since=since and _whole(since),
        until=until and _whole(until),
    )


def counted_seconds(rows: Iterable[ExplanationRow]) -> int:
    """What the rows add up to."""
    return sum((row.counted for row in rows), timedelta(0)) // timedelta(seconds=1)


def row_dates(calendar: WorkingCalendar, row: ExplanationRow) -> Sequence[date]:
    """The first and the last local date that a row touches."""
    first = calendar.date_of(micros_of(row.starts_at))
    if row.ends_at is None:
        return first, first
    return first, calendar.date_of(micros_of(row.ends_at) - 1)


def _stops(clock: ClockSpan, status: str) -> bool:
    counted, paused = clock.counted_statuses, clock.pause_statuses
    stands_still = counted is not None and not names(counted, status)
    return stands_still or (paused is not None and names(paused, status))


def _whole(instant: datetime) -> datetime:
    return instant.replace(microsecond=0)
