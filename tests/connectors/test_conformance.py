"""A stranger's delivery is checked: the writer here is none of ours, only bytes put together."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from connectors.codes import known_codes
from connectors.conformance.check import Conformance, UncheckableDelivery, check_delivery
from connectors.conformance.partner_document import describe, describe_as_json
from connectors.conformance.sample_delivery import write_sample
from connectors.contract import SOURCES, Contract, load_contract
from connectors.formats import suffix_of
from tests.connectors.conftest import NOW, SHOP, Home, load_one
from tests.soak import fuzz

HEADER = "sale_no|phone|amount|sold_at|note"
GOOD = [
    "S1|13800001111|10.00|20260330080000|好",
    "S2||0.50|20260330090000|",
    "S3|13900001111|7|20260330100000|一般",
]


@dataclass
class Stranger:
    """Writes deliveries as another program would: bytes, a digest, a JSON text."""

    folder: Path
    rows: list[str] = field(default_factory=lambda: list(GOOD))
    header: str = HEADER
    encoding: str = "gb18030"

    def deliver(
        self,
        name: str = "sales_20260330_0001.txt",
        *,
        body: bytes | None = None,
        log: dict[str, Any] | None = None,
    ) -> Path:
        lines = [self.header, *self.rows]
        if body is None:
            body = ("\n".join(lines) + "\n").encode(self.encoding)
        (self.folder / name).write_bytes(body)
        told = {
            "file": name,
            "source": "shop",
            "stream": "sales",
            "branch": "main",
            "business_date": "2026-03-30",
            "covers_from": "2026-03-30",
            "sequence": 1,
            "rows": len(self.rows),
            "bytes": len(body),
            "sha256": hashlib.sha256(body).hexdigest(),
            "sums": {"amount": "17.50"},
            "sent_at": "2026-03-31T05:00:00+08:00",
        } | (log or {})
        text = json.dumps(told)
        (self.folder / f"{name}.send.log").write_text(text, encoding="utf-8")
        return self.folder / name


@pytest.fixture
def stranger(tmp_path: Path) -> Stranger:
    return Stranger(tmp_path)


def check(path: Path, contract: Contract) -> Conformance:
    return check_delivery(path, contract, now=NOW, zone="Asia/Shanghai")


def told(outcome: Conformance) -> list[tuple[str, str | None, int | None, str | None]]:
    return [(one.code, one.reason, one.line, one.column) for one in outcome.findings]


def replace_row(number: int, row: str) -> Callable[[Stranger], Path]:
    def deliver(stranger: Stranger) -> Path:
        stranger.rows[number] = row
        return stranger.deliver()

    return deliver


def two_bad_rows_and_a_lying_log(stranger: Stranger) -> Path:
    stranger.rows[0] = "S1|13800001111|1O.00|20260330080000|好"
    stranger.rows[2] = "S2|13900001111|7|20260230100000|二月三十日"
    return stranger.deliver(log={"rows": 4})


def cut_off(stranger: Stranger) -> Path:
    whole = ("\n".join([HEADER, *GOOD]) + "\n").encode("gb18030")
    path = stranger.deliver(body=whole)
    # The sender announced the whole file, and what arrived ends in the last line.
    path.write_bytes(whole[:-12])
    return path


def in_another_encoding(stranger: Stranger) -> Path:
    stranger.encoding = "utf-16"
    return stranger.deliver()


BROKEN: dict[str, tuple[Callable[[Stranger], Path], list[tuple[Any, ...]]]] = {
    "an amount that is no number": (
        replace_row(1, "S2||half|20260330090000|"),
        [("malformed_row", "not_a_decimal", 3, "amount")],
    ),
    "a field too many": (
        replace_row(1, "S2||0.50|20260330090000||x"),
        [("malformed_row", "wrong_field_count", 3, None)],
    ),
    "the same key twice": (
        replace_row(2, "S1|13900001111|7|20260330100000|一般"),
        [("malformed_row", "duplicate_key", 4, "sale_no")],
    ),
    "several faults at once": (
        two_bad_rows_and_a_lying_log,
        [
            ("malformed_row", "not_a_decimal", 2, "amount"),
            ("malformed_row", "not_a_timestamp", 4, "sold_at"),
            ("lying_log", None, None, None),
        ],
    ),
    "another header": (
        lambda stranger: Stranger(
            stranger.folder, header="sale_no|phone|amount|sold|note"
        ).deliver(),
        [("wrong_header", None, None, None)],
    ),
    "a wrong total": (
        lambda stranger: stranger.deliver(log={"sums": {"amount": "17.05"}}),
        [("wrong_sum", None, None, "amount")],
    ),
    "a log of another file and day": (
        lambda stranger: stranger.deliver(
            log={"file": "sales_20260331_0001.txt", "business_date": "2026-04-30"}
        ),
        [("lying_log", None, None, None), ("lying_log", None, None, None)],
    ),
    "a file that was cut off": (
        cut_off,
        [
            ("lying_log", None, None, None),
            ("malformed_row", "wrong_field_count", 4, None),
        ],
    ),
    "another encoding": (in_another_encoding, [("nul_byte", None, None, None)]),
    "a log without its fields": (
        lambda stranger: stranger.deliver(log={"rows": "three", "sequence": None}),
        [("unreadable_log", None, None, None)],
    ),
}


@pytest.mark.parametrize("what", list(BROKEN))
def test_each_of_ten_broken_deliveries_gives_exactly_its_findings(
    stranger: Stranger, home_contract: Contract, what: str
) -> None:
    deliver, expected = BROKEN[what]
    assert told(check(deliver(stranger), home_contract)) == expected


def test_a_right_delivery_has_no_finding(stranger: Stranger, home_contract: Contract) -> None:
    outcome = check(stranger.deliver(), home_contract)
    assert outcome.findings == ()
    (file,) = outcome.files
    assert (file.stream, file.rows, file.good) == ("sales", 3, 3)


def test_a_finding_says_where_and_never_what(stranger: Stranger, home_contract: Contract) -> None:
    stranger.rows[1] = "S2|13800002222|王小明|20260330090000|"
    path = stranger.deliver()
    (finding,) = check(path, home_contract).findings
    body = path.read_bytes()
    assert finding.offset == body.index(b"S2|") and finding.line == 3
    assert finding.value == "xxx"
    shown = json.dumps([vars(finding)], ensure_ascii=False)
    assert "王小明" not in shown and "13800002222" not in shown


def test_every_fault_of_a_record_is_told(stranger: Stranger, home_contract: Contract) -> None:
    stranger.rows[1] = "|13800002222|-x|30.3.2026|"
    stranger.rows[2] = "S1|13800002222|-2|20260330100000|same key, below the minimum"
    assert told(check(stranger.deliver(), home_contract)) == [
        ("malformed_row", "not_a_decimal", 3, "amount"),
        ("malformed_row", "missing_value", 3, "sale_no"),
        ("malformed_row", "not_a_timestamp", 3, "sold_at"),
        ("malformed_row", "below_minimum", 4, "amount"),
    ]


def test_a_missing_log_does_not_hide_what_is_in_the_file(
    stranger: Stranger, home_contract: Contract
) -> None:
    stranger.rows[0] = "S1||-1|20260330080000|"
    path = stranger.deliver()
    (stranger.folder / f"{path.name}.send.log").unlink()
    assert told(check(path, home_contract)) == [
        ("missing_log", None, None, None),
        ("malformed_row", "below_minimum", 2, "amount"),
    ]


def test_a_folder_tells_of_gaps_repeats_and_lost_files(
    stranger: Stranger, home_contract: Contract
) -> None:
    stranger.deliver()
    stranger.deliver("sales_20260330_0004.txt", log={"sequence": 4})
    stranger.deliver(
        "sales_20260329_0004.txt",
        log={"sequence": 4, "business_date": "2026-03-29", "covers_from": "2026-03-29"},
    )
    (stranger.folder / "sales_20260331_0005.txt.send.log").write_text("{}")
    found = {(one.file, one.code) for one in check(stranger.folder, home_contract).findings}
    assert found == {
        ("sales_20260331_0005.txt", "missing_file"),
        ("sales_20260330_0004.txt", "duplicate_batch"),
        ("sales_20260330_0004.txt", "sequence_rewind"),
        ("sales_20260329_0004.txt", "sequence_gap"),
    }


def test_a_check_changes_nothing(stranger: Stranger, home_contract: Contract) -> None:
    path = stranger.deliver(log={"rows": 9})
    before = {one: (one.read_bytes(), one.stat().st_mtime_ns) for one in path.parent.iterdir()}
    check(path, home_contract)
    check(path.parent, home_contract)
    after = {one: (one.read_bytes(), one.stat().st_mtime_ns) for one in path.parent.iterdir()}
    assert before == after


def test_what_is_no_delivery_is_told(tmp_path: Path, home_contract: Contract) -> None:
    with pytest.raises(UncheckableDelivery, match="no such file"):
        check(tmp_path / "nothing.txt", home_contract)
    with pytest.raises(UncheckableDelivery, match="no file lies in it"):
        check(tmp_path, home_contract)
    with pytest.raises(UncheckableDelivery, match="does not deliver files"):
        check(tmp_path, load_contract(SOURCES / "hall.yml"))


def test_a_packed_delivery_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    contract = load_one(
        tmp_path / "sources", SHOP | {"file": {**SHOP["file"], "compression": "gz"}}
    )
    folder = tmp_path / "in"
    folder.mkdir()
    stranger = Stranger(folder)
    body = gzip.compress(("\n".join([HEADER, *GOOD]) + "\n").encode("gb18030"))
    assert check(stranger.deliver(body=body), contract).findings == ()
    assert told(check(stranger.deliver(body=body[:-9]), contract)) == [
        ("broken_archive", None, None, None)
    ]


FILE_STREAMS = [
    (path.stem, stream)
    for path in sorted(SOURCES.glob("[a-z]*.yml"))
    for contract in [load_contract(path)]
    if contract.interface.type == "files"
    for stream in contract.streams
]


@pytest.mark.parametrize(("source", "stream"), FILE_STREAMS)
def test_a_sample_of_every_stream_has_no_finding(tmp_path: Path, source: str, stream: str) -> None:
    contract = load_contract(SOURCES / f"{source}.yml")
    paths = write_sample(
        tmp_path,
        contract,
        stream,
        rows=40,
        day=date(2026, 3, 30),
        sequence=1,
        now=NOW,
        zone="Asia/Shanghai",
        seed=7,
    )
    outcome = check(tmp_path, contract)
    assert outcome.findings == ()
    assert sum(file.rows for file in outcome.files) == 40
    assert len(paths) == (40 if contract.interface.format == "mail" else 2)


def test_a_sample_lands_without_a_finding(home: Home) -> None:
    write_sample(
        home.folder,
        home.contract,
        "sales",
        rows=30,
        day=date(2026, 3, 30),
        sequence=1,
        now=NOW,
        zone="Asia/Shanghai",
        seed=1,
    )
    (delivery,) = home.land()
    assert (delivery.status, delivery.loaded, delivery.rejected) == ("loaded", 30, 0)
    assert delivery.code is None and home.ledger.exchange_events() == []


COLUMNS = st.fixed_dictionaries(
    {},
    optional={
        "a": st.fixed_dictionaries(
            {
                "type": st.just("integer"),
                "min": st.integers(-50, 5),
                "max": st.integers(6, 3_000_000_000),
            }
        ),
        "b": st.fixed_dictionaries(
            {"type": st.sampled_from(["decimal(5,2)", "decimal(3,3)"]), "required": st.booleans()}
        ),
        "c": st.fixed_dictionaries({"type": st.just("string"), "length": st.integers(1, 9)}),
        "d": st.fixed_dictionaries(
            {"type": st.just("string"), "values": st.sampled_from([["x"], ["投诉", "建议"]])}
        ),
        "e": st.fixed_dictionaries({"type": st.sampled_from(["date", "timestamp", "boolean"])}),
        "f": st.fixed_dictionaries(
            {
                "type": st.just("string"),
                "reveal": st.just(False),
                "pii": st.sampled_from(["phone", "name", "email", "account"]),
            }
        ),
    },
)


@fuzz(20, suppress_health_check=[HealthCheck.too_slow])
@given(columns=COLUMNS, rows=st.integers(1, 12), form=st.sampled_from(["delimited", "json_lines"]))
def test_invented_rows_keep_every_rule(
    tmp_path_factory: pytest.TempPathFactory, columns: dict[str, Any], rows: int, form: str
) -> None:
    folder = tmp_path_factory.mktemp("sample")
    declaration = SHOP | {
        "interface": {**SHOP["interface"], "format": form},
        "streams": {
            "sales": {
                **SHOP["streams"]["sales"],
                "columns": SHOP["streams"]["sales"]["columns"] | columns,
            }
        },
    }
    contract = load_one(folder / "sources", declaration)
    write_sample(
        folder / "in",
        contract,
        "sales",
        rows=rows,
        day=date(2026, 3, 30),
        sequence=1,
        now=NOW,
        zone="Asia/Shanghai",
        seed=rows,
    )
    assert check(folder / "in", contract).findings == ()


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("source", sorted(path.stem for path in SOURCES.glob("[a-z]*.yml")))
def test_the_document_names_every_column(source: str, language: str) -> None:
    contract = load_contract(SOURCES / f"{source}.yml")
    text = describe(contract, language=language)
    for stream in contract.streams.values():
        if contract.map is not None:
            assert all(f"`{name}`" in text for name in contract.map.columns())
            continue
        for name, column in stream.columns.items():
            assert f"`{column.from_ or name}`" in text
    if contract.interface.type == "files" and contract.interface.format != "mail":
        assert ".send.log" in text and suffix_of(contract) in text
    other = "## Codes" if language == "zh" else "## 代码"
    assert other not in text
    assert json.loads(json.dumps(describe_as_json(contract)))["source"] == source


def test_every_code_of_a_check_has_its_words(stranger: Stranger, home_contract: Contract) -> None:
    codes = {code for _, expected in BROKEN.values() for code, *_ in expected}
    reasons = {reason for _, expected in BROKEN.values() for _, reason, *_ in expected if reason}
    assert codes | reasons <= set(known_codes())


def test_the_clock_of_the_check_is_the_senders_tomorrow(
    stranger: Stranger, home_contract: Contract
) -> None:
    path = stranger.deliver()
    early = check_delivery(
        path, home_contract, now=datetime(2026, 3, 29, tzinfo=UTC), zone="Asia/Shanghai"
    )
    assert [(one.code, one.detail) for one in early.findings] == [
        ("lying_log", "the log says business date 2026-03-30, which lies after 2026-03-29")
    ]
