from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipelines.errors import SettingsError
from pipelines.home import Home, write_home
from pipelines.settings import PROJECT_ROOT, Settings, read_settings


def read(tmp_path: Path, **environment: str) -> Settings:
    named = {f"HUIYIN_{name.upper()}": value for name, value in environment.items()}
    return read_settings({"HUIYIN_HOME": str(tmp_path), **named}, dotenv=None)


def test_every_setting_stands_in_the_example_file_and_no_other() -> None:
    text = (PROJECT_ROOT / ".env.example").read_text(encoding="utf-8")
    listed = set(re.findall(r"^# (HUIYIN_[A-Z_]+)=", text, flags=re.MULTILINE))
    assert listed == {f"HUIYIN_{name.upper()}" for name in Settings.model_fields}


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = read_settings({}, dotenv=None)
    assert settings.home == PROJECT_ROOT / "var"
    assert settings.timezone == "Asia/Shanghai"
    assert settings.signature_zh == "【回音】"


def test_all_faults_are_reported_together(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, timezone="Asia/Shangai", threads="many", clock="yesterday", langage="en")
    faults = " ".join(caught.value.faults)
    assert len(caught.value.faults) == 3
    for name in ("HUIYIN_TIMEZONE", "HUIYIN_THREADS", "HUIYIN_LANGAGE"):
        assert name in faults
    assert "did you mean 'HUIYIN_LANGUAGE'" in faults


def test_a_wrong_clock_is_a_fault_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"HUIYIN_CLOCK='fixed:2026-03-31T09:00:00'.*offset"):
        read(tmp_path, clock="fixed:2026-03-31T09:00:00")


def test_a_wrong_key_never_shows_its_value(tmp_path: Path) -> None:
    settings = read(tmp_path, pseudonym_key="topsecret")
    assert "topsecret" not in repr(settings)


def test_what_a_home_chose_gives_way_to_the_environment(tmp_path: Path) -> None:
    write_home(Home(tmp_path), {"timezone": "America/New_York", "sources": ["nyc311"]})
    assert read(tmp_path).timezone == "America/New_York"
    assert read(tmp_path).sources == ("nyc311",)
    assert read(tmp_path, timezone="Asia/Tokyo").timezone == "Asia/Tokyo"


def test_a_broken_home_description_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "home.json").write_text('{"demo": true,\n oops}', encoding="utf-8")
    with pytest.raises(SettingsError, match=r"home\.json failed at line 2"):
        read(tmp_path)


def test_a_dotenv_file_is_read_and_its_faults_have_lines(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("# comment\nHUIYIN_LANGUAGE=en\n", encoding="utf-8")
    assert read_settings({}, dotenv=dotenv).language == "en"
    dotenv.write_text("HUIYIN_LANGUAGE=en\nnonsense\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"\.env:2: expected NAME=value"):
        read_settings({}, dotenv=dotenv)
