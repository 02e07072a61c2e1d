"""The bundle: every asset of Superset as files, the same bytes for the same declarations."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from cubes.catalogue import Catalogue
from cubes.label import LANGUAGES, Language
from cubes.view import NOBODY
from cubes.warehouse import Warehouse
from dashboards.chart import DrawnChart, draw, resolved
from dashboards.dataset import STATUS_TABLE, Dataset, datasets, status_asset
from dashboards.declaration import Chart, Dashboard
from dashboards.identity import DATABASE, asset_id, slug_of
from dashboards.layout import native_filters, position
from dashboards.link import Page
from dashboards.parameters import chart_asset
from dashboards.superset.look import COLOURS

RULES = "row_rules.yaml"
"""The file that holds the row rule of each dataset by its id."""

# Superset's grid has twelve columns on every screen; on a phone it keeps a width one can read and
# scrolls sideways.
_PHONE = """\
@media (max-width: 900px) {
  .dashboard-content { overflow-x: auto; }
  .dashboard-content .grid-container { min-width: 880px; }
}
"""

_GREY = "#a3abb5"
_NOTHING = ("<NULL>", *NOBODY.values())  # no member, as Superset and the views write it

# A search looks through the first column of texts, which is the number of the row.
_TABLES = """\
td.dt-is-null { font-size: 0 !important; }
td.dt-is-null::after { content: "—"; font-size: 12px; }
.search-select-container, .dt-select-page-size { display: none !important; }
.superset-legacy-chart-big-number { align-items: center !important; }
.superset-legacy-chart-big-number .text-container { align-items: center !important; }
.chart-slice .ant-empty-image { display: none; }
.pop_kpi [aria-describedby="tooltip"] { white-space: nowrap; }
.superset-legacy-chart-big-number .subtitle-line {
  font-size: 12px !important; height: auto !important;
}
"""

# What the data are as of stands as one line, without a heading or a frame.
_STATUS_LINE = """\
#CHART-{name} + .chart-slice [data-test="slice-header"],
#CHART-{name} + .chart-slice thead {{ display: none; }}
#CHART-{name} + .chart-slice [role="presentation"] {{
  visibility: visible !important; overflow: hidden !important; height: auto !important;
}}
#CHART-{name} + .chart-slice tr {{ background: transparent !important; }}
#CHART-{name} + .chart-slice td {{
  border: 0; padding: 0; background: transparent !important; font-size: 14px; line-height: 20px;
}}
"""

Bundle = dict[str, dict[str, Any]]
"""Contents of the files by path."""


def make_bundle(
    catalogue: Catalogue,
    warehouse: Warehouse,
    dashboards: Mapping[str, Dashboard],
    *,
    database: Path,
    zone: str,
    threads: int,
    memory_limit: str,
) -> Bundle:
    """Generate all assets.

    `database` is the DuckDB file Superset is told of; which snapshot is really opened is decided
    at each connection.
    """
    bundle: Bundle = {
        # The importer wants a moment; a fixed one keeps the bundle the same.
        "metadata.yaml": {
            "version": "1.0.0",
            "type": "assets",
            "timestamp": "2026-01-01T00:00:00+00:00",
        },
        f"databases/{DATABASE}.yaml": _database(database, threads, memory_limit),
        f"datasets/{DATABASE}/{STATUS_TABLE}.yaml": status_asset(),
    }
    rules: dict[str, str] = {}
    for language in LANGUAGES:
        sets = datasets(catalogue, warehouse, language, zone, pages_of(dashboards, language))
        for dataset in sets.values():
            path = f"datasets/{DATABASE}/{dataset.view}.yaml"
            bundle[path] = dataset.asset()
            rules[dataset.id] = row_rule(dataset)
        for slug, dashboard in dashboards.items():
            charts = {
                name: draw(slug, name, chart, language, sets)
                for name, chart in _resolved(dashboard, catalogue).items()
                if chart.cube is None or chart.cube in sets
            }
            localised = slug_of(slug, language)
            for name, chart in charts.items():
                bundle[f"charts/{localised}_{name}.yaml"] = chart_asset(chart)
            bundle[f"dashboards/{localised}.yaml"] = _dashboard(
                dashboard, localised, charts, sets, language
            )
    bundle[RULES] = dict(sorted(rules.items()))
    return dict(sorted(bundle.items()))


def _resolved(dashboard: Dashboard, catalogue: Catalogue) -> dict[str, Chart]:
    return {name: resolved(chart, catalogue) for name, chart in dashboard.charts.items()}


def row_rule(dataset: Dataset) -> str:
    """The rows an account may see: those of its units in `account_scope`.

    `*` in the scope is an account without bounds, which also sees rows that belong to no unit. A
    cube without a dimension of units shows its rows to such accounts only.
    """
    scope = (
        "(select org_unit_id from marts.account_scope "
        "where account_id = '{{ current_username() }}')"
    )
    whole = f"'*' in {scope}"
    visible = [f"{column} in {scope}" for column in dataset.unit_columns]
    return " or ".join([*visible, whole])


def pages_of(dashboards: Mapping[str, Dashboard], language: Language) -> dict[str, Page]:
    """The dashboards that are pages of a detail, by the detail."""
    return {
        dashboard.opens: Page(slug_of(slug, language), dashboard.title.text(language))
        for slug, dashboard in dashboards.items()
        if dashboard.opens is not None
    }


def _label_colours(charts: Mapping[str, DrawnChart]) -> dict[str, str]:
    """One colour for each measure beside another and each declared member, in all charts.

    Superset deals colours out chart by chart, and may give two members of one chart the same.
    """
    found: dict[str, str] = dict.fromkeys(_NOTHING, _GREY)
    for chart in charts.values():
        if chart.dataset is None or chart.declared.viz in ("table", "pivot", "detail"):
            continue
        labels: list[tuple[str, ...]] = []
        if len(chart.metrics) > 1:
            labels = [(name, chart.dataset.offered[name].label) for name in chart.metrics]
        elif chart.declared.viz == "pie" or chart.across:
            series = chart.declared.across or chart.declared.by
            labels = [(label,) for label in chart.dataset.labels_of(series[0]).values()]
        for number, keys in enumerate(labels):
            for key in keys:
                found.setdefault(key, COLOURS["colors"][number % len(COLOURS["colors"])])
    return found


def write_bundle(bundle: Bundle, folder: Path) -> None:
    """Write the bundle in place of what was in `folder`."""
    temporary = folder.with_name(f".{folder.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    for path, content in bundle.items():
        file = temporary / path
        file.parent.mkdir(parents=True, exist_ok=True)
        # The dumper written in C takes a fifth of the time.
        text = yaml.dump(
            content, Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False, width=100
        )
        file.write_text(text, encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)


def _database(path: Path, threads: int, memory_limit: str) -> dict[str, Any]:
    return {
        "database_name": DATABASE,
        "sqlalchemy_uri": f"duckdb:///{path}",
        "cache_timeout": None,
        "expose_in_sqllab": False,
        "allow_run_async": False,
        "allow_ctas": False,
        "allow_cvas": False,
        "allow_dml": False,
        "allow_csv_upload": False,
        "extra": {
            "allows_virtual_table_explore": False,
            "engine_params": {
                "connect_args": {
                    "config": {
                        "access_mode": "READ_ONLY",
                        "enable_external_access": False,
                        "autoinstall_known_extensions": False,
                        "autoload_known_extensions": False,
                        "lock_configuration": True,
                        "threads": threads,
                        "memory_limit": memory_limit,
                    }
                }
            },
            "metadata_params": {},
        },
        "uuid": asset_id("database", DATABASE),
        "version": "1.0.0",
    }


def _dashboard(
    dashboard: Dashboard,
    slug: str,
    charts: Mapping[str, DrawnChart],
    sets: Mapping[str, Dataset],
    language: Language,
) -> dict[str, Any]:
    return {
        "dashboard_title": dashboard.title.text(language),
        "description": dashboard.description.text(language),
        "css": _PHONE
        + _TABLES
        + "".join(
            _STATUS_LINE.format(name=name)
            for name, chart in charts.items()
            if chart.declared.viz == "status"
        ),
        "slug": slug,
        "certified_by": "",
        "certification_details": "",
        "published": True,
        "uuid": asset_id("dashboard", slug),
        "position": position(dashboard, charts, language),
        "metadata": {
            "timed_refresh_immune_slices": [],
            "refresh_frequency": 0,
            "color_scheme": "huiyin",
            "label_colors": _label_colours(charts),
            "cross_filters_enabled": True,
            "filter_bar_orientation": "HORIZONTAL",
            "default_filters": "{}",
            "filter_scopes": {},
            "expanded_slices": {},
            "native_filter_configuration": native_filters(dashboard, charts, sets, language),
        },
        "version": "1.0.0",
    }
