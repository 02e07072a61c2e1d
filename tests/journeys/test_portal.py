"""The portal over the finished demonstration: managers sign in with what was sent to them."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from fastapi.testclient import TestClient

from notifications import wording
from pipelines.installation import Installation
from pipelines.portal import portal_application
from tests.journeys.product import Product, clean_environment

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("demonstration")]

PASSWORD = "a long enough password"
OWN = "daily_sales"


def invitations(product: Product) -> dict[str, tuple[str, str]]:
    """Number and initial password by account, as the file transport sent them."""
    accounts = {
        one["message_id"]: one["account_id"]
        for one in product.json("message", "list")
        if one["kind"] == "account"
    }
    lines = (product.home / "sent" / "messages.jsonl").read_text("utf-8").splitlines()
    sent = [json.loads(line) for line in lines]
    return {
        accounts[one["message_id"]]: (one["to"], found.group(1))
        for one in sent
        if one["message_id"] in accounts
        and (found := re.search(r"初始密码：(\w{10})", one["text"])) is not None
    }


@contextmanager
def browser(application: Any) -> Iterator[TestClient]:
    with TestClient(application, base_url="http://portal.test") as client:
        yield client


def token(page: str) -> str:
    return re.findall(r'name="csrf" value="([^"]*)"', page)[-1]


def enter(client: TestClient, number: str, initial: str) -> None:
    """Sign in for the first time and choose a password."""
    page = client.get("/sign-in").text
    data = {"csrf": token(page), "phone": number, "password": initial}
    page = client.post("/sign-in", data=data).text
    data = {"csrf": token(page), "old": initial, "new": PASSWORD, "again": PASSWORD}
    assert client.post("/password", data=data).url.path == "/"


def said(text: str) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text)))


def prefectures(product: Product) -> list[tuple[str, str]]:
    """Two prefecture managers and their units."""
    listed = product.json("account", "list")
    found = [
        (one["account_id"], one["units"][0])
        for one in listed
        if one["position"] == "prefecture_manager" and one["status"] == "active"
    ]
    return [pair for pair in found if pair[1] in ("SC01", "SC06")]


def revenue(product: Product, unit: str) -> str:
    """The unit's revenue of the business date as the cube has it, in words."""
    answer = product.json(
        "query", "run", OWN, "--param", "business_date=2026-03-30", "--scope", unit
    )
    return wording.money(Decimal(answer["rows"][0]["revenue"] or 0), "zh", "CNY")


def test_managers_see_their_own_figures_and_the_province_all(copied: Product) -> None:
    sent = invitations(copied)
    installation = Installation.open(clean_environment(copied.home))
    application = portal_application(installation)
    (first, own), (second, other) = prefectures(copied)
    province = next(
        one["account_id"]
        for one in copied.json("account", "list")
        if one["position"] == "province_manager"
    )
    names = {own: "成都", other: "绵阳"}
    for account, unit, foreign in ((first, own, other), (second, other, own)):
        with browser(application) as client:
            enter(client, *sent[account])
            report = client.get(f"/reports/{OWN}")
            assert report.status_code == 200 and report.text.count("<svg role=") == 2
            assert revenue(copied, unit) in said(report.text)
            assert names[foreign] not in report.text
            refused = client.get(f"/reports/{OWN}", params={"unit": foreign})
            assert refused.status_code == 404 and names[foreign] not in refused.text
            for path in ("/", "/digests", f"/digests/{OWN}", "/thresholds", "/people", "/audit"):
                page = client.get(path)
                assert page.status_code == 200 and names[foreign] not in page.text
    with browser(application) as client:
        enter(client, *sent[province])
        report = client.get(f"/reports/{OWN}").text
        assert all(name in report for name in names.values())
        assert revenue(copied, "SC") in said(report)
        for unit in names:
            drilled = client.get(f"/reports/{OWN}", params={"unit": unit})
            assert revenue(copied, unit) in said(drilled.text)


def test_the_text_of_the_preview_is_the_text_that_was_sent(copied: Product) -> None:
    account, _ = prefectures(copied)[1]
    told = next(
        one["text"]
        for one in copied.json("message", "list")
        if one["account_id"] == account and one["subject_id"] == OWN
    )
    application = portal_application(Installation.open(clean_environment(copied.home)))
    with browser(application) as client:
        enter(client, *invitations(copied)[account])
        page = client.get(f"/digests/{OWN}").text
    shown = re.search(r'class="sms"[^>]*>(.*?)</div>', page, re.S)
    assert shown is not None and html.unescape(shown.group(1)) == told


def test_every_figure_can_be_tried_on_history(copied: Product) -> None:
    account, unit = prefectures(copied)[1]
    installation = Installation.open(clean_environment(copied.home))
    with browser(portal_application(installation)) as client:
        enter(client, *invitations(copied)[account])
        page = client.get("/thresholds").text
        figures = re.findall(r'<option value="(\w+)"', page.partition('name="unit"')[0])
        assert len(figures) == 7
        for figure in figures:
            data = {
                "csrf": token(page),
                "figure": figure,
                "unit": unit,
                "direction": "below",
                "limit": "1",
                "action": "try",
            }
            answer = client.post("/thresholds", data=data)
            assert answer.status_code == 200 and "试算结果" in answer.text
    assert copied.run("tick").startswith("0 ")


def test_a_new_snapshot_is_served_without_a_restart(copied: Product) -> None:
    account, _ = prefectures(copied)[1]
    application = portal_application(Installation.open(clean_environment(copied.home)))
    with browser(application) as client:
        enter(client, *invitations(copied)[account])
        assert "2026-03-30 的数据" in client.get(f"/reports/{OWN}").text
        before = client.get("/health").json()["snapshot"]
        copied.run("simulate", "--next-day")
        copied.run("run")
        assert client.get("/health").json()["snapshot"] != before
        # The clock of the home went on by a day, and with it the session ended.
        page = client.get("/sign-in").text
        number = invitations(copied)[account][0]
        data = {"csrf": token(page), "phone": number, "password": PASSWORD}
        client.post("/sign-in", data=data)
        assert "2026-03-31 的数据" in client.get(f"/reports/{OWN}").text


def test_a_reset_password_comes_by_message_and_the_old_one_is_over(copied: Product) -> None:
    account, _ = prefectures(copied)[0]
    number, first = invitations(copied)[account]
    copied.run("account", "reset", account)
    copied.run("dispatch", "--until-empty")
    second = invitations(copied)[account][1]
    assert second != first
    with browser(portal_application(Installation.open(clean_environment(copied.home)))) as client:
        page = client.get("/sign-in").text
        data = {"csrf": token(page), "phone": number, "password": first}
        assert client.post("/sign-in", data=data).status_code == 401
        enter(client, number, second)
    content = (copied.home / "ops.db").read_bytes()
    assert first.encode() not in content and second.encode() not in content
