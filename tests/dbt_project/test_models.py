"""dbt over hand-made raw tables: empty, flat only, all sources; incremental equals full refresh."""

# ruff: noqa: DTZ001  (raw tables and marts hold instants as naive UTC)

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.dbt_project.conftest import RawHome
from tests.dbt_project.deliveries import bill, case, customer, event, flat, order, payment, usage
from tests.dbt_project.working_days import nth_working_day, working_seconds

AS_OF = datetime(2026, 3, 31, 1)
BUSINESS_DATE = date(2026, 3, 30)
SHANGHAI = timedelta(hours=8)


def key(*parts: str) -> str:
    return hashlib.md5("|".join(parts).encode()).hexdigest()


@dataclass
class Builds:
    """One home after several builds, with what was seen in between."""

    home: RawHome
    faults: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    marts: dict[str, dict[str, list[tuple[Any, ...]]]] = field(default_factory=dict)
    cases: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    flat_units: list[dict[str, Any]] = field(default_factory=list)

    def keep(self, build: str, faults: list[tuple[str, str]]) -> None:
        """Remember how a build ended and what it made."""
        self.faults[build] = faults
        self.marts[build] = self.home.marts()
        self.cases[build] = {
            row["case_no"]: row for row in self.home.rows("select * from marts.fct_case")
        }


def add_settings(home: RawHome) -> None:
    home.execute(
        "insert into raw.org_level values (1, 'province', '省公司', 'Province'), "
        "(2, 'prefecture', '市公司', 'Prefecture'), (3, 'county', '县公司', 'County'), "
        "(4, 'sub_branch', '支局', 'Sub-branch'), (5, 'person', '客户经理', 'Account manager')"
    )
    home.execute(
        "insert into raw.source_setting values "
        "('crm', 'CRM', 'CRM', null, 'Asia/Shanghai', 'china', 'CNY'), "
        "('hotline', '热线', 'Hotline', null, null, null, null), "
        "('nyc311', '纽约', 'NYC', 'cases', 'America/New_York', 'weekdays', 'USD')"
    )


def add_organisation(home: RawHome) -> None:
    units = [("51", "四川", None, 1), ("5101", "成都", "51", 2), ("510107", "武侯", "5101", 3)]
    units += [("51010701", "浆洗街", "510107", 4), ("51010702", "玉林", "510107", 4)]
    home.add(
        "crm__units",
        [
            {"unit_code": code, "unit_name": name, "parent_code": parent, "level_no": level}
            for code, name, parent, level in units
        ],
    )
    home.add(
        "crm__staff",
        [
            {
                "staff_no": "M1",
                "unit_code": "51010701",
                "position": "account_manager",
                "status": "active",
                "joined_on": date(2020, 1, 1),
            }
        ],
    )
    home.add(
        "hall__products", [{"product_code": "P1", "product_name": "宽带", "family": "broadband"}]
    )


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Builds:
    """Builds in turn on one home: empty, flat cases only, everything, then later batches."""
    home = RawHome(tmp_path_factory.mktemp("built"))
    seen = Builds(home)
    home.set_build(AS_OF, BUSINESS_DATE)
    seen.keep("empty", home.build())

    home.set_build(datetime(2026, 3, 20, 1), date(2026, 3, 19))
    add_settings(home)
    home.add(
        "flat_case",
        [
            flat(
                "1", datetime(2011, 3, 4, 22), resolved_at=datetime(2011, 3, 7, 15), status="closed"
            ),
            flat("2", datetime(2011, 3, 5, 3), status="closed", date_flag="resolved:out_of_window"),
            flat("3", datetime(2011, 3, 5, 3)),
        ],
    )
    seen.keep("flat only", home.build())
    seen.flat_units = home.rows("select * from marts.dim_org order by level")

    home.set_build(datetime(2026, 3, 21, 1), date(2026, 3, 20))
    add_organisation(home)
    add_first_batches(home)
    seen.keep("first", home.build())

    home.set_build(AS_OF, BUSINESS_DATE)
    add_later_batches(home)
    seen.keep("later", home.build())

    home.set_build(AS_OF, BUSINESS_DATE)
    seen.keep("nothing new", home.dbt("run"))
    seen.keep("full refresh", home.dbt("run", "--full-refresh"))
    seen.keep("unit tests", home.dbt("test", "--select", "test_type:unit"))
    return seen


