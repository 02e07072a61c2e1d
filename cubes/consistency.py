"""Checks between declaration files, and what expressions they hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cubes.aggregate import problems as aggregate_problems
from cubes.cube import FACT, GRAINS, Cube
from cubes.declaration import line_of, read_yaml, suggest
from cubes.dimension import MOST_LEVELS, Attribute, Dimension, variants
from cubes.errors import Fault
from cubes.expression import ExpressionFault, columns_of
from cubes.named_query import BUSINESS_DATE, NamedQuery
from cubes.select_check import select_faults

if TYPE_CHECKING:
    from cubes.catalogue import Catalogue


COMPARED = ("previous", "change", "change_ratio")
"""What a comparison adds to the name of a measure, after two underscores."""


def located_fault(
    catalogue: Catalogue, part: str, name: str, where: Sequence[Any], message: str
) -> Fault:
    """A fault at a place (keys and indexes) of the file that declares `name`."""
    return file_fault(catalogue.files[part, name], where, message)


def file_fault(path: Path, where: Sequence[Any], message: str) -> Fault:
    """A fault at a place (keys and indexes) of a file."""
    data = read_yaml(path, [])
    place = ".".join(str(item) for item in where)
    return Fault(str(path), line_of(data, where), f"{place}: {message}" if place else message)


class Consistency:
    """Checks between files; a file that failed to load by itself causes no second fault."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.dimensions = {name for part, name in catalogue.files if part == "dimensions"}
        self.cubes = {name for part, name in catalogue.files if part == "definitions"}

    def faults(self) -> Iterator[Fault]:
        for dimension in self.catalogue.dimensions.values():
            for where, message in _dimension_problems(dimension):
                yield self.at("dimensions", dimension.dimension, where, message)
        for cube in self.catalogue.declared_cubes():
            for where, message in self.cube_problems(cube):
                yield self.at("definitions", cube.cube, where, message)
        for query in self.catalogue.queries.values():
            for where, message in self.query_problems(query):
                yield self.at("queries", query.query, where, message)

    def at(self, part: str, name: str, where: Sequence[Any], message: str) -> Fault:
        return located_fault(self.catalogue, part, name, where, message)

    def cube_problems(self, cube: Cube) -> Iterator[tuple[Sequence[Any], str]]:
        seen: dict[str, str] = {FACT: "the fact"}
        for part, names in (
            ("time", cube.time), ("joins", cube.joins), ("dimensions", cube.dimensions)
        ):  # fmt: skip
            for name in names:
                if name in seen:
                    yield (part, name), f"the name is already used by {seen[name]}"
                seen[name] = part
        for role in cube.joins:
            wanted = cube.dimension_of(role)
            if wanted not in self.dimensions:
                yield (
                    ("joins", role),
                    f"there is no dimension '{wanted}'{suggest(wanted, self.dimensions)}",
                )
        for where, text in cube_expressions(cube):
            yield from self.expression_problems(cube, where, text)
        for name, measure in cube.measures.items():
            compared, _, suffix = name.rpartition("__")
            if suffix in COMPARED and compared in cube.measures:
                yield (
                    ("measures", name),
                    f"a comparison of '{compared}' gives a column of this name; choose another",
                )
            if measure.over_time and not cube.time:
                yield ("measures", name, "over_time"), "the cube has no time"
            if measure.ratio is not None:
                for side in (*measure.sides[0], *measure.sides[1]):
                    yield from self.side_problems(cube, name, side)
            for part in measure.weighted or ():
                yield from _ratio_problems(cube, name, part)
            for kind in ("wilson", "shrunk"):
                for part in getattr(measure, kind) or ():
                    yield from _part_problems(cube, (name, kind), part)

        for name, aggregate in cube.aggregates.items():
            for place, message in aggregate_problems(cube, aggregate, self.catalogue.dimensions):
                yield ("aggregates", name, *place), message

    def expression_problems(
        self, cube: Cube, where: Sequence[Any], text: str
    ) -> Iterator[tuple[Sequence[Any], str]]:
        try:
            used = columns_of(text, FACT)
        except ExpressionFault as error:
            yield where, str(error)
            return
        for table, _ in used:
            if table != FACT and table not in cube.joins:
                yield (
                    where,
                    f"'{text}' names '{table}', which is no joined dimension"
                    f"{suggest(table, cube.joins)}",
                )

    def side_problems(
        self, cube: Cube, name: str, side: str
    ) -> Iterator[tuple[Sequence[Any], str]]:
        where = ("measures", name, "ratio")
        target, measures = cube, side
        if "." in side:
            other, _, measures = side.partition(".")
            if other not in self.cubes:
                yield where, f"there is no cube '{other}'{suggest(other, self.cubes)}"
                return
            if other not in self.catalogue.cubes:
                return
            target = self.catalogue.cubes[other]
            if (cube.scoped_totals, target.scoped_totals) == ("full", "hidden"):
                yield (
                    where,
                    f"'scoped_totals: full' would tell a restricted account the whole of '{side}', "
                    f"whose cube '{other}' keeps its totals hidden; hide those of both cubes, or "
                    "leave the ratio out",
                )
        found = target.measures.get(measures)
        if found is None:
            yield (
                where,
                f"cube '{target.cube}' has no measure '{measures}'"
                f"{suggest(measures, target.measures)}",
            )
        elif found.agg is None:
            kind = "a ratio" if found.ratio is not None else "computed from measures"
            yield where, f"'{side}' is itself {kind}; name the measures it is made of"

    def may_be_level(self, cube: Cube, name: str) -> bool:
        """Whether only a warehouse can tell: the organisation's own level names are data."""
        role, _, part = name.partition(".")
        if role not in cube.joins or not part:
            return False
        hierarchies = self.catalogue.dimensions[cube.dimension_of(role)].hierarchies.values()
        return any(isinstance(hierarchy.levels, str) for hierarchy in hierarchies)

    def query_problems(self, query: NamedQuery) -> Iterator[tuple[Sequence[Any], str]]:
        if query.sql is not None:
            given = {*query.parameters, BUSINESS_DATE}
            for message in select_faults(query.sql, dict.fromkeys(given)):
                yield ("sql",), message
            return
        unknown = query.places() - {*query.parameters, BUSINESS_DATE}
        for place in sorted(unknown):
            yield (), f"{{{place}}} is no parameter{suggest(place, query.parameters)}"
        optional = {name for name, item in query.parameters.items() if item.optional}
        for place in sorted(optional.intersection(_places_of_period(query))):
            yield ("period",), f"'{place}' is optional and may stand in cuts only"
        assert query.cube is not None
        if query.cube not in self.cubes:
            yield ("cube",), f"there is no cube '{query.cube}'{suggest(query.cube, self.cubes)}"
            return
        cube = self.catalogue.cubes.get(query.cube)
        if cube is None:
            return
        for index, name in enumerate(query.measures):
            if name not in cube.measures:
                yield (
                    ("measures", index),
                    f"cube '{cube.cube}' has no measure '{name}'{suggest(name, cube.measures)}",
                )
        names = [(("by", index), name) for index, name in enumerate(query.by)]
        for where, name in [*names, *((("cuts", name), name) for name in query.cuts)]:
            known = known_names(self.catalogue, cube)
            if known is not None and name not in known and not self.may_be_level(cube, name):
                yield where, f"cube '{cube.cube}' has no '{name}'{suggest(name, known)}"
        if query.time is not None and query.time not in cube.time:
            yield ("time",), f"there is no time '{query.time}'{suggest(query.time, cube.time)}"


