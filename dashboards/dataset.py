"""Datasets: each cube's view in one language, with labelled columns and the cube's measures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from cubes.catalogue import Catalogue
from cubes.cube import FACT, Cube, Measure
from cubes.expression import plain_column
from cubes.label import Label, Language, label_text
from cubes.view import VIEW_SCHEMA, Kind, ViewColumn, view_columns, view_name
from cubes.view_measure import view_measure_sql
from cubes.warehouse import Warehouse
from dashboards.identity import DATABASE, asset_id

STATUS_TABLE = "data_status"
STATUS_SCHEMA = "marts"

_SHOWN: tuple[Kind, ...] = ("member", "time", "instant", "detail")

_FORMATS = {
    "integer": ",d",
    "decimal": ",.2f",
    "money": ",.0f",
    "percent": ".1%",
    "duration": ",.0f",
}

_SECONDS = Label(zh="（秒）", en=" (seconds)")

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
class Dataset:
    """The view of one cube in one language."""

    catalogue: Catalogue
    warehouse: Warehouse
    cube: Cube
    language: Language
    zone: str | None = field(default=None)

    @property
    def view(self) -> str:
        """The view's name in schema `cube`."""
        return view_name(self.cube.cube, self.language)

    @property
    def id(self) -> str:
        """The UUID."""
        return asset_id("dataset", self.view)

    @property
    def unit_column(self) -> str | None:
        """The column with the unit that decides who may see a row."""
        for role, join in self.cube.joins.items():
            dimension = self.catalogue.dimensions[self.cube.dimension_of(role)]
            if dimension.scope and join.scope == "first":
                return plain_column(join.on, FACT)
        return None

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

    def format_of(self, measure: str) -> str:
        """The d3 format of a measure."""
        return _FORMATS[self.cube.measures[measure].shown_as]

    def label_of(self, measure: str) -> str:
        """What people read for a measure."""
        declared = self.cube.measures[measure]
        label = label_text(declared.label, self.language, measure)
        return label + (_SECONDS.text(self.language) if declared.shown_as == "duration" else "")

    def asset(self) -> dict[str, Any]:
        """The dataset's YAML as Superset imports it."""
        return _asset(
            name=self.view,
            schema=VIEW_SCHEMA,
            description=_description(self.cube, self.language),
            time=self.time_column(self.cube.default_time),
            metrics=[
                _metric(
                    name,
                    self.label_of(name),
                    sql,
                    _meaning(self.cube.measures[name], self.language),
                    self.format_of(name),
                )
                for name, sql in self.metrics.items()
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
        "expression": None,
        "description": description,
        "python_date_format": None,
        "extra": None,
    }


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
    catalogue: Catalogue, warehouse: Warehouse, language: Language, zone: str | None
) -> Mapping[str, Dataset]:
    """The datasets of all cubes whose fact exists, by cube."""
    return {
        name: Dataset(catalogue, warehouse, cube, language, zone)
        for name, cube in catalogue.cubes.items()
        if cube.fact in warehouse.tables
    }
