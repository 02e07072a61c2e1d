"""`huiyin sla check`: the policies of an installation, shipped and the operator's."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from cubes.rule_table import RULE_TABLES
from tests.pipelines.conftest import Command


@pytest.fixture
def command_home(tmp_path: Path) -> Path:
    return tmp_path


def add(home: Path, *rows: dict[str, str]) -> None:
    path = home / "site/dbt_project/seeds/sla_policy.csv"
    path.parent.mkdir(parents=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(RULE_TABLES["sla_policy"]), restval="")
        writer.writeheader()
        for row in rows:
            shared = {"version": "1", "name": "n", "name_en": "n", "unit": "working_days"}
            writer.writerow({**shared, **row})


def test_the_shipped_policies_are_sound_and_those_to_be_confirmed_are_listed(
    huiyin: Command,
) -> None:
    code, out, _ = huiyin("sla", "check", "--format", "json")
    told = json.loads(out)
    assert code == 0 and told["faults"] == [] and told["warnings"] == []
    assert told["snapshot"] is None
    assert any("miit_answer is not active" in one["message"] for one in told["notes"])
    assert not any("default_" in one["message"] for one in told["notes"])


def test_faults_of_the_operators_policies_are_told_with_file_and_line_and_exit_1(
    huiyin: Command, tmp_path: Path
) -> None:
    add(
        tmp_path,
        {"policy_id": "own", "ordinal": "10", "clock": "resolution", "target": "3"},
        {"policy_id": "late", "ordinal": "20", "clock": "resolution", "kind": "praise",
         "target": "1"},
        {"policy_id": "odd", "ordinal": "30", "clock": "resolution", "calendar_id": "nobody",
         "target": "1"},
    )  # fmt: skip
    code, out, _ = huiyin("sla", "check", "--language", "en")
    assert code == 1
    faults = [line for line in out.splitlines() if line.startswith("fault ")]
    assert any("sla_policy.csv:3: late (ordinal 20) can never win: own" in one for one in faults)
    assert any("sla_policy.csv:4: the calendar 'nobody' is unknown" in one for one in faults)
    # A policy for every case that stands before the shipped one takes its place, as is meant.
    assert not any("default_resolution" in one for one in faults)
    assert "default_resolution (ordinal 9000) can never win: own" in out
    assert "no snapshot yet" in out
