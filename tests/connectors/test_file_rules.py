"""The rules of the file interface: numbers, branches, clocks, and whatever lies in a folder."""

from __future__ import annotations

import copy
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.arrivals import arrivals
from connectors.errors import LandingBusy, SourceUnreachable
from connectors.files.exchange import parse_send_log, send_log_bytes
from connectors.landing import land_source
from connectors.ledger import Ledger
from connectors.pii_store import PiiStore
from connectors.reading_hours import outside_hours
from cubes.errors import DeclarationError
from tests.connectors.conftest import ENCRYPTION_KEY, NOW, PSEUDONYM_KEY, SHOP, load_one
from tests.peers import needs

ROOT = Path(__file__).resolve().parents[2]
Home = Any  # the fixture's class lives in conftest


def codes(home: Home) -> list[str]:
    return sorted(str(delivery.code) for delivery in home.land())


def new(home: Home) -> tuple[str, ...]:
    return arrivals(home.contract, home=home.path, ledger=home.ledger, now=NOW)


# Numbers


def test_each_branch_counts_for_itself_and_their_deliveries_are_a_union(home: Home) -> None:
    home.send([home.row(1)], sequence=1, day="2026-03-28", branch="east", name="e1.txt")
    home.send([home.row(2)], sequence=1, day="2026-03-28", branch="west", name="w1.txt")
    home.send([home.row(3)], sequence=2, day="2026-03-29", branch="east", name="e2.txt")
    home.send([home.row(4)], sequence=4, day="2026-03-29", branch="west", name="w4.txt")
    landed = ["None", "None", "None", "None"]
    assert codes(home) == [*landed, "branches_share_keys", "sequence_gap", "sequence_gap"]
    gaps = [event.detail for event in home.ledger.exchange_events(code="sequence_gap")]
    assert gaps == [f"sequence {number} of branch west has not come" for number in (2, 3)]
    assert home.rows("sale_no, _branch") == [
        ("S1", "east"),
        ("S2", "west"),
        ("S3", "east"),
        ("S4", "west"),
    ]


def test_the_same_content_of_two_branches_is_two_deliveries(home: Home) -> None:
    home.send([home.row(1)], branch="east", name="e1.txt")
    home.send([home.row(1)], branch="west", name="w1.txt")
    assert codes(home) == ["None", "None", "branches_share_keys"]
    assert len(home.rows()) == 2


def test_branches_whose_key_may_be_the_same_are_told_once_until_the_contract_says(
    home: Home,
) -> None:
    home.send([home.row(1)], sequence=1, branch="east", name="e1.txt")
    assert codes(home) == ["None"]
    home.send([home.row(1)], sequence=1, branch="west", name="w1.txt")
    home.land()
    (event,) = home.ledger.exchange_events(unresolved=True)
    assert (event.code, event.stream) == ("branches_share_keys", "sales")
    assert event.detail == "east, west deliver, the key is sale_no"
    home.send([home.row(2)], sequence=1, branch="north", name="n1.txt")
    assert codes(home) == ["None"]
    home.contract = changed(home, branch_column="_branch")
    home.send([home.row(3)], sequence=2, branch="east", name="e2.txt")
    assert codes(home) == ["None"]
    assert home.ledger.exchange_events(unresolved=True) == []


def test_a_branch_that_the_contract_does_not_list_is_refused(home: Home) -> None:
    home.contract = changed(home, branches=["east", "west"], branch_column="_branch")
    home.send([home.row(1)], sequence=1, branch="east", name="e1.txt")
    path = home.send([home.row(1)], sequence=7, branch="estt", name="x.txt")
    assert codes(home) == ["None", "unknown_branch"]
    assert home.rows("_branch") == [("east",)] and new(home) == ()
    answer = home.read_log(path)
    assert answer["message"]["zh"] == "合同没有列出这个分支"
    assert answer["reason"] == "its branch estt is none of east, west, which the contract lists"
    assert home.ledger.exchange_events() == []


