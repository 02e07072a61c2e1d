"""What is told is what is asked: every digest and alert beside query, cube and dashboard."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from cubes.named_query import run_named_query
from cubes.query import CubeQuery, run_query
from cubes.scope import Scope
from cubes.view import NOBODY
from dashboards.chart import DrawnChart, chart_id
from dashboards.declaration import load_dashboards
from notifications.alert.evaluation import Moved, observe, text_values
from notifications.alert.rule import Rule, load_rules
from notifications.alert.state import Observation
from notifications.digest import BELOW, Digest, DigestValue, Top, preview
from notifications.portal.shown import value_text
from notifications.publication import Publication
from notifications.template import render_lines
from pipelines.telling import digests_of, publication_of
from tests.dashboards.metrics import plain
from tests.superset.accounts import Account, ten_accounts
from tests.superset.conftest import FIRST, LAST, PERIOD, Served, context_of
from tests.superset.server import Client
from tests.superset.test_leaks import analyst

PERIODS = {
    "day": (f"{LAST}", f"{LAST} : 2026-03-31"),
    "month": (f"{FIRST}..{LAST}", PERIOD),
}


def one_a_level(served: Served) -> list[Account]:
    """An account of one unit at each level, the province first, and the one without bounds."""
    with served.snapshot() as connection:
        accounts = ten_accounts(connection)
    single = {len(one.units[0]): one for one in accounts if len(one.units) == 1}
    assert len(single) == 5
    return [single[size] for size in sorted(single)]


def by_query(served: Served, query: str, measure: str, scope: Scope) -> Any:
    catalogue = served.installation.catalogue
    named = catalogue.queries[query]
    given = {"business_date": LAST} if "business_date" in named.parameters else {}
    with served.snapshot() as connection:
        rows = run_named_query(
            catalogue, connection, query, given, scope=scope, business_date=LAST
        ).rows
    days = [row for row in rows if row.get("created.day") in (LAST, None)]
    return plain(days[0][measure]) if days else None


def by_cube(served: Served, query: str, measure: str, scope: Scope, period: str | None) -> Any:
    catalogue = served.installation.catalogue
    cube = catalogue.queries[query].cube
    assert cube is not None
    asked = CubeQuery(cube=cube, measures=(measure,), period=period)
    with served.snapshot() as connection:
        answer = run_query(catalogue, connection, asked, scope=scope, business_date=LAST)
    return plain(answer.rows[0][measure])


def by_chart(served: Served, client: Client, drawn: DrawnChart, measure: str, period: str) -> Any:
    """A measure as the chart's own question to Superset gives it in total, for a period."""
    (row,) = asked_as(served, client, drawn, measure, period, ())
    return plain(row[drawn.metric_of(measure).name])


def asked_as(
    served: Served,
    client: Client,
    drawn: DrawnChart,
    measure: str,
    period: str,
    columns: tuple[str, ...],
) -> list[dict[str, Any]]:
    """The rows of a chart's question for one measure, split by columns of its dataset."""
    text = json.dumps(context_of(served.charts[drawn.id])).replace(PERIOD, period)
    asked = json.loads(text)
    changed = {
        "columns": list(columns),
        "metrics": [drawn.metric_of(measure).name],
        "orderby": [],
        "row_limit": 0,
    }
    status, answer = client.data({**asked, "queries": [{**asked["queries"][0], **changed}]})
    assert status == 200, answer
    rows: list[dict[str, Any]] = answer["result"][0]["data"]
    return rows


def ranked_by_chart(
    served: Served, client: Client, drawn: DrawnChart, value: DigestValue, period: str, by: str
) -> list[tuple[str, float]]:
    """The members with a figure as the chart's dataset gives them, in the order they are told."""
    assert drawn.dataset is not None and value.top is not None
    column = drawn.dataset.member_column(by)
    assert column is not None
    rows = asked_as(served, client, drawn, value.measure, period, (column.name,))
    metric = drawn.metric_of(value.measure).name
    figures = [(str(row[column.name]), plain(row[metric])) for row in rows]
    return ranked([(name, one) for name, one in figures if name != NOBODY["zh"]], value.top)


