from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pipelines.clock import parse_clock

MOMENT = "2026-03-31T09:00:00+08:00"


def test_a_fixed_clock_stands_still() -> None:
    assert parse_clock(f"fixed:{MOMENT}").now() == datetime(2026, 3, 31, 1, tzinfo=UTC)


def test_a_clock_from_an_instant_stands_until_the_home_is_started() -> None:
    assert parse_clock(f"from:{MOMENT}").now() == datetime(2026, 3, 31, 1, tzinfo=UTC)


def test_a_clock_from_an_instant_runs_on_after_the_start() -> None:
    started = datetime.now(UTC) - timedelta(hours=2)
    now = parse_clock(f"from:{MOMENT}", started).now()
    expected = datetime(2026, 3, 31, 3, tzinfo=UTC)
    assert expected <= now < expected + timedelta(minutes=1)


@pytest.mark.parametrize("text", ["", "fixed", "fixed:", "soon:2026", "from:2026-03-31T09:00:00"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|offset"):
        parse_clock(text)
