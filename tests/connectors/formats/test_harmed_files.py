"""Files of every format that something happened to: each record is read or the file is refused."""

from __future__ import annotations

import gzip
import io
import struct
import xml.etree.ElementTree as ElementTree
import zipfile
import zlib
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from connectors.codes import known_codes
from connectors.contract import Contract
from connectors.errors import RefusedDelivery
from connectors.files.reading import read_typed
from connectors.formats import write_file
from connectors.validation import rejected_records
from tests.connectors.conftest import SHOP, load_one
from tests.connectors.harm import EDITS, Edit, harmed
from tests.soak import fuzz

WITH_PLACE = {"broken_encoding", "nul_byte", "endless_line", "unclosed_quote", "missing_trailer"}
WIDTH = 16
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "sale_no": st.sampled_from(["S1", "S2", "S3", "号4"]),
            "phone": st.sampled_from([None, "13800001111"]),
            "amount": st.sampled_from(["1.00", "x", "-2"]),
            "sold_at": st.just("20260330080000"),
            "note": st.sampled_from([None, "好", "more"]),
        }
    ),
    max_size=6,
)


def contract_of(folder: Path, form: str, **layout: Any) -> Contract:
    columns = {name: dict(column) for name, column in SHOP["streams"]["sales"]["columns"].items()}
    if form == "fixed_width":
        for number, column in enumerate(columns.values()):
            column["at"] = [1 + number * WIDTH, WIDTH]
    stream = SHOP["streams"]["sales"] | {"columns": columns, "control": {"rows": True}}
    interface = SHOP["interface"] | {"format": form}
    changed = {"interface": interface, "file": layout, "streams": {"sales": stream}}
    return load_one(folder / "sources", SHOP | changed)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("contracts")


def written(rows: list[dict[str, str | None]], contract: Contract) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        write_file(rows, path, contract, "sales")
        return path.read_bytes()


def records(body: bytes, contract: Contract) -> int | RefusedDelivery:
    """How many records were read, each of them good or rejected; or the refusal."""
    with TemporaryDirectory() as folder, duckdb.connect() as connection:
        path = Path(folder) / "file"
        path.write_bytes(body)
        try:
            typed = read_typed(path, contract, "sales", connection, zone="Asia/Shanghai")
        except RefusedDelivery as refusal:
            assert refusal.code in known_codes()
            return refusal
        good = connection.execute("select count(*) from typed where _fault is null").fetchone()
        rejected = rejected_records(connection, typed.places)
        assert good is not None and good[0] + len(rejected) == typed.reading.records
        return typed.reading.records


def lines_in(body: bytes, contract: Contract) -> int:
    """Lines that are not empty, without header and trailer: the records by a reader of its own."""
    filled = [one for one in body.split(b"\n") if one.removesuffix(b"\r")]
    return len(filled) - contract.layout.header - (contract.layout.trailer is not None)


@fuzz(30)
@given(
    rows=ROWS,
    encoding=st.sampled_from(["utf-8", "gb18030"]),
    header=st.booleans(),
    trailer=st.sampled_from([None, {"mark": "T", "rows": 2}]),
    edits=EDITS,
)
def test_a_harmed_file_of_fixed_width_keeps_every_line_or_is_refused(
    folder: Path,
    rows: list[dict[str, str | None]],
    encoding: str,
    header: bool,
    trailer: dict[str, Any] | None,
    edits: list[Edit],
) -> None:
    layout = {"encoding": encoding, "header": header, "trailer": trailer, "delimiter": "|"}
    contract = contract_of(folder, "fixed_width", **layout)
    body = harmed(written(rows, contract), edits)
    found = records(body, contract)
    if isinstance(found, RefusedDelivery):
        assert found.code in {*WITH_PLACE, "trailer_disagrees"}
        if found.code in WITH_PLACE:
            assert found.offset is not None and 0 <= found.offset <= len(body)
    else:
        body = body.removeprefix(b"\xef\xbb\xbf") if encoding == "utf-8" else body
        assert found == max(lines_in(body, contract), 0)


@fuzz(30)
@given(body=st.binary(max_size=300), encoding=st.sampled_from(["utf-8", "gb18030", "utf-16"]))
def test_any_bytes_are_lines_of_fixed_width_or_refused(
    folder: Path, body: bytes, encoding: str
) -> None:
    contract = contract_of(folder, "fixed_width", encoding=encoding, header=False)
    found = records(body, contract)
    if isinstance(found, RefusedDelivery):
        assert found.code in WITH_PLACE
        assert found.offset is not None and 0 <= found.offset <= len(body)
    elif encoding != "utf-16":
        body = body.removeprefix(b"\xef\xbb\xbf") if encoding == "utf-8" else body
        assert found == lines_in(body, contract)


def unpacked(body: bytes, compression: str) -> bytes | None:
    """What an archive holds, by the library alone; None where it is damaged."""
    try:
        if compression == "gz":
            return gzip.decompress(body) if body else None
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            (member,) = [one for one in archive.infolist() if not one.is_dir()]
            return archive.read(member)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, ValueError):
        return None
    except (NotImplementedError, RuntimeError, OverflowError, struct.error):
        return None


@fuzz(30, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows=ROWS,
    form=st.sampled_from(["delimited", "fixed_width", "json_lines"]),
    compression=st.sampled_from(["gz", "zip"]),
    edits=EDITS,
)
def test_a_harmed_archive_gives_all_it_holds_or_is_refused(
    folder: Path,
    rows: list[dict[str, str | None]],
    form: str,
    compression: str,
    edits: list[Edit],
) -> None:
    layout: dict[str, Any] = {"compression": compression}
    if form != "json_lines":
        layout |= {"header": False, "delimiter": "|"}
    contract = contract_of(folder, form, **layout)
    body = harmed(written(rows, contract), edits)
    found = records(body, contract)
    held = unpacked(body, compression)
    if isinstance(found, RefusedDelivery):
        assert held is None or found.code != "broken_archive"
    else:
        assert held is not None, "a damaged archive was read"
        assert found == lines_in(held, contract) + (form == "json_lines")


