from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from pipelines.errors import PublishError
from pipelines.publish import current_tag, publish

NOW = datetime.now(UTC)


def warehouse(tmp_path: Path, value: int) -> Path:
    path = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"create or replace table figure as select {value} as value")
        connection.execute("checkpoint")
    return path


def read(directory: Path) -> int:
    with duckdb.connect(str(directory / "warehouse.duckdb"), read_only=True) as connection:
        row = connection.execute("select value from figure").fetchone()
    assert row is not None
    return int(row[0])


def test_the_link_moves_to_the_new_snapshot_and_the_old_one_stays(tmp_path: Path) -> None:
    published = tmp_path / "published"
    publish(warehouse(tmp_path, 1), published, "a-1", {"tag": "a-1"}, now=NOW, keep=3)
    old = (published / "current").resolve()
    publish(warehouse(tmp_path, 2), published, "a-2", {"tag": "a-2"}, now=NOW, keep=3)
    assert current_tag(published) == "a-2"
    assert read(published / "current") == 2
    assert read(old) == 1
    assert json.loads((published / "current" / "published.json").read_text())["tag"] == "a-2"


def test_leftovers_of_a_killed_publish_are_removed(tmp_path: Path) -> None:
    published = tmp_path / "published"
    leftover = published / "snapshots" / ".a-0"
    leftover.mkdir(parents=True)
    (leftover / "warehouse.duckdb").write_bytes(b"half")
    publish(warehouse(tmp_path, 1), published, "a-1", {}, now=NOW, keep=3)
    assert sorted(path.name for path in (published / "snapshots").iterdir()) == ["a-1"]


def test_old_snapshots_go_but_young_ones_and_the_newest_stay(tmp_path: Path) -> None:
    published = tmp_path / "published"
    path = warehouse(tmp_path, 1)
    for number in range(1, 6):
        directory = publish(path, published, f"a-{number}", {}, now=NOW, keep=3)
        if number < 5:
            old = (NOW - timedelta(hours=6 - number)).timestamp()
            os.utime(directory, (old, old))
    publish(path, published, "a-6", {}, now=NOW, keep=3)
    kept = sorted(entry.name for entry in (published / "snapshots").iterdir())
    assert kept == ["a-4", "a-5", "a-6"]


def test_a_missing_warehouse_leaves_the_last_snapshot_serving(tmp_path: Path) -> None:
    published = tmp_path / "published"
    publish(warehouse(tmp_path, 1), published, "a-1", {}, now=NOW, keep=3)
    with pytest.raises(PublishError, match="last good snapshot serves on"):
        publish(tmp_path / "nothing.duckdb", published, "a-2", {}, now=NOW, keep=3)
    assert current_tag(published) == "a-1"
