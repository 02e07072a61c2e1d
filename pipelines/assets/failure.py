"""Failures of the product as Dagster shall take them: try again, or stop and say what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from pipelines.errors import exit_code_of

_OURS = {"pipelines", "connectors", "cubes", "notifications", "dashboards"}
MAX_RETRIES = 3


@contextmanager
def mapped(*, retry_after: float) -> Iterator[None]:
    """Raise the failures of the block as Dagster's; `retry_after` seconds lie between two tries.

    A defect of the program itself is passed on as it is, with its traceback.
    """
    try:
        yield
    except Exception as error:
        if not is_ours(error):
            raise
        raise as_dagster(error, retry_after=retry_after) from error


def is_ours(error: Exception) -> bool:
    """Whether the error comes from one of the product's own trees, which say what to do."""
    return type(error).__module__.partition(".")[0] in _OURS


def as_dagster(error: Exception, *, retry_after: float) -> dg.RetryRequested | dg.Failure:
    """`retryable` becomes a request to try again, everything else a failure that is not retried."""
    if getattr(error, "retryable", False):
        return dg.RetryRequested(max_retries=MAX_RETRIES, seconds_to_wait=retry_after)
    return dg.Failure(
        description=str(error),
        metadata={
            "error": type(error).__name__,
            "trying again": "不会有帮助，先按上文处理 / does not help before the cause is mended",
            "exit code": exit_code_of(error),
        },
        allow_retries=False,
    )
