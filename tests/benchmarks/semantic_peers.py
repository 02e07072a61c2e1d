"""Two other semantic layers behind one small surface: a question in, a statement out.

The boring semantic layer (boring-semantic-layer) and MetricFlow (metricflow) are installed in an
environment of their own, see `tests.benchmarks.star_schema_peers`. Names of axes are those of our
queries (`customer.region`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import duckdb
import yaml

from cubes.member import split_range
from cubes.question import CutValues

MODELS = Path(__file__).parent / "semantic_peers_models"
Cuts = Sequence[tuple[str, CutValues]]


class Peer(Protocol):
    """What is asked of a peer."""

    @property
    def name(self) -> str:
        """The name of its package."""
        ...

    def sql(
        self, measures: Sequence[str], by: Sequence[str] = (), cuts: Cuts = (), order: str = ""
    ) -> str:
        """The statement for a question."""
        ...

    def column(self, name: str) -> str:
        """How the statement calls the column of a measure or axis."""
        ...


@dataclass(frozen=True)
class Boring:
    """One model of the boring semantic layer; measures belong to its fact."""

    model: Any
    fact: str
    name: str = "boring-semantic-layer"

    def column(self, name: str) -> str:
        """An axis of a joined model keeps its name; others are the fact's."""
        return name if "." in name else f"{self.fact}.{name}"

    def sql(
        self, measures: Sequence[str], by: Sequence[str] = (), cuts: Cuts = (), order: str = ""
    ) -> str:
        """The text of the query's expression."""
        asked = self.model.query(
            dimensions=[self.column(name) for name in by],
            measures=[self.column(name) for name in measures],
            filters=[one for name, values in cuts for one in self._filters(name, values)],
            order_by=[
                (self.column(item.lstrip("-")), "desc" if item[0] == "-" else "asc")
                for item in order.split(",")
                if item
            ],
        )
        return str(asked.sql())

    def _filters(self, name: str, values: CutValues) -> list[dict[str, Any]]:
        field = self.column(name)
        low, high, members = _parts(values)
        found = [
            {"field": field, "operator": operator, "value": bound}
            for operator, bound in ((">=", low), ("<=", high))
            if bound is not None
        ]
        if members:
            found.append({"field": field, "operator": "in", "values": members})
        return found


def boring(connection: duckdb.DuckDBPyConnection, model: str, fact: str) -> Boring:
    """The model of a file over the connection's tables."""
    import ibis
    from boring_semantic_layer import from_config

    declared = yaml.safe_load((MODELS / f"{model}_boring.yml").read_text(encoding="utf-8"))
    backend = ibis.duckdb.from_connection(connection)
    tables = {one["table"]: backend.table(one["table"]) for one in declared.values()}
    return Boring(from_config(declared, tables=tables)[fact], fact)


@dataclass(frozen=True)
class MetricFlow:
    """MetricFlow with its optimizer as it comes; `entity` is that of the fact's own dimensions."""

    explain: Callable[[Any], Any]
    entity: str
    name: str = "metricflow"

    def column(self, name: str) -> str:
        """`<entity>__<dimension>`; a metric keeps its name."""
        role, _, part = name.partition(".")
        if not part:
            return name
        # A dimension of ours by a granularity's name has another there; metric_time has grains.
        is_renamed = role == "calendar" and part in ("year", "month", "week")
        return f"{role}__in_{part}" if is_renamed else f"{role}__{part}"

    def sql(
        self, measures: Sequence[str], by: Sequence[str] = (), cuts: Cuts = (), order: str = ""
    ) -> str:
        """The text of the explained request."""
        from metricflow.engine.metricflow_engine import MetricFlowQueryRequest

        request = MetricFlowQueryRequest.create(
            metric_names=list(measures),
            group_by_names=[self.column(name) for name in by] or None,
            where_constraints=[self._condition(name, values) for name, values in cuts] or None,
            order_by_names=[
                ("-" if item[0] == "-" else "") + self.column(item.lstrip("-"))
                for item in order.split(",")
                if item
            ]
            or None,
        )
        return str(self.explain(request).sql_statement.sql)

    def _condition(self, name: str, values: CutValues) -> str:
        column = self.column(name if "." in name else f"{self.entity}.{name}")
        field = f"{{{{ Dimension('{column}') }}}}"
        low, high, members = _parts(values)
        found = [
            f"{field} {operator} {bound!r}"
            for operator, bound in ((">=", low), ("<=", high))
            if bound is not None
        ]
        if members:
            found.append(f"{field} in ({', '.join(map(repr, members))})")
        return " and ".join(found)


def metricflow(model: str, entity: str) -> MetricFlow:
    """The models of a file; what MetricFlow wants of a database client is only its dialect."""
    from metricflow.engine.metricflow_engine import MetricFlowEngine
    from metricflow.protocols.sql_client import SqlEngine
    from metricflow.sql.render.duckdb_renderer import DuckDbSqlPlanRenderer
    from metricflow_semantic_interfaces.parsing.dir_to_model import (
        parse_directory_of_yaml_files_to_semantic_manifest,
    )
    from metricflow_semantics.model.semantic_manifest_lookup import SemanticManifestLookup

    class Dialect:
        sql_engine_type = SqlEngine.DUCKDB
        sql_plan_renderer = DuckDbSqlPlanRenderer()

    text = (MODELS / f"{model}_metricflow.yml").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "models.yml").write_text(text, encoding="utf-8")
        manifest = parse_directory_of_yaml_files_to_semantic_manifest(folder).semantic_manifest
    return MetricFlow(MetricFlowEngine(SemanticManifestLookup(manifest), Dialect()).explain, entity)


def _parts(values: CutValues) -> tuple[Any, Any, list[Any]]:
    """The bounds of the one range, or the members."""
    bounds = split_range(values[0] or "")
    if bounds is None:
        return None, None, [_typed(value) for value in values]
    low, high = bounds
    return _typed(low), _typed(high), []


def _typed(text: str | None) -> Any:
    return int(text) if text and text.isdigit() else text or None
