"""dbt over hand-made raw tables: empty, flat only, all sources; incremental equals full refresh."""

# ruff: noqa: DTZ001  (raw tables and marts hold instants as naive UTC)

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from tests.dbt_project.batches import GOLDEN, sampled
from tests.dbt_project.builds import Builds
from tests.dbt_project.working_days import nth_working_day, working_seconds

SHANGHAI = timedelta(hours=8)


# All tests here share one home, so one worker runs them.
pytestmark = pytest.mark.xdist_group("dbt")


def key(*parts: str) -> str:
    return hashlib.md5("|".join(parts).encode()).hexdigest()


def test_every_build_succeeds_and_warns_of_what_has_not_arrived(builds: Builds) -> None:
    unknown_customer = (
        "fct_bill_is_as_expected",
        "warn: Got 1 result, configured to warn if != 0",
    )
    unknown_codes = (
        "assert_codes_are_recognised",
        "warn: Got 6 results, configured to warn if != 0",
    )
    builds.faults["nothing new"].sort()
    assert builds.faults == {
        "empty": [],
        "flat only": [],
        "first": [],
        "later": [],
        "nothing new": [unknown_codes, unknown_customer],
        "full refresh": [],
    }


def test_a_build_of_nothing_makes_every_mart(builds: Builds) -> None:
    empty = builds.marts["empty"]
    assert set(empty) == set(builds.marts["full refresh"])
    assert {name for name, rows in empty.items() if rows} == {
        "calendar_date",
        "calendar_interval",
        "dim_calendar",
        "dim_channel",
        "dim_date",
        "dim_kind",
        "dim_sla_clock",
        "dim_sla_policy",
    }


def test_a_sequence_of_builds_equals_a_full_refresh(builds: Builds) -> None:
    for name, rows in builds.marts["full refresh"].items():
        assert builds.marts["later"][name] == rows, name
        assert builds.marts["nothing new"][name] == rows, name


def test_flat_cases_become_cases_with_their_own_organisation(builds: Builds) -> None:
    assert [(row["org_unit_id"], row["path"], row["level_name"]) for row in builds.flat_units] == [
        (key("nyc311", "DOT"), "DOT", "province"),
        (key("nyc311", "DOT/QUEENS"), "DOT/QUEENS", "prefecture"),
    ]
    closed, unknown, running = (builds.cases["flat only"][number] for number in "123")
    # Friday 17:00 in New York; the fifth weekday after it is Friday the 11th.
    assert closed["due_on"] == date(2011, 3, 11)
    assert closed["resolution_due_at"] == datetime(2011, 3, 12, 5)
    assert (closed["status"], closed["resolution_met"], closed["first_reply_met"]) == (
        "closed",
        True,
        False,
    )
    assert closed["resolution_working_s"] == 3600  # Monday 09:00 to 10:00
    assert (unknown["resolution_met"], unknown["has_impossible_date"]) == (None, True)
    assert unknown["resolution_s"] is None and not unknown["is_overdue"]
    assert running["is_overdue"] and running["resolution_met"] is False


def test_changed_removed_and_withdrawn_rows_are_followed(builds: Builds) -> None:
    sales = builds.home.rows("select sale_id, sold_on, amount from marts.fct_sale order by sale_id")
    assert [tuple(row.values()) for row in sales] == [
        ("L1", date(2026, 3, 10), Decimal("11.00")),
        ("L2", date(2026, 3, 19), Decimal("20.00")),
        ("L4", date(2026, 3, 13), Decimal("40.00")),
        ("L6", date(2026, 3, 29), Decimal("-4.00")),
    ]
    bills = builds.home.rows("select bill_id, amount, due_on from marts.fct_bill order by bill_id")
    assert [tuple(row.values()) for row in bills] == [
        ("B1", Decimal("100.00"), date(2026, 3, 15)),
        ("B2", Decimal("60.00"), date(2026, 3, 26)),
        ("B4", Decimal("9.00"), date(2026, 3, 29)),
        ("B5", Decimal("5.50"), date(2026, 4, 30)),
        ("B6", Decimal("6.00"), date(2026, 4, 30)),
        ("B7", Decimal("50.00"), date(2026, 3, 12)),
        ("B8", Decimal("-50.00"), date(2026, 3, 20)),
    ]
    charges = builds.home.rows("select usage_id, charge from marts.fct_usage order by usage_id")
    assert [row["charge"] for row in charges] == [
        Decimal("0.35"),
        Decimal("0.40"),
        Decimal("0.50"),
    ]
    assert builds.home.rows("select count(*) as n from marts.fct_case where case_no = 'T3'") == [
        {"n": 0}
    ]
    customers = builds.home.rows("select customer_id from marts.dim_customer order by customer_id")
    assert [row["customer_id"] for row in customers] == ["K1", "K2"]


def test_a_record_sent_again_with_a_new_date_stands_on_the_new_day_only(builds: Builds) -> None:
    moved = builds.home.rows(
        "select bill_id as id, billed_on as day from marts.fct_bill where bill_id in ('B5', 'B6') "
        "union all select payment_id, paid_on from marts.fct_payment where payment_id = 'Y3' "
        "union all select usage_id, used_on from marts.fct_usage where usage_id = 'U3' "
        "union all select case_no, event_on from marts.fct_feedback_event where event_id = 'E7' "
        "order by id"
    )
    # B6 is back on its first day, since the batch that had moved it was withdrawn; the event E7
    # went from the case T4 to T1.
    assert [tuple(row.values()) for row in moved] == [
        ("B5", date(2026, 3, 18)),
        ("B6", date(2026, 3, 6)),
        ("T1", date(2026, 3, 20)),
        ("U3", date(2026, 3, 11)),
        ("Y3", date(2026, 3, 15)),
    ]


