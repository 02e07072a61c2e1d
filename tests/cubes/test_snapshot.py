"""Opening the published snapshot."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import duckdb
import pytest

from cubes.catalogue import Catalogue
from cubes.errors import SnapshotError
from cubes.query import CubeQuery, run_query
from cubes.scope import Scope
from cubes.snapshot import current_tag, open_snapshot
from tests.cubes.marts import make_marts


def publish(published: Path, tag: str) -> None:
    """A snapshot as the publisher leaves it."""
    folder = published / "snapshots" / tag
    folder.mkdir(parents=True)
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        make_marts(connection)
    info = {"tag": tag, "business_date": "2026-03-30", "as_of": "2026-03-31T01:00:00+00:00"}
    (folder / "published.json").write_text(json.dumps(info), encoding="utf-8")
    link = published / "current"
    link.unlink(missing_ok=True)
    link.symlink_to(Path("snapshots") / tag)


def test_nothing_published_yet_is_told_and_may_be_tried_again(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match="there is none yet") as caught:
        open_snapshot(tmp_path)
    assert caught.value.retryable


def test_a_snapshot_without_its_description_or_file_is_refused(tmp_path: Path) -> None:
    publish(tmp_path, "a")
    (tmp_path / "snapshots/a/warehouse.duckdb").write_bytes(b"no database")
    with pytest.raises(SnapshotError, match="could not be opened"):
        open_snapshot(tmp_path)
    (tmp_path / "snapshots/a/published.json").write_text("{")
    with pytest.raises(SnapshotError, match=r"no readable published\.json"):
        open_snapshot(tmp_path)


def test_an_open_snapshot_answers_with_its_tag_and_stays_on_its_file(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    publish(tmp_path, "a")
    with open_snapshot(tmp_path) as snapshot:
        publish(tmp_path, "b")
        assert (snapshot.tag, current_tag(tmp_path)) == ("a", "b")
        assert snapshot.path == (tmp_path / "snapshots" / "a").resolve()
        assert snapshot.business_date == date(2026, 3, 30)
        result = run_query(
            catalogue,
            snapshot.cursor(),
            CubeQuery("cases", ("cases",)),
            scope=Scope.all(),
            business_date=snapshot.business_date,
            warehouse=snapshot.warehouse,
            snapshot=snapshot.tag,
        )
        assert result.rows == [{"cases": 6}]
        assert result.to_mapping()["snapshot"] == "a"


@pytest.mark.parametrize(
    "statement",
    [
        "create table marts.x as select 1",
        "select * from read_csv('/etc/passwd')",
        "set enable_external_access = true",
        "install httpfs",
    ],
)
def test_a_snapshot_is_read_only_and_locked(tmp_path: Path, statement: str) -> None:
    publish(tmp_path, "a")
    with open_snapshot(tmp_path) as snapshot, pytest.raises(duckdb.Error):
        snapshot.cursor().execute(statement)


@pytest.mark.parametrize("text", ["[]", "{}", '{"business_date": 5}', '{"business_date": "x"}'])
def test_a_description_without_its_date_is_refused(tmp_path: Path, text: str) -> None:
    publish(tmp_path, "a")
    (tmp_path / "snapshots/a/published.json").write_text(text)
    with pytest.raises(SnapshotError, match=r"no readable published\.json.*huiyin build"):
        open_snapshot(tmp_path)
