"""Build: freeze the input, run dbt, add the cube views, check, mark the batches built.

The marker `marts.build_batch` is written last, with the row that describes the build.
A build that was killed before it leaves its batches unmarked, so the same command repeats them and
makes every mart from the start.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from connectors.contract import Contract
from connectors.ledger_rows import Batch
from cubes.catalogue import Catalogue, check_catalogue
from cubes.query_macro import create_macros
from cubes.view import create_views
from pipelines.aggregate_gate import make_aggregates
from pipelines.build_input import (
    BuildInput,
    BuildRequest,
    Exchange,
    as_naive,
    freeze,
    insert_columns,
    is_left_unfinished,
    mark_finished,
)
from pipelines.dbt_run import DBT_PROJECT, run_dbt
from pipelines.errors import BuildFailedError
from pipelines.explanation_check import check_explanations
from pipelines.home import Home
from pipelines.mart_tests import NodeResult
from pipelines.operator_rows import SITE as RULES_OF_SITE
from pipelines.operator_rows import Rules, read_rules
from pipelines.settings import PROJECT_ROOT, Settings

_CUBES = PROJECT_ROOT / "cubes"
_MOST_NAMED = 10
_NICENESS = 10


@dataclass(frozen=True)
class BuildReport:
    """What a build did; `full` says that every model was rebuilt from the start."""

    frozen: BuildInput
    nodes: tuple[NodeResult, ...]
    full: bool


def build(
    home: Home,
    settings: Settings,
    request: BuildRequest,
    contracts: Mapping[str, Contract],
    declared: Mapping[str, Contract],
    catalogue: Catalogue,
    batches: Sequence[Batch],
    find: Callable[[str], Batch | None],
    *,
    exchange: Exchange | None = None,
    matters: Sequence[str] = (),
    rules: Rules | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> BuildReport:
    """Build the marts in `warehouse.duckdb` from the loaded batches.

    `find` looks up any batch ever landed; `exchange` and `matters` are as in `freeze`; `rules` are
    those of the home as they stand if none are given. The caller holds the build lock. Raises
    BuildFailedError for a structural fault, DeclarationError for faulty rule rows.
    """
    _give_way()
    version = model_version(home, contracts)
    rules = rules or read_rules(home, request.as_of)
    _require_calendars(rules, request, contracts)
    in_force = rules.in_force(request.as_of, request.zone)
    signature = f"{version}/{request.zone}/{request.calendar}/{request.currency}/{in_force}"
    with _explained(home.warehouse):
        last = _last_build(home.warehouse)
    # Incremental tables know nothing of definitions, settings, rules that come into force, a moment
    # that went back or a build that was killed between two of them.
    full = last is not None and (
        last.signature != signature or last.as_of > as_naive(request.as_of)
    )
    _require_raw(batches, home)
    with (
        _explained(home.work),
        duckdb.connect(str(home.work), config=_configuration(settings)) as work,
    ):
        full = full or is_left_unfinished(work, is_built=last is not None)
        frozen = freeze(
            work,
            request,
            contracts,
            declared,
            batches,
            built=last.batch_ids if last else frozenset(),
            home=home.path,
            find=find,
            exchange=exchange or Exchange(),
            matters=matters,
            operator_rows=rules.recorded,
        )
    arguments = ["build", "--no-write-json", "--exclude-resource-type", "unit_test"]
    if full:
        arguments.append("--full-refresh")
    nodes = run_dbt(
        arguments,
        warehouse=home.warehouse,
        work=home.work,
        target=home.dbt,
        site_models=home.site("dbt_project/models"),
        memory_limit=settings.memory_limit,
        threads=settings.threads,
        outcomes=home.mart_outcomes,
        progress=progress,
    )
    with (
        _explained(home.warehouse),
        duckdb.connect(str(home.warehouse), config=_configuration(settings)) as warehouse,
    ):
        create_views(catalogue, warehouse, zone=request.zone)
        check_catalogue(catalogue, warehouse)
        make_aggregates(catalogue, warehouse, rng=random.Random(frozen.build_id))
        create_macros(catalogue, warehouse, business_date=request.business_date, zone=request.zone)
        check_explanations(warehouse)
        _mark_built(warehouse, frozen, signature)
        warehouse.execute("checkpoint")
    with _explained(home.work), duckdb.connect(str(home.work)) as work:
        mark_finished(work)
    return BuildReport(frozen, tuple(nodes), full)


def _give_way() -> None:
    """Let people at the doors go first: a build may take its time, the intake may not.

    The threads of dbt and the engine are started from this one and inherit its niceness.
    """
    present = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, max(present, _NICENESS))


def _require_raw(batches: Sequence[Batch], home: Home) -> None:
    """Raise BuildFailedError naming every loaded batch whose Parquet file is gone."""
    lost = [batch for batch in batches if batch.path and not (home.path / batch.path).is_file()]
    if not lost:
        return
    named = "\n".join(
        f"  {batch.path} ({batch.source} {batch.stream}, delivered as {batch.place})"
        for batch in lost[:_MOST_NAMED]
    )
    more = f"\n  and {len(lost) - _MOST_NAMED} more" if len(lost) > _MOST_NAMED else ""
    raise BuildFailedError(
        f"Building was not started: {len(lost)} landed file(s) are gone from {home.path}:\n"
        f"{named}{more}\nNothing was published; the last good snapshot serves on. Trying again "
        "helps once the files are restored from a backup."
    )


def _require_calendars(
    rules: Rules, request: BuildRequest, contracts: Mapping[str, Contract]
) -> None:
    """Raise BuildFailedError naming every calendar that is asked for and not declared."""
    asked = {"HUIYIN_CALENDAR": request.calendar}
    asked |= {f"contract {name}": one.calendar for name, one in contracts.items() if one.calendar}
    unknown = [f"  {place}: {name}" for place, name in asked.items() if name not in rules.calendars]
    if unknown:
        raise BuildFailedError(
            "Building was not started: these calendars are not declared:\n"
            + "\n".join(unknown)
            + f"\nDeclared are {', '.join(sorted(rules.calendars))}. Trying again does not help; "
            "name one of these, or declare it in site/dbt_project/seeds/calendar.csv of the home."
        )


@contextmanager
def _explained(database: Path) -> Iterator[None]:
    """Turn a database that cannot be used into one message; both files are made from raw/."""
    try:
        yield
    except duckdb.Error as error:
        cause = str(error).partition("\n")[0]
        raise BuildFailedError(
            f"Building with {database} failed: {cause}. Nothing was published; the last good "
            "snapshot serves on. Trying again helps if memory or the disk was full; if the file "
            f"named above is damaged: delete it if it is {database.name}, which the next build "
            "makes anew from raw/, else restore it from a backup."
        ) from error


def model_version(home: Home, contracts: Mapping[str, Contract]) -> str:
    """A hash over models, macros, seeds, the operator's rule rows and what contracts say.

    Incremental tables made under another version are stale and are rebuilt in full.
    """
    folders = [DBT_PROJECT, home.site("dbt_project/models"), home.site(RULES_OF_SITE)]
    digest = _hashed(folders, {".sql", ".csv"})
    for source, contract in sorted(contracts.items()):
        levels = list(contract.org.levels) if contract.org else []
        said = (source, contract.shape, contract.zone, contract.calendar, contract.currency, levels)
        digest.update(repr(said).encode() + b"\0")
    return digest.hexdigest()[:12]


def definition_version(home: Home, contracts: Mapping[str, Contract]) -> str:
    """A hash over everything a snapshot is made by: models, their docs, cubes and their views."""
    digest = _hashed(
        [DBT_PROJECT, home.site("dbt_project/models"), _CUBES, home.site("cubes")],
        {".sql", ".csv", ".yml"},
    )
    digest.update(_hashed([_CUBES], {".py"}).digest())
    digest.update(model_version(home, contracts).encode())
    return digest.hexdigest()[:12]


def _hashed(folders: Sequence[Path], suffixes: set[str]) -> hashlib._Hash:
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix in suffixes and "target" not in path.parts:
                digest.update(str(path.relative_to(folder)).encode() + b"\0")
                digest.update(path.read_bytes() + b"\0")
    return digest


def _configuration(settings: Settings) -> dict[str, str | bool | int | float | list[str]]:
    return {"memory_limit": settings.memory_limit, "threads": settings.threads}


@dataclass(frozen=True)
class _LastBuild:
    """What the last finished build says of itself; `as_of` is naive UTC."""

    batch_ids: frozenset[str]
    build_id: str
    signature: str
    as_of: datetime


def _last_build(warehouse: Path) -> _LastBuild | None:
    if not warehouse.exists():
        return None
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        finished = connection.execute(
            "select 1 from information_schema.columns where table_schema = 'marts' "
            "and table_name = 'build' and column_name = 'as_of'"
        ).fetchone()
        if not finished:
            return None
        row = connection.execute("select build_id, signature, as_of from marts.build").fetchone()
        batches = connection.execute("select batch_id from marts.build_batch").fetchall()
    return _LastBuild(frozenset(b[0] for b in batches), *row) if row else None


def built_batches(warehouse: Path) -> frozenset[str]:
    """The batches that the last finished build read; empty before the first one."""
    with _explained(warehouse):
        last = _last_build(warehouse)
    return last.batch_ids if last else frozenset()


def _mark_built(warehouse: duckdb.DuckDBPyConnection, frozen: BuildInput, signature: str) -> None:
    warehouse.execute("begin")
    warehouse.execute(
        "create or replace table marts.build_batch (batch_id varchar, build_id varchar)"
    )
    ids = sorted(batch.batch_id for batch in frozen.batches)
    built_by = [frozen.build_id] * len(ids)
    insert_columns(warehouse, "marts.build_batch", {"batch_id": ids, "build_id": built_by})
    warehouse.execute(
        "create or replace table marts.build (build_id varchar, signature varchar, "
        "business_date date, zone varchar, as_of timestamp)"
    )
    request = frozen.request
    warehouse.execute(
        "insert into marts.build values (?, ?, ?, ?, ?)",
        [
            frozen.build_id,
            signature,
            request.business_date,
            request.zone,
            as_naive(request.as_of),
        ],
    )
    warehouse.execute("commit")
