"""The clocks, states and backlog of the demonstration against the simulator's own arithmetic.

The simulator folds its cases and walks its days by code of its own; three lives were worked out by
hand.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest

from tests.journeys.product import Product

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("demonstration")]


@pytest.fixture(scope="module")
def truth(demo: Product) -> dict[str, Any]:
    text = (demo.home / "simulator" / "truth.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def rows(product: Product, sql: str) -> list[dict[str, Any]]:
    snapshot = product.home / "published" / "current" / "warehouse.duckdb"
    with duckdb.connect(str(snapshot), read_only=True) as warehouse:
        cursor = warehouse.execute(sql)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def naive(text: str | None) -> datetime | None:
    return (
        None if text is None else datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)
    )


def clocks_of(product: Product) -> dict[tuple[str, str, str, int], dict[str, Any]]:
    found = rows(product, "select * from marts.fct_sla_clock where evaluation = 'as_was'")
    return {(r["source"], r["case_no"], r["clock"], r["ordinal"]): r for r in found}


def differences(told: dict[str, Any], ours: dict[str, Any]) -> list[str]:
    found = {
        "policy_id": ours["policy_id"],
        "policy_version": ours["policy_version"],
        "started_at": ours["started_at"],
        "due_at": ours["due_at"],
        "stopped_at": ours["stopped_at"] or ours["cancelled_at"],
        "elapsed_s": ours["elapsed_s"],
        "state": ours["state"],
        "breached_on_change": ours["is_breached_on_change"],
    }
    true = {
        name: naive(value) if name.endswith("_at") else value
        for name, value in told.items()
        if name in found
    }
    return [
        f"{name}: {found[name]} and not {true[name]}" for name in true if found[name] != true[name]
    ]


def test_every_told_clock_is_as_the_simulator_walked_it(
    demo: Product, truth: dict[str, Any]
) -> None:
    ours = clocks_of(demo)
    assert len(truth["clocks"]) > 500
    faults = {}
    for told in truth["clocks"]:
        key = (told["source"], told["case_no"], told["clock"], told["ordinal"])
        wrong = differences(told, ours[key]) if key in ours else ["missing"]
        if wrong:
            faults[key] = wrong
    assert not faults
    assert {told["state"] for told in truth["clocks"]} >= {
        "met",
        "breached",
        "running",
        "cancelled",
    }


def test_the_lives_come_out_as_they_were_worked_out_by_hand(
    demo: Product, truth: dict[str, Any]
) -> None:
    ours = clocks_of(demo)
    for life in truth["lives"]:
        for told in life["clocks"]:
            key = (life["source"], life["case_no"], told["clock"], told["ordinal"])
            assert differences(told, ours[key]) == [], key


def test_the_state_at_any_moment_is_the_fold_of_what_had_happened(
    demo: Product, truth: dict[str, Any]
) -> None:
    for told in truth["statuses"]:
        at = naive(told["at"])
        here = (
            f"source = '{told['source']}' and case_no = '{told['case_no']}' "
            f"and valid_from < '{at}' and (valid_to is null or valid_to >= '{at}')"
        )
        (status,) = rows(demo, f"select status from marts.fct_case_status where {here}")
        (kinds,) = rows(demo, f"select priority from marts.fct_case_classification where {here}")
        assert (status["status"], kinds["priority"]) == (told["status"], told["priority"]), told
        held = rows(
            demo,
            "select holder_unit_id from marts.fct_case_assignment "
            f"where source = '{told['source']}' and case_no = '{told['case_no']}' "
            f"and valid_from < '{at}' order by valid_from desc limit 1",
        )
        assert (held[0]["holder_unit_id"] if held else None) == told["unit"], told


def test_the_backlog_of_a_past_day_is_what_was_open_at_its_end(
    demo: Product, truth: dict[str, Any]
) -> None:
    assert len(truth["backlog"]) == 12
    for told in truth["backlog"]:
        (found,) = rows(
            demo,
            "select count(*) as open_cases, count(*) filter (where source = 'hotline') as hotline "
            f"from marts.fct_backlog_daily where date_on = '{told['day']}'",
        )
        assert (found["open_cases"], found["hotline"]) == (told["open_cases"], told["hotline"])
