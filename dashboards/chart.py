"""Charts: from the words of a declaration to the parameters Superset draws by."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cubes.label import Language
from dashboards.dataset import Dataset, status_id, status_metric
from dashboards.declaration import Chart
from dashboards.identity import asset_id

COLOURS = "huiyin"
"""The palette declared in Superset's configuration."""

MEASURE_COLOURS = ("#0f5e6e", "#d98324", "#5a8fb8", "#7a9e3e")

GRAINS = {"day": "P1D", "week": "P1W", "month": "P1M", "quarter": "P3M", "year": "P1Y"}
_GRAIN_FORMATS = {
    "zh": {"day": "%-m月%-d日", "week": "%-m月%-d日", "month": "%Y年%-m月", "year": "%Y年"},
    "en": {"day": "%m-%d", "week": "%m-%d", "month": "%Y-%m", "year": "%Y"},
}
_VIZ = {
    "number": "pop_kpi",
    "line": "echarts_timeseries_line",
    "columns": "echarts_timeseries_bar",
    "bars": "echarts_timeseries_bar",
    "pie": "pie",
    "pivot": "pivot_table_v2",
    "table": "table",
    "status": "table",
}
NO_FILTER = "No filter"

_COMPARED = {
    "zh": {"Previous value": "上期", "Delta": "变化", "Percent change": "变化率"},
    "en": {"Previous value": "Before", "Delta": "Change", "Percent change": "Growth"},
}


@dataclass(frozen=True)
class DrawnChart:
    """A chart of one dashboard in one language, its names resolved; `dataset` is None for status.

    `by` and `across` are columns of the dataset, `time` the date the period applies to, `grain`
    the grain of the horizontal axis if that is a time.
    """

    id: str
    name: str
    declared: Chart
    language: Language
    dataset: Dataset | None
    by: tuple[str, ...]
    across: tuple[str, ...]
    time: str | None
    grain: str | None

    @property
    def title(self) -> str:
        """What stands above it."""
        return self.declared.title.text(self.language)

    @property
    def dataset_id(self) -> str:
        """The UUID of its dataset."""
        return status_id() if self.dataset is None else self.dataset.id

    @property
    def metrics(self) -> tuple[str, ...]:
        """Metrics of its dataset."""
        if self.dataset is None:
            return (status_metric(self.language),)
        return self.declared.measures

    def asset(self) -> dict[str, Any]:
        """The chart's YAML as Superset imports it."""
        description = self.declared.description
        return {
            "slice_name": self.title,
            "description": description.text(self.language) if description else None,
            "certified_by": None,
            "certification_details": None,
            "viz_type": _VIZ[self.declared.viz],
            "params": {**self._common(), **_PARAMETERS[self.declared.viz](self)},
            "query_context": json.dumps(self.query_context(), ensure_ascii=False),
            "cache_timeout": None,
            "uuid": self.id,
            "version": "1.0.0",
            "dataset_uuid": self.dataset_id,
        }

    def _common(self) -> dict[str, Any]:
        return {
            "viz_type": _VIZ[self.declared.viz],
            "adhoc_filters": [] if self.time is None else [_period(self.time)],
            "extra_form_data": {},
            "row_limit": self.declared.limit,
            "color_scheme": COLOURS,
        }

    def query_context(self, time_range: str = NO_FILTER) -> dict[str, Any]:
        """The query the chart asks the server, in a period; the datasource is set by the import."""
        columns: list[Any] = [*self.by, *self.across]
        if self.grain is not None:
            columns[0] = {
                "timeGrain": GRAINS[self.grain],
                "columnType": "BASE_AXIS",
                "sqlExpression": self.by[0],
                "label": self.by[0],
                "expressionType": "SQL",
            }
        query: dict[str, Any] = {
            "filters": []
            if self.time is None
            else [{"col": self.time, "op": "TEMPORAL_RANGE", "val": time_range}],
            "extras": {"having": "", "where": ""}
            if self.grain is None
            else {"having": "", "where": "", "time_grain_sqla": GRAINS[self.grain]},
            "columns": columns,
            "metrics": list(self.metrics),
            "orderby": [[self.declared.order or self.metrics[0], False]],
            "row_limit": self.declared.limit,
            "time_range": time_range,
            "annotation_layers": [],
            "applied_time_extras": {},
            "series_limit": 0,
            "order_desc": True,
            "url_params": {},
            "custom_params": {},
            "custom_form_data": {},
            "time_offsets": ["inherit"] if self.declared.compare else [],
        }
        return {
            "datasource": {"id": 0, "type": "table"},
            "force": False,
            "queries": [query],
            "form_data": {},
            "result_format": "json",
            "result_type": "full",
        }

    def format_of(self, measure: str) -> str:
        """The d3 format of one of its measures."""
        assert self.dataset is not None
        return self.dataset.format_of(measure)


