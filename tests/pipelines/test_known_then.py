"""Building what was known then: the moment that is asked about, and a file that is whole or none.

What it builds is proven in tests/journeys; here a build of one small table stands for it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

import pipelines.build
from connectors.ledger_rows import SnapshotLogRow
from pipelines.command_line.application import application
from pipelines.errors import KnownThenError, RawGoneError
from pipelines.known_file import open_known_then
from pipelines.known_then import build_known_then, read_moment
from tests.connectors.conftest import row
from tests.pipelines.test_delivery_commands import Shop

NOW = datetime(2026, 3, 31, 1, tzinfo=UTC)
ZONE = "Asia/Shanghai"
SNAPSHOT = SnapshotLogRow(
    "20260330-0001", "b", datetime(2026, 3, 31, 0, 30, tzinfo=UTC), 1, "v", {"batch_ids": ["x"]}
)


def moment(text: str, *snapshots: SnapshotLogRow) -> datetime:
    return read_moment(text, now=NOW, zone=ZONE, snapshots=snapshots).at


@pytest.mark.parametrize(
    "text",
    ["2026-03-31T08:30", "2026-03-31 08:30:00", "2026-03-31T00:30:00Z", "2026-03-30T17:30-07:00"],
)
def test_an_instant_without_an_offset_is_local_to_the_operators_zone(text: str) -> None:
    assert moment(text) == datetime(2026, 3, 31, 0, 30, tzinfo=UTC)


def test_a_date_alone_is_its_first_instant_and_now_is_the_present() -> None:
    assert moment("2026-03-31") == datetime(2026, 3, 30, 16, tzinfo=UTC)
    assert moment("now") == NOW


def test_a_tag_is_the_moment_its_snapshot_speaks_of() -> None:
    found = read_moment("20260330-0001", now=NOW, zone=ZONE, snapshots=[SNAPSHOT])
    assert (found.at, found.snapshot) == (SNAPSHOT.published_at, SNAPSHOT)


def test_the_future_is_refused_to_the_second() -> None:
    assert moment("2026-03-31T09:00:00") == NOW
    with pytest.raises(KnownThenError, match="has not come yet, it is 2026-03-31T09:00:00"):
        moment("2026-03-31T09:00:01")


@pytest.mark.parametrize("text", ["yesterday", "2026-02-30", "", "20260330-0002"])
def test_what_is_no_moment_is_refused_with_what_can_be_written(text: str) -> None:
    with pytest.raises(KnownThenError, match="Nothing was built") as caught:
        moment(text, SNAPSHOT)
    assert "20260330-0001" in str(caught.value) or "2026-03-31T09:00+08:00" in str(caught.value)


def small_build(
    seen: list[Any] | None = None, during: Callable[[], object] = lambda: None
) -> Callable[..., Any]:
    """A build of one table in the place of the real one."""

    def build(home: Any, settings: Any, request: Any, *rest: Any, **named: Any) -> Any:
        batches = rest[3]
        if seen is not None:
            seen.append((home, request, [batch.batch_id for batch in batches]))
        with duckdb.connect(str(home.warehouse)) as warehouse:
            warehouse.execute("create schema marts")
            warehouse.execute("create table marts.batches as select ? as number", [len(batches)])
        during()
        frozen = SimpleNamespace(build_id="b")
        return SimpleNamespace(nodes=(), frozen=frozen)

    return build


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    shop = Shop(tmp_path / "home")
    shop.send([row(1)])
    shop.run("ingest")
    return shop


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    built: list[Any] = []
    monkeypatch.setattr(pipelines.build, "build", small_build(built))
    return built


def build(shop: Shop, at: str, file: Path, **named: Any) -> Any:
    return build_known_then(shop.open(), at, file, say=lambda text: None, **named)


def test_the_file_says_what_it_is_and_the_build_knows_its_moment(
    shop: Shop, seen: list[Any], tmp_path: Path
) -> None:
    known = build(shop, "now", tmp_path / "then.duckdb")
    ((home, request, batches),) = seen
    assert (request.as_of, request.known_at, len(batches)) == (NOW, NOW, 1)
    assert home.path == shop.path and home.warehouse.parent != shop.path
    with open_known_then(known.file) as then:
        assert then.tag == "known-at-2026-03-31T09:00:00+08:00"
        assert then.business_date.isoformat() == "2026-03-30"
        assert then.info["sources"]["shop"]["streams"]["sales"]["rows"] == 1
        assert then.cursor().execute("select number from marts.batches").fetchone() == (1,)


def test_before_the_first_arrival_nothing_is_known(
    shop: Shop, seen: list[Any], tmp_path: Path
) -> None:
    known = build(shop, "2026-03-31T08:59:59", tmp_path / "then.duckdb")
    assert (known.batches, known.comparable, known.before) == (0, (), None)
    assert seen[0][2] == []


def test_a_home_without_a_ledger_is_asked_without_making_one(
    tmp_path: Path, seen: list[Any]
) -> None:
    shop = Shop(tmp_path / "home")
    assert build(shop, "2020-01-01", tmp_path / "then.duckdb").batches == 0
    assert not (shop.path / "ledger.db").exists() and not (shop.path / "ops.db").exists()


def test_a_snapshot_of_a_stream_that_is_not_read_here_is_refused(
    shop: Shop, seen: list[Any], tmp_path: Path
) -> None:
    with shop.open().ledger() as ledger:
        ids = [batch.batch_id for batch in ledger.batches()]
        ledger.append_snapshot(replace(SNAPSHOT, detail={"batch_ids": ids}))
        ledger.append_snapshot(replace(SNAPSHOT, tag="20260330-0002"))
    assert build(shop, "20260330-0001", tmp_path / "one.duckdb").batches == 1
    with pytest.raises(KnownThenError, match="1 of its batches"):
        build(shop, "20260330-0002", tmp_path / "two.duckdb")
    assert [path.name for path in tmp_path.glob("*.duckdb")] == ["one.duckdb"]


def test_a_lost_file_is_named_before_anything_is_built(
    shop: Shop, seen: list[Any], tmp_path: Path
) -> None:
    (raw,) = (shop.path / "raw").rglob("*.parquet")
    raw.unlink()
    with pytest.raises(RawGoneError, match=raw.relative_to(shop.path).as_posix()):
        build(shop, "now", tmp_path / "then.duckdb")
    assert seen == [] and list(tmp_path.glob("*then*")) == []


def test_an_existing_file_stays_unless_it_is_forced(
    shop: Shop, seen: list[Any], tmp_path: Path
) -> None:
    file = tmp_path / "then.duckdb"
    file.write_bytes(b"mine")
    with pytest.raises(KnownThenError, match="it exists"):
        build(shop, "now", file)
    assert seen == [] and file.read_bytes() == b"mine"
    build(shop, "now", file, force=True)
    with open_known_then(file):
        assert [path.name for path in tmp_path.iterdir() if "then" in path.name] == [file.name]


def test_a_file_that_came_meanwhile_is_not_replaced(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "then.duckdb"
    meanwhile = small_build(during=lambda: file.write_bytes(b"theirs"))
    monkeypatch.setattr(pipelines.build, "build", meanwhile)
    with pytest.raises(KnownThenError, match="it exists"):
        build(shop, "now", file)
    assert file.read_bytes() == b"theirs" and not list(tmp_path.glob(".then*"))


@pytest.mark.parametrize("name", ["warehouse.duckdb", "ledger.db", "published/then.duckdb", "x"])
def test_nothing_is_written_into_the_home(
    shop: Shop, seen: list[Any], tmp_path: Path, name: str
) -> None:
    (tmp_path / "alias").symlink_to(shop.path)
    for folder in (shop.path, tmp_path / "alias"):
        with pytest.raises(KnownThenError, match="in the home"):
            build(shop, "now", folder / name, force=True)


def test_a_folder_that_is_not_there_or_is_meant_as_a_file_is_refused(
    shop: Shop, seen: list[Any], tmp_path: Path
) -> None:
    for file in (tmp_path / "nowhere" / "then.duckdb", tmp_path):
        with pytest.raises(KnownThenError, match="Name a file"):
            build(shop, "now", file)
    assert seen == []


def test_two_builds_into_one_file_do_not_meet_and_into_two_do_not_mind(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, other = tmp_path / "then.duckdb", tmp_path / "other.duckdb"

    def meanwhile() -> None:
        monkeypatch.setattr(pipelines.build, "build", small_build())
        with pytest.raises(KnownThenError, match="another process is making it"):
            build(shop, "now", file)
        build(shop, "now", other)

    monkeypatch.setattr(pipelines.build, "build", small_build(during=meanwhile))
    build(shop, "now", file)
    for one in (file, other):
        with open_known_then(one):
            pass


KILLED = """
import os, signal, sys
from pathlib import Path
import pipelines.build
from pipelines import scratch_folder
from pipelines.installation import Installation
from pipelines.known_then import build_known_then
from tests.pipelines.test_known_then import small_build

