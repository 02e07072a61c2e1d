"""Metrics of datasets asked of a view directly, beside the cube's own answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from jinja2.sandbox import SandboxedEnvironment

from cubes.query import CubeQuery, run_query
from cubes.scope import Scope
from cubes.view import NOBODY
from dashboards.chart import GRAINS
from dashboards.dataset import Dataset
from dashboards.superset.period import day_taken

Period = tuple[date, date] | None


def plain(value: Any) -> Any:
    """Numbers as floats, so that decimals of two systems compare."""
    if isinstance(value, bool) or value is None or isinstance(value, str | date):
        return value
    return float(value) if isinstance(value, int | float | Decimal) else value


Figures = dict[tuple[Any, ...], Any]


def ask_view_for(
    connection: duckdb.DuckDBPyConnection,
    dataset: Dataset,
    measures: Sequence[str],
    by: tuple[str, ...],
    period: Period,
) -> dict[str, Figures]:
    """Several metrics over the view in one query, by metric."""
    time = dataset.time_column(dataset.cube.default_time)
    selected, columns = [], []
    for name in by:
        role, _, grain = name.partition(".")
        column = dataset.member_column(name)
        assert column is not None
        if role in dataset.cube.time:
            selected.append(f"cast(date_trunc('{grain}', {column.name}) as date)")
            columns.append({"sqlExpression": column.name, "timeGrain": GRAINS[grain]})
        else:
            selected.append(column.name)
    first, last = period or (None, None)
    metrics = [
        SandboxedEnvironment()
        .from_string(dataset.metrics[measure])
        .render(
            day_taken=day_taken,
            filter=[],
            columns=columns,
            time_column=time,
            from_dttm=None if first is None else f"{first}T00:00:00",
            to_dttm=None if last is None else f"{last + timedelta(days=1)}T00:00:00",
        )
        for measure in measures
    ]
    where = f"where {time} >= date '{first}' and {time} <= date '{last}'" if period else ""
    groups = f"group by {', '.join(map(str, range(1, len(by) + 1)))}" if by else ""
    listed = ", ".join([*selected, *metrics])
    rows = connection.execute(
        f"select {listed} from cube.{dataset.view} {where} {groups}"
    ).fetchall()
    return {
        measure: {tuple(row[: len(by)]): plain(row[len(by) + place]) for row in rows}
        for place, measure in enumerate(measures)
    }


def ask_cube_for(
    connection: duckdb.DuckDBPyConnection,
    dataset: Dataset,
    measures: Sequence[str],
    by: tuple[str, ...],
    period: Period,
    scope: Scope | None = None,
    *,
    time: str | None = None,
    cuts: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Figures]:
    """The cube's own answer for several measures in one query, by measure."""
    query = CubeQuery(
        cube=dataset.cube.cube,
        measures=tuple(measures),
        by=by,
        cuts=tuple((name, tuple(codes)) for name, codes in (cuts or {}).items()),
        time=time,
        keys=True,
        period=None if period is None else f"{period[0]}..{period[1]}",
    )
    result = run_query(
        dataset.catalogue,
        connection,
        query,
        scope=scope or Scope.all(),
        business_date=date(2026, 3, 30),
        language=dataset.language,
    )
    shapes = {"zh": "{}（{}）", "en": "{} ({})"}
    told_apart = {name: _members_of(connection, dataset, name) for name in by}

    def shown(name: str, row: dict[str, Any]) -> Any:
        value = result.member_labels.get(name, {}).get(row[name], row[name])
        column = dataset.member_column(name)
        if value is None and column is not None and column.tells_null:
            return NOBODY[dataset.language]
        longer = shapes[dataset.language].format(value, row.get(f"{name}__id"))
        return longer if longer in told_apart[name] else value

    members = [tuple(shown(name, row) for name in by) for row in result.rows]
    return {
        measure: {
            member: plain(row[measure]) for member, row in zip(members, result.rows, strict=True)
        }
        for measure in measures
    }


_MEMBERS: dict[tuple[str, str, str], set[Any]] = {}


def _members_of(connection: duckdb.DuckDBPyConnection, dataset: Dataset, name: str) -> set[Any]:
    """The members of a dimension as the view shows them, read once for each warehouse file."""
    row = connection.execute("select path from duckdb_databases() where not internal").fetchone()
    file = None if row is None else row[0]
    key = (str(file), dataset.view, name)
    if file is None or key not in _MEMBERS:
        column = dataset.member_column(name)
        assert column is not None
        rows = connection.execute(
            f"select distinct {column.name} from cube.{dataset.view}"
        ).fetchall()
        _MEMBERS[key] = {found[0] for found in rows}
    return _MEMBERS[key]


def assert_equal(found: Figures, expected: Figures, what: str) -> None:
    assert found.keys() == expected.keys(), what
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, rel=1e-9), f"{what} {key}"
