"""Aggregates: tables of a cube's additive measures by some of its dimensions.

An aggregate stands in for the fact: `stand_in` is the cube over its table, so that the compiler
asks it like any other cube and gives the same answer from fewer rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cubes.cube import FACT, GRAINS, Aggregate, Cube, Measure, StoredCount
from cubes.declaration import suggest
from cubes.expression import columns_of

if TYPE_CHECKING:
    from cubes.dimension import Dimension

AGGREGATE_SCHEMA = "aggregate"

_COARSER = {
    "day": frozenset(GRAINS),
    "week": frozenset({"week"}),
    "month": frozenset({"month", "quarter", "year"}),
    "quarter": frozenset({"quarter", "year"}),
    "year": frozenset({"year"}),
}


@dataclass(frozen=True)
class AggregateKeys:
    """What the rows of an aggregate are told apart by: times with their grain, roles, inline."""

    times: Mapping[str, str]
    joins: frozenset[str]
    inline: frozenset[str]

    def serves(self, role: str, grain: str) -> bool:
        """Whether a time of this grain can be told from what is kept."""
        return role in self.times and grain in _COARSER[self.times[role]]


def table_of(cube: str, name: str) -> str:
    """The table of an aggregate as a warehouse knows it, with its schema."""
    return f"{AGGREGATE_SCHEMA}.{cube}__{name}"


def key_column(name: str) -> str:
    """The column of an aggregate that holds a time, a dimension's key or an inline dimension."""
    return f"by__{name}"


def stored_measures(cube: Cube, aggregate: Aggregate) -> dict[str, Measure]:
    """The measures an aggregate holds: counts and sums, and balances where it keeps their days."""
    wanted = cube.measures if aggregate.measures == "additive" else aggregate.measures
    keeps_days = _keeps_days(cube, aggregate)
    return {
        name: cube.measures[name]
        for name in wanted
        if _adds_up(cube.measures[name]) and (keeps_days or not cube.measures[name].over_time)
    }


def _adds_up(measure: Measure) -> bool:
    """Whether it adds up over everything but time."""
    return measure.agg in ("count", "sum")


def _keeps_days(cube: Cube, aggregate: Aggregate) -> bool:
    first = cube.default_time
    return first is not None and keys_of(cube, aggregate).times.get(first) == cube.time[first].grain


def keys_of(cube: Cube, aggregate: Aggregate) -> AggregateKeys:
    """Resolve what an aggregate is declared by; what is wrong with it is told by `problems`."""
    times: dict[str, str] = {}
    joins, inline = set(), set()
    for name in aggregate.by:
        role, _, part = name.partition(".")
        if role in cube.time:
            times[role] = part or cube.time[role].grain
        elif role in cube.joins:
            joins.add(role)
        else:
            inline.add(role)
    return AggregateKeys(times, frozenset(joins), frozenset(inline))


def problems(
    cube: Cube, aggregate: Aggregate, dimensions: Mapping[str, Dimension]
) -> Iterator[tuple[Sequence[str | int], str]]:
    """What is wrong with an aggregate, each with its place below the aggregate."""
    for index, name in enumerate(aggregate.by):
        message = _name_problem(cube, name, dimensions)
        if message is not None:
            yield ("by", index), message
    for index, name in enumerate(aggregate.measures if aggregate.measures != "additive" else ()):
        measure = cube.measures.get(name)
        if measure is None:
            yield (
                ("measures", index),
                f"cube '{cube.cube}' has no measure '{name}'{suggest(name, cube.measures)}",
            )
        elif not _adds_up(measure):
            yield ("measures", index), f"'{name}' does not add up; only counts and sums do"
        elif measure.over_time and not _keeps_days(cube, aggregate):
            day = f"{cube.default_time}.{cube.time[cube.default_time or ''].grain}"
            yield ("measures", index), f"'{name}' is taken at a day, so 'by' must keep '{day}'"


def _name_problem(cube: Cube, name: str, dimensions: Mapping[str, Dimension]) -> str | None:
    role, _, part = name.partition(".")
    if role in cube.time:
        grain = part or cube.time[role].grain
        if grain not in GRAINS:
            return f"time '{role}' has no grain '{grain}'{suggest(grain, GRAINS)}"
        if cube.time[role].grain == "month" and grain in ("day", "week"):
            return f"cube '{cube.cube}' knows months only; write '{role}.month'"
        return None
    if role in cube.dimensions and not part:
        return None
    if role not in cube.joins:
        known = [*cube.joins, *cube.dimensions, *cube.time]
        return f"cube '{cube.cube}' has no dimension or time '{name}'{suggest(role, known)}"
    dimension = dimensions.get(cube.dimension_of(role))
    if dimension is None or not part:
        return None
    attribute = dimension.attributes.get(part)
    if attribute is not None and attribute.key == dimension.key:
        return None
    return f"an aggregate keeps whole members, from which every level is known; write '{role}'"


def stand_in(cube: Cube, name: str) -> Cube:
    """The cube over an aggregate's table; it has the measures that can be told from it."""
    aggregate = cube.aggregates[name]
    keys = keys_of(cube, aggregate)
    stored = {
        own: StoredCount.model_construct(**{**dict(measure), "sql": own, "where": None})
        if measure.agg == "count"
        else measure.model_copy(update={"sql": own, "where": None})
        for own, measure in stored_measures(cube, aggregate).items()
    }
    derived = {
        own: measure
        for own, measure in cube.measures.items()
        if measure.agg is None
        and all("." in part or part in stored for part in cube.parts_of(measure))
    }
    return cube.model_copy(
        update={
            "cube": f"{cube.cube}@{name}",
            "fact": table_of(cube.cube, name),
            "where": None,
            "time": {
                role: time.model_copy(update={"sql": key_column(role)})
                for role, time in cube.time.items()
                if role in keys.times
            },
            "joins": {
                role: join.model_copy(update={"on": key_column(role)})
                for role, join in cube.joins.items()
                if role in keys.joins
            },
            "dimensions": {
                role: inline.model_copy(update={"sql": key_column(role)})
                for role, inline in cube.dimensions.items()
                if role in keys.inline
            },
            # Measures keep their order, which is that of the cube.
            "measures": {
                own: stored.get(own) or derived[own]
                for own in cube.measures
                if own in stored or own in derived
            },
            "details": {},
            "variants": {},
            "aggregates": {},
        }
    )


def roles_read(cube: Cube, name: str) -> set[str]:
    """The joined roles that are read when the aggregate is made, so that today's members count."""
    aggregate = cube.aggregates[name]
    measures = stored_measures(cube, aggregate)
    texts = [cube.dimensions[role].sql for role in keys_of(cube, aggregate).inline]
    texts += [text for m in measures.values() for text in (m.sql, m.where) if text is not None]
    texts += [cube.where] if cube.where is not None else []
    return {table for text in texts for table, _ in columns_of(text, FACT) if table in cube.joins}
