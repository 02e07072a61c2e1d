"""Retention of the archive: partners' files, whose personal values are plain, are kept for a time.

How long says `keep` of a stream, or `keep_archive` of the interface for all of them: `keep` from
the business date, as for what was landed of the file, `keep_archive` from the arrival if that is
later, so that a history stays as long as today's file. Only files whose batch was settled go; what
the ledger does not know, or is not confirmed yet, stays.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

from connectors.contract import Contract
from connectors.files.confirmation import ARCHIVE, archived_names
from connectors.files.exchange import READ_LOG, SEND_LOG, hash_file
from connectors.landing import only_one
from connectors.ledger import Ledger
from connectors.ledger_rows import Batch
from connectors.places.place import Place, Secret, open_place

_NAMES_TRIED = 20
_SETTLED = {"loaded", "superseded", "refused"}


def archive_days(contract: Contract, stream: str) -> int | None:
    """For how many days files of a stream stay in the archive; None means for ever."""
    interface = contract.interface
    if interface.type != "files" or interface.format == "mail" or stream not in contract.streams:
        return None
    said = [contract.streams[stream].keep, interface.keep_archive]
    return min((int(keep.split()[0]) for keep in said if keep), default=None)


def is_kept_no_longer(contract: Contract, batch: Batch, *, now: datetime, zone: str) -> bool:
    """Whether the archived file of a batch is older than its contract keeps it."""
    if archive_days(contract, batch.stream) is None:
        return False
    today = _day_of(now, contract, zone)
    arrived = _day_of(batch.received_at, contract, zone)
    keep, keep_archive = contract.streams[batch.stream].keep, contract.interface.keep_archive
    return any(
        counted_from < today - timedelta(days=int(kept.split()[0]))
        for kept, counted_from in (
            (keep, batch.business_date),
            (keep_archive, max(batch.business_date, arrived)),
        )
        if kept
    )


def expire_archive(
    contract: Contract,
    *,
    home: Path,
    ledger: Ledger,
    now: datetime,
    zone: str,
    secret: Secret,
    dry_run: bool = False,
) -> list[str]:
    """Delete archived files, with their logs, that are kept no longer; return their names.

    The current full delivery stays however old it is. Raises LandingBusy while the source is being
    landed, SourceUnreachable when its place cannot be reached or does not let us delete.
    """
    source = contract.source
    if all(archive_days(contract, stream) is None for stream in contract.streams):
        return []
    with only_one(home, source):
        unconfirmed = {batch.batch_id for batch in ledger.unconfirmed(source)}
        old: list[Batch] = []
        young: dict[str, list[Batch]] = defaultdict(list)
        for batch in ledger.batches(source=source):
            if batch.interface != "files" or batch.replays is not None:
                continue
            if (
                batch.status in _SETTLED
                and batch.batch_id not in unconfirmed
                and is_kept_no_longer(contract, batch, now=now, zone=zone)
                and not _is_current(contract, batch)
            ):
                old.append(batch)
            else:
                young[batch.place].append(batch)
        # Only what was landed went to the archive, so before that there need be none.
        if all(batch.status == "refused" for batch in old):
            return []
        location = f"{contract.interface.location.rstrip('/')}/{ARCHIVE}"
        with open_place(location, home, secret=secret, owner=source) as place:
            there = set(place.names())
            gone: dict[str, None] = {}
            for batch in old:
                gone |= dict.fromkeys(_files_of(place, there, batch, young[batch.place]))
            if not dry_run:
                for name in gone:
                    place.remove(name)
                place.flush()
    return list(gone)


def _is_current(contract: Contract, batch: Batch) -> bool:
    return contract.streams[batch.stream].mode == "full" and batch.status == "loaded"


def _files_of(place: Place, there: set[str], batch: Batch, young: list[Batch]) -> Iterator[str]:
    """The archived names that are this batch's alone.

    A name with a batch's id is its own. The plain name is that of the first file of that name, so
    it is told by its content where a batch that is kept had the same.
    """
    for end in ("", SEND_LOG, READ_LOG):
        plain, *own = islice(archived_names(f"{batch.place}{end}", batch.batch_id), _NAMES_TRIED)
        yield from (name for name in own if name in there)
        if plain in there and (not young or (not end and _holds(place, plain, batch, young))):
            yield plain


def _holds(place: Place, name: str, batch: Batch, young: list[Batch]) -> bool:
    """Whether an archived file holds the content of a batch, and of no batch that is kept."""
    if any(one.content_sha256 == batch.content_sha256 for one in young):
        return False
    try:
        return hash_file(place.fetch(name)) == batch.content_sha256
    finally:
        place.release(name)


def _day_of(moment: datetime, contract: Contract, zone: str) -> date:
    return moment.astimezone(ZoneInfo(contract.zone or zone)).date()
