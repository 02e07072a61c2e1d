"""Axes: what a name in `by` or `cuts` stands for in one cube and one warehouse."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from cubes.catalogue import Catalogue
from cubes.cube import FACT, GRAINS, Cube
from cubes.declaration import suggest
from cubes.dimension import MOST_LEVELS, Attribute, Dimension, Hierarchy, localised, variants
from cubes.errors import QueryError
from cubes.label import Label, named
from cubes.warehouse import Warehouse

GRAIN_LABELS = {
    "year": Label(zh="年", en="year"),
    "quarter": Label(zh="季度", en="quarter"),
    "month": Label(zh="月", en="month"),
    "week": Label(zh="周", en="week"),
    "day": Label(zh="日", en="day"),
}

LEAF = "unit"

_LEVEL = re.compile(r"l[1-8]\Z")


@dataclass(frozen=True)
class Step:
    """One level of a hierarchy: the expressions that name, and those that identify, a member."""

    name: str
    values: tuple[str, ...]
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Axis:
    """A resolved name.

    `sql` is the shown value and `key` what tells members of equal names apart; both are
    expressions of the table `role` (the fact's alias for times, inline dimensions and bare keys).
    `steps` are the levels from the coarsest to this one, for paths. `identity` is equal for axes of
    two cubes that mean the same.
    """

    name: str
    kind: Literal["time", "key", "member", "inline"]
    role: str
    label: Label
    sql: str
    key: str | None = None
    grain: str | None = None
    steps: tuple[Step, ...] = ()
    names: tuple[str, ...] = ()
    identity: tuple[str, ...] = ()
    hierarchy: str | None = None
    position: int = 0
    values: tuple[tuple[str, Label], ...] = ()
    dimension: Dimension | None = None

    @property
    def part(self) -> str:
        """The level or attribute of its dimension, an organisation's level by its position."""
        return self.identity[-1] if self.kind == "member" else ""

    @property
    def table(self) -> str:
        """The alias of the table its expressions belong to."""
        return self.role if self.kind == "member" else FACT


def resolve_axis(
    catalogue: Catalogue, warehouse: Warehouse, cube: Cube, name: str, language: str
) -> Axis:
    """Resolve a name of a query; raises QueryError with the nearest name."""
    return _resolved(catalogue, warehouse, cube.cube, name, language)


@lru_cache(maxsize=4096)
def _resolved(
    catalogue: Catalogue, warehouse: Warehouse, cube_name: str, name: str, language: str
) -> Axis:
    cube = catalogue.cubes.get(cube_name) or catalogue.stand_ins[cube_name]
    role, dot, part = name.partition(".")
    if dot and not part:
        role = name
    if role in cube.time:
        return _time_axis(cube, name, role, part or "day")
    if role in cube.dimensions and not part:
        inline = cube.dimensions[role]
        label = inline.label or named(role)
        return Axis(
            name, "inline", role, label, inline.sql,
            identity=("inline", role, inline.sql), values=tuple(inline.values.items()),
        )  # fmt: skip
    if role in cube.joins:
        dimension = catalogue.dimension(cube, role)
        axis = _member_axis(warehouse, cube, dimension, name, role, part, language)
        if axis is not None:
            return axis
    known = axis_names(catalogue, warehouse, cube)
    raise QueryError(
        zh=f"立方体“{cube.cube}”没有名为“{name}”的维度、级或时间{suggest(name, known, 'zh')}；"
        f"现有：{'、'.join(known)}。",
        en=f"Cube '{cube.cube}' has no dimension, level or time '{name}'{suggest(name, known)}; "
        f"known are: {', '.join(known)}.",
    )


def axis_names(catalogue: Catalogue, warehouse: Warehouse, cube: Cube) -> list[str]:
    """All names that `by` and `cuts` may use, in a good order for people."""
    names: list[str] = []
    for role in cube.joins:
        dimension = catalogue.dimension(cube, role)
        names.append(role)
        for hierarchy in dimension.hierarchies.values():
            names.extend(f"{role}.{step}" for step in _level_names(hierarchy, warehouse, dimension))
        names.extend(f"{role}.{attribute}" for attribute in dimension.attributes)
    names.extend(cube.dimensions)
    for role, time in cube.time.items():
        grains = [grain for grain in GRAINS if time.grain == "day" or grain in GRAINS[:3]]
        names.extend(f"{role}.{grain}" for grain in grains)
    return list(dict.fromkeys(names))


def _level_names(hierarchy: Hierarchy, warehouse: Warehouse, dimension: Dimension) -> list[str]:
    if not isinstance(hierarchy.levels, str):
        return [level.name for level in hierarchy.levels]
    numbers = org_positions(warehouse, dimension)
    aliases = {level.level: level.name for level in warehouse.org_levels}
    return [name for n in numbers for name in (f"l{n}", aliases.get(n, f"l{n}"))]


def org_positions(warehouse: Warehouse, dimension: Dimension) -> list[int]:
    """Positions of organisation levels that have columns and, where known, a row in org_level."""
    columns: Mapping[str, str] | None = warehouse.tables.get(dimension.table)
    declared = {level.level for level in warehouse.org_levels} or set(range(1, MOST_LEVELS + 1))
    return [
        number
        for number in range(1, MOST_LEVELS + 1)
        if number in declared and (columns is None or f"l{number}_id" in columns)
    ]


def _time_axis(cube: Cube, name: str, role: str, grain: str) -> Axis:
    time = cube.time[role]
    if grain not in GRAINS:
        raise QueryError(
            zh=f"时间“{role}”没有粒度“{grain}”{suggest(grain, GRAINS, 'zh')}；"
            f"粒度有：{'、'.join(GRAINS)}。",
            en=f"Time '{role}' has no grain '{grain}'{suggest(grain, GRAINS)}; "
            f"grains are: {', '.join(GRAINS)}.",
        )
    if time.grain == "month" and grain in ("week", "day"):
        raise QueryError(
            zh=f"立方体“{cube.cube}”只有月份，“{name}”没有值；请用“{role}.month”。",
            en=f"Cube '{cube.cube}' knows months only, so '{name}' has no value; "
            f"use '{role}.month'.",
        )
    base = time.label or named(role)
    suffix = GRAIN_LABELS[grain]
    label = Label(zh=f"{base.zh}{suffix.zh}", en=f"{base.en} {suffix.en}")
    return Axis(
        name, "time", role, label, time.sql, grain=grain, identity=("time", role, grain)
    )  # fmt: skip


def _member_axis(
    warehouse: Warehouse,
    cube: Cube,
    dimension: Dimension,
    name: str,
    role: str,
    part: str,
    language: str,
) -> Axis | None:
    base = cube.joins[role].label or dimension.label or named(role)
    identity = (role, dimension.dimension, part)
    if not part:
        steps: tuple[Step, ...] = ()
        for hierarchy in dimension.hierarchies.values():
            steps = hierarchy_steps(hierarchy, warehouse, dimension)
            break
        names = variants(dimension.name) if dimension.name is not None else ()
        return Axis(
            name, "key", role, base, cube.joins[role].on, steps=steps, names=names,
            identity=identity, dimension=dimension,
        )  # fmt: skip
    attribute = dimension.attributes.get(part)
    if attribute is not None:
        sql = attribute.sql or part
        keys = _keys(attribute.key, dimension)
        return Axis(
            name, "member", role, attribute.label or named(part), localised(sql, language),
            key=attribute.key, steps=(Step(part, variants(sql), keys),),
            identity=identity, values=_values(attribute, warehouse), dimension=dimension,
        )  # fmt: skip
    for hierarchy_name, hierarchy in dimension.hierarchies.items():
        axis = _level_axis(warehouse, dimension, hierarchy, name, role, part, language)
        if axis is not None:
            return replace(axis, hierarchy=f"{role}.{hierarchy_name}")
    return None


def _level_axis(
    warehouse: Warehouse,
    dimension: Dimension,
    hierarchy: Hierarchy,
    name: str,
    role: str,
    part: str,
    language: str,
) -> Axis | None:
    steps = hierarchy_steps(hierarchy, warehouse, dimension)
    if isinstance(hierarchy.levels, str):
        by_name = {level.name: level for level in warehouse.org_levels}
        numbers = org_positions(warehouse, dimension)
        number = by_name[part].level if part in by_name else _position(part)
        if number not in numbers:
            return None
        index = numbers.index(number)
        known = {level.level: level.label for level in warehouse.org_levels}
        label, key = known.get(number, named(f"l{number}")), f"l{number}_id"
        sql = steps[index].values[-1 if language == "en" else 0]
        return Axis(
            name, "member", role, label, sql, key=key, steps=steps[: index + 1],
            identity=(role, dimension.dimension, f"l{number}"), position=number,
            dimension=dimension,
        )  # fmt: skip
    for index, level in enumerate(hierarchy.levels):
        assert not isinstance(level, str)
        if level.name == part:
            return Axis(
                name, "member", role, level.label or named(part),
                localised(level.sql or level.name, language), key=level.key,
                steps=steps[: index + 1], identity=(role, dimension.dimension, part),
                position=index + 1, values=_values(level, warehouse), dimension=dimension,
            )  # fmt: skip
    return None


def _values(attribute: Attribute, warehouse: Warehouse) -> tuple[tuple[str, Label], ...]:
    if isinstance(attribute.values, str):
        return tuple((level.name, level.label) for level in warehouse.org_levels)
    return tuple(attribute.values.items())


def _position(part: str) -> int:
    return int(part[1:]) if _LEVEL.match(part) else 0


def hierarchy_steps(
    hierarchy: Hierarchy, warehouse: Warehouse, dimension: Dimension
) -> tuple[Step, ...]:
    """The levels of a hierarchy that the database has, coarsest first."""
    if isinstance(hierarchy.levels, str):
        columns = warehouse.tables.get(dimension.table)
        found = []
        for number in org_positions(warehouse, dimension):
            values = [f"l{number}_name"]
            if columns is None or f"l{number}_name_en" in columns:
                # A unit without an English name keeps its own name rather than vanishing.
                values.append(f"coalesce(l{number}_name_en, l{number}_name)")
            keys = _keys(f"l{number}_id", dimension)
            found.append(Step(f"l{number}", tuple(values), keys))
        return tuple(found)
    return tuple(
        Step(level.name, variants(level.sql or level.name), _keys(level.key, dimension))
        for level in hierarchy.levels
    )


def _keys(key: str | None, dimension: Dimension) -> tuple[str, ...]:
    if key is None:
        return ()
    return (key, dimension.code) if key == dimension.key and dimension.code else (key,)


def axis_label(axis: Axis, language: str) -> str:
    """The axis's label in `language`."""
    return axis.label.text(language)
