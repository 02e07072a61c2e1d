"""The dispatcher: every message goes out once, whatever happens in between."""

from __future__ import annotations

import dataclasses
import os
import random
import signal
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from notifications.dispatcher import file_transport, retry_after
from notifications.errors import GatewayBusy, OutboxError, TransportError
from notifications.explain import explain_message
from notifications.lease import take_lease
from notifications.outbox import NewMessage, advance, counts, enqueue, message_id
from notifications.schema import METADATA, attempt, suppression
from notifications.sms import TextLine, fit
from notifications.transports import (
    Accepted,
    Ambiguous,
    Answer,
    NotSent,
    Receipt,
    Rejected,
    Submission,
)

ROOT = Path(__file__).parents[2]


class Scripted:
    """A gateway that gives the answers it is told to give, then accepts everything."""

    gateway = "scripted"
    is_exclusive = False

    def __init__(self, *answers: Answer, hold: timedelta = timedelta(minutes=1)) -> None:
        self.answers = list(answers)
        self.hold = hold
        self.submitted: list[Submission] = []
        self.pending: list[Receipt] = []

    def submit(self, group: Sequence[Submission], now: datetime) -> list[Answer]:
        self.submitted += group
        return [
            self.answers.pop(0) if self.answers else Accepted(f"ID{one.reference}") for one in group
        ]

    def receipts(self) -> list[Receipt]:
        return list(self.pending)

    def acknowledge(self, receipts: Sequence[Receipt]) -> None:
        self.pending = [one for one in self.pending if one not in receipts]

    def close(self) -> None:
        """Nothing to give back."""


def fill(world: Any, count: int, **changes: Any) -> list[str]:
    """Put messages to the manager of Chengdu into the outbox; return their ids."""
    base = NewMessage(
        dedupe_key="",
        kind="digest",
        subject_id="daily_sales",
        account_id="C2",
        contact_id="C2:sms",
        language="zh",
        body=fit("【回音】", [TextLine(1, "成都3月30日销售收入¥15万")], 2),
        figures={"revenue": "150000"},
        snapshot="s1",
        due_at=world.now,
        expires_at=world.now + timedelta(hours=12),
    )
    new = [
        dataclasses.replace(base, **{"dedupe_key": f"digest:{number}:0", **changes})
        for number in range(count)
    ]
    with world.engine.begin() as connection:
        enqueue(connection, new, world.now)
    return [message_id(one.dedupe_key) for one in new]


def states(world: Any) -> dict[str, int]:
    """Messages by state."""
    with world.engine.begin() as connection:
        return counts(connection)


def test_a_message_is_sent_delivered_and_explained_without_a_number(world: Any) -> None:
    (identity,) = fill(world, 1)
    report = world.dispatch()
    assert (report.submitted, report.accepted, report.delivered) == (1, 1, 1)
    (line,) = world.sent()
    assert (line["to"], line["parts"]) == ("13800000002", 1)
    assert line["text"] == "【回音】成都3月30日销售收入¥15万"
    assert stat.S_IMODE(world.sent_path.stat().st_mode) == 0o600
    with world.engine.begin() as connection:
        story = explain_message(connection, identity)
    assert (story.state, story.subject_id, story.figures) == (
        "delivered",
        "daily_sales",
        {"revenue": "150000"},
    )
    assert [(one.ordinal, one.state, len(one.receipts)) for one in story.attempts] == [
        (1, "delivered", 1)
    ]
    assert "13800000002" not in repr(story)
    assert "key-C2" not in repr(story)


def test_no_table_ever_holds_a_number(world: Any) -> None:
    fill(world, 3)
    world.dispatch()
    with world.engine.begin() as connection:
        for table in METADATA.sorted_tables:
            for row in connection.execute(sa.select(table)):
                assert "1380000000" not in repr(row), table.name


def test_enqueueing_twice_adds_nothing(world: Any) -> None:
    fill(world, 2)
    fill(world, 3)
    assert states(world) == {"queued": 3}


def test_dispatching_again_sends_nothing_again(world: Any) -> None:
    fill(world, 3)
    world.dispatch()
    assert world.dispatch().submitted == 0
    assert len(world.sent()) == 3


MOMENTS = [
    "before the write",
    "half a line written",
    "half the group written",
    "after the write",
    "before the receipts",
    "before the acknowledgement",
]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_dispatcher_loses_and_doubles_no_message(world: Any, moment: str) -> None:
    identities = fill(world, 10)
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
    world.dispatch()
    assert Counter(line["message_id"] for line in world.sent()) == Counter(identities)
    assert states(world) == {"delivered": 10}


