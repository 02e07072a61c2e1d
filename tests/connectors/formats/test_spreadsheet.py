"""Workbooks as people make them, written here with openpyxl as Excel would."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pytest

from connectors.contract import Contract
from connectors.errors import RefusedDelivery
from connectors.files.reading import read_typed
from connectors.formats import read_records
from connectors.validation import rejected_records
from tests.connectors.conftest import SHOP, load_one

COLUMNS: dict[str, Any] = {
    "letter_no": {"type": "string", "required": True, "from": "编号"},
    "received_on": {"type": "date", "from": "日期", "format": ["%Y/%m/%d", "%Y-%m-%d"]},
    "phone": {"type": "string", "from": "电话"},
    "amount": {"type": "decimal(18,4)", "from": "金额"},
}
HEADER = ["编号", "日期", "电话", "金额"]


def contract_of(folder: Path, **layout: Any) -> Contract:
    stream = SHOP["streams"]["sales"] | {"columns": COLUMNS, "key": ["letter_no"]}
    del stream["business_date_from"]
    return load_one(
        folder / "sources",
        SHOP
        | {
            "interface": {**SHOP["interface"], "format": "spreadsheet"},
            "file": {"sheet": "来信"} | layout,
            "streams": {"sales": stream},
        },
    )


def moment(hour: int, minute: int = 0) -> datetime:
    """A cell of a workbook has no time zone."""
    return datetime(2026, 3, 30, hour, minute, tzinfo=UTC).replace(tzinfo=None)


def workbook(path: Path, rows: list[list[Any]], *, sheet: str = "来信") -> Path:
    book = openpyxl.Workbook()
    book.active.title = "说明"
    page = book.create_sheet(sheet)
    for row in rows:
        page.append(row)
    book.save(path)
    return path


def read(path: Path, contract: Contract) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        read_records(path, contract, "sales", connection)
        return connection.execute(
            "select line, fields, flaw from record order by record_no"
        ).fetchall()


def test_cells_become_the_texts_that_people_see(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "a.xlsx",
        [
            HEADER,
            ["L1", date(2026, 3, 30), 13800001111, 0.1 + 0.2],
            ["L2", "2026-03-30", "013800001111", 1e-7],
            [3, moment(0), None, 100.0],
            [4.5, moment(8, 1), True, -2.50],
        ],
    )
    assert read(path, contract_of(tmp_path)) == [
        (2, ["L1", "2026/03/30", "13800001111", "0.3"], None),
        (3, ["L2", "2026-03-30", "013800001111", "0.0000001"], None),
        (4, ["3", "2026/03/30", None, "100"], None),
        (5, ["4.5", "2026-03-30 08:01:00", "true", "-2.5"], None),
    ]


def test_both_spellings_of_a_date_are_typed_and_a_time_in_its_place_is_not(
    tmp_path: Path,
) -> None:
    path = workbook(
        tmp_path / "a.xlsx",
        [HEADER, ["L1", date(2026, 3, 30)], ["L2", "2026-03-30"], ["L3", moment(8)]],
    )
    with duckdb.connect() as connection:
        typed = read_typed(path, contract_of(tmp_path), "sales", connection, zone="Asia/Shanghai")
        rejected = rejected_records(connection, typed.places)
        days = connection.execute(
            "select received_on from typed where _fault is null order by _record_no"
        ).fetchall()
    assert days == [(date(2026, 3, 30),), (date(2026, 3, 30),)]
    assert [(one.line, one.column, one.reason) for one in rejected] == [
        (4, "received_on", "not_a_date")
    ]


def test_empty_rows_are_none_and_what_stands_behind_the_header_is_a_flaw(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "a.xlsx",
        [[], [*HEADER, None], ["L1"], [None, None, "", None], ["L2", None, None, None, None, "x"]],
    )
    assert read(path, contract_of(tmp_path)) == [
        (3, ["L1", None, None, None], None),
        (5, ["L2", None, None, None], "wrong_field_count"),
    ]


def test_a_title_above_the_header_is_passed_over(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "a.xlsx", [["来信登记表"], [None, "三月"], HEADER, ["L1", None, None, 1]]
    )
    assert read(path, contract_of(tmp_path)) == [(4, ["L1", None, None, "1"], None)]


def test_an_id_that_lost_its_last_digits_is_not_believed(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", [HEADER, [110101199001011234], ["110101199001011234"]])
    assert [(row[1][0], row[2]) for row in read(path, contract_of(tmp_path))] == [
        ("110101199001011200", "inexact_number"),
        ("110101199001011234", None),
    ]


def test_the_value_of_a_formula_is_read(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", [HEADER, ["=A9&1", None, None, "=1+1"]])
    # Excel stores the result beside the formula; the library writes none, so it is put in here.
    body = io.BytesIO()
    with zipfile.ZipFile(path) as given, zipfile.ZipFile(body, "w") as changed:
        for info in given.infolist():
            content = given.read(info)
            if info.filename == "xl/worksheets/sheet2.xml":
                content = content.replace(b"<f>1+1</f><v></v>", b"<f>1+1</f><v>2</v>")
                content = content.replace(b"<f>1+1</f><v />", b"<f>1+1</f><v>2</v>")
                content = content.replace(b"<f>1+1</f><v/>", b"<f>1+1</f><v>2</v>")
            changed.writestr(info, content)
    path.write_bytes(body.getvalue())
    assert read(path, contract_of(tmp_path))[0][1][3] == "2"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"not a workbook", "broken_workbook"),
        (b"PK\x03\x04 broken", "broken_workbook"),
        # A workbook with a password is an OLE container, as are those of before 2007.
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "broken_workbook"),
        (b"", "broken_workbook"),
    ],
)
def test_what_is_no_workbook_is_refused(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(content)
    with pytest.raises(RefusedDelivery) as caught:
        read(path, contract_of(tmp_path))
    assert caught.value.code == code


def test_a_missing_sheet_and_a_sheet_without_header_are_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", [HEADER], sheet="别的")
    with pytest.raises(RefusedDelivery) as caught:
        read(path, contract_of(tmp_path))
    assert caught.value.code == "missing_sheet"
    path = workbook(tmp_path / "b.xlsx", [])
    with pytest.raises(RefusedDelivery) as caught:
        read(path, contract_of(tmp_path))
    assert caught.value.code == "empty_file"


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", [HEADER])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/zeros", b"\0" * (70 * 1024**2))
    assert path.stat().st_size < 1024**2
    with pytest.raises(RefusedDelivery) as caught:
        read(path, contract_of(tmp_path))
    assert caught.value.code == "too_much_unpacked"


def test_a_csv_of_the_same_stream_is_read_by_its_suffix(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('编号,日期,电话,金额\nL1,2026/03/30,"1380,000",2.5\n', encoding="utf-8")
    assert read(path, contract_of(tmp_path)) == [(2, ["L1", "2026/03/30", "1380,000", "2.5"], None)]
