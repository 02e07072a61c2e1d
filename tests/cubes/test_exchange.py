"""Deliveries and exchange events: figures known by hand, and who may see them."""

from __future__ import annotations

import pytest

from cubes.errors import QueryError
from cubes.scope import Scope
from tests.cubes.conftest import Ask


def test_rows_that_count_are_those_loaded_and_rejected(ask: Ask) -> None:
    # Hall: 100 + 50 stand (5 rejected); 70 were refused, 30 superseded, 3 replayed. Billing: 40.
    result = ask(
        "deliveries",
        "batches,rows,loaded,rejected,reject_rate,refused_batches,superseded_batches,replayed",
        "source",
        totals="grand",
    )
    hall = {
        "batches": 4,
        "rows": 150,
        "loaded": 145,
        "rejected": 5,
        "reject_rate": pytest.approx(5 / 150),
        "refused_batches": 1,
        "superseded_batches": 1,
        "replayed": 3,
    }
    assert {row.pop("source"): row for row in result.rows}["hall"] == hall
    assert result.totals == [
        {
            **hall,
            "batches": 5,
            "rows": 190,
            "loaded": 185,
            "reject_rate": pytest.approx(5 / 190),
        }
    ]


def test_deliveries_are_cut_by_code_branch_and_days_of_business_or_arrival(ask: Ask) -> None:
    assert ask("deliveries", "batches", cuts={"code": "#wrong_sum"}).rows == [{"batches": 1}]
    cut = {"source": "#hall", "stream": "orders", "branch": "main"}
    assert ask("deliveries", "rows", cuts=cut, period="2026-03-29").rows == [{"rows": 100}]
    received = ask("deliveries", "rows", cuts=cut, time="received", period="2026-03-30")
    assert received.rows == [{"rows": 100}]


def test_open_are_events_and_refusals_that_ask_for_care(ask: Ask) -> None:
    # Hall: a refused batch and a gap; billing: a gap that was settled, a repeated file to ignore.
    result = ask(
        "exchange_events",
        "events,open_events,open_refusals,newest_open,settling_time",
        "source",
        order="source",
    )
    assert result.rows == [
        {
            "source": "billing",
            "events": 2,
            "open_events": 0,
            "open_refusals": 0,
            "newest_open": None,
            "settling_time": 3600,
        },
        {
            "source": "hall",
            "events": 2,
            "open_events": 2,
            "open_refusals": 1,
            "newest_open": 200,
            "settling_time": None,
        },
    ]


@pytest.mark.parametrize(
    ("cube", "measure"), [("deliveries", "batches"), ("exchange_events", "open_events")]
)
def test_figures_of_the_whole_are_refused_to_an_account_of_some_units(
    ask: Ask, cube: str, measure: str
) -> None:
    with pytest.raises(QueryError, match="restricted account may not see it"):
        ask(cube, measure, scope=Scope.units(["5101"]))
