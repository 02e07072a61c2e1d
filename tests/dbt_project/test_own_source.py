"""Messages and audited actions become facts, and late news of a message changes its row."""

# ruff: noqa: DTZ001  (marts hold instants as naive UTC)

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest

from tests.dbt_project.builds import Builds

# All tests here share one home, so one worker runs them.
pytestmark = pytest.mark.xdist_group("dbt")

SENT = datetime(2026, 3, 19, 1, 0, 30)


def rows(builds: Builds, build: str, table: str) -> list[tuple[Any, ...]]:
    return builds.marts[build][table]


def test_a_late_receipt_changes_the_row_of_its_message(builds: Builds) -> None:
    columns = [row["name"] for row in builds.home.rows("pragma table_info('marts.fct_message')")]

    def told(build: str) -> list[dict[str, Any]]:
        wanted = ("message_id", "state", "sent_at", "delivered_at", "delivered_after_s")
        found = [dict(zip(columns, row, strict=True)) for row in rows(builds, build, "fct_message")]
        return [{name: one[name] for name in wanted} for one in found]

    waiting = {
        "message_id": "o2",
        "state": "accepted",
        "sent_at": SENT,
        "delivered_at": None,
        "delivered_after_s": None,
    }
    assert told("first") == [{**waiting, "message_id": "o1"}, waiting]
    assert told("later") == [
        {
            "message_id": "o1",
            "state": "delivered",
            "sent_at": SENT,
            "delivered_at": datetime(2026, 3, 29, 1),
            "delivered_after_s": 10 * 86400,
        },
        waiting,
    ]


def test_an_action_stands_on_its_local_day_with_how_it_ended(builds: Builds) -> None:
    told = builds.home.rows(
        "select audit_event_id, happened_on, outcome, org_unit_id from marts.fct_audit_event "
        "order by 1"
    )
    assert [tuple(row.values()) for row in told] == [
        (1, date(2026, 3, 19), "done", "51010701"),
        (2, date(2026, 3, 29), "failed", "51010701"),
        (3, date(2026, 3, 29), "done", "51010701"),
    ]
    assert len(rows(builds, "first", "fct_audit_event")) == 1
