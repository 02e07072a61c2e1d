"""Answers kept by snapshot: never another account's, never of another snapshot."""

from __future__ import annotations

import threading
from typing import Any

import duckdb
import pytest

from cubes.errors import AnswerTooLarge
from cubes.query import CubeQuery, CubeResult, run_query
from cubes.result_cache import ResultCache
from cubes.scope import Scope
from tests.cubes.conftest import BUSINESS_DATE


def ask(
    catalogue: Any, connection: Any, cache: ResultCache, scope: Scope | None = None, **rest: Any
) -> CubeResult:
    given: dict[str, Any] = {"snapshot": "one", "language": "zh", **rest}
    query = CubeQuery.from_mapping({"cube": "cases", "measures": "cases", "by": "org.l2"})
    return run_query(
        catalogue, connection, query, scope=scope or Scope.all(), business_date=BUSINESS_DATE,
        cache=cache, **given,
    )  # fmt: skip


def test_the_same_question_to_the_same_snapshot_is_answered_once(
    catalogue: Any, marts: duckdb.DuckDBPyConnection
) -> None:
    cache = ResultCache()
    first = ask(catalogue, marts, cache)
    with duckdb.connect() as empty:
        # Nothing is asked of the database any more.
        assert ask(catalogue, empty, cache) is first
    assert len(cache) == 1


def test_scope_language_and_snapshot_tell_questions_apart(
    catalogue: Any, marts: duckdb.DuckDBPyConnection
) -> None:
    cache = ResultCache()
    everything = ask(catalogue, marts, cache)
    mine = ask(catalogue, marts, cache, Scope.units(["5101"]))
    assert len(mine.rows) < len(everything.rows)
    assert ask(catalogue, marts, cache, Scope.units(["5101"])) is mine
    assert ask(catalogue, marts, cache, Scope.units([])).rows == []
    assert ask(catalogue, marts, cache, language="en").columns != everything.columns
    assert ask(catalogue, marts, cache, snapshot="two") is not everything
    assert len(cache) == 5


def test_without_a_snapshots_name_nothing_is_kept(
    catalogue: Any, marts: duckdb.DuckDBPyConnection
) -> None:
    cache = ResultCache()
    ask(catalogue, marts, cache, snapshot=None)
    assert len(cache) == 0


def test_a_kept_answer_is_too_large_as_well(
    catalogue: Any, marts: duckdb.DuckDBPyConnection
) -> None:
    cache = ResultCache()
    ask(catalogue, marts, cache)
    with pytest.raises(AnswerTooLarge):
        ask(catalogue, marts, cache, most_rows=1)


def test_what_was_used_longest_ago_goes_and_what_is_large_is_not_kept(
    catalogue: Any, marts: duckdb.DuckDBPyConnection
) -> None:
    size = 100 + 2 * len(ask(catalogue, marts, ResultCache()).rows)
    cache = ResultCache(most_cells=2 * size + 1)
    first = ask(catalogue, marts, cache, snapshot="1")
    ask(catalogue, marts, cache, snapshot="2")
    assert ask(catalogue, marts, cache, snapshot="1") is first
    ask(catalogue, marts, cache, snapshot="3")
    assert len(cache) == 2 and ask(catalogue, marts, cache, snapshot="1") is first
    small = ResultCache(most_each=50)
    ask(catalogue, marts, small)
    assert len(small) == 0


def test_threads_may_share_it(catalogue: Any, marts: duckdb.DuckDBPyConnection) -> None:
    cache = ResultCache(most_cells=400)
    expected = ask(catalogue, marts, ResultCache()).rows
    wrong: list[Any] = []

    def work(number: int) -> None:
        with marts.cursor() as cursor:
            for turn in range(20):
                found = ask(catalogue, cursor, cache, snapshot=str((number + turn) % 5))
                if found.rows != expected:
                    wrong.append(found)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == [] and len(cache) <= 4
