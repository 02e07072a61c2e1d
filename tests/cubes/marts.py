"""A small warehouse with the columns the shipped cubes read, its figures known by hand."""

from __future__ import annotations

from datetime import date, timedelta

import duckdb

from tests.cubes.clocks import make_clocks
from tests.cubes.handling import make_handling
from tests.cubes.office import make_office

PROVINCE, CITY_A, CITY_B = "51", "5101", "5102"
COUNTY_A1, COUNTY_A2, COUNTY_B1 = "510101", "510102", "510201"

_UNITS = [
    # id, name, name_en, level, parent
    (PROVINCE, "四川", "Sichuan", 1, None),
    (CITY_A, "成都", "Chengdu", 2, PROVINCE),
    (CITY_B, "绵阳", "Mianyang", 2, PROVINCE),
    (COUNTY_A1, "城区", "Central", 3, CITY_A),
    (COUNTY_A2, "双流", "Shuangliu", 3, CITY_A),
    (COUNTY_B1, "城区", None, 3, CITY_B),
]


def make_marts(connection: duckdb.DuckDBPyConnection) -> None:
    """Create schema marts with all tables of the shipped cubes and a few rows each."""
    run = connection.execute
    run("create schema marts")
    run("use marts")
    _organisation(connection)
    run(
        "create table dim_date as select cast(d as date) as date_on, "
        "isodow(d) < 6 and d not in (timestamp '2026-03-25') as is_workday "
        "from range(timestamp '2025-01-01', timestamp '2027-01-01', interval 1 day) t(d)"
    )
    run(
        "create table dim_kind (kind varchar, label_zh varchar, label_en varchar, "
        "is_complaint boolean)"
    )
    run(
        "insert into dim_kind values ('complaint', '投诉', 'Complaint', true), "
        "('report', '举报', 'Report', true), ('praise', '表扬', 'Praise', false)"
    )
    run("create table dim_channel (channel_id varchar, label_zh varchar, label_en varchar)")
    run("insert into dim_channel values ('phone', '电话', 'Phone'), ('web', '网站', 'Web')")
    run(
        "create table dim_category (category_id varchar, path varchar, name varchar, depth int, "
        "l1_name varchar, l2_name varchar, l3_name varchar)"
    )
    run(
        "insert into dim_category values ('c1', '网络/断网', '断网', 2, '网络', '断网', null), "
        "('c2', 'Street/Sidewalk', 'Street/Sidewalk', 1, 'Street/Sidewalk', null, null)"
    )
    run(
        "create table dim_product (product_id varchar, name varchar, name_en varchar, "
        "family varchar)"
    )
    run(
        "insert into dim_product values ('p1', '光纤', 'Fibre', 'broadband'), "
        "('p2', '手机', 'Phone', 'terminal')"
    )
    run(
        "create table dim_customer (customer_id varchar, org_unit_id varchar, manager_id varchar, "
        "segment varchar, joined_on date, left_on date, is_active boolean)"
    )
    run(
        "insert into dim_customer select 'k' || i, '510101', null, "
        "case when i % 2 = 0 then 'mass' else 'business' end, date '2024-01-01', null, true "
        "from range(1, 6) t(i)"
    )
    for name in ("org", "customer", "category"):
        run(
            f"create table dim_{name}_history as "
            "select *, date '1900-01-01' as valid_from, date '9999-12-31' as valid_to "
            f"from dim_{name}"
        )
    _cases(connection)
    _sales(connection)
    _arrears(connection)
    _usage(connection)
    _exchange(connection)
    _customers(connection)
    make_clocks(connection)
    make_handling(connection)
    make_office(connection)
    run("use main")


