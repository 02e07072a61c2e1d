from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from hypothesis import example, given
from hypothesis import strategies as st

from connectors.errors import StoreError
from connectors.pii_store import PiiStore, pseudonym_of
from tests.soak import fuzz

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


KINDS = ["phone", "name", "id_card", "bank_card", "email", "account"]


@fuzz(100)
@given(kind=st.sampled_from(KINDS), values=st.lists(st.text(max_size=20), max_size=5))
@example(kind="phone", values=["13800138000", "8613800138000", "+86 138-0013-8000", "０１０", "x"])
@example(kind="id_card", values=["51010119900101123X", "510101 19900101 123x"])
def test_many_pseudonyms_at_once_are_those_of_one_at_a_time(kind: str, values: list[str]) -> None:
    with PiiStore(Path(":memory:"), **KEYS) as store:
        assert store.pseudonyms(kind, values) == {
            value: pseudonym_of(KEYS["pseudonym_key"], kind, value) for value in values
        }
