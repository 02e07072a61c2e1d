"""Charts: from the words of a declaration to the parameters Superset draws by."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cubes.catalogue import Catalogue
from cubes.label import Language
from cubes.named_query import NamedQuery
from dashboards.dataset import Dataset, Metric, status_id, status_metric
from dashboards.declaration import MOST_ROWS, Chart
from dashboards.identity import asset_id, slug_of
from dashboards.period_text import period_text

COLOURS = "huiyin"
"""The palette declared in Superset's configuration."""

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
    "detail": "table",
    "status": "table",
}
NO_FILTER = "No filter"
OFFSETS: Mapping[str, str] = {"previous": "inherit", "same_weekday": "1 week ago"}
"""How far back a comparison looks, as Superset calls it; `inherit` is a period of equal length."""

_USUAL_ROWS = 1000
PAGE_LENGTH = 50  # rows of a detail shown at a time; no more than these need no pages

_MISSED = "#b3261e"
_TARGET: Mapping[Language, Mapping[bool, str]] = {
    "zh": {True: "目标不低于 {}", False: "目标不高于 {}"},
    "en": {True: "target: at least {}", False: "target: at most {}"},
}
_MOMENT, _DATE = "%Y-%m-%d %H:%M", "%Y-%m-%d"
_DATES = {"day": _DATE, "week": _DATE, "month": "%Y-%m", "quarter": "%Y-%m", "year": "%Y"}

_COMPARED = {
    "zh": {"Previous value": "上期", "Delta": "变化", "Percent change": "变化率"},
    "en": {"Previous value": "Before", "Delta": "Change", "Percent change": "Growth"},
}


