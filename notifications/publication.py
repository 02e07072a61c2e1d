"""What a published snapshot offers to the planner: figures, organisation, freshness.

`pipelines` builds a `Publication` from the snapshot; this package never opens one itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal, Protocol
from zoneinfo import ZoneInfo

from pydantic import Field

from cubes.label import Label, Language
from notifications.account import WHOLE
from notifications.declared import Declared
from notifications.errors import FigureError

_WHOLE_LABEL = Label(zh="全部", en="All units")


class FigureResult(Protocol):
    """The part of a cube result that is read here."""

    @property
    def rows(self) -> Sequence[Mapping[str, Any]]:
        """One mapping a row: query names to values, org levels also as `<level>__id`."""


class Figures(Protocol):
    """Answers a named query with `keys`.

    `units` are the roots of the jurisdiction (None: everything); `by` replaces the query's own.
    """

    def __call__(
        self,
        query: str,
        parameters: Mapping[str, Any],
        units: frozenset[str] | None,
        by: tuple[str, ...],
    ) -> FigureResult:
        """Run the query and return its rows."""


@dataclass(frozen=True)
class Unit:
    """A unit of the organisation; `level` counts from 1 at the top."""

    unit_id: str
    name: str
    name_en: str
    level: int
    parent_id: str | None


class Org:
    """The tree of units by id, and the names of its levels."""

    def __init__(self, units: Iterable[Unit], level_names: Mapping[int, str]) -> None:
        self.units = {unit.unit_id: unit for unit in units}
        self.level_names = dict(level_names)
        self.levels = frozenset(unit.level for unit in self.units.values())

    @classmethod
    def from_rows(
        cls, dim_org: Iterable[Mapping[str, Any]], org_level: Iterable[Mapping[str, Any]]
    ) -> Org:
        """Build from rows of marts.dim_org and marts.org_level."""
        return cls(
            (
                Unit(
                    row["org_unit_id"],
                    row["name"],
                    row["name_en"] or row["name"],
                    int(row["level"]),
                    row["parent_id"],
                )
                for row in dim_org
            ),
            {int(row["level"]): row["name"] for row in org_level},
        )

    def level(self, unit_id: str) -> int | None:
        """Level of a unit; 0 for the whole, None for a unit this snapshot does not know."""
        if unit_id == WHOLE:
            return 0
        unit = self.units.get(unit_id)
        return None if unit is None else unit.level

    def name(self, unit_id: str, language: Language) -> str:
        """Name of a unit, its id if the snapshot does not know it."""
        if unit_id == WHOLE:
            return _WHOLE_LABEL.text(language)
        unit = self.units.get(unit_id)
        if unit is None:
            return unit_id
        return unit.name if language == "zh" else unit.name_en

    def upwards(self, unit_id: str) -> tuple[str, ...]:
        """The unit, its parents from near to far, and last the whole."""
        path: list[str] = []
        current: str | None = unit_id
        while current is not None and current in self.units and current not in path:
            path.append(current)
            current = self.units[current].parent_id
        return (*path, WHOLE)

    def is_within(self, unit_id: str, roots: Iterable[str]) -> bool:
        """Whether a known unit is one of the roots or below one; the whole is only in itself."""
        if self.level(unit_id) is None:
            return False
        return not set(roots).isdisjoint(self.upwards(unit_id))

    def knows_any(self, units: Iterable[str]) -> bool:
        """Whether this snapshot knows one of the units."""
        return any(self.level(unit) is not None for unit in units)

    def children(self, unit_id: str) -> tuple[str, ...]:
        """The units just below a unit (below the whole: those of the top level), by id."""
        return self._children.get(unit_id, ())

    @cached_property
    def _children(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = defaultdict(list)
        for unit in self.units.values():
            parent = unit.parent_id
            found[parent if parent in self.units and parent else WHOLE].append(unit.unit_id)
        return {parent: tuple(sorted(units)) for parent, units in found.items()}

    def column_id(self, row: Mapping[str, Any], level: int) -> str | None:
        """Id of the row's member at an org level, whichever name the level goes by."""
        for name in (f"l{level}", self.level_names.get(level, "")):
            key = f"org.{name}__id"
            if key in row:
                value = row[key]
                return None if value is None else str(value)
        raise FigureError(
            f"Reading figures by org level {level}: the rows have {sorted(row)} but no id of that "
            "level. Trying again does not help; the query must be asked with keys."
        )


class Freshness(Declared):
    """What must have arrived before figures of a day are told.

    `sources` names sources. An installation that has none of them waits for all its sources that
    deliver the stream named by `otherwise`; without `otherwise` it has nothing to tell.
    """

    sources: tuple[str, ...] = Field(min_length=1)
    otherwise: str | None = None