def chart_id(slug: str, name: str) -> str:
    """The UUID of a chart of a dashboard."""
    return asset_id("chart", f"{slug}/{name}")


def _period(column: str) -> dict[str, Any]:
    return {
        "clause": "WHERE",
        "comparator": NO_FILTER,
        "expressionType": "SIMPLE",
        "operator": "TEMPORAL_RANGE",
        "subject": column,
    }


def _number(chart: DrawnChart) -> dict[str, Any]:
    assert chart.dataset is not None
    measure = chart.dataset.cube.measures[chart.metrics[0]]
    shown = {
        column: {"displayTypeIcon": False, "customColumnName": text, "visible": True}
        for column, text in _COMPARED[chart.language].items()
    }
    # The change of a share is told in points; a percentage of a percentage misleads.
    shown["Percent change"]["visible"] = measure.shown_as != "percent"
    return {
        "column_config": shown,
        "metric": chart.metrics[0],
        "time_compare": "inherit",
        "comparison_type": "values",
        "y_axis_format": chart.format_of(chart.metrics[0]),
        "percentDifferenceFormat": "+.1%",
        "header_font_size": 0.4,
        "subheader_font_size": 0.125,
        "subtitle": "",
        "comparison_color_enabled": measure.good is not None,
        "comparison_color_scheme": "Red" if measure.good == "lower" else "Green",
    }


def _series(chart: DrawnChart) -> dict[str, Any]:
    first = chart.metrics[0]
    found: dict[str, Any] = {
        "x_axis": chart.by[0],
        "groupby": [*chart.by[1:], *chart.across],
        "metrics": list(chart.metrics),
        "y_axis_format": chart.format_of(first),
        "rich_tooltip": True,
        "tooltipTimeFormat": "smart_date",
        "show_legend": len(chart.metrics) > 1 or bool(chart.by[1:] or chart.across),
        "legendType": "scroll",
        "legendOrientation": "top",
        "show_extra_controls": False,
        "zoomable": False,
        "x_axis_title_margin": 15,
        "y_axis_title_margin": 15,
        "truncateYAxis": False,
        "truncateXAxis": False,
        "only_total": True,
        "order_desc": True,
        "sort_series_type": "sum",
        "stack": "Stack" if chart.declared.stacked else None,
    }
    if chart.dataset is not None and chart.dataset.cube.measures[first].shown_as == "percent":
        found["truncateYAxis"] = True
        found["y_axis_bounds"] = [0, 1]
    if chart.grain is not None:
        formats = _GRAIN_FORMATS[chart.language]
        found["time_grain_sqla"] = GRAINS[chart.grain]
        found["x_axis_time_format"] = formats.get(chart.grain, "smart_date")
        found["tooltipTimeFormat"] = formats.get(chart.grain, "smart_date")
    else:
        found["xAxisForceCategorical"] = True
        found["x_axis_sort"] = chart.declared.order or first
        found["x_axis_sort_asc"] = False
    return found


def _line(chart: DrawnChart) -> dict[str, Any]:
    return {
        **_series(chart),
        "seriesType": "line",
        "markerEnabled": True,
        "markerSize": 5,
        "opacity": 0.2,
    }


def _columns(chart: DrawnChart) -> dict[str, Any]:
    return {**_series(chart), "orientation": "vertical", "show_value": False}


def _bars(chart: DrawnChart) -> dict[str, Any]:
    return {
        **_series(chart),
        "orientation": "horizontal",
        "show_value": len(chart.metrics) == 1 and not chart.across,
        # A horizontal axis grows upwards, so the largest comes last to stand on top.
        "x_axis_sort_asc": True,
    }


