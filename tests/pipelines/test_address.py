from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.address import read_addresses, write_addresses
from pipelines.home import Home


def test_addresses_are_read_as_they_were_written(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert read_addresses(home) == {}
    addresses = {"dagster": "http://127.0.0.1:3000", "portal": "http://[::1]:8020"}
    write_addresses(home, addresses)
    assert read_addresses(home) == addresses


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "5",
        '{"portal": 5}',
        '{"portal": null}',
        '{"portal": "x"}',
        '{"portal": "http://[::bad"}',
        '{"portal": "http://host:port"}',
        '{"portal": "file:///etc/passwd"}',
        '{"stranger": "http://127.0.0.1:1"}',
    ],
)
def test_what_is_no_address_is_left_out(tmp_path: Path, text: str) -> None:
    home = Home(tmp_path)
    write_addresses(home, {})
    (home.run / "addresses.json").write_text(text, encoding="utf-8")
    assert read_addresses(home) == {}
