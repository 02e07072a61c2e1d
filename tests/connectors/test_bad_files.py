"""Deliveries with something wrong in the file: each fault has its code, its place and its rows."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from hashlib import sha256
from typing import Any

import pytest

from connectors.codes import sentence
from connectors.contract import Contract
from connectors.file_layout import FileLayout, Trailer
from connectors.formats import chunks as chunk_module
from connectors.formats import splitting
from connectors.landing import Delivery
from tests.connectors.conftest import HEADER, SHOP, Home, load_one, row

PLAIN = FileLayout(delimiter="|")


def deliver(
    home: Home,
    body: bytes,
    *,
    rows: int,
    amount: str = "0.00",
    layout: FileLayout = PLAIN,
    columns: dict[str, Any] | None = None,
    name: str = "sales_20260330_0001.txt",
) -> Delivery:
    """Deliver bytes under a log that agrees with them, and land them."""
    changed = json.loads(json.dumps(SHOP))
    for column, keys in (columns or {}).items():
        changed["streams"]["sales"]["columns"][column] |= keys
    contract: Contract = load_one(home.path / "changed", changed)
    home.contract = contract.model_copy(update={"file": layout})
    home.folder.mkdir(parents=True, exist_ok=True)
    (home.folder / name).write_bytes(body)
    log = {
        "file": name,
        "source": "shop",
        "stream": "sales",
        "business_date": "2026-03-30",
        "sequence": 1,
        "rows": rows,
        "bytes": len(body),
        "sha256": sha256(body).hexdigest(),
        "sums": {"amount": amount},
        "sent_at": "2026-03-31T05:00:00+08:00",
    }
    (home.folder / f"{name}.send.log").write_text(json.dumps(log))
    (delivery,) = [one for one in home.land() if one.batch_id is not None]
    assert home.land() == []
    return delivery


def text(*lines: str) -> str:
    return "".join(f"{line}\n" for line in (HEADER, *lines))


def refused(home: Home, delivery: Delivery, code: str, offset: int | None = None) -> None:
    """The delivery was refused whole, at this byte, and left no Parquet behind."""
    assert (delivery.status, delivery.code, delivery.loaded) == ("refused", code, 0)
    if offset is not None:
        assert f"(at byte {offset})" in (delivery.reason or "")
    assert not list((home.path / "raw").rglob("*.parquet"))
    assert sentence(code, "zh") and sentence(code, "en")


def faults(home: Home) -> list[tuple[Any, ...]]:
    """Record, line, offset, column and reason of each record in quarantine."""
    found = home.ledger.quarantine()
    assert all(sentence(one.reason, "zh") and sentence(one.reason, "en") for one in found)
    return [
        (one.record_no, one.line, one.byte_offset, one.column_name, one.reason) for one in found
    ]


def kept(home: Home, delivery: Delivery, record_no: int) -> bytes | None:
    assert delivery.batch_id is not None
    return home.pii.quarantined_record(delivery.batch_id, record_no)


def test_records_with_too_many_or_too_few_fields_are_quarantined_with_their_bytes(
    home: Home,
) -> None:
    lines = [row(1), row(2) + "|more", "S3|only", row(4)]
    delivery = deliver(home, text(*lines).encode(), rows=4, amount="30.00")
    assert (delivery.loaded, delivery.rejected, delivery.code) == (2, 2, "malformed_row")
    second = len(text(lines[0]).encode())
    third = len(text(*lines[:2]).encode())
    assert faults(home) == [
        (2, 3, second, None, "wrong_field_count"),
        (3, 4, third, None, "wrong_field_count"),
    ]
    assert kept(home, delivery, 2) == f"{lines[1]}\n".encode()
    assert kept(home, delivery, 3) == b"S3|only\n"


def test_a_quote_that_is_not_closed_refuses_the_file_where_it_opens(home: Home) -> None:
    body = text(row(1)).replace("|", ",") + 'S2,"13800001111,10.00\nS3,1,10.00\n'
    layout = FileLayout(delimiter=",", quote='"')
    delivery = deliver(home, body.encode(), rows=3, layout=layout)
    refused(home, delivery, "unclosed_quote", len(text(row(1)).encode()))


def test_text_behind_a_closed_quote_is_quarantined(home: Home) -> None:
    good = row(1).replace("|", ",")
    body = text(good, 'S2,"1380000"1111,10.00,20260330080000,x', row(3).replace("|", ","))
    layout = FileLayout(delimiter=",", quote='"')
    body = body.replace(HEADER, HEADER.replace("|", ","))
    delivery = deliver(home, body.encode(), rows=3, amount="30.00", layout=layout)
    assert (delivery.loaded, delivery.rejected) == (2, 1)
    assert [fault[0] for fault in faults(home)] == [2]
    assert faults(home)[0][4] == "bad_quoting"


def test_a_nul_byte_refuses_the_file_at_its_place(home: Home) -> None:
    body = text(row(1), row(2)).encode()
    broken = body[:-5] + b"\0" + body[-4:]
    refused(home, deliver(home, broken, rows=2), "nul_byte", len(body) - 5)


def test_line_ends_may_be_mixed_and_a_lone_cr_belongs_to_its_field(home: Home) -> None:
    body = f"{HEADER}\r\n{row(1)}\n{row(2)}\r\n\r\n\n{row(3, note='a')}\rb\n{row(4)}".encode()
    delivery = deliver(home, body, rows=4, amount="40.00")
    assert (delivery.loaded, delivery.rejected) == (4, 0)
    notes = [note for (note,) in home.rows("note")]
    assert sorted(notes) == ["a\rb", "好", "好", "好"]


@pytest.mark.parametrize(
    ("encoding", "broken"),
    [("utf-8", b"\xe5\x9b|"), ("gb18030", b"\x81\x20"), ("utf-16", b"\x00\xd8")],
)
def test_an_encoding_broken_half_way_refuses_the_file_at_the_byte(
    home: Home, encoding: str, broken: bytes
) -> None:
    codec = "utf-16-le" if encoding == "utf-16" else encoding
    mark = b"\xff\xfe" if encoding == "utf-16" else b""
    before = mark + text(*(row(number) for number in range(1, 40))).encode(codec)
    after = "\n".encode(codec) + row(50).encode(codec) + "\n".encode(codec)
    layout = FileLayout(delimiter="|", encoding=encoding)  # type: ignore[arg-type]
    delivery = deliver(home, before + broken + after, rows=40, layout=layout)
    refused(home, delivery, "broken_encoding", len(before))


@pytest.mark.parametrize("compression", ["gz", "zip"])
def test_a_truncated_archive_is_refused(home: Home, compression: str) -> None:
    whole = text(*(row(number) for number in range(1, 2000))).encode()
    layout = FileLayout(delimiter="|", compression=compression)  # type: ignore[arg-type]
    packed = pack(whole, compression)
    delivery = deliver(home, packed[: len(packed) // 2], rows=1999, layout=layout)
    refused(home, delivery, "broken_archive")


@pytest.mark.parametrize("compression", ["gz", "zip"])
def test_a_packed_file_lands_and_its_faults_keep_their_unpacked_places(
    home: Home, compression: str
) -> None:
    layout = FileLayout(delimiter="|", compression=compression)  # type: ignore[arg-type]
    body = text(row(1), row(2, amount="x"), row(3), row(1)).encode()
    delivery = deliver(home, pack(body, compression), rows=4, amount="30.00", layout=layout)
    assert (delivery.loaded, delivery.rejected) == (2, 2)
    place = len(text(row(1)).encode())
    last = len(text(row(1), row(2, amount="x"), row(3)).encode())
    assert faults(home) == [
        (2, 3, place, "amount", "not_a_decimal"),
        (4, 5, last, "sale_no", "duplicate_key"),
    ]
    assert kept(home, delivery, 4) == f"{row(1)}\n".encode()


def pack(body: bytes, compression: str) -> bytes:
    if compression == "gz":
        return gzip.compress(body)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("sales.txt", body)
    return target.getvalue()


def test_numbers_out_of_range_and_with_too_many_decimals_are_quarantined(home: Home) -> None:
    lines = [row(1, amount="-0.01"), row(2, amount="1.005"), row(3)]
    delivery = deliver(home, text(*lines).encode(), rows=3, amount="9.99")
    assert delivery.loaded == 1
    assert [fault[3:] for fault in faults(home)] == [
        ("amount", "below_minimum"),
        ("amount", "not_a_decimal"),
    ]


def test_a_number_at_its_maximum_lands_and_one_above_it_is_quarantined(home: Home) -> None:
    lines = [row(1, amount="100.00"), row(2, amount="100.01"), row(3, amount="99.99")]
    columns = {"amount": {"max": 100}}
    delivery = deliver(home, text(*lines).encode(), rows=3, amount="300.00", columns=columns)
    assert (delivery.code, delivery.loaded, delivery.rejected) == ("malformed_row", 2, 1)
    assert [fault[0] for fault in faults(home)] == [2]
    assert [fault[3:] for fault in faults(home)] == [("amount", "above_maximum")]
    assert [str(one[0]) for one in home.rows("amount")] == ["99.99", "100.00"]


def test_dates_that_do_not_exist_are_quarantined_and_words_are_no_dates(home: Home) -> None:
    lines = [row(1, at="20260230080000"), row(2, at="infinity"), row(3)]
    delivery = deliver(home, text(*lines).encode(), rows=3, amount="30.00")
    assert delivery.loaded == 1
    assert [fault[3:] for fault in faults(home)] == [("sold_at", "not_a_timestamp")] * 2


def test_a_date_that_two_formats_read_differently_is_quarantined(home: Home) -> None:
    both = {"format": ["%d/%m/%Y", "%m/%d/%Y"]}
    lines = [row(1, at="30/03/2026"), row(2, at="03/04/2026"), row(3, at="03/03/2026")]
    lines += [row(4, at="03/30/2026")]
    delivery = deliver(
        home, text(*lines).encode(), rows=4, amount="40.00", columns={"sold_at": both}
    )
    assert (delivery.loaded, delivery.rejected) == (3, 1)
    assert [fault[3:] for fault in faults(home)] == [("sold_at", "ambiguous_date")]
    days = home.rows("sale_no, _business_date::varchar")
    assert days == [("S1", "2026-03-30"), ("S3", "2026-03-03"), ("S4", "2026-03-30")]


def test_the_second_record_of_a_key_is_quarantined_wherever_it_stands(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunk_module, "BLOCK", 256)
    lines = [row(number) for number in [*range(1, 40), 7]]
    delivery = deliver(home, text(*lines).encode(), rows=40, amount="400.00")
    assert (delivery.loaded, delivery.rejected) == (39, 1)
    assert [(one[0], one[4]) for one in faults(home)] == [(40, "duplicate_key")]
    assert kept(home, delivery, 40) == f"{row(7)}\n".encode()


def test_a_file_of_no_rows_is_loaded_with_no_rows(home: Home) -> None:
    delivery = deliver(home, f"{HEADER}\n".encode(), rows=0)
    assert (delivery.status, delivery.rows, delivery.loaded) == ("loaded", 0, 0)
    assert home.rows() == []


def test_an_empty_file_without_header_is_loaded_with_no_rows(home: Home) -> None:
    layout = FileLayout(delimiter="|", header=False)
    delivery = deliver(home, b"", rows=0, layout=layout)
    assert (delivery.status, delivery.rows) == ("loaded", 0)


def test_an_empty_file_that_should_have_a_header_is_refused(home: Home) -> None:
    refused(home, deliver(home, b"", rows=0), "empty_file", 0)


def test_the_last_line_may_have_no_line_end(home: Home) -> None:
    delivery = deliver(home, text(row(1), row(2))[:-1].encode(), rows=2, amount="20.00")
    assert (delivery.status, delivery.loaded) == ("loaded", 2)


def test_a_line_without_end_is_refused_where_it_begins(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunk_module, "BLOCK", 1_000)
    monkeypatch.setattr(chunk_module, "LONGEST_LINE", 5_000)
    body = text(row(1)).encode()
    delivery = deliver(home, body + b"x" * 20_000, rows=2)
    refused(home, delivery, "endless_line", len(body))


def test_a_quote_never_closed_takes_no_memory_without_bound(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunk_module, "BLOCK", 64 * 1024)
    monkeypatch.setattr(chunk_module, "LONGEST_LINE", 256 * 1024)
    good = text(row(1)).replace("|", ",")
    before = splitting.csv.field_size_limit(256 * 1024)
    try:
        body = good.encode() + b'S2,"open\n' + b"some text\n" * 60_000
        layout = FileLayout(delimiter=",", quote='"')
        refused(
            home, deliver(home, body, rows=9, layout=layout), "unclosed_quote", len(good.encode())
        )
    finally:
        splitting.csv.field_size_limit(before)


TRAILED = FileLayout(delimiter="|", trailer=Trailer(mark="T", rows=2, sums={"amount": 3}))


def test_a_trailer_that_agrees_is_no_record(home: Home) -> None:
    body = text(row(1), row(2), "T|2|20.00")
    delivery = deliver(home, body.encode(), rows=2, amount="20.00", layout=TRAILED)
    assert (delivery.status, delivery.loaded) == ("loaded", 2)


@pytest.mark.parametrize("trailer", ["T|3|20.00", "T|2|20.01", "T|x|20.00", "T|2"])
def test_a_trailer_that_lies_refuses_the_file(home: Home, trailer: str) -> None:
    body = text(row(1), row(2), trailer)
    delivery = deliver(home, body.encode(), rows=2, amount="20.00", layout=TRAILED)
    refused(home, delivery, "trailer_disagrees")


def test_a_file_cut_off_before_its_trailer_is_refused(home: Home) -> None:
    body = text(row(1), row(2))
    delivery = deliver(home, body.encode(), rows=2, amount="20.00", layout=TRAILED)
    refused(home, delivery, "missing_trailer", len(text(row(1)).encode()))


def test_the_national_centre_layout_has_no_header_and_a_trailer(home: Home) -> None:
    changed = json.loads(json.dumps(SHOP))
    changed["interface"]["format"] = "national_centre"
    del changed["file"]
    contract = load_one(home.path / "centre", changed)
    # Without a header columns stand in the order of the contract, here that of the alphabet.
    lines = [
        "\x05".join(["10.00", "投诉", "13800001111", f"S{number}", "20260330080000"])
        for number in (1, 2)
    ]
    body = "".join(f"{line}\n" for line in [*lines, "999999\x052"]).encode("gb18030")
    delivery = deliver(home, body, rows=2, amount="20.00", layout=contract.layout)
    assert (delivery.status, delivery.loaded) == ("loaded", 2)
    assert home.rows("sale_no, note") == [("S1", "投诉"), ("S2", "投诉")]


@pytest.mark.parametrize("delimiter", ["\x01", "@|@", "~||||||||||||||~", "€", "\x1f\x1e"])
def test_any_delimiter_of_one_to_sixteen_characters_is_read(home: Home, delimiter: str) -> None:
    body = text(row(1), row(2, amount="x")).replace("|", delimiter)
    layout = FileLayout(delimiter=delimiter)
    delivery = deliver(home, body.encode(), rows=2, amount="10.00", layout=layout)
    assert (delivery.loaded, delivery.rejected) == (1, 1)
    assert faults(home)[0][3:] == ("amount", "not_a_decimal")


def test_null_spellings_a_decimal_comma_and_names_of_the_partner_are_understood(
    home: Home,
) -> None:
    body = text(row(1, amount="1,50", note="NULL"), row(2, amount="1.50")).replace(
        "sale_no", "Verkaufsnummer"
    )
    layout = FileLayout(delimiter="|", nulls=("NULL",), decimal_mark=",")
    delivery = deliver(
        home,
        body.encode(),
        rows=2,
        amount="1.50",
        layout=layout,
        columns={"sale_no": {"from": "Verkaufsnummer"}},
    )
    assert (delivery.loaded, delivery.rejected) == (1, 1)
    assert [tuple(map(str, one)) for one in home.rows("sale_no, amount, note")] == [
        ("S1", "1.50", "None")
    ]


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_read_in_the_order_of_its_mark(home: Home, codec: str) -> None:
    mark = "\ufeff".encode(codec)
    lines = [row(1, note="\u0a0a\u0d0a好"), row(2, amount="x")]
    layout = FileLayout(delimiter="|", encoding="utf-16")
    body = mark + text(*lines).encode(codec)
    delivery = deliver(home, body, rows=2, amount="10.00", layout=layout)
    assert (delivery.loaded, delivery.rejected) == (1, 1)
    place = len(mark + text(lines[0]).encode(codec))
    assert faults(home) == [(2, 3, place, "amount", "not_a_decimal")]
    assert kept(home, delivery, 2) == f"{lines[1]}\n".encode(codec)
    assert home.rows("note") == [("\u0a0a\u0d0a好",)]


def test_what_a_landing_that_died_left_behind_is_removed_by_the_next(home: Home) -> None:
    left = home.path / "raw/shop/.landing/dead.parquet"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    deliver(home, text(row(1)).encode(), rows=1, amount="10.00")
    assert not left.exists()


def test_a_file_wrong_throughout_is_refused_and_few_of_its_faults_are_listed(home: Home) -> None:
    lines = [row(number, amount="x") for number in range(1, 1_500)]
    delivery = deliver(home, text(*lines).encode(), rows=1_499)
    refused(home, delivery, "reject_limit")
    assert delivery.rejected == 1_499 and len(home.ledger.quarantine()) == 1_000
