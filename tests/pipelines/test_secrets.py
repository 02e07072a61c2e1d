from __future__ import annotations

import stat
from pathlib import Path

import pytest

from pipelines.errors import SettingsError
from pipelines.home import Home
from pipelines.secrets import find_secret, load_secrets
from pipelines.settings import Settings, read_settings


def test_missing_secrets_are_generated_once_into_a_private_file(tmp_path: Path) -> None:
    home, settings = Home(tmp_path), Settings(home=tmp_path)
    first = load_secrets(settings, home)
    assert stat.S_IMODE(home.secrets.stat().st_mode) == 0o600
    assert load_secrets(settings, home) == first
    assert first.pseudonym.hex() not in repr(first)


def test_a_lost_key_is_an_error_while_the_pii_store_exists(tmp_path: Path) -> None:
    home, settings = Home(tmp_path), Settings(home=tmp_path)
    load_secrets(settings, home)
    home.pii.touch()
    home.secrets.unlink()
    with pytest.raises(SettingsError, match="restore the key"):
        load_secrets(settings, home)
    assert not home.secrets.exists()


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    home = Home(tmp_path)
    load_secrets(Settings(home=tmp_path), home)
    key = "ab" * 32
    assert load_secrets(Settings(home=tmp_path, pseudonym_key=key), home).pseudonym.hex() == key


def test_all_malformed_keys_are_reported_without_their_values(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, pseudonym_key="zz-secret", encryption_key="short-secret")
    with pytest.raises(SettingsError) as caught:
        load_secrets(settings, Home(tmp_path))
    assert len(caught.value.faults) == 2
    assert "secret" not in str(caught.value).replace("secrets", "")


def test_a_secrets_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.secrets.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="not UTF-8"):
        load_secrets(Settings(home=tmp_path), home)


def test_a_credential_of_a_source_comes_from_the_environment_then_from_the_file(
    tmp_path: Path,
) -> None:
    home = Home(tmp_path)
    home.secrets.write_text("HUIYIN_BILLING_PASSWORD=of-the-file\nHUIYIN_CRM_KEY_FILE=keys/crm\n")
    given = read_settings({"HUIYIN_HOME": str(tmp_path)}, dotenv=None)
    assert find_secret(given, home, "HUIYIN_BILLING_PASSWORD") == "of-the-file"
    assert find_secret(given, home, "HUIYIN_CRM_KEY_FILE") == "keys/crm"
    assert find_secret(given, home, "HUIYIN_HALL_PASSWORD") is None
    given = read_settings(
        {"HUIYIN_HOME": str(tmp_path), "HUIYIN_BILLING_PASSWORD": "of-the-environment"},
        dotenv=None,
    )
    assert find_secret(given, home, "HUIYIN_BILLING_PASSWORD") == "of-the-environment"
    assert "of-the-environment" not in repr(given)


@pytest.mark.parametrize("name", ["HUIYIN_CREDENTIALS", "HUIYIN_SUPERSET_ADMN_PASSWORD"])
def test_a_mistyped_setting_is_not_taken_for_a_credential(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} is not a setting"):
        read_settings({"HUIYIN_HOME": str(tmp_path), name: "x"}, dotenv=None)


def test_what_steers_the_tests_is_no_setting(tmp_path: Path) -> None:
    read_settings({"HUIYIN_HOME": str(tmp_path), "HUIYIN_TEST_KILLS": "50"}, dotenv=None)
