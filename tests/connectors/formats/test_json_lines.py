"""JSON lines by hand: nothing is lost between the object and the record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.contract import Contract
from connectors.errors import RefusedDelivery
from connectors.files.reading import read_typed
from connectors.formats import read_records
from connectors.validation import rejected_records
from tests.connectors.conftest import SHOP, load_one
from tests.soak import fuzz

NAMES = ("amount", "note", "phone", "sale_no", "sold_at")


def contract_of(folder: Path, *, schema_change: str = "freeze", **layout: Any) -> Contract:
    stream = SHOP["streams"]["sales"] | {"schema_change": schema_change}
    return load_one(
        folder / "sources",
        SHOP
        | {
            "interface": {**SHOP["interface"], "format": "json_lines"},
            "file": layout or None,
            "streams": {"sales": stream},
        },
    )


def read(path: Path, contract: Contract) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    with duckdb.connect() as connection:
        reading = read_records(path, contract, "sales", connection)
        rows = connection.execute("select fields, flaw from record order by record_no").fetchall()
    assert reading.header is not None
    return reading.header, rows


def test_scalars_become_texts_without_loss(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"sale_no": 12345678901234567890123, "amount": 0.10, "note": true, "phone": null}\n'
        '{"sale_no": "00", "amount": 1E+400, "note": {"a": [1.50, null, "好"]}}\n',
        encoding="utf-8",
    )
    header, rows = read(path, contract_of(tmp_path))
    assert header == NAMES
    assert rows == [
        (["0.10", "true", None, "12345678901234567890123", None], None),
        (["1E+400", '{"a":[1.50,null,"好"]}', None, "00", None], None),
    ]


def test_what_is_no_whole_object_is_one_bad_record_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    good = b'{"sale_no":"1","amount":"1.00","sold_at":"20260330080000"}'
    lines = [
        good,
        b"[1]",
        b'{"sale_no":"2"',
        b'{"sale_no":"3","sale_no":"4"}',
        b'{"note":"\\ud800"}',
        b'{"note":NaN}',
        b"[" * 100_000,
        b'{"note":"\\u0000"}',
    ]
    path.write_bytes(b"\n".join(lines))
    contract = contract_of(tmp_path)
    with duckdb.connect() as connection:
        typed = read_typed(path, contract, "sales", connection, zone="Asia/Shanghai")
        rejected = rejected_records(connection, typed.places)
    assert typed.reading.records == 8
    assert [(one.line, one.reason) for one in rejected] == [
        (2, "not_an_object"),
        (3, "broken_json"),
        (4, "duplicate_json_key"),
        (5, "unusable_text"),
        (6, "broken_json"),
        (7, "broken_json"),
        (8, "unusable_text"),
    ]
    body = path.read_bytes()
    first = rejected[0]
    assert first.byte_offset is not None and first.byte_length is not None
    assert body[first.byte_offset : first.byte_offset + first.byte_length] == b"[1]\n"


def test_unknown_keys_are_as_the_contract_says(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"sale_no":"1","amount":"1","sold_at":"20260330080000"}\n'
        '{"sale_no":"2","amount":"1","sold_at":"20260330080000","colour":"red"}\n'
    )
    with duckdb.connect() as connection, pytest.raises(RefusedDelivery) as caught:
        read_typed(path, contract_of(tmp_path), "sales", connection, zone="Asia/Shanghai")
    assert caught.value.code == "wrong_header"
    contract = contract_of(tmp_path, schema_change="evolve")
    with duckdb.connect() as connection:
        typed = read_typed(path, contract, "sales", connection, zone="Asia/Shanghai")
        assert rejected_records(connection, typed.places) == []
        (landed,) = typed.extra
        rows = connection.execute(f"select sale_no, {landed} from typed order by 1").fetchall()
    assert rows == [("1", None), ("2", "red")]


def test_endless_new_keys_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(f'{{"k{number}":1}}' for number in range(5000)))
    with duckdb.connect() as connection, pytest.raises(RefusedDelivery) as caught:
        read_records(path, contract_of(tmp_path), "sales", connection)
    assert caught.value.code == "wrong_header"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "gb18030", "utf-16", "utf-16-le"])
def test_every_encoding_is_read_with_and_without_its_mark(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes('{"note":"好\u0a0a"}\r\n\r\n{"note":"上一个"}'.encode(encoding))
    named = "utf-16" if encoding.startswith("utf-16") else encoding.removesuffix("-sig")
    _, rows = read(path, contract_of(tmp_path, encoding=named))
    assert [fields[1] for fields, _ in rows] == ["好\u0a0a", "上一个"]


@fuzz(50)
@given(st.binary(max_size=300))
def test_any_bytes_are_records_or_refused_at_a_place(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("json")
    path = folder / "a.jsonl"
    path.write_bytes(content)
    lines = [line for line in content.split(b"\n") if line.strip(b"\r")]
    try:
        _, rows = read(path, contract_of(folder))
    except RefusedDelivery as refusal:
        assert refusal.offset is not None and 0 <= refusal.offset <= len(content)
        return
    blank = sum(line.decode().isspace() for line in lines)
    mark = sum(line.removeprefix(b"\xef\xbb\xbf") == b"" for line in lines[:1])
    assert len(rows) == len(lines) - blank - mark
