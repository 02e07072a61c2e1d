"""Datasets: each cube's view in one language, with labelled columns and the cube's measures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from cubes.axis import resolve_axis
from cubes.catalogue import Catalogue
from cubes.cube import FACT, Cube, Measure
from cubes.expression import plain_column
from cubes.label import Label, Language, label_text
from cubes.view import VIEW_SCHEMA, Kind, ViewColumn, view_columns, view_name
from cubes.view_measure import view_measure_sql
from cubes.warehouse import Warehouse
from dashboards.declaration import Duration
from dashboards.identity import DATABASE, asset_id
from dashboards.link import Page, link_column, link_sql

STATUS_TABLE = "data_status"
STATUS_SCHEMA = "marts"

_SHOWN: tuple[Kind, ...] = ("member", "time", "instant", "detail")

_FORMATS = {
    "integer": ",d",
    "decimal": ",.2f",
    "money": "$,.0f",
    "percent": ".1%",
    "duration": ",.1f",
}

DURATIONS: Mapping[Duration, int] = {"seconds": 1, "minutes": 60, "hours": 3600}
"""What a duration in seconds is divided by for each unit it may be shown in."""

_DURATION_LABELS: Mapping[Duration, Label] = {
    "seconds": Label(zh="（秒）", en=" (seconds)"),
    "minutes": Label(zh="（分钟）", en=" (minutes)"),
    "hours": Label(zh="（小时）", en=" (hours)"),
}

_STATUS = {
    "zh": (
        "coalesce('数据截至 ' || cast(max(business_date) as varchar) || '，快照生成于 ' || "
        "left(cast(max(as_of_local) as varchar), 16), '尚未发布数据')"
    ),
    "en": (
        "coalesce('Data up to ' || cast(max(business_date) as varchar) || ', snapshot of ' || "
        "left(cast(max(as_of_local) as varchar), 16), 'Nothing is published yet')"
    ),
}


@dataclass(frozen=True)
class Metric:
    """A measure as a dataset offers it: durations in each unit, every other measure once."""

    name: str
    measure: str
    label: str
    sql: str
    d3format: str


@dataclass(frozen=True)
class Dataset:
    """The view of one cube in one language; `pages` are those its details link to, by detail."""

    catalogue: Catalogue
    warehouse: Warehouse
    cube: Cube
    language: Language
    zone: str | None = field(default=None)
    pages: Mapping[str, Page] = field(default_factory=dict)

    @property
    def view(self) -> str:
        """The view's name in schema `cube`."""
        return view_name(self.cube.cube, self.language)

    @property
    def id(self) -> str:
        """The UUID."""
        return asset_id("dataset", self.view)

    @property
    def unit_columns(self) -> list[str]:
        """The columns whose units decide who may see a row, any one of them; the first first."""
        found: dict[str, list[str]] = {"first": [], "second": []}
        for role, join in self.cube.joins.items():
            column = plain_column(join.on, FACT)
            dimension = self.catalogue.dimensions[self.cube.dimension_of(role)]
            if dimension.scope and join.scope != "none" and column is not None:
                found[join.scope].append(column)
        return [*found["first"][:1], *found["second"]] if found["first"] else []

    @property
    def unit_column(self) -> str | None:
        """The first of them."""
        return next(iter(self.unit_columns), None)

    @cached_property
    def columns(self) -> list[ViewColumn]:
        """All columns of the view."""
        return view_columns(
            self.catalogue,
            self.cube.cube,
            warehouse=self.warehouse,
            language=self.language,
            zone=self.zone,
        )

    def time_column(self, role: str | None) -> str | None:
        """The view's date of a time role."""
        for found in self.columns:
            if found.kind == "time" and found.axis == role:
                return found.name
        return None

    def member_column(self, name: str) -> ViewColumn | None:
        """The column people read for a name of the cube (`org.l2`, `kind`, `created.month`).

        A level this organisation does not have gives None.
        """
        role = name.partition(".")[0]
        wanted = role if role in self.cube.time else name
        for found in self.columns:
            if found.axis == wanted and found.kind in ("member", "time"):
                return found
        return None

    def labels_of(self, name: str) -> dict[str, str]:
        """The words for the codes of a dimension whose values the cube declares, else nothing."""
        axis = resolve_axis(self.catalogue, self.warehouse, self.cube, name, self.language)
        return {code: label.text(self.language) for code, label in axis.values}

    def field_column(self, name: str) -> ViewColumn | None:
        """The column of a row's own value: a detail, a time, its moment, or a member.

        `created.moment` is the moment of the time `created` in the operator's zone.
        """
        role, _, part = name.partition(".")
        if role in self.cube.time and part == "moment":
            day = self.time_column(role)
            wanted = None if day is None else f"{day.removesuffix('_on')}_at_local"
            return self._column(wanted, "instant")
        if role in self.cube.details:
            return self._column(name, "detail")
        return self.member_column(name)

    def _column(self, name: str | None, kind: Kind) -> ViewColumn | None:
        return next((one for one in self.columns if one.name == name and one.kind == kind), None)

    @cached_property
    def links(self) -> dict[str, str]:
        """Columns that link to the page of a row's detail, by the detail's column."""
        return {
            name: link_column(name)
            for name in self.pages
            if self._column(name, "detail") is not None
        }

    @cached_property
    def metrics(self) -> dict[str, str]:
        """SQL of each measure that one view can give."""
        time = self.time_column(self.cube.default_time)
        grain = self.cube.time[self.cube.default_time].grain if self.cube.default_time else "day"
        found = {}
        for name in self.cube.measures:
            sql = view_measure_sql(
                self.catalogue,
                self.cube,
                name,
                time=time,
                day=lambda end: f"{{{{ day_taken('{end}', '{time}', '{grain}') }}}}",
            )
            if sql is not None:
                found[name] = sql
        return found

    @cached_property
    def offered(self) -> dict[str, Metric]:
        """The dataset's metrics by name."""
        found = [
            self._metric(measure, sql, unit)
            for measure, sql in self.metrics.items()
            for unit in (DURATIONS if self._is_duration(measure) else (None,))
        ]
        return {metric.name: metric for metric in found}

    def metric_of(self, measure: str, durations: Duration) -> Metric:
        """A measure's metric; a duration's in the unit asked for."""
        unit = durations if self._is_duration(measure) else None
        return self.offered[_metric_name(measure, unit)]

    def _is_duration(self, measure: str) -> bool:
        return self.cube.measures[measure].shown_as == "duration"

    def _metric(self, measure: str, sql: str, unit: Duration | None) -> Metric:
        declared = self.cube.measures[measure]
        size = 1 if unit is None else DURATIONS[unit]
        label = label_text(declared.label, self.language, measure)
        return Metric(
            name=_metric_name(measure, unit),
            measure=measure,
            label=label if unit is None else label + _DURATION_LABELS[unit].text(self.language),
            sql=sql if size == 1 else f"({sql}) / {size}.0",
            d3format=",.0f" if unit == "seconds" else _format(declared),
        )

    def asset(self) -> dict[str, Any]:
        """The dataset's YAML as Superset imports it."""
        return _asset(
            name=self.view,
            schema=VIEW_SCHEMA,
            description=_description(self.cube, self.language),
            time=self.time_column(self.cube.default_time),
            metrics=[
                _metric(
                    metric.name,
                    metric.label,
                    metric.sql,
                    _meaning(self.cube.measures[metric.measure], self.language),
                    metric.d3format,
                )
                for metric in self.offered.values()
            ],
            columns=list(self._column_assets()),
            uuid=self.id,
        )

    def _column_assets(self) -> Iterator[dict[str, Any]]:
        """Columns people read; drilling offers them in this order, so dimensions come first."""
        for kind in _SHOWN:
            for found in self.columns:
                if found.kind != kind or found.label is None:
                    continue
                yield _column(
                    found.name,
                    found.label.text(self.language),
                    found.type or "VARCHAR",
                    is_time=kind in ("time", "instant"),
                    # Superset shows the labels of columns only that may be grouped by.
                    is_dimension=True,
                    is_filterable=kind in ("member", "time"),
                    description=f"{self.cube.cube}.{found.axis}" if found.axis else None,
                )
        for name, link in self.links.items():
            page = self.pages[name]
            yield _column(
                link,
                page.title,
                "VARCHAR",
                is_time=False,
                is_dimension=False,
                is_filterable=False,
                expression=link_sql(name, page.slug, self.language),
            )