@pytest.mark.parametrize(
    ("branch", "taken"),
    [
        ("城东-2号_a.b", True),
        ("x" * 64, True),
        ("123456", True),
        ("x" * 65, False),
        ("张伟 13800001111", False),
        ("w1234567", False),
        ("w１２３４５６７", False),
        ("138-0000-1111", False),
        ("a/b", False),
        ("w\n", False),
    ],
)
def test_a_branch_is_a_short_name_and_anything_else_is_not_repeated(
    home: Home, branch: str, taken: bool
) -> None:
    home.send([home.row(1)], branch=branch)
    (told,) = home.land()
    if taken:
        assert (told.code, home.ledger.batches()[0].branch) == (None, branch)
        return
    assert (told.code, told.reason) == ("unreadable_log", "the send log has no usable branch")
    assert home.ledger.batches() == []


def test_a_person_in_the_name_of_a_sum_is_not_repeated(home: Home) -> None:
    home.send([home.row(1)], sums={"amount": "10.00", "张伟13800001111": "x"})
    (told,) = home.land()
    assert (told.code, told.reason) == ("unreadable_log", "the send log has no usable sums")


def test_a_branch_column_is_one_of_the_key(home: Home) -> None:
    with pytest.raises(DeclarationError, match="'note' is no column of the key"):
        changed(home, branch_column="note")
    assert changed(home, branch_column="sale_no").streams["sales"].branch_column == "sale_no"


def changed(home: Home, **stream: Any) -> Any:
    """The shop's contract with other words in its stream."""
    declaration = copy.deepcopy(SHOP)
    declaration["streams"]["sales"].update(stream)
    return load_one(home.path / "sources", declaration)


# What a log says of the contract


def test_a_log_of_another_version_of_the_contract_is_told_once_and_lands(home: Home) -> None:
    home.contract = load_one(home.path / "sources", {**SHOP, "version": "2026-04"})
    home.send([home.row(1)], sequence=1, day="2026-03-28", contract_version="2025-11")
    home.send([home.row(2)], sequence=2, day="2026-03-29", contract_version="2025-11")
    assert codes(home) == ["None", "None", "contract_version_differs"]
    (event,) = home.ledger.exchange_events(unresolved=True)
    assert event.detail == "the send log says version 2025-11, ours is 2026-04"
    home.send([home.row(3)], sequence=3)
    home.land()
    assert home.ledger.exchange_events(unresolved=True) == [event], "a log may say nothing of it"
    home.send([home.row(4)], sequence=4, contract_version="2026-04")
    home.land()
    assert home.ledger.exchange_events(unresolved=True) == []


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (2, "2"),
        (1.5, "1.5"),
        ("", None),
        (None, None),
        ([1], "[1]"),
        ("一\n二", "一\ufffd二"),
        ("王芳 13800001111", "王芳 [phone]"),
        ("v" * 58 + " 13800001111", "v" * 58 + " [phon"),
    ],
)
def test_a_version_of_any_shape_refuses_no_log(home: Home, given: Any, read: str | None) -> None:
    path = home.send([home.row(1)], contract_version=given)
    log = parse_send_log(Path(f"{path}.send.log").read_bytes())
    assert log.contract_version == read
    assert ("contract_version" in json.loads(send_log_bytes(log))) == (read is not None)


# A file before its log


@pytest.mark.parametrize(
    ("minutes", "told"),
    [(0, False), (9.9, False), (10.1, True), (-9, False), (-11, True), (-400_000, True)],
)
def test_a_file_without_its_log_is_told_when_the_log_is_no_more_on_its_way(
    home: Home, minutes: float, told: bool
) -> None:
    """Minutes since the file was written; below none it lies in what is the future here."""
    path = home.send([home.row(1)])
    log = Path(f"{path}.send.log")
    held = log.read_bytes()
    log.unlink()
    written = NOW.timestamp() - minutes * 60
    os.utime(path, (written, written))
    assert new(home) == ((path.name,) if told else ())
    assert codes(home) == (["missing_log"] if told else [])
    log.write_bytes(held)
    assert new(home) == (path.name,)
    assert codes(home) == ["None"]
    assert home.ledger.exchange_events(unresolved=True) == []


