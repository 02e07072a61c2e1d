"""One file of a delivery becomes a batch: read, compared with its send log, landed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from connectors.contract import Stream
from connectors.errors import RefusedDelivery
from connectors.files.exchange import sums_agree
from connectors.files.reading import read_typed
from connectors.landing import Landing, quarantine_rows
from connectors.ledger_rows import Batch
from connectors.quarantining.kept_records import kept_records
from connectors.schema_change import ColumnFinding
from connectors.staging import BatchFacts, Staging, staging_folder
from connectors.validation import Rejected, count_sums, rejected_records

# A refused batch is sent anew, so its first faults are enough to find the cause.
_MOST_LISTED_OF_REFUSED = 1_000


@dataclass(frozen=True)
class _Counted:
    """What reading a file has shown; `staging` is None where its records lie in `typed`."""

    sha256: str
    header: Sequence[str] | None
    rows: int
    rejected: list[Rejected]
    rejections: int
    sums: Mapping[str, str]
    readable: bool
    findings: tuple[ColumnFinding, ...]
    extra: Sequence[str]
    staging: Staging | None


def land_file(landing: Landing, path: Path, batch: Batch) -> Batch:
    """Land a local file as `batch`, which has what its send log declares, and note new columns.

    Raises RefusedDelivery when the file cannot be read, does not fit its log or breaks its contract
    too often; a refusal for what was counted is in the ledger with its counts then.
    """
    stream = landing.contract.streams[batch.stream]
    counted = _count(landing, path, batch)
    try:
        if counted.sha256 != batch.content_sha256:
            raise RefusedDelivery("changed_file", "the file changed while it was read")
        batch = replace(
            batch,
            rows=counted.rows,
            rows_loaded=counted.rows - counted.rejections,
            rejected=counted.rejections,
            sums=counted.sums,
        )
        fault = _control_fault(batch, stream, counted)
        if fault is not None:
            landing.ledger.refuse(
                replace(batch, code=fault.code, reason=fault.reason),
                quarantine_rows(batch.batch_id, counted.rejected[:_MOST_LISTED_OF_REFUSED]),
            )
            raise fault
        if counted.rejected:
            code = batch.code or "malformed_row"
            reason = batch.reason or f"{batch.rejected} of {batch.rows} rows are in quarantine"
            batch = replace(batch, code=code, reason=reason)
        kept = kept_records(
            path, landing.contract.layout, counted.header, counted.rejected, landing.connection
        )
    except BaseException:
        if counted.staging is not None:
            counted.staging.discard()
        raise
    if counted.staging is None:
        batch = landing.land(batch, counted.rejected, kept, counted.extra)
    else:
        batch = landing.land_staged(batch, counted.staging, counted.rejected, kept)
    for finding in counted.findings:
        landing.ledger.note_event(
            finding.code,
            source=batch.source,
            stream=batch.stream,
            detail=finding.detail,
            now=landing.now,
        )
    return batch


def _count(landing: Landing, path: Path, batch: Batch) -> _Counted:
    contract, connection = landing.contract, landing.connection
    control = contract.streams[batch.stream].control.sums
    streamed = contract.interface.format in {"delimited", "national_centre"}
    if streamed and contract.shape == "streams":
        known = landing.ledger.batch(batch.batch_id)
        received_at = batch.received_at if known is None else known.received_at
        staged = landing.stager.stage(
            path,
            batch.stream,
            BatchFacts(batch.batch_id, batch.branch, batch.business_date, received_at),
            staging_folder(landing.home, batch.source),
        )
        return _Counted(
            staged.reading.sha256,
            staged.reading.header,
            staged.reading.records,
            staged.rejected,
            staged.rejections,
            {name: staged.sums[name] for name in control},
            staged.readable,
            staged.findings,
            (),
            staged.staging,
        )
    typed = read_typed(path, contract, batch.stream, connection, zone=landing.zone)
    rejected = rejected_records(connection, typed.places)
    sums, readable = count_sums(connection, control)
    return _Counted(
        typed.reading.sha256,
        typed.reading.header,
        typed.reading.records,
        rejected,
        len(rejected),
        sums,
        readable,
        typed.findings,
        list(typed.extra),
        None,
    )


def _control_fault(batch: Batch, stream: Stream, counted: _Counted) -> RefusedDelivery | None:
    """What a send log and a contract have against the counts of a file."""
    if batch.declared_rows != batch.rows:
        return RefusedDelivery(
            "lying_log", f"the send log says {batch.declared_rows} rows, {batch.rows} were read"
        )
    allowed = stream.reject_limit.allows(batch.rejected, batch.rows)
    if not allowed or counted.rejections > len(counted.rejected):
        return RefusedDelivery(
            "reject_limit", f"{batch.rejected} of {batch.rows} rows break the contract"
        )
    wrong = sums_agree(batch.declared_sums, batch.sums)
    # A quarantined row whose amount cannot be read may explain a difference.
    if wrong and counted.readable:
        said = ", ".join(
            f"{name} {batch.declared_sums.get(name, 'nothing')} against {batch.sums[name]}"
            for name in wrong
        )
        return RefusedDelivery("wrong_sum", f"declared and counted sums differ: {said}")
    return None
