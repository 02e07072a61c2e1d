"""The grid of a dashboard and its filters, as Superset keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cubes.label import Language
from dashboards.chart import DrawnChart
from dashboards.dataset import Dataset
from dashboards.declaration import COLUMNS, Dashboard, TimeFilter
from dashboards.identity import filter_id
from dashboards.period_text import period_text

_ROOT = ["ROOT_ID"]
_GRID = ["ROOT_ID", "GRID_ID"]


def position(
    dashboard: Dashboard, charts: Mapping[str, DrawnChart], language: Language
) -> dict[str, Any]:
    """The grid: headings and rows of charts, each chart with the number `chart_number` gives."""
    numbers = chart_numbers(charts)
    parts: dict[str, Any] = {}
    children: list[str] = []
    for section_number, section in enumerate(dashboard.sections):
        if section.heading is not None:
            key = f"HEADER-{section_number}"
            children.append(key)
            parts[key] = {
                "type": "HEADER",
                "id": key,
                "children": [],
                "parents": _GRID,
                "meta": {
                    "text": section.heading.text(language),
                    "headerSize": "MEDIUM_HEADER",
                    "background": "BACKGROUND_TRANSPARENT",
                },
            }
        for row_number, row in enumerate(section.rows):
            key = f"ROW-{section_number}-{row_number}"
            children.append(key)
            inner = [f"CHART-{name}" for name in row.charts]
            parts[key] = {
                "type": "ROW",
                "id": key,
                "children": inner,
                "parents": _GRID,
                "meta": {"background": "BACKGROUND_TRANSPARENT"},
            }
            for name, width in row.charts.items():
                chart = charts[name]
                parts[f"CHART-{name}"] = {
                    "type": "CHART",
                    "id": f"CHART-{name}",
                    "children": [],
                    "parents": [*_GRID, key],
                    "meta": {
                        "width": min(width, COLUMNS),
                        "height": row.height,
                        "chartId": numbers[name],
                        "sliceName": chart.title,
                        "uuid": chart.id,
                    },
                }
    note = note_text(dashboard, charts, language)
    if note is not None:
        children.insert(1, "ROW-note")  # below what the data are as of
        parts.update(_note(note))
    return {
        "DASHBOARD_VERSION_KEY": "v2",
        "ROOT_ID": {"type": "ROOT", "id": "ROOT_ID", "children": ["GRID_ID"]},
        "GRID_ID": {"type": "GRID", "id": "GRID_ID", "children": children, "parents": _ROOT},
        "HEADER_ID": {
            "type": "HEADER",
            "id": "HEADER_ID",
            "meta": {"text": dashboard.title.text(language)},
        },
        **parts,
    }


def note_text(
    dashboard: Dashboard, charts: Mapping[str, DrawnChart], language: Language
) -> str | None:
    """What somebody who sees nothing on the dashboard must know, if there is such a thing."""
    datasets = [chart.dataset for chart in charts.values() if chart.dataset is not None]
    if dashboard.opens is not None:
        columns = (dataset.field_column(dashboard.opens) for dataset in datasets)
        label = next(one.label for one in columns if one is not None and one.label is not None)
        return _CHOOSE_ONE[language].format(label.text(language))
    unbound = {
        dataset.cube.label.text(language): None for dataset in datasets if not dataset.unit_columns
    }
    names = _AND[language].join(unbound)
    return _OF_NO_UNIT[language].format(names) if unbound else None


_AND: Mapping[Language, str] = {"zh": "、", "en": ", "}
_CHOOSE_ONE: Mapping[Language, str] = {
    "zh": "在上方选择{}，或在其他看板的明细里点“查看”打开。",
    "en": "Choose above: {}. Or follow 'Open' in a list of another dashboard.",
}
_OF_NO_UNIT: Mapping[Language, str] = {
    "zh": "不属于任何单位、只有不受范围限制的账号可见：{}。",
    "en": "Of no unit, so seen by accounts without bounds only: {}.",
}


def _note(text: str) -> dict[str, Any]:
    return {
        "ROW-note": {
            "type": "ROW",
            "id": "ROW-note",
            "children": ["MARKDOWN-note"],
            "parents": _GRID,
            "meta": {"background": "BACKGROUND_TRANSPARENT"},
        },
        "MARKDOWN-note": {
            "type": "MARKDOWN",
            "id": "MARKDOWN-note",
            "children": [],
            "parents": [*_GRID, "ROW-note"],
            "meta": {"width": COLUMNS, "height": 6, "code": text},
        },
    }


def chart_numbers(charts: Mapping[str, DrawnChart]) -> dict[str, int]:
    """A number for each chart inside one dashboard file; the import puts its own in its place."""
    return {name: number for number, name in enumerate(charts, start=1)}


def native_filters(
    dashboard: Dashboard,
    charts: Mapping[str, DrawnChart],
    datasets: Mapping[str, Dataset],
    language: Language,
) -> list[dict[str, Any]]:
    """The filters in their order; a level this organisation does not have is left out."""
    numbers = chart_numbers(charts)
    period = dashboard.filters.period
    found = [] if period is None else [_period_filter(period, charts, language)]
    made: set[str] = set()
    for member in dashboard.filters.members:
        column = datasets[member.cube].field_column(member.by)
        if column is None or column.label is None:
            continue
        made.add(member.by)
        is_page = member.by == dashboard.opens
        within = [filter_id(member.within)] if member.within in made and member.within else []
        excluded = [
            numbers[name] for name, chart in charts.items() if not _has_column(chart, column.name)
        ]
        found.append(
            _filter(
                key=filter_id(member.by),
                name=column.label.text(language),
                kind="filter_select",
                targets=[
                    {"datasetUuid": datasets[member.cube].id, "column": {"name": column.name}}
                ],
                controls={
                    "multiSelect": not member.single,
                    "enableEmptyFilter": is_page,
                    "defaultToFirstItem": False,
                    "inverseSelection": False,
                    # There are more values of a detail than the list can hold.
                    "searchAllOptions": column.kind == "detail",
                    "sortAscending": True,
                },
                mask=_nothing(column.name, language) if is_page else _EVERYTHING,
                excluded=excluded,
                within=within,
            )
        )
    return found


_EVERYTHING: dict[str, Any] = {"extraFormData": {}, "filterState": {}, "ownState": {}}
_CHOOSE: Mapping[str, str] = {"zh": "请选择", "en": "Choose"}


def _nothing(column: str, language: Language) -> dict[str, Any]:
    """A choice no row has: the page of one case shows no other before a case is chosen."""
    value = [_CHOOSE[language]]
    return {
        "extraFormData": {"filters": [{"col": column, "op": "IN", "val": value}]},
        "filterState": {"label": value[0], "value": value},
        "ownState": {},
    }


def _period_filter(
    period: TimeFilter, charts: Mapping[str, DrawnChart], language: Language
) -> dict[str, Any]:
    numbers = chart_numbers(charts)
    default = period_text(period.default)
    return _filter(
        key=filter_id("period"),
        name=period.label.text(language),
        kind="filter_time",
        targets=[{}],
        controls={"enableEmptyFilter": False},
        mask={
            "extraFormData": {"time_range": default},
            "filterState": {"value": default},
            "ownState": {},
        },
        excluded=[
            numbers[name]
            for name, chart in charts.items()
            if chart.time is None or chart.declared.period is not None
        ],
        within=[],
    )


def _has_column(chart: DrawnChart, name: str) -> bool:
    return chart.dataset is not None and any(
        column.name == name for column in chart.dataset.columns
    )


def _filter(
    *,
    key: str,
    name: str,
    kind: str,
    targets: list[dict[str, Any]],
    controls: dict[str, Any],
    mask: dict[str, Any],
    excluded: list[int],
    within: list[str],
) -> dict[str, Any]:
    return {
        "id": key,
        "name": name,
        "filterType": kind,
        "type": "NATIVE_FILTER",
        "targets": targets,
        "controlValues": controls,
        "defaultDataMask": mask,
        "cascadeParentIds": within,
        "scope": {"rootPath": ["ROOT_ID"], "excluded": excluded},
        "description": "",
    }
