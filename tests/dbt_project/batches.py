"""The batches of one home: an organisation, first deliveries, and later ones that correct them."""

# ruff: noqa: DTZ001  (raw tables hold instants as naive UTC)

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from typing import Any

from tests.dbt_project.deliveries import bill, case, customer, event, order, payment, usage
from tests.dbt_project.raw_home import RawHome

# Golden vectors: created, resolved, working seconds between.
GOLDEN = [
    ("V1", datetime(2026, 2, 13, 9), datetime(2026, 2, 14, 9, 30), 8 * 3600),
    ("V2", datetime(2026, 2, 15, 2), datetime(2026, 2, 24, 6, 30), 4 * 3600),
    ("V3", datetime(2026, 3, 2, 1), datetime(2026, 3, 2, 10), 27000),
    ("V4", datetime(2026, 3, 2, 3, 30), datetime(2026, 3, 2, 6), 3600),
    ("V5", datetime(2026, 3, 2, 4, 30), datetime(2026, 3, 2, 7, 30), 7200),
    ("V16", datetime(2026, 2, 13, 1), datetime(2026, 2, 24, 10), 81000),
]


def sampled() -> list[tuple[str, datetime, datetime]]:
    """Case numbers with random instants of creation and resolution, the golden ones first."""
    rng = random.Random(20260330)
    samples = [(number, start, end) for number, start, end, _ in GOLDEN]
    for number in range(400):
        start = datetime(2007, 1, 10) + timedelta(seconds=rng.randrange(19 * 365 * 86400))
        samples.append((f"R{number}", start, start + timedelta(seconds=rng.randrange(40 * 86400))))
    return samples


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


def add_first_batches(home: RawHome) -> None:
    at = datetime(2026, 3, 10, 2)
    home.add(
        "crm__customers",
        [
            customer("K1", name="n1", id_card="i1", phone="p1"),
            customer("K2", name="n2", id_card="i2", phone="p2"),
            customer("K3", name="n1", id_card="i1"),
        ],
    )
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
        [
            bill("B1", at, date(2026, 3, 15), "100.00"),
            bill("B2", at, date(2026, 3, 25), "50.00"),
            bill("B5", at - timedelta(days=2), date(2026, 4, 30), "5.00"),
            bill("B6", at - timedelta(days=4), date(2026, 4, 30), "6.00"),
            bill("B7", at, date(2026, 3, 12), "50.00", customer_no="K2"),
            bill("B8", at, date(2026, 3, 20), "-50.00", customer_no="K2"),
        ],
        day="billed_at",
    )
    home.add(
        "billing__bills",
        [bill("B3", at - timedelta(days=5), date(2026, 3, 25), "7.00")],
        day="billed_at",
        batch="gone",
    )
    home.add(
        "billing__bills",
        [bill("B6", at, date(2026, 4, 30), "66.00")],
        day="billed_at",
        batch="moved and gone",
        recorded=datetime(2026, 3, 11),
    )
    home.add(
        "billing__payments",
        [
            payment("Y1", datetime(2026, 3, 17, 2), "30.00"),
            payment("Y3", datetime(2026, 3, 14, 2), "5.00", "K2"),
        ],
        day="paid_at",
    )
    home.add(
        "cdr__usage",
        [usage("U1", at, "0.30"), usage("U2", at, "0.40"), usage("U3", at, "0.50")],
        day="started_at",
    )
    samples = sampled()
    home.add(
        "hotline__cases", [case(number, start) for number, start, _ in samples], day="created_at"
    )
    home.add(
        "hotline__events",
        [event(f"E{number}", number, "JJ", end) for number, _, end in samples],
        day="event_at",
    )
    home.add(
        "hotline__cases",
        [
            case("T1", datetime(2026, 3, 16, 2)),
            case("T2", datetime(2026, 3, 20, 2)),
            case("T4", datetime(2026, 3, 2, 2)),
            case("T6", datetime(2026, 3, 25, 2)),
            case("T7", datetime(2026, 4, 1, 2)),
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
            event("E7", "T4", "NB", datetime(2026, 3, 20, 2)),
        ],
        day="event_at",
    )


def add_later_batches(home: RawHome) -> None:
    later: dict[str, Any] = {"batch": "b2", "recorded": datetime(2026, 3, 30)}
    at = datetime(2026, 3, 10, 2)
    home.add(
        "crm__customers",
        [
            customer("K1", "51010702", _op="U", name="n1", id_card="i1", phone="p1"),
            customer("K3", _op="D"),
        ],
        **later,
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
        [
            bill("B4", at, date(2026, 3, 29), "9.00", customer_no="X9"),
            bill("B5", at + timedelta(days=8), date(2026, 4, 30), "5.50"),
        ],
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
        [
            payment("Y2", datetime(2026, 3, 28, 2), "200.00"),
            payment("Y3", datetime(2026, 3, 15, 2), "5.00", "K2"),
            payment("Y4", datetime(2026, 3, 25, 2), "-15.00", "K2"),
        ],
        day="paid_at",
        **later,
    )
    home.add(
        "cdr__usage",
        [usage("U1", at, "0.35"), usage("U3", at + timedelta(days=1), "0.50")],
        day="started_at",
        **later,
    )
    home.add(
        "hotline__cases",
        [case("T5", datetime(2026, 3, 29, 2), kind_code="QQ", channel_code="pigeon")],
        day="created_at",
        **later,
    )
    home.add(
        "hotline__events",
        [
            event("E6", "T1", "JJ", datetime(2026, 3, 24, 2)),
            event("E1", "T1", "SL", datetime(2026, 3, 16, 4), actor_role="agent"),
            event("E7", "T1", "NB", datetime(2026, 3, 20, 2)),
            event("E8", "T5", "ZZ", datetime(2026, 3, 29, 3)),
            event("E9", "T5", "DD", datetime(2026, 3, 29, 4), status_code="??"),
        ],
        day="event_at",
        **later,
    )
    home.withdraw("billing__bills", "moved and gone")
    for table in ("hall__orders", "billing__bills", "hotline__cases"):
        home.withdraw(table, "gone")
