"""Credentials: an initial password goes out once and is seen by nobody else; tries are counted."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher
from cryptography.fernet import Fernet

from cubes.label import Language
from notifications.credential import (
    ALPHABET,
    INITIAL_LENGTH,
    Invitation,
    Passwords,
    begin_try,
    choose,
    end_try,
    find_credential,
    invite,
    lock_after,
    reset,
)
from notifications.errors import CredentialError
from notifications.explain import explain_message
from notifications.outbox import PLACEHOLDER
from notifications.schema import audit_event, credential, message
from notifications.transports import Ambiguous, Answer, NotSent, Receipt, Submission

ROOT = Path(__file__).parents[2]
KEY = b"k" * 32
CIPHER = Fernet(Fernet.generate_key())
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def invitation(
    world: Any, language: Language = "zh", seal: Callable[[str], bytes] | None = None
) -> Invitation:
    return Invitation(KEY, seal or sealed, "http://127.0.0.1:8020", world.signatures, language)


def sealed(text: str) -> bytes:
    return CIPHER.encrypt(text.encode())


def unseal(secret: bytes) -> str:
    return CIPHER.decrypt(secret).decode()


def invite_all(world: Any, seal: Callable[[str], bytes] | None = None) -> int:
    with world.engine.begin() as connection:
        return invite(connection, invitation(world, seal=seal), world.now)


def secrets_of(world: Any) -> list[bytes | None]:
    with world.engine.begin() as connection:
        query = sa.select(message.c.secret).where(message.c.kind == "account")
        return list(connection.execute(query.order_by(message.c.dedupe_key)).scalars())


def sent_passwords(world: Any) -> dict[str, str]:
    """Initial passwords by phone, as they were sent."""
    return {
        line["to"]: found.group(1)
        for line in world.sent()
        if (found := re.search(r"初始密码：(\w+)", line["text"]))
    }


def test_every_reachable_account_is_invited_once(world: Any) -> None:
    assert [invite_all(world), invite_all(world)] == [4, 0]
    world.tick()
    kinds = Counter(row.kind for row in world.messages())
    assert kinds["account"] == 4
    keys = [row.dedupe_key for row in world.messages() if row.kind == "account"]
    assert keys == ["account:C2:1", "account:J4:1", "account:M3:1", "account:P1:1"]


def test_who_has_no_phone_is_invited_when_one_is_known(world: Any) -> None:
    roster = world.roster()
    roster[1]["phone_key"] = None
    world.sync(roster)
    assert invite_all(world) == 3
    world.sync()
    assert invite_all(world) == 1


def test_the_password_stands_only_in_what_is_sent(world: Any) -> None:
    invite_all(world)
    world.dispatch(unseal=unseal)
    passwords = sent_passwords(world)
    assert len(set(passwords.values())) == 4
    for password in passwords.values():
        assert len(password) == INITIAL_LENGTH and set(password) <= set(ALPHABET)
    identities = [row.message_id for row in world.messages()]
    with world.engine.begin() as connection:
        for identity in identities:
            story = explain_message(connection, identity)
            assert PLACEHOLDER in story.text
            assert not any(password in repr(story) for password in passwords.values())
    content = b"".join(path.read_bytes() for path in world.folder.glob("ops.db*"))
    assert not any(password.encode() in content for password in passwords.values())


def credentials(world: Any) -> list[Any]:
    with world.engine.begin() as connection:
        return list(connection.execute(sa.select(credential)))


def test_the_secret_is_wiped_when_the_message_is_accepted(world: Any) -> None:
    invite_all(world)
    assert all(secrets_of(world))
    world.dispatch(unseal=unseal)
    assert secrets_of(world) == [None] * 4


def test_the_secret_is_wiped_when_the_message_expires_or_is_cancelled(world: Any) -> None:
    invite_all(world)
    world.sync([row for row in world.roster() if row["staff_id"] != "P1"])
    world.dispatch(unseal=unseal, now=world.now + timedelta(days=4))
    assert {row.state for row in world.messages()} == {"expired"}
    assert secrets_of(world) == [None] * 4


def test_a_secret_that_cannot_be_opened_is_not_sent_as_dots(world: Any) -> None:
    invite_all(world)
    report = world.dispatch(unseal=lambda _sealed: None)
    assert (report.refused, report.submitted) == (4, 0)
    assert {row.reason for row in world.messages()} == {"secret_unreadable"}


@pytest.mark.parametrize("moment", ["before the write", "half a line written", "after the write"])
def test_a_killed_dispatcher_sends_each_password_once(world: Any, moment: str) -> None:
    roster = world.roster()
    roster += [
        world.roster_row(f"X{n}", "CD1", "county_manager", phone_key=f"1380000001{n}")
        for n in range(8)
    ]
    world.sync(roster)
    # The child has no key: what matters here is when a secret is opened and wiped.
    invite_all(world, str.encode)
    child = subprocess.run(
        [
            sys.executable,
            str(Path(__file__).with_name("killed_dispatcher.py")),
            str(world.engine.url),
            str(world.sent_path),
            moment,
            world.now.isoformat(),
        ],
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        timeout=60,
        check=False,
    )
    assert child.returncode == -signal.SIGKILL
    invite_all(world, str.encode)
    world.dispatch(unseal=bytes.decode, reveal=lambda pseudonym: f"+86{pseudonym}")
    assert set(Counter(line["message_id"] for line in world.sent()).values()) == {1}
    assert len(world.sent()) == 12
    assert secrets_of(world) == [None] * 12


def test_the_text_is_counted_as_it_is_sent(world: Any) -> None:
    with world.engine.begin() as connection:
        invite(connection, invitation(world, "en"), world.now)
    row = world.messages()[0]
    assert (row.encoding, row.segments) == ("gsm7", 1)
    world.dispatch(unseal=unseal)
    assert {line["parts"] for line in world.sent()} == {1}


def test_the_sent_password_fits_and_no_other_does(world: Any) -> None:
    invite_all(world)
    world.dispatch(unseal=unseal)
    passwords = Passwords(CHEAP, KEY)
    with world.engine.begin() as connection:
        stored = find_credential(connection, "C2")
    assert stored is not None and stored.must_change
    sent = sent_passwords(world)["13800000002"]
    assert passwords.fits(stored, sent)
    assert passwords.fits(stored, f" {sent.upper()} "), "people copy it from an SMS"
    assert not passwords.fits(stored, sent_passwords(world)["13800000001"])
    assert not Passwords(CHEAP, b"other" * 8).fits(stored, sent)
    assert not passwords.fits(None, sent)


def test_a_reset_replaces_the_password_and_cancels_what_was_not_sent(world: Any) -> None:
    invite_all(world)
    with world.engine.begin() as connection:
        assert reset(connection, invitation(world), "C2", world.now, actor="P1") == 2
    states = {row.dedupe_key: (row.state, row.reason) for row in world.messages()}
    assert states["account:C2:1"] == ("cancelled", "password_reset")
    assert states["account:C2:2"] == ("queued", None)
    world.dispatch(unseal=unseal)
    assert len(world.sent()) == 4
    with world.engine.begin() as connection:
        noted = connection.execute(
            sa.select(audit_event.c.actor).where(audit_event.c.action == "password_reset")
        ).scalars()
        assert list(noted) == ["P1"]


def test_an_unknown_account_cannot_be_reset(world: Any) -> None:
    with pytest.raises(CredentialError, match="account list"), world.engine.begin() as connection:
        reset(connection, invitation(world), "nobody", world.now, actor="command")


def test_weak_passwords_are_named_for_what_they_are(world: Any) -> None:
    invite_all(world)
    world.dispatch(unseal=unseal)
    passwords = Passwords(CHEAP, KEY)
    with world.engine.begin() as connection:
        stored = find_credential(connection, "C2")
    assert stored is not None
    sent = sent_passwords(world)["13800000002"]

    def weakness(text: str) -> str | None:
        return passwords.weakness(stored, text, is_own_phone=lambda one: one == "13800000002")

    assert weakness("short") == "too_short"
    assert weakness("x" * 129) == "too_long"
    assert weakness("13800000002") == "phone"
    assert weakness(sent) == "initial"
    assert weakness("Password123") == "common"
    assert weakness("ababababab") == "common"
    assert weakness("四个不相干的词语连起来") is None
    assert weakness("horse battery") is None


def test_a_chosen_password_is_kept_as_argon2_and_fits(world: Any) -> None:
    invite_all(world)
    passwords = Passwords(CHEAP, KEY)
    with world.engine.begin() as connection:
        choose(connection, "C2", passwords.hash("horse battery"), world.now)
        stored = find_credential(connection, "C2")
    assert stored is not None
    assert stored.hash.startswith("$argon2id$")
    assert passwords.fits(stored, "horse battery") and not passwords.fits(stored, "Horse battery")
    same = passwords.weakness(stored, "horse battery", is_own_phone=lambda _text: False)
    assert same == "same"


def test_the_lock_comes_at_five_and_grows() -> None:
    assert [lock_after(n) for n in (1, 4, 6)] == [None] * 3
    assert lock_after(5) == timedelta(minutes=15)
    assert lock_after(10) == timedelta(minutes=30)
    assert lock_after(15) == timedelta(hours=1)
    assert lock_after(5 * 40) == timedelta(hours=24)


def test_tries_at_the_same_moment_are_all_counted(world: Any) -> None:
    invite_all(world)

    def attempt(_number: int) -> bool:
        with world.engine.begin() as connection:
            return begin_try(connection, "C2", world.now)

    with ThreadPoolExecutor(8) as pool:
        admitted = list(pool.map(attempt, range(40)))
    assert sum(admitted) == 5


def test_the_right_password_forgets_the_wrong_ones(world: Any) -> None:
    invite_all(world)
    with world.engine.begin() as connection:
        for _ in range(4):
            assert begin_try(connection, "C2", world.now)
        assert begin_try(connection, "C2", world.now)
        end_try(connection, "C2", world.now, world.now, is_right=True)
        assert begin_try(connection, "C2", world.now)
    row = next(row for row in credentials(world) if row.account_id == "C2")
    assert (row.failed_count, row.locked_until) == (1, None)


class Silent:
    """A gateway that gives one answer to everything it is handed."""

    gateway = "silent"
    is_exclusive = False
    hold = timedelta(minutes=1)

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.texts: list[str] = []

    def submit(self, group: Sequence[Submission], now: datetime) -> list[Answer]:
        self.texts += [one.text for one in group]
        return [self.answer] * len(group)

    def receipts(self) -> list[Receipt]:
        return []

    def acknowledge(self, receipts: Sequence[Receipt]) -> None:
        return

    def close(self) -> None:
        return


def test_a_reset_cancels_an_invitation_in_doubt_so_that_no_dead_password_goes_out(
    world: Any,
) -> None:
    invite_all(world)
    gateway = Silent(Ambiguous("timeout"))
    world.dispatch(unseal=unseal, transport=gateway)
    with world.engine.begin() as connection:
        reset(connection, invitation(world), "C2", world.now, actor="P1")
    rows = {row.dedupe_key: row for row in world.messages()}
    first = rows["account:C2:1"]
    assert (first.state, first.reason, first.secret) == ("cancelled", "password_reset", None)
    assert rows["account:J4:1"].state == "in_doubt"
    gateway.texts.clear()
    world.dispatch(now=world.now + timedelta(minutes=2), unseal=unseal, transport=gateway)
    assert len(gateway.texts) == 4, "the new one, and the other three again"


@pytest.mark.parametrize("chosen", [False, True])
def test_a_password_replaced_while_it_was_being_sent_is_not_sent_again(
    world: Any, chosen: bool
) -> None:
    invite_all(world)
    gateway = Silent(NotSent("down"))
    handed_over = gateway.submit

    def submit(group: Sequence[Submission], now: datetime) -> list[Answer]:
        with world.engine.begin() as connection:
            if chosen:
                choose(connection, "C2", "hash", world.now)
            else:
                reset(connection, invitation(world), "C2", world.now, actor="P1")
        return handed_over(group, now)

    gateway.submit = submit  # type: ignore[method-assign]
    world.dispatch(unseal=unseal, transport=gateway, until_empty=False)
    gateway.submit = handed_over  # type: ignore[method-assign]
    world.dispatch(now=world.now + timedelta(minutes=2), unseal=unseal, transport=gateway)
    first = next(row for row in world.messages() if row.dedupe_key == "account:C2:1")
    assert (first.state, first.reason) == ("cancelled", "password_replaced")
    assert first.secret is None
