"""Errors at the edge: one clear message on stderr and the exit codes of the product.

0 done, 1 found something wrong, 2 used wrongly, 3 temporary failure (try again), 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import cast

import typer

from pipelines.errors import exit_code_of

INTERRUPTED = 130


def run(application: typer.Typer) -> int:
    """Run the command line and return its exit code; never shows a traceback for a known error."""
    command: Callable[..., object] = typer.main.get_command(application)
    try:
        outcome = command(standalone_mode=False)
    except typer.TyperException as error:
        # Every usage error shows itself as a BadParameter does; only that class is public.
        cast(typer.BadParameter, error).show()
        return 2
    except (typer.Abort, KeyboardInterrupt):
        outcome = INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except Exception as error:
        if not is_known(error):
            raise
        sys.stderr.write(f"{error}\n")
        return exit_code_of(error)
    # typer turns Ctrl-C into this code and says nothing.
    if outcome == INTERRUPTED:
        sys.stderr.write("\n已中断，可以重新执行。 Interrupted; run the same command again.\n")
    return outcome if isinstance(outcome, int) else 0


def is_known(error: Exception) -> bool:
    """Whether the error comes from one of the product's own trees."""
    package = type(error).__module__.partition(".")[0]
    return package in {"pipelines", "connectors", "cubes", "notifications", "dashboards"}
