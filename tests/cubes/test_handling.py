"""Known answers of the cubes of handling and office over the small warehouse, by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cubes.scope import Scope
from tests.cubes.conftest import Ask

MARCH = "2026-03"


def test_a_backlog_is_that_of_the_last_day_and_never_the_sum_of_days(ask: Ask) -> None:
    measures = ["backlog", "backlog_at_start", "overdue", "overdue_share", "over_20_days"]
    (row,) = ask("backlog", measures, period="2026-03-26..2026-03-30").rows
    assert row == {
        "backlog": 2,
        "backlog_at_start": 1,
        "overdue": 1,
        "overdue_share": 0.5,
        "over_20_days": 1,
    }
    (row,) = ask("backlog", ["working_days_open", "mean_age"], period=MARCH).rows
    assert row == {"working_days_open": 23, "mean_age": 11.5}
    result = ask("backlog", ["backlog", "mean_backlog"], "age_band", period="2026-03-27")
    assert [(row["age_band"], row["backlog"]) for row in result.rows] == [
        ("up_to_20", 1),
        ("up_to_5", 1),
    ]


def test_a_backlog_of_a_unit_is_that_of_its_scope(ask: Ask) -> None:
    (row,) = ask("backlog", "backlog", period=MARCH, scope=Scope.units(["5102"])).rows
    assert row == {"backlog": 1}


def test_a_misroute_is_a_share_of_what_came_to_units(ask: Ask) -> None:
    measures = ["stays", "cases", "arrivals", "misrouted", "misroute_rate"]
    (row,) = ask("assignments", measures, period=MARCH).rows
    assert row == {"stays": 5, "cases": 1, "arrivals": 3, "misrouted": 1, "misroute_rate": 1 / 3}


def test_the_time_of_a_wrong_address_is_that_of_its_sender(ask: Ask) -> None:
    result = ask("assignments", "held_time", "responsible.unit", period=MARCH, keys=True)
    assert {row["responsible.unit__id"]: row["held_time"] for row in result.rows} == {
        None: 600,
        "510101": 3600 + 1800 + 7200 + 10800,
    }
    (row,) = ask("assignments", ["mean_held", "held_p90"], period=MARCH).rows
    # Sorted 600, 1800, 3600, 7200, 10800: position 3.6 lies between the last two.
    assert row == {"mean_held": 4800, "held_p90": pytest.approx(7200 + 0.6 * 3600)}


def test_votes_are_judged_by_every_score(ask: Ask) -> None:
    measures = ["votes", "cases", "mean_score", "satisfied", "satisfied_rate"]
    (row,) = ask("votes", measures, period=MARCH).rows
    assert row == {
        "votes": 3,
        "cases": 2,
        "mean_score": pytest.approx(11 / 3),
        "satisfied": 2,
        "satisfied_rate": 2 / 3,
    }
    (row,) = ask("votes", "mean_score", cuts={"is_last": "true"}, period=MARCH).rows
    assert row == {"mean_score": 4.5}


def test_an_answer_in_words_has_no_part_in_shares_of_scores(ask: Ask) -> None:
    measures = ["answers", "respondents", "scored", "mean_score", "promoter_share"]
    (row,) = ask("survey_responses", [*measures, "detractor_share"], period=MARCH).rows
    assert row == {
        "answers": 4,
        "respondents": 3,
        "scored": 3,
        "mean_score": 8,
        "promoter_share": 1 / 3,
        "detractor_share": 1 / 3,
    }


def test_a_call_that_was_given_up_is_a_call(ask: Ask) -> None:
    measures = ["calls", "answered", "answer_rate", "abandon_rate", "mean_wait", "wait_p90"]
    (row,) = ask("calls", [*measures, "mean_talk", "mean_score"], period=MARCH).rows
    assert row == {
        "calls": 4,
        "answered": 2,
        "answer_rate": 0.5,
        "abandon_rate": 0.25,
        "mean_wait": 30,
        # Sorted 0, 10, 30, 80: position 2.7 lies between the last two.
        "wait_p90": pytest.approx(30 + 0.7 * 50),
        "mean_talk": 200,
        "mean_score": 3.5,
    }


def test_credit_notes_and_refunds_are_negative_and_told_apart(ask: Ask) -> None:
    (row,) = ask("bills", ["bills", "amount", "customers", "credited"], period=MARCH).rows
    assert row == {
        "bills": 4,
        "amount": Decimal("90.10"),
        "customers": 3,
        "credited": Decimal("-10.00"),
    }
    result = ask("bills", "mean_bill", "org.l2", period=MARCH)
    assert {row["org.l2"]: float(row["mean_bill"]) for row in result.rows} == {
        "成都": pytest.approx(40.10 / 2),
        "绵阳": pytest.approx(50),
    }
    (row,) = ask("payments", ["payments", "amount", "refunded", "customers"], period=MARCH).rows
    assert row == {
        "payments": 3,
        "amount": Decimal("70.00"),
        "refunded": Decimal("-0.10"),
        "customers": 2,
    }


def test_people_are_counted_on_the_last_day_and_presence_over_all_days(ask: Ask) -> None:
    measures = ["headcount", "present", "mean_present", "person_days", "presence_rate"]
    (row,) = ask("staffing", measures, period="2026-03-27..2026-03-30").rows
    assert row["headcount"] == 17 and row["present"] == 13
    # 13 people on each of the two days that are told; the weekend between is none.
    assert row["mean_present"] == 13
    assert row["person_days"] == 32 and row["presence_rate"] == 26 / 32


def test_what_still_waits_has_no_part_in_the_delivery_rate(ask: Ask) -> None:
    measures = ["messages", "recipients", "segments", "delivered", "failed", "delivery_rate"]
    (row,) = ask("messages", [*measures, "sent_after_p90"], period=MARCH).rows
    assert row == {
        "messages": 4,
        "recipients": 2,
        "segments": 5,
        "delivered": 2,
        "failed": 1,
        "delivery_rate": 2 / 3,
        "sent_after_p90": 19,
    }


def test_mentions_and_orders_have_their_shares(ask: Ask) -> None:
    (row,) = ask("mentions", ["mentions", "negative_share", "reach", "seen_after_p90"]).rows
    assert row == {"mentions": 4, "negative_share": 0.5, "reach": 1000, "seen_after_p90": 3600}
    (row,) = ask("rectifications", ["ordered", "met", "breached", "on_time_rate"]).rows
    assert row == {"ordered": 4, "met": 1, "breached": 2, "on_time_rate": 1 / 3}
