"""Draining the inbox: every row once, whatever ends the process, and a changed file is noticed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.contract import SOURCES, load_contracts
from connectors.errors import InterfaceMismatch
from connectors.inbox import Inbox, InboxEvent, Submission
from connectors.inbox_landing import land_inbox
from connectors.landing import Landing, land_source
from connectors.ledger import Ledger
from connectors.pii_store import PiiStore
from connectors.sqlite_store import transaction
from tests.connectors.conftest import ENCRYPTION_KEY, NOW, PSEUDONYM_KEY

CONTRACT = load_contracts([SOURCES])["intake"]
STEPS = ["pii", "announced", "parquet_temporary", "parquet", "loaded"]


class Ended(Exception):
    """The process ends here."""


def submission(number: int, at: datetime = NOW) -> Submission:
    return Submission(
        case_no=f"HY{number:06d}",
        secret_hash="h",
        client="public",
        idempotency_key=None,
        body_hash="b",
        received_at=at,
        created_at=at,
        created_precision="second",
        kind="complaint",
        category_path="宽带/断网",
        channel="web",
        org_unit_id=None,
        text=f"第 {number} 件\n“引号”, 逗号",
        answers={"wish": "call"},
        language="zh",
        entry_point=None,
        form="feedback/1",
        reporter_key="ps",
        contacts={"phone": "ps"},
        promised_due_at=at + timedelta(days=5),
        promise={"policy_id": "p"},
        is_flood=False,
    )


def event(number: int, at: datetime = NOW) -> InboxEvent:
    return InboxEvent(
        event_no=f"HY000001:{number}",
        case_no="HY000001",
        client="c",
        idempotency_key=None,
        body_hash="b",
        received_at=at,
        event_type="public_reply",
        event_at=at,
        actor_id="c",
        actor_role="handler",
        unit_id=None,
        text="好",
    )


class InboxHome:
    """A home with an inbox that is drained."""

    def __init__(self, path: Path, ledger: Ledger, pii: PiiStore) -> None:
        self.path, self.ledger, self.pii = path, ledger, pii

    def add(self, *rows: Submission | InboxEvent) -> None:
        with Inbox(self.path / "inbox.db") as inbox, inbox.writing():
            for row in rows:
                if isinstance(row, Submission):
                    inbox.add_submission(row)
                else:
                    inbox.add_event(row)

    def drain(
        self, at: Callable[[str], None] = lambda step: None, now: datetime = NOW
    ) -> list[tuple[str, str, int]]:
        landed = land_source(
            CONTRACT,
            home=self.path,
            ledger=self.ledger,
            pii=self.pii,
            now=now,
            zone="Asia/Shanghai",
            at=at,
        )
        return [(one.stream, one.place, one.loaded) for one in landed]

    def rows(self, stream: str, columns: str) -> list[tuple[Any, ...]]:
        import duckdb

        batches = [one for one in self.ledger.loaded_batches() if one.stream == stream]
        paths = [str(self.path / (batch.path or "")) for batch in batches]
        return duckdb.sql(
            f"select {columns} from read_parquet({paths}) order by source_seq"
        ).fetchall()


@pytest.fixture
def inbox_home(tmp_path: Path) -> Any:
    with (
        Ledger(tmp_path / "ledger.db") as ledger,
        PiiStore(
            tmp_path / "pii.db", pseudonym_key=PSEUDONYM_KEY, encryption_key=ENCRYPTION_KEY
        ) as pii,
    ):
        yield InboxHome(tmp_path, ledger, pii)


def test_without_an_inbox_there_is_nothing_to_do_and_the_source_counts_as_read(
    inbox_home: InboxHome,
) -> None:
    assert inbox_home.drain() == []
    assert not (inbox_home.path / "inbox.db").exists()
    assert inbox_home.ledger.last_reads()["intake", "cases"] == NOW


def test_a_drain_takes_what_is_new_with_its_values_unchanged(inbox_home: InboxHome) -> None:
    inbox_home.add(submission(1), event(1))
    assert inbox_home.drain() == [("cases", "submission 1..1", 1), ("events", "event 1..1", 1)]
    assert inbox_home.drain() == []
    inbox_home.add(submission(2), submission(3))
    assert inbox_home.drain() == [("cases", "submission 2..3", 2)]
    rows = inbox_home.rows("cases", "case_no, content, received_at, _business_date, answers")
    assert rows[0] == (
        "HY000001",
        "第 1 件\n“引号”, 逗号",
        datetime(2026, 3, 31, 1),  # noqa: DTZ001
        NOW.date(),
        '{"wish": "call"}',
    )
    assert [row[0] for row in rows] == ["HY000001", "HY000002", "HY000003"]


@pytest.mark.parametrize("step", STEPS)
def test_a_drain_that_ends_at_any_step_is_resumed_as_the_same_batch(
    inbox_home: InboxHome, step: str
) -> None:
    inbox_home.add(*(submission(number) for number in range(1, 4)))

    def end(reached: str) -> None:
        if reached == step:
            raise Ended

    with pytest.raises(Ended):
        inbox_home.drain(end)
    announced = {batch.batch_id for batch in inbox_home.ledger.batches()}
    inbox_home.add(submission(4))
    inbox_home.drain()
    rows = inbox_home.rows("cases", "case_no")
    assert [row[0] for row in rows] == [f"HY{number:06d}" for number in range(1, 5)]
    assert announced <= {batch.batch_id for batch in inbox_home.ledger.loaded_batches()}


def test_a_long_inbox_is_drained_in_bounded_batches(inbox_home: InboxHome) -> None:
    import duckdb

    inbox_home.add(*(submission(number) for number in range(1, 8)))
    with duckdb.connect() as connection:
        landing = Landing(
            CONTRACT,
            inbox_home.path,
            inbox_home.ledger,
            inbox_home.pii,
            connection,
            NOW,
            "Asia/Shanghai",
            lambda step: None,
        )
        landed = [one.loaded for one in land_inbox(landing, rows_per_batch=3)]
    assert landed == [3, 3, 1]


def test_another_inbox_in_its_place_is_refused_and_not_skipped(inbox_home: InboxHome) -> None:
    inbox_home.add(submission(1), submission(2))
    inbox_home.drain()
    for path in inbox_home.path.glob("inbox.db*"):
        path.unlink()
    with pytest.raises(InterfaceMismatch, match="counts 0 rows"):
        inbox_home.drain()
    inbox_home.add(submission(3))
    with pytest.raises(InterfaceMismatch, match="counts 1 rows"):
        inbox_home.drain()


def test_quiet_drains_write_the_ledger_once_a_minute_and_on_each_new_day(
    inbox_home: InboxHome,
) -> None:
    late = datetime(2026, 3, 31, 15, 59, 50, tzinfo=UTC)
    for seconds, noted in ((0, 0), (5, 0), (12, 12), (40, 12), (75, 75)):
        inbox_home.drain(now=late + timedelta(seconds=seconds))
        reads = inbox_home.ledger.last_reads()
        assert reads["intake", "events"] == late + timedelta(seconds=noted)


class Reading:
    """What a store was asked while it was watched: the steps its engine took, its statements."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.steps = 0
        self.statements: set[str] = set()
        self._connection = connection

    def __enter__(self) -> Reading:
        self._connection.set_progress_handler(self._step, 1)
        self._connection.set_trace_callback(self.statements.add)
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.set_progress_handler(None, 0)
        self._connection.set_trace_callback(None)

    def _step(self) -> int:
        self.steps += 1
        return 0

    def plans(self) -> list[str]:
        queries = [one for one in self.statements if one.startswith("select")]
        return [
            str(row["detail"])
            for query in queries
            for row in self._connection.execute(f"explain query plan {query}")
        ]


