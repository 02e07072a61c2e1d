"""What dbt parsed once serves every home without models of its own, and never another project."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

import pipelines.dbt_run
from pipelines.build_manifest import parsed_key
from pipelines.dbt_run import run_dbt
from pipelines.errors import BuildFailedError
from pipelines.mart_tests import NodeResult

# dbt keeps its state in this process, so one worker runs all that starts it.
pytestmark = pytest.mark.xdist_group("dbt")

PROFILE = (Path(pipelines.dbt_run.DBT_PROJECT) / "profiles.yml").read_text(encoding="utf-8")
PROJECT = """
name: huiyin
profile: huiyin
model-paths: [models, "{{ env_var('HUIYIN_SITE_MODELS', 'site_models') }}"]
flags: {send_anonymous_usage_stats: false, partial_parse: true}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of one model that stands in for the shipped one."""
    folder = tmp_path / "project"
    (folder / "models").mkdir(parents=True)
    (folder / "dbt_project.yml").write_text(PROJECT)
    (folder / "profiles.yml").write_text(PROFILE)
    (folder / "models/answer.sql").write_text("select 1 as value")
    monkeypatch.setattr(pipelines.dbt_run, "DBT_PROJECT", folder)
    return folder


@pytest.fixture
def build(tmp_path: Path) -> Callable[[str], list[NodeResult]]:
    def run(home: str) -> list[NodeResult]:
        folder = tmp_path / home
        folder.mkdir(exist_ok=True)
        return run_dbt(
            ["run"],
            warehouse=folder / "warehouse.duckdb",
            work=folder / "work.duckdb",
            target=folder / "dbt",
            site_models=folder / "site",
            memory_limit="500MB",
            threads=1,
        )

    return run


def answer(home: Path) -> int:
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        row = connection.execute("select value from marts.answer").fetchone()
    assert row is not None
    return int(row[0])


def kept(project: Path) -> list[Path]:
    return sorted((project / "target").glob("*"))


def parsed_itself(home: Path) -> bool:
    """dbt leaves its own cache only where it parsed."""
    return (home / "dbt/partial_parse.msgpack").exists()


def test_a_second_home_is_built_without_parsing(
    project: Path, tmp_path: Path, build: Callable[[str], list[NodeResult]]
) -> None:
    first, second = build("one"), build("two")
    assert [node.name for node in first] == [node.name for node in second] == ["answer"]
    assert answer(tmp_path / "one") == answer(tmp_path / "two") == 1
    assert parsed_itself(tmp_path / "one")
    assert not parsed_itself(tmp_path / "two")
    assert len(kept(project)) == 1


@pytest.mark.parametrize("changed", ["models/answer.sql", "models/answer.yml", "dbt_project.yml"])
def test_a_changed_project_is_parsed_anew_and_the_old_one_is_forgotten(
    project: Path, tmp_path: Path, build: Callable[[str], list[NodeResult]], changed: str
) -> None:
    build("one")
    old = kept(project)
    texts = {
        "models/answer.sql": "select 2 as value",
        "models/answer.yml": "models: [{name: answer, config: {sql_header: 'select 3;'}}]",
        "dbt_project.yml": PROJECT + "models: {huiyin: {+materialized: table}}\n",
    }
    (project / changed).write_text(texts[changed])
    build("two")
    assert parsed_itself(tmp_path / "two")
    assert answer(tmp_path / "two") == (2 if changed.endswith(".sql") else 1)
    assert len(kept(project)) == 1
    assert kept(project) != old


def test_models_of_a_home_itself_are_parsed_there_and_never_kept(
    project: Path, tmp_path: Path, build: Callable[[str], list[NodeResult]]
) -> None:
    (tmp_path / "one/site").mkdir(parents=True)
    (tmp_path / "one/site/own.sql").write_text("select 7 as value")
    assert sorted(node.name for node in build("one")) == ["answer", "own"]
    assert kept(project) == []
    assert [node.name for node in build("two")] == ["answer"]
    assert sorted(node.name for node in build("one")) == ["answer", "own"]
    assert parsed_itself(tmp_path / "one")


def test_models_of_a_home_are_read_and_never_written(
    tmp_path: Path, project: Path, build: Callable[[str], list[NodeResult]]
) -> None:
    _ = project
    model = tmp_path / "one/site/own.sql"
    model.parent.mkdir(parents=True)
    for value in (7, 8):
        model.write_text(f"select {value} as value")
        build("one")
        assert model.read_text() == f"select {value} as value"
    model.unlink()
    assert [node.name for node in build("one")] == ["answer"]


@pytest.mark.parametrize("damage", [b"", b"nonsense", b"half"])
def test_a_damaged_cache_is_none_and_is_mended(
    project: Path, tmp_path: Path, build: Callable[[str], list[NodeResult]], damage: bytes
) -> None:
    build("one")
    (cache,) = kept(project)
    whole = cache.read_bytes()
    cache.write_bytes(whole[: len(whole) // 2] if damage == b"half" else damage)
    build("two")
    assert answer(tmp_path / "two") == 1
    build("three")
    assert not parsed_itself(tmp_path / "three")


def test_what_a_home_patched_into_its_own_cache_is_not_kept(
    project: Path, tmp_path: Path, build: Callable[[str], list[NodeResult]]
) -> None:
    build("one")
    (project / "models/answer.sql").write_text("select 2 as value")
    (old,) = kept(project)
    build("one")
    assert answer(tmp_path / "one") == 2
    assert kept(project) == [old]


def test_a_project_that_cannot_be_parsed_leaves_nothing(
    project: Path, build: Callable[[str], list[NodeResult]]
) -> None:
    (project / "models/answer.sql").write_text("select {{ ref('nothing') }}")
    with pytest.raises(BuildFailedError, match="nothing"):
        build("one")
    assert kept(project) == []


def test_a_project_that_cannot_be_written_is_built_all_the_same(
    project: Path, tmp_path: Path, build: Callable[[str], list[NodeResult]]
) -> None:
    # A file in the folder's place stands for a folder without the right to write.
    (project / "target").write_text("")
    build("one")
    assert answer(tmp_path / "one") == 1


def test_a_copied_project_another_target_and_a_file_more_have_another_key(
    project: Path, tmp_path: Path
) -> None:
    site = tmp_path / "none"
    key = parsed_key(project, site, {})
    assert key == parsed_key(project, site, {"HOME": "/elsewhere"})
    (project / "target").mkdir()
    (project / "target/parsed-x.msgpack").write_text("")
    assert key == parsed_key(project, site, {})
    shutil.copytree(project, tmp_path / "copy")
    others = [parsed_key(tmp_path / "copy", site, {}), parsed_key(project, site, {"DBT_X": "1"})]
    (project / "models/more.sql").write_text("select 1")
    others.append(parsed_key(project, site, {}))
    assert len({key, *others}) == 4