def ranked_by_query(
    served: Served, query: str, value: DigestValue, scope: Scope, by: str
) -> list[tuple[str, float]]:
    """The members with a figure as the named query gives them, in the order they are told."""
    assert value.top is not None
    catalogue = served.installation.catalogue
    named = catalogue.queries[query]
    given = {"business_date": LAST} if "business_date" in named.parameters else {}
    with served.snapshot() as connection:
        rows = run_named_query(
            catalogue, connection, query, given, by=[by], scope=scope, business_date=LAST
        ).rows
    words = value.top.words
    return ranked(
        [
            (words[row[by]].zh if row[by] in words else row[by], plain(row[value.measure]))
            for row in rows
            if row[by] is not None
        ],
        value.top,
    )


def ranked(figures: list[tuple[str, Any]], top: Top) -> list[tuple[str, float]]:
    """Members with a figure that is not nought, as a text names them: the first few of two on."""
    sign = -1 if top.order == "largest" else 1
    known = [(name, float(figure)) for name, figure in figures if figure]
    known.sort(key=lambda one: (sign * one[1], one[0]))
    return known[: top.count] if len(known) > 1 else []


def charts_of(served: Served, dashboards: set[str] | None = None) -> list[DrawnChart]:
    """Charts in Chinese that show measures of a query, of the dashboards named or of all."""
    declared = load_dashboards(served.installation.search_path("dashboards"))
    ids = {
        chart_id(slug, name)
        for slug, (dashboard, _) in declared.items()
        if dashboards is None or slug in dashboards
        for name in dashboard.charts
    }
    return [one for one in served.drawn() if one.id in ids and one.dataset is not None]


def showing(charts: list[DrawnChart], query: str, measure: str) -> DrawnChart:
    """The first chart of a named query that shows the measure."""
    return next(
        chart
        for chart in charts
        if chart.declared.query == query and measure in chart.declared.measures
    )


def figures_of(digest: Digest, one: Account, publication: Publication) -> Mapping[str, Any]:
    """What the digest tells the account in Chinese, by the names of its values."""
    told = preview(digest, frozenset(one.units), publication, language="zh", signature="【回音】")
    assert told is not None
    return told.figures


def text_of(rule: Rule, publication: Publication, unit: str, observed: Observation) -> str:
    """What the rule would say of the observation if it fired."""
    values = text_values(rule, observed, publication, unit, Moved(), "zh")
    lines = render_lines(rule.text.fired, values, "zh", publication.currency)
    return "".join(line.text for line in lines)


def equal(*figures: Any) -> bool:
    """Whether all figures are one; none of a sum is nought, as the text says it."""
    first = figures[0] or 0
    return all((one or 0) == pytest.approx(first, rel=1e-9) for one in figures)


def test_every_digest_tells_the_figure_of_query_cube_and_report(served: Served) -> None:
    installation = served.installation
    digests = digests_of(installation)
    compared = 0
    with installation.snapshot() as snapshot:
        publication = publication_of(installation, snapshot)
        reports = {
            name: charts_of(served, {f"report-{name.replace('_', '-')}"}) for name in digests
        }
        for one in one_a_level(served):
            client = analyst(served, one.account_id)
            scope = Scope.all() if one.is_whole else Scope.units(one.units)
            for digest in digests.values():
                charts = reports[digest.digest]
                told = figures_of(digest, one, publication)
                span, range_ = PERIODS[digest.freshness.span]
                for name, value in digest.values.items():
                    table = digest.tables[value.table]
                    if value.top is not None:
                        continue
                    drawn = showing(charts, table.query, value.measure)
                    stated = told[name]
                    figures = (
                        None if stated is None else float(stated),
                        by_query(served, table.query, value.measure, scope),
                        by_cube(
                            served, table.query, value.measure, scope, None if table.stock else span
                        ),
                        by_chart(served, client, drawn, value.measure, range_),
                    )
                    assert equal(*figures), (one, digest.digest, name, figures)
                    compared += 1
    assert compared == 5 * sum(v.top is None for d in digests.values() for v in d.values.values())


