"""Homes, servers and clients of the service for the tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from connectors.inbox import Inbox
from cubes.sla_policy import CONDITIONS
from pipelines.publish import publish
from tests.connectors.service.server import Client, ServiceServer, add_client
from tests.cubes.marts import make_marts

TAG = "20260331-test"


@dataclass(frozen=True)
class Served:
    """A running service over the small warehouse: keys of city A, city B, and without bounds."""

    server: ServiceServer
    city_a: Client
    city_b: Client
    whole: Client
    trial: Client


def endless_query(name: str, *, seconds: float) -> str:
    """The declaration of a named query that computes until its limit."""
    return f"""\
query: {name}
label: {{zh: 无尽, en: Endless}}
columns: {{n: {{type: integer}}}}
scope: open
limits: {{seconds: {seconds}}}
sql: |
  select count(*) as n from marts.dim_date a cross join marts.dim_date b
  cross join marts.dim_date c cross join marts.dim_date d where a.is_workday
"""


def publish_marts(home: Path, tag: str = TAG) -> None:
    """Publish the small warehouse of the cubes' tests in a home."""
    built = home / f"{tag}.duckdb"
    home.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(built)) as connection:
        make_marts(connection)
        run = connection.execute
        run("alter table marts.fct_case add column resolution_due_at timestamp")
        run(
            "create table marts.fct_feedback_event (source varchar, case_no varchar, "
            "event_id varchar)"
        )
        run(
            "create or replace table marts.dim_sla_policy as select 'k' as policy_key, "
            "'resolution-5' as policy_id, 'resolution' as clock, 1 as version, 9000 as ordinal, "
            "'5个工作日' as name, '5 working days' as name_en, "
            "timestamp '2000-01-01' as valid_from, cast(null as timestamp) as valid_to, "
            "5 as target, 'working_days' as unit, "
            "false as rolls, 'midnight' as ends, 'each' as target_kind, true as is_active"
        )
        for condition in (*CONDITIONS, "calendar_id", "pause_statuses"):
            run(f"alter table marts.dim_sla_policy add column {condition} varchar")
        run(
            "create table marts.dim_calendar as "
            "select 'china' as calendar_id, cast(null as varchar) as zone"
        )
        run(
            "create table marts.calendar_date as select 'china' as calendar_id, date_on, "
            "is_workday as is_working, false as is_provisional, 'as_was' as evaluation, "
            "false as is_holiday, false as is_makeup, '' as holiday_name, "
            "cast(null as date) as calendar_version from marts.dim_date"
        )
        # Working time from 9 to 18 in Shanghai.
        run(
            "create table marts.calendar_interval as select calendar_id, 'Asia/Shanghai' as zone, "
            "evaluation, date_on + interval 1 hour as starts_at, "
            "date_on + interval 10 hour as ends_at from marts.calendar_date where is_working"
        )
    information = {"tag": tag, "business_date": "2026-03-30", "as_of": "2026-03-31T00:00:00+00:00"}
    publish(built, home / "published", tag, information, now=datetime.now(UTC), keep=3)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A published home with a running service; tests of a module share it."""
    home = tmp_path_factory.mktemp("service") / "home"
    publish_marts(home)
    keys = {
        "a": add_client(home, "city-a", unit="5101"),
        "b": add_client(home, "city-b", unit="5102", sources=()),
        "whole": add_client(home, "whole"),
        "trial": add_client(home, "trial", is_test=True),
    }
    with ServiceServer(home) as server:
        clients = {name: Client(server, key) for name, key in keys.items()}
        yield Served(server, clients["a"], clients["b"], clients["whole"], clients["trial"])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home with an inbox."""
    home = tmp_path / "home"
    home.mkdir()
    with Inbox(home / "inbox.db"):
        pass
    return home
