"""Which business dates are complete for each source: the health that goes with a snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from connectors.contract import Contract, Stream
from connectors.delivery_calendar import (
    WorkingDay,
    branches_of,
    covered_days,
    days_between,
)
from connectors.ledger_rows import Batch

_WINDOW_DAYS = 31


def source_health(
    contracts: Mapping[str, Contract],
    batches: Sequence[Batch],
    business_date: date,
    *,
    last_reads: Mapping[tuple[str, str], datetime],
    zone: str,
    working_days: Callable[[Contract], WorkingDay] | None = None,
) -> dict[str, dict[str, Any]]:
    """Per source: rows, missing days of the last 31 and the last complete date of each stream.

    A stream with a `delivery` is complete for a day that loaded batches cover of every branch that
    its contract names, otherwise of those it ever had; a day is missing once its delivery is
    expected by `working_days` (without it, each day on the next). A table, an extract, the service
    or the inbox, which announce nothing, are complete for the days before the local date on which
    they were last read to their end (`last_reads`). Others are complete through the last day they
    delivered. `zone` is the operator's.
    """
    health = {}
    for source, contract in sorted(contracts.items()):
        streams: dict[str, dict[str, Any]] = {}
        missing: set[date] = set()
        through: list[date | None] = []
        for name, stream in contract.streams.items():
            holes: set[date] = set()
            own = [b for b in batches if (b.source, b.stream) == (source, name)]
            announces = contract.interface.type == "files" and contract.interface.format != "mail"
            if not announces:
                complete = _read_through(last_reads.get((source, name)), zone)
            else:
                is_working_day = working_days(contract) if working_days else None
                complete, holes = _delivered_through(stream, own, business_date, is_working_day)
            missing |= holes
            through.append(complete)
            streams[name] = {
                "complete_through": _iso(complete),
                "missing": _isos(holes),
                "rows": sum(batch.rows_loaded for batch in own),
                "rejected": sum(batch.rejected for batch in own),
            }
        health[source] = {
            "label": {"zh": contract.label.zh, "en": contract.label.en},
            "streams": streams,
            "complete_through": _iso(_earliest(through)),
            "incomplete_dates": _isos(missing),
        }
    return health


def _read_through(read_at: datetime | None, zone: str) -> date | None:
    if read_at is None:
        return None
    return read_at.astimezone(ZoneInfo(zone)).date() - timedelta(days=1)


def _delivered_through(
    stream: Stream,
    batches: Sequence[Batch],
    business_date: date,
    is_working_day: WorkingDay | None,
) -> tuple[date | None, set[date]]:
    """The last complete day of all branches, and the days of the window some branch lacks."""
    through: list[date | None] = []
    missing: set[date] = set()
    expected = _expected_through(stream, business_date, is_working_day)
    for branch in branches_of(stream, batches) if batches else []:
        covered = covered_days(batch for batch in batches if batch.branch == branch)
        if not covered:
            through.append(None)
            continue
        complete = max(covered)
        if stream.delivery is not None:
            first = max(min(covered), business_date - timedelta(days=_WINDOW_DAYS - 1))
            holes = {day for day in days_between(first, expected) if day not in covered}
            missing |= holes
            if holes:
                complete = max(day for day in covered if day < min(holes))
        through.append(complete)
    return _earliest(through), missing


def _earliest(days: Iterable[date | None]) -> date | None:
    """The earliest day; None if there is none or one is unknown."""
    known = list(days)
    found = [day for day in known if day is not None]
    return min(found) if found and len(found) == len(known) else None


def _expected_through(
    stream: Stream, business_date: date, is_working_day: WorkingDay | None
) -> date:
    """The last day whose delivery is expected on the day after `business_date`."""
    if stream.delivery is None or stream.delivery.calendar != "working" or is_working_day is None:
        return business_date
    arrival = business_date + timedelta(days=1)
    for _ in range(_WINDOW_DAYS):
        if is_working_day(arrival):
            break
        arrival -= timedelta(days=1)
    return arrival - timedelta(days=1)


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _isos(days: Iterable[date]) -> list[str]:
    return [day.isoformat() for day in sorted(days)]
