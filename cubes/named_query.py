"""Named queries: questions with an id, asked by digests, reports and systems; one YAML file each.

Text values may hold `{parameter}`; `{business_date}` is always known. A parameter named
business_date is also the date that relative periods (`month to date`) refer to.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from cubes.declaration import suggest
from cubes.dimension import Frozen, Name
from cubes.errors import QueryError
from cubes.label import Label, with_label
from cubes.question import CubeQuery

if TYPE_CHECKING:
    import duckdb

    from cubes.catalogue import Catalogue
    from cubes.result import CubeResult
    from cubes.scope import Scope
    from cubes.warehouse import Warehouse

_PLACE = re.compile(r"\{([a-z][a-z0-9_]*)\}")


class Parameter(Frozen):
    """A value the caller gives; without a default it is required."""

    type: Literal["date", "month", "string", "integer"] = "string"
    label: Label | None = None
    default: str | int | None = None


class NamedQuery(Frozen):
    """A query mapping with an id, a label and parameters."""

    query: Name
    label: Label
    description: str | Label | None = None
    owner: str | None = None
    parameters: dict[Name, Parameter] = Field(default_factory=dict)
    cube: str
    measures: tuple[str, ...]
    by: tuple[str, ...] = ()
    cuts: dict[str, Any] = Field(default_factory=dict)
    time: str | None = None
    period: str | int | date | None = None
    compare: str | None = None
    fill: str | None = None
    totals: str | None = None
    order: tuple[str, ...] = ()
    limit: int | None = None
    keys: bool = False

    @model_validator(mode="before")
    @classmethod
    def _label(cls, value: Any) -> Any:
        return with_label(value, "query")

    def to_query(
        self,
        parameters: Mapping[str, Any],
        *,
        business_date: date,
        by: Sequence[str] = (),
        keys: bool = False,
    ) -> tuple[CubeQuery, date]:
        """The query with its parameters filled in, and its business date; raises QueryError."""
        values = self._values(parameters, business_date)
        mapping = {
            "cube": self.cube,
            "measures": self.measures,
            "by": tuple(by) or self.by,
            "cuts": _filled(self.cuts, values),
            "time": self.time,
            "period": _filled(self.period, values),
            "compare": self.compare,
            "fill": self.fill,
            "totals": self.totals,
            "order": self.order,
            "limit": self.limit,
            "keys": keys or self.keys,
        }
        return CubeQuery.from_mapping(mapping), date.fromisoformat(values["business_date"])

    def _values(self, given: Mapping[str, Any], business_date: date) -> dict[str, str]:
        known = {*self.parameters, "business_date"}
        for name in given:
            if name not in known:
                raise QueryError(
                    f"Query '{self.query}' has no parameter '{name}'{suggest(name, known)}."
                )
        values = {"business_date": business_date.isoformat()}
        for name, parameter in self.parameters.items():
            value = given.get(name, parameter.default)
            if value is None and name == "business_date":
                value = business_date
            if value is None:
                raise QueryError(f"Query '{self.query}' needs parameter '{name}'.")
            values[name] = _checked(self.query, name, parameter.type, value)
        if "business_date" in given and "business_date" not in self.parameters:
            values["business_date"] = _checked(
                self.query, "business_date", "date", given["business_date"]
            )
        return values

    def places(self) -> set[str]:
        """The names in braces anywhere in its cuts and period."""
        return set(_PLACE.findall(f"{self.cuts!r} {self.period!r}"))


def _checked(query: str, name: str, kind: str, value: Any) -> str:
    text = value.isoformat() if isinstance(value, date) else str(value)
    try:
        if kind == "date":
            date.fromisoformat(text)
        elif kind == "month":
            text = text[:7]
            date.fromisoformat(f"{text}-01")
        elif kind == "integer":
            int(text)
    except ValueError as error:
        raise QueryError(
            f"Parameter '{name}' of query '{query}' must be a {kind}, not {text!r}."
        ) from error
    return text


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
) -> CubeResult:
    """Answer a named query with its parameters; `by` replaces what the query is split by."""
    # The catalogue holds named queries, so what runs them is imported only when they run.
    from cubes.query import run_query

    query, day = catalogue.named_query(name).to_query(
        parameters, business_date=business_date, by=by, keys=keys
    )
    return run_query(
        catalogue,
        connection,
        query,
        scope=scope,
        business_date=day,
        language=language,
        warehouse=warehouse,
        snapshot=snapshot,
    )
