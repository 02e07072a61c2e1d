"""The `huiyin` command. Bodies import what they need, so that `--help` answers at once."""

from __future__ import annotations

import sys

from pipelines.command_line.application import application


def main() -> None:
    """Entry point: runs the command, turns errors into one message and an exit code."""
    from pipelines.command_line.failure import run

    sys.exit(run(application))
