"""Checks of named queries in SQL: one select over the marts and nothing else.

What the text may hold is a closed list: tables of the schemas marts and cube, columns, operators,
aggregates, windows and functions without a side to the outside. Everything else is a fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from cubes.errors import QueryError
from cubes.expression import SAFE_FUNCTIONS
from cubes.parameter import SQL_TYPES
from cubes.sql import parsed_type

if TYPE_CHECKING:
    from cubes.named_query import NamedQuery

SCHEMAS = ("marts", "cube")

_ALLOWED: tuple[type[Any], ...] = (
    *SAFE_FUNCTIONS, exp.Connector, exp.Case, exp.If, exp.Cast, exp.TryCast, exp.Exists,
    exp.AggFunc, exp.RowNumber, exp.Filter, exp.DateAdd, exp.DateSub, exp.TsOrDsAdd,
    exp.StrPosition, exp.Left, exp.Right, exp.Replace,
)  # fmt: skip
_CUTS = (exp.Limit, exp.Fetch, exp.Offset, exp.TableSample)
_ALLOWED_NAMES = {"rank", "dense_rank", "lag", "lead", "ntile", "last_day", "strftime"}


def select_faults(text: str, parameters: Mapping[str, object]) -> Iterator[str]:
    """What is wrong with the text of a select, as far as it tells itself."""
    try:
        tree = _parsed(text)
    except QueryError as error:
        yield str(error)
        return
    for node in tree.walk():
        if isinstance(node, exp.Table):
            yield from _table_faults(node)
        elif isinstance(node, _CUTS):
            yield (
                f"a {_word(node)} would cut rows before the scope applies, in an inner select too; "
                "use 'limits: {rows: ...}'"
            )
        elif isinstance(node, exp.Pivot):
            yield "a pivot is not allowed: its columns would come from the data"
        elif isinstance(node, exp.Func):
            yield from _function_faults(node)
        elif isinstance(node, exp.Into | exp.Lock | exp.Command | exp.DDL | exp.DML):
            if not isinstance(node, exp.Query):
                yield f"{type(node).__name__.lower()} is not allowed in a select"
        elif isinstance(node, exp.Parameter) or (
            isinstance(node, exp.Placeholder) and not node.name
        ):
            yield "a parameter must be named, such as $business_date"
        elif isinstance(node, exp.Placeholder) and node.name not in parameters:
            yield f"${node.name} is no parameter"
        elif isinstance(node, exp.Column) and not node.table and node.name in parameters:
            yield (
                f"column '{node.name}' has the name of a parameter; write the table before it, "
                "since a table macro cannot tell the two apart"
            )


def _word(node: exp.Expression) -> str:
    return "sample" if isinstance(node, exp.TableSample) else type(node).__name__.lower()


def _table_faults(table: exp.Table) -> Iterator[str]:
    if not isinstance(table.this, exp.Identifier):
        yield f"{table.this.sql(dialect='duckdb')} is no table of the marts"
    elif table.catalog or (table.db not in SCHEMAS and (table.db or not _is_step(table))):
        named = ".".join(part for part in (table.catalog, table.db, table.name) if part)
        yield f"table {named} is not in schema marts or cube"


def _is_step(table: exp.Table) -> bool:
    """Whether a bare name is a step (CTE) that can be seen from where it stands.

    A name that only a step elsewhere has would be looked up as a table or even as a file.
    """
    inside: exp.Expr = table
    while inside.parent is not None:
        outside = inside.parent
        if isinstance(outside, exp.With):
            # A step sees those before it, and itself only in a recursive select.
            index = outside.expressions.index(inside)
            seen = outside.expressions[: index + 1 if outside.recursive else index]
        elif isinstance(outside, exp.Query) and not isinstance(inside, exp.With):
            seen = outside.ctes
        else:
            seen = []
        if any(step.alias == table.name for step in seen):
            return True
        inside = outside
    return False


def _function_faults(node: exp.Func) -> Iterator[str]:
    name = (node.name if isinstance(node, exp.Anonymous) else node.sql_name()).lower()
    is_known = isinstance(node, _ALLOWED) and not isinstance(node, exp.AnonymousAggFunc)
    if not is_known and name not in _ALLOWED_NAMES:
        yield f"function {name} is not allowed in a named query"


@lru_cache(maxsize=256)
def _parsed(text: str) -> Any:
    try:
        trees = [tree for tree in sqlglot.parse(text, dialect="duckdb") if tree is not None]
    except (SqlglotError, RecursionError) as error:
        first = str(error).splitlines()[0]
        raise QueryError(
            zh=f"“sql”无法解析：{first.rstrip(' .')}。", en=f"'sql' cannot be parsed: {first}"
        ) from error
    if len(trees) != 1 or not isinstance(trees[0], exp.Select | exp.SetOperation):
        raise QueryError(zh="“sql”必须是一条 select。", en="'sql' must be one select")
    return trees[0]


def select_tree(text: str) -> Any:
    """A fresh tree of a select that was checked."""
    return _parsed(text).copy()


def column_faults(named_query: NamedQuery, connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """What does not fit the tables of a database: unknown tables and columns, other columns."""
    assert named_query.sql is not None
    tree = select_tree(named_query.sql)
    types = {name: SQL_TYPES[item.type] for name, item in named_query.parameters.items()}
    types.setdefault("business_date", "DATE")
    for place in list(tree.find_all(exp.Placeholder)):
        place.replace(exp.Cast(this=exp.Null(), to=parsed_type(types[place.name])))
    text = tree.sql(dialect="duckdb")
    try:
        described = connection.execute(f"describe {text}").fetchall()
    except duckdb.Error as error:
        yield next(iter(str(error).splitlines()), type(error).__name__)
        return
    found = [row[0] for row in described]
    if found != list(named_query.columns):
        yield f"the select has the columns {', '.join(found)}, 'columns' says otherwise"
    scope = named_query.scope
    if scope is not None and scope != "open" and scope.column not in found:
        yield f"the scope's column '{scope.column}' is no column of the select"
