"""What policies of time limits may name: from the shipped seeds and the published snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cubes.errors import SnapshotError
from cubes.local_clock import zone_of
from cubes.sla_policy_check import KnownNames, PolicyReport, check_policies
from pipelines.operator_rows import shipped_names

if TYPE_CHECKING:
    from cubes.rule_table import RuleRow
    from cubes.snapshot import Snapshot
    from pipelines.installation import Installation


def check_rules(
    installation: Installation, rows: Sequence[RuleRow]
) -> tuple[PolicyReport, str | None]:
    """Look at the policies of an installation, and tell by which snapshot; None without one."""
    import duckdb

    tag: str | None = None
    known = shipped_names()
    try:
        with installation.snapshot() as snapshot:
            known, tag = _published(snapshot, known), snapshot.tag
    except (SnapshotError, duckdb.BinderException, duckdb.CatalogException):
        # Nothing is published yet, or by an earlier version: what only a snapshot knows is not
        # looked at.
        pass
    zone = zone_of(installation.settings.timezone)
    return check_policies(rows, known, now=installation.now(), zone=zone), tag


def _published(snapshot: Snapshot, shipped: KnownNames) -> KnownNames:
    with snapshot.cursor() as cursor:

        def column(table: str, name: str) -> frozenset[str]:
            rows = cursor.execute(f"select distinct {name} from marts.{table}").fetchall()
            return frozenset(row[0] for row in rows if row[0] is not None)

        return KnownNames(
            shipped.clocks,
            shipped.statuses,
            {
                "source": column("dim_source", "source"),
                "kind": column("dim_kind", "kind"),
                "channel": column("dim_channel", "channel_id"),
            },
            dict(cursor.execute("select org_unit_id, parent_id from marts.dim_org").fetchall()),
            column("dim_category", "told_path") | column("dim_category", "path"),
        )
