"""Aggregates: tables of a cube's additive measures by some of its dimensions.

An aggregate stands in for the fact: `stand_in` is the cube over its table, so that the compiler
asks it like any other cube and gives the same answer from fewer rows. A dimension is kept whole, by
its key, or by some of its levels and attributes, by the key of a shrunken dimension.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cubes.cube import FACT, GRAINS, Aggregate, Cube, Measure, StoredCount
from cubes.declaration import suggest
from cubes.expression import columns_of
from cubes.shrunken_dimension import kept_parts, levels_and_attributes, shrunken

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
    """What the rows of an aggregate are told apart by.

    Times with their grain, roles of whole members, inline dimensions, and the levels and attributes
    of roles that are kept by them.
    """

    times: Mapping[str, str]
    joins: frozenset[str]
    inline: frozenset[str]
    shrunken: Mapping[str, frozenset[str]]

    def serves(self, role: str, grain: str) -> bool:
        """Whether a time of this grain can be told from what is kept."""
        return role in self.times and grain in _COARSER[self.times[role]]


def table_of(cube: str, name: str) -> str:
    """The table of an aggregate as a warehouse knows it, with its schema."""
    return f"{AGGREGATE_SCHEMA}.{cube}__{name}"


def shrunken_table_of(cube: str, name: str, role: str) -> str:
    """The table of the shrunken dimension an aggregate has in a role, with its schema."""
    return f"{table_of(cube, name)}__{role}"


def shrunken_id(cube: str, name: str, role: str) -> str:
    """What the catalogue knows the shrunken dimension of a stand-in's role by."""
    return f"{cube}@{name}.{role}"


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
    return first is not None and _times(cube, aggregate).get(first) == cube.time[first].grain


def _times(cube: Cube, aggregate: Aggregate) -> dict[str, str]:
    times = {}
    for name in aggregate.by:
        role, _, part = name.partition(".")
        if role in cube.time:
            times[role] = part or cube.time[role].grain
    return times


def keys_of(cube: Cube, aggregate: Aggregate, dimensions: Mapping[str, Dimension]) -> AggregateKeys:
    """Resolve what an aggregate is declared by; what is wrong with it is told by `problems`."""
    joins, inline = set(), set()
    parts: dict[str, set[str]] = {}
    for name in aggregate.by:
        role, _, part = name.partition(".")
        if role in cube.time:
            continue
        if role not in cube.joins:
            inline.add(role)
        elif _is_whole(dimensions[cube.dimension_of(role)], part):
            joins.add(role)
        else:
            parts.setdefault(role, set()).add(part)
    return AggregateKeys(
        _times(cube, aggregate),
        frozenset(joins),
        frozenset(inline),
        {
            role: kept_parts(dimensions[cube.dimension_of(role)], names)
            for role, names in parts.items()
            if role not in joins
        },
    )


def _is_whole(dimension: Dimension, part: str) -> bool:
    """Whether a name of the dimension tells its members apart, so that all of it is known."""
    if not part:
        return True
    attribute = dimension.attributes.get(part)
    return attribute is not None and attribute.key == dimension.key


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
    if dimension is None or _is_whole(dimension, part):
        return None
    known = levels_and_attributes(dimension)
    if part not in known:
        return f"dimension '{role}' has no level or attribute '{part}'{suggest(part, known)}"
    return None


def shrunken_dimensions(
    cube: Cube, name: str, dimensions: Mapping[str, Dimension]
) -> dict[str, Dimension]:
    """The dimensions that an aggregate keeps by levels and attributes, by their roles."""
    return {
        role: shrunken(
            dimensions[cube.dimension_of(role)], kept, shrunken_table_of(cube.cube, name, role)
        )
        for role, kept in keys_of(cube, cube.aggregates[name], dimensions).shrunken.items()
    }


def stand_in(cube: Cube, name: str, dimensions: Mapping[str, Dimension]) -> Cube:
    """The cube over an aggregate's table; it has the measures that can be told from it."""
    aggregate = cube.aggregates[name]
    keys = keys_of(cube, aggregate, dimensions)
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
                role: join.model_copy(
                    update={
                        "on": key_column(role),
                        "dimension": shrunken_id(cube.cube, name, role)
                        if role in keys.shrunken
                        else join.dimension,
                    }
                )
                for role, join in cube.joins.items()
                if role in keys.joins or role in keys.shrunken
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
    """The joined roles whose columns its measures, inline dimensions and rows are made from."""
    aggregate = cube.aggregates[name]
    measures = stored_measures(cube, aggregate)
    texts = [cube.dimensions[one].sql for one in aggregate.by if one in cube.dimensions]
    texts += [text for m in measures.values() for text in (m.sql, m.where) if text is not None]
    texts += [cube.where] if cube.where is not None else []
    return {table for text in texts for table, _ in columns_of(text, FACT) if table in cube.joins}
