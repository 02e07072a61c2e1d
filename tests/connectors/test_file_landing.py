from __future__ import annotations

import errno
import hashlib
import json
import os
from datetime import UTC
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import LandingFailed, RefusedDelivery
from connectors.files.exchange import announce, parse_send_log
from tests.connectors.killed import DIED, end_at, land_home
from tests.soak import fuzz

Home = Any  # the fixture's class lives in conftest


def codes(home: Home) -> list[str | None]:
    return [delivery.code for delivery in home.land()]


def test_a_correct_file_lands_with_instants_in_utc_and_is_archived(home: Home) -> None:
    path = home.send([home.row(1), home.row(2)])
    (delivery,) = home.land()
    assert (delivery.status, delivery.rows, delivery.loaded, delivery.rejected) == (
        "loaded",
        2,
        2,
        0,
    )
    found = home.rows(
        "sale_no, amount::varchar, sold_at::varchar, _business_date::varchar, "
        "_record_no, _op, _recorded_at::varchar"
    )
    assert found[0] == (
        "S1",
        "10.00",
        "2026-03-30 00:00:00",
        "2026-03-30",
        1,
        "I",
        "2026-03-31 01:00:00",
    )
    assert not path.exists() and (path.parent / "archive" / path.name).exists()
    assert home.read_log(path)["result"] == "ok"
    assert home.land() == []


def test_malformed_rows_go_to_quarantine_with_place_and_mask(home: Home) -> None:
    lines = [home.row(1), home.row(2, amount="1x5"), "S3|only"]
    path = home.send(lines, amount="10.00")
    (delivery,) = home.land()
    assert (delivery.rows, delivery.loaded, delivery.rejected) == (3, 1, 2)
    first, second = home.ledger.quarantine()
    assert (first.line, first.column_name, first.reason, first.masked_value) == (
        3,
        "amount",
        "not_a_decimal",
        "9x9",
    )
    header = len("sale_no|phone|amount|sold_at|note\n")
    assert first.byte_offset == header + len((home.row(1) + "\n").encode("gb18030"))
    assert (second.line, second.reason) == (4, "wrong_field_count")
    assert home.pii.quarantined_record(first.batch_id, 2) == (lines[1] + "\n").encode("gb18030")
    assert home.read_log(path)["result"] == "partial"


def test_a_batch_above_the_reject_limit_is_refused_whole(home: Home) -> None:
    home.send([home.row(1), *(home.row(n, amount="x") for n in range(2, 5))], amount="10.00")
    (delivery,) = home.land()
    assert (delivery.status, delivery.code, delivery.loaded) == ("refused", "reject_limit", 0)
    assert home.rows() == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"rows": 5}, "lying_log"),
        ({"sha256": "0" * 64}, "lying_log"),
        ({"bytes": 99999}, "lying_log"),
        ({"file": "other.txt"}, "lying_log"),
        ({"sums": {"amount": "11.00"}}, "wrong_sum"),
        ({"sums": {}}, "wrong_sum"),
        ({"sent_at": "soon"}, "unreadable_log"),
    ],
)
def test_a_log_that_disagrees_keeps_the_file_out(
    home: Home, changes: dict[str, object], code: str
) -> None:
    path = home.send([home.row(1)], **changes)
    assert codes(home) == [code]
    assert home.rows() == [] and path.exists()
    assert home.land() == [], "an unchanged refused file is not read again"
    home.send([home.row(1)])
    assert [one.status for one in home.land()] == ["loaded"], "the mended log lets it in"


def test_a_file_without_its_log_waits_and_explains_the_gap(home: Home) -> None:
    home.send([home.row(1)], sequence=1, day="2026-03-28")
    second = home.send([home.row(2)], sequence=2, day="2026-03-29")
    log = second.with_name(f"{second.name}.send.log")
    held = log.read_bytes()
    log.unlink()
    home.send([home.row(3)], sequence=3)
    assert sorted(map(str, codes(home))) == ["None", "None", "missing_log"]
    log.write_bytes(held)
    assert codes(home) == [None]
    assert home.ledger.exchange_events(unresolved=True) == []


def test_a_duplicate_under_another_name_adds_no_row_twice(home: Home) -> None:
    home.send([home.row(1)])
    home.land()
    home.send([home.row(1)], sequence=2, name="sales_again.txt")
    assert codes(home) == ["duplicate_batch"]
    assert home.land() == [] and len(home.rows()) == 1


def test_the_same_file_again_adds_no_row_twice(home: Home) -> None:
    home.send([home.row(1)])
    home.land()
    home.send([home.row(1)])
    assert codes(home) == ["duplicate_batch"]
    assert len(home.rows()) == 1


