"""What a format writes is what it reads, for every layout; what it cannot carry is told."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, assume, given
from hypothesis import strategies as st

from connectors.contract import Contract
from connectors.errors import RefusedDelivery, UnwritableValue
from connectors.formats import read_records, write_file
from tests.soak import fuzz

NAMES = ("code", "amount", "note")
Row = Mapping[str, str | None]


def contract_of(form: str, layout: Mapping[str, Any] | None, *, width: int = 3) -> Contract:
    columns: dict[str, dict[str, Any]] = {
        "code": {"type": "string", "required": True, "from": "编号"},
        "amount": {"type": "string"},
        "note": {"type": "string"},
    }
    columns = dict(list(columns.items())[:width])
    if form == "fixed_width":
        for place, column in enumerate(columns.values()):
            column["at"] = [1 + place * 12, 12]
    return Contract.model_validate(
        {
            "source": "partner",
            "label": {"zh": "伙伴", "en": "Partner"},
            "owner": "tests",
            "interface": {"type": "files", "format": form, "location": "exchange/partner"},
            "file": layout,
            "streams": {
                "rows": {
                    "label": {"zh": "行", "en": "Rows"},
                    "grain": "one row",
                    "key": ["code"],
                    "columns": columns,
                }
            },
        }
    )


def read_back(path: Path, contract: Contract) -> list[list[str | None]]:
    with duckdb.connect() as connection:
        reading = read_records(path, contract, "rows", connection)
        rows = connection.execute("select fields, flaw from record order by record_no").fetchall()
    assert all(flaw is None for _, flaw in rows), rows
    assert reading.records == len(rows)
    # An empty text is null to the rules, however a format spells it.
    return [[text or None for text in fields] for fields, _ in rows]


def written(rows: Sequence[Row], contract: Contract, folder: Path) -> Path | None:
    """The file, or None if the layout cannot carry the rows; then nothing is left behind."""
    path = folder / "rows.dat"
    try:
        assert write_file(rows, path, contract, "rows") == len(rows)
    except UnwritableValue:
        assert list(folder.iterdir()) == []
        return None
    return path


def expected(rows: Sequence[Row], names: Sequence[str]) -> list[list[str | None]]:
    return [[row[name] or None for name in names] for row in rows]


TEXTS = st.one_of(
    st.none(),
    st.text(max_size=8),
    st.text(alphabet="a,|;\"'\\\n\r\t \x05中文ü|", max_size=6),
    st.sampled_from(["N/A", "999999", "0", "\ufeffx", "\x1a", "=1+1", "_x0041_", "a|"]),
)


def rows_of(names: Sequence[str]) -> st.SearchStrategy[list[dict[str, str | None]]]:
    return st.lists(st.fixed_dictionaries(dict.fromkeys(names, TEXTS)), max_size=5)


DELIMITED = st.fixed_dictionaries(
    {
        "delimiter": st.sampled_from([",", "|", "\t", "\x05", "|@|", "||", "€", "中"]),
        "encoding": st.sampled_from(["utf-8", "gb18030", "utf-16"]),
        "header": st.booleans(),
        "quote": st.sampled_from([None, '"', "'"]),
        "escape": st.sampled_from([None, "\\"]),
        "nulls": st.sampled_from([[], ["N/A"]]),
        "compression": st.sampled_from(["none", "gz", "zip"]),
        "trailer": st.sampled_from([None, {"mark": "999999", "rows": 2}]),
    }
)
SLOW_IS_FINE = {"suppress_health_check": [HealthCheck.too_slow]}


@fuzz(30, **SLOW_IS_FINE)
@given(layout=DELIMITED, width=st.sampled_from([1, 2, 3]), data=st.data())
def test_delimited_text_reads_what_it_wrote(
    layout: dict[str, Any], width: int, data: st.DataObject
) -> None:
    assume(layout["quote"] is None or len(layout["delimiter"]) == 1)
    assume(layout["escape"] is None or layout["quote"] is not None)
    contract = contract_of("delimited", layout, width=width)
    rows = data.draw(rows_of(NAMES[:width]))
    with TemporaryDirectory() as folder:
        path = written(rows, contract, Path(folder))
        if path is not None:
            assert read_back(path, contract) == expected(rows, NAMES[:width])


@fuzz(30, **SLOW_IS_FINE)
@given(rows=rows_of(NAMES), layout=DELIMITED)
def test_json_lines_read_what_they_wrote(
    rows: list[dict[str, str | None]], layout: dict[str, Any]
) -> None:
    layout = {"encoding": layout["encoding"], "compression": layout["compression"]}
    contract = contract_of("json_lines", layout)
    with TemporaryDirectory() as folder:
        path = written(rows, contract, Path(folder))
        if path is not None:
            assert read_back(path, contract) == expected(rows, NAMES)


@fuzz(30, **SLOW_IS_FINE)
@given(rows=rows_of(NAMES), layout=DELIMITED)
def test_fixed_width_reads_what_it_wrote(
    rows: list[dict[str, str | None]], layout: dict[str, Any]
) -> None:
    layout = {key: layout[key] for key in ("encoding", "header", "compression", "trailer", "nulls")}
    contract = contract_of("fixed_width", layout)
    with TemporaryDirectory() as folder:
        path = written(rows, contract, Path(folder))
        if path is not None:
            assert read_back(path, contract) == expected(rows, NAMES)


@fuzz(15, **SLOW_IS_FINE)
@given(rows=rows_of(NAMES), header=st.booleans())
def test_a_workbook_reads_what_it_wrote(rows: list[dict[str, str | None]], header: bool) -> None:
    contract = contract_of("spreadsheet", {"header": header, "sheet": "数据"})
    assume(header or rows)
    with TemporaryDirectory() as folder:
        path = written(rows, contract, Path(folder))
        if path is not None:
            assert read_back(path, contract) == expected(rows, NAMES)


PLAIN = [{"code": "1", "amount": "2", "note": "三"}]


@pytest.mark.parametrize("form", ["delimited", "json_lines", "fixed_width", "spreadsheet"])
@pytest.mark.parametrize("compression", ["none", "gz", "zip"])
def test_the_same_rows_are_the_same_bytes(tmp_path: Path, form: str, compression: str) -> None:
    contract = contract_of(form, {"compression": compression})
    bodies = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        write_file(PLAIN, tmp_path / name / "rows.dat", contract, "rows")
        bodies.append((tmp_path / name / "rows.dat").read_bytes())
    assert bodies[0] == bodies[1]


def test_packed_files_are_ordinary_ones(tmp_path: Path) -> None:
    write_file(PLAIN, tmp_path / "a.gz", contract_of("delimited", {"compression": "gz"}), "rows")
    assert (
        gzip.decompress((tmp_path / "a.gz").read_bytes()).decode() == "编号,amount,note\n1,2,三\n"
    )
    write_file(PLAIN, tmp_path / "a.zip", contract_of("delimited", {"compression": "zip"}), "rows")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.read("a").decode() == "编号,amount,note\n1,2,三\n"


def test_a_trailer_repeats_rows_and_sums(tmp_path: Path) -> None:
    layout = {
        "delimiter": "|",
        "header": False,
        "decimal_mark": ",",
        "trailer": {"mark": "T", "rows": 2, "sums": {"amount": 4}},
    }
    contract = contract_of("delimited", layout)
    path = tmp_path / "a.txt"
    write_file(PLAIN * 2, path, contract, "rows", sums={"amount": "4.50"})
    assert path.read_text(encoding="utf-8") == "1|2|三\n1|2|三\nT|2||4,50\n"
    with pytest.raises(UnwritableValue, match="no total"):
        write_file(PLAIN, path, contract, "rows")


def test_the_national_centre_layout_is_written(tmp_path: Path) -> None:
    contract = contract_of("national_centre", None)
    path = tmp_path / "a.txt"
    write_file(PLAIN, path, contract, "rows")
    assert path.read_bytes() == "1\x052\x05三\n999999\x051\n".encode("gb18030")


@pytest.mark.parametrize(
    ("layout", "value"),
    [
        ({"delimiter": "|"}, "a|b"),
        ({"delimiter": "|"}, "a\nb"),
        ({"nulls": ["N/A"]}, "N/A"),
        ({"header": False, "trailer": {"mark": "T", "rows": 2}}, "T"),
        ({}, "half \ud800"),
        ({}, "nul \0"),
    ],
)
def test_a_value_that_a_layout_cannot_carry_is_refused(
    tmp_path: Path, layout: dict[str, Any], value: str
) -> None:
    rows = [PLAIN[0], {"code": value, "amount": None, "note": None}]
    with pytest.raises(UnwritableValue) as caught:
        write_file(rows, tmp_path / "a.txt", contract_of("delimited", layout), "rows")
    assert (caught.value.record_no, caught.value.column) == (2, "code")
    assert len(value) == 1 or value not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("compression", ["gz", "zip"])
def test_a_packed_file_that_is_cut_off_is_refused(tmp_path: Path, compression: str) -> None:
    contract = contract_of("json_lines", {"compression": compression})
    path = tmp_path / "a"
    rows = [{"code": str(number), "amount": "x" * 50, "note": None} for number in range(5000)]
    write_file(rows, path, contract, "rows")
    path.write_bytes(path.read_bytes()[:-200])
    with duckdb.connect() as connection, pytest.raises(RefusedDelivery) as caught:
        read_records(path, contract, "rows", connection)
    assert caught.value.code == "broken_archive"
