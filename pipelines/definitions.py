"""What `dagster dev -w workspace.yaml` loads: assets derived from contracts and models."""

from __future__ import annotations

import os

import dagster as dg

from pipelines.assets import (
    daily_partitions,
    landing_assets,
    mart_checks,
    stream_checks,
    warehouse_assets,
)
from pipelines.dbt_run import DBT_PROJECT
from pipelines.installation import Installation
from pipelines.marts import declared_marts
from pipelines.resources import InstallationResource
from pipelines.schedules import schedules
from pipelines.sensors import INTAKE, sensors

_installation = Installation.open(os.environ)
_settings, _contracts = _installation.settings, _installation.contracts
_days = daily_partitions(_settings.first_day, _settings.timezone, _installation.now())
_marts = declared_marts(DBT_PROJECT, _installation.home.site("dbt_project/models"))
_job = dg.define_asset_job(
    "ingest_and_publish",
    selection=dg.AssetSelection.all(),
    partitions_def=_days,
    description=(
        "落地各来源的新送达，构建主题表，检查，发布快照，排好到期的短信。\n\n"
        "Lands what the sources offer, builds the marts, tests, publishes, and plans messages."
    ),
)

definitions = dg.Definitions(
    assets=[*landing_assets(_contracts, _days), warehouse_assets(_contracts, _days, _marts)],
    asset_checks=[*stream_checks(_contracts), mart_checks(_marts)],
    jobs=[_job],
    sensors=sensors(
        _job.name,
        days=_days,
        intake=list(_contracts[INTAKE].streams) if INTAKE in _contracts else [],
        service={
            name: list(contract.streams)
            for name, contract in _contracts.items()
            if contract.interface.type == "service"
        },
    ),
    schedules=schedules(_job.name, days=_days),
    resources={"installation": InstallationResource()},
    executor=dg.in_process_executor,
)
