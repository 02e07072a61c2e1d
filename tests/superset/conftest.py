"""A Superset that was set up before the first publish, and the publish it then saw."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cubes.label import LANGUAGES
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

    @cached_property
    def charts(self) -> dict[str, dict[str, Any]]:
        """Every chart as Superset keeps it, by its id in the bundle."""
        return self.admin.charts()

    def sign_in(self, phone: str, password: str = PASSWORD) -> Client:
        return Client(self.base, phone, password)

    @contextmanager
    def snapshot(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to the published warehouse."""
        with self.installation.snapshot() as snapshot:
            yield snapshot.cursor()

    def drawn(self) -> list[DrawnChart]:
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


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    if not is_installed():
        reason = "the analysts' tool is not installed (make setup-bi)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
            base = stack.enter_context(
                serving(installation, Path("/tmp/leak/dev/superset.log"))
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
        before = {uuid: _saved_data(admin, chart) for uuid, chart in admin.charts().items()}
        product.run("ingest")
        product.run("build")
        published = time.monotonic()
        status_id = next(
            chart.id
            for chart in Served("", home, installation, portal, admin, {}, 0).drawn()
            if chart.dataset is None and chart.language == "zh"
        )
        status = admin.charts()[status_id]
        while "2026-03-30" not in json.dumps(_saved_data(admin, status), ensure_ascii=False):
            assert time.monotonic() - published < 60, "the publish was not seen"
            time.sleep(1)
        seen = time.monotonic() - published
        yield Served(base, home, installation, portal, admin, before, seen)
    shutil.rmtree(home, ignore_errors=True)


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
