"""The streaming reader gives what the exact one gives, whatever the file."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.contract import Contract
from connectors.errors import RefusedDelivery
from connectors.file_layout import FileLayout, Trailer
from connectors.files import key_check
from connectors.files import staging as file_staging
from connectors.files.reading import read_typed
from connectors.files.staging import FileStager, StagedFile
from connectors.formats import chunks
from connectors.formats.delimited import DelimitedFile
from connectors.pii_store import PiiStore
from connectors.schema_change import resolve_header
from connectors.staging import BatchFacts
from connectors.validation import count_sums, rejected_records
from tests.connectors.conftest import ENCRYPTION_KEY, PSEUDONYM_KEY, SHOP, load_one
from tests.connectors.harm import EDITS, Edit, harmed
from tests.soak import fuzz

ZONE = "Asia/Shanghai"
NAMES = ["sale_no", "phone", "amount", "sold_at", "note"]
FACTS = BatchFacts("b1", "main", date(2026, 3, 30), datetime(2026, 3, 31, tzinfo=UTC))


@pytest.fixture(scope="module")
def pii(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PiiStore]:
    with PiiStore(
        tmp_path_factory.mktemp("pii") / "pii.db",
        pseudonym_key=PSEUDONYM_KEY,
        encryption_key=ENCRYPTION_KEY,
    ) as store:
        yield store


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    return load_one(tmp_path_factory.mktemp("sources"), SHOP)


def with_layout(contract: Contract, layout: FileLayout) -> Contract:
    return contract.model_copy(update={"file": layout})


def stage(body: bytes, contract: Contract, pii: PiiStore) -> tuple[StagedFile, list[Any]]:
    """Stage a file; returns what was read and the rows of the Parquet file."""
    with TemporaryDirectory() as folder, duckdb.connect() as connection:
        path = Path(folder) / "file"
        path.write_bytes(body)
        stager = FileStager(contract, connection, pii, scratch=Path(folder), zone=ZONE)
        staged = stager.stage(path, "sales", FACTS, Path(folder) / "staging")
        rows = connection.execute(
            f"select _record_no, {', '.join(NAMES)} from '{staged.staging.path}' order by 1"
        ).fetchall()
        assert staged.staging.rows == len(rows)
    return staged, rows


def type_exactly(body: bytes, contract: Contract) -> tuple[Any, ...]:
    """The same by the exact reader over the whole file, without replacing values."""
    with TemporaryDirectory() as folder, duckdb.connect() as connection:
        path = Path(folder) / "file"
        path.write_bytes(body)
        typed = read_typed(path, contract, "sales", connection, zone=ZONE)
        rows = connection.execute(
            f"select _record_no, {', '.join(NAMES)} from typed where _fault is null order by 1"
        ).fetchall()
        rejected = rejected_records(connection, typed.places)
        sums, readable = count_sums(connection, ["amount"])
    return typed.reading, rows, rejected, sums, readable


def has_wrong_header(body: bytes, contract: Contract) -> bool:
    """Whether the header alone refuses a file: staging tells so before it reads the rest."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(body)
        try:
            header = DelimitedFile(path, contract.layout).header
            resolve_header(header, contract.streams["sales"])
        except RefusedDelivery as refusal:
            return refusal.code == "wrong_header"
    return False


def compare(body: bytes, contract: Contract, pii: PiiStore) -> None:
    """Both readers give the same, or the same refusal at the same byte."""
    try:
        reading, rows, rejected, sums, readable = type_exactly(body, contract)
    except RefusedDelivery as refusal:
        with pytest.raises(RefusedDelivery) as caught:
            stage(body, contract, pii)
        if caught.value.code != "wrong_header" or not has_wrong_header(body, contract):
            assert (caught.value.code, caught.value.offset) == (refusal.code, refusal.offset)
        return
    staged, found = stage(body, contract, pii)
    assert staged.reading == reading
    assert staged.rejected == rejected and staged.rejections == len(rejected)
    assert (staged.sums, staged.readable) == (sums, readable)
    expected = [
        (
            number,
            sale_no,
            None if phone is None else pii.pseudonym("phone", phone),
            amount,
            sold_at,
        )
        for number, sale_no, phone, amount, sold_at, _ in rows
    ]
    assert [row[:5] for row in found] == expected
    assert [row[5] is None for row in found] == [row[5] is None for row in rows]
    assert reading.records == len(found) + staged.rejections


