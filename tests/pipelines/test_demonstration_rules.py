"""The rule rows of the simulated operator in the home of the demonstration."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from cubes.rule_table import RULE_TABLES
from pipelines.demonstration import prepare_home, simulate_sources
from pipelines.installation import Installation
from pipelines.operator_rows import SITE, read_rules

OWN = "china,2026-07-15,false,大水,2026-07-14T18:00,,,"


def test_the_simulated_operators_rules_are_added_to_the_homes_own_once(tmp_path: Path) -> None:
    installation = prepare_home(Installation.open({}, home=tmp_path / "home"))
    days = installation.home.site(SITE) / "calendar_day.csv"
    days.parent.mkdir(parents=True)
    header = ",".join(RULE_TABLES["calendar_day"])
    days.write_text(f"{header}\n{OWN}\n", encoding="utf-8")
    for _ in range(2):
        simulate_sources(installation, scale=0.01, seed=11, say=lambda _: None)
    assert days.read_text(encoding="utf-8").splitlines() == [
        header,
        OWN,
        "china,2025-08-14,false,暴雨停业,2025-08-13T16:00,,,",
        "china,2025-11-17,false,系统割接停业,2025-11-19,,,",
    ]
    rules = read_rules(installation.home, datetime(2026, 3, 31, tzinfo=UTC))
    tables = [one.row.table for one in rules.recorded]
    assert {name: tables.count(name) for name in tables} == {
        "calendar": 1,
        "calendar_day": 3,
        "category_remap": 1,
        "sla_policy": 7,
    }
