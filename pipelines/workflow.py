"""The three steps of the journey as functions: ingest, build and publish, tell.

The command line, the demo and the Dagster assets call the same functions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from pipelines.build_input import BuildRequest, build_id_of
from pipelines.errors import BuildFailedError
from pipelines.home import Home
from pipelines.installation import Installation
from pipelines.lock import build_lock
from pipelines.publish import current_tag, publish

if TYPE_CHECKING:
    from connectors.landing import Delivery

Say = Callable[[str], None]


@dataclass(frozen=True)
class PublishReport:
    """What building and publishing did.

    `published` is False when nothing had changed since the snapshot `tag`. `models` and `checks`
    count the nodes that ran; `new` and `gone` the batches that changed.
    """

    tag: str
    published: bool
    models: int
    checks: int
    new: int
    gone: int
    full: bool
    information: Mapping[str, Any]


@dataclass(frozen=True)
class IngestReport:
    """What landing did: the deliveries, and the sources that could not be read, by name."""

    deliveries: tuple[Delivery, ...]
    failures: Mapping[str, Exception]


def ingest(installation: Installation, *, say: Say, source: str | None = None) -> IngestReport:
    """Land what the sources offer.

    Bad records, refused batches and a source that cannot be reached never stop the others.
    """
    from connectors.errors import ConnectorError
    from connectors.landing import land_source

    deliveries: list[Delivery] = []
    failures: dict[str, Exception] = {}
    with installation.ledger() as ledger, installation.pii_store() as pii:
        for name, contract in installation.contracts.items():
            if source is not None and name != source:
                continue
            say(name)
            try:
                landed = land_source(
                    contract,
                    home=installation.home.path,
                    ledger=ledger,
                    pii=pii,
                    now=installation.now(),
                    zone=installation.settings.timezone,
                )
            except ConnectorError as error:
                failures[name] = error
            else:
                deliveries.extend(landed)
    return IngestReport(tuple(deliveries), failures)


def build_and_publish(
    installation: Installation,
    *,
    say: Say,
    forced_days: Sequence[date] = (),
    progress: Callable[[int, int], None] | None = None,
) -> PublishReport:
    """Build from the batches loaded now and publish a snapshot, one build at a time.

    With the same batches, moment and definitions as the published snapshot and no forced days,
    nothing is done. Raises BuildLockedError, BuildFailedError or PublishError.
    """
    from connectors.ledger import CheckResult, SnapshotLogRow
    from pipelines.build import build, definition_version
    from pipelines.completeness import source_health

    home, settings = installation.home, installation.settings
    home.ensure()
    wait = settings.build_wait_minutes * 60
    with build_lock(home.build_lock, wait_seconds=wait, say=say), installation.ledger() as ledger:
        request = BuildRequest(
            as_of=installation.now(),
            zone=settings.timezone,
            calendar=settings.calendar,
            currency=settings.currency,
            forced_days=tuple(forced_days),
        )
        contracts = installation.contracts
        batches = [
            batch
            for batch in ledger.loaded_batches()
            if batch.source in contracts and batch.stream in contracts[batch.source].streams
        ]
        build_id = build_id_of(request, batches)
        previous = published_information(home)
        version = definition_version(home)
        same = (
            previous.get("build_id") == build_id and previous.get("definition_version") == version
        )
        if same and not forced_days:
            tag = str(previous["tag"])
            return PublishReport(tag, False, 0, 0, 0, 0, False, previous)

        def note(status: str, detail: str) -> None:
            result = CheckResult(build_id, "build", status, "error", detail, request.as_of)
            ledger.append_check_results([result])

        history = {batch.batch_id: batch for batch in ledger.batches()}
        try:
            report = build(
                home,
                settings,
                request,
                contracts,
                installation.declared_contracts,
                installation.catalogue,
                batches,
                history,
                progress=progress,
            )
        except BuildFailedError as error:
            note("failed", str(error))
            raise
        note("passed", f"{len(report.nodes)} nodes")
        tag = _next_tag(home, request.business_date)
        information = {
            "tag": tag,
            "published_at": request.as_of.isoformat(),
            "build_id": build_id,
            "as_of": request.as_of.isoformat(),
            "business_date": request.business_date.isoformat(),
            "zone": request.zone,
            "currency": request.currency,
            "definition_version": report.definition_version,
            "sources": source_health(contracts, batches, request.business_date),
            "batches": len(batches),
        }
        publish(
            home.warehouse,
            home.published,
            tag,
            information,
            now=datetime.now(UTC),
            keep=settings.keep_snapshots,
        )
        ledger.append_snapshot(
            SnapshotLogRow(
                tag=tag,
                build_id=build_id,
                published_at=request.as_of,
                batches=len(batches),
                code_version=version,
                detail={"batch_ids": [batch.batch_id for batch in batches]},
            )
        )
        return PublishReport(
            tag=tag,
            published=True,
            models=sum(node.kind in {"model", "seed"} for node in report.nodes),
            checks=sum(node.kind == "test" for node in report.nodes),
            new=len(report.frozen.new),
            gone=len(report.frozen.gone),
            full=report.full,
            information=information,
        )


def published_information(home: Home) -> dict[str, Any]:
    """`published.json` of the snapshot that serves now; empty before the first publish."""
    if current_tag(home.published) is None:
        return {}
    path = home.published / "current" / "published.json"
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return data


def _next_tag(home: Home, business_date: date) -> str:
    """`<business date>-<running number>`: higher than every snapshot this home ever made."""
    counter = home.published / "sequence"
    home.published.mkdir(parents=True, exist_ok=True)
    last = int(counter.read_text()) if counter.exists() else 0
    temporary = counter.with_name(".sequence")
    temporary.write_text(str(last + 1))
    temporary.replace(counter)
    return f"{business_date:%Y%m%d}-{last + 1:04d}"
