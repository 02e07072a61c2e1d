"""What may stand in a declaration's expression."""

from __future__ import annotations

import pytest

from cubes.expression import ExpressionFault, columns_of, parse_expression


@pytest.mark.parametrize(
    "text",
    [
        "amount",
        "kind in ('complaint', 'report')",
        "coalesce(amount, 0) * quantity / 2",
        "case when a > 1 then 'x' else lower(b) end",
        "date_diff('day', created_on, resolved_on)",
        "org.l1_name",
        "cast(urgency as text)",
        "not (a is null or b between 1 and 2)",
    ],
)
def test_columns_operators_and_listed_functions_pass(text: str) -> None:
    parse_expression(text, "fact")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("read_csv('/etc/passwd')", "read_csv is not allowed"),
        ("(select 1)", "not allowed"),
        ("a in (select b from t)", "query inside an expression"),
        ("sum(amount)", "sum is not allowed"),
        ("row_number() over ()", "not allowed"),
        ("getenv('HOME')", "getenv is not allowed"),
        ("a; drop table t", "cannot be parsed|not allowed"),
        ("a +", "cannot be parsed"),
        ("main.t.c", "only `column` or"),
        ("*", "not allowed"),
        ("$1", "not allowed"),
        ("lowr(a)", "did you mean 'lower'"),
    ],
)
def test_everything_else_is_refused_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(ExpressionFault, match=reason):
        parse_expression(text, "fact")


def test_unqualified_columns_belong_to_the_table_at_hand() -> None:
    assert columns_of("a + org.b + parent.c", "fact") == (
        ("fact", "a"),
        ("fact__parent", "c"),
        ("org", "b"),
    )


@pytest.mark.parametrize("text", ["(" * 300 + "a" + ")" * 300, "a" + " or a" * 3000, "- " * 2000])
def test_an_expression_that_nests_without_end_is_a_fault_and_ends_nothing(text: str) -> None:
    with pytest.raises(ExpressionFault):
        columns_of(text, "fact")
    assert columns_of("a" + " or b" * 100, "fact") == (("fact", "a"), ("fact", "b"))
