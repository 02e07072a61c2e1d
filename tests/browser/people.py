"""Managers of the small province and their way into the portal."""

from __future__ import annotations

import json
import re

from playwright.sync_api import Page

from tests.browser.conftest import Running

CHOSEN = "four unrelated words"


def manager_of(running: Running, position: str) -> str:
    """The account of the demonstration's manager in `position`."""
    truth = json.loads((running.product.home / "simulator" / "truth.json").read_text("utf-8"))
    found: str = next(one["staff_no"] for one in truth["managers"] if one["position"] == position)
    return found


def phone_and_initial_password(running: Running, account: str) -> tuple[str, str]:
    """The number a manager was written to, and the initial password in that message."""
    listed = json.loads(running.product.run("message", "list", "--format", "json"))
    invitation = next(
        one for one in listed if one["account_id"] == account and one["kind"] == "account"
    )
    sent = next(one for one in running.sent() if one["message_id"] == invitation["message_id"])
    found = re.search(r"初始密码：([a-z0-9]{10})", sent["text"])
    assert found, "no password in the message"
    return sent["to"], found[1]


def sign_in(page: Page, address: str, phone: str, password: str) -> None:
    """Fill in the portal's first page."""
    page.goto(f"{address}/sign-in")
    page.locator("input[name=phone]").fill(phone)
    page.locator("input[name=password]").fill(password)
    page.locator("main form button").click()


def chosen_password(page: Page, running: Running, account: str) -> tuple[str, str]:
    """Phone and chosen password of a manager, who changes the initial one if that is still due."""
    phone, initial = phone_and_initial_password(running, account)
    portal = running.addresses["portal"]
    sign_in(page, portal, phone, CHOSEN)
    if page.url.endswith("/sign-in"):
        sign_in(page, portal, phone, initial)
        page.locator("input[name=old]").fill(initial)
        for name in ("new", "again"):
            page.locator(f"input[name={name}]").fill(CHOSEN)
        page.locator("main form button").click()
    page.context.clear_cookies()
    return phone, CHOSEN