def test_a_lower_number_for_a_later_date_is_a_rewind(home: Home) -> None:
    home.send([home.row(1)], sequence=7, day="2026-03-28")
    home.land()
    home.send([home.row(2)], sequence=3, day="2026-03-29")
    (delivery,) = home.land()
    assert delivery.code == "sequence_rewind"
    assert delivery.reason == "sequence 3 comes after 7, for 2026-03-29 after 2026-03-28"


def test_a_lower_number_for_an_earlier_date_is_late_and_lands(home: Home) -> None:
    home.send([home.row(1)], sequence=7, day="2026-03-28")
    home.land()
    home.send([home.row(2)], sequence=6, day="2026-03-27")
    assert codes(home) == ["None"]


def test_a_missing_number_may_come_for_a_later_date(home: Home) -> None:
    home.send([home.row(1)], sequence=1, day="2026-03-26")
    home.send([home.row(2)], sequence=3, day="2026-03-27")
    assert codes(home) == ["None", "None", "sequence_gap"]
    home.send([home.row(3)], sequence=2, day="2026-03-29")
    assert codes(home) == ["None"]


def test_one_absurd_number_does_not_turn_the_later_ones_into_rewinds(home: Home) -> None:
    home.send([home.row(1)], sequence=1, day="2026-03-26")
    home.send([home.row(2)], sequence=2**40, day="2026-03-27", name="far.txt")
    assert codes(home) == ["None", "None", "sequence_gap"]
    home.send([home.row(3)], sequence=2, day="2026-03-28")
    home.send([home.row(4)], sequence=4, day="2026-03-29")
    assert codes(home) == ["None", "None", "sequence_gap"]


def test_a_gap_of_another_branch_excuses_no_rewind(home: Home) -> None:
    home.send([home.row(1)], sequence=1, day="2026-03-25", branch="east", name="e1.txt")
    home.send([home.row(2)], sequence=4, day="2026-03-26", branch="east", name="e4.txt")
    home.send([home.row(3)], sequence=7, day="2026-03-26", branch="west", name="w7.txt")
    home.land()
    home.send([home.row(4)], sequence=3, day="2026-03-27", branch="west", name="w3.txt")
    assert codes(home) == ["sequence_rewind"]


# Changed files and corrections


def test_a_changed_file_with_a_changed_log_corrects_the_first(home: Home) -> None:
    path = home.send([home.row(1)])
    (first,) = home.land()
    home.send([home.row(1), home.row(2)])
    (second,) = home.land()
    assert (second.code, second.status) == ("late_correction", "loaded")
    assert [row[0] for row in home.rows("sale_no")] == ["S1", "S2"]
    kept = sorted(one.name for one in (path.parent / "archive").iterdir())
    short = str(second.batch_id)[:12]
    assert kept == sorted(
        [
            path.name,
            f"{path.name}.send.log",
            f"{path.name}.read.log",
            f"{path.name}.{short}",
            f"{path.name}.send.log.{short}",
            f"{path.name}.read.log.{short}",
        ]
    )
    log = json.loads((path.parent / "archive" / f"{path.name}.read.log").read_text())
    assert log["batch_id"] == first.batch_id, "the archive of the first one was not overwritten"


def test_a_wrong_correction_that_is_taken_back_leaves_the_first_content(home: Home) -> None:
    right, wrong = [home.row(1)], [home.row(1), home.row(2)]
    for hour, lines in ((1, right), (2, wrong), (3, right), (4, wrong), (5, right)):
        home.send(lines, sent_at=f"2026-03-31T0{hour}:00:00+08:00")
        (told,) = home.land()
        assert told.status == "loaded"
        assert len(home.rows()) == len(lines)
        assert home.land() == [] and new(home) == ()
    home.send(wrong, sent_at="2026-03-31T02:00:00+08:00")
    assert codes(home) == ["duplicate_batch"], "an old log takes nothing back"
    assert len(home.rows()) == 1
    assert home.ledger.unconfirmed("shop") == []


