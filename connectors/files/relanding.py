"""Landing again from the archive: a batch once more from the file it came in.

For a Parquet file that was lost, or for a contract that takes more than it took then. What lands is
a new batch that replaces the old one, with its arrival, number and days, in the order of every
landing, so that a build notices and a kill at any moment harms nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from pathlib import Path

import duckdb

from connectors.contract import Contract
from connectors.errors import RefusedDelivery, RelandingRefused
from connectors.files.archive_keeping import archive_days, is_kept_no_longer
from connectors.files.batch import land_file
from connectors.files.confirmation import ARCHIVE, archived_names
from connectors.files.exchange import content_id, hash_file, later_batch_id
from connectors.files.ledger import FileLedger
from connectors.landing import Landing, Step, explained, no_fault, only_one
from connectors.ledger import Ledger
from connectors.ledger_rows import Batch, Confirmation, QuarantineRow
from connectors.pii_store import PiiStore
from connectors.places.place import Place, Secret, no_secret, open_place
from connectors.quarantining.quarantine import QuarantinedRecord, discard
from connectors.retention import EXPIRED
from connectors.staging import clear_staging

_NAMES_TRIED = 20
_CODE = "relanded"


def reland(
    contract: Contract,
    batch_id: str,
    *,
    home: Path,
    ledger: Ledger,
    pii: PiiStore,
    now: datetime,
    zone: str,
    secret: Secret = no_secret,
    at: Step = no_fault,
    memory_limit: str = "1GB",
) -> Batch:
    """Land the archived file of a loaded batch again and return the new batch.

    Records that were replayed come with it and leave with the old one; those that people gave up
    stay given up if the contract rejects them still. Raises RelandingRefused when the batch is not
    loaded from a file, its file is in no archive, or the contract refuses it now; LandingBusy and
    the errors of the place as in landing. Nothing is changed then.
    """
    source = contract.source
    with explained(source, home):
        (home / "tmp").mkdir(parents=True, exist_ok=True)
    with (
        explained(source, home),
        only_one(home, source),
        duckdb.connect(
            config={"memory_limit": memory_limit, "temp_directory": str(home / "tmp")}
        ) as connection,
        open_place(contract.interface.location, home, secret=secret, owner=source) as place,
    ):
        _forget_lost_files(ledger, home, source)
        batch = _chosen(ledger, contract, batch_id)
        is_expired = is_kept_no_longer(contract, batch, now=now, zone=zone)
        clear_staging(home, source)
        landing = Landing(contract, home, _Unrefusing(ledger.path), pii, connection, now, zone, at)
        try:
            landed = _land_again(landing, place, batch, is_expired=is_expired)
        finally:
            landing.ledger.close()
        _give_up_again(ledger, batch, landed, now)
        _forget_lost_files(ledger, home, source)
        result = "partial" if landed.rejected else "ok"
        ledger.confirm(Confirmation(landed.batch_id, _CODE, landed.place, result, now))
    return landed


def _chosen(ledger: Ledger, contract: Contract, batch_id: str) -> Batch:
    batch = ledger.batch(batch_id)
    if batch is None or batch.source != contract.source:
        raise _refused(batch_id, f"source '{contract.source}' has no such batch")
    if batch.code == EXPIRED:
        raise _refused(
            batch_id, f"it has expired ({batch.reason}); neither it nor its file is kept"
        )
    if batch.status != "loaded" or batch.interface != "files" or batch.sequence is None:
        raise _refused(batch_id, "only a loaded batch of a file with its log can be landed again")
    if batch.stream not in contract.streams:
        raise _refused(batch_id, f"the contract has no stream '{batch.stream}' any more")
    return batch


def _land_again(landing: Landing, place: Place, batch: Batch, *, is_expired: bool) -> Batch:
    parts = [batch.source, batch.stream, batch.branch, batch.business_date.isoformat()]
    first = content_id(parts, batch.content_sha256)
    same = FileLedger(landing.ledger, batch.source).of_content(first)
    name = _archived(place, batch, [one.batch_id for one in same])
    if name is None:
        days = archive_days(landing.contract, batch.stream)
        raise _refused(
            batch.batch_id,
            f"its file {batch.place} was deleted from the archive, where it was kept for {days} "
            f"days ('keep', 'keep_archive' in the contract); the source would have to send it anew"
            if is_expired
            else f"its file {batch.place} is neither archived nor in the folder",
        )
    # What was announced before a kill is finished under its id.
    left = next((one for one in same if one.status == "announced"), None)
    draft = replace(
        batch,
        batch_id=left.batch_id if left else later_batch_id(first, len(same)),
        status="announced",
        code=_CODE,
        reason=f"it was landed again for batch {batch.batch_id}",
        supersedes=batch.batch_id,
        path=None,
        loaded_at=None,
    )
    try:
        return land_file(landing, place.fetch(name), draft)
    except RefusedDelivery as refusal:
        raise _refused(
            batch.batch_id, f"the contract refuses it now: {refusal.code}, {refusal.reason}"
        ) from refusal
    finally:
        place.release(name)


def _archived(place: Place, batch: Batch, ids: Sequence[str]) -> str | None:
    """Where content lies that landed under `ids`: in the archive, or still in the folder itself;
    None if nowhere."""
    kept = [
        f"{ARCHIVE}/{name}"
        for one in ids
        for name in islice(archived_names(batch.place, one), _NAMES_TRIED)
    ]
    for name in (*dict.fromkeys(kept), batch.place):
        if not place.exists(name):
            continue
        same = hash_file(place.fetch(name)) == batch.content_sha256
        place.release(name)
        if same:
            return name
    return None


class _Unrefusing(Ledger):
    """The ledger, in which no refusal is noted: the old batch stays and is all there is."""

    def refuse(self, batch: Batch, rejected: object = ()) -> Batch:
        """Note nothing."""
        return batch


def _give_up_again(ledger: Ledger, batch: Batch, landed: Batch, now: datetime) -> None:
    """Discard what waits of the new batch and was given up, by a person, in the old one."""
    notes: dict[int, str] = {
        row.record_no: row.note or ""
        for row in ledger.quarantine(batch_id=batch.batch_id, state="discarded")
        if row.note != f"superseded by batch {landed.batch_id}"
    }
    waiting: dict[str, list[QuarantineRow]] = {}
    for row in ledger.quarantine(batch_id=landed.batch_id, state="waiting"):
        if row.record_no in notes:
            waiting.setdefault(notes[row.record_no], []).append(row)
    for note, rows in waiting.items():
        discard(ledger, [QuarantinedRecord(landed, row) for row in rows], reason=note, now=now)


def _forget_lost_files(ledger: Ledger, home: Path, source: str) -> None:
    """Let a build do without files that were lost and whose batches have landed again."""
    replaced = ledger.rows.select(
        Batch,
        "select * from batch where source = ? and status = 'superseded' and path is not null "
        "and batch_id in (select supersedes from batch where source = ? and code = ?)",
        [source, source, _CODE],
    )
    lost = [one for one in replaced if one.path and not (home / one.path).is_file()]
    with ledger.rows.writing():
        for one in lost:
            ledger.rows.execute("update batch set path = null where batch_id = ?", [one.batch_id])


def _refused(batch_id: str, why: str) -> RelandingRefused:
    return RelandingRefused(
        f"Landing batch {batch_id} again failed: {why}. Nothing was changed. Trying again does not "
        "help until that is mended."
    )
