"""Exchange with partners: exports that are due are made and delivered, their answers are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from math import inf
from time import monotonic
from typing import TYPE_CHECKING

from pipelines.errors import HomeError, PipelineError
from pipelines.home import read_home
from pipelines.installation import Installation
from pipelines.lock import build_lock
from pipelines.working_days import working_days_of

if TYPE_CHECKING:
    from connectors.exporting.declaration import ExportDeclaration
    from connectors.exporting.desk import ExportDesk
    from connectors.exporting.schedule import DueExport
    from connectors.ledger import Ledger
    from connectors.ledger_rows import Export
    from cubes.snapshot import Snapshot

_LOCK_SECONDS = 20
_LONGEST_DETAIL = 500


@dataclass(frozen=True)
class ExchangeReport:
    """What one round did: exports delivered, exports whose answer was read, and what failed."""

    delivered: tuple[Export, ...]
    answered: tuple[Export, ...]
    failures: tuple[str, ...]


def exports_of(installation: Installation) -> dict[str, ExportDeclaration]:
    """The exports of an installation; the examples only in the home of the simulated province.

    Raises DeclarationError, also for one whose query is not known or takes other parameters.
    """
    from connectors.exporting.declaration import load_exports

    return load_exports(
        installation.search_path("connectors/exports"),
        examples=read_home(installation.home).get("demonstrates") == "province",
        queries=installation.catalogue.queries,
    )


def export_desk(installation: Installation) -> ExportDesk:
    """What the service hands out to its clients."""
    from connectors.exporting.desk import ExportDesk

    return ExportDesk(
        declarations=exports_of(installation),
        home=installation.home.path,
        open_ledger=installation.ledger,
    )


def exchange(
    installation: Installation, *, say: Callable[[str], None], seconds: float = inf
) -> ExchangeReport:
    """Make and deliver every export that is due, take up what was cut short, read the answers.

    One failure never stops the others. Days that were missed are made up for. An export is begun
    only if by its own limit it is written within `seconds` of the round; the rest is left to the
    next one. Without a published snapshot only answers are read.
    """
    from connectors.exporting.confirmation import watch_exports
    from cubes.errors import SnapshotError

    declarations = exports_of(installation)
    delivered: list[Export] = []
    failures: list[str] = []
    with ExitStack() as opened:
        try:
            snapshot = opened.enter_context(installation.snapshot())
        except SnapshotError:
            snapshot = None
        if snapshot is not None:
            begun = monotonic()
            for due in _due(installation, declarations, snapshot):
                spare = seconds - (monotonic() - begun) - due.declaration.bounds.seconds
                if spare < 0:
                    break
                say(f"{due.declaration.export} {due.business_date}")
                try:
                    delivered.append(_export_due(installation, snapshot, due, spare))
                except _failing() as error:
                    failures.append(f"{due.declaration.export} {due.business_date}: {error}")
    with installation.ledger() as ledger:
        answered = tuple(
            watch_exports(
                declarations,
                ledger,
                home=installation.home.path,
                now=installation.now(),
                secret=installation.secret,
                failed=lambda error: failures.append(str(error)),
            )
        )
    return ExchangeReport(tuple(delivered), answered, tuple(failures))


def _failing() -> tuple[type[Exception], ...]:
    """What may fail about one export and concerns no other."""
    from connectors.errors import ConnectorError
    from cubes.errors import CubeError

    return ConnectorError, CubeError, PipelineError, OSError


def _export_due(
    installation: Installation, snapshot: Snapshot, due: DueExport, spare: float
) -> Export:
    """Make and deliver a due export; one that cannot be made becomes an exchange event, once.

    It waits at most `spare` seconds for another process that exports.
    What trying again may mend becomes one only after the time its partner has for confirming.
    """
    from connectors.exporting.ledger import UNMADE, ExportLedger

    declaration, day = due.declaration, due.business_date
    try:
        return _export(installation, snapshot, declaration, day, again=False, spare=spare)
    except _failing() as error:
        passing = getattr(error, "retryable", isinstance(error, OSError))
        now = installation.now()
        if not passing or now > due.since + declaration.patience:
            with installation.ledger() as ledger:
                if ExportLedger(ledger.rows).latest(declaration.export, day) is None:
                    ledger.note_event(
                        UNMADE,
                        source=declaration.partner,
                        stream=declaration.export,
                        business_date=day,
                        detail=" ".join(str(error).split())[:_LONGEST_DETAIL],
                        now=now,
                    )
        raise


def export_now(
    installation: Installation, names: Sequence[str], day: date | None, *, again: bool
) -> list[Export]:
    """Make and deliver exports by name, whatever their schedule says; `day` default the snapshot's.

    Without `again`, one that was made for that day is only delivered if it has not been. Raises
    HomeError for a day after the published one, ConnectorError, QueryError, SnapshotError.
    """
    declarations = exports_of(installation)
    with installation.snapshot() as snapshot:
        published = date.fromisoformat(snapshot.info["business_date"])
        asked = day or published
        if asked > published:
            raise HomeError(
                f"导出 {asked} 没有做：已发布的数据只到 {published}，之后的数字还不存在。"
                f"发布之后再试：huiyin run\nExporting {asked} was not done: what is published ends "
                f"on {published}, and later figures do not exist yet. Trying again helps after the "
                "next publish: huiyin run"
            )
        return [
            _export(installation, snapshot, declarations[name], asked, again=again)
            for name in names
        ]


def _due(
    installation: Installation,
    declarations: dict[str, ExportDeclaration],
    snapshot: Snapshot,
) -> list[DueExport]:
    """What was announced and not delivered and what is due by schedule, an export at a time.

    What is too far back to be made up for is noted, each day once. Every export has its turn before
    one has its second, so that none waits for all the days of another.
    """
    from connectors.exporting.ledger import ANNOUNCED, ExportLedger
    from connectors.exporting.schedule import DueExport, due_exports

    with installation.ledger() as ledger:
        exports = ExportLedger(ledger.rows)
        plan = due_exports(
            declarations.values(),
            published=date.fromisoformat(snapshot.info["business_date"]),
            now=installation.now(),
            zone=installation.settings.timezone,
            is_working=working_days_of(installation, installation.settings.calendar),
            history=exports.history,
        )
        if plan.lapsed:
            _note_lapsed(ledger, plan.lapsed, installation.now())
        cut_short = [
            DueExport(declarations[made.export], made.business_date, made.announced_at)
            for made in exports.exports(status=ANNOUNCED)
            if made.export in declarations
        ]
    turns: Counter[str] = Counter()
    in_turn: list[tuple[int, DueExport]] = []
    for due in (*cut_short, *plan.due):
        in_turn.append((turns[due.declaration.export], due))
        turns[due.declaration.export] += 1
    in_turn.sort(key=lambda one: one[0])
    return [due for _, due in in_turn]


def _note_lapsed(ledger: Ledger, lapsed: Sequence[DueExport], now: datetime) -> None:
    from connectors.exporting.ledger import UNMADE
    from connectors.exporting.schedule import MOST_DAYS
    from connectors.exporting.told import Told, noted

    too_far = Told(
        f"到期时没有做，现在已太远，不会自动补做（每日的导出只补 {MOST_DAYS} 天以内的）",
        "it was not made when it was due and lies too far back to be made up for by itself (a "
        f"daily export: {MOST_DAYS} days)",
    )
    told = {
        (event.stream, event.business_date)
        for event in ledger.exchange_events(unresolved=True, code=UNMADE)
    }
    for one in lapsed:
        declaration = one.declaration
        if (declaration.export, one.business_date) not in told:
            ledger.note_event(
                UNMADE,
                source=declaration.partner,
                stream=declaration.export,
                business_date=one.business_date,
                detail=noted([too_far]),
                now=now,
            )


def _export(
    installation: Installation,
    snapshot: Snapshot,
    declaration: ExportDeclaration,
    day: date,
    *,
    again: bool,
    spare: float = inf,
) -> Export:
    from connectors.exporting.ledger import ExportLedger
    from connectors.exporting.making import Content, deliver_export, make_export
    from cubes.record_stream import stream_named_records
    from cubes.scope import Scope

    home = installation.home
    lock = home.path / "locks" / "exports.lock"
    with (
        build_lock(lock, wait_seconds=min(_LOCK_SECONDS, spare), say=_quiet, doing="exporting"),
        installation.ledger() as ledger,
    ):
        exports = ExportLedger(ledger.rows)
        made = None if again else exports.latest(declaration.export, day)
        if made is None:
            unit = declaration.unit
            with (
                _limits_told(declaration),
                snapshot.cursor() as cursor,
                stream_named_records(
                    installation.catalogue,
                    cursor,
                    declaration.query,
                    dict(declaration.parameters),
                    scope=Scope.all() if unit is None else Scope.units([unit]),
                    business_date=day,
                    language="zh",
                    warehouse=snapshot.warehouse,
                    limits=declaration.bounds,
                    keys=True,
                ) as answer,
            ):
                _require_columns(declaration, answer.schema.names)
                made = make_export(
                    declaration,
                    Content(answer.rows(), day, str(snapshot.info["tag"])),
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


@contextmanager
def _limits_told(declaration: ExportDeclaration) -> Iterator[None]:
    """Say of an answer beyond its limits that those are the export's own."""
    from cubes.errors import AnswerTooLarge, AnswerTooSlow

    try:
        yield
    except (AnswerTooLarge, AnswerTooSlow) as error:
        bounds = declaration.bounds
        raise type(error)(
            zh=f"{error.text('zh')}这份导出最多 {bounds.rows} 行、最长 {bounds.seconds:g} 秒："
            f"见声明 {declaration.export}.yml 的“limits”。",
            en=f"{error} This export may have {bounds.rows} rows and take {bounds.seconds:g} "
            f"seconds: 'limits' in its declaration {declaration.export}.yml.",
        ) from error


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
