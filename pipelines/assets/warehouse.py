"""The marts and the published snapshot: one body, since they are built and swapped together.

The body may be asked for some of them, builds all, and reports all. (Dagster refuses a backfill
of assets that must be chosen together unless each has as many parents as the others.)
Annotations are not postponed in this module: Dagster reads those of an asset's body as types.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from connectors.contract import Contract
from pipelines.assets.checks import result_of
from pipelines.assets.failure import mapped
from pipelines.assets.keys import (
    PUBLISHED_GROUP,
    SNAPSHOT,
    both,
    days_of,
    mart_group,
    mart_key,
    raw_key,
    say,
)
from pipelines.marts import Mart
from pipelines.resources import InstallationResource

if TYPE_CHECKING:
    from cubes.snapshot import Snapshot
    from pipelines.installation import Installation
    from pipelines.mart_tests import MartOutcome

_FLAT = ("build", "flat_case")


def warehouse_assets(
    contracts: Mapping[str, Contract], days: dg.DailyPartitionsDefinition, marts: Sequence[Mart]
) -> dg.AssetsDefinition:
    """The marts, each behind the streams and marts it is made of, and the published snapshot."""
    specs = [
        dg.AssetSpec(
            mart_key(mart.name),
            description=both(mart.description.zh, mart.description.en),
            group_name=mart_group(mart.domain),
            partitions_def=days,
            deps=sorted(_made_of(mart, contracts)),
            kinds={"dbt", "duckdb", "table"},
            owners=["team:huiyin"],
            tags={"layer": "marts", "shape": mart.name.partition("_")[0]},
        )
        for mart in marts
    ]
    snapshot = dg.AssetSpec(
        SNAPSHOT,
        description=both(
            "所有读者看到的仓库版本：短信、门户、看板和接口都读它。检查全部通过才换上，旧版本保留。",
            "The immutable version of the warehouse that every reader sees: messages, portal, "
            "dashboards, queries. Swapped in only when every test passed.",
        ),
        group_name=PUBLISHED_GROUP,
        partitions_def=days,
        deps=[spec.key for spec in specs],
        kinds={"duckdb"},
        owners=["team:huiyin"],
        tags={"layer": "published"},
    )

    @dg.multi_asset(
        name="warehouse",
        specs=[*specs, snapshot],
        backfill_policy=dg.BackfillPolicy.single_run(),
        can_subset=True,
        pool="warehouse",
        description=both(
            "用 dbt 构建全部主题表，检查后发布快照，并排好到期的短信",
            "Build all marts with dbt, test, publish the snapshot, and plan the messages now due",
        ),
    )
    def warehouse(
        context: dg.AssetExecutionContext, installation: InstallationResource
    ) -> Iterator[dg.MaterializeResult[None]]:
        from pipelines.errors import BuildFailedError
        from pipelines.mart_tests import last_outcomes
        from pipelines.news import tell_and_note
        from pipelines.workflow import build_and_publish

        opened = installation.open()
        with mapped(retry_after=installation.retry_after_seconds):
            try:
                report = build_and_publish(opened, say=say(context), forced_days=days_of(context))
            except BuildFailedError:
                # The checks that would say so are steps behind this one, which now are not run.
                _report_tests(context, opened, marts)
                raise
            told = tell_and_note(opened, warn=context.log.warning)
            outcomes = last_outcomes(opened.home.mart_outcomes)
            with opened.snapshot() as published:
                described = {
                    mart_key(mart.name): _described(published, mart, outcomes.get(mart.name))
                    for mart in marts
                }
        described[SNAPSHOT] = {
            **snapshot_metadata(report.information, opened),
            "published": report.published,
            "new batches": report.new,
            "messages queued": told.messages,
        }
        keys: list[str | None] = [day.isoformat() for day in days_of(context)]
        for key, metadata in described.items():
            if key in context.selected_asset_keys:
                yield dg.MaterializeResult(asset_key=key, metadata=metadata)
            else:
                for day in keys or [None]:
                    context.instance.report_runless_asset_event(
                        dg.AssetMaterialization(key, metadata=metadata, partition=day)
                    )

    return warehouse


def _made_of(mart: Mart, contracts: Mapping[str, Contract]) -> set[dg.AssetKey]:
    """The assets a mart reads; of the streams only those that are read here."""
    streams = {(name, stream) for name, one in contracts.items() for stream in one.streams}
    flat = {(name, s) for name, s in streams if contracts[name].shape == "cases"}
    read = (mart.streams & streams) | (flat if _FLAT in mart.streams else set())
    return {mart_key(name) for name in mart.marts} | {raw_key(*stream) for stream in read}


def _report_tests(
    context: dg.AssetExecutionContext, installation: "Installation", marts: Sequence[Mart]
) -> None:
    from pipelines.mart_tests import finding_of_tests, last_outcomes

    outcomes = last_outcomes(installation.home.mart_outcomes)
    for mart in marts:
        result = result_of(
            mart_key(mart.name), "data_tests", finding_of_tests(outcomes.get(mart.name))
        )
        context.instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=mart_key(mart.name),
                check_name="data_tests",
                passed=result.passed,
                severity=result.severity,
                description=result.description,
                metadata=result.metadata,
            )
        )


def _described(snapshot: "Snapshot", mart: Mart, outcome: "MartOutcome | None") -> dict[str, Any]:
    with snapshot.cursor() as cursor:
        columns = cursor.execute(
            "select column_name, lower(data_type) from information_schema.columns "
            "where table_schema = 'marts' and table_name = ? order by ordinal_position",
            [mart.name],
        ).fetchall()
        counted = cursor.table(f"marts.{mart.name}").count("*").fetchone()
    return {
        "dagster/row_count": int(counted[0]) if counted else 0,
        "dagster/column_schema": dg.TableSchema(
            columns=[
                dg.TableColumn(name, kind, description=mart.columns.get(name) or None)
                for name, kind in columns
            ]
        ),
        "snapshot": snapshot.tag,
        **({"build seconds": round(outcome.seconds, 2)} if outcome else {}),
    }


def snapshot_metadata(
    information: Mapping[str, Any], installation: "Installation"
) -> dict[str, Any]:
    """What the page of the snapshot shows: its tag, what is complete, and where to look at it."""
    from pipelines.address import read_addresses

    sources = information["sources"]
    day = information["business_date"]
    incomplete = [n for n, one in sorted(sources.items()) if (one["complete_through"] or "") < day]
    metadata: dict[str, Any] = {
        "snapshot": information["tag"],
        "business date": day,
        "batches": information["batches"],
        "sources complete": ", ".join(sorted(sources.keys() - set(incomplete))) or "-",
        "sources incomplete": ", ".join(incomplete) or "-",
        "warnings": ", ".join(information.get("warnings", [])) or "-",
    }
    addresses = read_addresses(installation.home)
    if "superset" in addresses:
        dashboard = f"{addresses['superset']}/superset/dashboard/overview/"
        metadata["dashboard"] = dg.MetadataValue.url(dashboard)
    if "portal" in addresses:
        metadata["portal"] = dg.MetadataValue.url(addresses["portal"])
    return metadata
