"""Explaining a figure: its definition, its statement, where it was read, and what moved it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from cubes.catalogue import Catalogue
from cubes.cube import Cube, Measure
from cubes.label import Label, label_text
from cubes.query import run_query
from cubes.question import CubeQuery
from cubes.result import Column, CubeResult, plain
from cubes.scope import Scope
from cubes.view import NOBODY
from cubes.warehouse import Warehouse, read_warehouse

if TYPE_CHECKING:
    import duckdb

    from cubes.result_cache import ResultCache

MOST_MEMBERS = 5
"""The members told of one dimension; the others are told together."""

_MOST_LOOKED_AT = 500


@dataclass(frozen=True)
class MemberContribution:
    """What one member did to the change of a figure.

    `contribution` is in the unit of the figure, and those of all members of a dimension add up to
    its change; `share` is its part of the change. `member` is None for the null member.
    """

    member: Any
    text: str
    current: Any
    previous: Any
    contribution: float
    share: float | None


@dataclass(frozen=True)
class DimensionContribution:
    """The members of one dimension that moved a figure most, and what the others did together.

    `unevenness` says how far the change lies elsewhere than it would if every member had changed by
    its size: 0 if all went alike, so that the dimension explains nothing.
    """

    name: str
    label: str
    members: tuple[MemberContribution, ...]
    others: int
    others_contribution: float
    unevenness: float


@dataclass(frozen=True)
class MeasureExplanation:
    """One measure of a query: what it means, its figures, and what moved it.

    `dimensions` are sorted by their unevenness, the one that explains most first; empty where
    nothing was compared or the figure cannot be taken apart, which `reason` says in both languages.
    """

    name: str
    label: str
    definition: str
    description: str
    owner: str | None
    current: Any
    previous: Any
    change: Any
    dimensions: tuple[DimensionContribution, ...]
    reason: Label | None


@dataclass(frozen=True)
class QueryExplanation:
    """How a query was answered: `read` is the table, `aggregate` its name if it stood in."""

    result: CubeResult
    read: str
    business_date: date | None
    measures: tuple[MeasureExplanation, ...]

    def to_mapping(self) -> dict[str, Any]:
        """The JSON form; bound values are given beside the statement."""
        compared = self.result.compared
        return {
            "sql": self.result.sql,
            "parameters": {
                name: [plain(one) for one in value] if isinstance(value, list) else plain(value)
                for name, value in self.result.parameters.items()
            },
            "read": self.read,
            "aggregate": self.result.aggregate,
            "snapshot": self.result.snapshot,
            "business_date": plain(self.business_date),
            "compared": None
            if compared is None
            else {"start": plain(compared.start), "end": plain(compared.end)},
            "measures": [_measure_mapping(one) for one in self.measures],
        }


def _measure_mapping(measure: MeasureExplanation) -> dict[str, Any]:
    return {
        "name": measure.name,
        "label": measure.label,
        "definition": measure.definition,
        "description": measure.description,
        "owner": measure.owner,
        "current": plain(measure.current),
        "previous": plain(measure.previous),
        "change": plain(measure.change),
        "reason": None if measure.reason is None else measure.reason.model_dump(),
        "moved_by": [
            {
                "dimension": found.name,
                "label": found.label,
                "members": [
                    {
                        "member": plain(one.member),
                        "label": one.text,
                        "current": plain(one.current),
                        "previous": plain(one.previous),
                        "contribution": one.contribution,
                        "share": one.share,
                    }
                    for one in found.members
                ],
                "unevenness": found.unevenness,
                "others": found.others,
                "others_contribution": found.others_contribution,
            }
            for found in measure.dimensions
        ],
    }


_NOT_COMPARED = Label(
    zh="没有比较期，无从说明变化；加上 compare 再看",
    en="nothing is compared, so no change can be told; add a comparison",
)
_NOT_APART = Label(
    zh="这个指标不能按成员拆分（不是计数、求和或它们的比率）",
    en="this figure cannot be taken apart by members (no count, sum or ratio of such)",
)
_NO_CHANGE = Label(zh="两期相同，没有变化", en="both periods are alike, so nothing moved it")


def explain_query(
    catalogue: Catalogue,
    connection: duckdb.DuckDBPyConnection,
    query: CubeQuery,
    *,
    scope: Scope,
    business_date: date | None,
    language: str = "zh",
    warehouse: Warehouse | None = None,
    snapshot: str | None = None,
    cache: ResultCache | None = None,
) -> QueryExplanation:
    """Answer a query and explain each of its measures.

    With a comparison, the change of the whole figure is taken apart by the members of every
    dimension that explains anything and that the query does not already fix: of a count or sum each
    member's own change; of a ratio N/D that was R, each member's part of (N - R D) / D, which adds
    up to the change and is nothing for a member that went with the whole. Raises QueryError as
    `run_query` does.
    """
    warehouse = warehouse or read_warehouse(connection)

    def ask(asked: CubeQuery) -> CubeResult:
        return run_query(
            catalogue,
            connection,
            asked,
            scope=scope,
            business_date=business_date,
            language=language,
            warehouse=warehouse,
            snapshot=snapshot,
            cache=cache,
        )

    result = ask(query)
    cube = catalogue.cube(query.cube)
    parts = {name: _parts(cube, cube.measures[name]) for name in query.measures}
    wanted = tuple(
        dict.fromkeys(
            [*query.measures, *(part for found in parts.values() for part in found or ())]
        )
    )
    whole_query = replace(
        query, measures=wanted, by=(), totals="none", order=(), limit=None, fill=None, keys=False
    )
    whole = ask(whole_query).rows[0] if query.compare is not None or query.by else result.rows[0]
    splits: list[CubeResult] = []
    if query.compare is not None and any(found is not None for found in parts.values()):
        splits = list(_splits(catalogue, warehouse, cube, whole_query, ask))
    measures = []
    for name in query.measures:
        measure = cube.measures[name]
        previous, change = whole.get(f"{name}__previous"), whole.get(f"{name}__change")
        reason = None
        found: list[DimensionContribution] = []
        if query.compare is None:
            reason = _NOT_COMPARED
        elif parts[name] is None:
            reason = _NOT_APART
        elif not change:
            reason = _NO_CHANGE
        else:
            found = [_contribution(measure, name, parts[name], whole, one) for one in splits]
        measures.append(
            MeasureExplanation(
                name,
                label_text(measure.label, language, name),
                measure.definition,
                _text(measure.description, language),
                measure.owner or cube.owner,
                whole.get(name),
                previous,
                change,
                tuple(sorted(found, key=lambda one: (-one.unevenness, one.name))),
                reason,
            )
        )
    read = cube.fact
    if result.aggregate is not None:
        read = catalogue.stand_ins[f"{cube.cube}@{result.aggregate}"].fact
    return QueryExplanation(result, read, business_date, tuple(measures))


def _text(value: str | Label | None, language: str) -> str:
    return value.text(language) if isinstance(value, Label) else value or ""


def _parts(cube: Cube, measure: Measure) -> tuple[str, ...] | None:
    """The additive measures a change is taken apart by; None where it cannot be."""
    if measure.agg in ("count", "sum") and measure.over_time != "avg":
        return ()
    if measure.ratio is None:
        return None
    names = [part for side in measure.sides for part in side]
    if all("." not in name and _adds_up(cube.measures[name]) for name in names):
        return tuple(dict.fromkeys(names))
    return None


def _adds_up(measure: Measure) -> bool:
    return measure.agg in ("count", "sum") and measure.over_time != "avg"


def _splits(
    catalogue: Catalogue, warehouse: Warehouse, cube: Cube, query: CubeQuery, ask: Any
) -> Iterator[CubeResult]:
    """The whole figure by each dimension: of a hierarchy by its coarsest level with two members."""
    for names in _candidates(catalogue, warehouse, cube):
        for name in names:
            if name in query.measures:
                continue
            found = ask(replace(query, by=(name,), keys=True, limit=_MOST_LOOKED_AT + 1))
            if len(found.rows) > _MOST_LOOKED_AT:
                break
            if len(found.rows) > 1:
                yield found
                break


def _candidates(catalogue: Catalogue, warehouse: Warehouse, cube: Cube) -> Iterator[list[str]]:
    for role, joined in cube.joins.items():
        if not joined.explains:
            continue
        dimension = catalogue.dimensions[cube.dimension_of(role)]
        levels: list[str] = []
        for hierarchy in dimension.hierarchies.values():
            if isinstance(hierarchy.levels, str):
                levels += [f"{role}.{level.name}" for level in warehouse.org_levels] or [role]
            else:
                levels += [f"{role}.{level.name}" for level in hierarchy.levels]
        if levels:
            yield levels
        elif dimension.name is not None:
            yield [role]
        else:
            # Members without a name are too many to be told; what they have in common is told.
            for attribute in dimension.attributes:
                yield [f"{role}.{attribute}"]
    for role, inline in cube.dimensions.items():
        if inline.explains:
            yield [role]


def _contribution(
    measure: Measure,
    name: str,
    parts: tuple[str, ...] | None,
    whole: Mapping[str, Any],
    split: CubeResult,
) -> DimensionContribution:
    axis = split.columns[0]
    change = float(whole[f"{name}__change"])
    members = []
    uneven = 0.0
    for row in split.rows:
        if parts:
            moved = _moved_ratio(measure, whole, row)
            size, of = _side(measure.sides[1], row, ""), _side(measure.sides[1], whole, "")
        else:
            moved = _number(row[f"{name}__change"])
            size, of = _number(row[f"{name}__previous"]), _number(whole[f"{name}__previous"])
        uneven += abs(moved - change * size / of) if of else abs(moved)
        if not moved:
            continue
        value = row[axis.name]
        members.append(
            MemberContribution(
                value,
                _shown(split, axis, value),
                row[name],
                row[f"{name}__previous"],
                moved,
                moved / change if change else None,
            )
        )
    members.sort(key=lambda one: (-abs(one.contribution), one.text))
    rest = members[MOST_MEMBERS:]
    return DimensionContribution(
        axis.name,
        axis.label,
        tuple(members[:MOST_MEMBERS]),
        len(rest),
        sum(one.contribution for one in rest),
        uneven / (2 * abs(change)),
    )


def _shown(split: CubeResult, axis: Column, value: Any) -> str:
    if value is None:
        return NOBODY.get(split.language, NOBODY["en"])
    return str(split.text(axis.name, value))


def _moved_ratio(measure: Measure, whole: Mapping[str, Any], row: Mapping[str, Any]) -> float:
    """A member's part of the change of a ratio: what it lies beyond the former ratio, now and then.

    With N/D = R before: sum over members of (n - R d) / D now, less the same before, is the change.
    """
    above, below = measure.sides

    before_below = _side(below, whole, "__previous")
    now_below = _side(below, whole, "")
    if not before_below or not now_below:
        return 0.0
    ratio = _side(above, whole, "__previous") / before_below
    now = (_side(above, row, "") - ratio * _side(below, row, "")) / now_below
    before = (
        _side(above, row, "__previous") - ratio * _side(below, row, "__previous")
    ) / before_below
    return measure.scale * (now - before)


def _side(names: tuple[str, ...], source: Mapping[str, Any], suffix: str) -> float:
    return sum(_number(source[f"{one}{suffix}"]) for one in names)


def _number(value: Any) -> float:
    return 0.0 if value is None else float(value)
