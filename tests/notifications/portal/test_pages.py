"""Pages: own figures only, plain words, and nothing that breaks on hostile text or missing data."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from datetime import date, time, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from notifications.account import WHOLE
from notifications.publication import Org, SourceState
from notifications.schema import audit_event, message, subscription
from notifications.subscription import TimeCondition, subscriptions_of

NUMBERS = {"P1": "13800000001", "C2": "13800000002", "M3": "13800000003", "J4": "13800000004"}
PAGES = (
    "/",
    "/digests",
    "/digests/daily_sales",
    "/reports/daily_sales",
    "/reports/complaints",
    "/thresholds",
    "/audit",
    "/people",
    "/password",
)


def said(response: Any) -> str:
    body = re.sub(r"<svg.*?</svg>", "", response.text, flags=re.S)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body)))


def own(office: Any, account: str) -> Any:
    with office.world.engine.begin() as connection:
        return subscriptions_of(connection, account)


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("path", PAGES)
def test_every_page_answers_in_both_languages(office: Any, path: str, language: str) -> None:
    page = office.signed_in("C2").get(path, params={"lang": language})
    assert page.status_code == 200
    assert f'lang="{"zh-CN" if language == "zh" else "en"}"' in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'self'")
    assert "<script" not in page.text and "style=" not in page.text


@pytest.mark.parametrize("path", PAGES)
def test_every_page_answers_before_anything_is_published(office: Any, path: str) -> None:
    office.world.publications.append(None)
    page = office.signed_in("C2").get(path)
    assert page.status_code == 200
    if path in ("/", "/reports/daily_sales"):
        assert "还没有数据" in page.text


def test_the_language_is_remembered(office: Any) -> None:
    visitor = office.signed_in("C2")
    visitor.get("/digests", params={"lang": "en"})
    assert "My digests" in visitor.get("/digests").text
    assert "我的短信包" in visitor.get("/digests", params={"lang": "fr"}).text


def test_two_prefectures_see_their_own_figures_and_the_province_both(office: Any) -> None:
    pages = {
        name: said(office.signed_in(name).get("/reports/daily_sales"))
        for name in ("P1", "C2", "M3")
    }
    assert "¥15万" in pages["C2"] and "¥5万" not in pages["C2"] and "绵阳" not in pages["C2"]
    assert "¥5万" in pages["M3"] and "¥15万" not in pages["M3"] and "成都" not in pages["M3"]
    assert "¥20万" in pages["P1"] and "成都分公司" in pages["P1"] and "绵阳分公司" in pages["P1"]


def test_figures_tell_their_change_and_whether_it_is_good(office: Any) -> None:
    up = office.signed_in("C2").get("/reports/daily_sales").text
    assert '<span class="good">增50%</span>' in up and "前值 ¥10万" in up
    down = office.signed_in("M3").get("/reports/daily_sales").text
    assert '<span class="bad">降20%</span>' in down


def test_the_report_drills_down_and_back_within_the_own_area(office: Any) -> None:
    visitor = office.signed_in("C2")
    report = visitor.get("/reports/daily_sales")
    assert "/reports/daily_sales?unit=CD1" in report.text
    county = visitor.get("/reports/daily_sales", params={"unit": "CD1"})
    assert "¥9万" in said(county)
    assert 'class="crumbs"><a href="/reports/daily_sales?unit=CD">成都分公司</a>' in county.text
    assert "unit=SC" not in county.text, "no way up beyond the own unit"
    assert "下面没有更小的单位" in county.text


@pytest.mark.parametrize("unit", ["MY", "MY1", "SC", WHOLE, "nowhere", "<script>alert(1)</script>"])
def test_another_unit_in_the_address_is_refused_and_noted(office: Any, unit: str) -> None:
    visitor = office.signed_in("C2")
    page = visitor.get("/reports/daily_sales", params={"unit": unit})
    assert page.status_code == 404
    assert "不在您负责的范围里" in page.text and "绵阳" not in page.text
    with office.world.engine.begin() as connection:
        row = connection.execute(
            sa.select(audit_event).order_by(audit_event.c.audit_event_id.desc())
        ).first()
    assert (row.action, row.account_id, row.detail) == ("refused_unit", "C2", {"unit": unit})
    log = visitor.get("/audit")
    assert "<script>" not in log.text


def test_who_is_responsible_for_everything_starts_at_the_whole(office: Any) -> None:
    roster = office.world.roster()
    roster[0]["org_unit_id"] = WHOLE
    office.world.sync(roster)
    visitor = office.signed_in("P1")
    assert "¥20万" in said(visitor.get("/reports/daily_sales"))
    below = visitor.get("/reports/daily_sales", params={"unit": "SC"})
    assert below.status_code == 200 and "全部" in below.text


def test_a_person_of_two_units_chooses_between_them(office: Any) -> None:
    roster = office.world.roster()
    roster.append(office.world.roster_row("C2", "MY1", "prefecture_manager", phone_key="key-C2"))
    office.world.sync(roster)
    visitor = office.signed_in("C2")
    page = visitor.get("/reports/daily_sales")
    assert "我的单位" in page.text and "unit=MY1" in page.text
    assert "¥5万" in said(visitor.get("/reports/daily_sales", params={"unit": "MY1"}))
    assert visitor.get("/reports/daily_sales", params={"unit": "MY"}).status_code == 404


def test_the_chart_is_drawn_on_the_server_and_its_text_stays_text(office: Any) -> None:
    page = office.signed_in("C2").get("/reports/daily_sales").text
    assert page.count("<svg role=") == 2
    assert "3月30日" in page and "<text" in page


def test_days_without_complete_data_are_named(office: Any) -> None:
    gap = date(2026, 3, 20)
    office.world.publications.append(
        office.world.publication(
            sources={"hall": SourceState(gap.replace(day=19), frozenset({gap}))}
        )
    )
    page = office.signed_in("C2").get("/reports/daily_sales")
    assert "以下日子数据没有到齐，图中留空：2026-03-20" in page.text


@pytest.mark.parametrize("day", ["2027-01-01", "1990-01-01", "tomorrow", "2026-13-01"])
def test_a_day_without_a_report_is_refused_in_plain_words(office: Any, day: str) -> None:
    page = office.signed_in("C2").get("/reports/daily_sales", params={"date": day})
    assert page.status_code == 404 and "这一天没有报表" in page.text


def test_present_numbers_are_not_shown_for_an_older_day(office: Any) -> None:
    visitor = office.signed_in("C2")
    newest = visitor.get("/reports/complaints")
    older = visitor.get("/reports/complaints", params={"date": "2026-03-29"})
    assert "未结工单" in newest.text and "未结工单" not in older.text


def test_missing_sources_are_told(office: Any) -> None:
    office.world.publications.append(office.world.publication(sources={}))
    visitor = office.signed_in("C2")
    assert "缺少数据来源" in visitor.get("/digests").text
    assert visitor.get("/reports/daily_sales").status_code == 200
    assert "没有可以预览的数据" in visitor.get("/digests/daily_sales").text


def test_the_preview_is_the_text_that_is_sent(office: Any) -> None:
    visitor = office.signed_in("C2")
    page = visitor.get("/digests/daily_sales")
    shown = html.unescape(re.search(r'class="sms"[^>]*>(.*?)</div>', page.text, re.S).group(1))
    office.world.subscribe("C2")
    office.world.tick()
    with office.world.engine.begin() as connection:
        sent = connection.execute(
            sa.select(message).where(message.c.kind == "digest", message.c.account_id == "C2")
        ).one()
    assert shown == sent.text
    assert f"{len(sent.text)} 字，按 {sent.segments} 条计费" in page.text


def test_a_digest_is_subscribed_changed_and_stopped(office: Any) -> None:
    visitor = office.signed_in("C2")
    path = "/digests/daily_sales"
    done = visitor.post(
        path, time=["08:00", "17:30", ""], days="weekdays", weekday=["1", "3"], language="en"
    )
    assert done.url.path == "/digests" and "已保存" in done.text
    assert "每周周一、周三 08:00、17:30" in said(done)
    mine = own(office, "C2")["daily_sales"]
    assert mine.condition == TimeCondition(
        times=(time(8), time(17, 30)), days="weekdays", numbers=(1, 3)
    )
    assert (mine.language, mine.planned_through) == ("en", office.world.now)
    form = visitor.get(path).text
    assert 'value="17:30"' in form and 'name="weekday" value="3" checked' in form
    visitor.post(path, time="09:00", days="month_days", month_days="1，15 -1", language="zh")
    mine = own(office, "C2")["daily_sales"]
    assert mine.condition.numbers == (-1, 1, 15)
    visitor.post(path, time="09:00", days="nth_working_day", nth_working_day="2", language="zh")
    assert own(office, "C2")["daily_sales"].condition.days == "nth_working_day"
    visitor.post(f"{path}/stop", page=path)
    assert own(office, "C2") == {}


def test_changed_times_do_not_send_what_is_past(office: Any) -> None:
    office.world.subscribe("C2", at="17:00")
    office.signed_in("C2").post("/digests/daily_sales", time="08:30", days="daily", language="zh")
    assert office.world.tick().reasons() == {}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"time": "", "days": "daily"}, "请至少填一个发送时间"),
        ({"time": "25:00", "days": "daily"}, "时间要写成"),
        ({"time": "<b>", "days": "daily"}, "时间要写成"),
        ({"time": ["08:00"] * 4, "days": "daily"}, "时间要写成"),
        ({"time": "08:00", "days": "sometimes"}, "请选择在哪些天"),
        ({"time": "08:00", "days": "weekdays"}, "请写明是哪几天"),
        ({"time": "08:00", "days": "weekdays", "weekday": "9"}, "日子只能是"),
        ({"time": "08:00", "days": "month_days", "month_days": "0"}, "日子只能是"),
        ({"time": "08:00", "days": "month_days", "month_days": '"><script>'}, "请写明是哪几天"),
        ({"time": "08:00", "days": "daily", "language": "fr"}, "请选择短信语言"),
    ],
)
def test_a_wrong_form_says_what_is_wrong_and_keeps_what_was_typed(
    office: Any, fields: dict[str, Any], words: str
) -> None:
    visitor = office.signed_in("C2")
    page = visitor.post("/digests/daily_sales", **{"language": "zh", **fields})
    assert page.status_code == 422 and words in page.text
    assert "<script>" not in page.text and 'value="<b>"' not in page.text
    assert own(office, "C2") == {}


def test_hostile_names_of_units_are_shown_as_text(office: Any) -> None:
    evil = '"><script>alert(1)</script>'
    publication = office.world.publication()
    units = [replace(unit, name=evil + unit.name) for unit in publication.org.units.values()]
    org = Org(units, publication.org.level_names)
    office.world.publications.append(office.world.publication(org=org))
    visitor = office.signed_in("C2")
    for path in (*PAGES, "/audit?person=all"):
        assert "<script" not in visitor.get(path).text


def test_the_log_shows_the_own_and_the_subordinates_events_only(office: Any) -> None:
    for name in ("C2", "M3", "J4"):
        office.signed_in(name)
    visitor = office.signed_in("C2")
    log = said(visitor.get("/audit", params={"person": "all"}))
    assert "锦江分公司 · 县公司管理者 · J4" in log and "M3" not in log and "P1" not in log
    assert visitor.get("/audit", params={"person": "J4"}).status_code == 200
    for other in ("M3", "P1", "nobody", "' or 1=1"):
        assert visitor.get("/audit", params={"person": other}).status_code == 404
    province = said(office.signed_in("P1").get("/audit", params={"person": "all"}))
    assert "成都分公司" in province and "绵阳分公司" in province


def test_the_log_can_be_filtered_and_says_actions_in_plain_words(office: Any) -> None:
    visitor = office.signed_in("C2")
    visitor.post("/digests/daily_sales", time="08:00", days="daily", language="zh")
    log = visitor.get("/audit", params={"action": "subscribed"})
    assert "订阅或修改了短信包" in log.text and "每日销售收入" in log.text
    rows = re.search(r"<tbody>(.*?)</tbody>", log.text, re.S).group(1)
    assert rows.count("<tr>") == 1
    assert "没有符合条件" in visitor.get("/audit", params={"action": "unsubscribed"}).text
    assert visitor.get("/audit", params={"page": "99999999999"}).status_code == 200


def test_a_superior_resets_a_password_that_only_the_person_gets(office: Any) -> None:
    superior, person = office.signed_in("C2"), office.signed_in("J4")
    page = superior.post("/people/J4/reset", page="/people")
    assert "新的初始密码会用短信发给本人" in page.text
    assert person.get("/digests").url.path == "/sign-in"
    assert office.visitor().sign_in(NUMBERS["J4"]).status_code == 401
    assert "还没登录过" in page.text
    assert superior.post("/people/M3/reset", page="/people").status_code == 404
    assert superior.post("/people/P1/reset", page="/people").status_code == 404
    assert superior.post("/people/C2/reset", page="/people").status_code == 404


def test_messages_on_the_start_page_are_the_persons_own(office: Any) -> None:
    for name in ("C2", "M3"):
        office.world.subscribe(name)
    office.world.tick()
    page = said(office.signed_in("C2").get("/"))
    assert "【回音】成都分公司3月30日销售收入¥15万" in page and "绵阳" not in page
    assert "初始密码" not in page


def test_the_dashboard_is_linked_for_those_who_may_analyse_while_it_runs(office: Any) -> None:
    visitor = office.signed_in("C2")
    assert "/superset/dashboard" not in visitor.get("/").text
    object.__setattr__(office.desk, "dashboards", lambda: "http://bi.test:8088")
    assert "http://bi.test:8088/superset/dashboard/overview/" in visitor.get("/").text
    english = visitor.get("/", params={"lang": "en"}).text
    assert "http://bi.test:8088/superset/dashboard/overview-en/" in english


def test_a_fault_is_a_page_that_tells_nothing_of_its_cause(office: Any, caplog: Any) -> None:
    visitor = office.signed_in("C2")

    def broken() -> Any:
        raise RuntimeError("13800000002 horse battery staple")

    object.__setattr__(office.desk, "publication", broken)
    page = visitor.get("/digests")
    assert page.status_code == 500 and "系统出了问题" in page.text
    assert "13800000002" not in page.text + caplog.text
    assert "RuntimeError" in caplog.text


def test_a_store_that_is_locked_is_told_as_something_that_passes(
    office: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = office.signed_in("C2")

    def locked() -> Any:
        raise OperationalError("select", {}, Exception("database is locked"))

    monkeypatch.setitem(vars(office.desk), "publication", locked)
    page = visitor.get("/digests")
    assert page.status_code == 503 and "系统正忙" in page.text


def test_an_unknown_page_is_told_in_plain_words(office: Any) -> None:
    visitor = office.signed_in("C2")
    for path in ("/nothing", "/digests/nothing", "/reports/nothing"):
        page = visitor.get(path)
        assert page.status_code == 404 and "没有这个页面" in page.text


def test_health_names_the_snapshot_that_serves(office: Any) -> None:
    client = office.visitor().client
    assert client.get("/health").json() == {"name": "portal", "status": "ok", "snapshot": "s1"}
    office.world.publications.append(None)
    assert client.get("/health").json()["snapshot"] is None


def test_everything_of_others_stays_as_it_was(office: Any) -> None:
    office.world.subscribe("M3")
    office.signed_in("C2").post("/digests/daily_sales/stop", page="/digests/daily_sales")
    with office.world.engine.begin() as connection:
        rows = connection.execute(sa.select(subscription.c.account_id, subscription.c.is_active))
        assert [tuple(row) for row in rows] == [("M3", True)]


def broken_complaints(office: Any) -> None:
    """Figures of complaints whose answer lacks a column; its text quotes what is personal."""
    office.world.warehouse.measures["complaints"] = ()
    office.world.warehouse.measures["complaints_by_day"] = ()
    office.world.warehouse.measures["overdue_cases"] = ()
    for query in ("complaints", "complaints_by_day", "overdue_cases"):
        office.world.warehouse.facts[query] = [
            {"unit": "CD1", "category.l1": "13800000002", "created.day": date(2026, 3, 30)}
        ]


@pytest.mark.parametrize(
    ("path", "status", "words", "logged"),
    [
        ("/", 200, "这一组数字现在算不出来", "Figures of 'complaints' for the start page"),
        ("/digests/complaints", 200, "现在算不出预览", "The preview of 'complaints'"),
        ("/reports/complaints", 500, "现在算不出这些数字", "The report of 'complaints'"),
    ],
)
def test_figures_that_fail_are_said_to_and_logged_by_kind_and_place(
    office: Any, caplog: Any, path: str, status: int, words: str, logged: str
) -> None:
    broken_complaints(office)
    page = office.signed_in("C2").get(path)
    assert page.status_code == status and words in page.text
    assert f"{logged} failed: FigureError at " in caplog.text
    assert "13800000002" not in caplog.text
    if path == "/":
        assert "¥15万" in page.text, "the other figures are there"


def test_a_trial_that_fails_is_logged(office: Any, caplog: Any) -> None:
    office.world.warehouse.measures["sales_by_day"] = ()
    form = {"figure": "revenue", "unit": "CD1", "direction": "below", "limit": "5", "recover": ""}
    page = office.signed_in("C2").post("/thresholds", **form, action="try")
    assert page.status_code == 500 and "现在算不出这些数字" in page.text
    assert "The trial of a threshold on 'revenue' failed: FigureError at " in caplog.text


@pytest.mark.parametrize("path", PAGES)
def test_a_snapshot_that_cannot_be_read_is_not_called_unpublished(office: Any, path: str) -> None:
    visitor = office.signed_in("C2")
    office.world.publications.append(None)
    office.world.is_unreadable = True
    page = visitor.get(path)
    assert page.status_code == 200 and "现在读不出数字" in page.text
    assert "还没有发布过" not in page.text and "没有发布过" not in page.text
    health = visitor.get("/health")
    assert health.status_code == 200
    assert health.json() == {"name": "portal", "status": "degraded", "snapshot": None}


def test_resetting_needs_a_permission_of_its_own(office: Any) -> None:
    roles = {
        name: role.model_copy(update={"permissions": ("subscribe", "audit")})
        for name, role in office.desk.roles.items()
    }
    object.__setattr__(office.desk, "roles", roles)
    visitor = office.signed_in("C2")
    assert visitor.get("/audit").status_code == 200
    assert 'href="/people"' not in visitor.get("/audit").text
    assert visitor.get("/people").status_code == 403
    assert visitor.post("/people/J4/reset", page="/audit").status_code == 403
    assert office.visitor().sign_in(NUMBERS["J4"]).status_code == 200
    assert "accounts" in office.world.roles["manager"].permissions


def test_a_password_is_reset_three_times_a_day_at_most(office: Any) -> None:
    def reset() -> Any:
        return office.signed_in("C2").post("/people/J4/reset", page="/people")

    assert [reset().status_code for _ in range(3)] == [200] * 3
    refused = reset()
    assert refused.status_code == 429 and "24 小时内已经重置过 3 次" in refused.text
    log = office.signed_in("C2").get("/audit", params={"person": "J4"}).text
    assert "密码重置被拒绝" in log
    with office.world.engine.begin() as connection:
        query = sa.select(audit_event.c.actor).where(audit_event.c.action == "password_reset")
        assert connection.execute(query).scalars().all() == ["C2"] * 3
    other = office.signed_in("P1").post("/people/C2/reset", page="/people")
    assert other.status_code == 200, "each account is counted alone"


def test_the_count_of_resets_ends_while_the_homes_clock_stands_still(office: Any) -> None:
    for _ in range(3):
        office.signed_in("C2").post("/people/J4/reset", page="/people")
    office.world.passed = timedelta(hours=24, seconds=1)
    assert office.signed_in("C2").post("/people/J4/reset", page="/people").status_code == 200
