"""Limits of one answer: how many rows it may have and how many seconds it may take."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pydantic import Field

from cubes.dimension import Frozen
from cubes.errors import AnswerTooSlow

if TYPE_CHECKING:
    import duckdb

_AGAIN_SECONDS = 0.05


class Limits(Frozen):
    """The most rows of an answer, and the most seconds it may take to compute."""

    rows: int = Field(default=10_000, ge=1, le=100_000_000)
    seconds: float = Field(default=10, gt=0, le=600)

    @classmethod
    def none(cls) -> Limits:
        """No bound that matters, for who runs the machine."""
        return cls.model_construct(rows=sys.maxsize, seconds=threading.TIMEOUT_MAX)


@contextmanager
def within_seconds(connection: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    """Interrupt what the connection does in the block after `seconds`; AnswerTooSlow then.

    An error of another cause stays what it is, however late it comes.
    """
    done = threading.Event()
    expired = threading.Event()

    def watch() -> None:
        if done.wait(seconds):
            return
        expired.set()
        # An interrupt between two statements is lost, so it is repeated until the block ends.
        while not done.wait(_AGAIN_SECONDS):
            connection.interrupt()

    watcher = threading.Thread(target=watch, name="query-deadline", daemon=True)
    watcher.start()
    try:
        yield
    except Exception as error:
        if expired.is_set() and _is_interruption(error):
            raise AnswerTooSlow(
                zh=f"{seconds:g} 秒内没有算出结果，已经放弃。只有机器空闲时重试才有用；"
                "请缩短时期，或减少分组。",
                en=f"The answer was not there after {seconds:g} seconds and was given up. Trying "
                "again helps only on an idle machine; ask for a shorter period or fewer groups.",
            ) from error
        raise
    finally:
        done.set()
        watcher.join()


def _is_interruption(error: BaseException | None) -> bool:
    """Whether the database was interrupted, or an error was raised from that."""
    from duckdb import InterruptException

    while error is not None and not isinstance(error, InterruptException):
        error = error.__cause__
    return error is not None