def _format(measure: Measure) -> str:
    """The d3 format of a measure; what is added up needs no decimals."""
    is_sum = measure.shown_as == "decimal" and measure.agg == "sum"
    return ",.0f" if is_sum else _FORMATS[measure.shown_as]


def status_id() -> str:
    """The UUID of the dataset that tells what the data are as of."""
    return asset_id("dataset", STATUS_TABLE)


def status_metric(language: Language) -> str:
    """The metric that tells it as a sentence."""
    return f"data_as_of_{language}"


def status_asset() -> dict[str, Any]:
    """The one-row dataset that tells what the data are as of, or that there are none yet."""
    columns = [
        ("business_date", "业务日期 Business date", "DATE"),
        ("as_of_local", "快照时间 Snapshot at", "TIMESTAMP"),
    ]
    return _asset(
        name=STATUS_TABLE,
        schema=STATUS_SCHEMA,
        description="本快照的数据截至时间 What this snapshot speaks of",
        time="business_date",
        metrics=[
            _metric(status_metric("zh"), "数据截至", _STATUS["zh"], None, None),
            _metric(status_metric("en"), "Data as of", _STATUS["en"], None, None),
        ],
        columns=[
            _column(name, text, kind, is_time=True, is_dimension=True, is_filterable=False)
            for name, text, kind in columns
        ],
        uuid=status_id(),
    )


