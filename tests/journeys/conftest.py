from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.settings import PROJECT_ROOT
from tests.journeys.homes import demo_home, published_home, simulated_home
from tests.journeys.product import Product


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Product:
    """A finished demonstration; tests that change a home work on a copy."""
    return demo_home(tmp_path_factory)


@pytest.fixture
def copied(demo: Product, tmp_path: Path) -> Product:
    """The finished demonstration in a home that may be changed."""
    return demo.copy(tmp_path / "home")


@pytest.fixture(scope="session")
def public_data() -> Callable[[str], Path]:
    """Finds a file of the public data sets; skips where they are absent, fails in CI."""

    def find(name: str) -> Path:
        folder = Path(os.environ.get("HUIYIN_TEST_DATA") or PROJECT_ROOT / "../shared/data")
        path = folder / name
        if not path.is_file():
            reason = f"the public data set {name} is not in {folder} (HUIYIN_TEST_DATA)"
            if os.environ.get("CI") == "true":
                pytest.fail(reason)
            pytest.skip(reason)
        return path.resolve()

    return find


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Product:
    """A small province whose sources have delivered and from which nothing was read yet."""
    return simulated_home(tmp_path_factory)


@pytest.fixture(scope="session")
def unharmed(tmp_path_factory: pytest.TempPathFactory) -> Product:
    """The small province, built incrementally; tests that change a home work on a copy."""
    return published_home(tmp_path_factory)
