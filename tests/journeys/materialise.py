"""Materialises Dagster partitions of the home in HUIYIN_HOME, in one process, for the tests.

Prints one JSON object: what each step did, by the name of the step.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import dagster as dg
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)

from pipelines.definitions import definitions


def main(instance_folder: str, *steps: str) -> None:
    """Do the steps: `stream:<source>:<stream>:<day>` or `range:<first>:<last>`."""
    done: dict[str, Any] = {}
    with dg.DagsterInstance.local_temp(instance_folder) as instance:
        for step in steps:
            kind, *given = step.split(":")
            done[step] = stream(instance, *given) if kind == "stream" else days(instance, *given)
    sys.stdout.write(json.dumps(done) + "\n")


def stream(instance: dg.DagsterInstance, source: str, name: str, day: str) -> Any:
    """Materialise the asset of one stream."""
    key = dg.AssetKey(["raw", source, name])
    land = definitions.resolve_asset_graph().get(key)
    result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance, partition_key=day, asset_selection=[key]
    )
    return described(result) | {"group": land.group_name}


def days(instance: dg.DagsterInstance, first: str, last: str) -> Any:
    """Materialise everything for a range of days in one run."""
    result = definitions.resolve_job_def("ingest_and_publish").execute_in_process(
        instance=instance,
        tags={ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last},
    )
    return described(result)


def described(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """The assets that were materialised, and the metadata of the snapshot."""
    materialised = [
        event.event_specific_data.materialization  # type: ignore[union-attr]
        for event in result.all_events
        if event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION
    ]
    return {
        "success": result.success,
        "assets": sorted({one.asset_key.to_user_string() for one in materialised}),
        "partitions": sorted({one.partition for one in materialised}),
        "snapshot": {
            name: value.value
            for one in materialised
            if one.asset_key.path[0] == "published"
            for name, value in one.metadata.items()
        },
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
