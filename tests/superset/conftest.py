"""A Superset that was set up before the first publish, and the publish it then saw."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import pytest

from cubes.label import LANGUAGES
from cubes.snapshot import Snapshot
from dashboards.bundle import pages_of
from dashboards.chart import NO_FILTER, DrawnChart, draw, resolved
from dashboards.dataset import datasets
from dashboards.declaration import load_dashboards
from pipelines.address import write_addresses
from pipelines.installation import Installation
from pipelines.superset import admin_password, is_installed, names_of
from tests.journeys.product import Product, clean_environment
from tests.superset.accounts import employ
from tests.superset.server import Client, Portal, serving, standing_in

FIRST, LAST = date(2026, 3, 1), date(2026, 3, 30)
PERIOD = f"{FIRST} : 2026-03-31"
PASSWORD = "correct-horse-9"
CLIENTS = 4  # requests under way at once, as many as a browser opens for a dashboard


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/superset/" in str(item.path):
            item.add_marker(pytest.mark.superset)
            item.add_marker(pytest.mark.timeout(900))


@dataclass
class Served:
    """The served Superset with what was seen before and after the publish."""

    base: str
    home: Path
    installation: Installation
    portal: Portal
    admin: Client
    before: dict[str, Any]
    seconds_until_seen: float
    stack: ExitStack

    @cached_property
    def charts(self) -> dict[str, dict[str, Any]]:
        """Every chart as Superset keeps it, by its id in the bundle."""
        return charts_of(self.home)

    def sign_in(self, phone: str, password: str = PASSWORD) -> Client:
        return Client(self.base, phone, password)

    @contextmanager
    def snapshot(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to the published warehouse."""
        with self._snapshot.cursor() as cursor:
            yield cursor

    @cached_property
    def _snapshot(self) -> Snapshot:
        """The warehouse published before the tests, opened once."""
        return self.stack.enter_context(self.installation.snapshot())

    @cached_property
    def drawn_charts(self) -> list[DrawnChart]:
        """Every chart of every dashboard in both languages."""
        installation = self.installation
        warehouse = names_of(installation, say=lambda _: None)
        declared = load_dashboards(installation.search_path("dashboards"))
        dashboards = {slug: dashboard for slug, (dashboard, _) in declared.items()}
        found = []
        for language in LANGUAGES:
            sets = datasets(
                installation.catalogue,
                warehouse,
                language,
                installation.settings.timezone,
                pages_of(dashboards, language),
            )
            for slug, dashboard in dashboards.items():
                for name, chart in dashboard.charts.items():
                    whole = resolved(chart, installation.catalogue)
                    found.append(draw(slug, name, whole, language, sets))
        return found

    def drawn(self) -> list[DrawnChart]:
        """Every chart of every dashboard in both languages."""
        return self.drawn_charts


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    if not is_installed():
        reason = "the analysts' tool is not installed (make setup-bi)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    home = tmp_path_factory.mktemp("superset") / "home"
    product = Product(home)
    product.run("simulate", "--scale", "0.2")
    installation = Installation.open(clean_environment(home))
    portal = Portal(installation.secrets.derive("superset sign-in").hex())
    with ExitStack() as stack:
        address = stack.enter_context(standing_in(portal))
        write_addresses(installation.home, {"portal": address})
        product.run("superset", "build")
        base = stack.enter_context(serving(installation, home / "superset.log"))
        admin = Client(base, "admin", admin_password(installation))
        assert admin.is_signed_in
        employ(installation)
        charts = charts_of(home)
        status, listed = admin.call("GET", "/api/v1/chart/?q=(page_size:1)")
        assert status == 200 and listed["count"] == len(charts)
        with ThreadPoolExecutor(CLIENTS) as pool:
            answers = pool.map(lambda chart: _saved_data(admin, chart), charts.values())
            before = dict(zip(charts, answers, strict=True))
        product.run("ingest")
        product.run("build")
        published = time.monotonic()
        seen = Served(base, home, installation, portal, admin, before, 0, stack)
        status_id = next(
            chart.id for chart in seen.drawn() if chart.dataset is None and chart.language == "zh"
        )
        while "2026-03-30" not in json.dumps(
            _saved_data(admin, charts[status_id]), ensure_ascii=False
        ):
            assert time.monotonic() - published < 60, "the publish was not seen"
            time.sleep(1)
        seen.seconds_until_seen = time.monotonic() - published
        yield seen
    shutil.rmtree(home, ignore_errors=True)


def charts_of(home: Path) -> dict[str, dict[str, Any]]:
    """Every chart as Superset keeps it, by its id in the bundle."""
    columns = ("uuid", "id", "slice_name", "viz_type", "params", "query_context")
    with closing(sqlite3.connect(home / "superset" / "metadata.db", timeout=20)) as metadata:
        rows = metadata.execute(f"select {', '.join(columns)} from slices").fetchall()
    return {str(UUID(bytes=row[0])): dict(zip(columns[1:], row[1:], strict=True)) for row in rows}


def context_of(chart: dict[str, Any]) -> dict[str, Any]:
    """The query a chart was saved with, in the period of the dashboard where it follows that."""
    context: dict[str, Any] = json.loads(chart["query_context"])
    for query in context["queries"]:
        if query["time_range"] == NO_FILTER:
            query["time_range"] = PERIOD
        for found in query["filters"]:
            if found["op"] == "TEMPORAL_RANGE" and found["val"] == NO_FILTER:
                found["val"] = PERIOD
    return context


def _saved_data(client: Client, chart: dict[str, Any]) -> Any:
    status, answer = client.data(context_of(chart))
    assert status == 200, (chart["slice_name"], answer)
    return answer["result"]