@dataclass(frozen=True)
class DrawnChart:
    """A chart of one dashboard in one language, its names resolved; `dataset` is None for status.

    `by`, `across` and `fields` are columns of the dataset, `time` the date the period applies to,
    `grain` the grain of the horizontal axis if that is a time. `cuts` are the members people read
    by column.
    """

    id: str
    name: str
    declared: Chart
    language: Language
    dataset: Dataset | None
    by: tuple[str, ...]
    across: tuple[str, ...]
    fields: tuple[str, ...]
    cuts: Mapping[str, tuple[str, ...]]
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
        return tuple(self.metric_of(measure).name for measure in self.declared.measures)

    def metric_of(self, measure: str) -> Metric:
        """The metric that shows one of its measures."""
        assert self.dataset is not None
        return self.dataset.metric_of(measure, self.declared.durations)

    @property
    def order(self) -> str:
        """The metric it is sorted by, largest first."""
        order = self.declared.order
        return self.metrics[0] if order is None else self.metric_of(order).name

    @property
    def offsets(self) -> tuple[str, ...]:
        """How far back its comparison looks; empty without one."""
        compare = self.declared.compare
        return () if compare is None else (OFFSETS[compare],)

    @property
    def limit(self) -> int:
        """The rows it asks for at most."""
        usual = MOST_ROWS if self.declared.viz == "detail" else _USUAL_ROWS
        return self.declared.limit or usual

    @property
    def viz_type(self) -> str:
        """The kind of chart in Superset."""
        viz = self.declared.viz
        return "big_number_total" if viz == "number" and not self.offsets else _VIZ[viz]

    @property
    def period(self) -> str:
        """The period it keeps, whatever the dashboard's is."""
        return NO_FILTER if self.declared.period is None else period_text(self.declared.period)

    def asset(self) -> dict[str, Any]:
        """The chart's YAML as Superset imports it."""
        description = self.declared.description
        return {
            "slice_name": self.title,
            "description": description.text(self.language) if description else None,
            "certified_by": None,
            "certification_details": None,
            "viz_type": self.viz_type,
            "params": {**self._common(), **_PARAMETERS[self.declared.viz](self)},
            "query_context": json.dumps(self.query_context(), ensure_ascii=False),
            "cache_timeout": None,
            "uuid": self.id,
            "version": "1.0.0",
            "dataset_uuid": self.dataset_id,
        }

    def _common(self) -> dict[str, Any]:
        return {
            "viz_type": self.viz_type,
            "adhoc_filters": [*self._period_filters(), *self._cut_filters()],
            "extra_form_data": {},
            "row_limit": self.limit,
            "color_scheme": COLOURS,
        }

    def _period_filters(self) -> list[dict[str, Any]]:
        return [] if self.time is None else [_where(self.time, "TEMPORAL_RANGE", self.period)]

    def _cut_filters(self) -> list[dict[str, Any]]:
        return [_where(column, "IN", list(members)) for column, members in self.cuts.items()]

    def query_context(self) -> dict[str, Any]:
        """The query the chart asks the server; the datasource is set by the import."""
        columns: list[Any] = [*self.by, *self.across, *self.fields]
        if self.grain is not None:
            columns[0] = {
                "timeGrain": GRAINS[self.grain],
                "columnType": "BASE_AXIS",
                "sqlExpression": self.by[0],
                "label": self.by[0],
                "expressionType": "SQL",
            }
        filters: list[dict[str, Any]] = [
            {"col": column, "op": "IN", "val": list(members)}
            for column, members in self.cuts.items()
        ]
        if self.time is not None:
            filters.insert(0, {"col": self.time, "op": "TEMPORAL_RANGE", "val": self.period})
        is_detail = self.declared.viz == "detail"
        query: dict[str, Any] = {
            "filters": filters,
            "extras": {"having": "", "where": ""}
            if self.grain is None
            else {"having": "", "where": "", "time_grain_sqla": GRAINS[self.grain]},
            "columns": columns,
            "metrics": None if is_detail else list(self.metrics),
            "orderby": self.row_order() if is_detail else [[self.order, False]],
            "row_limit": self.limit,
            "time_range": self.period,
            "annotation_layers": [],
            "applied_time_extras": {},
            "series_limit": 0,
            "order_desc": True,
            "url_params": {},
            "custom_params": {},
            "custom_form_data": {},
            "time_offsets": list(self.offsets),
        }
        return {
            "datasource": {"id": 0, "type": "table"},
            "force": False,
            "queries": [query],
            "form_data": {},
            "result_format": "json",
            "result_type": "full",
        }

    def row_order(self) -> list[list[Any]]:
        """The columns a detail is sorted by, each with whether it ascends."""
        assert self.dataset is not None
        if self.declared.order is None:
            return []
        column = self.dataset.field_column(self.declared.order.removeprefix("-"))
        assert column is not None
        return [[column.name, not self.declared.order.startswith("-")]]

    def format_of(self, metric: str) -> str:
        """The d3 format of one of its metrics."""
        assert self.dataset is not None
        return self.dataset.offered[metric].d3format

    def targets(self) -> Iterator[tuple[str, float, bool]]:
        """Its targets: the metric, the level, and whether less than it is a miss."""
        assert self.dataset is not None
        for measure, level in self.declared.targets.items():
            is_low_bad = self.dataset.cube.measures[measure].good != "lower"
            yield self.metric_of(measure).name, level, is_low_bad


def chart_id(slug: str, name: str) -> str:
    """The UUID of a chart of a dashboard."""
    return asset_id("chart", f"{slug}/{name}")


def _where(column: str, operator: str, value: Any) -> dict[str, Any]:
    return {
        "clause": "WHERE",
        "comparator": value,
        "expressionType": "SIMPLE",
        "operator": operator,
        "subject": column,
    }


def _number(chart: DrawnChart) -> dict[str, Any]:
    assert chart.dataset is not None
    if not chart.offsets:
        return _plain_number(chart)
    measure = chart.dataset.cube.measures[chart.declared.measures[0]]
    shown = {
        column: {"displayTypeIcon": False, "customColumnName": text, "visible": True}
        for column, text in _COMPARED[chart.language].items()
    }
    # A card has no room for the change in two ways.
    shown["Delta"]["visible"] = False
    return {
        "column_config": shown,
        "metric": chart.metrics[0],
        "time_compare": chart.offsets[0],
        "comparison_type": "values",
        "y_axis_format": chart.format_of(chart.metrics[0]),
        "percentDifferenceFormat": "+.1%",
        "header_font_size": 0.4,
        "subheader_font_size": 0.125,
        "subtitle": "",
        "comparison_color_enabled": measure.good is not None,
        "comparison_color_scheme": "Red" if measure.good == "lower" else "Green",
    }


