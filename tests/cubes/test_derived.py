"""Derived measures: Wilson's lower bound, weighted scores, shares drawn to the whole."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cubes.catalogue import Catalogue, load_catalogue
from cubes.cube import Measure
from cubes.errors import DeclarationError
from cubes.query import CubeQuery, run_query
from cubes.scope import Scope
from cubes.view import create_views
from cubes.view_measure import view_measure_sql
from tests.soak import examples

CUBE = """
cube: job
fact: job
time: {on: done_on}
dimensions: {team: {sql: team}}
measures:
  jobs: {agg: count}
  kept: {agg: count, where: is_kept}
  loud: {agg: count, where: is_loud}
  tries: {agg: sum, sql: tries}
  kept_rate: {ratio: [kept, jobs]}
  loud_rate: {ratio: [loud, kept]}
  sure: {wilson: [kept, jobs]}
  surer: {wilson: [kept, jobs], z: 2.5, least: 4}
  odd: {wilson: [tries, jobs], least: 1}
  drawn: {shrunk: [kept, jobs]}
  score: {weighted: {kept_rate: 1, loud_rate: 3}}
variants:
  loud_job: {where: is_loud, label: {zh: 响, en: Loud}}
"""


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[duckdb.DuckDBPyConnection, Catalogue]]:
    folder: Path = tmp_path_factory.mktemp("jobs")
    (folder / "definitions").mkdir()
    (folder / "definitions" / "job.yml").write_text(CUBE, encoding="utf-8")
    with duckdb.connect() as connection:
        connection.execute(
            "create table job (team varchar, done_on date, is_kept boolean, is_loud boolean, "
            "tries int)"
        )
        yield connection, load_catalogue([folder])


def fill(connection: duckdb.DuckDBPyConnection, *jobs: tuple[str, str, int, int, int]) -> None:
    """Replace the jobs: team, day, how many, how many of them kept, how many of those loud."""
    connection.execute("delete from job")
    for team, day, count, kept, loud in jobs:
        connection.execute(
            "insert into job select $1, $2, i <= $4, i <= $5, 3 from range(1, $3 + 1) t(i)",
            [team, day, count, kept, loud],
        )


def ask(world: tuple[duckdb.DuckDBPyConnection, Catalogue], **query: Any) -> Any:
    connection, catalogue = world
    return run_query(
        catalogue,
        connection,
        CubeQuery.from_mapping({"cube": "job", **query}),
        scope=Scope.all(),
        business_date=date(2026, 3, 30),
    )


@pytest.mark.parametrize(
    ("kept", "jobs", "bound"),
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3; its z is 1.96 to four digits.
    [(81, 263, 0.2553), (15, 148, 0.0624), (0, 30, 0.0), (20, 20, None), (29, 29, None)],
)
def test_the_lower_bound_is_that_of_published_tables_and_empty_of_too_few(
    world: Any, kept: int, jobs: int, bound: float | None
) -> None:
    fill(world[0], ("a", "2026-03-01", jobs, kept, 0))
    (row,) = ask(world, measures="sure").rows
    assert row["sure"] == (None if bound is None else pytest.approx(bound, abs=5e-5))


@settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.integers(4, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_lower_bound_is_the_smaller_share_that_the_sample_is_z_deviations_from(
    world: Any, counts: tuple[int, int]
) -> None:
    kept, jobs = counts
    fill(world[0], ("a", "2026-03-01", jobs, kept, 0))
    (row,) = ask(world, measures="surer").rows
    bound, share = row["surer"], kept / jobs
    assert 0 <= bound <= share
    # The interval's ends are the shares p with |share - p| = z * sqrt(p * (1 - p) / n).
    assert (share - bound) ** 2 == pytest.approx(2.5**2 * bound * (1 - bound) / jobs, abs=1e-9)
    assert (bound == 0) == (kept == 0)


def test_a_part_larger_than_its_whole_has_no_bound(world: Any) -> None:
    fill(world[0], ("a", "2026-03-01", 40, 0, 0))
    assert ask(world, measures="tries,odd").rows == [{"tries": 120, "odd": None}]


def test_a_score_is_the_weighted_mean_and_empty_where_a_part_is(world: Any) -> None:
    fill(world[0], ("a", "2026-03-01", 10, 5, 4), ("b", "2026-03-01", 10, 0, 0))
    result = ask(world, measures="score", by="team", totals="grand")
    # a: (1 * 0.5 + 3 * 0.8) / 4; b kept none, so its second part is unknown;
    # the total: (1 * 5 / 20 + 3 * 4 / 5) / 4, no mean of the rows.
    assert result.rows == [
        {"team": "a", "score": pytest.approx(0.725)},
        {"team": "b", "score": None},
    ]
    assert result.totals == [{"score": pytest.approx(0.6625)}]


def test_a_share_is_drawn_to_that_of_the_answer_in_rows_totals_and_the_compared_period(
    world: Any,
) -> None:
    fill(
        world[0],
        ("a", "2026-03-01", 50, 50, 0),
        ("b", "2026-03-01", 150, 50, 0),
        ("a", "2026-02-01", 50, 0, 0),
        ("b", "2026-02-01", 50, 50, 0),
    )
    result = ask(
        world,
        measures="drawn",
        by="team",
        period="2026-03",
        compare="previous",
        totals="grand",
    )
    # March: half of all 200 are kept. a: (50 + 25) / 100, b: (50 + 25) / 200.
    # February: half of all 100. a: (0 + 25) / 100, b: (50 + 25) / 100.
    found = [(row["drawn"], row["drawn__previous"]) for row in [*result.rows, *result.totals]]
    assert found == [pytest.approx(pair) for pair in [(0.75, 0.25), (0.375, 0.75), (0.5, 0.5)]]
    cut = ask(world, measures="drawn", by="team", period="2026-03", cuts={"team": "b"})
    # Alone, b is the whole: (50 + 50 / 3) / 200.
    assert cut.rows == [{"team": "b", "drawn": pytest.approx(1 / 3)}]
    first = ask(world, measures="drawn", by="team", period="2026-03", limit=1)
    assert first.rows == [{"team": "a", "drawn": 0.75}]


def test_a_view_gives_the_bound_and_the_score_of_the_cube_but_no_shrunk_share(world: Any) -> None:
    connection, catalogue = world
    fill(connection, ("a", "2026-03-01", 40, 30, 10), ("b", "2026-03-01", 9, 9, 0))
    create_views(catalogue, connection)
    cube = catalogue.cube("job")
    for name in ("sure", "surer", "score"):
        sql = view_measure_sql(catalogue, cube, name, time="done_on", day=lambda end: end)
        found = connection.execute(
            f"select team, {sql} from cube.job group by team order by team"
        ).fetchall()
        asked = ask(world, measures=name, by="team").rows
        assert found == [(row["team"], row[name]) for row in asked]
        assert found[0][1] is not None
    assert view_measure_sql(catalogue, cube, "drawn", time="done_on", day=lambda end: end) is None


def test_a_variant_counts_other_rows_by_the_same_measures(world: Any) -> None:
    connection, catalogue = world
    fill(connection, ("a", "2026-03-01", 40, 30, 10))
    assert ask(world, cube="loud_job", measures="jobs,kept_rate").rows == [
        {"jobs": 10, "kept_rate": 1.0}
    ]
    assert create_views(catalogue, connection)[:2] == ["cube.job", "cube.loud_job"]
    assert connection.execute("select count(*) from cube.loud_job_en").fetchone() == (10,)
    assert [cube.cube for cube in catalogue.declared_cubes()] == ["job"]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{weighted: {kept_rate: 0}}", "m.weighted.kept_rate: Input should be greater than 0"),
        ("{weighted: {kept_rate: -1}}", "m.weighted.kept_rate: Input should be greater than 0"),
        ("{weighted: {}}", "m.weighted: Dictionary should have at least 1 item"),
        ("{wilson: [kept]}", "m.wilson.1: is required but missing"),
        ("{wilson: [kept, jobs], z: 0}", "m.z: Input should be greater than 0"),
        ("{wilson: [kept, jobs], least: 0}", "m.least: Input should be greater than or equal to 1"),
        ("{wilson: [kept, jobs], m: 3}", "'m' belongs to shrunk"),
        ("{shrunk: [kept, jobs], z: 3}", "'z' belongs to wilson"),
        ("{shrunk: [kept, jobs], where: is_kept}", "a shrunk measure takes no 'sql', 'where'"),
        ("{wilson: [kept, jobs], scale: 2}", "'scale' belongs to ratio"),
        ("{agg: count, ratio: [kept, jobs]}", "needs exactly one of 'agg', 'ratio', 'weighted'"),
        ("{format: percent}", "needs exactly one of 'agg', 'ratio', 'weighted'"),
    ],
)
def test_a_wrong_measure_is_told_at_its_line(tmp_path: Path, written: str, said: str) -> None:
    (tmp_path / "definitions").mkdir()
    text = CUBE.replace("variants:", f"  m: {written}\nvariants:")
    (tmp_path / "definitions" / "job.yml").write_text(text, encoding="utf-8")
    with pytest.raises(DeclarationError) as caught:
        load_catalogue([tmp_path])
    (fault,) = caught.value.faults
    assert said in fault.message
    assert fault.line == text.splitlines().index(f"  m: {written}") + 1


def test_a_definition_tells_how_a_figure_comes_about() -> None:
    def told(**measure: Any) -> str:
        return Measure.model_validate(measure).definition

    assert told(weighted={"a": 40, "b": 60}) == "(40 * a + 60 * b) / 100"
    assert told(wilson=["a", "b"]) == "wilson lower bound of a / b, z 1.96, b >= 30"
    assert told(shrunk=["a", "b"], m=5) == "(a + 5 * overall a / b) / (b + 5)"
