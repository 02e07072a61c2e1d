"""Shared by the tests of dashboards: the shipped catalogue and a small warehouse with its views."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from cubes.catalogue import Catalogue, load_catalogue, shipped_folder
from cubes.view import create_views
from cubes.warehouse import Warehouse, read_warehouse
from tests.cubes.marts import make_marts

ZONE = "Asia/Shanghai"


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return load_catalogue([shipped_folder()])


@pytest.fixture(scope="session")
def marts(catalogue: Catalogue) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        make_marts(connection)
        connection.execute(
            "create table marts.data_status (build_id varchar, business_date date, "
            "as_of_local timestamp, zone varchar)"
        )
        create_views(catalogue, connection, zone=ZONE)
        yield connection


@pytest.fixture(scope="session")
def warehouse(marts: duckdb.DuckDBPyConnection) -> Warehouse:
    return read_warehouse(marts)
