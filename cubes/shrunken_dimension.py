"""Shrunken dimensions: some levels and attributes of a dimension, a row for each combination.

An aggregate that keeps levels in place of whole members points to one (Kimball, Ross: The Data
Warehouse Toolkit, 2013, "shrunken rollup dimension"), so that the compiler asks it as it would ask
the dimension.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cubes.dimension import MOST_LEVELS, Attribute, Dimension, Hierarchy, Level, LocalisedSql

SURROGATE_KEY = "surrogate_key"

ORG_LEVEL_COLUMNS = ("l{}_id", "l{}_name", "l{}_name_en")
"""The columns of one level of a hierarchy `from org_level`; the last may be missing."""


@dataclass(frozen=True)
class KeptColumn:
    """A column of a shrunken dimension: its name, and the expression of the dimension it holds."""

    name: str
    sql: str


def kept_parts(dimension: Dimension, parts: Iterable[str]) -> frozenset[str]:
    """The levels and attributes that are known where `parts` are: with a level all coarser ones."""
    kept: set[str] = set()
    for part in parts:
        if part in dimension.attributes:
            kept.add(part)
            continue
        for names in _level_names(dimension):
            if part in names:
                kept.update(names[: names.index(part) + 1])
                break
    return frozenset(kept)


def levels_and_attributes(dimension: Dimension) -> list[str]:
    """The names an aggregate may keep; levels of an organisation by their positions."""
    return [*dimension.attributes, *(one for names in _level_names(dimension) for one in names)]


def _level_names(dimension: Dimension) -> Iterator[list[str]]:
    for hierarchy in dimension.hierarchies.values():
        if isinstance(hierarchy.levels, str):
            yield [f"l{number}" for number in range(1, MOST_LEVELS + 1)]
        else:
            yield [level.name for level in hierarchy.levels]


def shrunken(dimension: Dimension, kept: frozenset[str], table: str) -> Dimension:
    """The dimension over its shrunken table; it has no members, no scope and no history."""
    hierarchies = {}
    for name, hierarchy in dimension.hierarchies.items():
        if isinstance(hierarchy.levels, str):
            # Which levels there are is told by the columns of the table.
            hierarchies[name] = hierarchy.model_copy(update={"closure": None})
            continue
        levels = tuple(
            level.model_copy(update=_stored(_level_column(name, level), level))
            for level in hierarchy.levels
            if level.name in kept
        )
        if levels:
            hierarchies[name] = Hierarchy.model_construct(levels=levels, closure=None)
    return dimension.model_copy(
        update={
            "table": table,
            "key": SURROGATE_KEY,
            "code": None,
            "name": None,
            "history": None,
            "scope": False,
            "unit": None,
            "parent": None,
            "hierarchies": hierarchies,
            "attributes": {
                name: attribute.model_copy(update=_stored(name, attribute))
                for name, attribute in dimension.attributes.items()
                if name in kept
            },
        }
    )


def _level_column(hierarchy: str, level: Level) -> str:
    # Two hierarchies may have a level of the same name.
    return f"{hierarchy}__{level.name}"


def _stored(column: str, part: Attribute) -> dict[str, str | LocalisedSql | None]:
    key = None if part.key is None else _key_of(column)
    if isinstance(part.sql, LocalisedSql):
        return {"sql": LocalisedSql(zh=f"{column}__zh", en=f"{column}__en"), "key": key}
    return {"sql": column, "key": key}


def _key_of(column: str) -> str:
    return f"{column}__key"


def kept_columns(
    dimension: Dimension, kept: frozenset[str], columns: Iterable[str]
) -> list[KeptColumn]:
    """The columns of the shrunken table of a dimension whose own table has `columns`."""
    found: list[KeptColumn] = []
    here = set(columns)
    for hierarchy_name, hierarchy in dimension.hierarchies.items():
        if not isinstance(hierarchy.levels, str):
            for level in hierarchy.levels:
                if level.name in kept:
                    name, sql = _level_column(hierarchy_name, level), level.sql or level.name
                    found += _columns_of(name, sql, level.key)
            continue
        for number in range(1, MOST_LEVELS + 1):
            names = [pattern.format(number) for pattern in ORG_LEVEL_COLUMNS]
            if f"l{number}" in kept and names[0] in here:
                found += [KeptColumn(name, name) for name in names if name in here]
    for name, attribute in dimension.attributes.items():
        if name in kept:
            found += _columns_of(name, attribute.sql or name, attribute.key)
    return found


def _columns_of(name: str, sql: str | LocalisedSql, key: str | None) -> Iterator[KeptColumn]:
    if isinstance(sql, LocalisedSql):
        yield KeptColumn(f"{name}__zh", sql.zh)
        yield KeptColumn(f"{name}__en", sql.en)
    else:
        yield KeptColumn(name, sql)
    if key is not None:
        yield KeptColumn(_key_of(name), key)


def code_column(dimension: Dimension, part: str) -> str:
    """The column of the shrunken table by whose text `#CODE` picks a member of this part."""
    if part in dimension.attributes:
        return _code_column(part, dimension.attributes[part])
    for name, hierarchy in dimension.hierarchies.items():
        if isinstance(hierarchy.levels, str):
            return ORG_LEVEL_COLUMNS[0].format(part.removeprefix("l"))
        for level in hierarchy.levels:
            if level.name == part:
                return _code_column(_level_column(name, level), level)
    raise KeyError(part)


def _code_column(column: str, part: Attribute) -> str:
    if part.key is not None:
        return _key_of(column)
    return f"{column}__zh" if isinstance(part.sql, LocalisedSql) else column
