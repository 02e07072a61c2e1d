"""A build stops when an aggregate tells otherwise than the facts."""

from __future__ import annotations

import random

import duckdb
import pytest

from cubes.catalogue import Catalogue, load_catalogue, shipped_folder
from pipelines import aggregate_gate
from pipelines.aggregate_gate import make_aggregates
from pipelines.errors import BuildFailedError
from tests.cubes.marts import make_marts


def test_aggregates_that_agree_with_the_facts_pass() -> None:
    catalogue = load_catalogue([shipped_folder()])
    with duckdb.connect() as connection:
        make_marts(connection)
        made = make_aggregates(catalogue, connection, rng=random.Random(1))
    assert {"aggregate.cases__daily", "aggregate.sales__daily"} <= set(made)


def test_a_differing_aggregate_stops_the_build_and_says_how_to_ask_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def tampered(catalogue: Catalogue, connection: duckdb.DuckDBPyConnection) -> list[str]:
        made = build(catalogue, connection)
        connection.execute("update aggregate.cases__daily set complaints = complaints + 1")
        return made

    build = aggregate_gate.build_aggregates
    monkeypatch.setattr(aggregate_gate, "build_aggregates", tampered)
    catalogue = load_catalogue([shipped_folder()])
    with duckdb.connect() as connection:
        make_marts(connection)
        with pytest.raises(BuildFailedError) as caught:
            make_aggregates(catalogue, connection, rng=random.Random(1))
    told = str(caught.value)
    assert "cases, aggregate daily, --measures " in told
    assert "Nothing was published" in told and "Trying again does not help" in told
