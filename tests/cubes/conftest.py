"""Shared by the tests of cubes: the shipped catalogue and a small warehouse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import duckdb
import pytest

from cubes.catalogue import Catalogue, load_catalogue, shipped_folder
from cubes.query import CubeQuery, CubeResult, run_query
from cubes.scope import Scope
from tests.cubes.marts import make_marts

BUSINESS_DATE = date(2026, 3, 30)

Ask = Callable[..., CubeResult]


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return load_catalogue([shipped_folder()])


@pytest.fixture(scope="session")
def marts() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        make_marts(connection)
        yield connection


@pytest.fixture
def ask(catalogue: Catalogue, marts: duckdb.DuckDBPyConnection) -> Ask:
    def run(
        cube: str,
        measures: Any,
        by: Any = (),
        *,
        scope: Scope | None = None,
        language: str = "zh",
        **rest: Any,
    ) -> CubeResult:
        query = CubeQuery.from_mapping({"cube": cube, "measures": measures, "by": by, **rest})
        return run_query(
            catalogue,
            marts,
            query,
            scope=scope or Scope.all(),
            business_date=BUSINESS_DATE,
            language=language,
        )

    return run