def test_a_quiet_drain_and_a_look_at_what_is_loaded_cost_the_same_after_thousands_of_batches(
    inbox_home: InboxHome,
) -> None:
    inbox_home.add(*(submission(number) for number in range(1, 4)), event(1))
    inbox_home.drain()
    connection = inbox_home.ledger._connection

    def quiet() -> Reading:
        with Reading(connection) as reading:
            assert inbox_home.drain() == []
        return reading

    few = quiet()
    (known,) = inbox_home.ledger.batches(stream="cases")
    with transaction(connection):
        for number in range(4, 4004):
            for stream in ("cases", "events"):
                batch_id = f"intake-{stream}-{number}-{number}"
                inbox_home.ledger._put(
                    replace(known, batch_id=batch_id, stream=stream, sequence=number)
                )
    with Inbox(inbox_home.path / "inbox.db") as inbox, inbox.writing():
        inbox._connection.execute("update sqlite_sequence set seq = 4003")
    many = quiet()
    assert many.steps < 2 * few.steps, (few.steps, many.steps)
    assert not [plan for plan in many.plans() if plan.startswith("SCAN batch") or "B-TREE" in plan]
    with Reading(connection) as reading:
        assert len(inbox_home.ledger.loaded_keys()) == 8002
    assert reading.plans() == ["SCAN batch USING COVERING INDEX batch_loaded"]


def test_the_range_left_behind_and_the_last_landed_one_are_those_of_the_stream(
    inbox_home: InboxHome,
) -> None:
    ledger = inbox_home.ledger
    assert ledger.last_sequence("intake", "cases") == 0
    assert ledger.announced_sequence("intake", "cases") is None
    inbox_home.add(submission(1), submission(2))
    inbox_home.drain()
    (known,) = ledger.batches()
    ledger.announce(replace(known, batch_id="left", sequence=7))
    ledger.announce(replace(known, batch_id="other", stream="events", sequence=5))
    ledger.refuse(replace(known, batch_id="refused", sequence=4))
    assert ledger.last_sequence("intake", "cases") == 4
    assert ledger.announced_sequence("intake", "cases") == 7
    assert ledger.last_sequence("intake", "events") == 0
    assert [key.batch_id for key in ledger.loaded_keys()] == [known.batch_id]


def test_a_kind_that_the_contract_cannot_take_goes_to_quarantine(inbox_home: InboxHome) -> None:
    inbox_home.add(submission(1), replace(submission(2), kind="k" * 41))
    assert inbox_home.drain() == [("cases", "submission 1..2", 1)]
    assert [row.record_no for row in inbox_home.ledger.quarantine()] == [2]


def test_a_ledger_of_the_version_before_takes_the_inbox_and_keeps_its_batches(
    tmp_path: Path,
) -> None:
    from connectors.ledger_schema import MIGRATIONS
    from connectors.sqlite_store import open_store

    old = open_store(tmp_path / "ledger.db", MIGRATIONS[:2])
    old.execute(
        "insert into batch values ('b','s','t','main','2026-03-30','2026-03-30',1,'files','f','',"
        "'',null,'{}',1,1,0,'{}','loaded',null,null,null,'p','2026-03-30T00:00:00+00:00',null)"
    )
    old.close()
    with Ledger(tmp_path / "ledger.db") as ledger:
        known = ledger.batch("b")
        assert known is not None and known.path == "p"
        ledger.announce(replace(known, batch_id="i", interface="inbox"))
        assert ledger.batch("i") is not None
