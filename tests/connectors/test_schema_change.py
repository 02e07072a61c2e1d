"""Columns that come and go under evolve, discard and freeze, down to what lands."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from connectors.contract import Stream
from connectors.errors import RefusedDelivery
from connectors.schema_change import ColumnFinding, resolve_header
from tests.connectors.conftest import SHOP, load_one

Home = Any  # the fixture's class lives in conftest
COLUMNS = ["sale_no", "phone", "amount", "sold_at", "note"]


def stream(mode: str, **changes: Any) -> Stream:
    return Stream.model_validate({**SHOP["streams"]["sales"], "schema_change": mode, **changes})


def test_columns_are_found_by_name_whatever_their_order() -> None:
    header = resolve_header(["note ", "sold_at", "amount", "phone", "sale_no"], stream("freeze"))
    assert header.places == {"note": 1, "sold_at": 2, "amount": 3, "phone": 4, "sale_no": 5}
    assert header.extra == {} and header.findings == ()


def test_a_file_without_a_header_has_the_columns_of_the_contract_in_order() -> None:
    assert list(resolve_header(None, stream("evolve")).places.values()) == [1, 2, 3, 4, 5]


def test_a_column_is_found_by_the_name_it_has_at_the_source() -> None:
    given = copy.deepcopy(SHOP["streams"]["sales"])
    given["columns"]["sale_no"]["from"] = "单号"
    renamed = Stream.model_validate(given)
    assert resolve_header(["单号", *COLUMNS[1:]], renamed).places["sale_no"] == 1
    with pytest.raises(RefusedDelivery, match="单号"):
        resolve_header(COLUMNS, renamed)


def test_evolve_names_new_columns_apart_from_those_of_the_contract() -> None:
    header = resolve_header([*COLUMNS, "Colour", "备注2", "AMOUNT"], stream("evolve"))
    assert header.extra == {"new_colour": 6, "new_备注2": 7, "new_amount": 8}
    assert header.findings[0] == ColumnFinding("new_column", "it landed as new_colour")


@pytest.mark.parametrize(
    "text", ["13800001111", "zhang@example.com", "a b", "x" * 80, "", "订单12345"]
)
def test_a_name_that_may_be_a_persons_value_is_told_by_its_place(text: str) -> None:
    header = resolve_header([*COLUMNS, text], stream("evolve"))
    assert header.extra == {"new_column_6": 6}
    assert text == "" or text not in str(header.findings)


def test_discard_leaves_the_column_out_and_says_so() -> None:
    header = resolve_header([*COLUMNS, "colour"], stream("discard"))
    assert header.extra == {}
    assert header.findings == (ColumnFinding("dropped_column", "column colour"),)


def test_freeze_refuses_naming_every_fault_at_once() -> None:
    with pytest.raises(RefusedDelivery) as refused:
        resolve_header(["sale_no", "sale_no", "phone", "colour"], stream("freeze"))
    assert refused.value.code == "wrong_header"
    assert "a column stands twice" in refused.value.reason
    assert "lacks the columns amount, sold_at, note" in refused.value.reason
    assert "1 columns that the contract does not know" in refused.value.reason


@pytest.mark.parametrize("mode", ["evolve", "discard"])
def test_only_a_column_that_is_not_required_may_be_missing(mode: str) -> None:
    assert "note" not in resolve_header(COLUMNS[:4], stream(mode)).places
    with pytest.raises(RefusedDelivery, match="lacks the columns amount"):
        resolve_header(["sale_no", "phone", "sold_at", "note"], stream(mode))


def evolving(home: Home, mode: str) -> None:
    declaration = copy.deepcopy(SHOP)
    declaration["streams"]["sales"]["schema_change"] = mode
    home.contract = load_one(home.path / mode, declaration)


def send_with_colour(home: Home, number: int, colour: str, sequence: int = 1) -> None:
    import json
    from hashlib import sha256

    name = f"sales_20260330_{sequence:04d}.txt"
    path = home.send([home.row(number)], sequence=sequence)
    text = path.read_bytes().decode("gb18030")
    header, line = text.splitlines()
    body = f"{header}|colour\n{line}|{colour}\n".encode("gb18030")
    path.write_bytes(body)
    log = path.with_name(f"{name}.send.log")
    told = json.loads(log.read_text()) | {"bytes": len(body), "sha256": sha256(body).hexdigest()}
    log.write_text(json.dumps(told))


def test_under_evolve_a_new_column_lands_as_scrubbed_text_and_is_told_once(home: Home) -> None:
    evolving(home, "evolve")
    send_with_colour(home, 1, "红，找 13911112222")
    send_with_colour(home, 2, "蓝", sequence=2)
    assert {one.status for one in home.land() if one.batch_id} == {"loaded"}
    assert home.rows("sale_no, new_colour") == [("S1", "红，找 [phone]"), ("S2", "蓝")]
    (event,) = home.ledger.exchange_events(code="new_column")
    assert event.detail == "it landed as new_colour"


def test_under_discard_a_new_column_is_left_out_and_told_once(home: Home) -> None:
    evolving(home, "discard")
    send_with_colour(home, 1, "红")
    send_with_colour(home, 2, "蓝", sequence=2)
    home.land()
    assert [one[0] for one in home.rows("sale_no")] == ["S1", "S2"]
    (event,) = home.ledger.exchange_events(code="dropped_column")
    assert event.detail == "column colour"


def test_under_freeze_a_new_column_refuses_the_delivery(home: Home) -> None:
    evolving(home, "freeze")
    send_with_colour(home, 1, "红")
    (delivery,) = home.land()
    assert (delivery.status, delivery.code) == ("refused", "wrong_header")
