"""What the ledger says of an export in our own words: noted in both languages, told in one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_LONGEST = 500


@dataclass(frozen=True)
class Told:
    """A clause of ours in both languages; a partner's own words are the same in both."""

    zh: str
    en: str

    @classmethod
    def words(cls, text: str) -> Told:
        """A partner's own words."""
        return cls(text, text)


def noted(clauses: Sequence[Told]) -> str:
    """Clauses as the ledger keeps them, 500 characters a language at most: the Chinese line, then
    the English one; one line if both are the same. A clause itself has no line breaks."""
    chinese = "；".join(one.zh for one in clauses)[:_LONGEST]
    english = "; ".join(one.en for one in clauses)[:_LONGEST]
    return english if len(clauses) == 1 and chinese == english else f"{chinese}\n{english}"


def in_language(text: str, language: str) -> str:
    """What was noted, in one language ('zh', 'en')."""
    chinese, _, english = text.partition("\n")
    return english if english and language == "en" else chinese


def counted(number: int, noun: str) -> str:
    """A number of things in English: '1 row', '2 rows'."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def was(number: int) -> str:
    """The English verb of a number of things."""
    return "was" if number == 1 else "were"