def _ratio_problems(cube: Cube, name: str, part: str) -> Iterator[tuple[Sequence[Any], str]]:
    where = ("measures", name, "weighted", part)
    found = cube.measures.get(part)
    if found is None:
        yield (
            where,
            f"cube '{cube.cube}' has no measure '{part}'{suggest(part, cube.measures)}",
        )
    elif found.ratio is None:
        yield where, f"'{part}' is no ratio; only ratios of the cube may be weighted"


def _part_problems(
    cube: Cube, place: tuple[str, str], part: str
) -> Iterator[tuple[Sequence[Any], str]]:
    where = ("measures", *place)
    found = cube.measures.get(part)
    if found is None:
        yield (
            where,
            f"cube '{cube.cube}' has no measure '{part}'{suggest(part, cube.measures)}",
        )
    elif not found.is_additive:
        yield where, f"'{part}' does not add up; both must be counts or sums"


def _places_of_period(query: NamedQuery) -> set[str]:
    return query.model_copy(update={"cuts": {}}).places()


def known_names(catalogue: Catalogue, cube: Cube) -> set[str] | None:
    """Every name a query may use in `by` and `cuts` without a warehouse's own level names.

    None when a dimension of the cube did not load, so that nothing can be said.
    """
    names: set[str] = {*cube.dimensions, *cube.joins, *cube.time}
    names.update(f"{role}.{grain}" for role in cube.time for grain in GRAINS)
    for role in cube.joins:
        dimension = catalogue.dimensions.get(cube.dimension_of(role))
        if dimension is None:
            return None
        names.update(f"{role}.{attribute}" for attribute in dimension.attributes)
        for hierarchy in dimension.hierarchies.values():
            if isinstance(hierarchy.levels, str):
                names.update(f"{role}.l{number}" for number in range(1, MOST_LEVELS + 1))
            else:
                names.update(f"{role}.{level.name}" for level in hierarchy.levels)
    return names