def test_a_correction_supersedes_the_earlier_batch(home: Home) -> None:
    home.send([home.row(1)])
    (first,) = home.land()
    home.send([home.row(1, amount="20.00")], amount="20.00")
    (second,) = home.land()
    assert second.code == "late_correction"
    assert [str(one[0]) for one in home.rows("amount")] == ["20.00"]
    assert first.batch_id is not None
    old = home.ledger.batch(first.batch_id)
    assert old is not None and old.status == "superseded"


def test_a_gap_is_noted_and_settled_when_the_number_comes(home: Home) -> None:
    home.send([home.row(1)], sequence=1, day="2026-03-28")
    home.land()
    home.send([home.row(3)], sequence=3)
    assert sorted(map(str, codes(home))) == ["None", "sequence_gap"]
    home.send([home.row(2)], sequence=2, day="2026-03-29")
    assert codes(home) == [None]
    assert home.ledger.exchange_events(unresolved=True) == []


def test_a_sequence_used_for_another_date_is_a_rewind(home: Home) -> None:
    home.send([home.row(1)], sequence=4, day="2026-03-29")
    home.land()
    home.send([home.row(2)], sequence=4, day="2026-03-30")
    assert codes(home) == ["sequence_rewind"]


def test_a_file_changed_after_it_was_landed_is_noticed(home: Home) -> None:
    path = home.send([home.row(1)])
    log = path.with_name(f"{path.name}.send.log").read_bytes()
    home.land()
    home.send([home.row(9)])
    path.with_name(f"{path.name}.send.log").write_bytes(log)
    assert codes(home) == ["changed_file"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"sale_no|phone|amount|sold_at|note\nS1|\xff\xff|1\n", "broken_encoding"),
        (b"sale_no|phone|amount|sold_at|note\nS1|\x00\n", "nul_byte"),
        (b"sale_no|phone\nS1|2\n", "wrong_header"),
        (b"", "empty_file"),
    ],
)
def test_an_unreadable_file_is_refused_whole(home: Home, body: bytes, code: str) -> None:
    path = home.send([home.row(1)])
    path.write_bytes(body)
    raw = hashlib.sha256(body).hexdigest()
    home_log = path.with_name(f"{path.name}.send.log")
    text = home_log.read_text()
    home_log.write_text(json.dumps(json.loads(text) | {"bytes": len(body), "sha256": raw}))
    (delivery,) = home.land()
    assert (delivery.status, delivery.code) == ("refused", code)
    assert "at byte" in (delivery.reason or "")
    assert path.exists() and home.rows() == []


def test_no_personal_value_reaches_ledger_logs_or_parquet(home: Home) -> None:
    secret, mail = "13912345678", "zhang.san@example.cn"
    lines = [
        home.row(1, phone=secret, note=f"请打{secret}或{mail}"),
        home.row(2, phone=secret, amount=secret + "x"),
    ]
    home.send(lines, amount="10.00")
    home.land()
    home.ledger.close()
    for path in home.path.rglob("*"):
        if path.is_file() and path.name.startswith(("ledger.db", "pii.db")):
            assert secret.encode() not in path.read_bytes(), path
            assert mail.encode() not in path.read_bytes(), path
    (parquet,) = (home.path / "raw").rglob("*.parquet")
    pseudonym, note = duckdb.sql(f"select phone, note from '{parquet}'").fetchall()[0]
    assert secret not in pseudonym and len(pseudonym) == 32
    assert note == "请打[phone]或[email]"
    assert home.pii.reveal(pseudonym, "test") == secret


def test_announce_writes_a_log_with_which_the_file_lands(home: Home) -> None:
    path = home.send([home.row(1), home.row(2, at="20260329235959")])
    path.with_name(f"{path.name}.send.log").unlink()
    log = announce(path, home.contract, "sales", now=home.now, zone="Asia/Shanghai")
    assert (str(log.covers_from), str(log.business_date)) == ("2026-03-29", "2026-03-30")
    assert (log.rows, log.sums) == (2, {"amount": "20.00"})
    assert codes(home) == [None]


@pytest.mark.parametrize(
    "log",
    [
        b"[" * 100_000,
        b'{"rows": ' + b"9" * 5000 + b"}",
        b" " * 2_000_000,
        json.dumps({"branch": "\ud800", "rows": 2**70, "sequence": -1}).encode(),
    ],
)
def test_a_hostile_send_log_is_one_event_and_stops_no_other_file(home: Home, log: bytes) -> None:
    bad = home.send([home.row(1)])
    Path(f"{bad}.send.log").write_bytes(log)
    home.send([home.row(2)], sequence=2)
    told = {delivery.place: (delivery.status, delivery.code) for delivery in home.land()}
    assert told.pop(bad.name) == ("waiting", "unreadable_log")
    assert [status for status, _ in told.values()] == ["loaded"]
    assert bad.exists()


