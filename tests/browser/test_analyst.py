from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, TimeoutError, expect

from tests.browser.conftest import Running, shoot
from tests.browser.people import chosen_password, manager_of

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

TITLE = {
    "overview": "经营与反馈总览",
    "overview-en": "Operations and feedback",
    "complaints": "投诉",
    "case": "工单详情",
    "usage": "业务使用",
    "sales": "营业销售",
}


def open_dashboard(page: Page, running: Running, slug: str, phone: str, password: str) -> None:
    page.set_viewport_size({"width": 1440, "height": 1000})
    page.goto(f"{running.addresses['superset']}/superset/dashboard/{slug}/")
    page.locator("[data-test=username-input]").fill(phone)
    page.locator("[data-test=password-input]").fill(password)
    page.locator("[data-test=login-button]").click()
    page.wait_for_url(f"**/dashboard/{slug}/**")
    expect(page.get_by_text(TITLE[slug]).first).to_be_visible()
    page.wait_for_load_state("networkidle")


def chart(page: Page, title: str) -> Locator:
    holders = page.locator("[data-test=dashboard-component-chart-holder]")
    return holders.filter(has=page.get_by_text(title, exact=True))


def expect_figure(page: Page, title: str, value: int) -> None:
    """The large number of a card, on a line of its own, with an arrow when it moved."""
    line = re.compile(rf"^{value:,}\s*[↑↓]?$", re.MULTILINE)
    expect(chart(page, title).first).to_contain_text(line, use_inner_text=True, timeout=30_000)


def expect_pivot_total(page: Page, title: str, value: int) -> None:
    """The last cell of a pivot's last row: the total of its totals."""
    pivot = chart(page, title)
    pivot.scroll_into_view_if_needed()
    expect(pivot.locator("tr.pvtRowTotals td").last).to_have_text(f"{value:,}", timeout=30_000)


def expect_drawn(page: Page) -> None:
    """Wait until no chart is being drawn: one that is redraws itself and closes menus over it."""
    expect(page.get_by_text("Waiting on")).to_have_count(0, timeout=60_000)


def drill_by(page: Page, cell: Locator, dimension: str) -> None:
    """Open a cell's menu and choose a dimension; a chart that draws itself anew closes the menu."""
    for _ in range(5):
        cell.click(button="right")
        # The menus slide in: a pointer that is faster than they are closes them again.
        page.wait_for_timeout(800)
        page.get_by_role("menuitem", name="按维度下钻").last.hover()
        page.wait_for_timeout(1_500)
        try:
            # The list is longer than the screen, and scrolling it may close the menu.
            page.get_by_placeholder("搜索列").last.fill(dimension, timeout=5_000)
            page.get_by_role("menuitem", name=dimension, exact=True).last.click(timeout=5_000)
            page.get_by_role("dialog").wait_for(timeout=15_000)
        except TimeoutError:
            page.keyboard.press("Escape")
        else:
            return
    raise AssertionError(f"the menu never offered {dimension}")


def choose(page: Page, place: int, member: str) -> None:
    """Choose a member in the filter at a place and apply it."""
    page.locator("[data-test=form-item-value]").nth(place).click()
    page.keyboard.type(member)
    page.locator(".ant-select-item-option", has_text=member).click()
    page.locator("[data-test=filter-bar__apply-button]").click()
    page.wait_for_load_state("networkidle")


def cube(running: Running, cut: str, measure: str = "complaints") -> int:
    answer = running.product.json(
        "cube", "query", "cases", "--measures", measure, "--cut", cut, "--period", "2026-03"
    )
    return int(answer["rows"][0][measure])


def test_an_analyst_filters_the_dashboard_and_drills_into_a_member(
    page: Page, running: Running
) -> None:
    account = manager_of(running, "province_manager")
    open_dashboard(page, running, "overview", *chosen_password(page, running, account))
    expect_figure(page, "投诉数", cube(running, "org=四川"))
    expect_drawn(page)
    expect_pivot_total(page, "单位与类型", cube(running, "org=四川", "cases"))
    shoot(page, "superset-overview-zh")

    choose(page, 1, "绵阳")
    expect_figure(page, "投诉数", cube(running, "org=四川/绵阳"))
    shoot(page, "superset-filtered-zh")

    table = chart(page, "各单位办理质量")
    table.scroll_into_view_if_needed()
    expect_drawn(page)
    expect(table.locator("tbody tr")).to_have_count(1, timeout=30_000)
    drill_by(page, table.locator("tbody td").first, "渠道")
    opened = page.get_by_role("dialog")
    expect(opened).to_contain_text("电话", timeout=30_000)
    heads = opened.locator("th").all_inner_texts()
    assert any("投诉数" in head for head in heads), heads
    assert not any("complaints" in head for head in heads), heads
    shoot(page, "superset-drilled-zh")


