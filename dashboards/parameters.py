"""What Superset draws each kind of chart by."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cubes.cube import Measure
from cubes.label import Label, Language
from dashboards.chart import GRAINS, DrawnChart
from dashboards.declaration import Comparison, Viz

COLOURS = "huiyin"
"""The palette declared in Superset's configuration."""

# Months are short enough for twelve of them to stand beside one another.
_GRAIN_FORMATS = {
    "zh": {"day": "%-m月%-d日", "week": "%-m月%-d日", "month": "%y-%m", "year": "%Y年"},
    "en": {"day": "%m-%d", "week": "%m-%d", "month": "%y-%m", "year": "%Y"},
}
_VIZ: Mapping[Viz, str] = {
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

PAGE_LENGTH = 50  # rows of a detail shown at a time; no more than these need no pages

_MISSED = "#b3261e"
_TARGET: Mapping[Language, Mapping[bool, str]] = {
    "zh": {True: "目标不低于 {}", False: "目标不高于 {}"},
    "en": {True: "target: at least {}", False: "target: at most {}"},
}
_MOMENT, _DATE = "%Y-%m-%d %H:%M", "%Y-%m-%d"
_DATES = {"day": _DATE, "week": _DATE, "month": "%Y-%m", "quarter": "%Y-%m", "year": "%Y"}

_COMPARED = {
    "zh": {"Delta": "变化", "Percent change": "变化率"},
    "en": {"Delta": "Change", "Percent change": "Change"},
}
_BEFORE: Mapping[Comparison, Label] = {
    "previous": Label(zh="上期", en="Before"),
    "same_weekday": Label(zh="上周同日", en="Week before"),
}


def chart_asset(chart: DrawnChart) -> dict[str, Any]:
    """The chart's YAML as Superset imports it."""
    description = chart.declared.description
    return {
        "slice_name": chart.title,
        "description": description.text(chart.language) if description else None,
        "certified_by": None,
        "certification_details": None,
        "viz_type": _viz_type(chart),
        "params": {**_common(chart), **_PARAMETERS[chart.declared.viz](chart)},
        "query_context": json.dumps(chart.query_context(), ensure_ascii=False),
        "cache_timeout": None,
        "uuid": chart.id,
        "version": "1.0.0",
        "dataset_uuid": chart.dataset_id,
    }


def _viz_type(chart: DrawnChart) -> str:
    viz = chart.declared.viz
    return "big_number_total" if viz == "number" and not chart.offsets else _VIZ[viz]


def _common(chart: DrawnChart) -> dict[str, Any]:
    period = [] if chart.time is None else [_where(chart.time, "TEMPORAL_RANGE", chart.period)]
    cuts = [_where(column, "IN", list(members)) for column, members in chart.cuts.items()]
    return {
        "viz_type": _viz_type(chart),
        "adhoc_filters": [*period, *cuts],
        "extra_form_data": {},
        "row_limit": chart.limit,
        "color_scheme": COLOURS,
    }


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
    assert chart.declared.compare is not None
    before = _BEFORE[chart.declared.compare].text(chart.language)
    shown = {
        column: {"displayTypeIcon": False, "customColumnName": text, "visible": True}
        for column, text in {"Previous value": before, **_COMPARED[chart.language]}.items()
    }
    # A card has no room for the change in two ways.
    shown["Delta"]["visible"] = False
    return {
        "column_config": shown,
        "metric": chart.metrics[0],
        "time_compare": chart.offsets[0],
        "comparison_type": "values",
        "y_axis_format": chart.format_of(chart.metrics[0]),
        "percentDifferenceFormat": "+,.1%",
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
    first = chart.metrics[0]
    found: dict[str, Any] = {
        "x_axis": chart.by[0],
        "groupby": [*chart.by[1:], *chart.across],
        "metrics": list(chart.metrics),
        "y_axis_format": _axis_format(chart.format_of(first)),
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
    if _are_shares(chart):
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


def _measures(chart: DrawnChart) -> list[Measure]:
    assert chart.dataset is not None
    return [chart.dataset.cube.measures[name] for name in chart.declared.measures]


def _are_shares(chart: DrawnChart) -> bool:
    return all(measure.shown_as == "percent" for measure in _measures(chart))


def _axes(chart: DrawnChart, values: str, groups: str) -> dict[str, Any]:
    """What Superset has no parameter for, in the words of ECharts; `values` is the axis of figures.

    Ticks of counts are whole numbers and those of shares quarters. The first label of a line in
    time would be left out, and the last of months; columns have half a column before the first,
    which is of no day.
    """
    found: dict[str, Any] = {}
    if _are_shares(chart):
        found[values] = {"interval": 0.25}
    elif all(measure.shown_as == "integer" for measure in _measures(chart)):
        found[values] = {"minInterval": 1}
    if chart.grain is not None and chart.declared.viz == "line":
        shown = {"showMinLabel": True}
        if chart.grain != "day":
            # The end of the axis is labelled once more, with nothing, over the label of the month.
            shown["showMaxLabel"] = False
        found[groups] = {"axisLabel": shown}
    return {"echart_options": json.dumps(found)} if found else {}


def _axis_format(shown: str) -> str:
    """A format without zeros that only fill up, so that ticks between whole numbers differ."""
    return ",.2~f" if shown == ",d" else re.sub(r"\.(\d)([f%])$", r".\1~\2", shown)


def _line(chart: DrawnChart) -> dict[str, Any]:
    return {
        **_series(chart),
        "seriesType": "line",
        "markerEnabled": True,
        "markerSize": 5,
        "opacity": 0.2,
        "annotation_layers": _levels(chart),
        **_filling(chart),
        **_axes(chart, "yAxis", "xAxis"),
        "time_compare": list(chart.offsets),
        "comparison_type": "values",
    }


def _filling(chart: DrawnChart) -> dict[str, Any]:
    """Nothing on a day is 0 where measures add up, or the line would run past it."""
    if chart.grain != "day" or not all(measure.is_additive for measure in _measures(chart)):
        return {}
    return {"resample_rule": "1D", "resample_method": "zerofill"}


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
    return {
        **_series(chart),
        **_axes(chart, "yAxis", "xAxis"),
        "orientation": "vertical",
        "show_value": False,
    }


def _bars(chart: DrawnChart) -> dict[str, Any]:
    is_single = len(chart.metrics) == 1 and not chart.across
    # Where the figure stands at each bar, an axis of figures says nothing more.
    hidden = {part: {"show": False} for part in ("axisLabel", "axisTick", "splitLine")}
    bare = {"xAxis": hidden}
    options = {"echart_options": json.dumps(bare)} if is_single else _axes(chart, "xAxis", "yAxis")
    return {
        **_series(chart),
        **options,
        "orientation": "horizontal",
        "show_value": is_single,
        # A horizontal axis grows upwards, so the largest comes last to stand on top.
        "x_axis_sort_asc": True,
    }


def _pie(chart: DrawnChart) -> dict[str, Any]:
    return {
        "groupby": list(chart.by),
        "metric": chart.metrics[0],
        "sort_by_metric": True,
        "donut": True,
        "innerRadius": 55,
        "outerRadius": 72,
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
    """How each metric of a table is written; bars compare counts and sums only."""
    assert chart.dataset is not None
    for measure in chart.declared.measures:
        metric = chart.metric_of(measure)
        is_amount = chart.dataset.cube.measures[measure].agg in ("count", "count_distinct", "sum")
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


_PARAMETERS: Mapping[Viz, Callable[[DrawnChart], dict[str, Any]]] = {
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
