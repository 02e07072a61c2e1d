"""Cube views for analysts' tools: one view per cube and language, its dimensions spelled out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sqlglot import exp

from cubes.axis import Axis, axis_names
from cubes.binding import Binding
from cubes.catalogue import Catalogue
from cubes.cube import FACT, Cube
from cubes.dimension import Dimension, localised
from cubes.expression import columns_of, parse_expression, plain_column
from cubes.figures import edge
from cubes.label import LANGUAGES, Label
from cubes.scope import Scope
from cubes.sql import (
    Node,
    alias,
    call,
    cast,
    coalesce,
    column,
    identifier,
    inside,
    join,
    number,
    select,
    text,
)
from cubes.warehouse import Warehouse, read_warehouse

if TYPE_CHECKING:
    import duckdb

VIEW_SCHEMA = "cube"

FIRST_DAY, LAST_DAY = "fact_first_on", "fact_last_on"

NOBODY = {"zh": "（空）", "en": "(none)"}
"""What stands in a view for the null member, as in a table."""

Kind = Literal["fact", "time", "instant", "member", "code", "detail", "technical"]

_ASSUMED = Warehouse("marts", {}, ())


@dataclass(frozen=True)
class ViewColumn:
    """One column of a view.

    `kind`: a plain column of the `fact`, a `time` (date of a time role), an `instant` (its moment
    in the operator's zone), a `member` people read, the `code` behind one, a `detail` of a single
    row, or `technical`. `label` is None where nothing was declared. `node` is None for a column
    that comes with the fact. `axis` is the query's name for it (`org.l2`, `kind`), if there is one.
    """

    name: str
    kind: Kind
    label: Label | None
    type: str | None
    node: Node | None = None
    axis: str | None = None

    @property
    def tells_null(self) -> bool:
        """Whether the view has a word in it for the null member."""
        is_text = self.type in (None, "VARCHAR")
        return self.kind == "member" and self.node is not None and is_text


def view_columns(
    catalogue: Catalogue,
    name: str,
    *,
    warehouse: Warehouse | None = None,
    language: str = "zh",
    zone: str | None = None,
) -> list[ViewColumn]:
    """The columns of a cube's view: the fact's own first, then what the cube adds.

    Added are `<role>_<level>` and `<role>_<attribute>` (and `<level>_id`) of joined dimensions,
    `<name>` of inline dimensions that are no column of the fact, `<name>_label` where people read
    another text than the code, `<column>_local` for the moments behind dates (with a `zone`),
    `<role>__<column>` for what measures read of a dimension, and the fact's first and last day
    where a measure is taken at an end of a period.
    """
    cube = catalogue.cube(name)
    warehouse = warehouse or _ASSUMED
    binding = Binding(catalogue, warehouse, Scope.all(), None, language)
    columns: dict[str, ViewColumn] = {}
    for found in _columns(binding, cube, zone):
        columns.setdefault(found.name, found)
    return list(columns.values())


def _columns(binding: Binding, cube: Cube, zone: str | None) -> Iterator[ViewColumn]:
    yield from _fact_columns(binding, cube, zone)
    yield from _time_columns(binding, cube, zone)
    yield from _member_columns(binding, cube)
    for measure in cube.measures.values():
        for text_ in (measure.sql, measure.where):
            for role, name in columns_of(text_, FACT) if text_ is not None else ():
                if role != FACT:
                    yield ViewColumn(f"{role}__{name}", "technical", None, None, column(name, role))
    if any(measure.over_time is not None for measure in cube.measures.values()):
        yield ViewColumn(FIRST_DAY, "technical", None, "DATE", column("first_on", "edge"))
        yield ViewColumn(LAST_DAY, "technical", None, "DATE", column("last_on", "edge"))


def _fact_columns(binding: Binding, cube: Cube, zone: str | None) -> Iterator[ViewColumn]:
    times: dict[str, str] = {}
    for role, time in cube.time.items():
        name = plain_column(time.sql, FACT)
        if name is not None and binding.warehouse.column_type(cube.fact, name) in (None, "DATE"):
            times.setdefault(name, role)
    inline = {plain_column(found.sql, FACT): role for role, found in cube.dimensions.items()}
    joined = {plain_column(found.on, FACT) for found in cube.joins.values()}
    for name, kind in binding.warehouse.tables.get(cube.fact, {}).items():
        if name in times:
            axis = binding.axis(cube, f"{times[name]}.{_grain(cube, times[name])}")
            yield ViewColumn(name, "time", axis.label, kind, axis=times[name])
        elif name in inline:
            found = cube.dimensions[inline[name]]
            meaning: Kind = "code" if found.values else "member"
            yield ViewColumn(name, meaning, found.label, kind, axis=inline[name])
        elif name in joined:
            yield ViewColumn(name, "code", None, kind)
        elif name in cube.details and kind == "TIMESTAMP" and zone is not None:
            yield ViewColumn(name, "fact", None, kind)
            node = _local(name, zone)
            yield ViewColumn(f"{name}_local", "instant", cube.details[name], kind, node)
        elif name in cube.details:
            yield ViewColumn(name, "detail", cube.details[name], kind)
        else:
            yield ViewColumn(name, "fact", None, kind)


def _grain(cube: Cube, role: str) -> str:
    return cube.time[role].grain


def _time_columns(binding: Binding, cube: Cube, zone: str | None) -> Iterator[ViewColumn]:
    for role, time in cube.time.items():
        axis = binding.axis(cube, f"{role}.{_grain(cube, role)}")
        name = plain_column(time.sql, FACT)
        if name is None or binding.warehouse.column_type(cube.fact, name) not in (None, "DATE"):
            node = binding.date_of(cube, role)
            yield ViewColumn(f"{role}_on", "time", axis.label, "DATE", node, role)
        moment = f"{name.removesuffix('_on')}_at" if name is not None else None
        if zone is None or moment is None or time.label is None:
            continue
        if binding.warehouse.column_type(cube.fact, moment) == "TIMESTAMP":
            label = Label(zh=f"{time.label.zh}时间", en=f"{time.label.en} at")
            local = _local(moment, zone)
            yield ViewColumn(f"{moment}_local", "instant", label, "TIMESTAMP", local)


def _local(moment: str, zone: str) -> Node:
    """A moment of the fact, which is kept in UTC, in the operator's zone."""
    return call("timezone", text(zone), call("timezone", text("UTC"), column(moment, FACT)))


def _member_columns(binding: Binding, cube: Cube) -> Iterator[ViewColumn]:
    seen: set[tuple[str, ...]] = set()
    for axis_name in axis_names(binding.catalogue, binding.warehouse, cube):
        axis = binding.axis(cube, axis_name)
        if axis.kind == "time" or axis.identity in seen:
            continue
        seen.add(axis.identity)
        if axis.kind == "key":
            yield from _name_column(binding, cube, axis)
            continue
        parts = (axis.role, *axis.identity[2:]) if axis.kind == "member" else (axis.role,)
        written = "_".join(parts)
        label = _label(cube, axis)
        node = parse_expression(axis.sql, axis.table)
        if axis.key is not None and axis.dimension is not None:
            node = _told_apart(binding, axis, axis.dimension, node)
        type_ = binding.column_type(cube, axis.sql, axis.table)
        meaning: Kind = "code" if axis.values else "member"
        # An inline dimension that is a column of the fact came with it.
        if axis.kind == "member" or (FACT, axis.role) not in columns_of(axis.sql, FACT):
            yield ViewColumn(written, meaning, label, type_, node, axis.name)
        # The key of the unit itself is already a column of the fact.
        if axis.key is not None and cube.joins[axis.role].on != f"{written}_id":
            key = parse_expression(axis.key, axis.table)
            yield ViewColumn(f"{written}_id", "technical", None, "VARCHAR", key)
        if axis.values:
            shown = _labelled(node.copy(), axis, binding.language)
            yield ViewColumn(f"{written}_label", "member", label, "VARCHAR", shown, axis.name)


def _told_apart(binding: Binding, axis: Axis, dimension: Dimension, name: Node) -> Node:
    """The name of a member, with its key behind it where two members share a name.

    Tools group by the text alone, which would put the figures of both together.
    """
    assert axis.key is not None
    key = parse_expression(axis.key, axis.table)
    alike = select(
        [key.copy()],
        binding.warehouse.table(dimension.table, axis.table),
        binding.parent_join(dimension, axis.table),
    )
    alike.set("group", exp.Group(expressions=[key.copy(), name.copy()]))
    count = exp.Window(
        this=call("count", exp.Star()),
        partition_by=[name.copy()],
    )
    alike.set("qualify", exp.Qualify(this=exp.GT(this=count, expression=number(1))))
    before, after = ("（", "）") if binding.language == "zh" else (" (", ")")
    both = call("concat", name.copy(), text(before), key.copy(), text(after))
    case = exp.Case(default=name)
    case.append("ifs", exp.If(this=inside(key, alike), true=both))
    return case


def _name_column(binding: Binding, cube: Cube, axis: Axis) -> Iterator[ViewColumn]:
    """The name of a joined member, unless a level or attribute already shows the same."""
    dimension = axis.dimension
    if dimension is None or dimension.name is None or _is_shown(dimension):
        return
    node = parse_expression(localised(dimension.name, binding.language), axis.role)
    yield ViewColumn(f"{axis.role}_label", "member", axis.label, "VARCHAR", node, axis.name)


def _is_shown(dimension: Dimension) -> bool:
    shown = [attribute.sql for attribute in dimension.attributes.values()]
    for hierarchy in dimension.hierarchies.values():
        if not isinstance(hierarchy.levels, str):
            shown += [level.sql or level.name for level in hierarchy.levels]
    return dimension.name in shown


def _label(cube: Cube, axis: Axis) -> Label:
    """The axis's label; a second role of a dimension is told apart by its own."""
    if axis.kind != "member" or axis.role == cube.dimension_of(axis.role):
        return axis.label
    role = cube.joins[axis.role].label
    if role is None:
        return axis.label
    return Label(zh=f"{role.zh}·{axis.label.zh}", en=f"{role.en}: {axis.label.en}")


def _labelled(node: Node, axis: Axis, language: str) -> Node:
    written = cast(node, exp.DType.VARCHAR)
    case = exp.Case(this=written, default=written.copy())
    for code, label in axis.values:
        case.append("ifs", exp.If(this=text(code), true=text(label.text(language))))
    return case


def view_sql(
    catalogue: Catalogue,
    name: str,
    *,
    warehouse: Warehouse | None = None,
    language: str = "zh",
    zone: str | None = None,
) -> str:
    """The statement that creates the cube's view in a language.

    It has the columns of `view_columns`. Names have two parts only, so that the file may be copied
    under another name. Without a `warehouse` the tables are taken to lie in schema marts, with all
    eight organisation levels.
    """
    cube = catalogue.cube(name)
    warehouse = warehouse or _ASSUMED
    binding = Binding(catalogue, warehouse, Scope.all(), None, language)
    columns: list[Node] = [exp.Column(this=exp.Star(), table=identifier(FACT))]
    roles: set[str] = set(cube.joins) if cube.where else set()
    has_edge = False
    for found in view_columns(catalogue, name, warehouse=warehouse, language=language, zone=zone):
        if found.node is None:
            continue
        node = found.node
        if found.tells_null:
            # Analysts' tools write null in a word of their own.
            node = coalesce(node.copy(), text(NOBODY["zh" if language == "zh" else "en"]))
        columns.append(alias(node, found.name))
        tables = {node.table for node in found.node.find_all(exp.Column)}
        roles |= {table.removesuffix("__parent") for table in tables} & set(cube.joins)
        has_edge = has_edge or "edge" in tables
    table, joins = binding.source(cube, roles)
    if has_edge:
        joins = [*joins, join(edge(binding, cube), [])]
    where = [] if cube.where is None else [parse_expression(cube.where, FACT)]
    query = select(columns, table, joins, where)
    view = exp.Table(this=identifier(view_name(cube.cube, language)), db=identifier(VIEW_SCHEMA))
    create = exp.Create(this=view, kind="VIEW", replace=True, expression=query)
    return create.sql(dialect="duckdb", copy=False)


def view_name(cube: str, language: str) -> str:
    """The view of a cube: its own name in Chinese, `<name>_en` in English.

    Both hold the same columns; names of members differ.
    """
    return cube if language == "zh" else f"{cube}_{language}"


def create_views(
    catalogue: Catalogue, connection: duckdb.DuckDBPyConnection, *, zone: str | None = None
) -> list[str]:
    """Create the views of every cube whose fact exists, in each language; return their names.

    `zone` is the one moments are shown in; without it views have no local moments.
    """
    warehouse = read_warehouse(connection)
    schema = exp.Create(this=exp.Table(db=identifier(VIEW_SCHEMA)), kind="SCHEMA", exists=True).sql(
        dialect="duckdb"
    )
    connection.execute(schema)
    made = []
    for language in LANGUAGES:
        for cube in catalogue.cubes.values():
            if cube.fact in warehouse.tables:
                sql = view_sql(
                    catalogue, cube.cube, warehouse=warehouse, language=language, zone=zone
                )
                connection.execute(sql)
                made.append(f"{VIEW_SCHEMA}.{view_name(cube.cube, language)}")
    return made
