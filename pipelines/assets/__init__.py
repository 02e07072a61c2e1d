"""Dagster assets, derived from the contracts and the models; a decorated body opens and calls."""

from pipelines.assets.checks import mart_checks, stream_checks
from pipelines.assets.keys import daily_partitions, mart_key, raw_key
from pipelines.assets.landing import landing_assets
from pipelines.assets.warehouse import warehouse_assets

__all__ = [
    "daily_partitions",
    "landing_assets",
    "mart_checks",
    "mart_key",
    "raw_key",
    "stream_checks",
    "warehouse_assets",
]