def test_a_cell_filters_the_other_charts(page: Page, running: Running) -> None:
    account = manager_of(running, "province_manager")
    open_dashboard(page, running, "overview-en", *chosen_password(page, running, account))
    expect_pivot_total(page, "Units by kind", cube(running, "org=四川", "cases"))
    shoot(page, "superset-overview-en")
    table = chart(page, "Quality of handling by unit")
    table.scroll_into_view_if_needed()
    cell = table.locator("tbody td").first
    member = cell.inner_text()
    cell.click()
    expect_figure(page, "Complaints", cube(running, f"org=四川/{member}"))


def test_an_analyst_is_not_offered_the_sql_editor(page: Page, running: Running) -> None:
    account = manager_of(running, "province_manager")
    open_dashboard(page, running, "overview", *chosen_password(page, running, account))
    expect(page.get_by_text("SQL")).to_have_count(0)
    answer = page.goto(f"{running.addresses['superset']}/sqllab/")
    assert answer is not None
    assert answer.status == 403


def test_an_analyst_goes_from_the_province_down_to_one_case(page: Page, running: Running) -> None:
    account = manager_of(running, "province_manager")
    open_dashboard(page, running, "complaints", *chosen_password(page, running, account))
    table = chart(page, "各单位办理质量")
    table.scroll_into_view_if_needed()
    expect_drawn(page)
    prefecture = table.locator("tbody td").first.inner_text()
    table.locator("tbody td").first.click()
    # The table that was clicked in keeps its rows; the others follow.
    expect_figure(page, "投诉数", cube(running, f"org=四川/{prefecture}"))

    cases = chart(page, "投诉明细")
    cases.scroll_into_view_if_needed()
    expect_drawn(page)
    units = cases.locator("tbody tr td:nth-child(4)").all_inner_texts()
    assert set(units) == {prefecture}
    number = cases.locator("tbody td").first.inner_text()
    shoot(page, "superset-cases-zh")

    cases.get_by_role("link", name="查看").first.click()
    page.wait_for_url("**/dashboard/case/**")
    expect(chart(page, "基本情况").locator("tbody tr")).to_have_count(1, timeout=30_000)
    expect(chart(page, "基本情况").locator("tbody td").first).to_have_text(number)
    clocks = chart(page, "每次计时").locator("tbody tr td:first-child")
    expect(clocks.first).to_have_text(number, timeout=30_000)
    assert set(clocks.all_inner_texts()) == {number}
    shoot(page, "superset-case-zh")


def test_the_page_of_a_case_shows_nothing_before_one_is_chosen(
    page: Page, running: Running
) -> None:
    account = manager_of(running, "province_manager")
    open_dashboard(page, running, "case", *chosen_password(page, running, account))
    expect_drawn(page)
    expect(chart(page, "基本情况").get_by_text("没有符合条件的数据")).to_be_visible()
    expect(chart(page, "基本情况").locator("tbody tr")).to_have_count(0)


def test_no_figure_is_told_as_a_change_against_nothing_and_a_period_by_its_days(
    page: Page, running: Running
) -> None:
    account = manager_of(running, "province_manager")
    # The simulated calls begin with the month, so there is nothing before it.
    open_dashboard(page, running, "usage", *chosen_password(page, running, account))
    card = chart(page, "使用次数").first
    expect(card).to_contain_text("0 上期", timeout=30_000)
    expect(card).to_contain_text("— 变化率")
    expect(card).not_to_contain_text("100.0%")
    expect(page.get_by_text("2026-03-01 至 2026-03-30").first).to_be_visible()
    expect(page.get_by_text("≤")).to_have_count(0)


def test_the_line_of_the_period_before_is_told_by_its_name(page: Page, running: Running) -> None:
    account = manager_of(running, "province_manager")
    open_dashboard(page, running, "sales", *chosen_password(page, running, account))
    line = chart(page, "每日销售收入（虚线为上一期）").first
    line.scroll_into_view_if_needed()
    expect_drawn(page)
    canvas = line.locator("canvas").first
    expect(canvas).to_be_visible(timeout=30_000)
    tooltip = page.locator("[class*=echarts-tooltip]").filter(has_text="上期")
    for step in range(10):
        # A chart that is still being drawn shows nothing where the pointer stands.
        canvas.hover(position={"x": 300 + step, "y": 100 + step})
        page.wait_for_timeout(500)
        if tooltip.count():
            break
    expect(tooltip.first).to_contain_text("销售收入")
    expect(page.get_by_text("inherit")).to_have_count(0)
