"""Asset checks: what the contracts promise of each stream, the tests of each mart, open exports.

They read what landings and builds left, so they run with those and also by themselves.
Annotations are not postponed in this module: Dagster reads those of a check's body as types.
"""

from collections.abc import Iterator, Mapping, Sequence

import dagster as dg

from connectors.contract import Contract
from pipelines.assets.failure import mapped
from pipelines.assets.keys import SNAPSHOT, both, mart_key, raw_key
from pipelines.marts import Mart
from pipelines.resources import InstallationResource
from pipelines.stream_checks import Finding

EXPORTS_CHECK = "exports"
"""The check of the snapshot that tells what is open with exports."""

_DESCRIPTIONS = {
    "freshness": (
        "按约定时间送达了吗，业务日是否完整",
        "Has everything come that is due, and is the business date complete",
    ),
    "volume": (
        "最后一天的行数与近 28 天的中位数相比（一半到两倍之间为正常）",
        "Rows of the last day against the median of 28 days (half to twice is usual)",
    ),
    "reconciliation": (
        "申报数等于清点数，没有拒收、缺失或隔离",
        "What was declared was counted; nothing is refused, missing or in quarantine",
    ),
}


def result_of(key: dg.AssetKey, name: str, finding: Finding) -> dg.AssetCheckResult:
    """A finding as Dagster shows it."""
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=name,
        passed=finding.passed,
        severity=(
            dg.AssetCheckSeverity.ERROR
            if finding.severity == "error"
            else dg.AssetCheckSeverity.WARN
        ),
        description=both(finding.zh, finding.en),
        metadata=dict(finding.facts),
    )


def stream_checks(contracts: Mapping[str, Contract]) -> list[dg.AssetChecksDefinition]:
    """Three checks for every stream; one body a source."""
    return [_stream_checks(contract) for _, contract in sorted(contracts.items())]


def _stream_checks(contract: Contract) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(
        name=f"check_{contract.source}",
        specs=[
            dg.AssetCheckSpec(
                name, asset=raw_key(contract.source, stream), description=both(*texts)
            )
            for stream in contract.streams
            for name, texts in _DESCRIPTIONS.items()
        ],
        can_subset=True,
    )
    def check(
        context: dg.AssetCheckExecutionContext, installation: InstallationResource
    ) -> Iterator[dg.AssetCheckResult]:
        from pipelines.stream_findings import stream_findings

        with mapped(retry_after=installation.retry_after_seconds):
            findings = stream_findings(installation.open(), contract.source)
        for key in sorted(context.selected_asset_check_keys):
            yield result_of(key.asset_key, key.name, findings[key.asset_key.path[-1]][key.name])

    return check


def mart_checks(marts: Sequence[Mart]) -> dg.AssetChecksDefinition:
    """The tests of every mart in the last build; of the snapshot its completeness and exports."""

    @dg.multi_asset_check(
        name="check_warehouse",
        specs=[
            *(
                dg.AssetCheckSpec(
                    "data_tests",
                    asset=mart_key(mart.name),
                    description=both(
                        "上次构建中这张表的 dbt 检查；严重的不通过就不发布",
                        "The dbt tests of this table in the last build; a severe one stops the "
                        "publish",
                    ),
                )
                for mart in marts
            ),
            dg.AssetCheckSpec(
                "completeness",
                asset=SNAPSHOT,
                description=both(
                    "快照的业务日，每个来源都完整吗",
                    "Is every source complete for the business date of the snapshot",
                ),
            ),
            dg.AssetCheckSpec(
                EXPORTS_CHECK,
                asset=SNAPSHOT,
                description=both(
                    "给伙伴的导出都按时做成、送到、得到确认了吗；未了的写明怎么办",
                    "Were the exports to partners made, delivered and confirmed in time; what is "
                    "open says what to do",
                ),
            ),
        ],
        can_subset=True,
    )
    def check(
        context: dg.AssetCheckExecutionContext, installation: InstallationResource
    ) -> Iterator[dg.AssetCheckResult]:
        from pipelines.export_checks import open_exports
        from pipelines.mart_tests import completeness_finding, finding_of_tests, last_outcomes
        from pipelines.workflow import published_information

        opened = installation.open()
        outcomes = last_outcomes(opened.home.mart_outcomes)
        for key in sorted(context.selected_asset_check_keys):
            if key.asset_key != SNAPSHOT:
                finding = finding_of_tests(outcomes.get(key.asset_key.path[-1]))
            elif key.name == EXPORTS_CHECK:
                finding = open_exports(opened)
            else:
                finding = completeness_finding(published_information(opened))
            yield result_of(key.asset_key, key.name, finding)

    return check
