"""Dagster assets: the functions of `pipelines.workflow` with partitions, groups and descriptions.

A partition is a business date. Landing takes whatever a source offers, and a chosen range of
days is rebuilt in one run whether or not new batches touch it.

Annotations are not postponed in this module: Dagster reads those of an asset's body as types.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

import dagster as dg
import yaml

from connectors.contract import Contract
from pipelines.resources import InstallationResource

SNAPSHOT = dg.AssetKey(["published", "snapshot"])
_MARTS = Path("models") / "marts"


def daily_partitions(first_day: date, zone: str) -> dg.DailyPartitionsDefinition:
    """One partition a business date in the operator's zone, from `first_day` on."""
    return dg.DailyPartitionsDefinition(start_date=first_day.isoformat(), timezone=zone)


def landing_assets(
    contracts: Mapping[str, Contract], days: dg.DailyPartitionsDefinition
) -> list[dg.AssetsDefinition]:
    """One multi-asset a source, with an asset for each of its streams."""
    return [_landing(contract, days) for _, contract in sorted(contracts.items())]


def _landing(contract: Contract, days: dg.DailyPartitionsDefinition) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=f"land_{contract.source}",
        specs=[
            dg.AssetSpec(
                _raw_key(contract.source, stream),
                description=f"{contract.label.zh} / {contract.label.en}: {declared.grain}.",
                group_name=contract.source,
                partitions_def=days,
                kinds={"parquet"},
            )
            for stream, declared in contract.streams.items()
        ],
        backfill_policy=dg.BackfillPolicy.single_run(),
        can_subset=True,
    )
    def land(
        context: dg.AssetExecutionContext, installation: InstallationResource
    ) -> Iterator[dg.MaterializeResult[None]]:
        from pipelines.workflow import ingest

        landed = ingest(installation.open(), say=_say(context), source=contract.source)
        for error in landed.failures.values():
            raise error
        # A source is read as a whole; a run of some of its streams reports on these.
        chosen = context.selected_asset_keys
        for stream in (
            name for name in contract.streams if _raw_key(contract.source, name) in chosen
        ):
            own = [delivery for delivery in landed.deliveries if delivery.stream == stream]
            yield dg.MaterializeResult(
                asset_key=_raw_key(contract.source, stream),
                metadata={
                    "batches": len(own),
                    "rows": sum(delivery.loaded for delivery in own),
                    "rejected": sum(delivery.rejected for delivery in own),
                },
            )

    return land


def warehouse_assets(
    contracts: Mapping[str, Contract], days: dg.DailyPartitionsDefinition, dbt_project: Path
) -> dg.AssetsDefinition:
    """The marts and the published snapshot: one body, since they are built and swapped together."""
    raw = [_raw_key(name, stream) for name, c in sorted(contracts.items()) for stream in c.streams]
    marts = [
        dg.AssetSpec(
            _mart_key(model),
            description=description,
            group_name=group,
            partitions_def=days,
            deps=raw,
            kinds={"dbt", "duckdb"},
        )
        for model, group, description in _models(dbt_project)
    ]
    snapshot = dg.AssetSpec(
        SNAPSHOT,
        description="The immutable version of the warehouse that every reader sees.",
        group_name="published",
        partitions_def=days,
        deps=[spec.key for spec in marts],
        kinds={"duckdb"},
    )

    @dg.multi_asset(
        name="warehouse",
        specs=[*marts, snapshot],
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool="warehouse",
    )
    def warehouse(
        context: dg.AssetExecutionContext, installation: InstallationResource
    ) -> Iterator[dg.MaterializeResult[None]]:
        from pipelines.telling import tell
        from pipelines.workflow import build_and_publish

        opened = installation.open()
        report = build_and_publish(opened, say=_say(context), forced_days=_days(context))
        told = tell(opened)
        for spec in marts:
            yield dg.MaterializeResult(asset_key=spec.key)
        yield dg.MaterializeResult(
            asset_key=SNAPSHOT,
            metadata={
                "snapshot": report.tag,
                "published": report.published,
                "new batches": report.new,
                "messages queued": told.messages,
            },
        )

    return warehouse


def _raw_key(source: str, stream: str) -> dg.AssetKey:
    return dg.AssetKey(["raw", source, stream])


def _mart_key(model: str) -> dg.AssetKey:
    return dg.AssetKey(["marts", model])


def _models(dbt_project: Path) -> list[tuple[str, str, str]]:
    """Name, domain and description of every mart, read from the files beside the models."""
    found = []
    for path in sorted((dbt_project / _MARTS).rglob("*.sql")):
        properties = yaml.safe_load(path.with_suffix(".yml").read_text(encoding="utf-8"))
        description = next(
            (m.get("description", "") for m in properties["models"] if m["name"] == path.stem), ""
        )
        found.append((path.stem, path.parent.name, description.strip()))
    return found


def _days(context: dg.AssetExecutionContext) -> Sequence[date]:
    if not (context.has_partition_key or context.has_partition_key_range):
        return []
    return [date.fromisoformat(key) for key in context.partition_keys]


def _say(context: dg.AssetExecutionContext) -> Callable[[str], None]:
    return lambda text: context.log.info(text)