def test_of_one_number_what_was_sent_last_stands_whichever_comes_first(home: Home) -> None:
    home.send([home.row(1), home.row(2)], sent_at="2026-03-31T08:00:00+08:00")
    home.land()
    # 23:30 UTC is half an hour before 08:00 of the day after in Shanghai, though its text is later.
    home.send([home.row(3), home.row(4, amount="x")], amount="10.00", sent_at="2026-03-30T23:30Z")
    (told,) = home.land()
    assert (told.status, told.code) == ("superseded", "overtaken")
    assert [number for (number,) in home.rows("sale_no")] == ["S1", "S2"]
    assert home.ledger.quarantine(state="waiting") == []
    assert home.land() == [] and home.ledger.unconfirmed("shop") == []


def test_a_gap_is_not_explained_by_a_file_without_log_where_branches_send(home: Home) -> None:
    for branch in ("east", "west"):
        home.send([home.row(1)], sequence=1, day="2026-03-28", branch=branch, name=f"{branch}.txt")
    silent = home.send([home.row(2)], sequence=2, day="2026-03-29", branch="west")
    log = Path(f"{silent}.send.log")
    held = log.read_bytes()
    log.unlink()
    home.send([home.row(3)], sequence=3, branch="east", name="e3.txt")
    landed = ["None", "None", "None"]
    assert codes(home) == [*landed, "branches_share_keys", "missing_log", "sequence_gap"]
    log.write_bytes(held)
    home.land()
    gap, _ = home.ledger.exchange_events(unresolved=True)
    assert gap.detail == "sequence 2 of branch east has not come"


def test_a_wide_gap_is_settled_when_all_its_numbers_have_come(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.files.sequence_rules._MOST_NAMED", 2)
    home.send([home.row(1)], sequence=1)
    home.send([home.row(5)], sequence=5)
    home.land()
    for number in (2, 3):
        home.send([home.row(number)], sequence=number)
        home.land()
        assert len(home.ledger.exchange_events(unresolved=True)) == 1
    home.send([home.row(4)], sequence=4)
    home.land()
    assert home.ledger.exchange_events(unresolved=True) == []


def test_what_the_sender_takes_back_is_settled_and_what_still_lies_here_is_not(home: Home) -> None:
    def left() -> dict[str | None, str]:
        return {one.file: one.code for one in home.ledger.exchange_events(unresolved=True)}

    bare = home.send([home.row(1)], name="bare.txt")
    Path(f"{bare}.send.log").unlink()
    os.utime(bare, (0, 0))
    stray = home.send([home.row(2)], name="stray.txt")
    stray.unlink()
    garbled = home.send([home.row(3)], name="garbled.txt", sent_at="soon")
    home.ledger.note_event(
        "unreadable_file", source="shop", stream="", file="shut.txt", detail="x", now=NOW
    )
    home.land()
    lying = {
        "bare.txt": "missing_log",
        "stray.txt": "missing_file",
        "garbled.txt": "unreadable_log",
    }
    assert left() == lying, "only the file that is not there was settled"
    home.land()
    assert left() == lying and len(home.ledger.exchange_events()) == 4
    bare.rename(bare.with_name("other.txt"))
    Path(f"{stray}.send.log").unlink()
    home.land()
    assert left() == {"other.txt": "missing_log", "garbled.txt": "unreadable_log"}
    # A file whose faulty log is taken back lies here without one.
    Path(f"{garbled}.send.log").unlink()
    os.utime(garbled, (0, 0))
    home.land()
    assert left() == {"other.txt": "missing_log", "garbled.txt": "missing_log"}


def test_an_event_that_was_settled_is_told_when_it_comes_back(home: Home) -> None:
    def note() -> bool:
        return bool(
            home.ledger.note_event(
                "missing_log", source="shop", stream="sales", file="a.txt", detail="x", now=NOW
            )
        )

    assert note() and not note()
    (event,) = home.ledger.exchange_events(unresolved=True)
    home.ledger.resolve_event(event.event_id, now=NOW)
    assert note() and not note()
    assert len(home.ledger.exchange_events()) == 2


def test_a_truncated_upload_is_refused_and_lands_when_it_is_whole(home: Home) -> None:
    path = home.send([home.row(1), home.row(2)])
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    assert codes(home) == ["lying_log"]
    assert new(home) == () and home.land() == []
    assert home.read_log(path)["code"] == "lying_log"
    path.write_bytes(whole)
    assert new(home) == (path.name,), "the log is the same, the file is another"
    assert codes(home) == ["None"]
    assert home.read_log(path)["result"] == "ok"


def test_a_file_that_lies_about_content_and_grammar_is_told_as_a_lie(home: Home) -> None:
    """The hash is looked at first, whatever else is wrong with the bytes."""
    path = home.send([home.row(1)])
    size = path.stat().st_size
    path.write_bytes(b"\xff" * size)
    assert codes(home) == ["lying_log"]
    (batch,) = home.ledger.batches()
    assert batch.content_sha256 != json.loads(Path(f"{path}.send.log").read_text())["sha256"]


def test_a_refused_file_is_not_read_again_while_it_lies_there_unchanged(home: Home) -> None:
    path = home.send([home.row(1)], rows=9)
    assert codes(home) == ["lying_log"]
    status = path.stat()
    path.write_bytes(path.read_bytes()[:-1] + b"#")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    # Bytes that change under an unchanged stamp show that the file was not opened.
    assert home.land() == [] and new(home) == ()


# Clocks


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ("2026-03-31T17:00:00+08:00", "sent 8 hours after it arrived"),
        ("2026-03-31T09:30:00", "sent 30 minutes after it arrived"),
        ("2026-03-29T20:00:00+08:00", "sent 4 hours before 2026-03-30 began"),
        ("2026-03-31T09:04:00+08:00", None),
        ("2026-03-30T00:00:00+08:00", None),
    ],
)
def test_a_clock_that_cannot_be_right_is_told_and_the_data_land(
    home: Home, sent: str, told: str | None
) -> None:
    home.send([home.row(1)], sent_at=sent)
    found = home.land()
    assert [one.status for one in found if one.batch_id] == ["loaded"]
    events = home.ledger.exchange_events(code="clock_skew")
    assert [event.detail.removeprefix("it says it was ") for event in events] == (
        [told] if told else []
    )