def test_a_throttled_and_a_failing_gateway_is_tried_again_later(world: Any) -> None:
    fill(world, 2)
    gateway = Scripted(Rejected("throttled", "throttle"), NotSent("connection reset"))
    report = world.dispatch(transport=gateway)
    assert (report.retried, report.waiting) == (2, 2)
    assert world.dispatch(transport=gateway).submitted == 0
    report = world.dispatch(now=world.now + timedelta(seconds=31), transport=gateway)
    assert (report.submitted, report.accepted) == (2, 2)


def test_the_wait_doubles_up_to_a_quarter_of_an_hour(world: Any) -> None:
    rng = random.Random(7)
    for attempts, seconds in [(1, 30), (2, 60), (5, 480), (6, 900), (40, 900)]:
        waits = [retry_after(attempts, rng).total_seconds() for _ in range(50)]
        assert seconds / 2 <= min(waits) < max(waits) <= seconds


def test_a_refused_number_is_not_tried_again(world: Any) -> None:
    fill(world, 1)
    gateway = Scripted(Rejected("no such number", "permanent"))
    world.dispatch(transport=gateway)
    assert states(world) == {"dead": 1}
    assert world.messages()[0].reason == "no such number"


def test_retrying_ends_when_the_message_expires(world: Any) -> None:
    fill(world, 1, expires_at=world.now + timedelta(minutes=1))
    gateway = Scripted(NotSent("down"))
    world.dispatch(transport=gateway)
    report = world.dispatch(now=world.now + timedelta(minutes=1), transport=gateway)
    assert (report.expired, report.submitted) == (1, 0)


def test_an_uncertain_message_waits_for_its_receipt_and_is_not_sent_again(world: Any) -> None:
    fill(world, 1)
    gateway = Scripted(Ambiguous("timeout"))
    assert world.dispatch(transport=gateway).waiting == 1
    assert states(world) == {"in_doubt": 1}
    reference = gateway.submitted[0].reference
    gateway.pending = [Receipt("r1", "0A1B", "delivered", reference)]
    report = world.dispatch(now=world.now + timedelta(minutes=5), transport=gateway)
    assert (report.resolved, report.submitted) == (1, 0)
    assert states(world) == {"delivered": 1}


def test_after_the_hold_an_uncertain_digest_is_sent_again(world: Any) -> None:
    fill(world, 1)
    gateway = Scripted(Ambiguous("timeout"))
    world.dispatch(transport=gateway)
    early = world.dispatch(now=world.now + timedelta(seconds=59), transport=gateway)
    assert early.submitted == 0
    late = world.dispatch(now=world.now + timedelta(seconds=60), transport=gateway)
    assert late.submitted == 1
    assert [one.reference[-2:] for one in gateway.submitted] == [".1", ".2"]


def test_after_the_hold_a_message_of_the_other_policy_is_left_for_a_person(world: Any) -> None:
    fill(world, 1, in_doubt_policy="ask")
    gateway = Scripted(Ambiguous("timeout"))
    world.dispatch(transport=gateway)
    report = world.dispatch(now=world.now + timedelta(seconds=60), transport=gateway)
    assert (report.unknown, report.submitted) == (1, 0)
    assert states(world) == {"unknown": 1}


def test_every_change_of_an_attempt_moves_its_mark_and_no_repetition_the_planned_time(
    world: Any,
) -> None:
    (identity,) = fill(world, 1, in_doubt_policy="ask")
    gateway = Scripted(NotSent("down"), Ambiguous("timeout"))

    def seen() -> list[tuple[str, float]]:
        with world.engine.begin() as connection:
            rows = connection.execute(
                sa.select(attempt.c.state, attempt.c.changed_at).order_by(attempt.c.ordinal)
            )
            return [(row.state, (row.changed_at - world.now).total_seconds()) for row in rows]

    world.dispatch(transport=gateway)
    assert seen() == [("not_sent", 0)]
    world.dispatch(now=world.now + timedelta(seconds=30), transport=gateway)
    assert seen() == [("not_sent", 0), ("in_doubt", 30)]
    world.dispatch(now=world.now + timedelta(seconds=90), transport=gateway)
    assert seen() == [("not_sent", 0), ("unproved", 90)]
    gateway.pending = [Receipt("r1", "X", "delivered", f"{identity}.2")]
    world.dispatch(now=world.now + timedelta(seconds=300), transport=gateway)
    assert seen() == [("not_sent", 0), ("delivered", 300)]
    (row,) = world.messages()
    assert (row.planned_at, row.unit_id) == (world.now, "CD")
    assert row.due_at > row.planned_at


