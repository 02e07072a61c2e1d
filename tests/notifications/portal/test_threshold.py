"""Thresholds of one's own, from the trial to the message; 90 days of sales lie behind them."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from notifications.alert.state import Observation, Series, evaluate
from notifications.errors import ThresholdError
from notifications.planner import tick
from notifications.schema import alert_event, message, threshold
from notifications.threshold import (
    MOST,
    Threshold,
    add_threshold,
    backtest,
    new_id,
    observations,
    rule_of,
    switch_threshold,
    thresholds_of,
)

FORM = {"figure": "revenue", "unit": "CD1", "direction": "below", "limit": "500", "recover": ""}


def made(office: Any, **changes: Any) -> Threshold:
    base = Threshold(new_id(), "C2", "revenue", "CD1", "below", Decimal(500), None)
    one = replace(base, **changes)
    with office.world.engine.begin() as connection:
        add_threshold(connection, one, office.world.now)
    return one


def plan(office: Any, **changes: Any) -> Any:
    return tick(
        office.world.now,
        changes.pop("publication", office.world.publications[-1]),
        office.world.engine,
        digests=office.desk.digests,
        rules={},
        signatures=office.world.signatures,
        figures=changes.pop("figures", office.desk.figures),
    )


def alerts(office: Any) -> list[Any]:
    with office.world.engine.begin() as connection:
        query = sa.select(message).where(message.c.kind == "alert")
        return list(connection.execute(query.order_by(message.c.created_at)))


def next_day(office: Any, amount: int) -> None:
    office.world.day += timedelta(days=1)
    office.world.now += timedelta(days=1)
    office.world.warehouse.facts["sales_by_day"] += [
        {
            "unit": unit,
            "sold.day": office.world.day,
            "revenue": Decimal(amount if unit == "CD1" else 1000),
            "orders": Decimal(1),
            "new_services": Decimal(0),
        }
        for unit in ("CD1", "CD2", "MY1")
    ]
    office.world.publications.append(office.world.publication(tag=f"s{office.world.day}"))


def test_the_trial_says_how_often_it_would_have_fired_and_sends_nothing(office: Any) -> None:
    page = office.signed_in("C2").post("/thresholds", **FORM, action="try")
    assert page.status_code == 200
    assert "最近 90 天里会提醒 9 次" in page.text
    days = re.findall(r"<td>(2026-\d\d-\d\d)</td><td class=\"num\">¥300</td>", page.text)
    assert len(days) == 9 and days[0] == "2026-03-26"
    assert "最低 ¥300，最高 ¥1,000，最新 ¥1,000" in page.text
    assert alerts(office) == []
    with office.world.engine.begin() as connection:
        assert connection.execute(sa.select(threshold)).all() == []


def test_the_trial_equals_an_evaluation_by_hand(office: Any) -> None:
    figure = office.desk.figures["revenue"]
    for limit, recover in ((500, None), (1500, None), (500, 1000), (500, 2000)):
        one = Threshold(
            "x", "C2", "revenue", "CD1", "below", Decimal(limit), recover and Decimal(recover)
        )
        publication = office.world.publications[-1]
        trial = backtest(one, figure, publication)
        by_hand = []
        is_firing = False
        for back in range(89, -1, -1):
            value = 300 if back % 10 == 4 else 1000
            if not is_firing and value < limit:
                is_firing = True
                by_hand.append(office.world.day - timedelta(days=back))
            elif is_firing and value >= (recover or limit):
                is_firing = False
        assert [day for day, _ in trial.fired] == by_hand
        assert trial.days == 90


def test_the_trial_sees_what_the_planner_sees(office: Any) -> None:
    figure = office.desk.figures["revenue"]
    one = Threshold("x", "C2", "revenue", "CD1", "below", Decimal(500), None)
    publication = office.world.publications[-1]
    rule = rule_of(one, figure, 3)
    seen = observations(rule, figure, publication, "CD1", days=10)
    series, fired = Series(), []
    for observation in seen:
        assert isinstance(observation, Observation)
        step = evaluate(rule.condition.policy(), series, [observation])
        series = step.series
        fired += [observation.period] if step.kind == "fired" else []
    assert fired == [day for day, _ in backtest(one, figure, publication, days=10).fired]


def test_a_saved_threshold_tells_its_owner_alone_and_once(office: Any) -> None:
    visitor = office.signed_in("C2")
    done = visitor.post("/thresholds", **FORM, action="save")
    assert "预警已保存并启用" in done.text and "锦江分公司，每日销售收入低于 ¥500" in done.text
    assert plan(office).messages_added == 0
    next_day(office, 200)
    assert (plan(office).messages_added, plan(office).messages_added) == (1, 0)
    told = alerts(office)
    assert [row.account_id for row in told] == ["C2"]
    assert told[0].text == "【回音】预警：锦江分公司3月31日每日销售收入¥200，低于您设的¥500"
    assert "正在报警" in office.signed_in("C2").get("/thresholds").text
    next_day(office, 900)
    assert plan(office).messages_added == 1
    assert alerts(office)[-1].text == (
        "【回音】解除：锦江分公司4月1日每日销售收入¥900（您设的界限¥500）"
    )


def test_a_recovery_value_keeps_it_firing_until_then(office: Any) -> None:
    made(office, recover=Decimal(800))
    for amount, messages in ((200, 1), (600, 0), (800, 1)):
        next_day(office, amount)
        assert plan(office).messages_added == messages


def test_incomplete_days_neither_fire_nor_end_it(office: Any) -> None:
    made(office)
    complete = office.world.publications[-1].sources
    next_day(office, 200)
    publication = office.world.publication(tag="late", sources=complete)
    assert plan(office, publication=publication).messages_added == 0
    assert plan(office).messages_added == 1


def test_switching_off_and_on_and_deleting(office: Any) -> None:
    visitor = office.signed_in("C2")
    one = made(office)
    page = visitor.post(f"/thresholds/{one.threshold_id}/off", page="/thresholds")
    assert "预警已停用" in page.text
    next_day(office, 200)
    assert plan(office).messages_added == 0
    visitor = office.signed_in("C2")
    visitor.post(f"/thresholds/{one.threshold_id}/on", page="/thresholds")
    assert plan(office).messages_added == 1
    page = visitor.post(f"/thresholds/{one.threshold_id}/delete", page="/thresholds")
    assert "还没有自己的预警" in page.text
    next_day(office, 200)
    assert plan(office).messages_added == 0


def test_nobody_touches_another_persons_threshold(office: Any) -> None:
    one = made(office)
    for name in ("M3", "J4", "P1"):
        visitor = office.signed_in(name)
        for step in ("on", "off", "delete"):
            response = visitor.post(f"/thresholds/{one.threshold_id}/{step}", page="/thresholds")
            assert response.status_code == 404
    with office.world.engine.begin() as connection:
        assert [kept.is_enabled for kept in thresholds_of(connection, "C2")] == [True]


@pytest.mark.parametrize("unit", ["MY1", "SC", "*", "nowhere"])
@pytest.mark.parametrize("action", ["try", "save"])
def test_a_unit_of_others_cannot_be_watched(office: Any, unit: str, action: str) -> None:
    response = office.signed_in("C2").post("/thresholds", **{**FORM, "unit": unit}, action=action)
    assert response.status_code == 404


def test_who_lost_the_unit_is_no_longer_told(office: Any) -> None:
    made(office)
    roster = office.world.roster()
    roster[1]["org_unit_id"] = "MY"
    office.world.sync(roster)
    next_day(office, 200)
    report = plan(office)
    assert report.messages_added == 0
    assert report.alerts[-1].reasons == {"outside_jurisdiction": 1}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"limit": "many"}, "界限要写成数字"),
        ({"limit": "nan"}, "界限要写成数字"),
        ({"limit": "1e99"}, "界限要写成数字"),
        ({"limit": '"><script>'}, "界限要写成数字"),
        ({"recover": "400"}, "恢复值要在界限的安全一侧"),
        ({"recover": "soon"}, "恢复值要在界限的安全一侧"),
        ({"direction": "sideways"}, "请选择高于或低于"),
        ({"figure": "mood"}, "请选择一个数字"),
    ],
)
def test_a_wrong_form_says_what_is_wrong(office: Any, changes: Any, words: str) -> None:
    page = office.signed_in("C2").post("/thresholds", **{**FORM, **changes}, action="save")
    assert page.status_code == 422 and words in page.text
    assert "<script>" not in page.text
    assert plan(office).alerts == ()


def test_a_broken_threshold_never_stops_the_others(office: Any) -> None:
    broken = made(office, threshold_id="0broken", recover=Decimal(100))
    unknown = made(office, threshold_id="1unknown", figure="mood")
    good = made(office, threshold_id="2good")
    next_day(office, 200)
    report = plan(office)
    assert report.messages_added == 1
    assert [one.rule for one in report.alerts] == [
        broken.rule_id,
        unknown.rule_id,
        good.rule_id,
    ]
    assert report.alerts[1].reasons == {"unknown_figure": 1}
    assert len(report.errors) == 1 and "0broken" in report.errors[0]


def test_an_account_has_a_bounded_number_of_them(office: Any) -> None:
    for number in range(MOST):
        made(office, limit=Decimal(number))
    with pytest.raises(ThresholdError, match="Delete one"):
        made(office, limit=Decimal(MOST))
    page = office.signed_in("C2").post("/thresholds", **FORM, action="save")
    assert page.status_code == 422 and "预警太多了" in page.text


def test_a_form_that_is_sent_twice_makes_one_threshold(office: Any) -> None:
    visitor = office.signed_in("C2")
    for _ in range(2):
        visitor.post("/thresholds", **FORM, action="save")
    with office.world.engine.begin() as connection:
        assert len(thresholds_of(connection, "C2")) == 1


def test_a_percentage_is_typed_as_people_say_it(office: Any) -> None:
    visitor = office.signed_in("C2")
    form = {**FORM, "figure": "reply_on_time_rate", "limit": "85.5%", "direction": "below"}
    assert "首次回复按时率低于 85.5%" in visitor.post("/thresholds", **form, action="save").text
    with office.world.engine.begin() as connection:
        assert thresholds_of(connection, "C2")[0].limit == Decimal("0.855")


def test_negative_revenue_is_below_a_limit_too(office: Any) -> None:
    made(office)
    next_day(office, -50)
    assert plan(office).messages_added == 1
    assert "收入-¥50，" in alerts(office)[-1].text


def test_events_are_explained_like_those_of_declared_rules(office: Any) -> None:
    one = made(office)
    next_day(office, 200)
    plan(office)
    with office.world.engine.begin() as connection:
        row = connection.execute(sa.select(alert_event)).one()
    assert (row.rule_id, row.unit_id, row.kind, row.recipients) == (one.rule_id, "CD1", "fired", 1)
    assert row.figures["threshold"] == "500"


def test_every_shipped_figure_makes_a_rule(office: Any) -> None:
    for figure in office.desk.figures.values():
        for direction in ("above", "below"):
            one = Threshold("x", "C2", figure.figure, "CD1", direction, Decimal("0.5"), None)
            assert rule_of(one, figure, 3).measure == figure.measure


def test_a_threshold_asks_for_its_figures_once_for_each_snapshot(office: Any) -> None:
    made(office)
    calls = office.world.warehouse.calls

    def asked() -> int:
        before = len(calls)
        plan(office)
        return len(calls) - before

    first = asked()
    assert first > 0
    assert (asked(), asked()) == (0, 0)
    assert plan(office).alerts[-1].reasons == {"evaluated_before": 1}
    next_day(office, 200)
    assert asked() > 0
    assert (asked(), len(alerts(office))) == (0, 1)


def test_a_threshold_that_was_switched_off_and_on_is_evaluated_anew(office: Any) -> None:
    one = made(office)
    next_day(office, 200)
    assert plan(office).messages_added == 1
    with office.world.engine.begin() as connection:
        for on in (False, True):
            switch_threshold(connection, "C2", one.threshold_id, office.world.now, on=on)
    before = len(office.world.warehouse.calls)
    plan(office)
    assert len(office.world.warehouse.calls) > before


def test_a_threshold_whose_figures_failed_is_asked_again_on_the_same_snapshot(office: Any) -> None:
    made(office)
    next_day(office, 200)
    measures = office.world.warehouse.measures.pop("sales_by_day")
    office.world.warehouse.measures["sales_by_day"] = ()
    assert len(plan(office).errors) == 1
    office.world.warehouse.measures["sales_by_day"] = measures
    assert plan(office).messages_added == 1
