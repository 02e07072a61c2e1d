"""The one writer of the inbox: no request ends it, and it does not end without its process."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import InboxUnavailable
from connectors.inbox import Inbox, _stored
from connectors.inbox_schema import MIGRATIONS
from connectors.inbox_writer import InboxWriter
from connectors.pii_store import PiiStore
from connectors.sqlite_store import open_store
from pipelines.settings import PROJECT_ROOT
from tests.connectors.conftest import ENCRYPTION_KEY, NOW, PSEUDONYM_KEY
from tests.connectors.intake.server import CLOCK, Server
from tests.connectors.test_inbox_landing import submission
from tests.journeys.product import clean_environment
from tests.peers.ports import free_port


class FaultyStore(PiiStore):
    """A store that raises what it is given, once."""

    fault: BaseException | None = None

    def keep_values(self, *arguments: Any, **named: Any) -> None:
        fault, self.fault = self.fault, None
        if fault is not None:
            raise fault
        super().keep_values(*arguments, **named)


class Writing:
    """A writer with its inbox; `died` is set when its thread ended by itself."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "inbox.db"
        self.pii: FaultyStore
        self.died = threading.Event()
        self._pii_path = folder / "pii.db"
        self.writer = InboxWriter(self.path, self._open_pii, on_death=self.died.set)

    def _open_pii(self) -> PiiStore:
        self.pii = FaultyStore(
            self._pii_path, pseudonym_key=PSEUDONYM_KEY, encryption_key=ENCRYPTION_KEY
        )
        return self.pii

    def add(self, number: int) -> Future[Any]:
        return self.writer.submit(lambda inbox: inbox.add_submission(submission(number)), now=NOW)

    def hold(self) -> Callable[[], None]:
        """Keep the writer busy until the returned function is called."""
        begun, released = threading.Event(), threading.Event()

        def wait(_: Inbox) -> None:
            begun.set()
            released.wait(60)

        self.writer.submit(wait, now=NOW)
        assert begun.wait(60)
        return released.set

    def stored(self) -> list[str]:
        with sqlite3.connect(self.path) as inbox:
            return [row[0] for row in inbox.execute("select case_no from submission order by seq")]


@pytest.fixture
def writing(tmp_path: Path) -> Iterator[Writing]:
    made = Writing(tmp_path)
    yield made
    made.writer.close()


def test_a_request_that_was_cancelled_while_it_waited_is_not_written_and_ends_nothing(
    writing: Writing,
) -> None:
    release = writing.hold()
    before, cancelled, after = writing.add(1), writing.add(2), writing.add(3)
    assert cancelled.cancel()
    release()
    assert before.result(60) is None and after.result(60) is None
    assert writing.add(4).result(60) is None
    assert writing.stored() == ["HY000001", "HY000003", "HY000004"]


def test_a_window_of_cancelled_requests_alone_writes_nothing_and_ends_nothing(
    writing: Writing,
) -> None:
    release = writing.hold()
    assert writing.add(1).cancel() and writing.add(2).cancel()
    release()
    assert writing.add(3).result(60) is None
    assert writing.stored() == ["HY000003"]


def test_a_request_that_is_being_written_is_kept_though_nobody_waits_any_more(
    writing: Writing,
) -> None:
    begun, released = threading.Event(), threading.Event()

    def write(inbox: Inbox) -> None:
        begun.set()
        released.wait(60)
        inbox.add_submission(submission(1))

    answer = writing.writer.submit(write, now=NOW)
    assert begun.wait(60)
    assert not answer.cancel()
    released.set()
    assert answer.result(60) is None and writing.stored() == ["HY000001"]


@pytest.mark.parametrize("fault", [RuntimeError("x"), MemoryError(), KeyError("x")], ids=repr)
def test_an_unexpected_fault_fails_its_window_typed_and_the_next_one_is_written(
    writing: Writing, fault: Exception
) -> None:
    writing.pii.fault = fault
    with pytest.raises(InboxUnavailable, match=type(fault).__name__) as refused:
        writing.add(1).result(60)
    assert refused.value.__cause__ is fault
    assert writing.add(2).result(60) is None
    assert writing.writer.is_alive and not writing.died.is_set()
    assert writing.stored() == ["HY000002"]


def test_a_writer_that_dies_refuses_all_that_wait_and_says_so(writing: Writing) -> None:
    release = writing.hold()
    waiting = [writing.add(number) for number in range(600)]
    writing.pii.fault = SystemExit()
    release()
    for answer in waiting:
        with pytest.raises(InboxUnavailable):
            answer.result(60)
    assert writing.died.wait(60) and not writing.writer.is_alive
    with pytest.raises(InboxUnavailable):
        writing.add(1000).result(60)
    assert writing.stored() == []


def test_an_inbox_of_the_version_before_keeps_its_rows_and_takes_one_key_for_two_bodies(
    tmp_path: Path,
) -> None:
    keyed = replace(submission(1), idempotency_key="k" * 16)
    path = tmp_path / "inbox.db"
    open_store(path, MIGRATIONS[:1]).close()
    with sqlite3.connect(path) as old:
        names = [column.name for column in fields(keyed) if column.name != "seq"]
        values = [_stored(getattr(keyed, name)) for name in names]
        marks = ", ".join("?" for _ in names)
        old.execute(f"insert into submission ({', '.join(names)}) values ({marks})", values)
    with Inbox(path) as inbox:
        with inbox.writing():
            inbox.add_submission(replace(submission(2), idempotency_key="k" * 16, body_hash="c"))
        for body_hash, number in (("b", 1), ("c", 2)):
            known = inbox.submission_by_key("public", "k" * 16, body_hash)
            assert known is not None and known.case_no == f"HY{number:06d}"
        with pytest.raises(sqlite3.IntegrityError), inbox.writing():
            inbox.add_submission(replace(submission(3), idempotency_key="k" * 16))


DYING = """
import sys
from connectors.inbox_writer import InboxWriter

def dies(*_):
    raise SystemExit

InboxWriter._commit = dies
from tests.connectors.intake.serving import main
main(*sys.argv[1:])
"""


def test_a_server_whose_writer_died_ends_so_that_it_is_started_again(tmp_path: Path) -> None:
    server = Server(tmp_path / "home", port=free_port())
    process = subprocess.Popen(
        [sys.executable, "-c", DYING, str(server.home), str(server.port)],
        cwd=PROJECT_ROOT,
        env=clean_environment(server.home, HUIYIN_CLOCK=CLOCK),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        server.process = process
        server.wait()
        answer = server.request("POST", "/v1/feedback", data={"kind": "praise", "text": "好"})
        assert answer.status == 503 and answer.json["code"] == "unavailable"
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode != 0
    assert "writer of the inbox ended" in output