def test_a_clock_that_is_right_again_settles_the_doubt(home: Home) -> None:
    home.send([home.row(1)], sequence=1, day="2026-03-29", sent_at="2026-03-31T17:00:00+08:00")
    home.land()
    home.send([home.row(2)], sequence=2)
    home.land()
    assert home.ledger.exchange_events(unresolved=True) == []


@pytest.mark.parametrize(
    ("zone", "now", "code"),
    [
        ("Asia/Shanghai", datetime(2026, 3, 30, 16, 30, tzinfo=UTC), None),
        ("Europe/London", datetime(2026, 3, 30, 16, 30, tzinfo=UTC), "lying_log"),
    ],
)
def test_the_zone_of_the_source_says_which_business_date_may_be_there(
    home: Home, zone: str, now: datetime, code: str | None
) -> None:
    contract = load_one(home.path / "zoned", SHOP | {"zone": zone})
    home.send([home.row(1)], day="2026-03-31", sent_at="2026-03-31T00:20:00+08:00")
    (delivery,) = land_source(
        contract, home=home.path, ledger=home.ledger, pii=home.pii, now=now, zone="UTC"
    )
    assert delivery.code == code


# What lies in a folder


def test_whatever_lies_in_a_folder_stops_nothing(home: Home, tmp_path: Path) -> None:
    home.send([home.row(1)])
    folder = home.folder
    (folder / ".upload").write_bytes(b"half")
    (folder / "folder").mkdir()
    (folder / "folder.send.log").write_text("{}")
    outside = tmp_path / "outside.txt"
    outside.write_text("x")
    (folder / "link.txt").symlink_to(outside)
    (folder / "link.txt.send.log").write_text("{}")
    os.mkfifo(folder / "pipe.txt")
    os.mkfifo(folder / "piped.txt.send.log")
    (folder / "piped.txt").write_text("x")
    (folder / "line\nend.txt").write_text("x")
    (folder / ("n" * 255)).write_text("x")
    (folder / os.fsdecode(b"\xb9\xe3.txt")).write_text("x")
    told = {delivery.place: str(delivery.code) for delivery in home.land()}
    assert told.pop("sales_20260330_0001.txt") == "None"
    assert told == {
        "folder": "missing_file",
        "link.txt": "missing_file",
        "piped.txt": "missing_log",
        "line\ufffdend.txt": "missing_log",
        "n" * 255: "missing_log",
        "\ufffd\ufffd.txt": "missing_log",
    }
    assert new(home) == () and home.land() == []
    assert outside.read_text() == "x"


