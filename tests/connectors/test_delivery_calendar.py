"""Which deliveries are due, late, missing or silent, by hand on the calendar of March 2026."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connectors.contract import Contract, DeliverySchedule
from connectors.delivery_calendar import (
    Absence,
    arrivals_due,
    expected_day,
    watch_deliveries,
)
from connectors.ledger import Ledger
from connectors.ledger_rows import Batch
from tests.connectors.conftest import SHOP, load_one

SHANGHAI = ZoneInfo("Asia/Shanghai")
DAILY = DeliverySchedule(by="06:30")
WORKING = DeliverySchedule(by="06:30", calendar="working")


def at(day: int, hour: int = 9, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=SHANGHAI)


def march(day: int) -> date:
    return date(2026, 3, day)


def weekdays(day: date) -> bool:
    return day.weekday() < 5


def due(schedule: DeliverySchedule, first: int, now: datetime) -> list[tuple[date, date]]:
    found = arrivals_due(
        schedule,
        first_day=march(first),
        now=now,
        zone="Asia/Shanghai",
        is_working_day=weekdays,
    )
    return [(one.first, one.last) for one in found]


def test_a_daily_delivery_covers_the_day_before_it() -> None:
    assert due(DAILY, 20, at(23, 6, 30)) == [
        (march(20), march(20)),
        (march(21), march(21)),
        (march(22), march(22)),
    ]
    assert due(DAILY, 20, at(23, 6, 29)) == [(march(20), march(20)), (march(21), march(21))]


def test_a_working_delivery_after_the_weekend_covers_all_of_it() -> None:
    # 2026-03-20 is a Friday.
    assert due(WORKING, 19, at(23)) == [(march(19), march(19)), (march(20), march(22))]
    assert due(WORKING, 19, at(22, 23)) == [(march(19), march(19))]


def test_the_expected_day_is_that_of_the_last_arrival_due() -> None:
    def expected(schedule: DeliverySchedule, now: datetime) -> date:
        return expected_day(schedule, now, "Asia/Shanghai", weekdays)

    assert expected(DAILY, at(23, 9)) == march(22)
    assert expected(DAILY, at(23, 6)) == march(21)
    assert expected(WORKING, at(22, 9)) == march(19)
    assert expected(WORKING, at(23, 9)) == march(22)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.db") as opened:
        yield opened


@pytest.fixture
def contract(tmp_path: Path) -> Contract:
    declaration: dict[str, Any] = {
        **SHOP,
        "streams": {
            "sales": {**SHOP["streams"]["sales"], "delivery": {"by": "06:30"}},
        },
    }
    return load_one(tmp_path / "sources", declaration)


def load(ledger: Ledger, first: int, last: int, branch: str = "main", **changes: Any) -> None:
    batch = Batch(
        batch_id=f"{branch}-{first}-{last}",
        source="shop",
        stream="sales",
        branch=branch,
        business_date=march(last),
        covers_from=march(first),
        sequence=last,
        interface="files",
        place="f",
        content_sha256="",
        log_sha256="",
        declared_rows=None,
        declared_sums={},
        rows=1,
        rows_loaded=1,
        rejected=0,
        sums={},
        status="announced",
        code=None,
        reason=None,
        supersedes=None,
        path=None,
        received_at=at(last),
        loaded_at=None,
    )
    batch = replace(batch, **changes)
    if batch.status == "refused":
        ledger.refuse(batch)
        return
    ledger.announce(batch)
    ledger.load(batch, [], now=at(last))


def watch(ledger: Ledger, contract: Contract, now: datetime) -> list[Absence]:
    return watch_deliveries(
        ledger,
        {"shop": contract},
        now,
        zone="Asia/Shanghai",
        working_days=lambda _: weekdays,
    )


def open_events(ledger: Ledger) -> list[tuple[str, str, date | None]]:
    return [
        (one.code, one.branch, one.business_date) for one in ledger.exchange_events(unresolved=True)
    ]


def test_nothing_is_expected_of_a_stream_that_never_delivered(
    ledger: Ledger, contract: Contract
) -> None:
    assert watch(ledger, contract, at(23)) == []


def test_a_late_delivery_is_told_once_and_settled_when_it_comes(
    ledger: Ledger, contract: Contract
) -> None:
    load(ledger, 1, 20)
    assert watch(ledger, contract, at(22, 6, 29)) == []
    (late,) = watch(ledger, contract, at(22, 6, 30))
    assert (late.code, late.business_date) == ("late_delivery", march(21))
    assert late.detail == "2026-03-21 of branch main was due at 2026-03-22 06:30"
    assert watch(ledger, contract, at(22, 7)) == []
    load(ledger, 21, 21)
    assert watch(ledger, contract, at(22, 8)) == []
    assert open_events(ledger) == []


def test_a_delivery_that_is_still_not_there_when_the_next_is_due_is_missing(
    ledger: Ledger, contract: Contract
) -> None:
    load(ledger, 1, 20)
    watch(ledger, contract, at(22, 7))
    watch(ledger, contract, at(23, 7))
    assert open_events(ledger) == [
        ("missing_delivery", "main", march(21)),
        ("late_delivery", "main", march(22)),
    ]
    load(ledger, 21, 22)
    watch(ledger, contract, at(23, 8))
    assert open_events(ledger) == []


def test_a_branch_that_falls_silent_is_told_once_while_another_delivers(
    ledger: Ledger, contract: Contract
) -> None:
    load(ledger, 1, 20, "east")
    load(ledger, 1, 20, "west")
    load(ledger, 21, 21, "east")
    watch(ledger, contract, at(22, 7))
    assert open_events(ledger) == [("late_delivery", "west", march(21))]
    for day in range(22, 28):
        load(ledger, day, day, "east")
        watch(ledger, contract, at(day + 1, 7))
        assert open_events(ledger) == [("silent_branch", "west", march(21))]
    load(ledger, 21, 27, "west")
    watch(ledger, contract, at(28, 8))
    assert open_events(ledger) == []


def test_a_silence_of_months_stays_one_event(ledger: Ledger, contract: Contract) -> None:
    load(ledger, 1, 2, "west")
    for offset in range(60):
        now = at(20, 7) + timedelta(days=offset)
        load(
            ledger,
            1,
            2,
            "east",
            batch_id=f"later-{offset}",
            business_date=now.date(),
        )
        watch(ledger, contract, now)
    assert open_events(ledger) == [("silent_branch", "west", march(3))]
    assert len(ledger.exchange_events(code="silent_branch")) == 1


def test_when_all_branches_stop_none_of_them_is_the_silent_one(
    ledger: Ledger, contract: Contract
) -> None:
    load(ledger, 1, 20, "east")
    load(ledger, 1, 20, "west")
    watch(ledger, contract, at(24, 7))
    assert {code for code, _, _ in open_events(ledger)} == {"missing_delivery", "late_delivery"}


def test_a_branch_of_the_contract_that_never_delivered_is_silent(
    ledger: Ledger, contract: Contract, tmp_path: Path
) -> None:
    stream = contract.streams["sales"].model_copy(update={"branches": ("east", "west")})
    both = contract.model_copy(update={"streams": {"sales": stream}})
    load(ledger, 20, 22, "east")
    watch(ledger, both, at(23, 7))
    assert open_events(ledger) == [("silent_branch", "west", march(20))]


def test_a_refused_delivery_is_told_by_its_refusal(ledger: Ledger, contract: Contract) -> None:
    load(ledger, 1, 20)
    load(ledger, 21, 21, status="refused", code="wrong_sum")
    assert watch(ledger, contract, at(22, 7)) == []


def test_a_delivery_without_its_log_is_told_by_that(ledger: Ledger, contract: Contract) -> None:
    load(ledger, 1, 20)
    ledger.note_event(
        "missing_log",
        source="shop",
        stream="sales",
        business_date=march(21),
        file="f",
        detail="no send log is there yet",
        now=at(22),
    )
    assert watch(ledger, contract, at(22, 7)) == []


def test_a_missing_delivery_is_not_settled_by_being_forgotten(
    ledger: Ledger, contract: Contract
) -> None:
    load(ledger, 1, 10)
    load(ledger, 12, 12)
    watch(ledger, contract, at(13, 7))
    assert open_events(ledger) == [("missing_delivery", "main", march(11))]
    now = at(13, 7)
    for offset in range(1, 50):
        now = at(13, 7) + timedelta(days=offset)
        day = now.date() - timedelta(days=1)
        load(ledger, 12, 12, batch_id=f"n{offset}", covers_from=day, business_date=day)
        watch(ledger, contract, now)
    assert open_events(ledger) == [("missing_delivery", "main", march(11))]
    load(ledger, 11, 11)
    watch(ledger, contract, now)
    assert open_events(ledger) == []


def test_a_holiday_is_no_day_of_delivery_on_the_working_calendar(
    ledger: Ledger, contract: Contract
) -> None:
    stream = contract.streams["sales"].model_copy(update={"delivery": WORKING})
    working = contract.model_copy(update={"streams": {"sales": stream}})
    load(ledger, 1, 19)
    assert watch(ledger, working, at(21, 9)) == []
    assert watch(ledger, working, at(22, 9)) == []
    (late,) = watch(ledger, working, at(23, 9))
    assert late.detail == "2026-03-20 to 2026-03-22 of branch main was due at 2026-03-23 06:30"
