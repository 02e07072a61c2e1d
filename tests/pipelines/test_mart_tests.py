from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipelines.mart_tests import completeness_finding, finding_of_tests, last_outcomes

MART, OTHER = "model.huiyin.fct_case", "model.huiyin.dim_org"


def model(name: str, *folders: str) -> dict[str, Any]:
    return {"name": name, "resource_type": "model", "fqn": ["huiyin", *folders, name]}


def data_test(name: str, severity: str, *of: str, attached: str | None = None) -> dict[str, Any]:
    return {
        "name": name,
        "resource_type": "test",
        "fqn": ["huiyin", name],
        "config": {"severity": severity},
        "depends_on": {"nodes": list(of)},
        "attached_node": attached,
    }


NODES = {
    MART: model("fct_case", "marts", "feedback"),
    OTHER: model("dim_org", "marts", "org"),
    "model.huiyin.stg": model("stg", "staging"),
    "test.key": data_test("key", "ERROR", MART, attached=MART),
    "test.unit": data_test("unit", "WARN", OTHER, MART, attached=MART),
    "test.whole": data_test("assert_whole", "ERROR", MART, OTHER),
}


def leave(folder: Path, **statuses: str) -> None:
    """Leave what a build with these statuses would (by the last word of the id)."""
    results = [
        {
            "unique_id": unique_id,
            "status": statuses.get(
                unique_id.rpartition(".")[2], "pass" if "test" in unique_id else "success"
            ),
            "execution_time": 1.5,
            "failures": 3,
        }
        for unique_id in NODES
    ]
    metadata = {"generated_at": "2026-03-31T01:00:00Z"}
    (folder / "run_results.json").write_text(json.dumps({"metadata": metadata, "results": results}))
    (folder / "manifest.json").write_text(json.dumps({"nodes": NODES}))


def test_a_test_belongs_to_the_mart_it_is_written_at_or_to_all_it_reads(tmp_path: Path) -> None:
    leave(tmp_path)
    outcomes = last_outcomes(tmp_path)
    assert set(outcomes) == {"fct_case", "dim_org"}
    assert [test.name for test in outcomes["fct_case"].tests] == ["key", "unit", "assert_whole"]
    assert [test.name for test in outcomes["dim_org"].tests] == ["assert_whole"]
    assert outcomes["fct_case"].seconds == 1.5
    assert finding_of_tests(outcomes["fct_case"]).passed


def test_a_failed_test_is_an_error_and_a_warning_warns(tmp_path: Path) -> None:
    leave(tmp_path, unit="warn")
    warned = finding_of_tests(last_outcomes(tmp_path)["fct_case"])
    assert (warned.passed, warned.severity) == (False, "warn")
    assert "unit (3)" in warned.en
    leave(tmp_path, key="fail", unit="warn")
    failed = finding_of_tests(last_outcomes(tmp_path)["fct_case"])
    assert (failed.passed, failed.severity) == (False, "error")
    assert "key (3)" in failed.zh


def test_a_model_that_was_not_built_and_tests_that_were_left_out_are_errors(
    tmp_path: Path,
) -> None:
    leave(tmp_path, fct_case="error", key="skipped", whole="skipped")
    outcomes = last_outcomes(tmp_path)
    assert finding_of_tests(outcomes["fct_case"]).facts["model"] == "error"
    for name in ("fct_case", "dim_org"):
        found = finding_of_tests(outcomes[name])
        assert (found.passed, found.severity) == (False, "error")


def test_before_the_first_build_and_after_a_damaged_one_nothing_is_known(tmp_path: Path) -> None:
    assert last_outcomes(tmp_path) == {}
    (tmp_path / "run_results.json").write_text("{")
    assert last_outcomes(tmp_path) == {}
    assert not finding_of_tests(None).passed


def test_a_snapshot_is_complete_when_every_source_is() -> None:
    information = {
        "tag": "t",
        "business_date": "2026-03-30",
        "sources": {"a": {"complete_through": "2026-03-30"}, "b": {"complete_through": None}},
    }
    found = completeness_finding(information)
    assert (found.passed, found.severity) == (False, "warn")
    assert "b" in found.zh and "a" not in found.en.replace("for", "").split(":")[1]
    information["sources"] = {"a": {"complete_through": "2026-03-31"}}
    assert completeness_finding(information).passed
    assert not completeness_finding({}).passed
