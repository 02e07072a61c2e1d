"""What a round of telling reports."""

from __future__ import annotations

from notifications.planner import TickReport
from pipelines.telling import Told


def test_a_round_of_telling_names_what_could_not_be_planned() -> None:
    report = TickReport("s1", (), (), 0, ("Digest 'complaints' of 2026-03-30: no column",))
    assert Told(0, report).errors == ("Digest 'complaints' of 2026-03-30: no column",)
