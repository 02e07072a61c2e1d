"""Checks of a bundle as files: ours, or one exported from Superset. Nothing in it may bring SQL."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cubes.catalogue import Catalogue
from cubes.declaration import LocatedMapping, line_of, read_yaml, suggest
from cubes.errors import Fault
from cubes.label import LANGUAGES
from cubes.view import VIEW_SCHEMA
from cubes.warehouse import Warehouse
from dashboards.dataset import STATUS_SCHEMA, STATUS_TABLE, datasets, status_asset
from dashboards.link import is_link

if TYPE_CHECKING:
    import duckdb

Problem = tuple[Sequence[Any], str]

_METRICS = (
    "metric", "metrics", "metrics_b", "percent_metrics", "secondary_metric", "metric_2",
    "timeseries_limit_metric", "series_limit_metric", "size", "x", "y",
)  # fmt: skip
_COLUMNS = (
    "groupby", "groupby_b", "groupbyRows", "groupbyColumns", "columns", "all_columns", "x_axis",
    "series", "series_columns", "entity", "granularity_sqla", "granularity",
)  # fmt: skip
_SQL_TEXTS = ("where", "having", "where_clause", "having_clause")
_DAY = re.compile(r"\{\{ day_taken\('(first|last)', '[a-z0-9_]+', '(?:day|month)'\) \}\}")


@dataclass(frozen=True)
class _Dataset:
    """What a dataset of the bundle offers."""

    metrics: frozenset[str]
    columns: frozenset[str]


def bundle_faults(folder: Path, catalogue: Catalogue, warehouse: Warehouse) -> list[Fault]:
    """Everything wrong with the bundle in `folder`, each at its file and line.

    Datasets must be views of the catalogue's cubes with the measures of their cube; charts may
    name nothing but metrics and columns of their dataset; dashboards nothing but charts.
    """
    faults: list[Fault] = []
    files = {kind: _read(folder, kind, faults) for kind in ("datasets", "charts", "dashboards")}
    if not any(files.values()) and not faults:
        faults.append(Fault(str(folder), 0, "holds no datasets, charts or dashboards of Superset"))
    known = _known(catalogue, warehouse)
    offered: dict[str, _Dataset] = {}

    def note(path: Path, data: LocatedMapping, problems: Iterator[Problem]) -> None:
        for where, message in problems:
            place = ".".join(str(part) for part in where)
            text = f"{place}: {message}" if place else message
            faults.append(Fault(str(path), line_of(data, where), text))

    for path, data in files["datasets"].items():
        note(path, data, _dataset_problems(data, known))
        offered[str(data.get("uuid"))] = _Dataset(
            frozenset(str(item.get("metric_name")) for item in _rows(data.get("metrics"))),
            frozenset(str(item.get("column_name")) for item in _rows(data.get("columns"))),
        )
    for path, data in files["charts"].items():
        note(path, data, _chart_problems(data, offered))
    charts = {str(data.get("uuid")) for data in files["charts"].values()}
    for path, data in files["dashboards"].items():
        note(path, data, _dashboard_problems(data, charts, offered))
    return sorted(faults)


def view_faults(folder: Path, connection: duckdb.DuckDBPyConnection) -> list[Fault]:
    """Datasets whose view, columns or metrics the database cannot answer."""
    import duckdb

    faults: list[Fault] = []
    for path, data in _read(folder, "datasets", []).items():
        table = f'"{data.get("schema")}"."{data.get("table_name")}"'
        columns = [
            (
                ("columns", number, "column_name"),
                str(item.get("expression") or f'"{item.get("column_name")}"'),
            )
            for number, item in enumerate(_rows(data.get("columns")))
        ]
        metrics = [
            (
                ("metrics", number, "expression"),
                _DAY.sub(r"fact_\1_on", str(item.get("expression"))),
            )
            for number, item in enumerate(_rows(data.get("metrics")))
        ]
        for where, sql in [((), "1"), *columns, *metrics]:
            try:
                connection.execute(f"select {sql} from {table} limit 0")
            except duckdb.Error as error:
                said = str(error).partition("\n")[0]
                faults.append(Fault(str(path), line_of(data, where), f"{table}: {said}"))
                if where == ():
                    break
    return sorted(faults)


def _read(folder: Path, kind: str, faults: list[Fault]) -> dict[Path, LocatedMapping]:
    found = {}
    for path in sorted(folder.rglob("*.yaml")):
        # An export of Superset puts everything into one folder more.
        if kind in path.relative_to(folder).parts[:2]:
            data = read_yaml(path, faults)
            if data is not None:
                found[path] = data
    return found


def _known(catalogue: Catalogue, warehouse: Warehouse) -> dict[tuple[str, str], Mapping[str, Any]]:
    """The datasets there may be, by schema and view."""
    found: dict[tuple[str, str], Mapping[str, Any]] = {
        (STATUS_SCHEMA, STATUS_TABLE): status_asset()
    }
    for language in LANGUAGES:
        for dataset in datasets(catalogue, warehouse, language, "UTC").values():
            asset = dataset.asset()
            asset["columns"] = [{"column_name": column.name} for column in dataset.columns]
            found[VIEW_SCHEMA, dataset.view] = asset
    return found


def _rows(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value or [] if isinstance(item, Mapping)]


def _dataset_problems(
    data: LocatedMapping, known: Mapping[tuple[str, str], Mapping[str, Any]]
) -> Iterator[Problem]:
    if data.get("sql"):
        yield ("sql",), "is a virtual dataset made of SQL; only views of cubes are allowed"
        return
    name = (str(data.get("schema")), str(data.get("table_name")))
    asset = known.get(name)
    if asset is None:
        nearest = suggest(name[1], [view for schema, view in known if schema == VIEW_SCHEMA])
        yield ("table_name",), f"'{name[0]}.{name[1]}' is no view of a cube{nearest}"
        return
    metrics = {str(item["metric_name"]): item["expression"] for item in asset["metrics"]}
    for number, item in enumerate(_rows(data.get("metrics"))):
        metric = str(item.get("metric_name"))
        if metric not in metrics:
            yield (
                ("metrics", number, "metric_name"),
                f"'{metric}' is no measure of the cube{suggest(metric, metrics)}",
            )
        elif str(item.get("expression")) != metrics[metric]:
            yield (
                ("metrics", number, "expression"),
                f"'{metric}' is computed in another way than the cube's measure",
            )
    columns = {str(item["column_name"]) for item in asset["columns"]}
    for number, item in enumerate(_rows(data.get("columns"))):
        column = str(item.get("column_name"))
        expression = item.get("expression")
        if expression:
            if is_link(column, str(expression)):
                continue
            yield (
                ("columns", number, "expression"),
                f"'{column}' is computed by SQL; declare it in the cube",
            )
        elif column not in columns:
            yield (
                ("columns", number, "column_name"),
                f"view {name[1]} has no column '{column}'{suggest(column, columns)}",
            )


def _chart_problems(data: LocatedMapping, offered: Mapping[str, _Dataset]) -> Iterator[Problem]:
    dataset = offered.get(str(data.get("dataset_uuid")))
    if dataset is None:
        yield ("dataset_uuid",), "the chart's dataset is not in the bundle"
        return
    parameters = data.get("params")
    if isinstance(parameters, Mapping):
        yield from _parameter_problems(("params",), parameters, dataset)
    context = data.get("query_context")
    if isinstance(context, str) and context:
        try:
            read = json.loads(context)
        except ValueError:
            yield ("query_context",), "is not JSON"
            return
        for query in read.get("queries") or [] if isinstance(read, dict) else []:
            for _, message in _parameter_problems((), query, dataset):
                yield ("query_context",), message


def _parameter_problems(
    where: tuple[Any, ...], parameters: Mapping[str, Any], dataset: _Dataset
) -> Iterator[Problem]:
    yield from _sql_problems(where, parameters, dataset)
    for key in _METRICS:
        for name in _names(parameters.get(key)):
            if name not in dataset.metrics:
                yield (
                    (*where, key),
                    f"the dataset has no metric '{name}'{suggest(name, dataset.metrics)}",
                )
    for key in _COLUMNS:
        for name in _names(parameters.get(key)):
            if name not in dataset.columns:
                yield (
                    (*where, key),
                    f"the dataset has no column '{name}'{suggest(name, dataset.columns)}",
                )
    for number, item in enumerate(_rows(parameters.get("adhoc_filters"))):
        subject = item.get("subject")
        if item.get("expressionType") == "SIMPLE" and subject not in dataset.columns:
            yield (
                (*where, "adhoc_filters", number, "subject"),
                f"the dataset has no column '{subject}'{suggest(str(subject), dataset.columns)}",
            )


def _names(value: Any) -> list[str]:
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, str) and item]


def _sql_problems(where: tuple[Any, ...], value: Any, dataset: _Dataset) -> Iterator[Problem]:
    """Every place at which SQL of its own, or a metric of its own, is written."""
    if isinstance(value, Mapping):
        kind = value.get("expressionType")
        sql = value.get("sqlExpression")
        if kind == "SQL" and sql not in dataset.columns:
            yield where, f"brings SQL of its own ({sql}); use a metric or column of the dataset"
        elif kind == "SIMPLE" and value.get("aggregate"):
            column = value.get("column")
            name = column.get("column_name") if isinstance(column, Mapping) else column
            yield (
                where,
                f"makes a metric of its own ({value['aggregate']} of {name}); use one of the "
                "dataset",
            )
        for key, item in value.items():
            if key in _SQL_TEXTS and isinstance(item, str) and item.strip():
                yield (*where, key), f"brings SQL of its own ({item})"
            yield from _sql_problems((*where, key), item, dataset)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _sql_problems((*where, number), item, dataset)


def _dashboard_problems(
    data: LocatedMapping, charts: set[str], offered: Mapping[str, _Dataset]
) -> Iterator[Problem]:
    position = data.get("position")
    for key, part in position.items() if isinstance(position, Mapping) else []:
        if isinstance(part, Mapping) and part.get("type") == "CHART":
            meta = part.get("meta")
            uuid = str(meta.get("uuid")) if isinstance(meta, Mapping) else ""
            if uuid not in charts:
                yield ("position", key, "meta", "uuid"), "the chart is not in the bundle"
    metadata = data.get("metadata")
    filters = metadata.get("native_filter_configuration") if isinstance(metadata, Mapping) else []
    for number, item in enumerate(_rows(filters)):
        for target_number, target in enumerate(_rows(item.get("targets"))):
            if "datasetUuid" not in target:
                continue
            where = (
                "metadata", "native_filter_configuration", number, "targets", target_number,
            )  # fmt: skip
            dataset = offered.get(str(target["datasetUuid"]))
            column = target.get("column")
            name = column.get("name") if isinstance(column, Mapping) else None
            if dataset is None:
                yield (*where, "datasetUuid"), "the filter's dataset is not in the bundle"
            elif name not in dataset.columns:
                yield (
                    (*where, "column"),
                    f"the dataset has no column '{name}'{suggest(str(name), dataset.columns)}",
                )
