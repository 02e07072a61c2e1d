"""The promise: which policy a matter meets when it is raised, and when it is due by it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connectors.intake.promise import Promise, promise_for
from connectors.intake.published import IntakeSource, Published, Unit
from connectors.intake.words import due_text
from cubes.label import Language
from cubes.sla_policy import SlaPolicy
from cubes.working_calendar import WorkingCalendar, weekly_calendar

SHANGHAI = ZoneInfo("Asia/Shanghai")
OFFICE = ((9 * 3600, 12 * 3600), (13 * 3600 + 1800, 18 * 3600))
FIVE_DAYS = SlaPolicy("default", "resolution", name="五", name_en="five", target=5,
                      unit="working_days")  # fmt: skip


def calendar() -> WorkingCalendar:
    """February 2026: Sat 14th and Sat 28th are made up, 15th to 23rd are off."""
    off = {date(2026, 2, 15) + timedelta(days=n): "春节" for n in range(9)}
    made_up = {date(2026, 2, 14): OFFICE, date(2026, 2, 28): OFFICE}
    week = {day: OFFICE for day in range(1, 6)}
    return weekly_calendar("china", SHANGHAI, week, holidays=off, workdays=made_up)


def always() -> WorkingCalendar:
    return weekly_calendar("always", SHANGHAI, {day: ((0, 86_400),) for day in range(1, 8)})


def published(*policies: SlaPolicy, tops: int = 1) -> Published:
    """A snapshot of a small organisation: R1 (and R2) at the top, A below R1, A1 below A."""
    units = [("R1", None), ("A", "R1"), ("A1", "A"), ("B", "R1")]
    units += [("R2", None)] if tops == 2 else []
    return Published(
        tag="t",
        as_of=datetime(2026, 2, 12, tzinfo=UTC),
        units={
            unit: Unit(unit, {"zh": unit, "en": unit}, 1, parent, True) for unit, parent in units
        },
        policies=policies,
        kinds=frozenset({"complaint", "praise"}),
        channels=frozenset({"web", "letter"}),
        source=IntakeSource("intake", "china", "Asia/Shanghai"),
        calendars={"china": calendar(), "always": always()},
        _snapshot=None,  # type: ignore[arg-type]
    )


def promised(snapshot: Published, at: datetime, **said: Any) -> Promise:
    told = {"kind": "complaint", "category_path": None, "channel": "web", "unit_id": None}
    case = snapshot.attributes(**{**told, "priority": None, **said})
    return promise_for(at, case, snapshot.policies, snapshot.calendar_of)


def local(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=SHANGHAI)  # type: ignore[misc,arg-type]


def limited(target: int, unit: str, **more: Any) -> SlaPolicy:
    said = {"ordinal": 100, "name": "限", "name_en": "limit", **more}
    return SlaPolicy("p", "resolution", target=target, unit=unit, **said)


def test_ten_working_days_from_12_february_2026_end_on_4_march() -> None:
    found = promised(published(limited(10, "working_days")), local(2026, 2, 12, 10))
    assert found.due_on == date(2026, 3, 4)
    assert found.due_at == datetime(2026, 3, 4, 16, tzinfo=UTC)
    # 17:00 UTC on the 11th is the 12th in Shanghai.
    late = promised(published(limited(10, "working_days")), datetime(2026, 2, 11, 17, tzinfo=UTC))
    assert late.due_at == found.due_at


@pytest.mark.parametrize(
    ("policy", "due_at"),
    [
        # V1: Friday 17:00 and 8 working hours, over a make-up Saturday.
        (limited(8 * 3600, "business_seconds"), local(2026, 2, 14, 17, 30)),
        (limited(24 * 3600, "calendar_seconds"), local(2026, 2, 14, 17)),
        # 13 February and 3 days is the 16th, a holiday until the 23rd.
        (limited(3, "calendar_days", rolls=True), local(2026, 2, 25)),
        (limited(3, "calendar_days"), local(2026, 2, 17)),
        (limited(2, "working_days", ends="business"), local(2026, 2, 24, 18)),
    ],
)
def test_limits_of_all_four_units_are_counted(policy: SlaPolicy, due_at: datetime) -> None:
    found = promised(published(policy), local(2026, 2, 13, 17))
    assert found.due_at == due_at


def test_only_the_end_of_a_day_is_told_as_a_day() -> None:
    at = local(2026, 2, 13, 17)
    assert promised(published(limited(1, "working_days")), at).due_on == date(2026, 2, 14)
    assert promised(published(limited(1, "working_days", ends="business")), at).due_on is None
    assert promised(published(limited(3600, "business_seconds")), at).due_on is None


def test_the_first_policy_counts_whose_conditions_the_matter_meets() -> None:
    snapshot = published(
        limited(1, "working_days", kind="praise", ordinal=1),
        limited(2, "working_days", channel="letter;fax", ordinal=2),
        limited(3, "working_days", org_unit_id="A", category_path="宽带", ordinal=3),
        limited(4, "working_days", source="hotline", ordinal=4),
        limited(5, "working_days", cycle="again", ordinal=5),
        limited(6, "working_days", cycle="first", source="mail;intake", ordinal=6),
    )

    def days(**said: Any) -> int:
        policy = promised(snapshot, local(2026, 3, 2, 9), **said).policy
        assert policy is not None and policy.target is not None
        return policy.target

    assert days(kind="praise") == 1
    assert days(channel="letter") == 2
    assert days(unit_id="A1", category_path="宽带/断网") == 3
    # 宽带电视 is no part of 宽带, and B is not below A.
    assert days(unit_id="A1", category_path="宽带电视") == 6
    assert days(unit_id="B", category_path="宽带") == 6


def test_what_the_warehouse_does_not_know_is_unrecognised_there_and_here() -> None:
    snapshot = published(limited(1, "working_days", kind="unrecognised"), FIVE_DAYS)
    assert promised(snapshot, local(2026, 3, 2, 9), kind="rant").policy == snapshot.policies[0]


def test_a_matter_without_a_unit_belongs_to_the_top_if_there_is_one() -> None:
    policies = (limited(1, "working_days", org_unit_id="R1"), FIVE_DAYS)
    at = local(2026, 3, 2, 9)
    assert promised(published(*policies), at).policy == policies[0]
    assert promised(published(*policies, tops=2), at).policy == FIVE_DAYS


def test_a_policy_counts_for_what_is_raised_while_it_is_in_force() -> None:
    change = local(2026, 3, 3, 0)
    before = limited(1, "working_days", valid_to=change)
    snapshot = published(before, limited(2, "working_days", version=2, valid_from=change))
    assert promised(snapshot, change - timedelta(seconds=1)).policy == before
    late = promised(snapshot, change).policy
    assert late is not None and late.version == 2


def test_where_nothing_is_promised_the_reason_is_told() -> None:
    at = local(2026, 3, 2, 9)
    assert promised(published(), at).told() == {"reason": "promise.not_published"}
    measured = SlaPolicy("p", "resolution", unit="business_seconds")
    assert promised(published(measured), at).reason == "promise.no_limit"
    # What holds on average promises nothing to one.
    mean = limited(5, "working_days", target_kind="mean")
    assert promised(published(mean), at).reason == "promise.no_limit"
    only_praise = limited(5, "working_days", kind="praise")
    assert promised(published(only_praise), at).reason == "promise.no_limit"
    elsewhere = limited(5, "working_days", calendar_id="gone")
    assert promised(published(elsewhere), at).reason == "promise.calendar_ends"


def test_the_receipt_keeps_the_policy_by_its_names() -> None:
    found = promised(published(FIVE_DAYS), local(2026, 3, 2, 9))
    assert found.told() == {
        "policy_id": "default",
        "name": {"zh": "五", "en": "five"},
        "due_on": "2026-03-09",
        "is_provisional": False,
    }


@pytest.mark.parametrize(
    ("due_at", "language", "told"),
    [
        (local(2026, 3, 10), "zh", "2026年3月9日（周一）结束前"),
        (local(2026, 3, 10), "en", "the end of Monday, 9 March 2026"),
        (local(2026, 3, 9, 17, 30), "zh", "2026年3月9日（周一）17:30前"),
        (local(2026, 3, 9, 17, 30), "en", "17:30 on Monday, 9 March 2026"),
    ],
)
def test_a_due_time_is_told_as_a_day_or_with_its_hour(
    due_at: datetime, language: Language, told: str
) -> None:
    assert due_text(due_at.astimezone(UTC), "Asia/Shanghai", language) == told
