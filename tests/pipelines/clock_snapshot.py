"""A small published snapshot with clocks made by hand, for the tests of their explanations."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import duckdb

TAG = "20260331-0001"
HOURS = ((9, 0, 12, 0), (13, 30, 18, 0))
MADE_UP = {date(2026, 2, 14), date(2026, 2, 28)}
OFF = {date(2026, 2, 15) + timedelta(days=n) for n in range(9)}
NOTICE = date(2025, 11, 4)
TABLES = {
    "fct_sla_clock": "clock_key varchar, case_key varchar, evaluation varchar, source varchar, "
    "case_no varchar, clock varchar, ordinal integer, cycle integer, policy_key varchar, "
    "calendar_id varchar, zone varchar, calendar_version date, target bigint, unit varchar, "
    "started_at timestamp, due_at timestamp, stopped_at timestamp, breached_at timestamp, "
    "cancelled_at timestamp, cancelled_by varchar, state varchar, elapsed_s bigint, "
    "paused_s bigint, calendar_elapsed_s bigint, remaining_s bigint, overrun_s bigint, "
    "due_if_resumed_at timestamp, is_at_risk boolean, is_breached_on_change boolean, "
    "is_provisional boolean, unit_at_due_id varchar, longest_unit_id varchar, kind varchar, "
    "category_id varchar, channel_id varchar, priority varchar, org_unit_id varchar",
    "fct_sla_segment": "clock_key varchar, segment_no integer, policy_key varchar, "
    "from_at timestamp, to_at timestamp, target bigint, unit varchar, due_at timestamp",
    "fct_case_status": "case_key varchar, ordinal integer, status varchar, valid_from timestamp, "
    "valid_to timestamp",
    "fct_case": "source varchar, case_no varchar",
    "dim_sla_policy": "policy_key varchar, policy_id varchar, clock varchar, version integer, "
    "ordinal integer, name varchar, name_en varchar, valid_from timestamp, valid_to timestamp, "
    "cycle varchar, source varchar, kind varchar, category_path varchar, priority varchar, "
    "complexity varchar, org_unit_id varchar, channel varchar, reporter_type varchar, "
    "calendar_id varchar, target bigint, unit varchar, rolls boolean, ends varchar, "
    "target_kind varchar, pause_statuses varchar, is_active boolean",
    "dim_sla_clock": "clock varchar, ordinal integer, label_zh varchar, label_en varchar, "
    "counted_statuses varchar",
    "calendar_interval": "calendar_id varchar, zone varchar, evaluation varchar, "
    "starts_at timestamp, ends_at timestamp",
    "calendar_date": "calendar_id varchar, evaluation varchar, date_on date, is_working boolean, "
    "is_holiday boolean, is_makeup boolean, holiday_name varchar, is_provisional boolean, "
    "calendar_version date",
    "dim_org": "org_unit_id varchar, name varchar, name_en varchar",
    "dim_category": "category_id varchar, told_path varchar",
}


def utc(text: str | None) -> datetime | None:
    """A local time of Shanghai, eight hours before, as the warehouse keeps it."""
    return None if text is None else datetime.fromisoformat(text) - timedelta(hours=8)


def key(*parts: object) -> str:
    return hashlib.md5("|".join(map(str, parts)).encode()).hexdigest()


def clock(case_no: str, started: str, stopped: str | None, elapsed_s: int, **more: Any) -> Any:
    """A row of fct_sla_clock; times are local to Shanghai. The resolution clock by default."""
    said = {
        "source": "hotline", "clock": "resolution", "ordinal": 1, "evaluation": "as_was",
        "policy_key": "five", "ended": stopped, **more,
    }  # fmt: skip
    ended, begun = utc(said.pop("ended")), utc(started)
    assert ended is not None and begun is not None
    names = (said["evaluation"], said["clock"], said["ordinal"], said["source"])
    row: dict[str, Any] = {
        "clock_key": key(*names, case_no),
        "case_key": key(said["source"], case_no),
        "case_no": case_no, "cycle": said["ordinal"], "calendar_id": "china",
        "zone": "Asia/Shanghai", "target": 5, "unit": "working_days", "started_at": begun,
        "stopped_at": utc(stopped), "state": "met", "elapsed_s": elapsed_s, "paused_s": 0,
        "calendar_elapsed_s": int((ended - begun).total_seconds()), "is_breached_on_change": False,
        "is_provisional": False, "unit_at_due_id": "SC01", "longest_unit_id": "SC02",
    }  # fmt: skip
    return {**row, **said}


def status(case_no: str, ordinal: int, name: str, since: str, until: str | None) -> dict[str, Any]:
    """A row of fct_case_status of the hotline; times are local to Shanghai."""
    return {
        "case_key": key("hotline", case_no), "ordinal": ordinal, "status": name,
        "valid_from": utc(since), "valid_to": utc(until),
    }  # fmt: skip


def policy(policy_key: str, **said: Any) -> dict[str, Any]:
    """A row of dim_sla_policy."""
    return {
        "policy_key": policy_key, "policy_id": policy_key, "clock": "resolution", "version": 1,
        "ordinal": 9000, "name": "五日办结", "name_en": "Five days", "target": 5,
        "valid_from": datetime.fromisoformat("1900-01-01"), "unit": "working_days", "rolls": False,
        "ends": "midnight", "target_kind": "each", "pause_statuses": "waiting_on_reporter",
        "is_active": True, **said,
    }  # fmt: skip


def calendar_rows(evaluation: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Dates and intervals of the first quarter of 2026 with the Spring Festival."""
    dates, intervals = [], []
    for number in range(90):
        day = date(2026, 1, 1) + timedelta(days=number)
        works = day in MADE_UP or (day.weekday() < 5 and day not in OFF)
        dates.append(
            {
                "calendar_id": "china", "evaluation": evaluation, "date_on": day,
                "is_working": works, "is_holiday": day in OFF, "is_makeup": day in MADE_UP,
                "holiday_name": "春节" if day in OFF | MADE_UP else None,
                "is_provisional": False, "calendar_version": NOTICE,
            }
        )  # fmt: skip
        for opens_h, opens_m, closes_h, closes_m in HOURS if works else ():
            midnight = datetime.combine(day, time(0)) - timedelta(hours=8)
            intervals.append(
                {
                    "calendar_id": "china", "zone": "Asia/Shanghai", "evaluation": evaluation,
                    "starts_at": midnight + timedelta(hours=opens_h, minutes=opens_m),
                    "ends_at": midnight + timedelta(hours=closes_h, minutes=closes_m),
                }
            )  # fmt: skip
    return dates, intervals