SNAPSHOT: Literal["snapshot"] = "snapshot"
"""Stands for a freshness: nothing is awaited, the snapshot speaks of itself."""

Awaited = Freshness | Literal["snapshot"]


@dataclass(frozen=True)
class SourceState:
    """Up to which local date a source is complete without a gap, and its incomplete days.

    If the day after `complete_through` is listed as incomplete, that gap alone ended the run: the
    list then says everything about the later days. `streams` are the names of what it delivers.
    """

    complete_through: date | None
    incomplete_dates: frozenset[date] = frozenset()
    streams: frozenset[str] = frozenset()
    label: Label | None = None

    def is_complete(self, day: date) -> bool:
        """Whether everything of `day` has arrived; `day` must not be after the business date."""
        if self.complete_through is None or day in self.incomplete_dates:
            return False
        after = self.complete_through + timedelta(days=1)
        return day <= self.complete_through or after in self.incomplete_dates


@dataclass(frozen=True)
class Publication:
    """One snapshot as the planner sees it. `zone` is the operator's."""

    tag: str
    business_date: date
    zone: ZoneInfo
    currency: str
    sources: Mapping[str, SourceState]
    org: Org
    figures: Figures
    is_working_day: Callable[[date], bool] = field(repr=False)

    @classmethod
    def from_published(
        cls,
        info: Mapping[str, Any],
        *,
        org: Org,
        figures: Figures,
        is_working_day: Callable[[date], bool],
    ) -> Publication:
        """Build from the mapping of published.json."""
        return cls(
            tag=str(info["tag"]),
            business_date=_date(info["business_date"]),
            zone=ZoneInfo(info["zone"]),
            currency=str(info["currency"]),
            sources={
                name: SourceState(
                    None
                    if source["complete_through"] is None
                    else _date(source["complete_through"]),
                    frozenset(_date(day) for day in source.get("incomplete_dates", ())),
                    frozenset(source.get("streams", ())),
                    Label.model_validate(source["label"]) if "label" in source else None,
                )
                for name, source in info["sources"].items()
            },
            org=org,
            figures=figures,
            is_working_day=is_working_day,
        )

    @property
    def whole_units(self) -> frozenset[str]:
        """The units that stand for the whole: itself, and the top unit where there is only one."""
        tops = self.org.children(WHOLE)
        return frozenset({WHOLE, *(tops if len(tops) == 1 else ())})

    def member_name(self, member: str, language: Language) -> str:
        """What people call a member: a source by its label, any other by itself."""
        state = self.sources.get(member)
        return member if state is None or state.label is None else state.label.text(language)

    def needed(self, freshness: Awaited) -> tuple[str, ...]:
        """The sources of this installation to wait for; none means that it has none that fits."""
        if not isinstance(freshness, Freshness):
            return ()
        named = tuple(name for name in freshness.sources if name in self.sources)
        return named or tuple(
            sorted(
                name
                for name, state in self.sources.items()
                if freshness.otherwise is not None and freshness.otherwise in state.streams
            )
        )

    def is_complete(self, freshness: Awaited, day: date) -> bool:
        """Whether every needed source is complete for `day` and the snapshot reaches it."""
        if not isinstance(freshness, Freshness):
            return day == self.business_date
        needed = self.needed(freshness)
        return (
            bool(needed)
            and day <= self.business_date
            and all(self.sources[name].is_complete(day) for name in needed)
        )

    def gaps(self, freshness: Freshness, first: date, last: date) -> tuple[date, ...]:
        """Days from `first` to `last` that a needed source lists as incomplete."""
        listed = {
            day for name in self.needed(freshness) for day in self.sources[name].incomplete_dates
        }
        return tuple(sorted(day for day in listed if first <= day <= last))

    def newest_complete(self, freshness: Awaited, until: date) -> date | None:
        """The newest day up to `until` that is complete, within the last 31 days."""
        newest = min(until, self.business_date)
        for back in range(31):
            day = newest - timedelta(days=back)
            if self.is_complete(freshness, day):
                return day
        return None


def _date(value: Any) -> date:
    return value if isinstance(value, date) else date.fromisoformat(str(value)[:10])


def as_decimal(row: Mapping[str, Any], column: str, query: str) -> Decimal | None:
    """Read a figure exactly; text, ints, floats and Decimals are accepted, null stays null.

    Raises FigureError if the query's answer has no such column.
    """
    if column not in row:
        raise FigureError(
            f"Reading '{column}' from the named query '{query}': its rows have {sorted(row)}. "
            "Trying again does not help; correct the query or the declaration."
        )
    value = row[column]
    return None if value is None else Decimal(str(value))


def as_date(value: Any) -> date:
    """Read a day from a date, a datetime or ISO text."""
    return _date(value)
