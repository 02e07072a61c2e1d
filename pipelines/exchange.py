"""Exchange with partners: exports that are due are made and delivered, their answers are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from pipelines.errors import HomeError
from pipelines.home import read_home
from pipelines.installation import Installation
from pipelines.lock import build_lock
from pipelines.working_days import working_days_of

if TYPE_CHECKING:
    from connectors.exporting.declaration import ExportDeclaration
    from connectors.exporting.desk import ExportDesk
    from connectors.ledger_rows import Export
    from cubes.snapshot import Snapshot

_LOCK_SECONDS = 60


@dataclass(frozen=True)
class ExchangeReport:
    """What one round did: exports delivered, exports whose answer was read, and what failed."""

    delivered: tuple[Export, ...]
    answered: tuple[Export, ...]
    failures: tuple[str, ...]


def exports_of(installation: Installation) -> dict[str, ExportDeclaration]:
    """The exports of an installation; the examples only in the home of the simulated province."""
    from connectors.exporting.declaration import load_exports

    return load_exports(
        installation.search_path("connectors/exports"),
        examples=read_home(installation.home).get("demonstrates") == "province",
    )


def export_desk(installation: Installation) -> ExportDesk:
    """What the service hands out to its clients."""
    from connectors.exporting.desk import ExportDesk

    return ExportDesk(
        declarations=exports_of(installation),
        home=installation.home.path,
        open_ledger=installation.ledger,
    )


def exchange(installation: Installation, *, say: Callable[[str], None]) -> ExchangeReport:
    """Make and deliver every export that is due, take up what was cut short, read the answers.

    One failure never stops the others. Without a published snapshot only answers are read.
    """
    from connectors.errors import ConnectorError
    from connectors.exporting.confirmation import watch_exports
    from cubes.errors import SnapshotError

    declarations = exports_of(installation)
    delivered: list[Export] = []
    failures: list[str] = []
    with suppress(SnapshotError), installation.snapshot() as snapshot:
        for declaration, day in _due(installation, declarations, snapshot):
            say(f"{declaration.export} {day}")
            try:
                delivered.append(_export(installation, snapshot, declaration, day, again=False))
            except ConnectorError as error:
                failures.append(str(error))
    answered: list[Export] = []
    with installation.ledger() as ledger:
        try:
            for settled in watch_exports(
                declarations,
                ledger,
                home=installation.home.path,
                now=installation.now(),
                secret=installation.secret,
            ):
                answered.append(settled)
        except ConnectorError as error:
            failures.append(str(error))
    return ExchangeReport(tuple(delivered), tuple(answered), tuple(failures))


def export_now(
    installation: Installation, names: Sequence[str], day: date | None, *, again: bool
) -> list[Export]:
    """Make and deliver exports by name, whatever their schedule says; `day` default the snapshot's.

    Without `again`, one that was made for that day is only delivered if it has not been. Raises
    ConnectorError, QueryError, SnapshotError.
    """
    declarations = exports_of(installation)
    with installation.snapshot() as snapshot:
        asked = day or date.fromisoformat(snapshot.info["business_date"])
        return [
            _export(installation, snapshot, declarations[name], asked, again=again)
            for name in names
        ]


def _due(
    installation: Installation,
    declarations: dict[str, ExportDeclaration],
    snapshot: Snapshot,
) -> list[tuple[ExportDeclaration, date]]:
    """What is due by schedule, and what was announced and not delivered."""
    from connectors.exporting.ledger import ExportLedger
    from connectors.exporting.schedule import due_exports

    with installation.ledger() as ledger:
        exports = ExportLedger(ledger.rows)
        due = due_exports(
            declarations.values(),
            published=date.fromisoformat(snapshot.info["business_date"]),
            now=installation.now(),
            zone=installation.settings.timezone,
            is_working=working_days_of(installation, installation.settings.calendar),
            is_made=lambda name, day: exports.latest(name, day) is not None,
        )
        cut_short = [
            (declarations[made.export], made.business_date)
            for made in exports.exports(status="announced")
            if made.export in declarations
        ]
    return cut_short + [(one.declaration, one.business_date) for one in due]


def _export(
    installation: Installation,
    snapshot: Snapshot,
    declaration: ExportDeclaration,
    day: date,
    *,
    again: bool,
) -> Export:
    from connectors.exporting.ledger import ExportLedger
    from connectors.exporting.making import Content, deliver_export, make_export
    from cubes.named_query import run_named_query
    from cubes.scope import Scope

    home = installation.home
    lock = home.path / "locks" / "exports.lock"
    with (
        build_lock(lock, wait_seconds=_LOCK_SECONDS, say=_quiet, work="export"),
        installation.ledger() as ledger,
    ):
        exports = ExportLedger(ledger.rows)
        made = None if again else exports.latest(declaration.export, day)
        if made is None:
            unit = declaration.unit
            with snapshot.cursor() as cursor:
                result = run_named_query(
                    installation.catalogue,
                    cursor,
                    declaration.query,
                    dict(declaration.parameters),
                    scope=Scope.all() if unit is None else Scope.units([unit]),
                    business_date=day,
                    keys=True,
                    warehouse=snapshot.warehouse,
                    snapshot=snapshot.info["tag"],
                )
            _require_columns(declaration, [column.name for column in result.columns])
            made = make_export(
                declaration,
                Content(result.rows, day, str(snapshot.info["tag"])),
                home=home.path,
                exports=exports,
                now=installation.now(),
            )
        if made.status != "announced":
            return made
        return deliver_export(
            declaration,
            made,
            home=home.path,
            exports=exports,
            now=installation.now(),
            secret=installation.secret,
        )


def _quiet(_text: str) -> None:
    """Say nothing."""


def _require_columns(declaration: ExportDeclaration, known: Sequence[str]) -> None:
    """Refuse a declaration that names columns its query does not answer with."""
    from connectors.errors import ExportMismatch
    from cubes.declaration import suggest

    missing = [
        f"'{column.from_ or name}'{suggest(column.from_ or name, known)}"
        for name, column in declaration.columns.items()
        if (column.from_ or name) not in {*known, "business_date"}
    ]
    if missing:
        raise ExportMismatch(
            f"Making the export '{declaration.export}' failed: the query '{declaration.query}' has "
            f"no column {', '.join(missing)}. Trying again does not help; correct its columns."
        )


def require_exports(installation: Installation, names: Sequence[str]) -> None:
    """Raise HomeError naming the exports there are, if one of `names` is none of them."""
    from cubes.declaration import suggest

    known = exports_of(installation)
    for name in names:
        if name not in known:
            raise HomeError(
                f"There is no export '{name}'{suggest(name, known)}. Known exports: "
                f"{', '.join(known) or 'none; declare one in site/connectors/exports/'}."
            )
