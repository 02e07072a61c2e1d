"""Small constructors of sqlglot expression objects.

They exist because building nodes directly is several times faster than parsing strings, and so
that an identifier is quoted only where DuckDB needs it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from sqlglot import exp

Node = exp.Expression

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*\Z")

# Words that need quotes: duckdb_keywords() of category 'reserved' or 'type_function'.
_RESERVED = frozenset({
    "all", "analyse", "analyze", "and", "anti", "any", "array", "as", "asc", "asof",
    "asymmetric", "at", "authorization", "binary", "both", "by", "case", "cast", "check",
    "collate", "collation", "column", "columns", "concurrently", "constraint", "create",
    "cross", "default", "deferrable", "desc", "describe", "distinct", "do", "else", "end",
    "except", "false", "fetch", "for", "foreign", "freeze", "from", "full", "generated",
    "glob", "group", "having", "ilike", "in", "initially", "inner", "intersect", "into", "is",
    "isnull", "join", "lambda", "lateral", "leading", "left", "like", "limit", "map",
    "natural", "not", "notnull", "null", "offset", "on", "only", "or", "order", "outer",
    "overlaps", "pivot", "pivot_longer", "pivot_wider", "placing", "positional", "primary",
    "qualify", "references", "returning", "right", "select", "semi", "show", "similar",
    "some", "struct", "summarize", "symmetric", "table", "tablesample", "then", "to",
    "trailing", "true", "try_cast", "union", "unique", "unpack", "unpivot", "using",
    "variadic", "verbose", "when", "where", "window", "with",
})  # fmt: skip


@lru_cache(maxsize=4096)
def _needs_quotes(name: str) -> bool:
    return _PLAIN.match(name) is None or name in _RESERVED


def identifier(name: str) -> exp.Identifier:
    """An identifier, quoted only where needed."""
    return exp.Identifier(this=name, quoted=_needs_quotes(name))


def column(name: str, table: str | None = None) -> exp.Column:
    """A column, qualified by `table` when given."""
    if table is None:
        return exp.Column(this=identifier(name))
    return exp.Column(this=identifier(name), table=identifier(table))


def alias(node: Node, name: str) -> exp.Alias:
    """`node as name`."""
    return exp.Alias(this=node, alias=identifier(name))


def call(name: str, *arguments: Node) -> exp.Anonymous:
    """A function call."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def text(value: str) -> exp.Literal:
    """A string literal of the compiler's own; values of users are bound, never written."""
    return exp.Literal(this=value, is_string=True)


def number(value: int | float) -> Node:
    """A number literal of a declaration or of the compiler."""
    if value < 0:
        return exp.Neg(this=exp.Literal(this=repr(-value), is_string=False))
    return exp.Literal(this=repr(value), is_string=False)


def cast(node: Node, type_name: exp.DType) -> exp.Cast:
    """`cast(node as type)`."""
    return exp.Cast(this=node, to=exp.DataType(this=type_name, nested=False))


def parsed_type(name: str) -> exp.DataType:
    """A DuckDB type by its name."""
    return exp.DataType.build(name, dialect="duckdb")


def as_double(node: Node) -> exp.Cast:
    """`cast(node as double)`."""
    return cast(node, exp.DType.DOUBLE)


def as_date(node: Node) -> exp.Cast:
    """`cast(node as date)`."""
    return cast(node, exp.DType.DATE)


def all_of(conditions: Sequence[Node]) -> Node:
    """The conjunction; true when there is no condition."""
    return _joined(exp.And, conditions, True)


def any_of(conditions: Sequence[Node]) -> Node:
    """The disjunction; false when there is no condition."""
    return _joined(exp.Or, conditions, False)


def _joined(kind: type[exp.And] | type[exp.Or], conditions: Sequence[Node], empty: bool) -> Node:
    if not conditions:
        return exp.Boolean(this=empty)
    result = conditions[0] if len(conditions) == 1 else _wrapped(conditions[0])
    for condition in conditions[1:]:
        result = kind(this=result, expression=_wrapped(condition))
    return result


def _wrapped(node: Node) -> Node:
    return exp.Paren(this=node) if isinstance(node, exp.And | exp.Or) else node


def equal(left: Node, right: Node) -> exp.EQ:
    """`left = right`."""
    return exp.EQ(this=left, expression=right)


def same(left: Node, right: Node) -> exp.NullSafeEQ:
    """`left is not distinct from right`: null equals null."""
    return exp.NullSafeEQ(this=left, expression=right)


def is_null(node: Node) -> exp.Is:
    """`node is null`."""
    return exp.Is(this=node, expression=exp.Null())


def least(nodes: Sequence[Node]) -> Node:
    """The least of one or more values."""
    return nodes[0] if len(nodes) == 1 else call("least", *nodes)


def greatest(nodes: Sequence[Node]) -> Node:
    """The greatest of one or more values."""
    return nodes[0] if len(nodes) == 1 else call("greatest", *nodes)


def coalesce(*nodes: Node) -> exp.Coalesce:
    """`coalesce(...)`."""
    return exp.Coalesce(this=nodes[0], expressions=list(nodes[1:]))


def inside(node: Node, query: exp.Select) -> exp.In:
    """`node in (query)`."""
    return exp.In(this=node, query=exp.Subquery(this=query))


def unnest(parameter: Node) -> exp.Select:
    """`select unnest(list)`: a bound list as rows."""
    return select([call("unnest", parameter)])


def select(
    columns: Sequence[Node],
    source: Node | None = None,
    joins: Sequence[exp.Join] = (),
    where: Sequence[Node] = (),
) -> exp.Select:
    """`select columns from source joins where all conditions`."""
    statement = exp.Select(expressions=list(columns))
    if source is not None:
        statement.set("from_", exp.From(this=source))
    if joins:
        statement.set("joins", list(joins))
    if where:
        statement.set("where", exp.Where(this=all_of(where)))
    return statement


def join(source: Node, on: Sequence[Node], side: str = "LEFT") -> exp.Join:
    """A left (or other) join; a cross join when there is no condition."""
    if not on:
        return exp.Join(this=source, kind="CROSS")
    return exp.Join(this=source, side=side, on=all_of(on))


def named(name: str, table_alias: str | None = None) -> exp.Table:
    """A reference to a common table expression."""
    table = exp.Table(this=identifier(name))
    if table_alias is not None:
        table.set("alias", exp.TableAlias(this=identifier(table_alias)))
    return table


def with_steps(steps: Sequence[tuple[str, exp.Select]], final: exp.Select) -> exp.Select:
    """Put named steps before `final`."""
    if steps:
        expressions = [
            exp.CTE(this=query, alias=exp.TableAlias(this=identifier(name)))
            for name, query in steps
        ]
        final.set("with_", exp.With(expressions=expressions))
    return final


def ordered(node: Node, descending: bool = False) -> exp.Ordered:
    """One sort key; nulls always come last."""
    return exp.Ordered(this=node, desc=descending, nulls_first=False)