LAYOUTS = [
    FileLayout(delimiter="|", encoding="gb18030"),
    FileLayout(delimiter=",", quote='"'),
    FileLayout(delimiter=",", quote='"', encoding="gb18030", nulls=("NULL",)),
    FileLayout(delimiter=";", quote="'", escape="\\", decimal_mark=","),
    FileLayout(delimiter="|", quote='"', encoding="gb18030"),
    FileLayout(delimiter="@|@", nulls=("-",)),
    FileLayout(delimiter="\u0001\u20ac", encoding="utf-16"),
    FileLayout(delimiter="\t", quote='"', encoding="utf-16", header=False),
    FileLayout(delimiter="\x05", header=False, trailer=Trailer(mark="999999", rows=2)),
    FileLayout(delimiter=",", quote='"', trailer=Trailer(mark="T", rows=2, sums={"amount": 3})),
]

cells = st.one_of(
    st.sampled_from(
        [
            "S1", "S2", "S3", "1.00", "1,00", "-3", "1.005", "+2", "1e5", "NULL", "-", "",
            "13800001111", "+86 138-0000-1111", "20260330080000", "20260230080000",
            "19000101000000", "infinity", "x",
            '"', "'", "\\", "\u4e02|", "电话13800001111", "\ufeffx", "a\rb", "a\r", " ", "T",
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
)  # fmt: skip
good = st.tuples(
    st.sampled_from([f"S{number}" for number in range(12)]),
    st.sampled_from(["", "13800001111", "138 0000 1111"]),
    st.sampled_from(["1.00", "2", "0"]),
    st.just("20260330080000"),
    st.sampled_from(["", "好", "多 行\n的"]),
).map(list)
lines = st.lists(st.one_of(good, good, st.lists(cells, min_size=1, max_size=6)), max_size=14)


def written(rows: list[list[str]], layout: FileLayout, how: random.Random) -> bytes:
    """Rows as a partner might write them: quoted where it seems fit, line ends as it comes."""

    def field(text: str) -> str:
        quote = layout.quote
        if quote and (how.random() < 0.3 or any(one in text for one in (quote, "\n", "\r"))):
            escape = layout.escape or quote
            if how.random() < 0.95:
                text = text.replace(escape, escape * 2) if escape != quote else text
                return quote + text.replace(quote, escape + quote) + quote
        return text if layout.quote else text.replace("\n", " ")

    all_rows = [NAMES, *rows] if layout.header else list(rows)
    if layout.trailer:
        all_rows.append([layout.trailer.mark, str(len(rows)), "0"])
    text = ""
    for row in all_rows:
        text += layout.delimiter.join(field(one) for one in row)
        text += how.choice(["\n", "\n", "\r\n", "\n\n", "\n\r\n"])
    if how.random() < 0.3:
        text = text.rstrip("\n")
    codec = how.choice(["utf-16", "utf-16-be"]) if layout.encoding == "utf-16" else layout.encoding
    mark = b"\xfe\xff" if codec == "utf-16-be" else b""
    if codec == "utf-8" and how.random() < 0.2:
        mark = b"\xef\xbb\xbf"
    return mark + text.encode(codec)


@fuzz(20)
@given(
    rows=lines,
    layout=st.sampled_from(LAYOUTS),
    how=st.integers(0, 2**32),
    block=st.sampled_from([16, 64, 300, 8 * 1024 * 1024]),
    edits=EDITS,
)
def test_a_file_read_in_chunks_gives_what_the_exact_reader_gives(
    rows: list[list[str]],
    layout: FileLayout,
    how: int,
    block: int,
    edits: list[Edit],
    shop: Contract,
    pii: PiiStore,
) -> None:
    body = harmed(written(rows, layout, random.Random(how)), edits)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "BLOCK", block)
        compare(body, with_layout(shop, layout), pii)


@fuzz(40)
@given(body=st.binary(max_size=400), layout=st.sampled_from(LAYOUTS))
def test_any_bytes_are_read_or_refused(
    body: bytes, layout: FileLayout, shop: Contract, pii: PiiStore
) -> None:
    header = layout.delimiter.join(NAMES) + "\n" if layout.header else ""
    compare(header.encode(layout.encoding) + body, with_layout(shop, layout), pii)


def test_keys_repeated_across_chunks_are_found_where_memory_for_hashes_ends(
    shop: Contract, pii: PiiStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "BLOCK", 200)

    class SmallKeyCheck(key_check.KeyCheck):
        def __init__(self, folder: Path) -> None:
            super().__init__(folder, most_in_memory=40)

    monkeypatch.setattr(file_staging, "KeyCheck", SmallKeyCheck)
    numbers = [*range(60), 3, 59, *range(60, 90), 3, 61, 20]
    body = "\n".join(
        ["|".join(NAMES), *(f"S{one}|13800001111|1.00|20260330080000|" for one in numbers), ""]
    ).encode()
    contract = with_layout(shop, FileLayout(delimiter="|"))
    compare(body, contract, pii)
    staged, rows = stage(body, contract, pii)
    assert [one.record_no for one in staged.rejected] == [61, 62, 93, 94, 95]
    assert {one.reason for one in staged.rejected} == {"duplicate_key"} and len(rows) == 90


def test_two_keys_with_one_hash_are_both_loaded(
    shop: Contract, pii: PiiStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = key_check.KeyCheck.add

    def add(self: Any, hashes: Any, is_good: Any) -> Any:
        return real(self, hashes * 0, is_good)

    monkeypatch.setattr(key_check.KeyCheck, "add", add)
    body = "\n".join(
        ["|".join(NAMES), *(f"S{one}|{138}|1.00|20260330080000|" for one in (1, 2, 2, 3)), ""]
    ).encode()
    _, rows = stage(body, with_layout(shop, FileLayout(delimiter="|")), pii)
    assert [row[1] for row in rows] == ["S1", "S2", "S3"]


def test_records_held_back_keep_no_chunk_in_memory(
    shop: Contract, pii: PiiStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[int] = []
    real = file_staging._Held

    def spy(found: Any, key_hash: int, record: Any) -> Any:
        held.append(record.get_total_buffer_size() + found.place.get_total_buffer_size())
        return real(found, key_hash, record)

    monkeypatch.setattr(file_staging, "_Held", spy)
    note = "n" * 200
    numbers = [*range(5_000), 7, *range(5_000, 10_000), 8]
    body = "\n".join(
        ["|".join(NAMES), *(f"S{one}|13800001111|1.00|20260330080000|{note}" for one in numbers)]
    ).encode()
    stage(body, with_layout(shop, FileLayout(delimiter="|")), pii)
    assert len(held) == 2
    # A chunk of this file has more than a million bytes, a record some hundreds.
    assert max(held) < 20_000


def test_bytes_of_a_discarded_column_are_looked_at_like_all_others(
    shop: Contract, pii: PiiStore
) -> None:
    streams = {"sales": shop.streams["sales"].model_copy(update={"schema_change": "discard"})}
    contract = with_layout(shop, FileLayout(delimiter="|", encoding="utf-8"))
    contract = contract.model_copy(update={"streams": streams})
    body = "|".join([*NAMES, "more"]).encode() + b"\nS1|1|1.00|20260330080000|a|\xff\xfe\n"
    with pytest.raises(RefusedDelivery, match=r"encod|UTF-8"):
        stage(body, contract, pii)
