"""Homes and servers of the intake for the tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.connectors.intake.server import Server
from tests.journeys.homes import small_home
from tests.journeys.product import Product


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An intake before the first publish; tests of a module share it."""
    with Server(tmp_path_factory.mktemp("intake") / "home") as server:
        yield server


@pytest.fixture(scope="session")
def province(tmp_path_factory: pytest.TempPathFactory) -> Product:
    """A small published province; work on a copy."""
    return small_home(tmp_path_factory)


@pytest.fixture
def published(province: Product, tmp_path: Path) -> Product:
    """The small province in a home that may be changed."""
    return Product(Path(shutil.copytree(province.home, tmp_path / "home", symlinks=True)))
