"""Fixed width by hand: bytes are cut before they are decoded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from connectors.contract import Contract, load_contract
from connectors.errors import RefusedDelivery
from connectors.files.reading import read_typed
from connectors.formats import read_records
from connectors.validation import rejected_records
from cubes.errors import DeclarationError
from tests.connectors.conftest import SHOP, load_one

ZONE = "Asia/Shanghai"


def contract_of(folder: Path, **layout: Any) -> Contract:
    columns = {
        "sale_no": {"type": "string", "required": True, "at": [1, 4]},
        "name": {"type": "string", "at": [5, 8]},
        "amount": {"type": "decimal(9,2)", "at": [13, 8]},
    }
    stream = SHOP["streams"]["sales"] | {"columns": columns}
    del stream["business_date_from"]
    return load_one(
        folder / "sources",
        SHOP
        | {
            "interface": {**SHOP["interface"], "format": "fixed_width"},
            "file": {"encoding": "gb18030", "header": False} | layout,
            "streams": {"sales": stream},
        },
    )


def read(path: Path, contract: Contract) -> list[tuple[Any, ...]]:
    """Records with their fields by place in the line; the contract has its columns by name."""
    with duckdb.connect() as connection:
        read_records(path, contract, "sales", connection)
        return connection.execute(
            "select line, byte_offset, byte_length, [fields[3], fields[2], fields[1]], flaw "
            "from record order by record_no"
        ).fetchall()


def test_a_chinese_character_counts_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.dat"
    path.write_bytes("S001张三       10.50\r\nS002Li      1       \n".encode("gb18030"))
    assert read(path, contract_of(tmp_path)) == [
        (1, 0, 22, ["S001", "张三", "10.50"], None),
        (2, 22, 21, ["S002", "Li", "1"], None),
    ]


def test_a_line_of_another_length_and_a_cut_character_are_one_record_each(tmp_path: Path) -> None:
    path = tmp_path / "a.dat"
    lines = ["S001张三    1.00    ", "S002张三    1.00     ", "S003abcdefg张1.00   ", "S004x"]
    path.write_bytes("\n".join(lines).encode("gb18030"))
    assert [(row[3], row[4]) for row in read(path, contract_of(tmp_path))] == [
        (["S001", "张三", "1.00"], None),
        ([None] * 3, "wrong_line_length"),
        ([None] * 3, "cut_character"),
        ([None] * 3, "wrong_line_length"),
    ]


def test_bytes_of_another_encoding_refuse_the_file_at_their_place(tmp_path: Path) -> None:
    path = tmp_path / "a.dat"
    path.write_bytes(b"S001Li      1.00    \nS002\xff\xff      1.00    \n")
    with duckdb.connect() as connection, pytest.raises(RefusedDelivery) as caught:
        read_records(path, contract_of(tmp_path), "sales", connection)
    assert (caught.value.code, caught.value.offset) == ("broken_encoding", 25)


def test_header_and_trailer_are_no_records(tmp_path: Path) -> None:
    trailer = {"mark": "END", "rows": 2, "sums": {"amount": 3}}
    contract = contract_of(tmp_path, header=True, trailer=trailer, delimiter=";")
    path = tmp_path / "a.dat"
    path.write_bytes(b"whatever\nS001Li      1.00    \nS002Li      2.50    \nEND;2;3.50\n")
    with duckdb.connect() as connection:
        typed = read_typed(path, contract, "sales", connection, zone=ZONE)
        assert typed.reading.records == 2
        assert rejected_records(connection, typed.places) == []
    path.write_bytes(b"whatever\nS001Li      1.00    \nEND;2;1.00\n")
    with duckdb.connect() as connection, pytest.raises(RefusedDelivery, match="2 rows against 1"):
        read_typed(path, contract, "sales", connection, zone=ZONE)
    path.write_bytes(b"whatever\nS001Li      1.00    \n")
    with duckdb.connect() as connection, pytest.raises(RefusedDelivery) as caught:
        read_typed(path, contract, "sales", connection, zone=ZONE)
    assert caught.value.code == "missing_trailer"


def test_a_column_without_its_place_is_a_fault_of_the_contract(tmp_path: Path) -> None:
    contract_of(tmp_path)
    path = tmp_path / "sources/shop.yml"
    path.write_text(path.read_text().replace("at:", "# at:", 1).replace("- 1\n", "# - 1\n", 1))
    with pytest.raises(DeclarationError):
        load_contract(path)