def die(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)

step = sys.argv[2]
pipelines.build.build = small_build(during=die if step == "built" else lambda: None)
if step == "copied":
    scratch_folder.os.fsync = die
build_known_then(Installation.open(os.environ), "now", Path(sys.argv[1]), say=print)
"""


@pytest.mark.parametrize("step", ["built", "copied"])
def test_a_kill_leaves_no_file_and_the_next_build_removes_what_was_begun(
    shop: Shop, seen: list[Any], tmp_path: Path, step: str
) -> None:
    file = tmp_path / "then.duckdb"
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(file), step],
        env={**os.environ, **shop.environment, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert not file.exists()
    left = [path for path in (shop.path / "known_then").iterdir() if path.is_dir()]
    assert len(left) == 1
    build(shop, "now", file)
    with open_known_then(file) as then:
        assert then.cursor().execute("select number from marts.batches").fetchone() == (1,)
    assert [path for path in (shop.path / "known_then").iterdir() if path.is_dir()] == []
    assert list(tmp_path.glob(".then*")) == []


def test_another_database_is_not_taken_for_one(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "other.duckdb")) as other:
        other.execute("create table t as select 1 as x")
    with pytest.raises(KnownThenError, match="did not write it"):
        open_known_then(tmp_path / "other.duckdb")
    with pytest.raises(KnownThenError, match="Check the path"):
        open_known_then(tmp_path / "nowhere.duckdb")


def test_the_command_tells_the_file_and_how_to_ask_it(
    shop: Shop, seen: list[Any], tmp_path: Path
) -> None:
    file = tmp_path / "then.duckdb"
    told = shop.run("build", "--known-at", "now", "--into", str(file)).stdout
    assert "2026-03-31T09:00:00+08:00 已知 known: 1 批 batches" in told
    assert f"huiyin cube --db {file} query" in told
    said = shop.json("build", "--known-at", "now", "--into", str(file), "--force")
    assert said["file"] == str(file) and said["batches"] == 1


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (["--known-at", "now"], "--into"),
        (["--into", "then.duckdb"], "--known-at"),
        (["--force"], "--force"),
        (["--known-at", "now", "--into", "then.duckdb", "--days", "2026-03-30"], "--days"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], wrong: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(
        application, ["build", *arguments], env=Shop(tmp_path / "home").environment
    )
    assert result.exit_code == 2 and f"Invalid value for {wrong}" in result.output
    assert not (tmp_path / "then.duckdb").exists()