def add_first_batches(home: RawHome) -> None:
    at = datetime(2026, 3, 10, 2)
    home.add("crm__customers", [customer("K1"), customer("K2"), customer("K3")])
    home.add(
        "hall__orders",
        [
            order("L1", at, "10.00"),
            order("L2", at + timedelta(days=1), "20.00"),
            order("L3", datetime(2026, 3, 12, 15, 59, 59), "30.00"),
            order("L4", datetime(2026, 3, 12, 16), "40.00"),
        ],
        day="ordered_at",
    )
    home.add("hall__orders", [order("L5", at, "5.00")], day="ordered_at", batch="gone")
    home.add(
        "billing__bills",
        [bill("B1", at, date(2026, 3, 15), "100.00"), bill("B2", at, date(2026, 3, 25), "50.00")],
        day="billed_at",
    )
    home.add(
        "billing__bills",
        [bill("B3", at - timedelta(days=5), date(2026, 3, 25), "7.00")],
        day="billed_at",
        batch="gone",
    )
    home.add("billing__payments", [payment("Y1", datetime(2026, 3, 17, 2), "30.00")], day="paid_at")
    home.add("cdr__usage", [usage("U1", at, "0.30"), usage("U2", at, "0.40")], day="started_at")
    home.add(
        "hotline__cases",
        [
            case("T1", datetime(2026, 3, 16, 2)),
            case("T2", datetime(2026, 3, 20, 2)),
            case("T4", datetime(2026, 3, 2, 2)),
        ],
        day="created_at",
    )
    home.add(
        "hotline__cases", [case("T3", datetime(2026, 3, 16, 2))], day="created_at", batch="gone"
    )
    home.add(
        "hotline__events",
        [
            event("E1", "T1", "SL", datetime(2026, 3, 16, 3), actor_role="agent"),
            event("E2", "T1", "HF", datetime(2026, 3, 16, 3), is_automatic=True),
            event("E3", "T4", "JJ", datetime(2026, 3, 2, 10)),
            event("E4", "T4", "BJ", datetime(2026, 3, 3, 10)),
            event("E5", "T2", "JJ", datetime(2026, 3, 25, 2)),
        ],
        day="event_at",
    )


def add_later_batches(home: RawHome) -> None:
    later: dict[str, Any] = {"batch": "b2", "recorded": datetime(2026, 3, 30)}
    at = datetime(2026, 3, 10, 2)
    home.add(
        "crm__customers", [customer("K1", "51010702", _op="U"), customer("K3", _op="D")], **later
    )
    home.add(
        "hall__orders",
        [
            order("L1", at, "11.00", _op="U"),
            order("L2", at + timedelta(days=9), "20.00", _op="U"),
            order("L3", datetime(2026, 3, 12, 15, 59, 59), "30.00", _op="D"),
            order("L6", datetime(2026, 3, 29, 2), "-4.00"),
        ],
        day="ordered_at",
        **later,
    )
    home.add(
        "billing__bills",
        [bill("B4", at, date(2026, 3, 29), "9.00", customer_no="X9")],
        day="billed_at",
        **later,
    )
    home.add(
        "billing__bills",
        [bill("B2", at, date(2026, 3, 26), "60.00")],
        day="billed_at",
        batch="b3",
        recorded=datetime(2026, 3, 30, 1),
    )
    home.add(
        "billing__payments",
        [payment("Y2", datetime(2026, 3, 28, 2), "200.00")],
        day="paid_at",
        **later,
    )
    home.add("cdr__usage", [usage("U1", at, "0.35")], day="started_at", **later)
    home.add(
        "hotline__events",
        [
            event("E6", "T1", "JJ", datetime(2026, 3, 24, 2)),
            event("E1", "T1", "SL", datetime(2026, 3, 16, 4), actor_role="agent"),
        ],
        day="event_at",
        **later,
    )
    for table in ("hall__orders", "billing__bills", "hotline__cases"):
        home.withdraw(table, "gone")


