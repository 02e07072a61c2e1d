"""Retention (`keep: N days`): what is older leaves raw, the quarantine and, with the next build,
the marts.

An expired batch is marked in the ledger first and stops being current like a superseded one, with
the code `expired`; the next build takes its rows out of the facts, which needs its file. Only then
is the file given up. So nothing vanishes from a mart because a file is gone, and a build from
scratch gives the same facts as the one before. Its row in the ledger stays for ever.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from connectors.compaction import replace_files
from connectors.contract import Contract, Stream
from connectors.ledger import Ledger
from connectors.ledger_rows import Batch
from connectors.pii_store import PiiStore
from connectors.sqlite_store import as_text

EXPIRED = "expired"


@dataclass(frozen=True)
class Expiry:
    """What retention did: batches marked, files given up, records whose bytes were deleted."""

    batches: tuple[Batch, ...]
    files: tuple[str, ...]
    records: int


def days_kept(stream: Stream) -> int | None:
    """For how many days a stream is kept; None means for ever."""
    return int(stream.keep.split()[0]) if stream.keep else None


def expire(
    ledger: Ledger,
    pii: PiiStore,
    contracts: Mapping[str, Contract],
    *,
    now: datetime,
    real_now: datetime,
    zone: str,
    built: Collection[str],
    dry_run: bool = False,
) -> Expiry:
    """Mark what is older than its contract keeps, give up files, forget the bytes of records.

    `now` is the home's moment, by which days count; `real_now` the one from which the grace of
    files counts; `built` the batches of the last finished build, whose files it may still need.
    The caller holds the build lock.
    """
    marked = [
        batch
        for source, contract in contracts.items()
        for name, stream in contract.streams.items()
        if (days := days_kept(stream)) is not None
        for batch in _too_old(ledger, source, name, stream, _oldest(contract, days, now, zone))
    ]
    given_up = [
        batch
        for batch in ledger.batches(status="superseded")
        if batch.code == EXPIRED and batch.path is not None and batch.batch_id not in built
    ]
    files = tuple(dict.fromkeys(batch.path for batch in given_up if batch.path))
    if not dry_run:
        _mark(ledger, marked, contracts, now)
        with ledger.rows.writing():
            for batch in given_up:
                ledger.rows.execute(
                    "update batch set path = null where batch_id = ?", [batch.batch_id]
                )
            replace_files(ledger, files, real_now)
    forgotten = _settled_records(ledger, pii)
    if not dry_run:
        pii.forget_records(forgotten)
    return Expiry(tuple(marked), files, len(forgotten))


def _oldest(contract: Contract, days: int, now: datetime, zone: str) -> date:
    return now.astimezone(ZoneInfo(contract.zone or zone)).date() - timedelta(days=days)


def _too_old(ledger: Ledger, source: str, name: str, stream: Stream, oldest: date) -> list[Batch]:
    """Batches of days before `oldest`; the current full delivery stays however old it is."""
    statuses = {"superseded"} if stream.mode == "full" else {"loaded", "superseded"}
    return [
        batch
        for batch in ledger.batches(source=source, stream=name)
        if batch.status in statuses and batch.business_date < oldest and batch.code != EXPIRED
    ]


def _mark(
    ledger: Ledger, batches: list[Batch], contracts: Mapping[str, Contract], now: datetime
) -> None:
    with ledger.rows.writing():
        for batch in batches:
            kept = contracts[batch.source].streams[batch.stream].keep
            ledger.rows.execute(
                "update batch set status = 'superseded', code = ?, reason = ?, expired_at = ?, "
                "superseded_at = coalesce(superseded_at, ?) where batch_id = ?",
                [
                    EXPIRED,
                    f"it was kept for {kept}",
                    as_text(now),
                    as_text(now),
                    batch.batch_id,
                ],
            )
            ledger.rows.execute(
                "update quarantine set state = 'discarded', note = ?, settled_at = ? "
                "where batch_id = ? and state = 'waiting'",
                [f"kept for {kept}", as_text(now), batch.batch_id],
            )


def _settled_records(ledger: Ledger, pii: PiiStore) -> list[tuple[str, int]]:
    """Records whose bytes are kept though nothing of them waits any more.

    What the records of a batch share goes with the last of them. A batch that is being landed has
    its bytes before its records wait, so only finished ones count; the bytes are listed before the
    ledger is asked, in one statement, so that a batch finished meanwhile is seen with its records.
    """
    kept = pii.kept_records()
    waiting: dict[str, set[int]] = {}
    for batch_id, number in ledger.rows.execute(
        "select b.batch_id, q.record_no from batch b "
        "left join quarantine q on q.batch_id = b.batch_id and q.state = 'waiting' "
        "where b.status in ('loaded', 'superseded')"
    ):
        numbers = waiting.setdefault(str(batch_id), set())
        if number is not None:
            numbers.add(int(number))
    return [
        (batch_id, number)
        for batch_id, number in kept
        if batch_id in waiting
        and number not in waiting[batch_id]
        and (number != 0 or not waiting[batch_id])
    ]
