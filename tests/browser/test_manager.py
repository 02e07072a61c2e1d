from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import PHONE, Running, shoot
from tests.browser.people import (
    CHOSEN,
    chosen_password,
    manager_of,
    phone_and_initial_password,
    sign_in,
)

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


def enter(page: Page, running: Running) -> None:
    """Sign in as the prefecture's manager, whatever was done before."""
    account = manager_of(running, "prefecture_manager")
    sign_in(page, running.addresses["portal"], *chosen_password(page, running, account))


def test_a_manager_signs_in_for_the_first_time_and_previews_a_digest(
    page: Page, running: Running
) -> None:
    portal = running.addresses["portal"]
    account = manager_of(running, "sub_branch_manager")
    phone, initial = phone_and_initial_password(running, account)
    sign_in(page, portal, phone, initial)
    expect(page.locator("input[name=again]")).to_be_visible()
    shoot(page, "portal-first-password-zh")

    page.goto(f"{portal}/digests")
    expect(page.locator("input[name=again]")).to_be_visible()

    page.locator("input[name=old]").fill(initial)
    page.locator("input[name=new]").fill(CHOSEN)
    page.locator("input[name=again]").fill(CHOSEN)
    page.locator("main form button").click()
    expect(page.get_by_text("密码已修改")).to_be_visible()
    shoot(page, "portal-start-zh")

    page.goto(f"{portal}/digests/complaints")
    preview = page.locator(".sms").inner_text()
    told = [
        one["text"]
        for one in running.product.json("message", "list")
        if one["account_id"] == account and one["subject_id"] == "complaints"
    ]
    assert [preview] == told
    shoot(page, "portal-digest-zh")


def test_the_report_behind_a_digest_drills_to_a_unit_below(page: Page, running: Running) -> None:
    portal = running.addresses["portal"]
    enter(page, running)
    page.goto(f"{portal}/reports/complaints")
    expect(page.locator(".chart svg").first).to_be_visible()
    shoot(page, "portal-report-zh")
    page.locator("table a").first.click()
    expect(page.locator(".crumbs")).to_contain_text("绵阳")
    shoot(page, "portal-report-county-zh")


def test_a_unit_of_another_prefecture_is_not_there(page: Page, running: Running) -> None:
    portal = running.addresses["portal"]
    enter(page, running)
    answer = page.goto(f"{portal}/reports/complaints?unit=SC01")
    assert answer is not None
    assert answer.status == 404


def test_every_page_fits_a_phone_in_both_languages(
    context: BrowserContext, running: Running
) -> None:
    page = context.new_page()
    page.set_viewport_size(PHONE)
    portal = running.addresses["portal"]
    enter(page, running)
    paths = ("/", "/digests", "/digests/complaints", "/reports/complaints", "/thresholds", "/audit")
    for language in ("zh", "en"):
        for path in paths:
            page.goto(f"{portal}{path}?lang={language}")
            expect(page.locator("h1")).to_be_visible()
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width <= PHONE["width"], f"{path} in {language} is {width} px wide"
            shoot(page, f"portal{path.replace('/', '-')}-{language}-phone")
