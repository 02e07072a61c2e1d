"""Expressions in declarations: parsed by sqlglot, limited to columns, operators and safe functions.

An unqualified column belongs to the table at hand (the fact of a cube, the table of a dimension);
`role.column` names a joined dimension of a cube, `parent.column` a dimension's parent table.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from cubes.declaration import suggest
from cubes.sql import Node, identifier

_NODES: tuple[type[Any], ...] = (
    exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.Paren, exp.Neg, exp.Not,
    exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.And, exp.Or, exp.EQ, exp.NEQ,
    exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Is, exp.In, exp.Between, exp.Like, exp.Case, exp.If,
    exp.Cast, exp.TryCast, exp.DataType, exp.DataTypeParam, exp.DPipe, exp.Interval, exp.Var,
    exp.NullSafeEQ, exp.NullSafeNEQ,
)  # fmt: skip

SAFE_FUNCTIONS: tuple[type[Any], ...] = (
    exp.Abs, exp.Ceil, exp.Floor, exp.Round, exp.Sign, exp.Greatest, exp.Least, exp.Coalesce,
    exp.Nullif, exp.Lower, exp.Upper, exp.Trim, exp.Length, exp.Substring, exp.Concat, exp.Extract,
    exp.Year, exp.Month, exp.Day, exp.Quarter, exp.DateDiff, exp.TimestampTrunc, exp.DateTrunc,
    exp.DayOfWeek, exp.DayOfWeekIso,
)  # fmt: skip

"""Functions without a side to the outside: no file, no setting, no table."""

_DEEPEST = 200
"""Far beyond any expression a person writes, and far below what would end the process."""

FUNCTION_NAMES = tuple(sorted({kind.sql_name().lower() for kind in SAFE_FUNCTIONS}))


class ExpressionFault(ValueError):
    """The text of an expression is not allowed; the message says why."""


@lru_cache(maxsize=4096)
def _parsed(text: str, table: str) -> Any:
    try:
        tree: Any = sqlglot.parse_one(text, dialect="duckdb")
    except SqlglotError as error:
        first = str(error).splitlines()[0]
        raise ExpressionFault(f"'{text}' cannot be parsed: {first}") from error
    except RecursionError as error:
        raise _too_deep(text) from error
    if _depth(tree) > _DEEPEST:
        raise _too_deep(text)
    for node in list(tree.walk()):
        _check(node, text)
    for found in list(tree.find_all(exp.Column)):
        if not found.table:
            found.set("table", identifier(table))
        elif found.table == "parent":
            found.set("table", identifier(f"{table}__parent"))
    return tree


def _depth(tree: Any) -> int:
    depth, level = 0, [tree]
    while level:
        depth += 1
        level = [child for node in level for child in node.iter_expressions()]
    return depth


def _too_deep(text: str) -> ExpressionFault:
    return ExpressionFault(
        f"'{text[:40]}…' nests deeper than {_DEEPEST} operations; compute it in the table instead"
    )


def _check(node: Any, text: str) -> None:
    if isinstance(node, exp.Column):
        if node.args.get("db") is not None or isinstance(node.this, exp.Star):
            raise ExpressionFault(f"'{text}': only `column` or `dimension.column` may stand here")
        return
    if isinstance(node, exp.In) and (node.args.get("query") or node.args.get("unnest")):
        raise ExpressionFault(f"'{text}': a query inside an expression is not allowed")
    if isinstance(node, (*_NODES, *SAFE_FUNCTIONS)):
        return
    if isinstance(node, exp.Func):
        name = (node.name if isinstance(node, exp.Anonymous) else node.sql_name()).lower()
        raise ExpressionFault(
            f"'{text}': function {name} is not allowed{suggest(name, FUNCTION_NAMES)}; "
            f"allowed are {', '.join(FUNCTION_NAMES)}"
        )
    raise ExpressionFault(f"'{text}': {type(node).__name__.lower()} is not allowed here")


def parse_expression(text: str, table: str) -> Node:
    """A fresh tree of `text` whose unqualified columns belong to `table`.

    Raises ExpressionFault when it cannot be parsed or uses what is not allowed.
    """
    tree: Node = _parsed(text, table).copy()
    return tree


@lru_cache(maxsize=4096)
def columns_of(text: str, table: str) -> tuple[tuple[str, str], ...]:
    """The (table, column) pairs that `text` reads, sorted and each once."""
    found = [(node.table, node.name) for node in _parsed(text, table).find_all(exp.Column)]
    return tuple(sorted(set(found)))


@lru_cache(maxsize=4096)
def plain_column(text: str, table: str) -> str | None:
    """The column's name if `text` is one unqualified column, else None."""
    tree = _parsed(text, table)
    return str(tree.name) if isinstance(tree, exp.Column) and tree.table == table else None
