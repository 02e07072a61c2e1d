"""The words of the ledger: what each code of a refusal, a record or an exchange event means."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import yaml

_FILE = Path(__file__).with_suffix(".yml")


@dataclass(frozen=True)
class Code:
    """One code: its sentence and what to do about it, by language ('zh', 'en').

    Of severity `info` is what asks nobody to do anything.
    """

    name: str
    says: dict[str, str]
    hint: dict[str, str]
    severity: Literal["info", "warning"] = "warning"


@cache
def known_codes() -> dict[str, Code]:
    """Every code of `codes.yml` by name, in its order."""
    given = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return {
        name: Code(
            name,
            {"zh": text["zh"], "en": text["en"]},
            text["hint"],
            text.get("severity", "warning"),
        )
        for name, text in given.items()
    }


def sentence(code: str | None, language: str) -> str:
    """What a code says, in one clause; a code that is not known stands for itself."""
    if not code:
        return ""
    known = known_codes().get(code)
    return known.says[language] if known else code


def hint(code: str | None, language: str) -> str:
    """What to do about a code; empty for one that is not known."""
    known = known_codes().get(code or "")
    return known.hint[language] if known else ""


def asks_for_care(code: str | None) -> bool:
    """Whether somebody has to look at what the code says; one that is not known is looked at."""
    known = known_codes().get(code or "")
    return known is None or known.severity != "info"
