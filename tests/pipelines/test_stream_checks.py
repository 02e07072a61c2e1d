from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from connectors.contract import DeliverySchedule
from connectors.delivery_calendar import expected_day
from connectors.ledger_rows import Batch, ExchangeEvent
from pipelines.stream_checks import Finding, Unread, freshness, reconciliation, volume

ZONE = "Asia/Shanghai"
NOW = datetime(2026, 3, 31, 1, 0, tzinfo=UTC)
DAY = date(2026, 3, 30)


def weekday(day: date) -> bool:
    return day.weekday() < 5


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+08:00")


@pytest.mark.parametrize(
    ("now", "calendar", "expected"),
    [
        ("2026-03-31T06:30", "daily", "2026-03-30"),
        ("2026-03-31T06:29", "daily", "2026-03-29"),
        # 2026-03-28 is a Saturday: what Monday brings covers it, what Friday brought does not.
        ("2026-03-29T12:00", "daily", "2026-03-28"),
        ("2026-03-29T12:00", "working", "2026-03-26"),
        ("2026-03-30T06:29", "working", "2026-03-26"),
        ("2026-03-30T06:30", "working", "2026-03-29"),
    ],
)
def test_the_day_that_is_due_follows_the_time_and_the_calendar(
    now: str, calendar: Any, expected: str
) -> None:
    delivery = DeliverySchedule(by="06:30", calendar=calendar)
    assert expected_day(delivery, at(now), ZONE, weekday).isoformat() == expected


def fresh(through: str | None, missing: list[str] | None = None, **more: Any) -> Finding:
    given: dict[str, Any] = {
        "expected": DAY,
        "due": "06:30",
        "last_arrival": NOW,
        "unread": None,
        "zone": ZONE,
    }
    return freshness({"complete_through": through, "missing": missing or []}, **given | more)


def test_a_stream_is_fresh_when_it_is_complete_through_the_day_that_is_due() -> None:
    assert fresh("2026-03-30").passed
    late = fresh("2026-03-25", ["2026-03-26", "2026-03-27"])
    assert not late.passed and late.severity == "warn"
    assert "2026-03-26, 2026-03-27" in late.zh and "2026-03-26, 2026-03-27" in late.en
    assert late.facts["last arrival"] == "2026-03-31 09:00"


def test_a_stream_of_which_nothing_came_is_not_fresh_unless_nothing_was_agreed() -> None:
    assert not fresh(None).passed
    assert fresh(None, expected=None, due=None).passed


def test_a_source_that_cannot_be_read_is_an_error_told_in_both_languages() -> None:
    down = Unread("source_unreachable", "the database is down")
    found = fresh("2026-03-30", unread=down)
    assert (found.passed, found.severity) == (False, "error")
    assert found.zh.startswith("来源现在读不到（source_unreachable）。检查网络")
    assert found.zh.endswith("the database is down")
    assert found.en.startswith("The source cannot be read now (source_unreachable): check the")
    assert found.en.endswith("the database is down")


def days(count: Callable[[date], int], length: int = 28) -> dict[date, int]:
    return {one: count(one) for one in (DAY - timedelta(days=n) for n in range(length + 1))}


def test_rows_are_held_against_the_median_of_the_same_weekday() -> None:
    rows = days(lambda one: 100 if weekday(one) else 10)
    assert volume(rows, DAY).facts["usual rows"] == 100
    assert volume(rows, DAY).passed
    assert not volume({**rows, DAY: 49}, DAY).passed
    assert volume({**rows, DAY: 50}, DAY).passed
    assert volume({**rows, DAY: 200}, DAY).passed
    assert not volume({**rows, DAY: 201}, DAY).passed
    sunday = DAY - timedelta(days=1)
    assert volume(rows, sunday).facts["usual rows"] == 10


def test_a_day_without_rows_counts_as_none() -> None:
    rows = days(lambda one: 100)
    del rows[DAY]
    found = volume(rows, DAY)
    assert (found.passed, found.severity, found.facts["rows"]) == (False, "warn", 0)


def test_too_little_to_compare_is_no_fault() -> None:
    assert volume(days(lambda one: 100, length=5), DAY).passed
    assert volume({**days(lambda one: 3), DAY: 0}, DAY).passed
    assert volume({}, None).passed


def batch(number: int, **more: Any) -> Batch:
    given: dict[str, Any] = {
        "batch_id": f"b{number}",
        "source": "shop",
        "stream": "sales",
        "branch": "main",
        "business_date": DAY,
        "covers_from": DAY,
        "sequence": number,
        "interface": "files",
        "place": f"f{number}",
        "content_sha256": "",
        "log_sha256": "",
        "declared_rows": 5,
        "declared_sums": {"amount": "10"},
        "rows": 5,
        "rows_loaded": 5,
        "rejected": 0,
        "sums": {"amount": "10.00"},
        "status": "loaded",
        "code": None,
        "reason": None,
        "supersedes": None,
        "path": "p",
        "received_at": NOW,
        "loaded_at": NOW,
    }
    return Batch(**given | more)


def event(code: str) -> ExchangeEvent:
    return ExchangeEvent(1, code, "shop", "sales", "main", None, None, "f9", "not there", NOW, None)


def reconciled(
    *batches: Batch, events: tuple[ExchangeEvent, ...] = (), quarantined: int = 0
) -> Finding:
    return reconciliation(batches, events, quarantined=quarantined, now=NOW)


def test_batches_that_were_counted_as_declared_agree() -> None:
    found = reconciled(batch(1), batch(2), events=(event("duplicate_batch"),))
    assert found.passed
    assert found.facts["rows loaded"] == 10


def test_a_refusal_is_an_error_until_its_number_is_loaded() -> None:
    refused = batch(2, status="refused", code="wrong_sum", business_date=date(2026, 3, 29))
    found = reconciled(batch(1), refused)
    assert "申报的合计与清点不符（wrong_sum）" in found.zh
    assert "a declared sum differs from the counted one (wrong_sum)" in found.en
    assert (found.passed, found.severity) == (False, "error")
    assert "f2" in found.zh and "wrong_sum" in found.en
    assert reconciled(batch(1), refused, replace(refused, batch_id="b3", status="loaded")).passed
    old = replace(refused, received_at=NOW - timedelta(days=32))
    assert reconciled(batch(1), old).passed


def test_a_count_or_sum_that_differs_is_an_error() -> None:
    assert reconciled(batch(1, declared_rows=6)).severity == "error"
    assert not reconciled(batch(1, sums={"amount": "9"})).passed


def test_quarantine_and_open_events_warn() -> None:
    rows = reconciled(batch(1), quarantined=3)
    assert (rows.passed, rows.severity, rows.facts["rows in quarantine"]) == (False, "warn", 3)
    missing = reconciled(batch(1), events=(event("missing_log"),))
    assert (missing.passed, missing.severity) == (False, "warn")
