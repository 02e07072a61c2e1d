from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pipelines.settings import PROJECT_ROOT
from tests.journeys.product import Product
from tests.journeys.public_clocks import cfpb_states, nyc_clocks

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("public")]

SOURCES = PROJECT_ROOT / "connectors" / "sources"
OWN = PROJECT_ROOT / "tests" / "connectors" / "data"


def run_through(tmp_path: Path, mapping: str, data: Path) -> tuple[Product, str]:
    product = Product(tmp_path / "home")
    path = str(SOURCES / f"{mapping}.yml")
    return product, product.run("demo", "--mapping", path, "--data", str(data), "--language", "en")


def counts(product: Product) -> tuple[int, int, int]:
    """Rows delivered, cases, and records in quarantine."""
    batches = product.json("deliveries")["batches"]
    rows = sum(batch["rows"] for batch in batches if batch["status"] == "loaded")
    (row,) = product.json("cube", "query", "cases", "--measures", "cases")["rows"]
    return rows, row["cases"], len(product.json("quarantine", "list"))


def resolution_clocks(product: Product, evaluation: str) -> dict[str, tuple[str, int, bool]]:
    """State, working seconds and whether it was stopped, of each case's resolution clock."""
    with product.snapshot() as connection:
        rows = connection.execute(
            "select case_no, state, elapsed_s, stopped_at is not null "
            "from marts.fct_sla_clock where clock = 'resolution' and evaluation = ?",
            [evaluation],
        ).fetchall()
    found = {number: (state, seconds, stopped) for number, state, seconds, stopped in rows}
    assert len(found) == len(rows)
    return found


def test_nyc_311_runs_through_and_every_row_ends_in_a_case_or_in_quarantine(
    tmp_path: Path, public_data: Callable[[str], Path]
) -> None:
    data = public_data("nyc311-tuplex/311_subset.micro.csv")
    product, page = run_through(tmp_path, "nyc311", data)
    rows, cases, quarantined = counts(product)
    assert rows == 2000
    assert cases + quarantined == rows
    with product.snapshot() as connection:
        impossible = connection.execute(
            "select count(*) from marts.fct_case where has_impossible_date"
        ).fetchone()
    independent = sum(",01/01/1900 " in line for line in data.read_text().splitlines())
    assert impossible is not None and impossible[0] >= independent > 0
    assert "impossible dates" in page and "[Huiyin]" in page
    by_agency = product.json("cube", "query", "cases", "--measures", "cases", "--by", "org.agency")
    assert sum(row["cases"] for row in by_agency["rows"]) == cases
    expected = nyc_clocks(data)
    for evaluation in ("as_was", "as_is"):
        found = resolution_clocks(product, evaluation)
        assert {number: clock[0] for number, clock in found.items()} == {
            number: clock.state for number, clock in expected.items()
        }
        stopped = {number: clock[1] for number, clock in found.items() if clock[2]}
        assert stopped == {
            number: clock.elapsed_s
            for number, clock in expected.items()
            if clock.elapsed_s is not None
        }
    assert len({clock.state for clock in expected.values()}) == 3


def test_cfpb_runs_through_and_every_row_ends_in_a_case_or_in_quarantine(
    tmp_path: Path, public_data: Callable[[str], Path]
) -> None:
    data = public_data("cfpb-sample/complaints_sample.csv")
    product, page = run_through(tmp_path, "cfpb", data)
    rows, cases, quarantined = counts(product)
    assert rows == 1000
    assert cases + quarantined == rows
    assert "[Huiyin]" in page
    published = json.loads((product.home / "published/current/published.json").read_text())
    as_of = datetime.fromisoformat(published["as_of"]).astimezone(ZoneInfo("America/New_York"))
    expected = cfpb_states(data, as_of.date())
    for evaluation in ("as_was", "as_is"):
        found = resolution_clocks(product, evaluation)
        assert {number: clock[0] for number, clock in found.items()} == expected


@pytest.mark.parametrize("mapping", ["nyc311", "cfpb"])
def test_the_hand_made_file_of_each_mapping_runs_through(tmp_path: Path, mapping: str) -> None:
    product, _ = run_through(tmp_path, mapping, OWN / f"{mapping}_20_rows.csv")
    rows, cases, quarantined = counts(product)
    assert rows == 20
    assert cases + quarantined == 20
    assert quarantined >= 1


def test_a_file_of_another_layout_is_refused_with_one_clear_message(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("a,b\n1,2\n", encoding="utf-8")
    product = Product(tmp_path / "home")
    message = product.run(
        "demo", "--mapping", str(SOURCES / "nyc311.yml"), "--data", str(wrong), expect=2
    )
    assert "Traceback" not in message
    assert "Unique Key" in message
