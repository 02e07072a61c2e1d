"""The `huiyin` command. Bodies import what they need, so that `--help` answers at once."""

from __future__ import annotations

import os
import sys
from io import FileIO, TextIOWrapper

from pipelines.command_line.interrupt import end_on_interrupt


def main() -> None:
    """Entry point: runs the command, turns errors into one message and an exit code."""
    end_on_interrupt()
    # Python has no stream where the caller closed it; what is written then goes nowhere.
    sys.stdout = sys.stdout or TextIOWrapper(FileIO(os.devnull, "w"))
    sys.stderr = sys.stderr or TextIOWrapper(FileIO(os.devnull, "w"))
    from pipelines.command_line.application import application

    # What a command writes is for its own user only: a home holds personal data.
    os.umask(0o077)
    from pipelines.command_line.failure import run

    sys.exit(run(application))