def _pie(chart: DrawnChart) -> dict[str, Any]:
    return {
        "groupby": list(chart.by),
        "metric": chart.metrics[0],
        "sort_by_metric": True,
        "donut": True,
        "innerRadius": 45,
        "outerRadius": 70,
        "label_type": "percent",
        "number_format": chart.format_of(chart.metrics[0]),
        "show_labels": True,
        "label_line": True,
        "labels_outside": True,
        "show_legend": True,
        "legendType": "scroll",
        "legendOrientation": "top",
        "show_total": True,
        "show_labels_threshold": 2,
        "date_format": "smart_date",
    }


def _pivot(chart: DrawnChart) -> dict[str, Any]:
    # The browser adds totals up, which is right for one additive measure only.
    assert chart.dataset is not None
    measures = [chart.dataset.cube.measures[name] for name in chart.metrics]
    adds_up = len(measures) == 1 and measures[0].is_additive
    return {
        "groupbyRows": list(chart.by),
        "groupbyColumns": list(chart.across),
        "metrics": list(chart.metrics),
        "metricsLayout": "COLUMNS",
        "rowTotals": adds_up and chart.declared.totals,
        "colTotals": adds_up and chart.declared.totals,
        "rowSubTotals": adds_up and chart.declared.totals and len(chart.by) > 1,
        "colSubTotals": False,
        "aggregateFunction": "Sum",
        "valueFormat": chart.format_of(chart.metrics[0]),
        "rowOrder": "key_a_to_z",
        "colOrder": "value_z_to_a",
        "series_limit_metric": None,
        "order_desc": True,
        "date_format": "smart_date",
    }


def _table(chart: DrawnChart) -> dict[str, Any]:
    return {
        "query_mode": "aggregate",
        "groupby": list(chart.by),
        "metrics": list(chart.metrics),
        "percent_metrics": [],
        "timeseries_limit_metric": chart.declared.order or chart.metrics[0],
        "order_desc": True,
        # Asked of the database without the dimensions, so that ratios are right too.
        "show_totals": chart.declared.totals,
        "table_timestamp_format": "%Y-%m-%d",
        "show_cell_bars": True,
        "color_pn": False,
        "include_search": False,
        "page_length": 0,
        "column_config": {
            name: {"d3NumberFormat": chart.format_of(name)} for name in chart.metrics
        },
        "temporal_columns_lookup": {},
    }


def _status(chart: DrawnChart) -> dict[str, Any]:
    return {
        "query_mode": "aggregate",
        "groupby": [],
        "metrics": list(chart.metrics),
        "show_cell_bars": False,
        "include_search": False,
        "page_length": 0,
        "column_config": {},
    }


_PARAMETERS = {
    "number": _number,
    "line": _line,
    "columns": _columns,
    "bars": _bars,
    "pie": _pie,
    "pivot": _pivot,
    "table": _table,
    "status": _status,
}


def draw(
    slug: str,
    name: str,
    declared: Chart,
    language: Language,
    datasets: Mapping[str, Dataset],
) -> DrawnChart:
    """Resolve a chart's names; names the declaration check refuses must not come here.

    An organisation level that this operator does not have is replaced by the unit itself.
    """
    slug_ = slug if language == "zh" else f"{slug}-en"
    dataset = None if declared.cube is None else datasets[declared.cube]
    by = _resolve(dataset, declared.by)
    time = None
    if dataset is not None and declared.time != "none":
        time = dataset.time_column(declared.time or dataset.cube.default_time)
    return DrawnChart(
        id=chart_id(slug_, name),
        name=name,
        declared=declared,
        language=language,
        dataset=dataset,
        by=by,
        across=_resolve(dataset, declared.across),
        time=time,
        grain=_grain(dataset, declared.by),
    )


def _resolve(dataset: Dataset | None, names: Sequence[str]) -> tuple[str, ...]:
    if dataset is None:
        return ()
    found = []
    for name in names:
        column = dataset.member_column(name)
        if column is None:
            column = dataset.member_column(f"{name.partition('.')[0]}.unit")
        assert column is not None
        found.append(column.name)
    return tuple(dict.fromkeys(found))


def _grain(dataset: Dataset | None, by: Sequence[str]) -> str | None:
    if dataset is None or not by:
        return None
    role, _, grain = by[0].partition(".")
    return (grain or dataset.cube.time[role].grain) if role in dataset.cube.time else None
