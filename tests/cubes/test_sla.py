"""The cubes `sla` and `sla_as_is`: their measures over clocks whose figures are known by hand."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from cubes.catalogue import Catalogue
from cubes.named_query import run_named_query
from cubes.query import CubeQuery, run_query
from cubes.scope import Scope
from tests.cubes.conftest import BUSINESS_DATE, Ask

MARCH = "2026-03"


def one(ask: Ask, measures: str, cube: str = "sla", **rest: Any) -> dict[str, Any]:
    (row,) = ask(cube, measures, **rest).rows
    return dict(row)


def test_every_state_is_counted_once(ask: Ask) -> None:
    rows = ask("sla", "clocks", "state", totals="grand", language="en")
    assert {row["state"]: row["clocks"] for row in rows.rows} == {
        "breached": 4, "cancelled": 1, "measured": 5, "met": 5, "paused": 1, "running": 4,
    }  # fmt: skip
    assert rows.totals == [{"clocks": 20}]
    assert one(
        ask,
        "met,breached,decided,running,paused,cancelled,overdue,at_risk,breached_on_change,"
        "provisional",
    ) == {
        "met": 5, "breached": 4, "decided": 9, "running": 4, "paused": 1, "cancelled": 1,
        "overdue": 2, "at_risk": 1, "breached_on_change": 1, "provisional": 1,
    }  # fmt: skip


def test_the_rate_by_due_date_takes_the_clocks_due_in_the_period_and_decided(ask: Ask) -> None:
    # Due in March: 4 met (the fifth is due on 1 April), 4 breached, two of them open.
    assert one(ask, "met,decided,on_time_rate", period=MARCH) == {
        "met": 4,
        "decided": 8,
        "on_time_rate": 0.5,
    }


def test_the_rate_by_stop_date_leaves_out_what_is_open(ask: Ask) -> None:
    # Stopped in March: 5 in time and 2 late; the two overdue ones have not stopped.
    assert one(
        ask, "stopped,stopped_in_time,closed_on_time_rate,overdue", time="stopped", period=MARCH
    ) == {
        "stopped": 7,
        "stopped_in_time": 5,
        "closed_on_time_rate": pytest.approx(5 / 7),
        "overdue": 0,
    }


def test_as_is_judges_by_what_is_known_now(ask: Ask) -> None:
    assert one(ask, "clocks,met,breached", cube="sla_as_is") == {
        "clocks": 20,
        "met": 4,
        "breached": 5,
    }


def test_durations_are_of_stopped_clocks_in_their_own_time_and_in_calendar_time(ask: Ask) -> None:
    # First responses took 3600, 7200 (10000 by the wall) and 100000 seconds.
    assert one(
        ask,
        "elapsed_p50,elapsed_p90,elapsed_avg,calendar_p50,calendar_p90,calendar_elapsed_avg",
        cuts={"clock": "首次答复"},
    ) == {
        "elapsed_p50": 7200.0,
        # Of three values the ninth tenth lies at 1 + 0.8: between the second and the third.
        "elapsed_p90": pytest.approx(7200 + 0.8 * 92800),
        "elapsed_avg": pytest.approx(110800 / 3),
        "calendar_p50": 10000.0,
        "calendar_p90": pytest.approx(10000 + 0.8 * 90000),
        "calendar_elapsed_avg": pytest.approx(113600 / 3),
    }
    # Four resolutions stopped, one of them paused for 1800 seconds.
    assert one(ask, "paused_avg", cuts={"clock": "办结"}) == {"paused_avg": 450.0}
    # 13600 and 213600; the two resolutions past their day have no overrun in seconds.
    assert one(ask, "overrun_p50") == {"overrun_p50": 113600.0}


def test_the_mean_of_a_period_is_held_against_the_target_of_the_mean(ask: Ask) -> None:
    # 1000, 5000 and, open past due, 9000 seconds against 3600; one is not due yet.
    measures = "mean_elapsed_of_mean_targets,mean_target,mean_target_use"
    assert one(ask, measures) == {
        "mean_elapsed_of_mean_targets": 5000.0,
        "mean_target": 3600.0,
        "mean_target_use": pytest.approx(50 / 36),
    }
    assert one(ask, measures, cuts={"clock": "办结"}) == dict.fromkeys(measures.split(","))


def test_a_percentile_target_is_met_by_the_share_within_it(ask: Ask) -> None:
    assert one(ask, "percentile_within,percentile_decided,percentile_within_rate") == {
        "percentile_within": 1,
        "percentile_decided": 2,
        "percentile_within_rate": 0.5,
    }


def test_the_score_weighs_first_response_and_resolution(ask: Ask) -> None:
    # First responses 2 of 4, resolutions 3 of 5: 0.4 * 0.5 + 0.6 * 0.6.
    assert one(ask, "first_response_rate,resolution_rate,service_score") == {
        "first_response_rate": 0.5,
        "resolution_rate": 0.6,
        "service_score": pytest.approx(0.56),
    }
    # Nothing but first responses: half of the score would be a guess.
    assert one(ask, "service_score", cuts={"clock": "首次答复"}) == {"service_score": None}


def test_a_small_unit_has_no_bound_and_is_drawn_to_the_whole(ask: Ask) -> None:
    result = ask(
        "sla", "on_time_lower,on_time_shrunk", "org.l3", cuts={"state": ["met", "breached"]}
    )
    # Of all 9 decided 5 are met. Central 4 of 5, Shuangliu 1 of 2, the third unit 0 of 2.
    expected = sorted((k + 50 * 5 / 9) / (n + 50) for k, n in ((4, 5), (1, 2), (0, 2)))
    assert sorted(row["on_time_shrunk"] for row in result.rows) == pytest.approx(expected)
    assert {row["on_time_lower"] for row in result.rows} == {None}


def test_a_large_unit_has_a_bound(catalogue: Catalogue, marts: duckdb.DuckDBPyConnection) -> None:
    with marts.cursor() as own:
        own.execute("begin")
        own.execute(
            "insert into marts.fct_sla_clock by name select 'm' || i as clock_key, "
            "'as_was' as evaluation, 'relay' as clock, 'met' as state, '5101' as org_unit_id, "
            "date '2025-05-05' as due_on from range(40) t(i)"
        )
        result = run_query(
            catalogue,
            own,
            CubeQuery.from_mapping(
                {"cube": "sla", "measures": "on_time_lower", "period": "2025-05"}
            ),
            scope=Scope.all(),
            business_date=BUSINESS_DATE,
        )
        own.execute("rollback")
    # With all of n met the bound is n / (n + z^2).
    assert result.rows == [{"on_time_lower": pytest.approx(40 / (40 + 1.96**2))}]


def test_overdue_clocks_age_in_working_days(ask: Ask) -> None:
    result = ask("sla", "overdue", "overdue_age", cuts={"state": "breached"}, language="en")
    # Two working days and twenty; those that stopped have no age.
    assert [(row["overdue_age"], row["overdue"]) for row in result.rows] == [
        ("2", 1),
        ("4", 1),
        (None, 0),
    ]
    labels = result.member_labels["overdue_age"]
    assert (labels["2"], labels["4"]) == ("2-5 working days", "11 working days or more")


def test_reopened_cases_are_told_apart_and_units_have_their_roles(ask: Ask) -> None:
    by_cycle = ask("sla", "resolution_decided", "cycle_kind").rows
    assert {row["cycle_kind"]: row["resolution_decided"] for row in by_cycle} == {
        "again": 1,
        "first": 4,
    }
    # The late answer of Shuangliu was held by the city when it fell due.
    late = {"cuts": {"state": "breached", "clock": "首次答复", "unit_at_due.l2": "成都"}}
    (row,) = ask("sla", "breached", "unit_at_due,longest_unit,org", **late).rows
    assert row["breached"] == 1
    assert (row["unit_at_due"], row["longest_unit"], row["org"]) == ("5101", "510102", "510102")


def test_versions_of_a_policy_are_told_apart_in_both_languages(ask: Ask) -> None:
    for language, names in (
        ("zh", {"一天 第1版", "一天 第2版"}),
        ("en", {"One day v1", "一天 v2"}),
    ):
        result = ask("sla", "clocks", "policy", language=language)
        assert names <= set(result.member_labels["policy"].values())


def test_what_is_due_ahead_comes_soonest_first_and_within_the_scope(
    catalogue: Catalogue, marts: duckdb.DuckDBPyConnection
) -> None:
    def asked(scope: Scope) -> list[tuple[Any, ...]]:
        result = run_named_query(
            catalogue, marts, "sla_due_ahead", {}, scope=scope, business_date=BUSINESS_DATE
        )
        return [(str(row["due_on"]), row["case_no"], row["is_at_risk"]) for row in result.rows]

    ahead = [
        ("2026-03-14", "case 16", False),
        ("2026-03-31", "case 4", True),
        ("2026-04-02", "case 17", False),
        ("2027-01-05", "case 11", False),
    ]
    assert asked(Scope.all()) == ahead
    assert asked(Scope.units(["510201"])) == [ahead[1]]


def test_the_rate_of_the_last_full_month_stands_by_unit_and_clock(
    catalogue: Catalogue, marts: duckdb.DuckDBPyConnection
) -> None:
    result = run_named_query(
        catalogue,
        marts,
        "sla_on_time",
        {"business_date": "2026-03-31"},
        scope=Scope.all(),
        business_date=BUSINESS_DATE,
        language="en",
    )
    found = {
        (row["org.l2"], row["clock"]): (row["on_time_rate"], row["decided"], row["overdue"])
        for row in result.rows
    }
    assert found == {
        ("Chengdu", "first_response"): (pytest.approx(2 / 3), 3, 0),
        ("Chengdu", "resolution"): (pytest.approx(2 / 3), 3, 0),
        ("Mianyang", "first_response"): (0.0, 1, 1),
        ("Mianyang", "resolution"): (0.0, 1, 1),
    }
    assert [(row["on_time_rate"], row["decided"]) for row in result.totals] == [(0.5, 8)]


def test_the_bulletin_figures_share_one_denominator(
    catalogue: Catalogue, marts: duckdb.DuckDBPyConnection
) -> None:
    cases = [
        # status, merged, spam, resolution met, first reply met, score
        ("closed", False, False, True, True, 5),
        ("resolved", False, False, False, True, 2),
        ("resolved", False, False, None, None, None),
        ("in_progress", False, False, False, False, None),
        ("new", False, False, None, None, None),
        ("closed", True, False, True, True, 4),
        ("closed", False, True, True, True, None),
        ("rejected", False, False, None, True, None),
        ("withdrawn", False, False, None, None, None),
    ]
    with marts.cursor() as own:
        own.execute("begin")
        for number, (status, merged, spam, resolved, replied, score) in enumerate(cases):
            own.execute(
                "insert into marts.fct_case by name select ? as case_key, date '2024-05-05' as "
                "created_on, ? as status, ? as is_merged, ? as is_spam, ? as resolution_met, "
                "? as first_reply_met, ? as score",
                [f"b{number}", status, merged, spam, resolved, replied, score],
            )
        measures = [
            "handed_out", "finished", "finish_rate", "finished_on_time", "finish_on_time_rate",
            "finished_late", "unfinished", "responded_in_time", "response_rate", "scored",
            "satisfied", "satisfaction_rate",
        ]  # fmt: skip
        result = run_query(
            catalogue,
            own,
            CubeQuery.from_mapping({"cube": "cases", "measures": measures, "period": "2024-05"}),
            scope=Scope.all(),
            business_date=BUSINESS_DATE,
        )
        own.execute("rollback")
    assert result.rows == [
        {
            "handed_out": 5, "finished": 3, "finish_rate": 0.6, "finished_on_time": 1,
            "finish_on_time_rate": 0.2, "finished_late": 1, "unfinished": 2,
            "responded_in_time": 2, "response_rate": 0.4, "scored": 3, "satisfied": 2,
            "satisfaction_rate": pytest.approx(2 / 3),
        }
    ]  # fmt: skip