def _plain_number(chart: DrawnChart) -> dict[str, Any]:
    return {
        "metric": chart.metrics[0],
        "y_axis_format": chart.format_of(chart.metrics[0]),
        "header_font_size": 0.4,
        "subtitle": ", ".join(_target_text(chart, *found) for found in chart.targets()),
        "subtitle_font_size": 0.15,
        "conditional_formatting": _missed(chart),
    }


def _missed(chart: DrawnChart) -> list[dict[str, Any]]:
    """Colours a figure on the wrong side of its target."""
    return [
        {
            "column": metric,
            "operator": "<" if is_low_bad else ">",
            "targetValue": level,
            "colorScheme": _MISSED,
        }
        for metric, level, is_low_bad in chart.targets()
    ]


def _target_text(chart: DrawnChart, metric: str, level: float, is_low_bad: bool) -> str:
    written = f"{level:.0%}" if chart.format_of(metric).endswith("%") else f"{level:,g}"
    return _TARGET[chart.language][is_low_bad].format(written)


def _series(chart: DrawnChart) -> dict[str, Any]:
    assert chart.dataset is not None
    first = chart.metrics[0]
    measures = [chart.dataset.cube.measures[name] for name in chart.declared.measures]
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
    if all(measure.shown_as == "percent" for measure in measures):
        found["truncateYAxis"] = True
        found["y_axis_bounds"] = [0, 1]
    if chart.grain is not None:
        formats = _GRAIN_FORMATS[chart.language]
        found["time_grain_sqla"] = GRAINS[chart.grain]
        found["x_axis_time_format"] = formats.get(chart.grain, "smart_date")
        found["tooltipTimeFormat"] = formats.get(chart.grain, "smart_date")
    else:
        found["xAxisForceCategorical"] = True
        found["xAxisLabelInterval"] = "0"
        # Where several series stand at one place, Superset sorts by a name for their sum.
        is_single = len(chart.metrics) == 1 and not chart.across
        found["x_axis_sort"] = chart.order if is_single else "sum"
        found["x_axis_sort_asc"] = False
    return found


def _line(chart: DrawnChart) -> dict[str, Any]:
    return {
        **_series(chart),
        "seriesType": "line",
        "markerEnabled": True,
        "markerSize": 5,
        "opacity": 0.2,
        "annotation_layers": _levels(chart),
        "time_compare": list(chart.offsets),
        "comparison_type": "values",
    }


def _levels(chart: DrawnChart) -> list[dict[str, Any]]:
    """A dashed line at each target."""
    found = []
    for metric, level, is_low_bad in chart.targets():
        found.append(
            {
                "name": _target_text(chart, metric, level, is_low_bad),
                "annotationType": "FORMULA",
                "sourceType": "",
                "value": str(level),
                "color": _MISSED,
                "style": "dashed",
                "width": 1,
                "opacity": "",
                "show": True,
                "showLabel": False,
                "showMarkers": False,
                "hideLine": False,
                "overrides": {"time_range": None},
            }
        )
    return found


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
    measures = [chart.dataset.cube.measures[name] for name in chart.declared.measures]
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
        "date_format": "smart_date" if chart.grain is None else _DATES[chart.grain],
        **_grain_of(chart),
    }


def _grain_of(chart: DrawnChart) -> dict[str, Any]:
    """By what the first dimension of a table is truncated, if it is a time."""
    if chart.grain is None:
        return {"temporal_columns_lookup": {}}
    return {
        "time_grain_sqla": GRAINS[chart.grain],
        "temporal_columns_lookup": {chart.by[0]: True},
    }


def _table(chart: DrawnChart) -> dict[str, Any]:
    return {
        "query_mode": "aggregate",
        "groupby": list(chart.by),
        "metrics": list(chart.metrics),
        "percent_metrics": [],
        "timeseries_limit_metric": chart.order,
        "order_desc": True,
        # Asked of the database without the dimensions, so that ratios are right too.
        "show_totals": chart.declared.totals,
        "table_timestamp_format": _DATE if chart.grain is None else _DATES[chart.grain],
        "show_cell_bars": True,
        "color_pn": False,
        "include_search": False,
        "page_length": 0,
        "column_config": dict(_column_formats(chart)),
        "conditional_formatting": _missed(chart),
        **_grain_of(chart),
    }


