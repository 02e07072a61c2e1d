"""As it was: what a query that looks back shows of then, and what of today."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any


@dataclass(frozen=True)
class AsWas:
    """How a query with `as_was` was answered.

    Each fact stands where the dimensions in `then` had it at its date of the time role `time`;
    those in `today` have no history and show today's members. Both map a role to its label. Where
    the durable key of a member is shown, it has the name of the day `named_on` (None: today's).
    """

    time: str
    time_label: str
    then: Mapping[str, str]
    today: Mapping[str, str]
    named_on: date | None

    def to_mapping(self) -> dict[str, Any]:
        """The JSON form: the time role, the roles shown as they were, those shown as they are."""
        return {"time": self.time, "as_was": list(self.then), "as_is": list(self.today)}

    def sentence(self, language: str) -> str:
        """One line for people."""
        between = "、" if language == "zh" else ", "
        then = between.join(self.then.values())
        today = between.join(self.today.values())
        if language == "zh":
            parts = [f"按“{self.time_label}”当天的样子：{then}"] if then else []
            parts += [f"没有历史、按现在的样子：{today}"] if today else []
            return "；".join(parts) or "没有用到有历史的维度"
        parts = [f"as it was at the date '{self.time_label}': {then}"] if then else []
        parts += [f"without a history, as it is today: {today}"] if today else []
        return "; ".join(parts) or "no dimension with a history is used"