def test_codes_without_a_word_of_ours_are_counted_and_kept(builds: Builds) -> None:
    row = builds.cases["later"]["T5"]
    assert (row["kind"], row["channel_id"], row["status"]) == (
        "unrecognised",
        "unrecognised",
        "new",
    )
    events = builds.home.rows(
        "select event_type, attributes from marts.fct_feedback_event where case_no = 'T5' "
        "order by event_at"
    )
    assert [(row["event_type"], row["attributes"]) for row in events] == [
        ("created", '{"kind_code":"QQ","channel_code":"pigeon"}'),
        ("unrecognised", '{"event_code":"ZZ"}'),
        ("status_set", '{"status_code":"??"}'),
    ]
    labels = builds.home.rows(
        "select label_zh from marts.dim_kind where kind = 'unrecognised' union all "
        "select label_zh from marts.dim_channel where channel_id = 'unrecognised'"
    )
    assert [row["label_zh"] for row in labels] == ["代码未识别", "代码未识别"]


def test_a_case_of_the_future_is_none_until_its_time_comes(builds: Builds) -> None:
    # T6 was delivered with the first batches and is touched by none later.
    assert "T6" not in builds.cases["first"] and builds.cases["later"]["T6"]["status"] == "new"
    assert "T7" not in builds.cases["later"]


def test_payments_follow_their_account_to_its_unit_of_today(builds: Builds) -> None:
    units = builds.home.rows(
        "select distinct org_unit_id from marts.fct_payment where customer_id = 'K1'"
    )
    assert units == [{"org_unit_id": "51010702"}]


def test_arrears_follow_bills_and_payments_to_the_business_date(builds: Builds) -> None:
    days = builds.home.rows(
        "select balance_on, opening, newly_due, recovered, balance from marts.fct_arrears_daily "
        "where customer_id = 'K1' and (newly_due > 0 or recovered > 0) order by balance_on"
    )
    assert [tuple(row.values()) for row in days] == [
        (date(2026, 3, 16), Decimal(0), Decimal(100), Decimal(0), Decimal(100)),
        (date(2026, 3, 17), Decimal(100), Decimal(0), Decimal(30), Decimal(70)),
        (date(2026, 3, 27), Decimal(70), Decimal(60), Decimal(0), Decimal(130)),
        (date(2026, 3, 28), Decimal(130), Decimal(0), Decimal(130), Decimal(0)),
    ]
    others = builds.home.rows(
        "select customer_id, org_unit_id, balance from marts.fct_arrears_daily "
        "where balance_on = '2026-03-30' order by customer_id"
    )
    assert [tuple(row.values()) for row in others] == [
        ("K2", "51010701", Decimal(10)),
        ("X9", "51010701", Decimal(9)),
    ]
    corrected = builds.home.rows(
        "select balance_on, opening, newly_due, recovered, balance from marts.fct_arrears_daily "
        "where customer_id = 'K2' and (newly_due <> 0 or recovered <> 0) order by balance_on"
    )
    # A bill, part of it paid, a credit note over all of it, and 15.00 of credit paid back: 10.00
    # more than there was.
    assert [tuple(row.values()) for row in corrected] == [
        (date(2026, 3, 13), Decimal(0), Decimal(50), Decimal(0), Decimal(50)),
        (date(2026, 3, 15), Decimal(50), Decimal(0), Decimal(5), Decimal(45)),
        (date(2026, 3, 21), Decimal(45), Decimal(-45), Decimal(0), Decimal(0)),
        (date(2026, 3, 25), Decimal(0), Decimal(0), Decimal(-10), Decimal(10)),
    ]


def test_time_alone_changes_the_cases_that_are_not_settled(builds: Builds) -> None:
    first, last = builds.cases["first"], builds.cases["later"]
    # T2 was new on the 21st; its resolution of the 25th was already delivered and counts later.
    assert (first["T2"]["status"], last["T2"]["status"]) == ("new", "resolved")
    assert (first["T2"]["resolution_met"], last["T2"]["resolution_met"]) == (None, True)
    assert (first["T2"]["first_reply_met"], last["T2"]["first_reply_met"]) == (None, False)
    assert (first["T1"]["status"], last["T1"]["status"]) == ("accepted", "resolved")
    assert first["T1"]["first_reply_met"] is False and first["T1"]["resolution_met"] is None
    # Created Mon 16th, so due at the end of Mon 23rd; resolved on the 24th.
    assert last["T1"]["due_on"] == date(2026, 3, 23) and last["T1"]["resolution_met"] is False
    assert last["T4"]["is_settled"] and last["T4"]["closed_at"] == datetime(2026, 3, 3, 10)


def test_random_working_times_and_due_days_equal_a_day_walk(builds: Builds) -> None:
    rows = builds.cases["later"]
    assert [rows[number]["resolution_working_s"] for number, *_ in GOLDEN] == [
        seconds for *_, seconds in GOLDEN
    ]
    for number, start, end in sampled():
        row = rows[number]
        assert row["resolution_working_s"] == working_seconds(
            start.replace(tzinfo=UTC), end.replace(tzinfo=UTC), "Asia/Shanghai"
        ), (start, end)
        last_day = nth_working_day((start + SHANGHAI).date(), 5)
        assert row["due_on"] == last_day, start
        assert (
            row["resolution_due_at"]
            == datetime.combine(last_day + timedelta(days=1), datetime.min.time()) - SHANGHAI
        )
        assert row["resolution_met"] is (end <= row["resolution_due_at"])
