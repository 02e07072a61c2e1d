"""Group commit: one thread writes what many requests bring, durably, before any is answered.

Requests that arrive within a few milliseconds share one transaction of the PII store and one of
the inbox, so that a flood costs two fsyncs per window instead of two per request. Contacts go
first: a pseudonym in the inbox always has its person.

A request that is cancelled while it waits is not written; one that is cancelled after its window
has begun is written and stays unanswered.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from connectors.errors import ConnectorError, InboxUnavailable
from connectors.inbox import Inbox
from connectors.pii_store import PiiStore

WINDOW_SECONDS = 0.005
_MOST_WAITING = 2_000
_MOST_TOGETHER = 500
_log = logging.getLogger("huiyin.intake")


class Writer(Protocol):
    """Who takes what shall be written; `InboxWriter` says how."""

    @property
    def is_alive(self) -> bool:
        """Whether it still takes requests."""

    def submit(
        self,
        write: Callable[[Inbox], Any],
        *,
        now: datetime,
        values: Mapping[str, tuple[str, str]] | None = None,
    ) -> Future[Any]:
        """Hand in one request."""

    def close(self) -> None:
        """End once what was accepted is written."""


class TrialWriter:
    """A writer that lets every request decide and then takes back what it did."""

    is_alive = True

    def __init__(self, path: Path) -> None:
        self._path = path

    def submit(
        self,
        write: Callable[[Inbox], Any],
        *,
        now: datetime,
        values: Mapping[str, tuple[str, str]] | None = None,
    ) -> Future[Any]:
        """Run a request in a transaction of its own that is rolled back."""
        answer: Future[Any] = Future()
        threading.Thread(target=self._try, args=(write, answer), daemon=True).start()
        return answer

    def close(self) -> None:
        """Nothing is open."""

    def _try(self, write: Callable[[Inbox], Any], answer: Future[Any]) -> None:
        try:
            with Inbox(self._path) as inbox:
                try:
                    with inbox.writing():
                        raise _Decided(write(inbox))
                except _Decided as decided:
                    answer.set_result(decided.answer)
        except (sqlite3.Error, OSError) as error:
            refused = InboxUnavailable(str(error))
            refused.__cause__ = error
            answer.set_exception(refused)
        except Exception as error:
            answer.set_exception(error)


class _Decided(Exception):
    def __init__(self, answer: Any) -> None:
        self.answer = answer
        super().__init__()


@dataclass(frozen=True)
class _Request:
    """`write` decides and adds inside the shared transaction; `values` are contacts to keep."""

    write: Callable[[Inbox], Any]
    values: Mapping[str, tuple[str, str]]
    now: datetime
    answer: Future[Any] = field(default_factory=Future)


class InboxWriter:
    """The one writer of an inbox in this process; `close` waits for what was accepted.

    `open_pii` opens the PII store in the writer's own thread. `on_death` is called in that thread
    if it ends though nobody closed it; nothing can be taken any more, so it should end the process.
    Raises StoreError if either store cannot be opened.
    """

    def __init__(
        self,
        path: Path,
        open_pii: Callable[[], PiiStore],
        *,
        on_death: Callable[[], None],
        window_seconds: float = WINDOW_SECONDS,
    ) -> None:
        self._waiting: queue.Queue[_Request | None] = queue.Queue(_MOST_WAITING)
        self._window = window_seconds
        self._on_death = on_death
        self._ended = threading.Event()
        self._is_closing = False
        opened: Future[None] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(path, open_pii, opened), name="inbox-writer", daemon=True
        )
        self._thread.start()
        opened.result()

    @property
    def is_alive(self) -> bool:
        """Whether the writer still takes requests."""
        return not self._ended.is_set() and self._thread.is_alive()

    def submit(
        self,
        write: Callable[[Inbox], Any],
        *,
        now: datetime,
        values: Mapping[str, tuple[str, str]] | None = None,
    ) -> Future[Any]:
        """Hand in one request; its future is done once the answer may be given.

        `write` runs in the writer's thread; what it returns or raises becomes the answer after the
        commit. The future fails with InboxUnavailable when the commit did. Raises InboxUnavailable
        at once when too many wait or the writer has ended.
        """
        request = _Request(write, values or {}, now)
        if not self.is_alive:
            raise InboxUnavailable("the writer has ended")
        try:
            self._waiting.put_nowait(request)
        except queue.Full as error:
            raise InboxUnavailable("too many requests are waiting") from error
        if self._ended.is_set():
            # It ended between the look and the handing in; nobody else would answer.
            self._refuse_waiting()
        return request.answer

    def close(self) -> None:
        """Write what was accepted and end the thread."""
        if self.is_alive:
            self._waiting.put(None)
        self._thread.join()

    def _run(self, path: Path, open_pii: Callable[[], PiiStore], opened: Future[None]) -> None:
        try:
            inbox, pii = Inbox(path), open_pii()
        except Exception as error:
            opened.set_exception(error)
            return
        opened.set_result(None)
        requests: list[_Request] | None = []
        try:
            with inbox, pii:
                while not self._is_closing and (requests := self._collect()) is not None:
                    self._commit(inbox, pii, requests)
        except BaseException as error:
            _log.critical("the writer of the inbox ended: %s", type(error).__name__)
            self._ended.set()
            _refuse(requests or [], "the writer has ended", error)
            self._refuse_waiting()
            self._on_death()
        else:
            self._ended.set()
            self._refuse_waiting()

    def _refuse_waiting(self) -> None:
        while True:
            try:
                request = self._waiting.get_nowait()
            except queue.Empty:
                return
            if request is not None and request.answer.set_running_or_notify_cancel():
                request.answer.set_exception(InboxUnavailable("the writer has ended"))

    def _collect(self) -> list[_Request] | None:
        """Wait for a request and gather those of its window; None when the writer shall end.

        Those that were cancelled are left out; from here on the others cannot be cancelled.
        """
        first = self._waiting.get()
        if first is None:
            return None
        requests = [first]
        deadline = time.monotonic() + self._window
        while len(requests) < _MOST_TOGETHER:
            try:
                request = self._waiting.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break
            if request is None:
                self._is_closing = True
                break
            requests.append(request)
        return [item for item in requests if item.answer.set_running_or_notify_cancel()]

    def _commit(self, inbox: Inbox, pii: PiiStore, requests: list[_Request]) -> None:
        """Write a window together; if anything goes wrong, all its requests are refused."""
        if not requests:
            return
        answers: list[tuple[_Request, Any, Exception | None]] = []
        try:
            values: dict[str, tuple[str, str]] = {}
            for request in requests:
                values.update(request.values)
            pii.keep_values(values, now=requests[0].now)
            with inbox.writing():
                for request in requests:
                    answers.append((request, *_written(request, inbox)))
        except Exception as error:
            # What nobody foresaw may quote what somebody wrote, so only its kind is told.
            foreseen = isinstance(error, sqlite3.Error | OSError | ConnectorError)
            _refuse(requests, str(error) if foreseen else type(error).__name__, error)
            return
        for request, answer, refusal in answers:
            if refusal is None:
                request.answer.set_result(answer)
            else:
                request.answer.set_exception(refusal)


def _refuse(requests: list[_Request], cause: str, error: BaseException) -> None:
    for request in requests:
        if not request.answer.done():
            refused = InboxUnavailable(cause)
            refused.__cause__ = error
            request.answer.set_exception(refused)


def _written(request: _Request, inbox: Inbox) -> tuple[Any, Exception | None]:
    """Let one request write; its own refusal does not touch the others of the window."""
    try:
        return request.write(inbox), None
    except sqlite3.IntegrityError as error:
        # One statement failed and left nothing behind; the transaction goes on.
        return None, error
    except (sqlite3.Error, OSError):
        raise
    except Exception as error:
        return None, error
