"""The words of the pages, in Chinese and English, from `words.yml`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml

from cubes.label import Label, Language


@cache
def words() -> dict[str, Label]:
    """Every text by its key."""
    text = Path(__file__).with_name("words.yml").read_text(encoding="utf-8")
    return {key: Label.model_validate(value) for key, value in yaml.safe_load(text).items()}


def say(key: str, language: Language, /, **values: object) -> str:
    """The text of a key with its places filled; a key that is missing is a defect."""
    return words()[key].text(language).format(**values)


def has_words(key: str) -> bool:
    """Whether there is a text of this key."""
    return key in words()
