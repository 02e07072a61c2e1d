"""The words of the pages."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest
import yaml

from notifications.portal import audit, digests
from notifications.portal.words import words

PORTAL = Path(__file__).parents[3] / "notifications" / "portal"
SOURCES = [*PORTAL.glob("*.py"), *PORTAL.glob("pages/*.html")]


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_text_is_there_in_both_languages() -> None:
    raw = yaml.safe_load((PORTAL / "words.yml").read_text(encoding="utf-8"))
    for key, value in raw.items():
        assert set(value) == {"zh", "en"} and all(value.values()), key
        assert places(value["zh"]) == places(value["en"]), key


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_key_that_is_used_has_words(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    used = set(re.findall(r"""\bt\('([\w.]+)'[,)]""", text))
    used |= set(re.findall(r"""\bsay\("([\w.]+)",""", text))
    used |= set(re.findall(r"""Refused\(\d+, "([\w.]+)"\)""", text))
    used |= set(re.findall(r"""ValueError\("([\w.]+)"\)""", text))
    used |= set(re.findall(r"""error="([\w.]+)"\)""", text))
    used |= {f"done.{key}" for key in re.findall(r"""goto\([^)]*, "(\w+)"\)""", text)}
    assert used <= set(words()), used - set(words())


def test_every_word_is_used_somewhere() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in SOURCES)
    made = r"^(done|kind|state|action|actor|position|weekday|when|compare|people\.state)\."
    made += r"|^(digest|thresholds|password|sign_in)\."
    for key in words():
        assert key in text or re.match(made, key), f"{key} is used nowhere"


def test_every_action_of_the_log_and_every_choice_of_days_has_words() -> None:
    assert {f"action.{one}" for one in audit.ACTIONS} <= set(words())
    assert {f"digest.{one}" for one in digests.CHOICES} <= set(words())
    assert {f"when.{one}" for one in digests.CHOICES} <= set(words())
