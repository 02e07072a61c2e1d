"""The planner: what is due, what waits, and that nothing is planned twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notifications.publication import Publication, SourceState
from notifications.subscription import unsubscribe

YESTERDAY = date(2026, 3, 29)


def test_a_due_slot_becomes_one_message_with_the_day_before(world: Any) -> None:
    subscription = world.subscribe("C2")
    report = world.tick()
    assert report.messages_added == 1
    (message,) = world.messages()
    assert message.dedupe_key == f"digest:{subscription}:2026-03-30:20260331T0830:0"
    assert message.text.startswith("【回音】成都分公司3月30日销售收入¥15万")
    assert (message.state, message.snapshot, message.subject_id) == ("queued", "s1", "daily_sales")


def test_managers_of_one_level_each_read_their_own_unit_only(world: Any) -> None:
    for account in ("P1", "C2", "M3", "J4"):
        world.subscribe(account)
    world.tick()
    texts = {message.account_id: message.text for message in world.messages()}
    assert "四川省公司3月30日销售收入¥20万" in texts["P1"]
    assert "成都分公司3月30日销售收入¥15万" in texts["C2"]
    assert "绵阳分公司3月30日销售收入¥5万" in texts["M3"]
    assert "锦江分公司3月30日销售收入¥9万" in texts["J4"]
    assert "成都" not in texts["M3"]
    assert "绵阳" not in texts["C2"]
    assert "武侯" not in texts["J4"]


def test_a_tick_repeated_adds_nothing(world: Any) -> None:
    for account in ("P1", "C2", "J4"):
        world.subscribe(account)
    assert world.tick().messages_added == 3
    assert world.tick().messages_added == 0
    assert world.tick(tag="s2").messages_added == 0
    assert len(world.messages()) == 3


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.integers(0, 72), st.booleans()), min_size=1, max_size=6))
def test_ticks_in_any_number_plan_a_slot_once(world: Any, ticks: list[tuple[int, bool]]) -> None:
    world.subscribe("P1")
    world.subscribe("C2", at="17:00")
    for hours, is_late in ticks:
        sources = {"hall": SourceState(YESTERDAY if is_late else date(2026, 4, 2))}
        world.tick(
            now=world.now + timedelta(hours=hours), sources=sources, business_date=date(2026, 4, 2)
        )
    keys = [message.dedupe_key.split(":") for message in world.messages()]
    assert len({(key[1], key[3]) for key in keys}) == len(keys)


def test_a_slot_waits_for_its_data_and_goes_out_when_it_comes(world: Any) -> None:
    world.subscribe("C2")
    late = {"hall": SourceState(YESTERDAY)}
    assert world.tick(sources=late).reasons() == {"waiting_for_data": 1}
    assert world.messages() == []
    report = world.tick(now=world.now + timedelta(minutes=30))
    assert report.reasons() == {"queued": 1}
    assert "3月30日销售收入" in world.messages()[0].text


def test_at_the_deadline_the_newest_complete_day_is_told_with_a_stamp(world: Any) -> None:
    world.subscribe("C2", deadline=timedelta(hours=2))
    late = {"hall": SourceState(YESTERDAY)}
    before = world.now.replace(hour=10, minute=29)
    assert world.tick(now=before, sources=late).reasons() == {"waiting_for_data": 1}
    at = world.now.replace(hour=10, minute=30)
    assert world.tick(now=at, sources=late).reasons() == {"queued_with_stamp": 1}
    (message,) = world.messages()
    assert ":2026-03-29:" in message.dedupe_key
    assert "成都分公司3月29日销售收入" in message.text
    assert "截至3月29日，3月30日数据未到" in message.text
    assert world.tick(now=at).messages_added == 0


def test_a_day_with_a_gap_is_not_complete_although_later_days_are(world: Any) -> None:
    world.subscribe("C2")
    gap = {"hall": SourceState(date(2026, 3, 31), frozenset({date(2026, 3, 30)}))}
    assert world.tick(sources=gap).reasons() == {"waiting_for_data": 1}


def test_a_gap_of_last_week_does_not_hold_back_the_figures_of_yesterday(world: Any) -> None:
    world.subscribe("C2")
    gap = {"hall": SourceState(date(2026, 3, 23), frozenset({date(2026, 3, 24)}))}
    assert world.tick(sources=gap).reasons() == {"queued": 1}
    assert "数据未到" not in world.messages()[0].text


def test_a_source_that_ended_without_a_gap_is_not_taken_as_complete_later(world: Any) -> None:
    world.subscribe("C2")
    ended = {"hall": SourceState(date(2026, 3, 23), frozenset({date(2026, 3, 10)}))}
    assert world.tick(sources=ended).reasons() == {"waiting_for_data": 1}


def test_a_digest_that_skips_at_its_deadline_says_so(world: Any) -> None:
    world.digests = {
        "daily_sales": world.digests["daily_sales"].model_copy(update={"deadline": "skip"})
    }
    world.subscribe("C2", deadline=timedelta(0))
    report = world.tick(sources={"hall": SourceState(YESTERDAY)})
    assert report.reasons() == {"data_missing_at_deadline": 1}
    assert world.tick().digests == ()


def test_without_any_complete_day_nothing_is_invented(world: Any) -> None:
    world.subscribe("C2", deadline=timedelta(0))
    report = world.tick(sources={"hall": SourceState(None)})
    assert report.reasons() == {"no_complete_data": 1}


def test_after_an_outage_only_the_newest_slot_is_told(world: Any) -> None:
    world.subscribe("C2", starts_at=world.now - timedelta(days=4))
    report = world.tick()
    assert report.reasons() == {"merged_into_newer_slot": 3, "queued": 1}
    assert [message.dedupe_key.split(":")[2] for message in world.messages()] == ["2026-03-30"]


def test_a_leaver_and_a_cancelled_subscription_are_told_nothing(world: Any) -> None:
    world.subscribe("C2")
    cancelled = world.subscribe("P1")
    assert world.tick(sources={"hall": SourceState(YESTERDAY)}).reasons() == {"waiting_for_data": 2}
    rows = world.roster()
    rows[1]["is_active"] = False
    world.sync(rows)
    with world.engine.begin() as connection:
        unsubscribe(connection, cancelled, now=world.now)
    assert world.tick().reasons() == {"no_recipient": 2}
    assert world.tick().digests == ()
    assert world.messages() == []


def test_a_digest_without_figures_can_be_left_out(world: Any) -> None:
    world.digests = {
        "daily_sales": world.digests["daily_sales"].model_copy(update={"empty": "skip"})
    }
    world.warehouse.facts["daily_sales"] = []
    world.subscribe("C2")
    assert world.tick().reasons() == {"nothing_to_tell": 1}


def test_an_installation_without_the_named_source_waits_for_the_one_it_has(world: Any) -> None:
    world.subscribe("C2", "complaints")
    cases = frozenset({"cases"})
    late = {
        "nyc311": SourceState(YESTERDAY, streams=cases),
        "shop": SourceState(world.day, streams=frozenset({"orders"})),
    }
    assert world.tick(sources=late).reasons() == {"waiting_for_data": 1}
    # The shop delivers no cases, so nothing waits for it.
    here = {"nyc311": SourceState(world.day, streams=cases), "shop": SourceState(None)}
    assert world.tick(sources=here).reasons() == {"queued": 1}


def test_the_named_source_alone_counts_where_it_is_here(world: Any) -> None:
    world.subscribe("C2", "complaints")
    example = SourceState(date(2014, 1, 1), streams=frozenset({"cases"}))
    both = {"hotline": SourceState(world.day, streams=frozenset({"cases"})), "nyc311": example}
    assert world.tick(sources=both).reasons() == {"queued": 1}


def test_a_digest_none_of_whose_sources_is_here_is_named_and_never_sent(world: Any) -> None:
    world.subscribe("C2", deadline=timedelta(0))
    flat = {"nyc311": SourceState(world.day, streams=frozenset({"cases"}))}
    assert world.tick(sources=flat).reasons() == {"source_not_here": 1}
    assert world.messages() == []


def test_a_digest_whose_figures_fail_does_not_stop_the_others_and_is_tried_again(
    world: Any,
) -> None:
    world.subscribe("C2")
    world.subscribe("C2", "complaints")
    world.warehouse.measures |= {"complaints": ("cases",), "overdue_cases": ("open_cases",)}
    world.warehouse.facts["complaints"] = [{"unit": "CD1", "category.l1": "资费", "cases": 1}]
    report = world.tick()
    assert report.reasons() == {"figures_failed": 1, "queued": 1}
    assert "Digest 'complaints' of 2026-03-30: Reading 'complaints'" in report.errors[0]
    world.warehouse.facts["complaints"] = []
    assert world.tick().reasons() == {"queued": 1}
    assert len(world.messages()) == 2


def test_a_rule_that_fails_is_named_and_does_not_stop_the_digests(world: Any) -> None:
    world.subscribe("C2")
    world.warehouse.measures["complaints_by_day"] = ()
    world.warehouse.facts["complaints_by_day"] = [
        {"unit": "CD1", "created.day": world.day, "category.l1": "资费"}
    ]
    report = world.tick(rules={"complaints_surge": world.rules["complaints_surge"]})
    assert report.messages_added == 1
    assert report.errors[0].startswith("Alert rule 'complaints_surge': Reading 'complaints'")


def test_two_ticks_at_once_on_different_snapshots_tell_a_slot_once(world: Any) -> None:
    world.subscribe("C2", deadline=timedelta(0))
    stale = world.publication(tag="old", sources={"hall": SourceState(YESTERDAY)})
    answer, inner = stale.figures, []

    def figures(*arguments: Any) -> Any:
        if not inner:
            inner.append(world.tick(tag="new"))
        return answer(*arguments)

    outer = world.tick(publication=replace(stale, figures=figures))
    assert (inner[0].messages_added, outer.messages_added) == (1, 0)
    assert [message.snapshot for message in world.messages()] == ["new"]


def test_what_a_source_delivers_is_read_from_the_published_snapshot(world: Any) -> None:
    whole = world.publication()
    source = {"complete_through": "2026-03-30", "incomplete_dates": [], "streams": {"cases": {}}}
    published = Publication.from_published(
        {
            "tag": "s1",
            "business_date": "2026-03-30",
            "zone": "America/New_York",
            "currency": "USD",
            "sources": {"nyc311": source},
        },
        org=whole.org,
        figures=whole.figures,
        is_working_day=whole.is_working_day,
    )
    waited_for = {
        name: published.needed(one.freshness) for name, one in (world.digests | world.rules).items()
    }
    assert waited_for == {
        "complaints": ("nyc311",),
        "complaints_surge": ("nyc311",),
        "overdue_cases": ("nyc311",),
        "daily_sales": (),
        "monthly_arrears": (),
        "open_exchange": (),
    }
