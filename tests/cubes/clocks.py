"""Clocks of a few cases with the columns the cube `sla` reads, its figures known by hand."""

from __future__ import annotations

from typing import Any

import duckdb

FIRST, RESOLUTION = "first_response", "resolution"

# Every clock as it was; what a row leaves out is null, false or the value of _USUAL.
CLOCKS: list[dict[str, Any]] = [
    {"clock": FIRST, "state": "met", "due": "2026-03-10", "stop": "2026-03-09", "elapsed": 3600},
    {
        "clock": FIRST, "state": "met", "due": "2026-03-11", "stop": "2026-03-11",
        "elapsed": 7200, "wall": 10000,
    },
    {
        "clock": FIRST, "state": "breached", "due": "2026-03-12", "stop": "2026-03-13",
        "elapsed": 100000, "overrun": 13600, "unit": "510102", "held": "5101",
    },
    {
        "clock": FIRST, "state": "breached", "due": "2026-03-27", "elapsed": 300000,
        "overrun": 213600, "unit": "510201", "is_open": True, "overdue": 2,
    },
    {
        "clock": FIRST, "state": "running", "due": "2026-03-31", "elapsed": 80000,
        "unit": "510201", "is_open": True, "is_running": True, "is_at_risk": True,
        "remaining": 6400,
    },
    {
        "clock": RESOLUTION, "state": "met", "due": "2026-03-20", "stop": "2026-03-18",
        "elapsed": 36000, "wall": 500000, "paused": 1800,
    },
    {
        "clock": RESOLUTION, "state": "met", "due": "2026-03-25", "stop": "2026-03-25",
        "elapsed": 50000, "cycle": 2, "unit": "510102",
    },
    {"clock": RESOLUTION, "state": "met", "due": "2026-04-01", "stop": "2026-03-26",
     "elapsed": 60000},
    {
        "clock": RESOLUTION, "state": "breached", "due": "2026-03-02", "stop": "2026-03-17",
        "elapsed": 400000, "is_breached_on_change": True,
    },
    {
        "clock": RESOLUTION, "state": "breached", "due": "2026-03-02", "elapsed": 700000,
        "unit": "510201", "is_open": True, "overdue": 20,
    },
    {
        "clock": RESOLUTION, "state": "paused", "elapsed": 5000, "unit": "510201",
        "is_open": True, "is_running": True,
    },
    {
        "clock": RESOLUTION, "state": "running", "due": "2027-01-05", "elapsed": 100,
        "is_open": True, "is_running": True, "is_provisional": True, "remaining": 90000,
    },
    {"clock": RESOLUTION, "state": "cancelled", "elapsed": 10, "is_left_out": True},
    {"clock": "acknowledge", "state": "measured", "stop": "2026-03-09", "elapsed": 600,
     "target": None},
    {
        "clock": "relay", "kind": "mean", "state": "measured", "due": "2026-03-12",
        "stop": "2026-03-12", "elapsed": 1000, "target": 3600,
    },
    {
        "clock": "relay", "kind": "mean", "state": "measured", "due": "2026-03-13",
        "stop": "2026-03-13", "elapsed": 5000, "target": 3600,
    },
    {
        "clock": "relay", "kind": "mean", "state": "running", "due": "2026-03-14",
        "elapsed": 9000, "target": 3600, "is_open": True,
    },
    {
        "clock": "relay", "kind": "mean", "state": "running", "due": "2026-04-02",
        "elapsed": 10, "target": 3600, "is_open": True, "is_running": True,
    },
    {
        "clock": "partner", "kind": "percentile", "state": "measured", "due": "2026-03-05",
        "stop": "2026-03-04", "elapsed": 800,
    },
    {
        "clock": "partner", "kind": "percentile", "state": "measured", "due": "2026-03-05",
        "stop": "2026-03-06", "elapsed": 90000,
    },
]  # fmt: skip

_USUAL: dict[str, Any] = {"unit": "510101", "kind": "each", "paused": 0, "cycle": 1}
_USUAL |= {"target": 86400}

