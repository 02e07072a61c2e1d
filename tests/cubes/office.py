"""Facts of bills, payments, staff and messages, a few rows each, figures known by hand."""

from __future__ import annotations

import duckdb


def make_office(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the facts of bills, payments, staffing and messages."""
    run = connection.execute
    run(
        "create table fct_bill as select bill_id, customer_id, unit as org_unit_id, "
        "date '2026-03-01' as billing_month_on, timestamp '2026-03-05' as billed_at, "
        "date '2026-03-05' as billed_on, date '2026-03-20' as due_on, "
        "cast(amount as decimal(18, 2)) as amount, 'CNY' as currency from (values "
        "('b1', 'k1', '510101', 30.10), ('b2', 'k1', '510101', -10.00), "
        "('b3', 'k2', '510101', 20.00), ('b4', 'k5', '510201', 50.00)) "
        "as t (bill_id, customer_id, unit, amount)"
    )
    run(
        "create table fct_payment as select payment_id, customer_id, unit as org_unit_id, method, "
        "cast(amount as decimal(18, 2)) as amount, 'CNY' as currency, "
        "timestamp '2026-03-18' as paid_at, date '2026-03-18' as paid_on from (values "
        "('p1', 'k1', '510101', 'auto', 20.10), ('p2', 'k1', '510101', 'online', -0.10), "
        "('p3', 'k5', '510201', 'counter', 50.00)) "
        "as t (payment_id, customer_id, unit, method, amount)"
    )
    run(
        "create table fct_staffing as select day || unit as staffing_id, "
        "cast(null as varchar) as source_branch, unit as org_unit_id, day as staffed_on, "
        "headcount, on_leave, headcount - on_leave as present from (values "
        "(date '2026-03-27', '510101', 10, 2), (date '2026-03-27', '510201', 5, 0), "
        "(date '2026-03-30', '510101', 12, 3), (date '2026-03-30', '510201', 5, 1)) "
        "as t (day, unit, headcount, on_leave)"
    )
    run(
        "create table fct_message as select message_id, kind, 'daily_complaints' as digest_id, "
        "cast(null as varchar) as alert_id, account as account_id, unit as org_unit_id, "
        "'zh' as language, segments, 's1' as snapshot_tag, 5 as priority, state, "
        "cast(null as varchar) as reason, state <> 'queued' as is_final, 1 as attempts, "
        "'file' as gateway, timestamp '2026-03-31' as created_at, date '2026-03-31' as created_on, "
        "timestamp '2026-03-31' as due_at, timestamp '2026-04-01' as expires_at, "
        "cast(null as timestamp) as sent_at, cast(null as timestamp) as delivered_at, "
        "timestamp '2026-03-31' as changed_at, sent_after_s, sent_after_s as delivered_after_s "
        "from (values ('m1', 'digest', 'a1', '510101', 2, 'delivered', 10), "
        "('m2', 'digest', 'a2', '510201', 1, 'delivered', 20), "
        "('m3', 'alert', 'a1', '510101', 1, 'dead', null), "
        "('m4', 'alert', 'a1', '510101', 1, 'queued', null)) "
        "as t (message_id, kind, account, unit, segments, state, sent_after_s)"
    )