def cube_expressions(cube: Cube) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every expression of the cube with its place in the file."""
    if cube.where is not None:
        yield ("where",), cube.where
    for name, variant in cube.variants.items():
        yield ("variants", name, "where"), variant.where
    for name, role in cube.time.items():
        yield ("time", name), role.sql
    for name, join in cube.joins.items():
        yield ("joins", name), join.on
    for name, inline in cube.dimensions.items():
        yield ("dimensions", name, "sql"), inline.sql
    for name in cube.details:
        yield ("details", name), name
    for name, measure in cube.measures.items():
        for key in ("sql", "where"):
            text = getattr(measure, key)
            if text is not None:
                yield ("measures", name, key), text


def dimension_expressions(dimension: Dimension) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Every expression of the dimension with its place in the file."""
    yield ("key",), dimension.key
    for place in ("code", "unit"):
        text = getattr(dimension, place)
        if text is not None:
            yield (place,), text
    if dimension.name is not None:
        for text in variants(dimension.name):
            yield ("name",), text
    for name, attribute in dimension.attributes.items():
        yield from _attribute_expressions(("attributes", name), name, attribute)
    for name, hierarchy in dimension.hierarchies.items():
        if not isinstance(hierarchy.levels, str):
            for index, level in enumerate(hierarchy.levels):
                where = ("hierarchies", name, "levels", index)
                yield from _attribute_expressions(where, level.name, level)


def _attribute_expressions(
    where: tuple[Any, ...], name: str, attribute: Attribute
) -> Iterator[tuple[tuple[Any, ...], str]]:
    for text in variants(attribute.sql or name):
        yield where, text
    if attribute.key is not None:
        yield (*where, "key"), attribute.key


def _dimension_problems(dimension: Dimension) -> Iterator[tuple[Sequence[Any], str]]:
    yield from _key_names(dimension)
    names = dict.fromkeys(dimension.attributes, "an attribute")
    for hierarchy_name, hierarchy in dimension.hierarchies.items():
        if isinstance(hierarchy.levels, str):
            continue
        for level in hierarchy.levels:
            name = level.name
            if names.get(name) == "an attribute" or names.get(name) == hierarchy_name:
                yield ("hierarchies", hierarchy_name), f"the name '{name}' stands twice"
            names[name] = hierarchy_name
    for where, text in dimension_expressions(dimension):
        try:
            used = columns_of(text, "own")
        except ExpressionFault as error:
            yield where, str(error)
            continue
        for table, _ in used:
            if table not in ("own", "own__parent") or (
                table == "own__parent" and dimension.parent is None
            ):
                yield where, f"'{text}' may name only columns of {dimension.table} or its parent"


def _key_names(dimension: Dimension) -> Iterator[tuple[Sequence[Any], str]]:
    """Names that a query with `keys` gives to the key of another attribute or level."""
    places: dict[str, tuple[Any, ...]] = {
        name: ("attributes", name) for name in dimension.attributes
    }
    for hierarchy_name, hierarchy in dimension.hierarchies.items():
        if not isinstance(hierarchy.levels, str):
            for index, level in enumerate(hierarchy.levels):
                places[level.name] = ("hierarchies", hierarchy_name, "levels", index)
    for name, where in places.items():
        keyed = name.removesuffix("__id")
        if keyed != name and keyed in places:
            yield where, f"the key of '{keyed}' has the name '{name}'; choose another"
