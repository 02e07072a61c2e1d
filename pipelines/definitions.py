"""What `dagster dev -w workspace.yaml` loads: assets derived from contracts and models."""

from __future__ import annotations

import os

import dagster as dg

from pipelines.assets import daily_partitions, landing_assets, warehouse_assets
from pipelines.dbt_run import DBT_PROJECT
from pipelines.installation import Installation
from pipelines.resources import InstallationResource

_installation = Installation.open(os.environ)
_days = daily_partitions(_installation.settings.first_day, _installation.settings.timezone)

definitions = dg.Definitions(
    assets=[
        *landing_assets(_installation.contracts, _days),
        warehouse_assets(_installation.contracts, _days, DBT_PROJECT),
    ],
    jobs=[dg.define_asset_job("ingest_and_publish", selection="*", partitions_def=_days)],
    resources={"installation": InstallationResource()},
    executor=dg.in_process_executor,
)