def _asset(
    *,
    name: str,
    schema: str,
    description: str,
    time: str | None,
    metrics: list[dict[str, Any]],
    columns: list[dict[str, Any]],
    uuid: str,
) -> dict[str, Any]:
    return {
        "table_name": name,
        "main_dttm_col": time,
        "description": description,
        "default_endpoint": None,
        "offset": 0,
        "cache_timeout": None,
        "catalog": None,
        "schema": schema,
        "sql": None,
        "params": None,
        "template_params": None,
        "filter_select_enabled": True,
        "fetch_values_predicate": None,
        "extra": None,
        "normalize_columns": False,
        "always_filter_main_dttm": False,
        "uuid": uuid,
        "metrics": metrics,
        "columns": columns,
        "version": "1.0.0",
        "database_uuid": asset_id("database", DATABASE),
    }


def _metric(
    name: str, label: str, sql: str, description: str | None, d3format: str | None
) -> dict[str, Any]:
    return {
        "metric_name": name,
        "verbose_name": label,
        "metric_type": None,
        "expression": sql,
        "description": description,
        "d3format": d3format,
        "currency": None,
        "extra": {},
        "warning_text": None,
    }


def _column(
    name: str,
    label: str,
    type_: str,
    *,
    is_time: bool,
    is_dimension: bool,
    is_filterable: bool = True,
    description: str | None = None,
    expression: str | None = None,
) -> dict[str, Any]:
    return {
        "column_name": name,
        "verbose_name": label,
        "is_dttm": is_time,
        "is_active": True,
        "type": type_,
        "advanced_data_type": None,
        "groupby": is_dimension,
        "filterable": is_filterable,
        "expression": expression,
        "description": description,
        "python_date_format": None,
        "extra": None,
    }


def _metric_name(measure: str, unit: Duration | None) -> str:
    return measure if unit in (None, "seconds") else f"{measure}__{unit}"


def _text(value: str | Label | None, language: str) -> str | None:
    return value.text(language) if isinstance(value, Label) else value


def _description(cube: Cube, language: Language) -> str:
    described = _text(cube.description, language)
    label = cube.label.text(language)
    return f"{label}: {described}" if described else label


def _meaning(measure: Measure, language: Language) -> str:
    described = _text(measure.description, language)
    return f"{described} | {measure.definition}" if described else measure.definition


def datasets(
    catalogue: Catalogue,
    warehouse: Warehouse,
    language: Language,
    zone: str | None,
    pages: Mapping[str, Page] | None = None,
) -> Mapping[str, Dataset]:
    """The datasets of all cubes whose fact exists, by cube; details in `pages` link to them."""
    return {
        name: Dataset(catalogue, warehouse, cube, language, zone, pages or {})
        for name, cube in catalogue.cubes.items()
        if cube.fact in warehouse.tables
    }
