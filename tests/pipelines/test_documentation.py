from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cubes.errors import SnapshotError
from pipelines.command_line.application import application
from pipelines.documentation import page_of, plain
from pipelines.errors import HomeError

NODE = {
    "package_name": "huiyin",
    "description": "Ends a </script> early, in /home/somebody/huiyin/models.",
    "created_at": 1.5,
    "compiled_path": "/home/somebody/huiyin/target/a.sql",
}
ARTIFACT = {
    "metadata": {
        "project_name": "huiyin",
        "invocation_id": "7c1",
        "user_id": "u-1",
        "generated_at": "2026-11-30T01:02:03Z",
        "env": {"NAME": "value"},
    },
    "nodes": {"model.huiyin.b": NODE, "model.huiyin.a": NODE},
    "macros": {
        "macro.dbt.run": {"package_name": "dbt"},
        "macro.huiyin.as_of": {"package_name": "huiyin"},
    },
}


def run(home: Path, *arguments: str) -> None:
    environment = {"HUIYIN_HOME": str(home)}
    result = CliRunner().invoke(
        application, ["docs", *arguments], env=environment, standalone_mode=False
    )
    assert result.exception is not None
    raise result.exception


def test_before_the_first_publish_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match="huiyin run"):
        run(tmp_path / "home", str(tmp_path / "site"))
    assert not (tmp_path / "site").exists() and not (tmp_path / "home").exists()


def test_a_file_in_place_of_the_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "site").write_text("mine", encoding="utf-8")
    with pytest.raises(HomeError, match="is a file"):
        run(tmp_path / "home", str(tmp_path / "site"))
    assert (tmp_path / "site").read_text(encoding="utf-8") == "mine"


def test_an_artifact_keeps_nothing_of_its_run_its_machine_or_dbt_itself() -> None:
    kept = plain(ARTIFACT, "2026-03-31T01:00:00+00:00")
    assert kept["metadata"] == {
        "project_name": "huiyin",
        "generated_at": "2026-03-31T01:00:00+00:00",
        "env": {},
    }
    assert list(kept["nodes"]) == ["model.huiyin.a", "model.huiyin.b"]
    assert kept["nodes"]["model.huiyin.a"].keys() == {"package_name", "description"}
    assert list(kept["macros"]) == ["macro.huiyin.as_of"]


def test_the_chinese_sentence_of_a_table_follows_the_english_one() -> None:
    meta = {"zh": "每行一件工单。", "owner": "desk"}
    node = {"package_name": "huiyin", "description": "One case.\n", "config": {"meta": meta}}
    made = ARTIFACT | {"nodes": {"model.huiyin.case": node | {"meta": meta}}}
    told = plain(made, "2026-03-31T01:00:00+00:00")["nodes"]["model.huiyin.case"]
    assert told["description"] == "One case.\n\n每行一件工单。"
    assert told["meta"] == told["config"]["meta"] == {"owner": "desk"}
    assert meta["zh"]


def test_the_page_holds_both_artifacts_and_loads_nothing_from_elsewhere() -> None:
    catalog = {"metadata": {"project_name": "huiyin"}, "nodes": {"here": {}}}
    page = page_of(plain(ARTIFACT, "then"), plain(catalog, "then"), ["/home/somebody/huiyin"])
    assert "INLINE DATA" not in page
    assert "/home/somebody" not in page
    # As a browser reads it: nothing ends the script early, and what is embedded is as it was.
    decoder = json.JSONDecoder()
    starts = [found.start() for found in re.finditer(r'\{"metadata":', page)]
    manifest, told = (decoder.raw_decode(page, start) for start in starts)
    assert "</" not in page[starts[0] : manifest[1]]
    description = manifest[0]["nodes"]["model.huiyin.a"]["description"]
    assert description == "Ends a </script> early, in models."
    assert told[0]["nodes"] == {"here": {}}
    assert re.findall(r"<script[^>]*\bsrc=|<link[^>]*\bhref=.https?:", page) == []
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy and policy[1].startswith("default-src 'none'")
    assert "http" not in policy[1] and "*" not in policy[1]
