from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import HomeError
from pipelines.home import Home, read_roster, started_at


@pytest.mark.parametrize("name", ["ledger.db", "pii.db"])
def test_a_store_that_is_gone_while_its_batches_are_there_is_not_made_anew(
    tmp_path: Path, name: str
) -> None:
    home = Home(tmp_path)
    home.require_store(tmp_path / name)
    (home.raw / "shop").mkdir(parents=True)
    with pytest.raises(HomeError, match="restored from a backup"):
        home.require_store(tmp_path / name)
    (tmp_path / name).touch()
    home.require_store(tmp_path / name)


@pytest.mark.parametrize("value", ["yesterday", 5, "2026-03-31T09:00:00"])
def test_a_start_that_is_no_instant_is_told(tmp_path: Path, value: Any) -> None:
    (tmp_path / "home.json").write_text(json.dumps({"started_at": value}))
    with pytest.raises(HomeError, match="started_at"):
        started_at(Home(tmp_path))


@pytest.mark.parametrize("value", [5, ["me"], {"staff_id": "me"}])
def test_a_roster_that_is_no_list_of_members_is_told(tmp_path: Path, value: Any) -> None:
    (tmp_path / "home.json").write_text(json.dumps({"roster": value}))
    with pytest.raises(HomeError, match="roster"):
        read_roster(Home(tmp_path))
