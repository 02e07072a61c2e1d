"""Templates: what passes the allow-list, and what does not."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from notifications.errors import TemplateError
from notifications.template import Line, problems, render, render_lines, required


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("{{ value.__class__ }}", "may not use getattr"),
        ("{{ value['x'] }}", "may not use getitem"),
        ("{{ value() }}", "may not use call"),
        ("{% for x in value %}{% endfor %}", "may not use for"),
        ("{% set x = 1 %}", "may not use assign"),
        ("{% include 'secret' %}", "may not use include"),
        ("{{ valeu }}", "unknown value 'valeu' (did you mean 'value'?)"),
        ("{{ value|mony }}", "unknown filter 'mony' (did you mean 'money'?)"),
        ("{{ value|safe }}", "unknown filter 'safe'"),
        ("{% if value is defined %}{% endif %}", "unknown test 'defined'"),
        ("{{ value ", "is not a valid template"),
    ],
)
def test_everything_outside_the_allow_list_is_refused(source: str, problem: str) -> None:
    assert any(problem in found for found in problems(source, ["value"]))


def test_names_filters_and_conditions_pass() -> None:
    source = "{{ v|money }}{% if c is not none and c > 0 %}，{{ c|change }}{% endif %}"
    assert problems(source, ["v", "c"]) == []
    assert required(source) == {"v"}
    values = {"v": Decimal(20000), "c": Decimal("0.1")}
    assert render(source, values, "zh", "CNY") == "¥2万，增10%"
    assert render(source, {**values, "c": None}, "zh", "CNY") == "¥2万"


def test_a_line_whose_value_is_missing_is_left_out_whole() -> None:
    lines = [
        Line(priority=1, zh="{{ d|day }}", en="{{ d|day }}"),
        Line(priority=2, zh="甲{{ a|number }}", en="A"),
    ]
    found = render_lines(lines, {"d": date(2026, 3, 30), "a": None}, "zh", "CNY")
    assert [line.text for line in found] == ["3月30日"]


def test_a_value_of_the_wrong_kind_is_an_error_that_names_the_template() -> None:
    with pytest.raises(TemplateError, match=r"v\|money"):
        render("{{ v|money }}", {"v": "many"}, "zh", "CNY")


def test_a_line_cannot_grow_without_end() -> None:
    with pytest.raises(TemplateError, match="a line may have 500"):
        render("{{ v }}", {"v": "长" * 501}, "zh", "CNY")
