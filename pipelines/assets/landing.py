"""One multi-asset a source: its streams, landed as Parquet.

Annotations are not postponed in this module: Dagster reads those of an asset's body as types.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from connectors.contract import Contract
from pipelines.assets.failure import MAX_RETRIES, is_ours, mapped
from pipelines.assets.keys import SNAPSHOT, both, raw_group, raw_key, say, team
from pipelines.resources import InstallationResource
from pipelines.stream_checks import due_text

if TYPE_CHECKING:
    from connectors.landing import Delivery
    from pipelines.stream_findings import Landed


def landing_assets(
    contracts: Mapping[str, Contract], days: dg.DailyPartitionsDefinition
) -> list[dg.AssetsDefinition]:
    """One multi-asset a source, with an asset for each of its streams."""
    return [_landing(contract, days) for _, contract in sorted(contracts.items())]


def _spec(contract: Contract, stream: str, days: dg.DailyPartitionsDefinition) -> dg.AssetSpec:
    declared = contract.streams[stream]
    columns = [
        dg.TableColumn(
            name,
            column.duckdb_type.lower(),
            description="个人信息，已换成代号 / personal, kept as a pseudonym"
            if column.pii
            else None,
            constraints=dg.TableColumnConstraints(nullable=not column.required),
        )
        for name, column in declared.columns.items()
    ]
    return dg.AssetSpec(
        raw_key(contract.source, stream),
        description=both(
            f"{contract.label.zh}，{declared.label.zh}："
            f"{due_text(contract, stream, language='zh')}。"
            "原样落地，不可更改；坏记录进隔离区。",
            f"{contract.label.en}, {declared.label.en.lower()}: {declared.grain}; "
            f"{due_text(contract, stream, language='en')}. Landed as it came and never changed; "
            "bad records go to quarantine.",
        ),
        group_name=raw_group(contract.source),
        partitions_def=days,
        kinds={
            "parquet",
            _KINDS[contract.interface.type],
        },
        owners=[team(contract.owner)],
        tags={"layer": "raw", "interface": contract.interface.type},
        metadata={
            "dagster/column_schema": dg.TableSchema(columns=columns),
            "label": f"{declared.label.zh} / {declared.label.en}",
            "key": ", ".join(declared.key),
            "location": contract.interface.location,
        },
    )


_KINDS = {
    "table": "sql",
    "extract": "sql",
    "files": "csv",
    "inbox": "sqlite",
    "service": "json",
}


def _landing(contract: Contract, days: dg.DailyPartitionsDefinition) -> dg.AssetsDefinition:
    keys = {stream: raw_key(contract.source, stream) for stream in contract.streams}

    @dg.multi_asset(
        name=f"land_{contract.source}",
        specs=[_spec(contract, stream, days) for stream in contract.streams],
        backfill_policy=dg.BackfillPolicy.single_run(),
        can_subset=True,
        description=both(
            f"读取{contract.label.zh}新送达的一切",
            f"Land everything new that {contract.label.en} offers",
        ),
    )
    def land(
        context: dg.AssetExecutionContext, installation: InstallationResource
    ) -> Iterator[dg.MaterializeResult[None]]:
        from pipelines.stream_findings import landed_in_all
        from pipelines.workflow import ingest

        opened = installation.open()
        with mapped(retry_after=installation.retry_after_seconds):
            landed = ingest(opened, say=say(context), source=contract.source)
            for error in landed.failures.values():
                if not _goes_on(context, error):
                    raise error
                # A source that cannot be read stops no build of the others: its check tells.
                context.log.error(str(error))
        in_all = landed_in_all(opened, contract.source)
        # A source is read as a whole; a run of some of its streams reports on these.
        for stream, key in keys.items():
            if key in context.selected_asset_keys:
                own = [one for one in landed.deliveries if one.stream == stream]
                metadata = landed_metadata(contract.source, stream, own, in_all.get(stream))
                if landed.failures:
                    metadata["not read"] = "; ".join(map(str, landed.failures.values()))
                yield dg.MaterializeResult(asset_key=key, metadata=metadata)

    return land


def _goes_on(context: dg.AssetExecutionContext, error: Exception) -> bool:
    """Whether the run builds also and nothing is left to try for this source."""
    builds = SNAPSHOT in context.job_def.asset_layer.executable_asset_keys
    tried = not getattr(error, "retryable", False) or context.retry_number >= MAX_RETRIES
    return builds and tried and is_ours(error)


def landed_metadata(
    source: str, stream: str, deliveries: "Sequence[Delivery]", in_all: "Landed | None"
) -> dict[str, Any]:
    """What this landing brought of a stream, and what lies in raw of it, for its page."""
    loaded = [one for one in deliveries if one.status == "loaded"]
    metadata: dict[str, Any] = {
        "new batches": len(loaded),
        "new rows": sum(one.loaded for one in loaded),
        "new rejected rows": sum(one.rejected for one in loaded),
        "refused batches": sum(one.status == "refused" for one in deliveries),
    }
    days = [day for one in loaded for day in (one.covers_from, one.business_date) if day]
    if days:
        metadata["new dates"] = f"{min(days)} … {max(days)}"
    if in_all is not None:
        metadata |= {
            "dagster/row_count": in_all.rows,
            "batches in all": in_all.batches,
            "rejected rows in all": in_all.rejected,
            "dates in all": f"{in_all.first} … {in_all.last}",
            "parquet": dg.MetadataValue.path(str(Path("raw", source, stream))),
        }
    troubles = [one for one in deliveries if one.code is not None]
    if troubles:
        lines = ["| place | code | reason |", "|---|---|---|"]
        lines += [
            f"| {_cell(one.place)} | {one.code} | {_cell(one.reason)} |" for one in troubles[:50]
        ]
        metadata["notes"] = dg.MetadataValue.md("\n".join(lines))
    return metadata


def _cell(text: str | None) -> str:
    # Names come from senders: nothing of them may act as markup.
    kept = "".join(one if one.isalnum() or one in " .,:;_-/()" else " " for one in text or "")
    return " ".join(kept.split()).replace("_", "\\_")