def _organisation(connection: duckdb.DuckDBPyConnection) -> None:
    levels = ", ".join(
        f"l{n}_id varchar, l{n}_name varchar, l{n}_name_en varchar" for n in range(1, 9)
    )
    connection.execute(
        "create table org_level (level int, name varchar, label_zh varchar, label_en varchar)"
    )
    connection.execute(
        "insert into org_level values (1, 'province', '省公司', 'Province'), "
        "(2, 'prefecture', '市公司', 'Prefecture'), (3, 'county', '县公司', 'County')"
    )
    connection.execute(
        "create table dim_org (org_unit_id varchar, code varchar, name varchar, name_en varchar, "
        f"level int, level_name varchar, unit_type varchar, parent_id varchar, {levels}, "
        "path varchar, is_active boolean)"
    )
    connection.execute(
        "create table bridge_org_closure (ancestor_id varchar, descendant_id varchar, depth int, "
        "valid_from date, valid_to date)"
    )
    by_id = {unit[0]: unit for unit in _UNITS}
    for unit in _UNITS:
        line = []
        at: str | None = unit[0]
        while at is not None:
            line.append(by_id[at])
            at = by_id[at][4]
        level_name = ("province", "prefecture", "county")[unit[3] - 1]
        values: list[object] = [unit[0], unit[0], unit[1], unit[2], unit[3], level_name, "company"]
        values.append(unit[4])
        above = line[::-1]
        for number in range(8):
            values += list(above[number][:3]) if number < len(above) else [None] * 3
        values += ["/".join(part[1] for part in above), True]
        marks = ", ".join("?" * len(values))
        connection.execute(f"insert into dim_org values ({marks})", values)
        for depth, ancestor in enumerate(line):
            connection.execute(
                "insert into bridge_org_closure values (?, ?, ?, '2000-01-01', '9999-12-31')",
                [ancestor[0], unit[0], depth],
            )


CASES = [
    # case, unit, customer, reporter, kind, category, channel, status, created, reply, met, late
    ("a", COUNTY_A1, "k1", "r1", "complaint", "c1", "phone", "closed", "2026-03-30", 100, True, 0),
    ("b", COUNTY_A1, "k2", "r1", "report", "c1", "web", "new", "2026-03-30", 300, False, 1),
    ("c", COUNTY_A2, "k3", "r2", "complaint", "c2", "phone", "new", "2026-03-29", None, None, 0),
    ("d", COUNTY_B1, "k4", "r3", "praise", None, None, "closed", "2026-03-23", 200, True, 0),
    ("e", CITY_B, None, "r4", "complaint", "c1", "web", "new", "2026-02-10", 400, True, 1),
    ("f", None, None, "r5", "complaint", "c1", "web", "closed", "2026-03-30", 500, True, 0),
]