@pytest.mark.parametrize("sums", [{"amount": "NaN"}, {"amount": "sNaN"}, {"amount": "Infinity"}])
def test_a_sum_that_is_no_number_makes_the_log_unusable(home: Home, sums: dict[str, str]) -> None:
    home.send([home.row(1)], sums=sums)
    assert codes(home) == ["unreadable_log"]


@pytest.mark.parametrize("name", ["\ud800", "", "a\nb", "x" * 129, "\x00"])
def test_a_control_column_of_no_usable_name_makes_the_log_unusable(home: Home, name: str) -> None:
    home.send([home.row(1)], sums={"amount": "10.00", name: "1"})
    assert codes(home) == ["unreadable_log"]
    assert home.land() == []


@fuzz(100)
@given(
    sums=st.dictionaries(st.text(st.characters(exclude_categories=())), st.text(), max_size=3),
    text=st.text(st.characters(exclude_categories=())),
)
def test_any_send_log_is_read_as_what_the_ledger_can_hold_or_refused(
    sums: dict[str, str], text: str
) -> None:
    body = {"file": text, "source": "shop", "stream": "sales", "business_date": "2026-03-30"}
    body |= {"sequence": 1, "rows": 1, "bytes": 1, "sha256": "0", "sums": sums, "sent_at": text}
    for sent_at in (text, "0001-01-01T00:00:00+14:00", "2026-03-31T05:00:00+08:00"):
        try:
            log = parse_send_log(json.dumps(body | {"sent_at": sent_at}).encode())
        except RefusedDelivery as refusal:
            refusal.reason.encode()
        else:
            json.dumps(dict(log.sums), ensure_ascii=False).encode()
            log.sent_at.astimezone(UTC)


def test_a_log_that_covers_the_ages_is_not_believed(home: Home) -> None:
    home.send([home.row(1)], covers_from="0026-01-05")
    (delivery,) = home.land()
    assert (delivery.status, delivery.code) == ("refused", "lying_log")
    home.send([home.row(1)], covers_from="2017-01-05")
    assert [one.code for one in home.land() if one.status == "loaded"] == [None]


def test_a_business_date_after_the_arrival_is_a_lie(home: Home) -> None:
    home.send([home.row(1)], day="2026-04-01")
    (delivery,) = home.land()
    assert (delivery.status, delivery.code) == ("refused", "lying_log")
    assert "2026-04-01 lies after 2026-03-31" in str(delivery.reason)


def test_a_leap_of_the_sequence_is_one_event(home: Home) -> None:
    home.send([home.row(1)], sequence=1)
    home.land()
    home.send([home.row(2)], sequence=2**62, name="sales_far.txt")
    gap, landed = home.land()
    assert gap.code == "sequence_gap" and landed.status == "loaded"
    assert str(gap.reason).startswith(f"sequences 2 to {2**62 - 1} of branch main")


def test_a_name_that_is_not_utf_8_is_told_like_any_other(home: Home) -> None:
    home.folder.mkdir(parents=True)
    (Path(os.fsdecode(os.fsencode(home.folder) + b"/sales_\xff.txt"))).touch()
    (delivery,) = home.land()
    assert (delivery.code, delivery.place) == ("missing_log", "sales_\ufffd.txt")


def test_a_hash_in_capitals_is_the_same_hash(home: Home) -> None:
    path = home.send([home.row(1)])
    home.send([home.row(1)], sha256=hashlib.sha256(path.read_bytes()).hexdigest().upper())
    assert [delivery.status for delivery in home.land()] == ["loaded"]


def test_a_full_disk_is_told_without_a_row_and_may_be_tried_again(home: Home) -> None:
    def full(step: str) -> None:
        if step == "parquet_temporary":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "raw")

    home.send([home.row(1)])
    home.at = full
    with pytest.raises(LandingFailed, match="No space left on device") as caught:
        home.land()
    assert caught.value.retryable
    home.at = lambda step: None
    assert [delivery.status for delivery in home.land()] == ["loaded"]


@pytest.mark.soak
@pytest.mark.parametrize(
    "step",
    ["pii", "announced", "parquet_temporary", "parquet", "loaded", "read_log", "archived"],
)
def test_a_kill_at_any_step_leaves_a_state_from_which_the_same_run_succeeds(
    home: Home, step: str
) -> None:
    path = home.send([home.row(1), home.row(2, amount="x")], amount="10.00")
    assert end_at(step, land_home, home.path) == DIED
    home.land()
    (batch,) = home.ledger.batches()
    assert (batch.status, batch.rows, batch.rows_loaded, batch.rejected) == ("loaded", 2, 1, 1)
    assert [one[0] for one in home.rows("sale_no")] == ["S1"]
    assert len(home.ledger.quarantine()) == 1 and len(home.ledger.confirmations()) == 1
    assert not path.exists() and home.read_log(path)["result"] == "partial"
    assert home.land() == []