def test_every_ranked_list_of_a_digest_names_the_members_of_query_and_report(
    served: Served,
) -> None:
    installation = served.installation
    lists = 0
    with installation.snapshot() as snapshot:
        publication = publication_of(installation, snapshot)
        for one in one_a_level(served):
            client = analyst(served, one.account_id)
            scope = Scope.all() if one.is_whole else Scope.units(one.units)
            below = max(publication.org.level(unit) or 0 for unit in one.units) + 1
            for digest in digests_of(installation).values():
                charts = charts_of(served, {f"report-{digest.digest.replace('_', '-')}"})
                told = figures_of(digest, one, publication)
                for name, value in digest.values.items():
                    if value.top is None:
                        continue
                    table = digest.tables[value.table]
                    by = f"org.l{below}" if table.by[0] == BELOW else table.by[0]
                    if by.startswith("org.") and below not in publication.org.levels:
                        assert told[name] is None
                        continue
                    drawn = showing(charts, table.query, value.measure)
                    period = PERIODS[digest.freshness.span][1]
                    expected = ranked_by_query(served, table.query, value, scope, by)
                    shown = ranked_by_chart(served, client, drawn, value, period, by)
                    assert [name for name, _ in shown] == [name for name, _ in expected]
                    assert [one for _, one in shown] == pytest.approx([one for _, one in expected])
                    words = "、".join(
                        f"{member} "
                        + value_text(
                            Decimal(str(one)), value.top.format, "zh", publication.currency
                        )
                        for member, one in expected
                    )
                    assert told[name] == (words or None), (one, name)
                    lists += bool(expected)
    assert lists > 5


def test_every_alert_tells_the_figure_of_query_cube_and_dashboards(served: Served) -> None:
    installation = served.installation
    rules = load_rules(installation.search_path("notifications/alerts"))
    charts = charts_of(served)
    seen: set[tuple[str, int]] = set()
    with installation.snapshot() as snapshot:
        publication = publication_of(installation, snapshot)
        found = {name: observe(rule, publication, LAST) for name, rule in rules.items()}
        for one in one_a_level(served):
            client = analyst(served, one.account_id)
            scope = Scope.all() if one.is_whole else Scope.units(one.units)
            (unit,) = one.units
            for name, rule in rules.items():
                level = publication.org.level(unit)
                if level not in rule.levels:
                    continue
                observed = found[name].get(unit)
                for measure in {rule.measure, rule.volume_measure}:
                    value = None if observed is None else float(
                        (observed.value if measure == rule.measure else observed.volume) or 0
                    )  # fmt: skip
                    period, range_ = PERIODS["day"] if rule.day else (None, PERIOD)
                    cube = installation.catalogue.queries[rule.query].cube
                    fitting = [
                        chart for chart in charts
                        if chart.dataset is not None and chart.dataset.cube.cube == cube
                        and not chart.declared.cuts and (chart.time is None or rule.day)
                    ]  # fmt: skip
                    # Where no chart shows the measure, any chart's dataset is asked for it.
                    fitting.sort(key=lambda chart: measure not in chart.declared.measures)
                    figures = [
                        value,
                        by_query(served, rule.query, measure, scope),
                        by_cube(served, rule.query, measure, scope, period),
                        by_chart(served, client, fitting[0], measure, range_),
                    ]
                    assert equal(*figures), (one, name, measure, figures)
                if observed is not None and observed.value is not None:
                    text = text_of(rule, publication, unit, observed)
                    form = "percent" if rule.volume else "number"
                    words = value_text(observed.value, form, "zh", publication.currency)
                    assert words in text, (name, unit, words, text)
                seen.add((name, level))
    assert {(name, level) for name, rule in rules.items() for level in rule.levels} == seen
