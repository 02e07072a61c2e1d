"""Named queries: questions with an id, asked by digests, reports and systems; one YAML file each.

A query asks a cube, or is a select over the marts (`sql`). Text values of a cube query may hold
`{parameter}`, a select names `$parameter`; `business_date` is always known. A parameter of that
name is also the date that relative periods (`month to date`) refer to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from cubes.declaration import suggest
from cubes.dimension import Frozen, Name
from cubes.errors import QueryError
from cubes.label import Label, with_label
from cubes.limits import Limits, within_seconds
from cubes.parameter import Parameter, Value, read_parameter, written
from cubes.question import CubeQuery

if TYPE_CHECKING:
    import duckdb

    from cubes.catalogue import Catalogue
    from cubes.result import CubeResult
    from cubes.result_cache import ResultCache
    from cubes.scope import Scope
    from cubes.warehouse import Warehouse

BUSINESS_DATE = "business_date"
PERMISSION = "query"
"""What a key must be good for where a query does not name a permission of its own."""

_PLACE = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_CUBE_KEYS = (
    "measures", "by", "cuts", "time", "period", "compare", "fill", "totals", "as_was", "order",
    "limit", "keys", "rows",
)  # fmt: skip


class AnswerColumn(Frozen):
    """One column of the answer as callers are told of it."""

    label: Label | None = None
    type: Literal["string", "integer", "decimal", "number", "date", "timestamp", "boolean"] | None
    format: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"type": None, **value} if isinstance(value, Mapping) else value


class ScopeColumn(Frozen):
    """The column of a select's answer that names the unit a row belongs to."""

    column: Name


class NamedQuery(Frozen):
    """A query mapping with an id, a label and parameters.

    `columns` names and labels the answer: of a cube query those whose label or type shall differ
    from the cube's, of a select all. `scope` of a select is the column an account's jurisdiction
    applies to, or `open` for what everybody may see; without it only unrestricted accounts may ask.
    `rows` names columns of a cube: the answer then is the rows behind the measures.
    """

    query: Name
    label: Label
    description: str | Label | None = None
    owner: str | None = None
    permission: Name = PERMISSION
    parameters: dict[Name, Parameter] = Field(default_factory=dict)
    columns: dict[str, AnswerColumn] = Field(default_factory=dict)
    limits: Limits = Limits()
    sql: str | None = None
    scope: ScopeColumn | Literal["open"] | None = None
    cube: str | None = None
    rows: tuple[Name, ...] = ()
    measures: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    cuts: dict[str, Any] = Field(default_factory=dict)
    time: str | None = None
    period: str | int | date | None = None
    compare: str | None = None
    fill: str | None = None
    totals: str | None = None
    as_was: bool = False
    order: tuple[str, ...] = ()
    limit: int | None = None
    keys: bool = False

    @model_validator(mode="before")
    @classmethod
    def _label(cls, value: Any) -> Any:
        return with_label(value, "query")

    @model_validator(mode="after")
    def _one_form(self) -> NamedQuery:
        faults = list(self._form_faults())
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _form_faults(self) -> Iterator[str]:
        if (self.cube is None) == (self.sql is None):
            yield "needs either 'cube' or 'sql'"
        elif self.cube is not None:
            if not self.measures:
                yield "a query of a cube needs 'measures'"
            grouped = ("by", "compare", "fill", "totals", "as_was", "keys")
            used = [name for name in grouped if getattr(self, name)]
            if self.rows and used:
                yield f"rows are not grouped, so {', '.join(used)} may not stand beside 'rows'"
            if self.scope is not None:
                yield "'scope' belongs only to a query with 'sql'; a cube has its own"
        else:
            used = [name for name in _CUBE_KEYS if name in self.model_fields_set]
            if used:
                yield f"{', '.join(used)} belong only to a query of a cube"
            if not self.columns:
                yield "a query with 'sql' needs 'columns'"

    def to_query(
        self,
        parameters: Mapping[str, Any],
        *,
        business_date: date,
        by: Sequence[str] = (),
        keys: bool = False,
    ) -> tuple[CubeQuery, date]:
        """The cube query with its parameters filled in, and its business date.

        Raises QueryError, also for a query that is a select.
        """
        if self.cube is None:
            raise QueryError(
                zh=f"命名查询“{self.query}”是 select，不查立方体。",
                en=f"Query '{self.query}' is a select and asks no cube.",
            )
        values = self.values(parameters, business_date)
        texts = {name: written(value) for name, value in values.items() if value is not None}
        left_out = {name for name, value in values.items() if value is None}
        cuts = {
            name: cut
            for name, cut in self.cuts.items()
            if not left_out.intersection(_PLACE.findall(repr(cut)))
        }
        mapping = {
            "cube": self.cube,
            "measures": self.measures,
            "by": tuple(by) or self.by,
            "cuts": _filled(cuts, texts),
            "time": self.time,
            "period": _filled(self.period, texts),
            "compare": self.compare,
            "fill": self.fill,
            "totals": self.totals,
            "as_was": self.as_was,
            "order": self.order,
            "limit": self.limit,
            "keys": keys or self.keys,
        }
        return CubeQuery.from_mapping(mapping), date.fromisoformat(texts[BUSINESS_DATE])

    def values(self, given: Mapping[str, Any], business_date: date) -> dict[str, Value | None]:
        """The typed value of every parameter; all that is wrong with them is told at once.

        An optional one without a value is None. Raises QueryError.
        """
        known = {*self.parameters, BUSINESS_DATE}
        faults = [
            QueryError(
                zh=f"命名查询“{self.query}”没有参数“{name}”{suggest(str(name), known, 'zh')}。",
                en=f"Query '{self.query}' has no parameter '{name}'{suggest(str(name), known)}.",
            )
            for name in given
            if name not in known
        ]
        values: dict[str, Value | None] = {BUSINESS_DATE: business_date}
        declared = dict(self.parameters)
        if BUSINESS_DATE in given:
            declared.setdefault(BUSINESS_DATE, Parameter(type="date"))
        for name, parameter in declared.items():
            value = given.get(name)
            if value is None:
                value = parameter.default
            if value is None and name == BUSINESS_DATE:
                value = business_date
            if value is None:
                values[name] = None
                if not parameter.optional:
                    faults.append(
                        QueryError(
                            zh=f"命名查询“{self.query}”缺少参数“{name}”。",
                            en=f"Query '{self.query}' needs parameter '{name}'.",
                        )
                    )
                continue
            try:
                values[name] = read_parameter(self.query, name, parameter, value)
            except QueryError as error:
                faults.append(error)
        if faults:
            raise QueryError(
                zh="".join(fault.text("zh") for fault in faults), en=" ".join(map(str, faults))
            )
        return values

    def places(self) -> set[str]:
        """The names in braces anywhere in its cuts and period."""
        return set(_PLACE.findall(f"{self.cuts!r} {self.period!r}"))

    def signature(self) -> str:
        """Its name with its parameters and their types, `?` behind those that may be left out."""
        told = ", ".join(
            f"{name} {'date?' if name == BUSINESS_DATE else parameter.signature}"
            for name, parameter in self.parameters.items()
        )
        return f"{self.query}({told})"


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _PLACE.sub(lambda found: values[found.group(1)], value)
    if isinstance(value, Mapping):
        return {key: _filled(item, values) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(item, values) for item in value]
    return value


