"""Materialises Dagster partitions of the home in HUIYIN_HOME, in one process, for the tests.

Prints one JSON object: what each step did, by the name of the step.
"""

from __future__ import annotations

import json
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)

from pipelines.definitions import definitions

AT_ONCE = {"resources": {"installation": {"config": {"retry_after_seconds": 0.1}}}}


def main(instance_folder: str, *steps: str) -> None:
    """Do the steps: `stream:<source>:<stream>:<day>`, `range:<first>:<last>`,

    `checks:<source>:<stream>`, or `locked:<first>:<last>:<lock>`, which is a range while another
    holds the lock until the first try has failed.
    """
    kinds = {"stream": stream, "range": days, "checks": checks, "locked": locked}
    done: dict[str, Any] = {}
    with dg.DagsterInstance.ephemeral(tempdir=instance_folder) as instance:
        for step in steps:
            kind, *given = step.split(":")
            done[step] = kinds[kind](instance, *given)
    sys.stdout.write(json.dumps(done) + "\n")


def stream(instance: dg.DagsterInstance, source: str, name: str, day: str) -> Any:
    """Materialise the asset of one stream."""
    key = dg.AssetKey(["raw", source, name])
    land = definitions.resolve_asset_graph().get(key)
    result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        partition_key=day,
        asset_selection=[key],
        run_config=AT_ONCE,
        raise_on_error=False,
    )
    return described(instance, result) | {"group": land.group_name}


def days(
    instance: dg.DagsterInstance, first: str, last: str, run_id: str | None = None
) -> dict[str, Any]:
    """Materialise everything for a range of days in one run."""
    result = definitions.resolve_job_def("ingest_and_publish").execute_in_process(
        instance=instance,
        run_id=run_id,
        tags={ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last},
        run_config=AT_ONCE,
        raise_on_error=False,
    )
    return described(instance, result)


def checks(instance: dg.DagsterInstance, source: str, name: str) -> dict[str, Any]:
    """Evaluate the checks of one stream, and nothing else."""
    selection = dg.AssetSelection.checks_for_assets(dg.AssetKey(["raw", source, name]))
    job = dg.define_asset_job("checks", selection=selection)
    repository = dg.Definitions(
        assets=definitions.assets,
        asset_checks=definitions.asset_checks,
        jobs=[job],
        resources=definitions.resources,
        executor=definitions.executor,
    )
    result = repository.resolve_job_def("checks").execute_in_process(
        instance=instance, run_config=AT_ONCE, raise_on_error=False
    )
    return described(instance, result)


def locked(instance: dg.DagsterInstance, first: str, last: str, lock: str) -> Any:
    """Materialise a range while the build lock is held until the first try has failed."""
    from pipelines.lock import build_lock

    run_id = str(uuid.uuid4())
    held = threading.Event()

    def hold() -> None:
        with build_lock(Path(lock), wait_seconds=0, say=print):
            held.set()
            while not instance.get_records_for_run(
                run_id, of_type=dg.DagsterEventType.STEP_UP_FOR_RETRY
            ).records:
                time.sleep(0.05)

    holder = threading.Thread(target=hold, daemon=True)
    holder.start()
    held.wait()
    done = days(instance, first, last, run_id)
    holder.join()
    return done


def described(instance: dg.DagsterInstance, result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """What was materialised, retried, checked and failed, and the metadata of the snapshot."""
    materialised = [
        event.event_specific_data.materialization  # type: ignore[union-attr]
        for event in result.all_events
        if event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION
    ]
    failures = [
        event.step_failure_data
        for event in result.all_events
        if event.event_type == dg.DagsterEventType.STEP_FAILURE
    ]
    return {
        "success": result.success,
        "retries": sum(
            event.event_type == dg.DagsterEventType.STEP_RESTARTED for event in result.all_events
        ),
        "failures": [
            {
                "description": failure.user_failure_data.description
                if failure.user_failure_data
                else None,
                "told": [part.message for part in chain(failure.error)],
                "metadata": sorted(failure.user_failure_data.metadata)
                if failure.user_failure_data
                else [],
            }
            for failure in failures
        ],
        "checks": latest_checks(instance),
        "assets": sorted({one.asset_key.to_user_string() for one in materialised}),
        "partitions": sorted({one.partition for one in materialised}),
        "metadata": {
            one.asset_key.to_user_string(): {
                name: value.value if isinstance(value.value, str | int | float) else str(value)
                for name, value in one.metadata.items()
            }
            for one in materialised
        },
        "snapshot": {
            name: value.value
            for one in materialised
            if one.asset_key.path[0] == "published"
            for name, value in one.metadata.items()
        },
    }


def chain(error: Any) -> list[Any]:
    """The error and its causes."""
    return [] if error is None else [error, *chain(error.cause)]


def latest_checks(instance: dg.DagsterInstance) -> dict[str, list[Any]]:
    """The last result of every check: passed, severity, sentence."""
    keys = list(definitions.resolve_asset_graph().asset_check_keys)
    found = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    told = {}
    for key, record in found.items():
        event = record.event.dagster_event if record.event else None
        evaluation: Any = event.event_specific_data if event else None
        if isinstance(evaluation, dg.AssetCheckEvaluation):
            name = f"{key.asset_key.to_user_string()}:{key.name}"
            told[name] = [evaluation.passed, evaluation.severity.value, evaluation.description]
    return told


if __name__ == "__main__":
    main(*sys.argv[1:])