_COLUMNS = (
    "clock_key varchar, evaluation varchar, source varchar, case_no varchar, clock varchar, "
    "ordinal int, cycle int, policy_key varchar, calendar_id varchar, target hugeint, "
    "unit varchar, target_kind varchar, started_at timestamp, started_on date, due_at timestamp, "
    "due_on date, stopped_at timestamp, stopped_on date, state varchar, elapsed_s bigint, "
    "paused_s bigint, calendar_elapsed_s bigint, remaining_s hugeint, overrun_s hugeint, "
    "is_at_risk boolean, is_breached boolean, is_running boolean, is_open boolean, "
    "is_breached_on_change boolean, is_provisional boolean, is_stopped_before_start boolean, "
    "is_left_out boolean, overdue_working_days int, unit_at_due_id varchar, "
    "longest_unit_id varchar, org_unit_id varchar, customer_id varchar, kind varchar, "
    "category_id varchar, channel_id varchar, priority varchar"
)


def make_clocks(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the tables of the cube `sla` in the current schema.

    Both evaluations hold the same clocks, but as-is the second first response is late.
    """
    run = connection.execute
    run(
        "create table dim_sla_clock (clock varchar, ordinal int, label_zh varchar, "
        "label_en varchar)"
    )
    run(
        "insert into dim_sla_clock values ('acknowledge', 1, '告知收到', 'Acknowledgement'), "
        "('first_response', 2, '首次答复', 'First response'), "
        "('resolution', 7, '办结', 'Resolution'), ('partner', 9, '协办方办理', 'Partner'), "
        "('relay', 10, '转告', 'Relay')"
    )
    run(
        "create table dim_sla_policy (policy_key varchar, policy_id varchar, version int, "
        "name varchar, name_en varchar)"
    )
    run(
        "insert into dim_sla_policy values ('d1', 'day', 1, '一天', 'One day'), "
        "('d2', 'day', 2, '一天', null)"
    )
    run(f"create table fct_sla_clock ({_COLUMNS})")
    for evaluation in ("as_was", "as_is"):
        for number, given in enumerate(CLOCKS):
            row = {**_USUAL, **given}
            if evaluation == "as_is" and number == 1:
                row["state"] = "breached"
            is_each = row["kind"] == "each"
            values = {
                "clock_key": f"{evaluation} {number}",
                "evaluation": evaluation,
                "source": "hotline",
                "case_no": f"case {number}",
                "clock": row["clock"],
                "ordinal": 1,
                "cycle": row["cycle"],
                "policy_key": None if row["target"] is None else f"d{1 + number % 2}",
                "calendar_id": "china",
                "target": row["target"],
                "unit": "business_seconds",
                "target_kind": row["kind"],
                "started_at": "2026-03-01 01:00:00",
                "started_on": "2026-03-01",
                "due_at": row.get("due") and f"{row['due']} 04:00:00",
                "due_on": row.get("due"),
                "stopped_at": row.get("stop") and f"{row['stop']} 04:00:00",
                "stopped_on": row.get("stop"),
                "state": row["state"],
                "elapsed_s": row["elapsed"],
                "paused_s": row["paused"],
                "calendar_elapsed_s": row.get("wall", row["elapsed"]),
                "remaining_s": row.get("remaining"),
                "overrun_s": row.get("overrun"),
                "is_breached": is_each and row["state"] == "breached",
                "overdue_working_days": row.get("overdue"),
                "unit_at_due_id": row.get("held", row["unit"]),
                "longest_unit_id": row["unit"],
                "org_unit_id": row["unit"],
                "customer_id": "k1",
                "kind": "complaint",
                "category_id": "c1",
                "channel_id": "phone",
                "priority": "P2",
            }
            values |= {
                name: row.get(name, False)
                for name in (
                    "is_at_risk", "is_running", "is_open", "is_breached_on_change",
                    "is_provisional", "is_stopped_before_start", "is_left_out",
                )
            }  # fmt: skip
            marks = ", ".join("?" * len(values))
            run(
                f"insert into fct_sla_clock ({', '.join(values)}) values ({marks})",
                list(values.values()),
            )
