"""Landing again from the archive: the same batch from the file it came in.

For a Parquet file that was lost, or for a contract that takes more than it took then. The batch
keeps its id and its arrival; what people decided about its quarantined records stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from pathlib import Path

import duckdb

from connectors.compaction import replace_files
from connectors.contract import Contract
from connectors.errors import RefusedDelivery, RelandingRefused
from connectors.files.batch import land_file
from connectors.files.confirmation import ARCHIVE, archived_names
from connectors.files.exchange import hash_file
from connectors.landing import Landing, explained, no_fault, only_one
from connectors.ledger import Ledger
from connectors.ledger_rows import Batch, QuarantineRow
from connectors.pii_store import PiiStore
from connectors.places.place import Place, Secret, no_secret, open_place
from connectors.staging import Staging, clear_staging
from connectors.validation import Rejected

_NAMES_TRIED = 20


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
    memory_limit: str = "1GB",
) -> list[Batch]:
    """Land the archived file of a loaded batch again and return the batch as it is now.

    Where the batch shares a compacted Parquet file, all batches of that file are landed again and
    returned. Raises RelandingRefused when the batch is not loaded from a file, its file is in no
    archive, the contract refuses it now, or records that were replayed would come twice;
    LandingBusy and the errors of the place as in landing. Nothing is changed then.
    """
    source = contract.source
    with (
        explained(source, home),
        only_one(home, source),
        duckdb.connect(
            config={"memory_limit": memory_limit, "temp_directory": str(home / "tmp")}
        ) as connection,
        open_place(contract.interface.location, home, secret=secret, owner=source) as place,
        closing(_Unwritten(ledger.path)) as unwritten,
    ):
        batches = _chosen(ledger, source, batch_id)
        clear_staging(home, source)
        landing = _Relanding(contract, home, unwritten, pii, connection, now, zone, no_fault)
        for batch in batches:
            _land_again(landing, place, batch)
        _record(ledger, batches, unwritten.landed, now)
    return [found for batch in batches if (found := ledger.batch(batch.batch_id)) is not None]


def _chosen(ledger: Ledger, source: str, batch_id: str) -> list[Batch]:
    """The batch, with those whose rows lie in the same file."""
    batch = ledger.batch(batch_id)
    if batch is None or batch.source != source:
        raise _refused(batch_id, f"source '{source}' has no such batch")
    if batch.status != "loaded" or batch.interface != "files" or batch.sequence is None:
        raise _refused(batch_id, "only a loaded batch of a file with its log can be landed again")
    return ledger.rows.select(
        Batch,
        "select * from batch where source = ? and path = ? and replays is null order by batch_id",
        [source, batch.path],
    )


def _land_again(landing: _Relanding, place: Place, batch: Batch) -> None:
    name = _archived(place, batch)
    draft = replace(batch, code=None, reason=None, path=None, status="announced")
    if batch.supersedes is not None:
        draft = replace(draft, code="late_correction", reason=f"it replaces {batch.supersedes}")
    try:
        land_file(landing, place.fetch(name), draft)
    except RefusedDelivery as refusal:
        raise _refused(
            batch.batch_id, f"the contract refuses it now: {refusal.code}, {refusal.reason}"
        ) from refusal
    finally:
        place.release(name)


def _archived(place: Place, batch: Batch) -> str:
    """Where the content of a batch lies: in the archive, or still in the folder itself."""
    kept = (f"{ARCHIVE}/{name}" for name in archived_names(batch.place, batch.batch_id))
    for name in (*islice(kept, _NAMES_TRIED), batch.place):
        if not place.exists(name):
            continue
        same = hash_file(place.fetch(name)) == batch.content_sha256
        place.release(name)
        if same:
            return name
    raise _refused(batch.batch_id, f"its file {batch.place} is neither archived nor in the folder")


@dataclass(frozen=True)
class _Relanding(Landing):
    """A landing that refuses, before anything is written, to load a replayed record again."""

    def land_staged(
        self,
        draft: Batch,
        staging: Staging,
        rejected: list[Rejected],
        records: Mapping[int, bytes],
    ) -> Batch:
        """Land what is staged, unless replayed records of the batch would come twice."""
        replayed = self.ledger.quarantine(batch_id=draft.batch_id, state="replayed")
        again = {row.record_no for row in replayed} - {one.record_no for one in rejected}
        if again:
            staging.discard()
            raise _refused(
                draft.batch_id,
                f"{len(again)} of its records were replayed and the contract takes them now, so "
                "they would come twice",
            )
        return super().land_staged(draft, staging, rejected, records)


class _Unwritten(Ledger):
    """The ledger, from which a landing reads and into which it does not write yet."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.landed: list[tuple[Batch, list[QuarantineRow]]] = []

    def announce(self, batch: Batch) -> Batch:
        """Let a batch that is loaded be landed as if it were new."""
        return batch

    def refuse(self, batch: Batch, rejected: Iterable[QuarantineRow] = ()) -> Batch:
        """Leave a loaded batch as it is."""
        return batch

    def load(
        self,
        batch: Batch,
        rejected: Iterable[QuarantineRow],
        *,
        now: datetime,
        whole: bool = False,
    ) -> Batch:
        """Keep what was counted until every file is written."""
        self.landed.append((batch, list(rejected)))
        return batch


def _record(
    ledger: Ledger,
    before: list[Batch],
    landed: list[tuple[Batch, list[QuarantineRow]]],
    now: datetime,
) -> None:
    with ledger.rows.writing():
        for batch, rejected in landed:
            known = next(one for one in before if one.batch_id == batch.batch_id)
            # The statuses stay: a batch of a compacted file may have been superseded.
            ledger.rows.insert(
                "batch",
                replace(batch, status=known.status, loaded_at=known.loaded_at),
                "or replace",
            )
            ledger.rows.execute(
                "delete from quarantine where batch_id = ? and state = 'waiting'", [batch.batch_id]
            )
            for row in rejected:
                ledger.rows.insert("quarantine", row, "or ignore")
            for measure, counted in {"rows": str(batch.rows), **batch.sums}.items():
                ledger.rows.execute(
                    "update reconciliation set counted = ? where batch_id = ? and measure = ?",
                    [counted, batch.batch_id, measure],
                )
        left = {one.path for one in before if one.path} - {one.path for one, _ in landed}
        replace_files(ledger, sorted(left), now)


def _refused(batch_id: str, why: str) -> RelandingRefused:
    return RelandingRefused(
        f"Landing batch {batch_id} again failed: {why}. Nothing was changed. Trying again does not "
        "help until that is mended."
    )
