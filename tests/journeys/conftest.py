from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.installation import Installation
from pipelines.settings import PROJECT_ROOT
from tests.journeys.product import SCALE, Product, clean_environment


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


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Product:
    """A small province whose sources have delivered and from which nothing was read yet."""
    product = Product(tmp_path_factory.mktemp("small") / "home")
    product.run("simulate", "--scale", "0.05")
    # Copies share the keys, so that their pseudonyms can be compared.
    assert Installation.open(clean_environment(product.home)).secrets
    return product


@pytest.fixture(scope="session")
def unharmed(simulated: Product, tmp_path_factory: pytest.TempPathFactory) -> Product:
    """The small province, built incrementally: the files of the last two days came later."""
    product = simulated.copy(tmp_path_factory.mktemp("unharmed") / "home")
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
    product.run("demo", "--scale", "0.05")
    return product