def tables(clocks: Iterable[Any], **more: Iterable[Any]) -> dict[str, list[Any]]:
    """The rows of all tables, `more` beside what every case needs."""
    both = [calendar_rows(evaluation) for evaluation in ("as_was", "as_is")]
    rows = list(clocks)
    found: dict[str, list[Any]] = {
        "fct_sla_clock": rows,
        "fct_case": [{"source": one["source"], "case_no": one["case_no"]} for one in rows],
        "dim_sla_policy": [policy("five")],
        "dim_sla_clock": [
            {"clock": "resolution", "ordinal": 7, "label_zh": "办结", "label_en": "Resolution"},
            {"clock": "first_response", "ordinal": 2, "label_zh": "首次答复",
             "label_en": "First response"},
            {"clock": "agent_work", "ordinal": 5, "label_zh": "我方处理", "label_en": "Agent work",
             "counted_statuses": "new;accepted;in_progress"},
        ],
        "calendar_date": [row for dates, _ in both for row in dates],
        "calendar_interval": [row for _, intervals in both for row in intervals],
        "dim_org": [
            {"org_unit_id": "SC01", "name": "成都", "name_en": "Chengdu"},
            {"org_unit_id": "SC02", "name": "自贡", "name_en": "Zigong"},
        ],
    }  # fmt: skip
    for name, added in more.items():
        found[name] = [*found.get(name, []), *added]
    return found


def write(connection: duckdb.DuckDBPyConnection, rows: Mapping[str, list[Any]]) -> None:
    """Make the tables and fill them."""
    connection.execute("create schema if not exists marts")
    for table, columns in TABLES.items():
        connection.execute(f"create table marts.{table} ({columns})")
        for row in rows.get(table, ()):
            names = ", ".join(row)
            places = ", ".join("?" for _ in row)
            connection.execute(
                f"insert into marts.{table} ({names}) values ({places})", list(row.values())
            )


def publish(home: Path, rows: Mapping[str, list[Any]]) -> None:
    """Publish the tables as the snapshot of a home."""
    folder = home / "published/snapshots" / TAG
    folder.mkdir(parents=True)
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        write(connection, rows)
    information = {"tag": TAG, "business_date": "2026-03-30", "as_of": "2026-03-31T01:00:00+00:00"}
    (folder / "published.json").write_text(json.dumps(information), encoding="utf-8")
    (home / "published/current").symlink_to(Path("snapshots") / TAG)


def plans(connection: duckdb.DuckDBPyConnection, statements: Iterable[str]) -> Iterator[str]:
    """The plan of each statement."""
    for statement in statements:
        yield connection.execute(f"explain {statement}").fetchall()[0][1]