def _column_formats(chart: DrawnChart) -> Iterator[tuple[str, dict[str, Any]]]:
    """How each metric of a table is written; bars compare amounts only, rates and times not."""
    assert chart.dataset is not None
    for measure in chart.declared.measures:
        metric = chart.metric_of(measure)
        is_amount = chart.dataset.cube.measures[measure].shown_as in ("integer", "money")
        yield metric.name, {"d3NumberFormat": metric.d3format, "showCellBars": is_amount}


def _detail(chart: DrawnChart) -> dict[str, Any]:
    assert chart.dataset is not None
    kinds = {column.name: column.kind for column in chart.dataset.columns}
    formats = {"time": _DATE, "instant": _MOMENT}
    has_pages = chart.limit > PAGE_LENGTH
    return {
        "query_mode": "raw",
        "all_columns": list(chart.fields),
        "order_by_cols": [json.dumps(item) for item in chart.row_order()],
        # The server counts and searches all rows, so the limit cuts nothing off unseen.
        "server_pagination": has_pages,
        "server_page_length": PAGE_LENGTH,
        "include_search": has_pages,
        "page_length": 0,
        "table_timestamp_format": _MOMENT,
        "show_cell_bars": False,
        "column_config": {
            name: {"d3TimeFormat": formats[kinds[name]]}
            for name in chart.fields
            if kinds.get(name) in formats
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
    "detail": _detail,
    "status": _status,
}


def resolved(chart: Chart, catalogue: Catalogue) -> Chart:
    """The chart with what its query gives where the chart itself says nothing.

    A cut that waits for a parameter is left to the dashboard's filters.
    """
    query = None if chart.query is None else catalogue.queries.get(chart.query)
    if query is None:
        return chart
    cuts = {name: _members(found) for name, found in query.cuts.items() if "{" not in str(found)}
    return chart.model_copy(
        update={
            "cube": chart.cube or query.cube,
            "measures": chart.measures or query.measures,
            "by": chart.by or (() if chart.viz == "number" else query.by),
            "time": chart.time or query.time or ("none" if query.period is None else None),
            "compare": chart.compare or _comparison(chart, query),
            "cuts": {**cuts, **chart.cuts},
        }
    )


def _comparison(chart: Chart, query: NamedQuery) -> Any:
    known = chart.viz == "number" and query.compare in OFFSETS
    return query.compare if known else None


def _members(found: Any) -> tuple[str, ...]:
    return tuple(map(str, found)) if isinstance(found, list | tuple) else (str(found),)


def draw(
    slug: str,
    name: str,
    declared: Chart,
    language: Language,
    datasets: Mapping[str, Dataset],
) -> DrawnChart:
    """Resolve the names of a resolved chart; those the check refuses must not come here.

    An organisation level that this operator does not have is replaced by the unit itself.
    """
    dataset = None if declared.cube is None else datasets[declared.cube]
    time = None
    if dataset is not None and declared.time != "none":
        time = dataset.time_column(declared.time or dataset.cube.default_time)
    return DrawnChart(
        id=chart_id(slug_of(slug, language), name),
        name=name,
        declared=declared,
        language=language,
        dataset=dataset,
        by=_resolve(dataset, declared.by),
        across=_resolve(dataset, declared.across),
        fields=tuple(_fields(dataset, declared.fields, slug_of(slug, language))),
        cuts={} if dataset is None else _cuts(dataset, declared.cuts),
        time=time,
        grain=_grain(dataset, declared.by),
    )


def _fields(dataset: Dataset | None, names: Sequence[str], slug: str) -> Iterator[str]:
    """The columns of a detail; the link to a page stands behind the detail it is of.

    The page itself needs no link to itself.
    """
    if dataset is None:
        return
    for name in names:
        column = dataset.field_column(name)
        if column is not None:
            yield column.name
        if name in dataset.links and dataset.pages[name].slug != slug:
            yield dataset.links[name]


def _cuts(dataset: Dataset, cuts: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Members by column, in the words the view shows for their codes."""
    found = {}
    for name, codes in cuts.items():
        column = dataset.member_column(name)
        assert column is not None
        labels = dataset.labels_of(name)
        found[column.name] = tuple(labels[code] for code in codes)
    return found


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
