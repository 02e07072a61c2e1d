"""How the tests of the last build came out, mart by mart."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipelines.stream_checks import Finding

_FAULTY = {"error", "fail"}
_MOST_NAMED = 5


@dataclass(frozen=True)
class NodeResult:
    """One executed node: `kind` is model, seed or test; `seconds` its duration.

    `status` and `severity` are dbt's words; `folders` lead to a model; `of` names the models that a
    test is about.
    """

    name: str
    kind: str
    status: str
    seconds: float
    message: str = ""
    failures: int = 0
    severity: str = ""
    folders: tuple[str, ...] = ()
    of: tuple[str, ...] = ()


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


def write_outcomes(file: Path, nodes: Sequence[NodeResult], *, built_at: datetime) -> None:
    """Write what `last_outcomes` reads: each mart that a build ran, with its tests.

    A test over several marts belongs to each of them.
    """
    tests: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for node in sorted(nodes, key=lambda node: node.name):
        if node.kind == "test":
            test = DataTest(node.name, node.status, node.severity, node.failures)
            for model in node.of:
                tests[model].append(asdict(test))
    marts = {
        node.name: {"status": node.status, "seconds": node.seconds, "tests": tests[node.name]}
        for node in nodes
        if node.kind == "model" and "marts" in node.folders
    }
    told = {"built_at": built_at.isoformat(), "marts": marts}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(told, ensure_ascii=False, indent=1), encoding="utf-8")


def last_outcomes(file: Path) -> dict[str, MartOutcome]:
    """Outcomes by mart of the last build of this home; empty before the first one."""
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        built_at = datetime.fromisoformat(told["built_at"])
        return {
            name: MartOutcome(
                mart["status"],
                float(mart["seconds"]),
                built_at,
                tuple(DataTest(**test) for test in mart["tests"]),
            )
            for name, mart in told["marts"].items()
        }
    except (OSError, ValueError, KeyError, TypeError):
        return {}


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