def test_every_build_succeeds_and_warns_of_what_has_not_arrived(builds: Builds) -> None:
    unknown_customer = (
        "relationships_fct_bill_customer_id__customer_id__ref_dim_customer_",
        "warn: Got 1 result, configured to warn if != 0",
    )
    assert builds.faults == {
        "empty": [],
        "flat only": [],
        "first": [],
        "later": [unknown_customer],
        "nothing new": [],
        "full refresh": [],
        "unit tests": [],
    }


def test_a_build_of_nothing_makes_every_mart(builds: Builds) -> None:
    empty = builds.marts["empty"]
    assert set(empty) == set(builds.marts["full refresh"])
    assert {name for name, rows in empty.items() if rows} == {
        "calendar_date",
        "calendar_interval",
        "dim_channel",
        "dim_date",
        "dim_kind",
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
    ]
    charges = builds.home.rows("select usage_id, charge from marts.fct_usage order by usage_id")
    assert [row["charge"] for row in charges] == [Decimal("0.35"), Decimal("0.40")]
    assert builds.home.rows("select count(*) as n from marts.fct_case where case_no = 'T3'") == [
        {"n": 0}
    ]
    customers = builds.home.rows("select customer_id from marts.dim_customer order by customer_id")
    assert [row["customer_id"] for row in customers] == ["K1", "K2"]


def test_payments_follow_their_account_to_its_unit_of_today(builds: Builds) -> None:
    units = builds.home.rows("select distinct org_unit_id from marts.fct_payment")
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
        "where balance_on = '2026-03-30'"
    )
    assert [tuple(row.values()) for row in others] == [("X9", "51010701", Decimal(9))]


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


def test_random_working_times_and_due_days_equal_a_day_walk(tmp_path: Path) -> None:
    rng = random.Random(20260330)
    home = RawHome(tmp_path)
    home.set_build(datetime(2026, 12, 31), date(2026, 12, 30))
    golden = [
        ("V1", datetime(2026, 2, 13, 9), datetime(2026, 2, 14, 9, 30), 8 * 3600),
        ("V2", datetime(2026, 2, 15, 2), datetime(2026, 2, 24, 6, 30), 4 * 3600),
        ("V3", datetime(2026, 3, 2, 1), datetime(2026, 3, 2, 10), 27000),
        ("V4", datetime(2026, 3, 2, 3, 30), datetime(2026, 3, 2, 6), 3600),
        ("V5", datetime(2026, 3, 2, 4, 30), datetime(2026, 3, 2, 7, 30), 7200),
        ("V16", datetime(2026, 2, 13, 1), datetime(2026, 2, 24, 10), 81000),
    ]
    samples = [(number, start, end) for number, start, end, _ in golden]
    for number in range(400):
        start = datetime(2007, 1, 10) + timedelta(seconds=rng.randrange(19 * 365 * 86400))
        samples.append((f"R{number}", start, start + timedelta(seconds=rng.randrange(40 * 86400))))
    home.add(
        "hotline__cases", [case(number, start) for number, start, _ in samples], day="created_at"
    )
    home.add(
        "hotline__events",
        [event(f"E{number}", number, "JJ", end) for number, _, end in samples],
        day="event_at",
    )
    home.dbt("seed")
    assert home.dbt("run", "--select", "+fct_case") == []
    rows = {row["case_no"]: row for row in home.rows("select * from marts.fct_case")}
    assert [rows[number]["resolution_working_s"] for number, *_ in golden] == [
        seconds for *_, seconds in golden
    ]
    for number, start, end in samples:
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
