from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from pipelines.errors import BuildLockedError, exit_code_of
from pipelines.lock import build_lock


def hold(path: Path, held: multiprocessing.synchronize.Event) -> None:
    with build_lock(path, wait_seconds=0, say=lambda text: None):
        held.set()
        signal.pause()


def test_a_second_builder_is_told_who_builds_and_that_trying_again_helps(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    process = context.Process(target=hold, args=(tmp_path / "build.lock", held))
    process.start()
    try:
        assert held.wait(30)
        said: list[str] = []
        with (
            pytest.raises(BuildLockedError, match=f"process {process.pid} is building") as caught,
            build_lock(tmp_path / "build.lock", wait_seconds=0.3, say=said.append),
        ):
            pass
        assert exit_code_of(caught.value) == 3
        assert said == [f"waiting for process {process.pid}, which is building"]
    finally:
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
    with build_lock(tmp_path / "build.lock", wait_seconds=0, say=said.append):
        pass
