from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from pipelines.settings import PROJECT_ROOT
from tests.journeys.product import Product

SHOTS = os.environ.get("HUIYIN_TEST_SHOTS")
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}
# As root, Chromium needs --no-sandbox; the others keep it from looking for hosts it cannot reach.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True)
class Running:
    """A home whose processes run, and where they listen."""

    product: Product
    addresses: dict[str, str]

    def sent(self) -> list[dict[str, str]]:
        """What the file transport wrote for a gateway, oldest first."""
        path = self.product.home / "sent" / "messages.jsonl"
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def require(condition: bool, reason: str) -> None:
    """Skip where something is missing; in CI that is a failure."""
    if condition:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def running() -> Iterator[Running]:
    """A small province with everything up, its dashboards applied; everything down afterwards."""
    require(
        (PROJECT_ROOT / ".venv-bi" / ".ready").exists(),
        "Superset is not installed (make setup-bi)",
    )
    folder = Path(tempfile.mkdtemp(prefix="huiyin-"))
    product = Product(folder / "home")
    product.run("demo", "--scale", "0.1")
    product.run("superset", "build")
    product.run("up")
    addresses = json.loads((product.home / "run" / "addresses.json").read_text(encoding="utf-8"))
    try:
        yield Running(product, addresses)
    finally:
        product.run("down")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, headless."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    require(path is not None, "no chromium on this machine (apt install chromium fonts-noto-cjk)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """A visitor without cookies."""
    visitor = chromium.new_context(viewport=DESK, locale="zh-CN")
    visitor.set_default_timeout(30_000)
    yield visitor
    visitor.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """An open page of the visitor."""
    return context.new_page()


def shoot(page: Page, name: str) -> None:
    """Keep a picture of the page where HUIYIN_TEST_SHOTS says so."""
    if SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)