def test_a_late_receipt_stops_the_second_attempt(world: Any) -> None:
    (identity,) = fill(world, 1)
    gateway = Scripted(Ambiguous("timeout"), NotSent("down"))
    world.dispatch(transport=gateway)
    world.dispatch(now=world.now + timedelta(seconds=60), transport=gateway)
    gateway.pending = [Receipt("r1", "X", "delivered", f"{identity}.1")]
    world.dispatch(now=world.now + timedelta(seconds=600), transport=gateway)
    assert (len(gateway.submitted), states(world)) == (2, {"delivered": 1})


def test_a_receipt_that_comes_twice_or_for_a_stranger_changes_nothing(world: Any) -> None:
    fill(world, 1)
    gateway = Scripted()
    world.dispatch(transport=gateway)
    one = Receipt("r1", f"ID{gateway.submitted[0].reference}", "delivered", None)
    gateway.pending = [
        one,
        dataclasses.replace(one, token="r2"),
        Receipt("r3", "?", "delivered", None),
    ]
    world.dispatch(transport=gateway)
    gateway.pending = [one]
    world.dispatch(transport=gateway)
    assert states(world) == {"delivered": 1}


def test_whoever_left_opted_out_or_has_no_number_gets_nothing(world: Any) -> None:
    fill(world, 1)
    fill(world, 1, dedupe_key="to M3", account_id="M3", contact_id="M3:sms")
    fill(world, 1, dedupe_key="to J4", account_id="J4", contact_id="J4:sms")
    rows = world.roster()
    rows[1]["is_active"] = False
    world.sync(rows)
    with world.engine.begin() as connection:
        connection.execute(
            suppression.insert().values(pseudonym="key-M3", reason="STOP", created_at=world.now)
        )
    del world.phones["key-J4"]
    world.dispatch()
    assert states(world) == {"cancelled": 1, "dead": 1, "suppressed": 1}
    assert world.sent() == []


def test_the_number_is_the_one_of_the_moment_of_sending(world: Any) -> None:
    fill(world, 1)
    rows = world.roster()
    rows[1]["phone_key"] = "key-new"
    world.sync(rows)
    world.phones["key-new"] = "13911112222"
    world.dispatch()
    assert world.sent()[0]["to"] == "13911112222"


def test_alerts_go_before_digests(world: Any) -> None:
    fill(world, 2)
    fill(world, 1, dedupe_key="alert", kind="alert", priority=1)
    world.dispatch()
    assert world.sent()[0]["message_id"] == message_id("alert")


def test_a_second_dispatcher_is_turned_away(world: Any) -> None:
    first = file_transport(world.sent_path)
    with pytest.raises(GatewayBusy, match="another dispatcher has it open"):
        file_transport(world.sent_path)
    first.close()
    with world.engine.begin() as connection:
        take_lease(connection, "scripted", "elsewhere", world.now, is_alone=False)
    with pytest.raises(GatewayBusy, match="elsewhere holds its lease"):
        world.dispatch(transport=Scripted())
    world.dispatch(now=world.now + timedelta(seconds=60), transport=Scripted())


def test_a_state_that_does_not_follow_is_refused(world: Any) -> None:
    (identity,) = fill(world, 1)
    world.dispatch()
    with (
        world.engine.begin() as connection,
        pytest.raises(OutboxError, match="it is 'delivered'"),
    ):
        advance(connection, [identity], "queued", world.now)
    with world.engine.begin() as connection, pytest.raises(OutboxError, match="no such message"):
        explain_message(connection, "nothing")


def test_the_intent_is_in_the_store_before_the_gateway_sees_the_message(world: Any) -> None:
    fill(world, 1)
    seen: list[str] = []

    class Watching(Scripted):
        def submit(self, group: Sequence[Submission], now: datetime) -> list[Answer]:
            with world.engine.begin() as connection:
                seen.extend(connection.execute(sa.select(attempt.c.state)).scalars())
            return super().submit(group, now)

    world.dispatch(transport=Watching())
    assert seen == ["intent"]


def test_a_damaged_record_of_the_file_transport_is_reported_and_not_skipped(world: Any) -> None:
    world.sent_path.parent.mkdir()
    world.sent_path.write_text("not json\n", encoding="utf-8")
    with pytest.raises(TransportError, match="line 1"):
        world.dispatch()


def test_an_interrupted_attempt_waits_for_the_hold_of_a_gateway_that_may_have_taken_it(
    world: Any,
) -> None:
    fill(world, 1)

    class Broken(Scripted):
        def submit(self, group: Sequence[Submission], now: datetime) -> list[Answer]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.dispatch(transport=Broken())
    gateway = Scripted()
    world.dispatch(now=world.now + timedelta(seconds=1), transport=gateway)
    assert (gateway.submitted, states(world)) == ([], {"in_doubt": 1})
    world.dispatch(now=world.now + timedelta(seconds=61), transport=gateway)
    assert len(gateway.submitted) == 1
