"""The three steps of the journey as functions: ingest, build and publish, tell.

The command line, the demo and the Dagster assets call the same functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib import metadata
from typing import TYPE_CHECKING, Any

from cubes.errors import DeclarationError
from pipelines.build_input import BuildRequest, Exchange, build_id_of
from pipelines.delivery_history import open_matters
from pipelines.errors import BuildFailedError, PublishError
from pipelines.home import Home
from pipelines.installation import Installation
from pipelines.lock import build_lock
from pipelines.own_source import OWN_SOURCE, prepare_own_source
from pipelines.publish import publish

if TYPE_CHECKING:
    from connectors.contract import Label
    from connectors.landing import Delivery
    from connectors.ledger import Ledger
    from connectors.ledger_rows import Batch

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

    Bad records, refused batches and a source that cannot be read never stop the others. What kept
    a source from being read is an exchange event until a landing of it ends well.
    """
    from connectors.errors import ConnectorError
    from connectors.landing import land_source
    from connectors.reading_hours import OUTSIDE_HOURS
    from connectors.source_trouble import note_trouble, settle_trouble
    from pipelines.tidying import tidy_archive_within_hours

    deliveries: list[Delivery] = []
    failures: dict[str, Exception] = {}
    with installation.ledger() as ledger, installation.pii_store() as pii:
        for name, contract in installation.contracts.items():
            if source is not None and name != source:
                continue
            say(name)
            try:
                if name == OWN_SOURCE:
                    prepare_own_source(installation)
                landed = land_source(
                    contract,
                    home=installation.home.path,
                    ledger=ledger,
                    pii=pii,
                    now=installation.now(),
                    zone=installation.settings.timezone,
                    memory_limit=installation.settings.memory_limit,
                    secret=installation.secret,
                )
            except ConnectorError as error:
                failures[name] = error
                note_trouble(ledger, name, error, now=installation.now())
            else:
                deliveries.extend(landed)
                if all(one.code != OUTSIDE_HOURS for one in landed):
                    settle_trouble(ledger, name, now=installation.now())
                    tidy_archive_within_hours(installation, ledger, contract)
        watch(installation, ledger, source=source)
    return IngestReport(tuple(deliveries), failures)


def watch(installation: Installation, ledger: Ledger, *, source: str | None = None) -> int:
    """Note what is late, missing or silent by the delivery calendar; returns how much is new.

    Of all sources also settles what can end in no other way: events of sources that are not read
    and exports that are not declared any more.
    """
    from connectors.delivery_calendar import watch_deliveries
    from pipelines.working_days import working_days

    if source is None:
        _settle_forsaken(installation, ledger)
    absent = watch_deliveries(
        ledger,
        {
            name: contract
            for name, contract in installation.contracts.items()
            if source in (None, name)
        },
        installation.now(),
        zone=installation.settings.timezone,
        working_days=working_days(installation),
    )
    return len(absent)


def _settle_forsaken(installation: Installation, ledger: Ledger) -> None:
    from connectors.exporting.ledger import UNMADE
    from connectors.source_trouble import settle_troubles_of_others
    from cubes.errors import DeclarationError
    from pipelines.exchange import exports_of

    now = installation.now()
    settle_troubles_of_others(ledger, installation.contracts, now=now)
    unmade = ledger.exchange_events(unresolved=True, code=UNMADE)
    if not unmade:
        return
    # Of faulty declarations nobody knows which of them are gone.
    with suppress(DeclarationError):
        declared = exports_of(installation)
        for event in unmade:
            if event.stream not in declared:
                ledger.resolve_event(event.event_id, now=now)


def build_and_publish(
    installation: Installation,
    *,
    say: Say,
    forced_days: Sequence[date] = (),
    progress: Callable[[int, int], None] | None = None,
) -> PublishReport:
    """Build from the batches loaded now and publish a snapshot, one build at a time.

    With the same batches, matters of the exchange, moment and definitions as the published snapshot
    and no forced days, nothing is done. Raises BuildLockedError, BuildFailedError or PublishError.
    """
    from connectors.ledger_rows import CheckResult
    from pipelines.build import build, definition_version
    from pipelines.completeness import source_health
    from pipelines.operator_rows import remember_rules
    from pipelines.working_days import working_days

    home, settings = installation.home, installation.settings
    home.ensure()
    wait = settings.build_wait_minutes * 60
    with build_lock(home.build_lock, wait_seconds=wait, say=say), installation.ledger() as ledger:
        request = build_request(installation, forced_days)
        contracts = installation.contracts
        matters, exchange = matters_and_exchange(ledger)
        batches = [
            batch
            for batch in exchange.batches
            if batch.status == "loaded"
            and batch.source in contracts
            and batch.stream in contracts[batch.source].streams
        ]
        build_id = build_id_of(request, batches, matters)
        previous = published_information(installation)
        version = definition_version(home, contracts)
        same = (
            previous.get("build_id") == build_id and previous.get("definition_version") == version
        )
        if same and not forced_days and home.warehouse.exists():
            tag = str(previous["tag"])
            # A process that was killed right after the swap left this to the next one.
            _log_snapshot(ledger, previous, batches)
            return PublishReport(tag, False, 0, 0, 0, 0, False, previous)

        def note(status: str, detail: str) -> None:
            result = CheckResult(build_id, "build", status, "error", detail, request.as_of)
            ledger.append_check_results([result])

        try:
            report = build(
                home,
                settings,
                request,
                contracts,
                installation.declared_contracts,
                installation.catalogue,
                batches,
                ledger.batch,
                exchange=exchange,
                matters=matters,
                rules=remember_rules(home, ledger, request.as_of),
                progress=progress,
            )
        except BuildFailedError as error:
            note("failed", str(error))
            raise
        note("passed", f"{len(report.nodes)} nodes")
        ledger.append_check_results(
            CheckResult(build_id, node.name, "warned", "warn", node.message, request.as_of)
            for node in report.nodes
            if node.status == "warn"
        )
        tag = _next_tag(home, request.business_date)
        information = {
            "tag": tag,
            "published_at": request.as_of.isoformat(),
            "build_id": build_id,
            "as_of": request.as_of.isoformat(),
            "business_date": request.business_date.isoformat(),
            "zone": request.zone,
            "currency": request.currency,
            "code_version": metadata.version("huiyin"),
            "definition_version": version,
            "sources": source_health(
                contracts,
                batches,
                request.business_date,
                last_reads=ledger.last_reads(),
                zone=request.zone,
                working_days=working_days(installation),
            ),
            "batches": len(batches),
            "warnings": [node.name for node in report.nodes if node.status == "warn"],
        }
        publish(
            home.warehouse,
            home.published,
            tag,
            information,
            now=datetime.now(UTC),
            keep=settings.keep_snapshots,
        )
        _log_snapshot(ledger, information, batches)
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


