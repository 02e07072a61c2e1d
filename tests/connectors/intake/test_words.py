"""Words complete, and each page and answer uses only keys that exist."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from connectors.intake import words
from connectors.intake.event import REPORTER_EVENTS, STAFF_EVENTS
from connectors.intake.refusal import _STATUS
from tests.connectors.intake.server import PROJECT_ROOT

FOLDER = Path(words.__file__).parent


def test_each_word_has_chinese_and_english_of_its_own() -> None:
    declared = yaml.safe_load(words.WORDS.read_text(encoding="utf-8"))
    for key, both in declared.items():
        assert set(both) == {"zh", "en"} and both["zh"].strip() and both["en"].strip(), key
        assert (
            re.findall(r"\{\w+\}", both["zh"]).sort() == re.findall(r"\{\w+\}", both["en"]).sort()
        )
        assert re.search(r"[\u4e00-\u9fff]", both["zh"]), key


def test_every_key_that_is_used_exists_and_every_key_is_used() -> None:
    known = set(words.load_words())
    used = {f"code.{code}" for code in _STATUS}
    used |= {f"event.{name}" for name in (STAFF_EVENTS | REPORTER_EVENTS).values()}
    cases = yaml.safe_load((PROJECT_ROOT / "cubes/definitions/cases.yml").read_text("utf-8"))
    used |= {f"state.{status}" for status in cases["dimensions"]["status"]["values"]}
    used |= {"status.done.message", "status.done.withdraw"}
    for path in [*FOLDER.glob("*.py"), *FOLDER.glob("pages/*.html")]:
        text = path.read_text("utf-8")
        used |= set(re.findall(r"(?:word|both)\(\s*['\"]([a-z_.]+)['\"]", text))
        used |= {f"fault.{key}" for key in re.findall(r"fault\([^()]*?, \"([a-z_]+)\"", text)}
        used |= {key for key in known if f'"{key}"' in text or f"'{key}'" in text}
    assert used - known == set()
    assert known - used - {"state.received", "event.created"} == set()