def _cases(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("create table build as select 'Asia/Shanghai' as zone")
    connection.execute(
        "create table fct_case (case_key varchar, source varchar, case_no varchar, "
        "org_unit_id varchar, holder_unit_id varchar, customer_id varchar, reporter_key varchar, "
        "kind varchar, category_id varchar, channel_id varchar, status varchar, urgency int, "
        "is_open boolean, created_at timestamp, created_on date, first_reply_at timestamp, "
        "resolved_on date, due_on date, reopen_count int, score int, first_reply_s bigint, "
        "first_reply_working_s bigint, resolution_s bigint, resolution_working_s bigint, "
        "first_reply_met boolean, resolution_met boolean, is_overdue boolean, "
        "has_impossible_date boolean, is_merged boolean, is_spam boolean)"
    )
    for row in CASES:
        case, unit, customer, reporter, kind, category, channel, status, on, reply, met, late = row
        connection.execute(
            "insert into fct_case values (?, 'hotline', ?, ?, null, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, "
            "null, null, null, 0, null, ?, null, ?, null, ?, null, ?, false, false, false)",
            [
                *(case, case, unit, customer, reporter, kind, category, channel, status),
                *(status == "new", f"{on} 02:00:00", on, reply, reply, met, bool(late)),
            ],
        )


SALES = [
    # order, line, unit, product, type, quantity, amount, sold
    ("o1", "1", COUNTY_A1, "p1", "new_service", 1, "100.10", "2026-03-30"),
    ("o1", "2", COUNTY_A1, "p2", "new_service", 2, "50.05", "2026-03-30"),
    ("o2", "3", COUNTY_B1, "p1", "cancellation", 1, "-20.00", "2026-03-30"),
    ("o3", "4", COUNTY_A2, "p2", "recharge", 1, "30.00", "2026-03-29"),
    ("o4", "5", COUNTY_A1, "p1", "recharge", 1, "80.00", "2026-03-23"),
    ("o5", "6", COUNTY_B1, None, "recharge", 1, "7.00", "2026-02-28"),
    ("o6", "7", COUNTY_B1, "p9", "recharge", 1, "3.00", "2025-03-30"),
]


def _sales(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "create table fct_sale (sale_id varchar, order_no varchar, customer_id varchar, "
        "org_unit_id varchar, product_id varchar, staff_id varchar, order_type varchar, "
        "quantity int, amount decimal(18, 2), currency varchar, sold_at timestamp, sold_on date)"
    )
    for order, line, unit, product, kind, quantity, amount, on in SALES:
        connection.execute(
            "insert into fct_sale values (?, ?, 'k1', ?, ?, null, ?, ?, ?, 'CNY', ?, ?)",
            [line, order, unit, product, kind, quantity, amount, f"{on} 02:00:00", on],
        )


def _arrears(connection: duckdb.DuckDBPyConnection) -> None:
    """k1 owes 100 from 28 February, pays 40 on 10 March; k2 owes 60 from 5 to 29 March."""
    connection.execute(
        "create table fct_arrears_daily (customer_id varchar, org_unit_id varchar, "
        "balance_on date, opening decimal(18, 2), newly_due decimal(18, 2), "
        "recovered decimal(18, 2), balance decimal(18, 2), currency varchar)"
    )

    def row(customer: str, unit: str, on: date, *amounts: int) -> None:
        connection.execute(
            "insert into fct_arrears_daily values (?, ?, ?, ?, ?, ?, ?, 'CNY')",
            [customer, unit, on, *amounts],
        )

    row("k1", COUNTY_A1, date(2026, 2, 28), 0, 100, 0, 100)
    day = date(2026, 3, 1)
    while day <= date(2026, 3, 30):
        if day < date(2026, 3, 10):
            row("k1", COUNTY_A1, day, 100, 0, 0, 100)
        elif day == date(2026, 3, 10):
            row("k1", COUNTY_A1, day, 100, 0, 40, 60)
        else:
            row("k1", COUNTY_A1, day, 60, 0, 0, 60)
        if day == date(2026, 3, 5):
            row("k2", COUNTY_B1, day, 0, 60, 0, 60)
        elif date(2026, 3, 5) < day < date(2026, 3, 29):
            row("k2", COUNTY_B1, day, 60, 0, 0, 60)
        elif day == date(2026, 3, 29):
            row("k2", COUNTY_B1, day, 60, 0, 60, 0)
        day += timedelta(days=1)


def _exchange(connection: duckdb.DuckDBPyConnection) -> None:
    """Two sources. Hall: 100 + 50 rows of which 5 were rejected and 3 replayed, one batch refused,
    one superseded, a gap that is open; billing: 40 rows, nothing is open but a repeated file."""
    run = connection.execute
    run("create table dim_source (source varchar, label_zh varchar, label_en varchar)")
    run(
        "insert into dim_source values ('hall', '营业厅', 'Hall'), ('billing', '计费', 'Billing'), "
        "('hotline', '10000 号客服热线', 'Hotline 10000')"
    )
    run(
        "create table dim_exchange_code (code varchar, label_zh varchar, label_en varchar, "
        "hint_zh varchar, hint_en varchar, severity varchar)"
    )
    run(
        "insert into dim_exchange_code values "
        "('wrong_sum', '合计不符', 'Wrong sum', '重发', 'resend', 'warning'), "
        "('sequence_gap', '跳号', 'Gap', '补送', 'send it', 'warning'), "
        "('duplicate_batch', '重复', 'Repeated', '无', 'nothing', 'info')"
    )
    run(
        "create table fct_batch (batch_id varchar, source varchar, stream varchar, "
        "branch varchar, interface varchar, business_date date, covers_from date, "
        "sequence integer, status varchar, code varchar, replays_batch_id varchar, "
        "supersedes_batch_id varchar, row_count bigint, rows_loaded bigint, rows_rejected bigint, "
        "received_at timestamp, received_on date, loaded_at timestamp, is_delivery boolean, "
        "is_standing boolean)"
    )
    run(
        "insert into fct_batch select batch_id, source, 'orders', 'main', 'files', day, day, "
        "sequence, status, code, replays, null, read, loaded, read - loaded, day + 1, day + 1, "
        "day + 1, replays is null, replays is null and status = 'loaded' from (values "
        "('h1', 'hall', date '2026-03-29', 1, 'loaded', null, null, 100, 95), "
        "('h2', 'hall', date '2026-03-30', 2, 'loaded', null, null, 50, 50), "
        "('h3', 'hall', date '2026-03-30', 3, 'refused', 'wrong_sum', null, 70, 0), "
        "('h4', 'hall', date '2026-03-28', 4, 'superseded', null, null, 30, 30), "
        "('h5', 'hall', date '2026-03-29', 1, 'loaded', null, 'h1', 3, 3), "
        "('b1', 'billing', date '2026-03-30', 1, 'loaded', null, null, 40, 40)) "
        "as t(batch_id, source, day, sequence, status, code, replays, read, loaded)"
    )
    run(
        "create table fct_exchange_event (event_key varchar, event_kind varchar, code varchar, "
        "severity varchar, source varchar, stream varchar, branch varchar, business_date date, "
        "batch_id varchar, noted_at timestamp, noted_on date, noted_s bigint, "
        "settled_at timestamp, is_open boolean, open_s bigint)"
    )
    run(
        "insert into fct_exchange_event select event_key, event_kind, code, severity, source, "
        "'orders', 'main', date '2026-03-30', null, noted_at, date '2026-03-31', noted_s, "
        "noted_at + to_seconds(open_s), open_s is null, open_s from (values "
        "('batch:h3', 'refusal', 'wrong_sum', 'warning', 'hall', timestamp '2026-03-31', 200, "
        "null), ('event:1', 'note', 'sequence_gap', 'warning', 'hall', timestamp '2026-03-31', "
        "100, null), ('event:2', 'note', 'sequence_gap', 'warning', 'billing', "
        "timestamp '2026-03-31', 300, 3600), ('event:3', 'note', 'duplicate_batch', 'info', "
        "'billing', timestamp '2026-03-31', 400, null)) as t(event_key, event_kind, code, "
        "severity, source, noted_at, noted_s, open_s)"
    )


def _usage(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "create table fct_usage (usage_id varchar, customer_id varchar, org_unit_id varchar, "
        "usage_type varchar, started_at timestamp, used_on date, duration_s bigint, bytes bigint, "
        "charge decimal(18, 2), currency varchar)"
    )
    connection.execute(
        "insert into fct_usage values "
        "('u1', 'k1', '510101', 'voice', '2026-03-30', '2026-03-30', 90, 0, 0.30, 'CNY'), "
        "('u2', 'k1', '510101', 'data', '2026-03-30', '2026-03-30', 0, 2500000, 1.20, 'CNY')"
    )


def _customers(connection: duckdb.DuckDBPyConnection) -> None:
    """Five customers in February, four of them active in March; k5 in Mianyang."""
    connection.execute(
        "create table fct_customer_monthly (customer_id varchar, org_unit_id varchar, "
        "month_on date, is_active boolean, has_joined boolean, has_left boolean, "
        "revenue decimal(18, 2), currency varchar)"
    )
    connection.execute(
        "insert into fct_customer_monthly "
        "select 'k' || i, case when i = 5 then '510201' else '510101' end, m, "
        "not (m = date '2026-03-01' and i = 4), false, m = date '2026-03-01' and i = 4, 10.50, "
        "'CNY' "
        "from range(1, 6) t(i), (values (date '2026-02-01'), (date '2026-03-01')) u(m)"
    )