def matters_and_exchange(ledger: Ledger) -> tuple[tuple[str, ...], Exchange]:
    """Ids of the open matters and the history that is built, which has each of them.

    Matters are read first: what a sensor notes meanwhile is in no build id, so that the next look
    differs and builds it, whether the history had it already or not.
    """
    matters = open_matters(ledger)
    return matters, Exchange(tuple(ledger.batches()), tuple(ledger.exchange_events()))


def build_request(installation: Installation, forced_days: Sequence[date] = ()) -> BuildRequest:
    """What a build of this installation at this moment is about."""
    from notifications.account import load_roles
    from pipelines.home import read_roster

    settings = installation.settings
    roles = load_roles(installation.search_path("notifications/roles")).values()
    positions = {
        position for role in roles if "analyse" in role.permissions for position in role.positions
    }
    return BuildRequest(
        as_of=installation.now(),
        zone=settings.timezone,
        calendar=settings.calendar,
        currency=settings.currency,
        forced_days=tuple(forced_days),
        analyst_positions=tuple(sorted(positions)),
        analyst_duties=tuple(
            (str(member["staff_id"]), str(member["org_unit_id"]))
            for member in read_roster(installation.home)
            if member.get("is_active") and member.get("position") in positions
        ),
        partners=_partners(installation),
    )


def _partners(installation: Installation) -> tuple[tuple[str, Label], ...]:
    """The labels of partners; a faulty export is told where exports are made and stops no build."""
    from pipelines.exchange import exports_of

    try:
        exports = exports_of(installation).values()
    except DeclarationError:
        return ()
    found = {one.partner: one.partner_label for one in exports if one.partner_label is not None}
    return tuple(sorted(found.items()))


def _log_snapshot(ledger: Ledger, information: Mapping[str, Any], batches: Sequence[Batch]) -> None:
    """Append the snapshot of `information` to the log that is kept for ever."""
    from connectors.ledger_rows import SnapshotLogRow

    ledger.append_snapshot(
        SnapshotLogRow(
            tag=information["tag"],
            build_id=information["build_id"],
            published_at=datetime.fromisoformat(information["published_at"]),
            batches=len(batches),
            code_version=information["definition_version"],
            detail={"batch_ids": [batch.batch_id for batch in batches]},
        )
    )


def published_information(installation: Installation) -> dict[str, Any]:
    """`published.json` of the snapshot that serves now.

    Empty before the first publish and for a snapshot that is damaged: it must be made anew.
    """
    from cubes.errors import SnapshotError

    try:
        with installation.snapshot() as snapshot:
            return dict(snapshot.info)
    except SnapshotError:
        return {}


def _next_tag(home: Home, business_date: date) -> str:
    """`<business date>-<running number>`: higher than every snapshot this home ever made."""
    counter = home.published / "sequence"
    try:
        home.published.mkdir(parents=True, exist_ok=True)
        counted = counter.read_text(encoding="utf-8").strip() if counter.exists() else "0"
        # A counter that was lost or damaged goes on behind the snapshots that are there.
        tags = [path.name.rpartition("-")[2] for path in home.published.glob("snapshots/*-*")]
        last = max(int(number) for number in ["0", counted, *tags] if number.isdecimal())
        temporary = counter.with_name(".sequence")
        temporary.write_text(str(last + 1))
        temporary.replace(counter)
    except OSError as error:
        raise PublishError(
            f"Publishing into {home.published} failed: {error.strerror}: {error.filename}. The "
            "last good snapshot serves on. Trying again helps once the cause is gone."
        ) from error
    return f"{business_date:%Y%m%d}-{last + 1:04d}"
