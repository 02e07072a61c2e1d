"""Errors at the edge: one clear message on stderr and the exit codes of the product.

0 done, 1 found something wrong, 2 used wrongly, 3 temporary failure (try again), 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import cast

import typer

from pipelines.command_line.interrupt import INTERRUPTED
from pipelines.errors import exit_code_of

TEMPORARY = 3
_MACHINE_ERRORS = {"IOException", "OutOfMemoryException"}


def run(application: typer.Typer) -> int:
    """Run the command line and return its exit code; never shows a traceback for a known error."""
    command: Callable[..., object] = typer.main.get_command(application)
    try:
        outcome = command(standalone_mode=False)
    except typer.TyperException as error:
        # Every usage error shows itself as a BadParameter does; only that class is public.
        cast(typer.BadParameter, error).show()
        return 2
    except typer.Abort:
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except Exception as error:
        if is_known(error):
            sys.stderr.write(f"{told(error)}\n")
            return exit_code_of(error)
        cause = surroundings(error)
        if cause is None:
            raise
        sys.stderr.write(
            f"The command stopped because the machine or a store failed it: {cause}. What was "
            "finished before stays; a published snapshot is never half. Trying again helps once "
            "the cause is gone (room on the disk, permission, memory, another process).\n"
        )
        return TEMPORARY
    return outcome if isinstance(outcome, int) else 0


def told(error: Exception) -> str:
    """The error's own sentence, which is English; where it has a code of the ledger, below what
    the code says and what to do, in both languages. What speaks Chinese too says it first."""
    from connectors.codes import known_codes
    from cubes.errors import QueryError

    if isinstance(error, QueryError):
        return f"{error.text('zh')}\n{error}"
    known = known_codes().get(str(getattr(error, "code", None)))
    if known is None:
        return str(error)
    return (
        f"{known.says['zh']} / {known.says['en']} ({known.name})\n"
        f"  {known.hint['zh']} / {known.hint['en']}\n"
        f"  {error}"
    )


def surroundings(error: Exception) -> str | None:
    """What failed around the program: disk, memory or a store. None for a defect of its own.

    Only the machine's own words are told: a statement's error would quote the values in it.
    """
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    if isinstance(error, MemoryError):
        return "no memory is left"
    package = type(error).__module__.partition(".")[0]
    if package == "sqlalchemy":
        original = getattr(error, "orig", None)
        return surroundings(original) if isinstance(original, Exception) else None
    if package == "sqlite3" and type(error).__name__ in {"OperationalError", "DatabaseError"}:
        return str(error)
    if package in {"duckdb", "_duckdb"} and type(error).__name__ in _MACHINE_ERRORS:
        return str(error).partition("\n")[0]
    return None


def is_known(error: Exception) -> bool:
    """Whether the error comes from one of the product's own trees."""
    package = type(error).__module__.partition(".")[0]
    return package in {"pipelines", "connectors", "cubes", "notifications", "dashboards"}
