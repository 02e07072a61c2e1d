"""Times of the faces as people meet them: everything up, portal pages, a warm dashboard, a publish.

Makes a province of its own, starts all processes, and prints one table. Needs Chromium and the
installed Superset (`make setup-bi`).
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from playwright.sync_api import Page, Request, expect, sync_playwright

from tests.browser.conftest import ARGUMENTS, Running
from tests.browser.people import chosen_password, manager_of, sign_in
from tests.browser.test_analyst import open_dashboard
from tests.journeys.product import Product

PAGES = (
    "/",
    "/digests",
    "/digests/complaints",
    "/reports/complaints",
    "/thresholds",
    "/people",
    "/audit",
)
TIMES = 20


def milliseconds(answer: httpx.Response) -> float:
    """What an answer took; only a page counts, not a way to the sign-in."""
    assert answer.status_code == 200, f"{answer.url} answered {answer.status_code}"
    return answer.elapsed.total_seconds() * 1000


def portal_pages(page: Page, running: Running, rows: list[tuple[str, str]]) -> None:
    """Median and worst of each page, asked for again and again by a signed-in manager."""
    cookies = {one["name"]: one["value"] for one in page.context.cookies()}
    with httpx.Client(base_url=running.addresses["portal"], cookies=cookies) as client:
        for path in PAGES:
            first, *taken = (milliseconds(client.get(path)) for _ in range(TIMES + 1))
            rows.append(
                (
                    f"portal {path} ms: first, median, worst of {TIMES}",
                    f"{first:.0f}, {statistics.median(taken):.0f}, {max(taken):.0f}",
                )
            )


def warm_dashboard(page: Page) -> float:
    """Seconds from reloading the dashboard until the last answer came and no chart waits."""
    answered: list[float] = []

    def note(_request: Request) -> None:
        answered.append(time.perf_counter())

    page.on("requestfinished", note)
    started = time.perf_counter()
    page.reload()
    page.locator("[data-test=dashboard-component-chart-holder]").last.wait_for()
    expect(page.locator(".loading")).to_have_count(0, timeout=30_000)
    drawn = time.perf_counter()
    page.wait_for_load_state("networkidle")
    page.remove_listener("requestfinished", note)
    return max(drawn, *answered) - started


def memory(running: Running) -> float:
    """Proportional memory of all processes of the home, in MB."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes()
            text = (folder / "smaps_rollup").read_text()
        except OSError:
            continue
        if f"HUIYIN_HOME={running.product.home}".encode() in environment.split(b"\0"):
            total += sum(int(line.split()[1]) for line in text.splitlines() if "Pss:" in line[:5])
    return total / 1024


@contextmanager
def province(scale: str) -> Iterator[tuple[Running, list[tuple[str, str]]]]:
    """A running home, with what building and starting it took."""
    folder = Path(tempfile.mkdtemp(prefix="huiyin-"))
    product = Product(folder / "home")
    rows: list[tuple[str, str]] = []
    product.run("demo", "--scale", scale)
    for name, command in (
        ("huiyin superset build, first time, s", ("superset", "build")),
        ("huiyin superset build, again, s", ("superset", "build")),
        ("huiyin up, all healthy, s", ("up",)),
    ):
        started = time.perf_counter()
        product.run(*command)
        rows.append((name, f"{time.perf_counter() - started:.1f}"))
    addresses = json.loads((product.home / "run" / "addresses.json").read_text(encoding="utf-8"))
    try:
        yield Running(product, addresses), rows
    finally:
        product.run("down")
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", default="0.2")
    scale = parser.parse_args().scale
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    with province(scale) as (running, rows), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        page = browser.new_context(locale="zh-CN").new_page()
        account = manager_of(running, "province_manager")
        phone, password = chosen_password(page, running, account)
        sign_in(page, running.addresses["portal"], phone, password)
        portal_pages(page, running, rows)
        open_dashboard(page, running, "overview", phone, password)
        taken = [warm_dashboard(page) for _ in range(5)]
        rows.append(
            (
                "dashboard, warm, s: median, worst of 5",
                f"{statistics.median(taken):.1f}, {max(taken):.1f}",
            )
        )
        rows.append(("memory of all processes, PSS MB", f"{memory(running):.0f}"))
        browser.close()
    print("| figure | value |\n|---|---|")
    for name, value in rows:
        print(f"| {name} | {value} |")


if __name__ == "__main__":
    main()
