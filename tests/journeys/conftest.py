from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.settings import PROJECT_ROOT
from tests.journeys.product import SCALE, Product


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Product:
    """A finished demonstration; tests that change a home work on a copy."""
    product = Product(tmp_path_factory.mktemp("demo") / "home")
    output = product.run("demo", "--scale", SCALE)
    (product.home / "page.txt").write_text(output, encoding="utf-8")
    return product


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
