from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pipelines.mart_tests import (
    MartOutcome,
    NodeResult,
    completeness_finding,
    finding_of_tests,
    last_outcomes,
    write_outcomes,
)

NODES = (
    NodeResult("fct_case", "model", "success", 1.5, folders=("marts", "feedback")),
    NodeResult("dim_org", "model", "success", 1.5, folders=("marts", "org")),
    NodeResult("stg", "model", "success", 1.5, folders=("staging",)),
    NodeResult("key", "test", "pass", 1.5, failures=3, severity="error", of=("fct_case",)),
    NodeResult("unit", "test", "pass", 1.5, failures=3, severity="warn", of=("fct_case",)),
    NodeResult(
        "whole", "test", "pass", 1.5, failures=3, severity="error", of=("fct_case", "dim_org")
    ),
)


def left(folder: Path, **statuses: str) -> dict[str, MartOutcome]:
    """The outcomes that are read after a build with these statuses."""
    nodes = [replace(node, status=statuses.get(node.name, node.status)) for node in NODES]
    file = folder / "dbt" / "mart_outcomes.json"
    write_outcomes(file, nodes, built_at=datetime(2026, 3, 31, 1, tzinfo=UTC))
    return last_outcomes(file)


def test_a_test_belongs_to_the_mart_it_is_written_at_or_to_all_it_reads(tmp_path: Path) -> None:
    outcomes = left(tmp_path)
    assert set(outcomes) == {"fct_case", "dim_org"}
    assert [test.name for test in outcomes["fct_case"].tests] == ["key", "unit", "whole"]
    assert [test.name for test in outcomes["dim_org"].tests] == ["whole"]
    assert outcomes["fct_case"].seconds == 1.5
    assert finding_of_tests(outcomes["fct_case"]).passed


def test_a_failed_test_is_an_error_and_a_warning_warns(tmp_path: Path) -> None:
    warned = finding_of_tests(left(tmp_path, unit="warn")["fct_case"])
    assert (warned.passed, warned.severity) == (False, "warn")
    assert "unit (3)" in warned.en
    failed = finding_of_tests(left(tmp_path, key="fail", unit="warn")["fct_case"])
    assert (failed.passed, failed.severity) == (False, "error")
    assert "key (3)" in failed.zh


def test_a_model_that_was_not_built_and_tests_that_were_left_out_are_errors(
    tmp_path: Path,
) -> None:
    outcomes = left(tmp_path, fct_case="error", key="skipped", whole="skipped")
    assert finding_of_tests(outcomes["fct_case"]).facts["model"] == "error"
    for name in ("fct_case", "dim_org"):
        found = finding_of_tests(outcomes[name])
        assert (found.passed, found.severity) == (False, "error")


def test_before_the_first_build_and_after_a_damaged_one_nothing_is_known(tmp_path: Path) -> None:
    file = tmp_path / "mart_outcomes.json"
    assert last_outcomes(file) == {}
    file.write_text("{", encoding="utf-8")
    assert last_outcomes(file) == {}
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