def run_named_query(
    catalogue: Catalogue,
    connection: duckdb.DuckDBPyConnection,
    name: str,
    parameters: Mapping[str, Any],
    *,
    scope: Scope,
    business_date: date,
    by: Sequence[str] = (),
    keys: bool = False,
    language: str = "zh",
    warehouse: Warehouse | None = None,
    snapshot: str | None = None,
    limited: bool = False,
    cache: ResultCache | None = None,
) -> CubeResult:
    """Answer a named query with its parameters; `by` replaces what a cube query is split by.

    `limited` keeps the query's own limits of rows and seconds; raises AnswerTooLarge or
    AnswerTooSlow then, QueryError for whatever cannot be answered as asked. `cache` keeps answers
    of cubes.
    """
    # The catalogue holds named queries, so what runs them is imported only when they run.
    from cubes.answer import labelled
    from cubes.drill_through import drill_through
    from cubes.query import run_query
    from cubes.select_query import run_select

    named = catalogue.named_query(name)
    rows = named.limits.rows if limited else None
    deadline = within_seconds(connection, named.limits.seconds) if limited else nullcontext()
    if named.sql is not None:
        if by or keys:
            raise QueryError(
                zh=f"命名查询“{name}”是 select；“by”和“keys”只用于立方体的查询。",
                en=f"Query '{name}' is a select; 'by' and 'keys' belong to a cube's.",
            )
        values = named.values(parameters, business_date)
        with deadline:
            return run_select(
                catalogue,
                connection,
                named,
                values,
                scope=scope,
                language=language,
                warehouse=warehouse,
                snapshot=snapshot,
                most_rows=rows,
            )
    if named.rows and (by or keys):
        raise QueryError(
            zh=f"命名查询“{name}”给出明细；“by”和“keys”只用于汇总的数字。",
            en=f"Query '{name}' gives rows; 'by' and 'keys' belong to figures.",
        )
    query, day = named.to_query(parameters, business_date=business_date, by=by, keys=keys)
    if named.rows:
        with deadline:
            found = drill_through(
                catalogue,
                connection,
                query,
                columns=named.rows,
                scope=scope,
                business_date=day,
                language=language,
                warehouse=warehouse,
                snapshot=snapshot,
                most_rows=rows,
            )
        return labelled(named, found)
    with deadline:
        result = run_query(
            catalogue,
            connection,
            query,
            scope=scope,
            business_date=day,
            language=language,
            warehouse=warehouse,
            snapshot=snapshot,
            most_rows=rows,
            cache=cache,
        )
    return labelled(named, result)
