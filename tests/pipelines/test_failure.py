from __future__ import annotations

import errno
import os
import sqlite3

import duckdb
import pytest
import sqlalchemy as sa
import typer
from sqlalchemy.exc import OperationalError

from cubes.errors import AnswerTooSlow
from pipelines.command_line.failure import run, surroundings

PHONE = "13800001111"


def application(error: Exception) -> typer.Typer:
    made = typer.Typer()

    @made.command()
    def fail() -> None:
        raise error

    return made


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "x.db"), "No space left on device: x.db"),
        (MemoryError(), "no memory is left"),
        (sqlite3.OperationalError("database is locked"), "database is locked"),
        (duckdb.IOException("IO Error: full\nLINE 1"), "IO Error: full"),
        (
            OperationalError(
                f"insert '{PHONE}'", {"phone": PHONE}, sqlite3.OperationalError("full")
            ),
            "full",
        ),
    ],
)
def test_a_failing_machine_is_one_message_and_exit_code_3(
    error: Exception, told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["huiyin"])
    assert run(application(error)) == 3
    message = capsys.readouterr().err
    assert told in message and "Trying again helps" in message
    assert PHONE not in message


def test_an_answer_that_was_too_slow_is_told_in_both_languages_and_may_be_tried_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["huiyin"])
    assert run(application(AnswerTooSlow(zh="太慢。", en="Too slow."))) == 3
    assert capsys.readouterr().err == "太慢。\nToo slow.\n"


def test_a_defect_of_the_program_is_not_passed_off_as_the_machine() -> None:
    assert surroundings(KeyError("x")) is None
    assert surroundings(duckdb.ConversionException(PHONE)) is None
    assert surroundings(sa.exc.ArgumentError("x")) is None
