"""The command that gives keys to clients of the intake and the service."""

from __future__ import annotations

from pathlib import Path

from connectors.inbox import Inbox
from tests.journeys.product import Product


def test_a_key_is_given_for_permissions_and_sources_that_exist_only(tmp_path: Path) -> None:
    product = Product(tmp_path / "home")
    key = product.run(
        *("client", "add", "partner", "--permission", "deliver", "--permission", "query"),
        *("--source", "partner_feedback", "--test"),
    ).strip()
    assert key.startswith("hyk_")
    (client,) = product.json("client", "list")
    assert (client["permissions"], client["sources"]) == (
        ["deliver", "query"],
        ["partner_feedback"],
    )
    assert client["is_test"] is True and key not in str(client)
    for wrong in (
        ("--permission", "deliever"),
        ("--permission", "deliver"),
        ("--permission", "deliver", "--source", "hotline"),
    ):
        told = product.run("client", "add", "x", *wrong, expect=2)
        assert "Traceback" not in told
    assert len(product.json("client", "list")) == 1


def test_the_list_of_queries_shows_signatures_and_columns(tmp_path: Path) -> None:
    product = Product(tmp_path / "home")
    found = {one["query"]: one for one in product.json("query", "list")}["arrears_by_unit"]
    assert found["signature"] == "arrears_by_unit(business_date date?, unit unit?)"
    assert [column["name"] for column in found["columns"]][-3:] == [
        *("balance", "debtors", "recovered"),
    ]
    assert "arrears_by_unit(business_date date?" in product.run("query", "list", COLUMNS="200")


def test_a_key_is_renewed_and_the_old_one_is_void(tmp_path: Path) -> None:
    product = Product(tmp_path / "home")
    old = product.run("client", "add", "desk 3").strip()
    (before,) = product.json("client", "list")
    new = product.run("client", "renew", "desk 3").strip()
    (after,) = product.json("client", "list")
    with Inbox(tmp_path / "home" / "inbox.db") as inbox:
        assert inbox.client_of(old) is None
        found = inbox.client_of(new)
    assert before == after and found is not None and found.client_id == before["client_id"]
    product.run("client", "disable", "desk 3")
    product.run("client", "renew", "desk 3", expect=2)
    product.run("client", "renew", "desk 4", expect=2)