@fuzz(40)
@given(body=st.binary(max_size=300), compression=st.sampled_from(["gz", "zip"]))
def test_any_bytes_are_an_archive_or_refused(folder: Path, body: bytes, compression: str) -> None:
    contract = contract_of(folder, "delimited", compression=compression, header=False)
    magic = {"gz": b"\x1f\x8b\x08\0", "zip": b"PK\x03\x04"}[compression]
    for one in (body, magic + body):
        found = records(one, contract)
        assert isinstance(found, RefusedDelivery) and found.code == "broken_archive"


def rows_of(book: bytes) -> int:
    """Rows with a value below the header; raises ValueError for a sheet that is damaged."""
    try:
        with zipfile.ZipFile(io.BytesIO(book)) as archive:
            sheet = ElementTree.fromstring(archive.read(SHEET))
    except (zipfile.BadZipFile, zlib.error, KeyError, OSError, EOFError) as error:
        raise ValueError("damaged") from error
    except (NotImplementedError, RuntimeError, OverflowError, struct.error) as error:
        raise ValueError("damaged") from error
    except (LookupError, ElementTree.ParseError) as error:
        raise ValueError("damaged") from error
    cells = Counter(
        str(cell.get("r"))
        for cell in sheet.iter()
        if cell.tag.rpartition("}")[2] == "c" and "".join(cell.itertext())
    )
    if max(cells.values(), default=1) > 1:
        raise ValueError("two cells have one place")
    rows = {int("".join(filter(str.isdigit, place)) or 0) for place in cells}
    return len(rows - {1})


SHEET = "xl/worksheets/sheet1.xml"
PARTS = [None, SHEET, SHEET, "xl/workbook.xml", "xl/styles.xml", "xl/_rels/workbook.xml.rels"]


def repacked(book: bytes, part: str, edits: list[Edit]) -> bytes:
    """The workbook with one of its parts harmed inside of an archive that is whole."""
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book)) as given_book, zipfile.ZipFile(result, "w") as kept:
        for info in given_book.infolist():
            content = given_book.read(info)
            kept.writestr(info, harmed(content, edits) if info.filename == part else content)
    return result.getvalue()


@fuzz(20, suppress_health_check=[HealthCheck.too_slow])
@given(rows=ROWS, part=st.sampled_from(PARTS), edits=EDITS)
def test_a_harmed_workbook_keeps_every_row_or_is_refused(
    folder: Path, rows: list[dict[str, str | None]], part: str | None, edits: list[Edit]
) -> None:
    contract = contract_of(folder, "spreadsheet")
    whole = written(rows, contract)
    assert records(whole, contract) == len(rows) == rows_of(whole)
    body = repacked(whole, part, edits) if part else harmed(whole, edits)
    found = records(body, contract)
    if not isinstance(found, RefusedDelivery):
        assert found == rows_of(body)


@fuzz(20)
@given(body=st.binary(max_size=300))
def test_any_bytes_are_no_workbook_and_refused(folder: Path, body: bytes) -> None:
    contract = contract_of(folder, "spreadsheet")
    for one in (body, b"PK\x03\x04" + body, b"\xd0\xcf\x11\xe0" + body):
        assert isinstance(records(one, contract), RefusedDelivery)


ONE = {"sale_no": "S1", "phone": None, "amount": "1.00", "sold_at": "20260330080000", "note": "好"}


def with_sheet(book: bytes, told: bytes, instead: bytes) -> bytes:
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book)) as given_book, zipfile.ZipFile(result, "w") as kept:
        for info in given_book.infolist():
            content = given_book.read(info)
            if info.filename == SHEET:
                assert content.count(told) == 1
                content = content.replace(told, instead)
            kept.writestr(info, content)
    return result.getvalue()


@pytest.mark.parametrize(
    ("told", "instead"),
    [
        (b'<row r="3">', b'<row r="2">'),
        (b'<c r="A3"', b'<c r="A2"'),
        (b'<c r="B3"', b'<c r="A3"'),
        (b"</sheetData>", b""),
    ],
)
def test_a_sheet_in_which_a_value_would_be_lost_is_refused(
    folder: Path, told: bytes, instead: bytes
) -> None:
    contract = contract_of(folder, "spreadsheet")
    whole = written([ONE, ONE | {"sale_no": "S2"}], contract)
    found = records(with_sheet(whole, told, instead), contract)
    assert isinstance(found, RefusedDelivery) and found.code == "broken_workbook"


@pytest.mark.parametrize("compression", ["gz", "zip"])
def test_an_empty_file_is_no_archive(folder: Path, compression: str) -> None:
    contract = contract_of(folder, "delimited", compression=compression, header=False)
    found = records(b"", contract)
    assert isinstance(found, RefusedDelivery) and found.code == "broken_archive"


def test_a_zip_whose_directory_points_before_the_file_is_refused(folder: Path) -> None:
    contract = contract_of(folder, "delimited", compression="zip", header=False, delimiter="|")
    body = written([ONE], contract)
    # Without its first bytes, the offsets of the directory are too high for what is left of it.
    found = records(body[10:], contract)
    assert isinstance(found, RefusedDelivery) and found.code == "broken_archive"
