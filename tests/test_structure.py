"""The rules of the structure that a list in `pyproject.toml` could forget."""

from __future__ import annotations

import tomllib
from typing import Any

from pipelines.settings import PROJECT_ROOT

_ORCHESTRATION = {"definitions", "assets", "resources", "sensors", "schedules"}


def modules(package: str) -> set[str]:
    folder = PROJECT_ROOT / package
    files = {path.stem for path in folder.glob("*.py") if path.stem != "__init__"}
    return files | {path.parent.name for path in folder.glob("*/__init__.py")}


def contract(name: str) -> dict[str, Any]:
    text = (PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8")
    contracts = tomllib.loads(text)["tool"]["importlinter"]["contracts"]
    found: dict[str, Any] = next(one for one in contracts if one["id"] == name)
    return found


def test_every_other_connector_is_forbidden_to_the_simulator() -> None:
    listed = set(contract("simulator-imports-nothing")["forbidden_modules"])
    others = {f"connectors.{name}" for name in modules("connectors") - {"simulator"}}
    assert listed == others | {"pipelines", "notifications", "dashboards", "cubes"}


def test_dagster_is_forbidden_to_every_module_that_does_not_orchestrate() -> None:
    listed = set(contract("dagster")["source_modules"])
    others = {f"pipelines.{name}" for name in modules("pipelines") - _ORCHESTRATION}
    assert listed == others | {"connectors", "notifications", "dashboards", "cubes"}


def test_no_contract_has_exceptions() -> None:
    text = (PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert "ignore_imports" not in text


def test_the_definitions_stay_short() -> None:
    text = (PROJECT_ROOT / "pipelines" / "definitions.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 60


def test_nothing_is_called_by_a_name_that_says_nothing() -> None:
    names = {path.stem for path in PROJECT_ROOT.glob("[cdnp]*/**/*.py")}
    assert not names & {"common", "utils", "lib", "core", "helpers", "misc"}
