from __future__ import annotations

import csv
import io
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import RefusedDelivery
from connectors.file_layout import FileLayout
from connectors.formats.delimited import read_delimited
from connectors.validation import rejected_records, type_records
from tests.soak import fuzz

QUOTED = FileLayout(delimiter=",", quote='"')
NAMES = ["sale_no", "phone", "amount", "sold_at", "note"]


def write(folder: Path, body: bytes) -> Path:
    path = folder / "file.txt"
    path.write_bytes(body)
    return path


def test_quoted_fields_hold_delimiters_and_line_ends(tmp_path: Path) -> None:
    path = write(tmp_path, b'\xef\xbb\xbfa,b\r\n1,"x,""y""\nz"\r\n2,w')
    with duckdb.connect() as connection:
        reading = read_delimited(path, QUOTED, connection)
        rows = connection.execute("select line, byte_offset, fields from record").fetchall()
    assert reading.header == ("a", "b") and reading.records == 2
    assert rows[0] == (2, 8, ["1", 'x,"y"\nz']) and rows[1] == (4, 23, ["2", "w"])


def test_an_unclosed_quote_refuses_the_file_where_it_opens(tmp_path: Path) -> None:
    path = write(tmp_path, b'a,b\n1,2\n3,"open\n4,5\n')
    with duckdb.connect() as connection, pytest.raises(RefusedDelivery) as caught:
        read_delimited(path, QUOTED, connection)
    assert (caught.value.code, caught.value.offset) == ("unclosed_quote", 8)


def test_a_gb18030_character_whose_second_byte_is_the_delimiter_is_not_cut(tmp_path: Path) -> None:
    character = b"\x81\x7c".decode("gb18030")
    path = write(tmp_path, f"a|b\n{character}|x\n".encode("gb18030"))
    with duckdb.connect() as connection:
        read_delimited(path, FileLayout(delimiter="|", encoding="gb18030"), connection)
        rows = connection.execute("select fields from record").fetchall()
    assert rows == [([character, "x"],)]


def test_broken_encoding_is_told_with_its_offset(tmp_path: Path) -> None:
    path = write(tmp_path, b"a|b\nok|1\n\xe5\x9b|2\n")
    with duckdb.connect() as connection, pytest.raises(RefusedDelivery) as caught:
        read_delimited(path, FileLayout(delimiter="|"), connection)
    assert (caught.value.code, caught.value.offset) == ("broken_encoding", 9)


AMOUNTS = {"1.00", "20260330080000"}

cells = st.one_of(
    st.sampled_from(["", "1.00", "-3", "1.005", "20260330080000", "x", "NaN", "1e5", '"', "S1"]),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs", "Nd"]), max_size=6),
)


@fuzz(25)
@given(rows=st.lists(st.lists(cells, min_size=1, max_size=7), max_size=12))
def test_rows_in_a_file_are_loaded_or_quarantined(
    rows: list[list[str]], home_contract: Any
) -> None:
    stream = home_contract.streams["sales"]
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([NAMES, *rows])
    with TemporaryDirectory() as folder, duckdb.connect() as connection:
        path = write(Path(folder), text.getvalue().encode())
        reading = read_delimited(path, QUOTED, connection)
        places = {name: place for place, name in enumerate(NAMES, 1)}
        type_records(connection, stream, places, width=5, nulls=(), zone="Asia/Shanghai")
        rejected = rejected_records(connection, places)
        good = connection.execute("select * from typed where _fault is null").fetchall()
    assert reading.records == len(rows) == len(good) + len(rejected)
    expected = [row for row in rows if len(row) == 5 and row[0] and row[2] in AMOUNTS]
    expected = [row for row in expected if row[3] == "20260330080000"]
    assert len({row[0] for row in expected}) == len(good)
