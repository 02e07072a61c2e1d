"""Homes that many tests begin with, made once for all processes of a test run."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable

import pytest

from pipelines.installation import Installation
from tests.journeys.product import SCALE, Product, clean_environment

SMALL = "0.05"


def demo_home(factory: pytest.TempPathFactory) -> Product:
    """A finished demonstration with its page in `page.txt`; work on a copy."""

    def make(product: Product) -> None:
        output = product.run("demo", "--scale", SCALE)
        (product.home / "page.txt").write_text(output, encoding="utf-8")

    return _made_once(factory, "demo", make)


def simulated_home(factory: pytest.TempPathFactory) -> Product:
    """A small province whose sources have delivered and from which nothing was read; copy it."""

    def make(product: Product) -> None:
        product.run("simulate", "--scale", SMALL)
        # Copies share the keys, so that their pseudonyms can be compared.
        assert Installation.open(clean_environment(product.home)).secrets

    return _made_once(factory, "simulated", make)


def small_home(factory: pytest.TempPathFactory) -> Product:
    """The small province, built once from all that was delivered."""

    def make(product: Product) -> None:
        product.run("demo", "--scale", SMALL)

    return _made_once(factory, "small", make)


def published_home(factory: pytest.TempPathFactory) -> Product:
    """The small province, built incrementally: the files of the last two days came later."""
    simulated = simulated_home(factory)

    def make(product: Product) -> None:
        product.home.rmdir()
        simulated.copy(product.home)
        late = [
            path
            for day in ("20260329", "20260330")
            for path in (product.home / "exchange").glob(f"*/*_{day}_*")
        ]
        for path in late:
            path.rename(path.with_name(f".{path.name}"))
        product.run("ingest")
        product.run("build")
        for path in late:
            path.with_name(f".{path.name}").rename(path)
        product.run("demo", "--scale", SMALL)

    return _made_once(factory, "published", make)


def _made_once(
    factory: pytest.TempPathFactory, name: str, make: Callable[[Product], None]
) -> Product:
    """The home of this name; the first process that asks makes it, the others wait."""
    run = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        run = run.parent
    folder = run / f"shared-{name}"
    folder.mkdir(exist_ok=True)
    product, made = Product(folder / "home"), folder / "made"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            product.home.mkdir()
            make(product)
            made.touch()
    return product
