"""The command as a person types it, run in the test's own process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.command_line.application import application
from pipelines.command_line.failure import run

Command = Callable[..., tuple[int, str, str]]
"""Takes the words after `huiyin`; gives the exit code, the output and the errors."""


@pytest.fixture
def command_home(tmp_path: Path) -> Path:
    """The home the command is run in; it is not made beforehand."""
    return tmp_path / "home"


@pytest.fixture
def huiyin(
    command_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    monkeypatch.setenv("HUIYIN_CLOCK", "fixed:2026-03-31T09:00:00+08:00")
    monkeypatch.setenv("COLUMNS", "160")

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        words = ["huiyin", "--home", str(command_home), *map(str, arguments)]
        monkeypatch.setattr("sys.argv", words)
        code = run(application)
        told = capsys.readouterr()
        return code, told.out, told.err

    return call
