"""Which business dates are complete for each source: the health that goes with a snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from connectors.contract import Contract
from connectors.ledger import Batch

_WINDOW_DAYS = 31


def source_health(
    contracts: Mapping[str, Contract], batches: Sequence[Batch], business_date: date
) -> dict[str, dict[str, Any]]:
    """Per source: rows, missing days of the last 31 and the last complete date of each stream.

    Only streams with a `delivery` are expected every day; the others are complete through the
    last day they delivered.
    """
    return {
        source: _source(contract, batches, business_date)
        for source, contract in sorted(contracts.items())
    }


def _source(contract: Contract, batches: Sequence[Batch], business_date: date) -> dict[str, Any]:
    streams = {}
    incomplete: set[date] = set()
    through: list[date | None] = []
    for name, stream in contract.streams.items():
        own = [b for b in batches if b.source == contract.source and b.stream == name]
        covered = {day for batch in own for day in _days(batch.covers_from, batch.business_date)}
        missing: list[date] = []
        complete_through = max(covered, default=None)
        if stream.delivery is not None and covered:
            first = max(min(covered), business_date - timedelta(days=_WINDOW_DAYS - 1))
            missing = [day for day in _days(first, business_date) if day not in covered]
            if missing:
                incomplete.update(missing)
                complete_through = missing[0] - timedelta(days=1)
        if stream.delivery is not None or stream.business_date_from is not None:
            through.append(complete_through)
        streams[name] = {
            "complete_through": complete_through.isoformat() if complete_through else None,
            "missing": [day.isoformat() for day in missing],
            "rows": sum(batch.rows_loaded for batch in own),
            "rejected": sum(batch.rejected for batch in own),
        }
    known = [day for day in through if day is not None]
    complete = min(known) if known and len(known) == len(through) else None
    return {
        "label": {"zh": contract.label.zh, "en": contract.label.en},
        "streams": streams,
        "complete_through": complete.isoformat() if complete else None,
        "incomplete_dates": [day.isoformat() for day in sorted(incomplete)],
    }


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]
