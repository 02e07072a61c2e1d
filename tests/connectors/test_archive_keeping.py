"""Partners' files leave the archive when their contract keeps them no longer."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.contract import Contract
from connectors.errors import LandingBusy, RelandingRefused
from connectors.files.archive_keeping import expire_archive
from connectors.files.relanding import reland
from connectors.landing import land_source, only_one
from connectors.places.place import no_secret
from cubes.errors import DeclarationError
from tests.connectors.conftest import SHOP, load_one, row

Home = Any  # the fixture's class lives in conftest
# Forty days before is 2026-03-30: what is of the day before it is older.
NOW = datetime(2026, 5, 9, 1, tzinfo=UTC)
OLD, YOUNG = "2026-03-29", "2026-03-30"


def keeping(home: Home, **interface: str) -> Contract:
    declaration = copy.deepcopy(SHOP)
    declaration["interface"] |= interface or {"keep_archive": "40 days"}
    return load_one(home.path / "keeping", declaration)


def expired(home: Home, contract: Contract, **changes: Any) -> list[str]:
    return expire_archive(
        contract,
        home=home.path,
        ledger=home.ledger,
        zone="Asia/Shanghai",
        secret=no_secret,
        **{"now": NOW} | changes,
    )


def archived(home: Home) -> list[str]:
    return sorted(path.name for path in (home.folder / "archive").iterdir())


def deliver(home: Home, number: int, day: str, **changes: Any) -> str:
    """Land a file in the morning of its business date."""
    sent: str = home.send([row(number)], sequence=number, day=day, **changes).name
    land_source(
        home.contract,
        home=home.path,
        ledger=home.ledger,
        pii=home.pii,
        now=datetime.fromisoformat(f"{day}T09:00:00+08:00"),
        zone="Asia/Shanghai",
        at=home.at,
    )
    return sent


def test_files_older_than_is_agreed_leave_the_archive_with_their_logs(home: Home) -> None:
    old, young = deliver(home, 1, OLD), deliver(home, 2, YOUNG)
    (home.folder / "archive" / "unknown.txt").write_text("nobody's")
    contract = keeping(home)
    would = expired(home, contract, dry_run=True)
    assert would == [old, f"{old}.send.log", f"{old}.read.log"] and old in archived(home)
    assert expired(home, contract) == would
    assert archived(home) == [young, f"{young}.read.log", f"{young}.send.log", "unknown.txt"]
    assert expired(home, contract) == []
    assert len(home.rows()) == 2, "what was landed stays as long as its stream says"


def test_the_time_that_a_stream_is_kept_bounds_its_archive_too(home: Home) -> None:
    old = deliver(home, 1, OLD)
    assert expired(home, home.contract) == []
    declaration = copy.deepcopy(SHOP)
    declaration["streams"]["sales"]["keep"] = "40 days"
    assert old in expired(home, load_one(home.path / "keeping", declaration))


def test_a_history_stays_in_the_archive_as_long_as_a_file_of_the_day_it_came(home: Home) -> None:
    history = home.send([row(1)], day="2025-01-01").name
    home.land()  # on 2026-03-31, forty days before 2026-05-10
    contract = keeping(home)
    assert expired(home, contract, now=datetime(2026, 5, 9, 16, tzinfo=UTC)) == []
    assert history in expired(home, contract, now=datetime(2026, 5, 10, 16, tzinfo=UTC))


def test_what_is_not_confirmed_yet_stays(home: Home) -> None:
    def die(step: str) -> None:
        if step == "archived":
            raise KeyboardInterrupt

    home.at = die
    with pytest.raises(KeyboardInterrupt):
        deliver(home, 1, OLD)
    home.at = lambda step: None
    assert expired(home, keeping(home)) == []
    home.land()
    assert len(expired(home, keeping(home))) == 3


def test_of_two_files_of_one_name_the_younger_stays(home: Home) -> None:
    deliver(home, 1, OLD, name="sales.txt")
    deliver(home, 2, YOUNG, name="sales.txt")
    young = next(one for one in home.ledger.batches() if one.business_date.day == 30)
    assert expired(home, keeping(home)) == ["sales.txt"]
    own = f"sales.txt.{young.batch_id[:12]}"
    assert own in archived(home) and "sales.txt" not in archived(home)


def test_the_younger_of_two_files_stays_under_the_plain_name_too(home: Home) -> None:
    deliver(home, 1, YOUNG, name="sales.txt")
    deliver(home, 2, OLD, name="sales.txt")
    old = next(one for one in home.ledger.batches() if one.business_date.day == 29)
    own = f".{old.batch_id[:12]}"
    names = [f"sales.txt{end}{own}" for end in ("", ".send.log", ".read.log")]
    assert expired(home, keeping(home)) == names
    assert archived(home) == ["sales.txt", "sales.txt.read.log", "sales.txt.send.log"]


def test_landing_again_what_was_deleted_says_so(home: Home) -> None:
    deliver(home, 1, OLD)
    contract = keeping(home)
    expired(home, contract)
    (batch,) = home.ledger.batches()
    with pytest.raises(RelandingRefused, match=r"deleted from the archive.* kept for 40 days"):
        reland(
            contract,
            batch.batch_id,
            home=home.path,
            ledger=home.ledger,
            pii=home.pii,
            now=NOW,
            zone="Asia/Shanghai",
        )
    assert home.ledger.batches() == [batch]


def test_nothing_is_deleted_while_the_source_is_being_landed(home: Home) -> None:
    deliver(home, 1, OLD)
    with only_one(home.path, "shop"), pytest.raises(LandingBusy):
        expired(home, keeping(home))
    assert len(archived(home)) == 3


def test_a_mail_archive_is_what_mails_are_known_by_and_is_never_bounded(home: Home) -> None:
    with pytest.raises(DeclarationError, match="belongs only to files with logs"):
        keeping(home, format="mail", keep_archive="40 days")
