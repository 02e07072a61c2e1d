"""What is known of every stream of a source: opens the ledger and raw, asks `stream_checks`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from connectors.contract import Stream
from connectors.delivery_calendar import expected_day
from connectors.errors import ConnectorError, SourceUnreachable
from connectors.ledger_rows import Batch
from connectors.source_trouble import last_trouble
from pipelines.completeness import source_health
from pipelines.installation import Installation
from pipelines.stream_checks import (
    WINDOW_DAYS,
    Finding,
    Unread,
    freshness,
    reconciliation,
    volume,
)
from pipelines.working_days import working_days

CHECKS = ("freshness", "volume", "reconciliation")


@dataclass(frozen=True)
class Landed:
    """Everything of one stream that lies in raw: batches, rows, first and last business date."""

    batches: int
    rows: int
    rejected: int
    first: date
    last: date


def landed_in_all(installation: Installation, source: str) -> dict[str, Landed]:
    """What lies in raw of each stream of a source that anything came of."""
    with installation.ledger() as ledger:
        batches = ledger.loaded_batches([source])
    found = {}
    for stream in {batch.stream for batch in batches}:
        own = [batch for batch in batches if batch.stream == stream]
        found[stream] = Landed(
            len(own),
            sum(batch.rows_loaded for batch in own),
            sum(batch.rejected for batch in own),
            min(batch.covers_from for batch in own),
            max(batch.business_date for batch in own),
        )
    return found


def stream_findings(installation: Installation, source: str) -> dict[str, dict[str, Finding]]:
    """The findings by stream and by name of the check, as things stand at this moment."""
    from connectors.arrivals import arrivals

    contract = installation.contracts[source]
    zone, now = installation.settings.timezone, installation.now()
    yesterday = now.astimezone(ZoneInfo(zone)).date() - timedelta(days=1)
    unread = None
    with installation.ledger() as ledger:
        try:
            arrivals(
                contract,
                home=installation.home.path,
                ledger=ledger,
                now=now,
                secret=installation.secret,
                zone=zone,
            )
        except ConnectorError as error:
            unread = Unread(str(error.code or SourceUnreachable.code), str(error))
        batches = ledger.batches(source=source)
        events = ledger.exchange_events(unresolved=True, source=source)
        if unread is None and (trouble := last_trouble(events)) is not None:
            # The look above does not read: a table may lack a column, an extract is not asked.
            unread = Unread(trouble.code, trouble.detail)
        last_reads = ledger.last_reads()
        waiting = {
            batch.batch_id: len(ledger.quarantine(batch_id=batch.batch_id, state="waiting"))
            for batch in batches
            if batch.rejected
        }
    loaded = [batch for batch in batches if batch.status == "loaded"]
    health = source_health(
        {source: contract},
        loaded,
        yesterday,
        last_reads=last_reads,
        zone=zone,
        working_days=working_days(installation),
    )[source]["streams"]
    is_working_day = working_days(installation)(contract)
    found: dict[str, dict[str, Finding]] = {}
    for name, stream in contract.streams.items():
        own = [batch for batch in batches if batch.stream == name]
        own_loaded = [batch for batch in own if batch.status == "loaded"]
        arrived = [batch.loaded_at for batch in own_loaded if batch.loaded_at is not None]
        expected, due = yesterday, None
        if stream.delivery is not None:
            own_zone = contract.zone or zone
            expected = expected_day(stream.delivery, now, own_zone, is_working_day)
            due = stream.delivery.by
        agreed = stream.delivery is not None or contract.interface.type != "files"
        through = health[name]["complete_through"]
        found[name] = {
            "freshness": freshness(
                health[name],
                expected=expected if agreed else None,
                due=due,
                last_arrival=max(arrived, default=None),
                unread=unread,
                zone=zone,
            ),
            "volume": volume(
                rows_by_day(installation, stream, own_loaded),
                _last_day(stream, own_loaded, through, yesterday),
            ),
            "reconciliation": reconciliation(
                own,
                [event for event in events if event.stream == name],
                quarantined=sum(waiting.get(batch.batch_id, 0) for batch in own_loaded),
                now=now,
            ),
        }
    return found


def rows_by_day(
    installation: Installation, stream: Stream, batches: Sequence[Batch]
) -> Mapping[date, int]:
    """Landed rows by business date around the last five weeks; whole deliveries for mode full."""
    counted: dict[date, int] = {}
    last = max((batch.business_date for batch in batches), default=None)
    if last is None:
        return counted
    first = last - timedelta(days=WINDOW_DAYS + 7)
    recent = [batch for batch in batches if batch.business_date >= first and batch.path]
    if stream.mode == "full":
        for batch in recent:
            counted[batch.business_date] = counted.get(batch.business_date, 0) + batch.rows_loaded
        return counted
    import duckdb

    # A compacted file is that of several batches, of which some may be superseded.
    files = sorted({str(installation.home.path / batch.path) for batch in recent if batch.path})
    if not files:
        return counted
    with duckdb.connect(config={"memory_limit": installation.settings.memory_limit}) as connection:
        rows = connection.execute(
            "select _business_date, count(*) from read_parquet(?) "
            "where _business_date >= ? and _batch_id in (select unnest(?::varchar[])) group by 1",
            [files, first, [batch.batch_id for batch in recent]],
        ).fetchall()
    return dict(rows)


def _last_day(
    stream: Stream, batches: Sequence[Batch], through: str | None, yesterday: date
) -> date | None:
    """The day to judge: the last one delivered, or the last one read to its end."""
    if stream.delivery is not None or through is None:
        day = max((batch.business_date for batch in batches), default=None)
    else:
        day = date.fromisoformat(through)
    return None if day is None else min(day, yesterday)
