from __future__ import annotations

import re

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import PHONE, Running, shoot

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

MATTER = "小区宽带从昨晚开始断网，拨打客服电话一直占线，希望今天能修好。"


@pytest.fixture
def handset(context: BrowserContext, running: Running) -> Page:
    page = context.new_page()
    page.set_viewport_size(PHONE)
    page.goto(running.addresses["intake"])
    return page


def test_a_complaint_sent_from_a_phone_is_received_and_can_be_followed(
    handset: Page, running: Running
) -> None:
    shoot(handset, "intake-form-zh-phone")
    handset.get_by_label("投诉", exact=True).check()
    handset.get_by_label(re.compile("^详细说明")).fill(MATTER)
    handset.get_by_role("textbox", name="电话").fill("13800138000")
    handset.get_by_role("button", name="提交").click()
    case_no = handset.locator("#case-no").inner_text()
    secret = handset.locator("#secret").inner_text()
    assert re.fullmatch(r"HY\d{6}-\w{7}", case_no)
    expect(handset.get_by_text("2026年4月")).to_be_visible()
    shoot(handset, "intake-receipt-zh-phone")

    handset.goto(f"{running.addresses['intake']}/status")
    handset.get_by_label("工单号").fill(case_no)
    handset.get_by_label("查询码").fill(secret)
    handset.get_by_role("button", name="查询").click()
    expect(handset.get_by_role("heading", name=case_no)).to_be_visible()
    expect(handset.locator(".milestones li")).to_have_count(1)
    shoot(handset, "intake-status-zh-phone")


def test_a_wrong_code_shows_nothing_of_the_case(handset: Page, running: Running) -> None:
    handset.get_by_label("建议", exact=True).check()
    handset.locator("textarea[name=text]").fill("建议延长营业厅周末的服务时间。")
    handset.get_by_role("button", name="提交").click()
    case_no = handset.locator("#case-no").inner_text()
    handset.goto(f"{running.addresses['intake']}/status?lang=en")
    handset.locator("input[name=case_no]").fill(case_no)
    handset.locator("input[name=secret]").fill("AAAA-AAAA-AAAA-AAAA")
    handset.get_by_role("button").last.click()
    expect(handset.get_by_role("alert")).to_be_visible()
    expect(handset.locator(".milestones")).to_have_count(0)
    shoot(handset, "intake-wrong-code-en-phone")


def test_what_was_typed_stays_when_something_is_missing(handset: Page) -> None:
    handset.locator("textarea[name=text]").fill(MATTER)
    handset.get_by_role("button", name="提交").click()
    expect(handset.locator(".error").first).to_be_visible()
    expect(handset.locator("textarea[name=text]")).to_have_value(MATTER)


def test_no_page_is_wider_than_a_phone(handset: Page, running: Running) -> None:
    for path in ("/", "/?lang=en", "/status"):
        handset.goto(running.addresses["intake"] + path)
        width = handset.evaluate("document.documentElement.scrollWidth")
        assert width <= PHONE["width"], f"{path} is {width} px wide"
