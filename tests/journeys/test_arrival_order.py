"""The order in which deliveries arrive changes no mart, through the whole build."""

from __future__ import annotations

import os
import random
from collections import defaultdict
from pathlib import Path

import pytest

from tests.journeys.product import Product, fingerprints

ORDERS = max(1, int(os.environ.get("HUIYIN_TEST_KILLS", "4")) // 10)

pytestmark = [pytest.mark.journey, pytest.mark.soak, pytest.mark.xdist_group("arrival")]


@pytest.mark.parametrize("seed", range(ORDERS))
def test_whatever_arrives_first_the_marts_are_the_same(
    simulated: Product, unharmed: Product, tmp_path: Path, seed: int
) -> None:
    product = simulated.copy(tmp_path / "home")
    files = sorted((product.home / "exchange").glob("*/*_*_*"))
    data = [path for path in files if not path.name.endswith(".send.log")]
    random.Random(seed).shuffle(data)
    data = in_order_of_their_number(data)
    assert len(data) > 100
    for path in data:
        hide(path)
    third = len(data) // 3
    for part in (data[:third], data[third : 2 * third], data[2 * third :]):
        for path in part:
            show(path)
        product.run("ingest")
        product.run("build")
    with product.snapshot() as shuffled, unharmed.snapshot() as usual:
        assert fingerprints(shuffled) == fingerprints(usual)


def in_order_of_their_number(shuffled: list[Path]) -> list[Path]:
    """The same order but for files of one number: a number belongs to the date that came first.

    The simulated letters use one number for two dates, of which the later one is refused.
    """
    places: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for place, path in enumerate(shuffled):
        stream, _, sequence = path.stem.rpartition("_")
        places[path.parent.name, stream.rpartition("_")[0], sequence].append(place)
    ordered = list(shuffled)
    for of_one in places.values():
        for place, path in zip(of_one, sorted(shuffled[p] for p in of_one), strict=True):
            ordered[place] = path
    return ordered


def hide(path: Path) -> None:
    """Take a file and its log out of sight, as if they had not come yet."""
    for one in with_log(path):
        one.rename(one.with_name(f".{one.name}"))


def show(path: Path) -> None:
    """Let them arrive."""
    for one in with_log(path):
        one.with_name(f".{one.name}").rename(one)


def with_log(path: Path) -> list[Path]:
    log = path.with_name(f"{path.name}.send.log")
    return [path, log] if log.exists() or log.with_name(f".{log.name}").exists() else [path]
