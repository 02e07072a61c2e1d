"""Work in processes of its own that end by SIGKILL at a named step."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from connectors.contract import load_contracts
from connectors.ledger import Ledger
from connectors.pii_store import PiiStore
from tests.connectors.conftest import ENCRYPTION_KEY, PSEUDONYM_KEY, Home

_MODULES = [
    "connectors.compaction",
    "connectors.files.landing",
    "connectors.files.mail_landing",
    "connectors.landing",
    "connectors.quarantining.replay",
    "duckdb",
    "tests.connectors.conftest",
]
DIED = -signal.SIGKILL


def end_at(step: str, work: Callable[..., None], *arguments: Any, count: int = 1) -> int:
    """Do `work(*arguments, at=...)` in a process that is killed at a step; return how it ended.

    It dies when it passes the step for the `count`-th time, and ends with 0 if it never does.
    `work` is a function of a module, since another process looks it up there.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_MODULES)
    process = context.Process(target=_work, args=(step, count, work, arguments))
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def land_home(path: Path, *, at: Callable[[str], None]) -> None:
    """Land the only source of a home, for `end_at`."""
    (contract,) = load_contracts([path / "sources"]).values()
    keys = {"pseudonym_key": PSEUDONYM_KEY, "encryption_key": ENCRYPTION_KEY}
    with Ledger(path / "ledger.db") as ledger, PiiStore(path / "pii.db", **keys) as pii:
        Home(path, contract, ledger, pii, at).land()


def _work(step: str, count: int, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    left = count

    def at(passed: str) -> None:
        nonlocal left
        left -= passed == step
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    work(*arguments, at=at)
