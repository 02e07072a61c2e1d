"""dbt in this process: a command takes about a second where a child process takes seven."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import Any

import duckdb

from connectors.sql_text import literal
from pipelines.build_manifest import parsed_project
from pipelines.errors import BuildFailedError
from pipelines.mart_tests import NodeResult, write_outcomes
from pipelines.settings import PROJECT_ROOT

DBT_PROJECT = PROJECT_ROOT / "dbt_project"
_NAMES_ITS_FAULTS = "is_sound"


def run_dbt(
    arguments: Sequence[str],
    *,
    warehouse: Path,
    work: Path,
    target: Path,
    site_models: Path,
    memory_limit: str,
    threads: int,
    outcomes: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[NodeResult]:
    """Run one dbt command and return what every node did.

    `progress` gets (nodes done, nodes in all). How each mart and its tests came out is written to
    `outcomes`, also where they failed. Raises BuildFailedError with every failed node when
    a model or a test of severity error fails, and when dbt itself cannot start.
    """
    from dbt.cli.main import dbtRunner

    done = 0

    def listen(event: Any) -> None:
        nonlocal done
        if progress is None or event.info.name != "NodeFinished":
            return
        done += 1
        progress(done, 0)

    target.mkdir(parents=True, exist_ok=True)
    told = {
        "HUIYIN_WAREHOUSE_PATH": str(warehouse),
        "HUIYIN_WORK_PATH": str(work),
        "HUIYIN_SITE_MODELS": str(_copied(site_models, target / "site_models")),
        "HUIYIN_DBT_MEMORY_LIMIT": memory_limit,
        "HUIYIN_DBT_THREADS": str(threads),
    }
    output = StringIO()
    try:
        with (
            _environment(told),
            redirect_stdout(output),
            redirect_stderr(output),
            parsed_project(DBT_PROJECT, target, site_models) as manifest,
        ):
            outcome = dbtRunner(manifest=manifest, callbacks=[listen]).invoke(
                [
                    *arguments,
                    "--project-dir",
                    str(DBT_PROJECT),
                    "--profiles-dir",
                    str(DBT_PROJECT),
                    "--target-path",
                    str(target),
                    "--log-path",
                    str(target / "logs"),
                    "--quiet",
                    "--no-version-check",
                    # What is told is told by `progress` and the error; nobody sees a console.
                    "--log-level",
                    "none",
                    # Faults are told at this level; below it every statement is written too.
                    "--log-level-file",
                    "info",
                ]
            )
    finally:
        release_dbt()
    if outcome.exception is not None:
        raise BuildFailedError(
            f"Building the models failed before the first one ran: {outcome.exception}. "
            "Nothing was published; the last good snapshot serves on. "
            "Trying again does not help; correct the model or setting named above."
        ) from outcome.exception
    result: Any = outcome.result
    executed = getattr(result, "results", [])
    results = [_node_result(one) for one in executed]
    failed = [index for index, one in enumerate(results) if one.status in {"error", "fail"}]
    if outcomes is not None and executed:
        write_outcomes(outcomes, results, built_at=result.generated_at)
    if failed or not outcome.success:
        lines = "\n".join(
            f"  {results[index].kind} {results[index].name}: "
            + _fault(executed[index], results[index], warehouse, work)
            for index in failed
        )
        raise BuildFailedError(
            f"Building the models found {len(failed)} structural fault(s):\n{lines}\n"
            "Nothing was published; the last good snapshot serves on. Trying again helps only if "
            "the disk or memory was full; otherwise mend the model or its input "
            f"(details: {target / 'logs' / 'dbt.log'})."
        )
    return results


def _copied(site_models: Path, copies: Path) -> Path:
    """A fresh copy of a home's own models: dbt writes compiled SQL over files outside its project.

    Raises BuildFailedError if they cannot be read or the copies not be written.
    """
    try:
        if copies.exists():
            shutil.rmtree(copies)
        if site_models.is_dir():
            shutil.copytree(site_models, copies)
    except OSError as error:
        raise BuildFailedError(
            f"Copying the models in {site_models} to {copies} failed: {error}. Nothing was "
            "published; the last good snapshot serves on. Trying again helps once the cause is "
            "gone."
        ) from error
    return copies


@contextmanager
def _environment(told: Mapping[str, str]) -> Iterator[None]:
    """Variables that dbt's profile reads, for the time of one command only."""
    before = {name: os.environ.get(name) for name in told}
    os.environ.update(told)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def release_dbt() -> None:
    """Close dbt's connections, which otherwise keep both database files locked."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.adapters.factory import reset_adapters

    DuckDBConnectionManager.close_all_connections()
    reset_adapters()


def _fault(executed: Any, result: NodeResult, warehouse: Path, work: Path) -> str:
    """What a failed node is told as; a test that names its faults itself is asked for them."""
    if result.kind != "test" or result.status == "error":
        return result.message
    metadata = getattr(executed.node, "test_metadata", None)
    if metadata is not None and metadata.name == _NAMES_ITS_FAULTS:
        with suppress(duckdb.Error), duckdb.connect(str(warehouse), read_only=True) as connection:
            connection.execute(f"attach {literal(str(work))} as work (read_only)")
            faults = connection.execute(executed.node.compiled_code).fetchall()
            return "; ".join(f"{fault} ({count} rows)" for fault, count in faults)
    return f"{result.failures} rows fail"


def _node_result(result: Any) -> NodeResult:
    node = result.node
    about = getattr(node, "attached_node", None)
    if str(node.resource_type.value) != "test":
        above: list[str] = []
    else:
        above = [about] if about else list(node.depends_on.nodes)
    return NodeResult(
        name=node.name,
        kind=str(node.resource_type.value),
        status=str(result.status.value if hasattr(result.status, "value") else result.status),
        seconds=float(result.execution_time or 0),
        message=" ".join(str(result.message or "").split()),
        failures=int(result.failures or 0),
        severity=str(getattr(node.config, "severity", "")).lower(),
        folders=tuple(node.fqn[1:-1]),
        of=tuple(one.rpartition(".")[2] for one in above),
    )