def test_the_longest_name_that_has_a_log_lands_and_is_archived_twice(home: Home) -> None:
    name = "n" * (255 - len(".send.log"))
    path = home.send([home.row(1)], name=name)
    assert codes(home) == ["None"]
    home.send([home.row(2)], name=name)
    assert codes(home) == ["late_correction"]
    assert len(list((path.parent / "archive").iterdir())) == 6


def test_any_name_may_be_agreed_such_as_those_of_the_national_centre(home: Home) -> None:
    for number, name in enumerate(["a10000202603300001.AVL", "D_311_0001", "数据.dat.gz"], start=1):
        home.send([home.row(number)], sequence=number, name=name)
    assert codes(home) == ["None", "None", "None"]
    kept = {path.name for path in (home.folder / "archive").iterdir()}
    assert {"a10000202603300001.AVL", "D_311_0001.read.log", "数据.dat.gz"} <= kept


LAND_TWICE = """
import sys
from pathlib import Path
from connectors.arrivals import arrivals
from tests.connectors.conftest import *

folder = Path(sys.argv[1])
contract = load_one(folder / "sources", SHOP)
pii = PiiStore(folder / "pii.db", pseudonym_key=PSEUDONYM_KEY, encryption_key=ENCRYPTION_KEY)
home = Home(folder, contract, Ledger(folder / "ledger.db"), pii)
for _ in range(2):
    for one in home.land():
        print(one.place, one.status, one.code)
print(arrivals(contract, home=folder, ledger=home.ledger, now=NOW))
"""


