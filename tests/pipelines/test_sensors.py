from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pytest

from pipelines.assets.failure import as_dagster
from pipelines.assets.keys import daily_partitions
from pipelines.errors import HomeError, PublishError
from pipelines.resources import InstallationResource
from pipelines.sensors import sensors

JOB = "ingest_and_publish"
Look = Callable[[], dg.RunRequest | dg.SkipReason]


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    folder = tmp_path / "dagster"
    folder.mkdir()
    with dg.DagsterInstance.local_temp(str(folder)) as found:
        yield found


@pytest.fixture
def look(tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> Look:
    """One look of the sensor at a home in which a file waits."""
    for name in [name for name in os.environ if name.startswith("HUIYIN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HUIYIN_PUBLISH_EVERY_MINUTES", "1")
    exchange = tmp_path / "home" / "exchange" / "billing"
    exchange.mkdir(parents=True)
    (exchange / "billing_bills_20260330_001.txt").write_text("1|2", encoding="utf-8")
    days = daily_partitions(date(2026, 1, 1), "Asia/Shanghai", datetime.now(UTC))
    (arrivals,) = [
        one for one in sensors(JOB, days=days, intake=[], service={}) if one.name == "arrivals"
    ]

    def find() -> dg.RunRequest | dg.SkipReason:
        home = InstallationResource(home=str(tmp_path / "home"))
        with dg.build_sensor_context(instance, resources={"installation": home}) as context:
            found = arrivals(context)
        assert isinstance(found, dg.RunRequest | dg.SkipReason)
        return found

    return find


def fail(instance: dg.DagsterInstance, asked: dg.RunRequest, error: Exception) -> None:
    """A run as it was asked for, one step of which ends with the error."""

    @dg.op
    def step() -> None:
        raise error

    @dg.job(name=JOB, executor_def=dg.in_process_executor)
    def job() -> None:
        step()

    tags = {**asked.tags, "dagster/sensor_name": "arrivals"}
    assert not job.execute_in_process(instance=instance, tags=tags, raise_on_error=False).success


def let_pass(instance: dg.DagsterInstance, minutes: int) -> None:
    """Make every run so much older."""
    (path,) = Path(instance.root_directory).glob("history/runs.db")
    with closing(sqlite3.connect(path)) as runs, runs:
        runs.execute(
            "update runs set create_timestamp = datetime(create_timestamp, ?), "
            "start_time = start_time - ?, end_time = end_time - ?",
            [f"-{minutes} minutes", minutes * 60, minutes * 60],
        )


def launched(found: dg.RunRequest | dg.SkipReason) -> dg.RunRequest:
    assert isinstance(found, dg.RunRequest), found.skip_message
    return found


def skipped(found: dg.RunRequest | dg.SkipReason) -> str:
    assert isinstance(found, dg.SkipReason)
    return str(found.skip_message)


@pytest.mark.parametrize(
    "error",
    [as_dagster(HomeError("wrong"), retry_after=0), KeyError("a defect of the program")],
)
def test_a_run_that_failed_for_good_is_not_launched_again_over_the_same_data(
    look: Look, instance: dg.DagsterInstance, tmp_path: Path, error: Exception
) -> None:
    fail(instance, launched(look()), error)
    let_pass(instance, 600)
    assert "would fail again" in skipped(look())
    new = tmp_path / "home" / "exchange" / "billing" / "billing_bills_20260331_001.txt"
    new.write_text("1|2", encoding="utf-8")
    # A file may wait ten minutes for its log before anything is made of it.
    assert "would fail again" in skipped(look())
    long_ago = new.stat().st_mtime - 660
    os.utime(new, (long_ago, long_ago))
    launched(look())


def test_a_failure_that_may_pass_is_tried_again_after_waits_that_grow(
    look: Look, instance: dg.DagsterInstance
) -> None:
    asked = launched(look())
    for minutes in (5, 10, 20, 40, 60, 60):
        fail(instance, asked, as_dagster(PublishError("no room"), retry_after=0))
        let_pass(instance, minutes - 1)
        assert "trying again in 1 min" in skipped(look())
        let_pass(instance, 1)
        launched(look())


def test_a_run_whose_process_died_is_tried_again_after_a_wait(
    look: Look, instance: dg.DagsterInstance
) -> None:
    asked = launched(look())
    tags = {**asked.tags, "dagster/sensor_name": "arrivals"}

    @dg.job(name=JOB)
    def job() -> None:
        pass

    run = instance.create_run_for_job(job, tags=tags)
    instance.report_run_failed(run)
    let_pass(instance, 4)
    assert "trying again in 1 min" in skipped(look())
    let_pass(instance, 1)
    launched(look())
