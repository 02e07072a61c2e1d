"""Failures of the product as Dagster shall take them: try again, or stop and say what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import dagster as dg

from pipelines.errors import exit_code_of

_OURS = {"pipelines", "connectors", "cubes", "notifications", "dashboards"}
MAX_RETRIES = 3
_FIRST_WAIT = timedelta(minutes=5)
_LONGEST_WAIT = timedelta(minutes=60)
# So many failures in a row make the longest wait, so that no more need be looked at.
_COUNTED = 5


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


def not_before(instance: dg.DagsterInstance, runs: dg.RunsFilter) -> datetime | None:
    """When what the runs of the filter tried may be tried again; None if there is no hope.

    In the past if the last of them did not fail. A failure that may pass is tried again 5 minutes
    after its end, the next in a row after 10, 20, 40, and then each after 60.
    """
    records = instance.get_run_records(runs, limit=_COUNTED)
    failed = 0
    for record in records:
        if record.dagster_run.status is not dg.DagsterRunStatus.FAILURE:
            break
        failed += 1
    if not failed:
        return datetime.min.replace(tzinfo=UTC)
    last = records[0]
    if not _may_pass(instance, last.dagster_run.run_id):
        return None
    ended = last.create_timestamp.timestamp() if last.end_time is None else last.end_time
    wait = min(_FIRST_WAIT * (1 << (failed - 1)), _LONGEST_WAIT)
    return datetime.fromtimestamp(ended, UTC) + wait


def _may_pass(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether every step that failed had asked to be tried again; if none failed, the run died."""
    failures = instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    told = [entry.get_dagster_event().step_failure_data.error for entry in failures]
    return all(one is not None and one.cls_name == dg.RetryRequested.__name__ for one in told)