def test_a_file_without_permission_is_told_and_stops_no_other(home: Home) -> None:
    closed = home.send([home.row(1)], sequence=1, day="2026-03-28")
    log = Path(f"{home.send([home.row(2)], sequence=2, day='2026-03-29')}.send.log")
    home.send([home.row(3)], sequence=3)
    for path in (closed, log):
        path.chmod(0)
    # The superuser may read everything until it gives that right away.
    harmless: list[str] = []
    if os.geteuid() == 0:
        needs(shutil.which("setpriv"), "setpriv is missing, by which root gives up its rights")
        harmless = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    done = subprocess.run(
        [*harmless, sys.executable, "-c", LAND_TWICE, str(home.path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == [
        "()",
        "sales_20260328_0001.txt waiting unreadable_file",
        "sales_20260329_0002.txt waiting unreadable_file",
        "sales_20260330_0003.txt loaded None",
    ]
    for path in (closed, log):
        path.chmod(0o600)
    assert len(new(home)) == 2
    assert codes(home) == ["None", "None"]
    assert home.ledger.exchange_events(unresolved=True) == []


def test_an_absolute_folder_that_is_gone_is_not_made_and_not_taken_for_empty(
    home: Home, tmp_path: Path
) -> None:
    gone = tmp_path / "mounted"
    contract = load_one(
        home.path / "absolute", SHOP | {"interface": {**SHOP["interface"], "location": str(gone)}}
    )
    home.contract = contract
    with pytest.raises(SourceUnreachable, match="not mounted") as caught:
        home.land()
    assert caught.value.retryable and not gone.exists()
    with pytest.raises(SourceUnreachable):
        new(home)


def test_a_folder_that_vanishes_in_the_middle_is_an_error_that_may_pass(home: Home) -> None:
    home.send([home.row(1)])

    def vanish(step: str) -> None:
        if step == "loaded":
            shutil.rmtree(home.folder)

    home.at = vanish
    assert [one.status for one in home.land()] == ["loaded"]
    home.at = lambda step: None
    home.send([home.row(2)], sequence=2)
    assert [one.status for one in home.land()] == ["loaded"]
    assert len(home.rows()) == 2


def test_a_location_with_a_password_is_a_fault_that_does_not_repeat_it(tmp_path: Path) -> None:
    interface = {**SHOP["interface"], "location": "sftp://me:k9-geheim@host/out"}
    with pytest.raises(DeclarationError, match="HUIYIN_SHOP_PASSWORD") as caught:
        load_one(tmp_path, SHOP | {"interface": interface})
    assert "k9-geheim" not in str(caught.value)


# Two at once, and hours


def _land_in_process(folder: str, results: Any) -> None:
    path = Path(folder)
    keys = {"pseudonym_key": PSEUDONYM_KEY, "encryption_key": ENCRYPTION_KEY}
    with Ledger(path / "ledger.db") as ledger, PiiStore(path / "pii.db", **keys) as pii:
        contract = load_one(path / "sources", SHOP)
        try:
            found = land_source(
                contract, home=path, ledger=ledger, pii=pii, now=NOW, zone="Asia/Shanghai"
            )
        except LandingBusy:
            results.put("busy")
        else:
            results.put(sum(one.status == "loaded" for one in found))


def test_of_two_processes_at_once_each_file_lands_in_one(home: Home) -> None:
    for number in range(1, 21):
        home.send([home.row(number)], sequence=number)
    spawn = multiprocessing.get_context("spawn")
    results: Any = spawn.Queue()
    both = [
        spawn.Process(target=_land_in_process, args=(str(home.path), results)) for _ in range(2)
    ]
    for one in both:
        one.start()
    told = [results.get(timeout=120) for _ in both]
    for one in both:
        one.join()
    assert sum(one for one in told if one != "busy") == 20
    assert len(home.rows()) == 20 == len(home.ledger.confirmations())


@pytest.mark.parametrize(
    ("hours", "instant", "allowed"),
    [
        ("08:00-12:00", "2026-03-31T08:00:00+08:00", True),
        ("08:00-12:00", "2026-03-31T11:59:59+08:00", True),
        ("08:00-12:00", "2026-03-31T12:00:00+08:00", False),
        ("08:00-12:00", "2026-03-31T01:00:00+00:00", True),
        ("22:00-06:00", "2026-03-31T23:30:00+08:00", True),
        ("22:00-06:00", "2026-03-31T05:59:00+08:00", True),
        ("22:00-06:00", "2026-03-31T06:00:00+08:00", False),
        ("00:00-00:00", "2026-03-31T13:00:00+08:00", True),
    ],
)
def test_the_hours_of_a_source_are_local_and_may_pass_midnight(
    home: Home, hours: str, instant: str, allowed: bool
) -> None:
    contract = load_one(
        home.path / "hours", SHOP | {"interface": {**SHOP["interface"], "hours": hours}}
    )
    now = datetime.fromisoformat(instant)
    assert (outside_hours(contract, now, "Asia/Shanghai") is None) is allowed


def test_outside_its_hours_a_landing_says_so_and_does_nothing(home: Home) -> None:
    home.contract = load_one(
        home.path / "hours", SHOP | {"interface": {**SHOP["interface"], "hours": "22:00-06:00"}}
    )
    path = home.send([home.row(1)])
    (said,) = home.land()
    assert (said.status, said.code) == ("waiting", "outside_hours")
    assert said.reason == "it is 09:00 in Asia/Shanghai, the source may be read 22:00-06:00"
    assert path.exists() and home.ledger.batches() == []
    found = arrivals(
        home.contract, home=home.path, ledger=home.ledger, now=NOW, zone="Asia/Shanghai"
    )
    assert found == (), "so that nothing is started in vain"
