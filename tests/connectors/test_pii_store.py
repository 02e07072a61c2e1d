from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from connectors.errors import StoreError
from connectors.pii_store import PiiStore

KEYS = {"pseudonym_key": b"k" * 32, "encryption_key": Fernet.generate_key()}


@pytest.mark.parametrize(
    ("name", "other", "told"),
    [
        ("pseudonym_key", b"x" * 32, "another pseudonym key"),
        ("encryption_key", Fernet.generate_key(), "another encryption key"),
    ],
    ids=["pseudonym key", "encryption key"],
)
def test_a_store_opens_only_with_the_keys_it_was_made_with(
    tmp_path: Path, name: str, other: bytes, told: str
) -> None:
    path = tmp_path / "pii.db"
    PiiStore(path, **KEYS).close()
    with pytest.raises(StoreError, match=told) as caught:
        PiiStore(path, **(KEYS | {name: other}))
    assert other.decode() not in str(caught.value)
    PiiStore(path, **KEYS).close()
