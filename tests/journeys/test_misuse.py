from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.journeys.product import Product

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("demonstration")]


@pytest.fixture
def product(tmp_path: Path) -> Product:
    return Product(tmp_path / "home")


def test_wrong_settings_are_reported_together_with_exit_code_2(product: Product) -> None:
    message = product.run(
        "cube", "list", expect=2, HUIYIN_TIMEZONE="Asia/Shangai", HUIYIN_THREADS="0"
    )
    assert "2 fault(s)" in message
    assert "HUIYIN_TIMEZONE" in message and "HUIYIN_THREADS" in message
    assert "Traceback" not in message


def test_an_unknown_source_is_named(product: Product) -> None:
    message = product.run("ingest", expect=2, HUIYIN_SOURCES="biling")
    assert "did you mean 'billing'" in message


@pytest.mark.parametrize("command", [["ingest"], ["deliveries"], ["quarantine", "list"]])
def test_a_source_that_is_not_read_here_is_refused(product: Product, command: list[str]) -> None:
    message = product.run(*command, "--source", "biling", expect=2)
    assert "billing" in message and "Traceback" not in message


def test_a_query_before_the_first_publish_says_what_to_do(product: Product) -> None:
    message = product.run("cube", "query", "cases", "--measures", "cases", expect=3)
    assert "Traceback" not in message
    assert "build" in message


def test_a_bad_declaration_is_reported_with_file_and_line(product: Product) -> None:
    folder = product.home / "site" / "connectors" / "sources"
    folder.mkdir(parents=True)
    (folder / "mine.yml").write_text(
        "source: mine\nlabel: {zh: 我的, en: Mine}\nowner: me\nstrems: {}\n", encoding="utf-8"
    )
    (folder / "other.yml").write_text("source: [\n", encoding="utf-8")
    message = product.run("ingest", expect=2)
    assert "mine.yml:4" in message and "did you mean 'streams'" in message
    assert "other.yml:" in message


def test_an_unknown_measure_gets_a_suggestion(demo: Product) -> None:
    message = demo.run("cube", "query", "cases", "--measures", "complants", expect=2)
    assert "did you mean 'complaints'" in message


def test_json_output_is_one_document_with_exact_decimals(demo: Product) -> None:
    result = demo.json("cube", "query", "sales", "--measures", "revenue,average_revenue")
    assert isinstance(result["rows"][0]["revenue"], str)
    assert isinstance(result["rows"][0]["average_revenue"], float)
    assert (
        result["snapshot"]
        == json.loads((demo.home / "published/current/published.json").read_text())["tag"]
    )
