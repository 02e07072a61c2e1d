"""What was known then: the marts of an earlier moment, built beside everything else into a file.

Batches count by their arrival, rules by their announcement; models, contracts and cubes are those
of the present. The home's own databases, its ledger and its snapshots are only read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from pipelines.build_input import Exchange
from pipelines.errors import KnownThenError, RawGoneError
from pipelines.home import Home
from pipelines.installation import Installation
from pipelines.known_file import sign
from pipelines.ledger_then import exchange_then, missing_files, reads_then
from pipelines.scratch_folder import scratch_folder, whole_file

if TYPE_CHECKING:
    from connectors.ledger_rows import Batch, SnapshotLogRow

Say = Callable[[str], None]

_TAG = re.compile(r"\d{8}-\d{4,}")
_MOST_NAMED = 10
_TOLD = ("message_id", "kind", "subject_id", "account_id", "created_at")


@dataclass(frozen=True)
class Moment:
    """The moment asked about, aware; `snapshot` is what was published then, if a tag named it."""

    at: datetime
    snapshot: SnapshotLogRow | None = None


@dataclass(frozen=True)
class Comparable:
    """A published snapshot that was built from the same batches for the same business date.

    What its `messages` told are figures that the built file must give again. `is_same_moment` says
    that it speaks of the same instant too, `is_same_definition` that today's models and cubes are
    those it was built by.
    """

    tag: str
    as_of: datetime
    is_same_moment: bool
    is_same_definition: bool
    messages: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class KnownThen:
    """What was built: the file, the moment it knows, what it is made of.

    `information` is what published.json says of a snapshot. `comparable` are the snapshots whose
    messages can be compared with it, `before` the tag of the last snapshot up to the moment.
    """

    file: Path
    known_at: datetime
    batches: int
    models: int
    checks: int
    information: Mapping[str, Any]
    comparable: tuple[Comparable, ...]
    before: str | None


@dataclass(frozen=True)
class _Beside(Home):
    """The home with the files that a build writes in a folder of their own."""

    folder: Path

    @property
    def work(self) -> Path:
        return self.folder / "work.duckdb"

    @property
    def warehouse(self) -> Path:
        return self.folder / "warehouse.duckdb"

    @property
    def dbt(self) -> Path:
        return self.folder / "dbt"


def read_moment(
    text: str, *, now: datetime, zone: str, snapshots: Sequence[SnapshotLogRow]
) -> Moment:
    """Read `now`, a snapshot's tag or an ISO instant, which without an offset is local to `zone`.

    A date alone is its first instant. Raises KnownThenError for anything else, an unknown tag and a
    moment that has not come yet.
    """
    if text == "now":
        return Moment(now)
    for snapshot in snapshots:
        if snapshot.tag == text:
            return Moment(snapshot.published_at, snapshot)
    # Some tags would pass for an instant.
    if _TAG.fullmatch(text):
        last = f"the last one is {snapshots[-1].tag}" if snapshots else "there is none yet"
        raise KnownThenError(
            f"Asking what was known at snapshot {text} failed: none of that tag was ever published "
            f"here; {last}. Nothing was built. Trying again does not help; name another tag or an "
            "instant."
        )
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise KnownThenError(
            f"Asking what was known at {text!r} failed: that is no instant. Nothing was built. "
            f"Write 2026-03-31T09:00 (local to {zone}), 2026-03-31T09:00+08:00, a snapshot's tag "
            "or now."
        ) from error
    if at.tzinfo is None:
        at = at.replace(tzinfo=ZoneInfo(zone))
    if at > now:
        local = now.astimezone(ZoneInfo(zone))
        raise KnownThenError(
            f"Asking what was known at {at.isoformat()} failed: that has not come yet, it is "
            f"{local.isoformat(timespec='seconds')}. Nothing was built. Name an earlier moment."
        )
    return Moment(at)


def build_known_then(
    installation: Installation,
    moment_text: str,
    file: Path,
    *,
    force: bool = False,
    say: Say,
    progress: Callable[[int, int], None] | None = None,
) -> KnownThen:
    """Build what was known at a moment (see `read_moment`) into `file`.

    Takes no lock of the ordinary build and may run beside it. `file` appears whole or not at all,
    and takes the place of another one only with `force`. Raises KnownThenError when the moment or
    the file is not usable, RawGoneError when rows known then are not kept any more, and
    BuildFailedError for a structural fault.
    """
    from connectors.ledger import Ledger
    from pipelines.build import build, definition_version
    from pipelines.completeness import source_health
    from pipelines.operator_rows import recorded_rules
    from pipelines.workflow import build_request
    from pipelines.working_days import working_days

    home, settings, now = installation.home, installation.settings, installation.now()
    target = file.expanduser()
    target = target.parent.resolve() / target.name
    if target.is_relative_to(home.path.resolve()):
        raise KnownThenError(
            f"Writing {target} was refused: it lies in the home, beside files that others keep "
            "there. Nothing was built. Name a file elsewhere."
        )
    with (
        whole_file(target, replaces=force) as whole,
        scratch_folder(home.path / "known_then") as folder,
    ):
        # Without a ledger nothing was ever known, and asking must not make one.
        ledger_path = home.ledger if home.ledger.exists() else folder / "ledger.db"
        home.require_store(home.ledger)
        with Ledger(ledger_path) as ledger:
            snapshots = ledger.snapshots()
            moment = read_moment(moment_text, now=now, zone=settings.timezone, snapshots=snapshots)
            present = Exchange(tuple(ledger.batches()), tuple(ledger.exchange_events()))
            listed = None if moment.snapshot is None else _listed(moment.snapshot)
            exchange = exchange_then(present, moment.at, listed)
            batches = _read_here(installation, exchange.batches, moment.snapshot)
            _require_rows(batches, home, present.batches)
            say(f"{len(batches)} batches were known at {moment.at.isoformat()}")
            request = replace(build_request(installation), as_of=moment.at, known_at=moment.at)
            report = build(
                _Beside(home.path, folder),
                settings,
                request,
                installation.contracts,
                installation.declared_contracts,
                installation.catalogue,
                batches,
                ledger.batch,
                exchange=exchange,
                rules=recorded_rules(home, ledger, now),
                progress=progress,
            )
            reads = reads_then(ledger.last_reads(), batches, moment.at)
        version = definition_version(home, installation.contracts)
        information = {
            **_information(installation, moment, request.business_date, version),
            "build_id": report.frozen.build_id,
            "sources": source_health(
                installation.contracts,
                batches,
                request.business_date,
                last_reads=reads,
                zone=request.zone,
                working_days=working_days(installation),
            ),
            "batches": len(batches),
            "warnings": [node.name for node in report.nodes if node.status == "warn"],
        }
        sign(folder / "warehouse.duckdb", information)
        whole.put(folder / "warehouse.duckdb")
    before = [one.tag for one in snapshots if one.published_at <= moment.at]
    return KnownThen(
        file=target,
        known_at=moment.at,
        batches=len(batches),
        models=sum(node.kind in {"model", "seed"} for node in report.nodes),
        checks=sum(node.kind == "test" for node in report.nodes),
        information=information,
        comparable=_comparable(installation, snapshots, moment, batches, version),
        before=moment.snapshot.tag if moment.snapshot else (before[-1] if before else None),
    )


def _listed(snapshot: SnapshotLogRow) -> frozenset[str]:
    ids = snapshot.detail.get("batch_ids")
    if ids is None:
        raise KnownThenError(
            f"Building what snapshot {snapshot.tag} knew failed: the log does not list its "
            "batches. Nothing was built. Name its instant instead: "
            f"{snapshot.published_at.isoformat()}."
        )
    return frozenset(ids)


def _read_here(
    installation: Installation, batches: Sequence[Batch], snapshot: SnapshotLogRow | None
) -> list[Batch]:
    """The loaded batches of the streams that are read here; all of those of a snapshot."""
    contracts = installation.contracts
    read = [
        batch
        for batch in batches
        if batch.status == "loaded"
        and batch.source in contracts
        and batch.stream in contracts[batch.source].streams
    ]
    if snapshot is None:
        return read
    lacking = _listed(snapshot) - {batch.batch_id for batch in read}
    if lacking:
        named = {f"{batch.source}.{batch.stream}" for batch in batches if batch.batch_id in lacking}
        raise KnownThenError(
            f"Building what snapshot {snapshot.tag} knew failed: {len(lacking)} of its batches are "
            f"of streams that are not read here any more: {', '.join(sorted(named)) or 'unknown'}. "
            "Nothing was built. Trying again helps once HUIYIN_SOURCES and the contracts have them."
        )
    return read


def _require_rows(batches: Sequence[Batch], home: Home, every: Sequence[Batch]) -> None:
    missing = missing_files(batches, home.path, every)
    if not missing:
        return
    lines = "\n".join(f"  {said}" for _, said in missing[:_MOST_NAMED])
    more = f"\n  and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
    raise RawGoneError(
        f"Building what was known then failed: rows of {len(missing)} batch(es) known at that "
        f"moment are not kept:\n{lines}{more}\nNothing was built. Name a moment after they had "
        "left, or look whether a backup of the published snapshots has one of that time."
    )


def _information(
    installation: Installation,
    moment: Moment,
    business_date: date,
    version: str,
) -> dict[str, Any]:
    from importlib import metadata

    settings = installation.settings
    at = moment.at.astimezone(ZoneInfo(settings.timezone)).isoformat()
    return {
        "tag": f"known-at-{moment.snapshot.tag if moment.snapshot else at}",
        "known_at": at,
        "published_at": installation.now().isoformat(),
        "as_of": at,
        "business_date": business_date.isoformat(),
        "zone": settings.timezone,
        "currency": settings.currency,
        "code_version": metadata.version("huiyin"),
        "definition_version": version,
    }


def _comparable(
    installation: Installation,
    snapshots: Sequence[SnapshotLogRow],
    moment: Moment,
    batches: Sequence[Batch],
    version: str,
) -> tuple[Comparable, ...]:
    from pipelines.telling import messages_of

    ids = {batch.batch_id for batch in batches}
    zone = ZoneInfo(installation.settings.timezone)
    told: dict[str, list[Mapping[str, Any]]] = {}
    if installation.home.operations.exists():
        for message in messages_of(installation):
            told.setdefault(str(message["snapshot"]), []).append(
                {name: message[name] for name in _TOLD}
            )
    return tuple(
        Comparable(
            tag=one.tag,
            as_of=one.published_at,
            is_same_moment=one.published_at == moment.at,
            is_same_definition=one.code_version == version,
            messages=tuple(told[one.tag]),
        )
        for one in snapshots
        if one.tag in told
        and set(one.detail.get("batch_ids", ())) == ids
        and one.published_at.astimezone(zone).date() == moment.at.astimezone(zone).date()
    )
