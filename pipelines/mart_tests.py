"""How the tests of the last build came out, mart by mart, from the files that dbt leaves."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipelines.stream_checks import Finding

_FAULTY = {"error", "fail"}
_MOST_NAMED = 5


@dataclass(frozen=True)
class DataTest:
    """One test of the last build; `status` is dbt's word: pass, warn, fail, error or skipped."""

    name: str
    status: str
    severity: str
    failures: int


@dataclass(frozen=True)
class MartOutcome:
    """The last build of one mart: its own status, its seconds, and its tests."""

    status: str
    seconds: float
    built_at: datetime
    tests: tuple[DataTest, ...]


def last_outcomes(dbt_target: Path) -> dict[str, MartOutcome]:
    """Outcomes by mart of the last build of this home; empty before the first one.

    A test over several marts belongs to each of them.
    """
    try:
        results = _read(dbt_target / "run_results.json")
        nodes = _read(dbt_target / "manifest.json")["nodes"]
        built_at = datetime.fromisoformat(results["metadata"]["generated_at"])
        by_id = {result["unique_id"]: result for result in results["results"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    tests: dict[str, list[DataTest]] = defaultdict(list)
    for unique_id, result in sorted(by_id.items()):
        node = nodes.get(unique_id)
        if node is None or node["resource_type"] != "test":
            continue
        outcome = DataTest(
            node["name"],
            result["status"],
            str(node["config"]["severity"]).lower(),
            int(result.get("failures") or 0),
        )
        attached = node.get("attached_node")
        for of in [attached] if attached else node["depends_on"]["nodes"]:
            tests[of].append(outcome)
    return {
        node["name"]: MartOutcome(
            by_id[unique_id]["status"],
            float(by_id[unique_id].get("execution_time") or 0),
            built_at,
            tuple(tests[unique_id]),
        )
        for unique_id, node in nodes.items()
        if node["resource_type"] == "model" and "marts" in node["fqn"] and unique_id in by_id
    }


def finding_of_tests(outcome: MartOutcome | None) -> Finding:
    """The tests of a mart as one finding: an error if the publish was stopped by one of them."""
    if outcome is None:
        return Finding(False, "warn", "还没有构建过", "It has not been built yet", {"tests": 0})
    bad = [test for test in outcome.tests if test.status in _FAULTY]
    warned = [test for test in outcome.tests if test.status == "warn"]
    left_out = [test for test in outcome.tests if test.status == "skipped"]
    facts: dict[str, int | float | str] = {
        "tests": len(outcome.tests),
        "failed": len(bad),
        "warned": len(warned),
        "not run": len(left_out),
        "model": outcome.status,
        "built at": outcome.built_at.isoformat(timespec="seconds"),
    }
    named = _named([*bad, *warned])
    if named:
        facts["which"] = named
    if outcome.status != "success" or bad or left_out:
        if outcome.status != "success":
            zh, en = (
                f"模型没有建成（{outcome.status}）",
                f"The model was not built ({outcome.status})",
            )
        elif bad:
            zh, en = f"{len(bad)} 项检查不通过：{named}", f"{len(bad)} tests failed: {named}"
        else:
            zh, en = f"{len(left_out)} 项检查没有运行", f"{len(left_out)} tests were not run"
        return Finding(False, "error", zh, en, facts)
    if warned:
        return Finding(
            False,
            "warn",
            f"{len(warned)} 项检查有提醒：{named}",
            f"{len(warned)} tests warn: {named}",
            facts,
        )
    return Finding(
        True,
        "error",
        f"检查 {len(outcome.tests)} 项，全部通过",
        f"Tests passed: {len(outcome.tests)} of {len(outcome.tests)}",
        facts,
    )


def completeness_finding(information: Mapping[str, Any]) -> Finding:
    """Whether every source of a snapshot (its published.json) is complete for its business date."""
    if not information:
        return Finding(False, "warn", "还没有发布过", "Nothing is published yet")
    day = information["business_date"]
    late = {
        name: source["complete_through"]
        for name, source in sorted(information["sources"].items())
        if (source["complete_through"] or "") < day
    }
    facts: dict[str, int | float | str] = {
        "snapshot": information["tag"],
        "business date": day,
        "sources": len(information["sources"]),
        "incomplete sources": len(late),
    }
    if not late:
        return Finding(
            True, "warn", f"{day} 所有来源都完整", f"Every source is complete for {day}", facts
        )
    zh = "，".join(f"{name} 只到 {through or '（无）'}" for name, through in late.items())
    en = ", ".join(f"{name} through {through or 'none'}" for name, through in late.items())
    return Finding(False, "warn", f"{day} 不完整：{zh}", f"Not complete for {day}: {en}", facts)


def _named(tests: list[DataTest]) -> str:
    named = [f"{test.name} ({test.failures})" for test in tests[:_MOST_NAMED]]
    if len(tests) > _MOST_NAMED:
        named.append(f"… (+{len(tests) - _MOST_NAMED})")
    return ", ".join(named)


def _read(path: Path) -> Mapping[str, Any]:
    read: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read
