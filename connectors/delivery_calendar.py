"""The delivery calendar: which deliveries are due, late or missing, which branch is silent.

A stream with `delivery` expects one arrival on every day of its calendar by a local time of day; it
covers the business dates since the arrival before. An arrival that is not there when it is due is
`late_delivery`; when the next one is due and it is still not there, `missing_delivery`. A branch
that lacks its last two arrivals while another branch has come since is `silent_branch`, told once
and not day by day. A delivery that came and could not be read is told by its own code instead.
Everything but `watch_deliveries` is pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from connectors.contract import Contract, DeliverySchedule, Stream
from connectors.ledger import Ledger
from connectors.ledger_rows import Batch, ExchangeEvent

WINDOW_DAYS = 31
_SILENT_ARRIVALS = 2
_MOST_FREE_DAYS = 60
LATE, MISSING, SILENT = "late_delivery", "missing_delivery", "silent_branch"
_WATCHED = {LATE, MISSING, SILENT}

WorkingDay = Callable[[date], bool]


@dataclass(frozen=True)
class Arrival:
    """One arrival that is agreed: due at an aware instant, covering `first` to `last`."""

    due_at: datetime
    first: date
    last: date

    @property
    def days(self) -> list[date]:
        """The business dates it covers."""
        return days_between(self.first, self.last)


@dataclass(frozen=True)
class Absence:
    """Something that ought to have come: `code` of the ledger, branch, business date, sentence."""

    code: str
    branch: str
    business_date: date
    detail: str


def days_between(first: date, last: date) -> list[date]:
    """Every day from `first` to `last`, both included; none when `last` lies before."""
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]


def arrivals_due(
    delivery: DeliverySchedule,
    *,
    first_day: date,
    now: datetime,
    zone: str,
    is_working_day: WorkingDay,
) -> list[Arrival]:
    """The arrivals due by `now` that cover business dates from `first_day` on, oldest first.

    `zone` is the IANA zone in which `by` is meant. On a `working` calendar nothing is due on a free
    day, and the next working day's arrival covers the free days too.
    """
    local = ZoneInfo(zone)
    by = time.fromisoformat(delivery.by)
    expects = is_working_day if delivery.calendar == "working" else (lambda _: True)
    found: list[Arrival] = []
    covered_from = first_day
    arrival = first_day + timedelta(days=1)
    while (due_at := datetime.combine(arrival, by, local)) <= now:
        if expects(arrival):
            found.append(Arrival(due_at, covered_from, arrival - timedelta(days=1)))
            covered_from = arrival
        arrival += timedelta(days=1)
    return found


def expected_day(
    delivery: DeliverySchedule, now: datetime, zone: str, is_working_day: WorkingDay
) -> date:
    """The last business date whose delivery is due at `now`; `zone` is that of the contract."""
    first = now.astimezone(ZoneInfo(zone)).date() - timedelta(days=_MOST_FREE_DAYS)
    due = arrivals_due(delivery, first_day=first, now=now, zone=zone, is_working_day=is_working_day)
    return due[-1].last if due else first


def covered_days(batches: Iterable[Batch], since: date = date.min) -> set[date]:
    """Every business date from `since` on that one of the batches covers.

    What ends before counts with its last day, what begins before with the day before `since` too,
    so that it can be told where a branch stands.
    """
    return {
        day
        for batch in batches
        for day in days_between(
            max(batch.covers_from, min(batch.business_date, _day_before(since))),
            batch.business_date,
        )
    }


def _day_before(day: date) -> date:
    return day if day == date.min else day - timedelta(days=1)


def branches_of(stream: Stream, batches: Iterable[Batch]) -> list[str]:
    """The branches that must deliver: those of the contract, otherwise those that ever did."""
    return sorted(stream.branches or {batch.branch for batch in batches})


def absences(
    stream: Stream,
    loaded: Sequence[Batch],
    *,
    told: Mapping[str, set[date]],
    now: datetime,
    zone: str,
    is_working_day: WorkingDay,
) -> list[Absence]:
    """What of a stream with `delivery` is late, missing or silent at `now`.

    `loaded` are its loaded batches; `told` the days by branch whose delivery came and was refused,
    or lies there without its log. Nothing is expected before the first day the stream covers, nor
    further back than 31 days.
    """
    if stream.delivery is None or not loaded:
        return []
    first_ever = min(batch.covers_from for batch in loaded)
    oldest = now.astimezone(ZoneInfo(zone)).date() - timedelta(days=WINDOW_DAYS)
    by_branch = {
        branch: [batch for batch in loaded if batch.branch == branch]
        for branch in branches_of(stream, loaded)
    }
    lacking: dict[str, list[Arrival]] = {}
    due: dict[str, list[Arrival]] = {}
    for branch, own in by_branch.items():
        covered = covered_days(own, oldest)
        first = max(min(covered, default=first_ever), oldest)
        due[branch] = arrivals_due(
            stream.delivery, first_day=first, now=now, zone=zone, is_working_day=is_working_day
        )
        there = covered | told.get(branch, set())
        lacking[branch] = [one for one in due[branch] if not there.issuperset(one.days)]
    found: list[Absence] = []
    for branch, arrivals in lacking.items():
        others = [one for other, own in by_branch.items() if other != branch for one in own]
        silence = _silence(due[branch], arrivals, covered_days(others, oldest))
        if silence:
            own_covered = covered_days(by_branch[branch], oldest)
            own_days = [day for day in own_covered if day < silence[0].first]
            since = max(own_days) + timedelta(days=1) if own_days else silence[0].first
            found.append(_silent(branch, since))
            arrivals = [one for one in arrivals if one not in silence]
        found.extend(_absence(branch, one, due[branch]) for one in arrivals)
    return found


def _silence(
    due: Sequence[Arrival], lacking: Sequence[Arrival], covered_by_others: set[date]
) -> list[Arrival]:
    """The unbroken run of missed arrivals up to now, if it is long and others did not miss them."""
    run: list[Arrival] = []
    for arrival in reversed(due):
        if arrival not in lacking:
            break
        run.insert(0, arrival)
    heard = [one for one in run if covered_by_others.issuperset(one.days)]
    return run if len(run) >= _SILENT_ARRIVALS <= len(heard) else []


def _silent(branch: str, since: date) -> Absence:
    return Absence(
        SILENT, branch, since, f"branch {branch} has not delivered since {since}, others have"
    )


def _absence(branch: str, arrival: Arrival, due: Sequence[Arrival]) -> Absence:
    days = f"{arrival.first} to {arrival.last}" if arrival.first < arrival.last else arrival.last
    when = f"{arrival.due_at:%Y-%m-%d %H:%M}"
    if arrival == due[-1]:
        return Absence(LATE, branch, arrival.last, f"{days} of branch {branch} was due at {when}")
    return Absence(
        MISSING,
        branch,
        arrival.last,
        f"{days} of branch {branch} was due at {when} and had not come when the next was due",
    )


def watch_deliveries(
    ledger: Ledger,
    contracts: Mapping[str, Contract],
    now: datetime,
    *,
    zone: str,
    working_days: Callable[[Contract], WorkingDay],
) -> list[Absence]:
    """Note every absence once and settle those that came; returns the new ones.

    `zone` is the operator's, `working_days` gives the calendar of a contract. Repeating it changes
    nothing.
    """
    new: list[Absence] = []
    for source, contract in contracts.items():
        if not any(stream.delivery for stream in contract.streams.values()):
            continue
        local_day = now.astimezone(ZoneInfo(contract.zone or zone)).date()
        oldest = local_day - timedelta(days=WINDOW_DAYS)
        events = ledger.exchange_events(unresolved=True, source=source)
        for name, stream in contract.streams.items():
            open_events = [event for event in events if event.stream == name]
            # An absence of a day before the window is settled when that day comes after all.
            watched = [one.business_date for one in open_events if one.code in _WATCHED]
            since = min([oldest, *(day for day in watched if day is not None)])
            own = ledger.recent_batches(source, name, since)
            found = absences(
                stream,
                [batch for batch in own if batch.status == "loaded"],
                told=_told(own, open_events, since),
                now=now,
                zone=contract.zone or zone,
                is_working_day=working_days(contract),
            )
            _settle(
                ledger,
                found,
                open_events,
                covered=covered_days((one for one in own if one.status == "loaded"), since),
                now=now,
            )
            new.extend(_note(ledger, source, name, found, now))
    return new


def _settle(
    ledger: Ledger,
    found: Sequence[Absence],
    open_events: Sequence[ExchangeEvent],
    *,
    covered: set[date],
    now: datetime,
) -> None:
    """Settle what is absent no more; what only fell out of the window stays, unless it came."""
    present = {(one.code, one.branch, one.business_date) for one in found}
    oldest = now.date() - timedelta(days=WINDOW_DAYS - 1)
    for event in open_events:
        day = event.business_date
        if event.code not in _WATCHED or day is None:
            continue
        forgotten = event.code != SILENT and day <= oldest and day not in covered
        if (event.code, event.branch, day) not in present and not forgotten:
            ledger.resolve_event(event.event_id, now=now)


def _note(
    ledger: Ledger, source: str, stream: str, found: Sequence[Absence], now: datetime
) -> list[Absence]:
    return [
        one
        for one in found
        if ledger.note_event(
            one.code,
            source=source,
            stream=stream,
            branch=one.branch,
            business_date=one.business_date,
            detail=one.detail,
            now=now,
        )
    ]


def _told(
    batches: Sequence[Batch], events: Sequence[ExchangeEvent], since: date
) -> dict[str, set[date]]:
    """Days by branch of deliveries that came and were refused, or wait for their log."""
    told: dict[str, set[date]] = {}
    for batch in batches:
        if batch.status == "refused":
            told.setdefault(batch.branch, set()).update(covered_days([batch], since))
    for event in events:
        if event.code not in _WATCHED and event.business_date is not None:
            told.setdefault(event.branch, set()).add(event.business_date)
    return told
