"""Customers of three systems are taken for one person by stated rules; facts keep their numbers."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.dbt_project.builds import Builds
from tests.dbt_project.matching import SHIPPED, Record, random_records, survivors

# All tests here share one home, so one worker runs them.
pytestmark = pytest.mark.xdist_group("dbt")


def bridge(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Source, its number, the customer and the rule of rows of bridge_customer."""
    return sorted((row[1], row[2], row[4], row[5]) for row in rows)


def test_a_person_is_followed_through_corrections_deletions_and_whole_deliveries(
    builds: Builds,
) -> None:
    assert bridge(builds.marts["first"]["bridge_customer"]) == [
        ("billing", "A1", "K2", "number"),
        ("billing", "A2", "K1", "name_phone"),
        ("crm", "K1", "K1", "own"),
        ("crm", "K2", "K2", "own"),
        ("crm", "K3", "K1", "id_card"),
        ("hall", "B1", "K1", "id_card"),
        ("hall", "B2", "K9", "own"),
        ("hall", "B3", "hall:B3", "own"),
    ]
    # K3 and B3 were deleted and A1 left out of the whole delivery; the account A3 tells the number
    # K2 but another card, so nobody else is joined to K2 by a card.
    assert bridge(builds.marts["later"]["bridge_customer"]) == [
        ("billing", "A2", "K1", "name_phone"),
        ("billing", "A3", "K2", "number"),
        ("crm", "K1", "K1", "own"),
        ("crm", "K2", "K2", "own"),
        ("hall", "B1", "K1", "id_card"),
        ("hall", "B2", "K9", "own"),
        ("hall", "B4", "hall:B4", "own"),
    ]


def test_the_survivors_values_are_logged_with_what_lost(builds: Builds) -> None:
    log = builds.home.rows(
        "select customer_id, attribute, source, value_key, losing_value_count "
        "from marts.customer_survivorship order by customer_id, attribute"
    )
    assert [tuple(row.values()) for row in log] == [
        ("K1", "id_card", "crm", "i1", 0),
        ("K1", "name", "crm", "n1", 0),
        ("K1", "phone", "crm", "p1", 1),
        ("K2", "id_card", "crm", "i2", 1),
        ("K2", "name", "crm", "n2", 1),
        ("K2", "phone", "crm", "p2", 0),
    ]


def test_customer_numbers_stay_apart_whoever_they_are(builds: Builds) -> None:
    rows = {row[0]: row[1] for row in builds.marts["first"]["dim_customer"]}
    assert rows == {"K1": "K1", "K2": "K2", "K3": "K1"}


def matched_by_sql(
    connection: duckdb.DuckDBPyConnection, model: str, records: list[Record]
) -> dict[int, int]:
    """Run the compiled model over records put in the place of its input."""
    connection.execute("delete from work.intermediate.int_customer__record")
    connection.executemany(
        "insert into work.intermediate.int_customer__record values "
        "(?, 'crm', 'K', null, ?, ?, ?, ?)",
        [[r.record_no, r.known_no, r.name, r.id_card, r.phone] for r in records],
    )
    rows = connection.execute(f"select record_no, survivor_no from ({model})").fetchall()
    return dict(rows)


def test_random_records_are_joined_as_by_a_walk_through_them(
    builds: Builds, tmp_path: Path
) -> None:
    compiled = "target/compiled/huiyin/models/intermediate/customer/int_customer__match.sql"
    model = (builds.home.folder / compiled).read_text(encoding="utf-8")
    with duckdb.connect() as connection:
        connection.execute(f"attach '{tmp_path / 'work.duckdb'}' as work")
        connection.execute(f"attach '{builds.home.work}' as built (read_only)")
        for table in ("intermediate.int_customer__record", "seeds.customer_match_rule"):
            connection.execute(f"create schema work.{table.split('.')[0]}")
            connection.execute(f"create table work.{table} as select * from built.{table}")
        joined = 0
        for seed in range(25):
            records = random_records(random.Random(seed))
            expected = survivors(records, SHIPPED)
            assert matched_by_sql(connection, model, records) == expected, (seed, records)
            joined += sum(no != of for no, of in expected.items())
    assert joined > 100
