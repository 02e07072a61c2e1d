"""Mail folders: every mail lands once, whatever is killed and however often it comes."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from connectors.arrivals import arrivals
from connectors.contract import load_contracts
from connectors.landing import Delivery, land_source
from connectors.ledger import Ledger
from connectors.pii_store import PiiStore
from tests.connectors.conftest import (
    ENCRYPTION_KEY,
    NOW,
    PSEUDONYM_KEY,
    Home,
)
from tests.connectors.killed import DIED, end_at, land_home
from tests.soak import kills

ROOT = Path(__file__).resolve().parents[2]


def mail(number: int, *, content: str = "slow", message_id: str | None = None) -> bytes:
    return (
        f"Message-ID: <{message_id or number}@example.com>\r\nFrom: p{number}@example.com\r\n"
        "Received: by care; Mon, 30 Mar 2026 08:00:00 +0800\r\n"
        f"Subject: no {number}\r\n\r\n{content}\r\n"
    ).encode()


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Home]:
    contract = yaml.safe_load((ROOT / "connectors/sources/mail.yml").read_text(encoding="utf-8"))
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "mail.yml").write_text(yaml.safe_dump(contract, allow_unicode=True), "utf-8")
    (tmp_path / "exchange/mail").mkdir(parents=True)
    with (
        Ledger(tmp_path / "ledger.db") as ledger,
        PiiStore(
            tmp_path / "pii.db", pseudonym_key=PSEUDONYM_KEY, encryption_key=ENCRYPTION_KEY
        ) as pii,
    ):
        yield Home(tmp_path, load_contracts([folder])["mail"], ledger, pii)


def put(home: Home, name: str, body: bytes) -> Path:
    path = home.path / "exchange/mail" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    return path


def ids(home: Home) -> list[str]:
    return [row[0] for row in home.rows("message_id")]


def archived(home: Home) -> list[Path]:
    return sorted((home.path / "exchange/mail/archive").glob("*.eml*"))


def test_all_mails_of_a_folder_become_one_batch_and_are_archived(box: Home) -> None:
    for number in range(3):
        put(box, f"{number}.eml", mail(number))
    put(box, ".half.eml", b"From: not yet")
    (delivery,) = box.land()
    assert (delivery.rows, delivery.loaded, delivery.status) == (3, 3, "loaded")
    assert ids(box) == ["0@example.com", "1@example.com", "2@example.com"]
    assert len(archived(box)) == 3
    assert (box.path / "exchange/mail/.half.eml").exists()
    assert len(box.ledger.confirmations()) == 1
    assert box.land() == []


def test_a_sender_lands_as_a_pseudonym(box: Home) -> None:
    put(box, "a.eml", mail(1))
    box.land()
    ((sender,),) = box.rows("sender")
    assert "@" not in sender
    assert box.pii.reveal(sender, "test") == "p1@example.com"


def test_a_mail_that_comes_again_is_archived_and_not_doubled(box: Home) -> None:
    put(box, "a.eml", mail(1))
    box.land()
    put(box, "again.eml", mail(1))
    put(box, "b.eml", mail(2))
    put(box, "same.eml", mail(2))
    found = box.land()
    assert ids(box) == ["1@example.com", "2@example.com"]
    assert [item.code for item in found].count("duplicate_mail") == 2
    events = box.ledger.exchange_events()
    assert [event.code for event in events] == ["duplicate_mail", "duplicate_mail"]
    assert len(archived(box)) == 4
    assert sorted(path.name for path in (box.path / "exchange/mail").glob("*.eml")) == []


def test_an_unreadable_mail_is_quarantined_with_its_bytes(box: Home) -> None:
    put(box, "a.eml", mail(1))
    put(box, "b.eml", b"\x00\x01 nothing that is a mail")
    put(box, "c.eml", b"Subject: nobody\r\n\r\nx")
    (delivery,) = box.land()
    assert (delivery.rows, delivery.loaded, delivery.rejected) == (3, 1, 2)
    rows = box.ledger.quarantine()
    assert {(row.column_name, row.reason) for row in rows} == {
        (None, "unreadable_mail"),
        ("received_at", "missing_value"),
    }
    kept = {box.pii.quarantined_record(row.batch_id, row.record_no) for row in rows}
    assert kept == {b"\x00\x01 nothing that is a mail", b"Subject: nobody\r\n\r\nx"}


def test_a_folder_of_only_broken_mails_is_not_refused(box: Home) -> None:
    for number in range(30):
        put(box, f"{number}.eml", f"broken {number}".encode())
    (delivery,) = box.land()
    assert (delivery.status, delivery.rejected) == ("loaded", 30)


def test_more_mails_than_a_batch_holds_become_several(box: Home) -> None:
    from connectors.files import mail_landing

    for number in range(7):
        put(box, f"{number}.eml", mail(number))
    most = mail_landing.MAILS_PER_BATCH
    assert most >= 7
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            mail_landing.land_mails,
            "__kwdefaults__",
            (mail_landing.land_mails.__kwdefaults__ or {}) | {"mails_per_batch": 3},
        )
        found = box.land()
    assert [item.rows for item in found] == [3, 3, 1]
    assert len(ids(box)) == 7


def test_a_maildir_is_read_too(box: Home) -> None:
    put(box, "new/1774828800.M1P2.host", mail(1))
    put(box, "cur/1774828801.M1P2.host:2,S", mail(2))
    put(box, "tmp/1774828802.M1P2.host", mail(3))
    box.land()
    assert ids(box) == ["1@example.com", "2@example.com"]
    assert (box.path / "exchange/mail/tmp/1774828802.M1P2.host").exists()


def test_waiting_mails_are_arrivals_until_they_are_landed(box: Home) -> None:
    def waiting() -> tuple[str, ...]:
        return arrivals(box.contract, home=box.path, ledger=box.ledger, now=NOW)

    assert waiting() == ()
    put(box, "a.eml", mail(1))
    assert waiting() == ("a.eml",)
    box.land()
    assert waiting() == ()
    # What a killed run claimed is still to be landed.
    put(box, "taken/b.eml", mail(2))
    assert waiting() == ("taken/b.eml",)


def test_a_name_that_is_not_utf_8_is_no_obstacle(box: Home) -> None:
    name = "投诉.eml".encode("gb18030")
    folder = os.fsencode(box.path / "exchange/mail")
    Path(os.fsdecode(folder + b"/" + name)).write_bytes(mail(1))
    (shown,) = arrivals(box.contract, home=box.path, ledger=box.ledger, now=NOW)
    assert shown.encode("utf-8").endswith(b".eml")
    assert [item.loaded for item in box.land()] == [1]


def test_no_address_and_no_file_name_stands_in_the_ledger(box: Home) -> None:
    put(box, "complaint of Li Lei 13800001111.eml", mail(1))
    put(box, "again of Li Lei 13800001111.eml", mail(1))
    put(box, "x.eml", b"From: \r\nTo: lilei@example.com\r\n\r\nLi Lei")
    box.land()
    stored = (box.path / "ledger.db").read_bytes()
    for name in (box.path / "ledger.db-wal",):
        stored += name.read_bytes() if name.exists() else b""
    assert b"13800001111" not in stored and b"lilei@example.com" not in stored


STEPS = ["claimed", "pii", "announced", "parquet_temporary", "parquet", "loaded", "archived"]


@pytest.mark.soak
@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_any_step_repeats_the_same_batch(box: Home, step: str) -> None:
    for number in range(3):
        put(box, f"{number}.eml", mail(number))
    put(box, "bad.eml", b"no mail")
    assert end_at(step, land_home, box.path) == DIED
    known = [batch.batch_id for batch in box.ledger.batches()]
    # A mail that comes in between belongs to the next batch, not to the one that was announced.
    put(box, "late.eml", mail(9))
    box.land()
    assert set(known) <= {batch.batch_id for batch in box.ledger.batches()}
    assert ids(box) == [f"{number}@example.com" for number in (0, 1, 2, 9)]
    assert {batch.status for batch in box.ledger.batches()} == {"loaded"}
    assert len(box.ledger.quarantine()) == 1 and len(archived(box)) == 5
    assert len(box.ledger.confirmations()) == len(box.ledger.batches()) == 2
    assert box.land() == []


@pytest.mark.soak
def test_kills_at_random_steps_leave_every_mail_exactly_once(box: Home) -> None:
    rng = random.Random(20260331)
    sent: set[str] = set()
    round_ = killed = 0
    wanted = kills(4)
    while killed < wanted:
        round_ += 1
        assert round_ <= 4 * wanted + 10, f"only {killed} landings were killed"
        for number in range(rng.randint(1, 5)):
            one = f"{round_}-{number}"
            put(box, f"{one}.eml", mail(number, message_id=one))
            sent.add(f"{one}@example.com")
        if rng.random() < 0.5:
            put(box, f"again-{round_}.eml", mail(0, message_id="1-0"))
        killed += end_at(rng.choice(STEPS), land_home, box.path, count=rng.randint(1, 3)) == DIED
    found: list[Delivery] = box.land()
    assert ids(box) == sorted(sent)
    assert all(item.status in {"loaded", "waiting"} for item in found)
    assert len(box.ledger.confirmations()) == len(box.ledger.loaded_batches())


def test_two_landings_at_once_are_told_apart(box: Home) -> None:
    put(box, "a.eml", mail(1))

    def again(step: str) -> None:
        if step == "announced":
            from connectors.errors import LandingBusy

            with pytest.raises(LandingBusy):
                land_source(
                    box.contract,
                    home=box.path,
                    ledger=box.ledger,
                    pii=box.pii,
                    now=NOW,
                    zone="Asia/Shanghai",
                )

    box.at = again
    box.land()
    assert ids(box) == ["1@example.com"]
