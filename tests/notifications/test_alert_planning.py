"""Alerts from evaluation to message."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from cubes.errors import DeclarationError
from cubes.label import Label
from notifications.alert.evaluation import observe
from notifications.alert.rule import load_rules
from notifications.publication import Org, SourceState
from notifications.schema import alert_event, alert_state

ALERTS = Path(__file__).parents[2] / "notifications" / "alerts"
FIRST = date(2026, 3, 2)


def history(world: Any, last: date, surge: dict[date, int] | None = None) -> None:
    """Two complaints a day in each county since 2 March; `surge` replaces Jinjiang's number.

    A surge is about broadband; every other complaint about tariffs.
    """
    world.warehouse.measures["complaints_by_day"] = ("complaints",)
    rows = []
    for step in range((last - FIRST).days + 1):
        day = FIRST + timedelta(days=step)
        for unit in ("CD1", "CD2", "MY1"):
            extra = (surge or {}).get(day, 2) - 2 if unit == "CD1" else 0
            rows.append(fact(unit, day, "资费", min(2, 2 + extra)))
            if extra > 0:
                rows.append(fact(unit, day, "宽带", extra))
    world.warehouse.facts["complaints_by_day"] = rows


def fact(unit: str, day: date, category: str, complaints: int) -> dict[str, Any]:
    """Complaints of one county, day and category."""
    return {
        "unit": unit,
        "created.day": day,
        "category.l1": category,
        "complaints": complaints,
    }


def surge_rule(world: Any) -> dict[str, Any]:
    """The shipped rule alone."""
    return {"complaints_surge": world.rules["complaints_surge"]}


def events(world: Any) -> list[str]:
    """Keys of all events so far."""
    with world.engine.begin() as connection:
        query = sa.select(alert_event.c.event_key).order_by(alert_event.c.event_key)
        return list(connection.execute(query).scalars())


def test_a_surge_is_told_to_the_unit_and_its_superior_with_its_cause(world: Any) -> None:
    history(world, world.day, {world.day: 26})
    report = world.tick(rules=surge_rule(world))
    # Jinjiang: 26 against 2; Chengdu: 28 against 4; Sichuan: 30 against 6.
    assert events(world) == [
        "complaints_surge:CD1:2026-03-30:fired",
        "complaints_surge:CD:2026-03-30:fired",
        "complaints_surge:SC:2026-03-30:fired",
    ]
    told = {message.dedupe_key: message for message in world.messages()}
    assert sorted(told) == [
        "complaints_surge:CD1:2026-03-30:fired:C2:sms",
        "complaints_surge:CD1:2026-03-30:fired:J4:sms",
        "complaints_surge:CD:2026-03-30:fired:C2:sms",
        "complaints_surge:CD:2026-03-30:fired:P1:sms",
        "complaints_surge:SC:2026-03-30:fired:P1:sms",
    ]
    assert report.messages_added == 5
    assert told["complaints_surge:CD1:2026-03-30:fired:J4:sms"].text == (
        "【回音】预警：锦江分公司3月30日投诉26件，为前28日日均2件的13倍（预警线2倍）\n"
        "主要来自：宽带24件（+24）"
    )


def test_what_moved_a_figure_is_held_against_the_same_days_as_the_figure(world: Any) -> None:
    history(world, world.day)
    others = [row for row in world.warehouse.facts["complaints_by_day"] if row["unit"] != "CD1"]
    yesterday = world.day - timedelta(days=1)
    # Jinjiang had one complaint in the 28 days of which the others have figures.
    own = [fact("CD1", yesterday, "宽带", 1), fact("CD1", world.day, "宽带", 12)]
    world.warehouse.facts["complaints_by_day"] = [*others, *own]
    world.tick(rules=surge_rule(world))
    told = {message.dedupe_key: message.text for message in world.messages()}
    # 12 less 1 / 28 is 11.96, not 12 less the 1 of its only day.
    assert told["complaints_surge:CD1:2026-03-30:fired:J4:sms"].splitlines()[1] == (
        "主要来自：宽带12件（+12）"
    )


def test_the_same_snapshot_again_says_nothing(world: Any) -> None:
    history(world, world.day, {world.day: 26})
    assert world.tick(rules=surge_rule(world)).messages_added == 5
    assert world.tick(rules=surge_rule(world)).messages_added == 0
    assert world.tick(rules=surge_rule(world), tag="s2").messages_added == 0


def test_the_end_of_a_surge_is_told_once(world: Any) -> None:
    history(world, world.day, {world.day: 26})
    world.tick(rules=surge_rule(world))
    tomorrow = world.day + timedelta(days=1)
    history(world, tomorrow, {world.day: 26})
    later: dict[str, Any] = {
        "rules": surge_rule(world),
        "business_date": tomorrow,
        "sources": {"hotline": SourceState(tomorrow)},
    }
    assert world.tick(now=world.now + timedelta(days=1), **later).messages_added == 5
    assert world.tick(now=world.now + timedelta(days=1), **later).messages_added == 0
    assert "complaints_surge:CD1:2026-03-30:resolved" in events(world)
    text = [m.text for m in world.messages() if ":CD1:" in m.dedupe_key and "res" in m.dedupe_key]
    # The 28 days before hold 27 twos and the 26: 80 / 28 = 2.9.
    assert text[0] == "【回音】解除：锦江分公司3月31日投诉2件，已回落（前28日日均2.9件）"


def test_a_backfill_of_old_days_texts_nobody(world: Any) -> None:
    history(world, world.day)
    world.tick(rules=surge_rule(world))
    history(world, world.day, {world.day - timedelta(days=back): 50 for back in range(3, 13)})
    report = world.tick(rules=surge_rule(world), tag="s2")
    assert (report.messages_added, events(world)) == (0, [])


def test_days_missed_in_an_outage_are_caught_up_in_silence(world: Any) -> None:
    history(world, world.day)
    world.tick(rules=surge_rule(world))
    last = world.day + timedelta(days=3)
    history(world, last, {world.day + timedelta(days=1): 60})
    report = world.tick(
        now=world.now + timedelta(days=3),
        rules=surge_rule(world),
        business_date=last,
        sources={"hotline": SourceState(last)},
    )
    assert (report.messages_added, events(world)) == (0, [])


def test_an_incomplete_day_is_not_judged(world: Any) -> None:
    history(world, world.day, {world.day: 26})
    yesterday = world.day - timedelta(days=1)
    report = world.tick(rules=surge_rule(world), sources={"hotline": SourceState(yesterday)})
    assert report.messages_added == 0
    with world.engine.begin() as connection:
        healths = set(connection.execute(sa.select(alert_state.c.health)).scalars())
    assert healths == {"incomplete"}


def test_an_event_nobody_can_be_told_is_kept_and_named(world: Any) -> None:
    history(world, world.day, {world.day: 26})
    world.sync([world.roster_row("M3", "MY", "prefecture_manager", phone_key="key-M3")])
    report = world.tick(rules=surge_rule(world))
    assert report.alerts[0].reasons["nobody_to_tell"] == 3
    assert (report.messages_added, len(events(world))) == (0, 3)


def test_a_high_share_of_overdue_cases_fires_once_and_only_where_it_is_high(world: Any) -> None:
    rules = {"overdue_cases": world.rules["overdue_cases"]}
    world.warehouse.measures["overdue_cases"] = ("open_cases", "overdue_cases")
    world.warehouse.ratios["overdue_rate"] = ("overdue_cases", ("open_cases",))
    world.warehouse.facts["overdue_cases"] = [
        {"unit": "CD1", "category.l1": "宽带", "open_cases": 40, "overdue_cases": 30},
        {"unit": "MY1", "category.l1": "资费", "open_cases": 60, "overdue_cases": 6},
    ]
    # Chengdu's manager and the province above are told.
    assert world.tick(rules=rules).messages_added == 2
    tomorrow = world.day + timedelta(days=1)
    report = world.tick(
        now=world.now + timedelta(days=1),
        rules=rules,
        business_date=tomorrow,
        sources={"hotline": SourceState(tomorrow)},
    )
    assert report.messages_added == 0
    # Chengdu 30 of 40 fires; Mianyang 6 of 60 and Sichuan 36 of 100 do not.
    assert world.messages()[0].text == (
        "【回音】预警：成都分公司3月30日在途工单40件，超期占75%（预警线40%）\n超期最多：宽带30件"
    )


def overdue(world: Any, unit_cases: dict[str, tuple[int, int]], days: int = 0) -> Any:
    """Tick the shipped rule some days on: open and overdue cases by county."""
    world.warehouse.measures["overdue_cases"] = ("open_cases", "overdue_cases")
    world.warehouse.ratios["overdue_rate"] = ("overdue_cases", ("open_cases",))
    world.warehouse.facts["overdue_cases"] = [
        {"unit": unit, "category.l1": "宽带", "open_cases": open_, "overdue_cases": late}
        for unit, (open_, late) in unit_cases.items()
    ]
    day = world.day + timedelta(days=days)
    return world.tick(
        now=world.now + timedelta(days=days),
        rules={"overdue_cases": world.rules["overdue_cases"]},
        business_date=day,
        sources={"hotline": SourceState(day)},
    )


@pytest.mark.parametrize("nothing", [{"CD1": (0, 0), "MY1": (100, 6)}, {"MY1": (100, 6)}])
def test_no_open_cases_end_a_firing_and_a_new_breach_is_told(
    world: Any, nothing: dict[str, tuple[int, int]]
) -> None:
    overdue(world, {"CD1": (40, 20), "MY1": (100, 6)})
    # Once the row stays and its share is 0 / 0, once no row is left of the unit.
    overdue(world, nothing, days=1)
    overdue(world, {"CD1": (50, 30), "MY1": (100, 6)}, days=2)
    assert events(world) == [
        "overdue_cases:CD:2026-03-30:fired",
        "overdue_cases:CD:2026-03-30:resolved",
        "overdue_cases:CD:2026-04-01:fired",
    ]
    over = {m.text for m in world.messages() if "resolved" in m.dedupe_key}
    assert over == {"【回音】解除：成都分公司3月31日在途工单0件，数量少，不再判定"}


def test_the_series_of_a_unit_the_snapshot_no_longer_knows_ends(world: Any) -> None:
    rule = world.rules["overdue_cases"]
    overdue(world, {"CD1": (40, 20)})
    whole = world.publication()
    org = Org(
        [unit for unit in whole.org.units.values() if unit.unit_id not in ("CD", "CD1", "CD2")],
        whole.org.level_names,
    )
    world.warehouse.facts["overdue_cases"] = []
    left = observe(rule, world.publication(org=org), world.day, ["SC", "CD", "CD1"])
    # Jinjiang lies at a level that the rule does not look at; without an org that is not known.
    assert {unit: (one.value, one.volume) for unit, one in left.items()} == {
        unit: (None, 0) for unit in ("SC", "CD", "CD1")
    }
    assert set(observe(rule, whole, world.day, ["SC", "CD", "CD1"])) == {"SC", "CD"}


def test_a_rule_whose_end_cannot_be_told_without_a_value_fails_to_load(tmp_path: Path) -> None:
    text = (ALERTS / "overdue_cases.yml").read_text("utf-8")
    start, end = text.index("  resolved:"), text.index("tests:")
    line = '    - {priority: 1, zh: "{{ value|percent }}", en: "{{ value|percent }}"}\n'
    bare = text[:start] + "  resolved:\n" + line + text[end:]
    (tmp_path / "overdue_cases.yml").write_text(bare, encoding="utf-8")
    with pytest.raises(DeclarationError, match="must not need 'value'"):
        load_rules([tmp_path])


def test_a_rule_on_cases_waits_for_any_source_of_cases_and_others_are_named(world: Any) -> None:
    history(world, world.day, {world.day: 26})
    cases = SourceState(world.day, streams=frozenset({"cases"}))
    other = {"rules": surge_rule(world), "sources": {"shop": SourceState(world.day)}}
    assert world.tick(**other).alerts[0].reasons == {"source_not_here": 1}
    flat = {"rules": surge_rule(world), "sources": {"nyc311": cases}}
    assert world.tick(**flat).messages_added == 5


def test_event_and_state_are_stored_together_or_not_at_all(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    history(world, world.day, {world.day: 26})

    def refuse(*_: Any) -> int:
        raise RuntimeError("the outbox is full")

    with monkeypatch.context() as patch:
        patch.setattr("notifications.alert.planning.enqueue", refuse)
        with pytest.raises(RuntimeError):
            world.tick(rules=surge_rule(world))
    assert events(world) == []
    assert world.tick(rules=surge_rule(world)).messages_added == 5


def changed_rule(tmp_path: Path, old: str, new: str) -> str:
    """The faults of the shipped surge rule with one change."""
    text = (ALERTS / "complaints_surge.yml").read_text("utf-8")
    assert old in text
    (tmp_path / "complaints_surge.yml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(DeclarationError) as caught:
        load_rules([tmp_path])
    return str(caught.value)


def test_a_rule_without_tests_fails_to_load(tmp_path: Path) -> None:
    text = (ALERTS / "complaints_surge.yml").read_text("utf-8")
    bare = text[: text.index("tests:")]
    (tmp_path / "complaints_surge.yml").write_text(bare, encoding="utf-8")
    with pytest.raises(DeclarationError, match="tests: is required but missing"):
        load_rules([tmp_path])


def test_a_rule_that_fails_its_own_test_fails_to_load(tmp_path: Path) -> None:
    assert (
        "test 'exactly twice the mean is not yet a surge', period 1: expected 'quiet', "
        "but it is 'fires'"
    ) in changed_rule(tmp_path, "above: 2", "above: 1.9")


def test_a_recover_threshold_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    assert "must not be higher than 'above'" in changed_rule(
        tmp_path, "recover: 1.3", "recover: 2.5"
    )


def test_numbers_of_a_rule_are_exact(world: Any) -> None:
    assert world.rules["complaints_surge"].condition.recover == Decimal("1.3")


def test_missed_days_count_towards_how_long_a_breach_lasts(world: Any) -> None:
    rule = world.rules["complaints_surge"]
    patient = rule.model_copy(
        update={"condition": rule.condition.model_copy(update={"for_periods": 2})}
    )
    history(world, world.day)
    world.tick(rules={"complaints_surge": patient})
    last = world.day + timedelta(days=2)
    history(world, last, {world.day + timedelta(days=1): 60, last: 60})
    world.tick(
        now=world.now + timedelta(days=2),
        rules={"complaints_surge": patient},
        business_date=last,
        sources={"hotline": SourceState(last)},
    )
    assert "complaints_surge:CD1:2026-04-01:fired" in events(world)


EXCHANGE = {"hall": "营业厅", "billing": "计费系统"}


def exchange_rule(world: Any) -> dict[str, Any]:
    """The shipped rule about open matters of the exchange."""
    return {"open_exchange": world.rules["open_exchange"]}


def exchange_tick(world: Any, tag: str, **events: tuple[int, int]) -> int:
    """Publish a snapshot with open events by source (their number, and the newest's second).

    No source is complete for the day, as is so when deliveries fail. Returns the new messages.
    """
    world.warehouse.measures["open_exchange"] = ("open_events", "newest_open")
    world.warehouse.facts["open_exchange"] = [
        {"unit": "SC", "source": source, "open_events": number, "newest_open": newest}
        for source, (number, newest) in events.items()
    ]
    sources = {
        name: SourceState(None, label=Label(zh=label, en=name.title()))
        for name, label in EXCHANGE.items()
    }
    added: int = world.tick(rules=exchange_rule(world), tag=tag, sources=sources).messages_added
    return added


def test_open_matters_of_the_exchange_are_told_at_the_province_though_nothing_is_complete(
    world: Any,
) -> None:
    assert exchange_tick(world, "s1", hall=(0, 0)) == 0
    assert exchange_tick(world, "s2", hall=(1, 100), billing=(2, 50)) == 1
    (told,) = world.messages()
    assert (told.account_id, told.text) == (
        "P1",
        "【回音】预警：数据交换有3件未了\n来源：计费系统2、营业厅1\n处理：huiyin deliveries --open",
    )


def test_the_same_open_matters_are_told_once_and_only_a_new_one_tells_again(world: Any) -> None:
    assert exchange_tick(world, "s1", hall=(2, 100)) == 1
    assert exchange_tick(world, "s2", hall=(2, 100)) == 0
    world.day += timedelta(days=1)
    assert exchange_tick(world, "s3", hall=(1, 100)) == 0
    # One was settled and another came: their number is the same.
    assert exchange_tick(world, "s4", hall=(1, 160)) == 1
    assert exchange_tick(world, "s5", hall=(0, 0)) == 1
    assert exchange_tick(world, "s6") == 0
    assert events(world) == [
        "open_exchange:*:2026-03-30:fired",
        "open_exchange:*:2026-03-30:fired:2",
        "open_exchange:*:2026-03-30:resolved:2",
    ]
    over = next(one for one in world.messages() if ":resolved" in one.dedupe_key)
    assert over.text == "【回音】解除：数据交换已无未了事项"


def test_a_data_owner_of_the_whole_is_told_in_english_with_the_sources_named(world: Any) -> None:
    owner = world.roster_row("E6", "*", "data_owner", phone_key="key-E6")
    world.sync([*world.roster(), owner])
    world.subscribe("E6", language="en")
    assert exchange_tick(world, "s1", hall=(1, 100), audit=(1, 90)) == 2
    told = {one.account_id: one.text for one in world.messages() if one.kind == "alert"}
    assert set(told) == {"E6", "P1"}
    assert told["E6"] == (
        "[Huiyin] ALERT data exchange: 2 open\nSources: audit 1, Hall 1\n"
        "See: huiyin deliveries --open"
    )


def test_with_several_top_units_only_who_answers_for_the_whole_is_told(world: Any) -> None:
    whole = world.publication()
    org = Org(
        [*whole.org.units.values(), replace(whole.org.units["SC"], unit_id="YN")],
        whole.org.level_names,
    )
    assert replace(whole, org=org).whole_units == {"*"}
    assert whole.whole_units == {"*", "SC"}


def test_a_rule_about_the_snapshot_itself_has_no_past(tmp_path: Path) -> None:
    text = (ALERTS / "open_exchange.yml").read_text(encoding="utf-8")
    (tmp_path / "open_exchange.yml").write_text(
        text.replace("levels: [0]", "levels: [0]\nday: noted.day"), encoding="utf-8"
    )
    with pytest.raises(DeclarationError, match="has no past"):
        load_rules([tmp_path])
