from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cubes.label import Label
from pipelines.doctor import Finding, age_finding, examine, required_packages, room_finding
from pipelines.installation import Installation
from pipelines.settings import PROJECT_ROOT, read_settings

TOPIC = Label(zh="题", en="topic")
NOW = datetime(2026, 3, 31, tzinfo=UTC)


def installation(home: Path, **settings: str) -> Installation:
    return Installation(read_settings(settings, dotenv=None, home=home))


def findings(home: Path, **settings: str) -> dict[str, Finding]:
    return {one.topic.en: one for one in examine(installation(home, **settings))}


def test_an_empty_home_lacks_nothing_it_cannot_make(tmp_path: Path) -> None:
    home = tmp_path / "home"
    found = findings(home)
    assert [one for one in found.values() if one.level == "fail"] == []
    assert found["Snapshot"].level == "warn"
    assert not home.exists()


def test_every_finding_that_is_not_well_says_what_to_do(tmp_path: Path) -> None:
    for one in findings(tmp_path / "home").values():
        assert one.level == "ok" or one.remedy is not None


def test_a_secrets_file_that_others_can_read_fails(tmp_path: Path) -> None:
    one = installation(tmp_path)
    assert one.secrets
    assert findings(tmp_path)["Secrets"].level == "ok"
    one.home.secrets.chmod(0o644)
    found = findings(tmp_path)["Secrets"]
    assert found.level == "fail" and found.remedy is not None
    assert found.remedy.en == f"chmod 600 {one.home.secrets}"


def test_lost_keys_fail_while_their_store_is_there(tmp_path: Path) -> None:
    (tmp_path / "pii.db").touch()
    assert findings(tmp_path)["Secrets"].level == "fail"


def test_a_damaged_store_fails_by_name(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"not a database" * 100)
    found = findings(tmp_path)["Stores"]
    assert found.level == "fail" and "ledger.db" in found.text.en


def test_a_home_that_cannot_be_made_fails() -> None:
    assert findings(Path("/proc/huiyin"))["Home"].level == "fail"


def test_only_a_demonstration_may_stand_still(tmp_path: Path) -> None:
    fixed = {"HUIYIN_CLOCK": "fixed:2026-03-31T09:00:00+08:00"}
    assert findings(tmp_path, **fixed)["Clock"].level == "warn"
    (tmp_path / "home.json").write_text(json.dumps({"demo": True}), encoding="utf-8")
    assert findings(tmp_path, **fixed)["Clock"].level == "ok"


def test_a_dagster_that_others_reach_is_told_since_it_has_no_sign_in(tmp_path: Path) -> None:
    assert findings(tmp_path)["Hosts"].level == "ok"
    found = findings(tmp_path, HUIYIN_DAGSTER_HOST="0.0.0.0")["Hosts"]
    assert found.level == "warn" and "Dagster" in found.text.en
    assert found.remedy is not None and found.remedy.en == "HUIYIN_DAGSTER_HOST=127.0.0.1"


@pytest.mark.parametrize(
    ("host", "is_secure", "level"),
    [
        ("0.0.0.0", "false", "warn"),
        ("huiyin.example", "false", "warn"),
        ("0.0.0.0", "true", "ok"),
        ("::1", "false", "ok"),
        ("localhost", "false", "ok"),
    ],
)
def test_cookies_without_https_are_told_where_others_reach_them(
    tmp_path: Path, host: str, is_secure: str, level: str
) -> None:
    settings = {"HUIYIN_HOST": host, "HUIYIN_SECURE_COOKIES": is_secure}
    found = findings(tmp_path, **settings)["Hosts"]
    assert found.level == level
    assert (found.remedy is None) == (level == "ok")


@pytest.mark.parametrize(("hours", "level"), [(1, "ok"), (47, "ok"), (49, "warn")])
def test_a_snapshot_grows_old(hours: int, level: str) -> None:
    assert age_finding(TOPIC, "tag", NOW - timedelta(hours=hours), NOW).level == level


@pytest.mark.parametrize(("megabytes", "level"), [(100, "fail"), (1024, "warn"), (4096, "ok")])
def test_little_room_is_told_before_there_is_none(megabytes: int, level: str) -> None:
    assert room_finding(TOPIC, megabytes * 2**20).level == level


def test_every_package_of_the_product_is_pinned() -> None:
    text = (PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert required_packages(text)["supervisor"] == "4.3.0"
