"""The error tree of `cubes`.

CubeError
├── DeclarationError      one or more declaration files are wrong (all faults at once)
├── QueryError            a query names something that does not exist or cannot be combined
│   ├── TableMissing      a table that the query reads is not in the database
│   ├── AnswerTooLarge    the answer has more rows than may be given
│   └── AnswerTooSlow     the answer took longer than it may
├── SnapshotError         no snapshot is published yet, or it cannot be opened
└── WorkingTimeError      working time cannot be counted as asked
    ├── CalendarTooShort  a calendar does not hold a date that was asked of it
    └── NoWorkingTime     a calendar has no working time, or too little, to reach a target

Every class states in `retryable` whether the same call can succeed later without a change.
A QueryError speaks Chinese and English: `str` is the English sentence, `text` that of a language.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Fault:
    """One thing that is wrong in one file, at a line counted from 1 (0 when unknown)."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.message}"


class CubeError(Exception):
    """Base of all errors raised by `cubes`."""

    retryable: bool = False


class DeclarationError(CubeError):
    """Declarations could not be loaded; `faults` lists everything wrong in all files."""

    def __init__(self, noun: str, faults: Sequence[Fault]) -> None:
        self.noun = noun
        self.faults = tuple(sorted(faults))
        plural = "" if len(self.faults) == 1 else "s"
        lines = "\n".join(f"  {fault}" for fault in self.faults)
        count = len(self.faults)
        super().__init__(
            f"Loading {noun} declarations found {count} fault{plural}:\n{lines}\n"
            "Trying again does not help; correct the lines above."
        )


class _InBothLanguages(Exception):
    """An error that speaks Chinese and English; `str` of it is the English."""

    def __init__(self, *, zh: str, en: str) -> None:
        self._zh = zh
        super().__init__(en)

    def text(self, language: str) -> str:
        """What it says in `language` ("zh" or "en")."""
        return self._zh if language == "zh" else str(self)


class QueryError(_InBothLanguages, CubeError):
    """A query cannot be answered as asked; the message says which name is wrong and suggests."""


class ValueFault(_InBothLanguages, ValueError):
    """What is wrong with one value, as the part of a sentence that its catcher writes."""


class TableMissing(QueryError):
    """A table that a query reads is not in the database; its name is for operators only."""


class AnswerTooLarge(QueryError):
    """An answer has more rows than its limit; a part of it would mislead, so none is given."""


class AnswerTooSlow(QueryError):
    """An answer took longer than its limit and was given up."""

    retryable = True


class SnapshotError(CubeError):
    """No snapshot can be read; a build and publish is needed first."""

    retryable = True


class WorkingTimeError(CubeError):
    """Working time cannot be counted as asked; the calendar or the question must change."""


class CalendarTooShort(WorkingTimeError):
    """A calendar that was built up to a date does not hold one that was asked of it."""


class NoWorkingTime(WorkingTimeError):
    """A target is not reached within the years that are looked at."""
