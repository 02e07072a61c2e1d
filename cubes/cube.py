"""Cubes: one fact table with many-to-one dimensions and named measures, one YAML file each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AliasChoices, ConfigDict, Field, field_validator, model_validator

from cubes.dimension import Frozen, Name
from cubes.label import Label, with_label

Grain = Literal["year", "quarter", "month", "week", "day"]
GRAINS: tuple[Grain, ...] = ("year", "quarter", "month", "week", "day")

Aggregation = Literal["count", "sum", "min", "max", "avg", "count_distinct", "percentile"]
Format = Literal["integer", "decimal", "money", "percent", "duration"]

FACT = "fact"  # the fact's alias in every statement

DERIVED = ("ratio", "weighted", "wilson", "shrunk")
"""The kinds of measures that are computed from other measures."""

Weight = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class TimeRole(Frozen):
    """A date (or timestamp) column of the fact; `grain` is the finest grain the fact knows."""

    sql: str
    label: Label | None = None
    grain: Literal["day", "month"] = "day"


class Join(Frozen):
    """A dimension in a role: `on` is the fact's column that holds the dimension's key.

    A scope applies on the first role of a scoped dimension whose own `scope` is `first`; a row is
    visible as well by a role whose `scope` is `second`, such as the unit that holds a case.
    `explains` is false where its members follow from the age of a fact, so that they always differ
    between two periods and never tell why a figure changed.
    """

    on: str
    dimension: Name | None = None
    label: Label | None = None
    scope: Literal["first", "second", "none"] = "first"
    explains: bool = True


class InlineDimension(Frozen):
    """A dimension that lies in the fact itself; `values` labels its codes.

    `explains` is that of a Join.
    """

    sql: str
    label: Label | None = None
    values: dict[str, Label] = Field(default_factory=dict)
    explains: bool = True


class Measure(Frozen):
    """An aggregate over the fact, or a figure derived from aggregates.

    `ratio` is [numerator, denominator]; a side is a measure, a list of measures meaning their sum,
    or `<cube>.<measure>` of another cube. `over_time` makes a measure semi-additive: it is taken at
    the last (first) day of the cut, or averaged over its days. `divide_by` converts units (bytes
    to megabytes) after the sum, so that sums stay exact.

    `weighted` is the mean of ratios of the cube by their weights, null where one of them is null.
    `wilson` is [part, whole]: the lower bound of Wilson's score interval of part / whole for `z`
    standard deviations (Wilson, JASA 22, 1927), null where the whole is under `least` or the part
    is not between 0 and the whole. `shrunk` is [part, whole]: (part + m * mu) / (whole + m), where
    mu is the share of part in whole over all rows of the answer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    label: Label | None = None
    description: str | Label | None = None
    agg: Aggregation | None = None
    sql: str | None = None
    where: str | None = None
    p: float | None = Field(default=None, ge=0, le=1)
    over_time: Literal["last", "first", "avg"] | None = None
    divide_by: int | None = Field(default=None, gt=0)
    ratio: tuple[str | tuple[str, ...], str | tuple[str, ...]] | None = None
    weighted: dict[Name, Weight] | None = Field(default=None, min_length=1)
    wilson: tuple[Name, Name] | None = None
    z: float = Field(default=1.96, gt=0, le=10)
    least: int = Field(default=30, ge=1)
    shrunk: tuple[Name, Name] | None = None
    m: float = Field(default=50, gt=0, allow_inf_nan=False)
    scale: float = 1
    format: Format | None = None
    unit: Label | None = None
    good: Literal["higher", "lower"] | None = None
    owner: str | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Measure:
        kinds = [name for name in ("agg", *DERIVED) if getattr(self, name) is not None]
        if len(kinds) != 1:
            raise ValueError(f"needs exactly one of 'agg', {', '.join(map(repr, DERIVED))}")
        if self.agg is None and (self.sql or self.where or self.over_time or self.p):
            raise ValueError(f"a {kinds[0]} measure takes no 'sql', 'where', 'over_time' or 'p'")
        for key, kind in (("z", "wilson"), ("least", "wilson"), ("m", "shrunk")):
            if key in self.model_fields_set and kind != kinds[0]:
                raise ValueError(f"'{key}' belongs to {kind}")
        if "scale" in self.model_fields_set and self.ratio is None:
            raise ValueError("'scale' belongs to ratio")
        if self.agg not in (None, "count") and self.sql is None:
            raise ValueError(f"agg {self.agg} needs 'sql'")
        if (self.agg == "percentile") != (self.p is not None):
            raise ValueError("'p' (0 to 1) belongs to agg percentile, and only to it")
        if self.over_time and self.agg not in ("sum", "count", "count_distinct"):
            raise ValueError("'over_time' belongs to agg sum, count or count_distinct")
        if self.over_time == "avg" and self.agg == "count_distinct":
            raise ValueError("over_time avg belongs to agg sum or count")
        if self.divide_by is not None and self.agg != "sum":
            raise ValueError("'divide_by' belongs to agg sum")
        return self

    @property
    def sides(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Numerator and denominator as lists of measure names."""
        assert self.ratio is not None
        first, second = ((side,) if isinstance(side, str) else side for side in self.ratio)
        return first, second

    @property
    def definition(self) -> str:
        """How it is computed, in one line for people who read SQL."""
        if self.ratio is not None:
            above, below = (" + ".join(side) for side in self.sides)
            scale = "" if self.scale == 1 else f"{self.scale:g} * "
            return f"{scale}({above}) / ({below})"
        if self.weighted is not None:
            terms = " + ".join(f"{weight:g} * {name}" for name, weight in self.weighted.items())
            return f"({terms}) / {sum(self.weighted.values()):g}"
        if self.wilson is not None:
            part, whole = self.wilson
            return f"wilson lower bound of {part} / {whole}, z {self.z:g}, {whole} >= {self.least}"
        if self.shrunk is not None:
            part, whole = self.shrunk
            return f"({part} + {self.m:g} * overall {part} / {whole}) / ({whole} + {self.m:g})"
        inner = self.sql or "*"
        text = f"{self.agg}({inner})" if self.p is None else f"{self.agg} {self.p:g} of {inner}"
        if self.where is not None:
            text += f" where {self.where}"
        if self.divide_by is not None:
            text += f" / {self.divide_by}"
        return text if self.over_time is None else f"{text}, {self.over_time} day of the cut"

    @property
    def is_zero_when_empty(self) -> bool:
        """Whether nothing counted means zero (counts and sums) rather than unknown."""
        return self.agg in ("count", "sum", "count_distinct")

    @property
    def is_additive(self) -> bool:
        """Whether the values of disjoint parts add up to the whole, over time too."""
        return self.agg in ("count", "sum") and self.over_time is None

    @property
    def shown_as(self) -> Format:
        """The declared format, or the natural one of the aggregation."""
        if self.format is not None:
            return self.format
        return "integer" if self.agg in ("count", "count_distinct") else "decimal"


class StoredCount(Measure):
    """A count whose parts an aggregate holds in the column `sql`: their sum, zero over no rows."""


class Aggregate(Frozen):
    """A table of additive measures by some of a cube's times (with a grain) and dimensions.

    A joined dimension is kept whole (`org` or `org.unit`), so that every level of it is known and a
    scope can apply, or by levels and attributes (`org.l2`), of which coarser levels are known too.
    `measures` is `additive`, all counts and sums of the cube, or some of these by name.
    """

    by: tuple[str, ...] = Field(min_length=1)
    measures: Literal["additive"] | tuple[str, ...] = "additive"


class Variant(Frozen):
    """A cube that differs from the one it stands in by its rows alone."""

    where: str
    label: Label
    description: str | Label | None = None


class Cube(Frozen):
    """One fact, its times (the first is the default), joined and inline dimensions, measures.

    `where` (or `filter`) limits the fact's rows for every query. `details` are columns of the fact
    worth reading in a single row, with their labels. `variants` are further cubes with the same
    dimensions and measures over other rows of the fact, by their names. `scoped_totals` says
    what a restricted account sees of totals: `partial` of the rows it may see, `full` of all rows,
    `hidden` only those that hold no row beyond its scope. `aggregates` are made when a
    snapshot is published and asked in place of the fact where they can tell the same.
    """

    cube: Name
    label: Label
    description: str | Label | None = None
    owner: str | None = None
    version: int = 1
    change_note: str | None = None
    fact: str
    where: str | None = Field(default=None, validation_alias=AliasChoices("where", "filter"))
    time: dict[Name, TimeRole] = Field(default_factory=dict)
    joins: dict[Name, Join] = Field(default_factory=dict)
    dimensions: dict[Name, InlineDimension] = Field(default_factory=dict)
    measures: dict[Name, Measure]
    details: dict[Name, Label] = Field(default_factory=dict)
    variants: dict[Name, Variant] = Field(default_factory=dict)
    scoped_totals: Literal["partial", "full", "hidden"] = "partial"
    aggregates: dict[Name, Aggregate] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _label(cls, value: object) -> object:
        return with_label(value, "cube")

    @field_validator("time", mode="before")
    @classmethod
    def _time_roles(cls, value: object) -> object:
        if isinstance(value, dict):
            return {k: {"sql": v} if isinstance(v, str) else v for k, v in value.items()}
        return value

    @field_validator("joins", mode="before")
    @classmethod
    def _join_roles(cls, value: object) -> object:
        if isinstance(value, dict):
            return {k: {"on": v} if isinstance(v, str) else v for k, v in value.items()}
        return value

    @property
    def default_time(self) -> str | None:
        """The first time role, or None for a cube without time."""
        return next(iter(self.time), None)

    def dimension_of(self, role: str) -> str:
        """The id of the dimension joined in `role`."""
        return self.joins[role].dimension or role

    def parts_of(self, measure: Measure) -> tuple[str, ...]:
        """The aggregated measures that a derived one of this cube is computed from, each once.

        A name with a dot is a measure of another cube.
        """
        return tuple(dict.fromkeys(self._parts(measure)))

    def _parts(self, measure: Measure) -> Iterator[str]:
        if measure.ratio is not None:
            yield from (name for side in measure.sides for name in side)
        for name in measure.weighted or ():
            yield from self._parts(self.measures[name])
        yield from measure.wilson or measure.shrunk or ()

    def variant_cubes(self) -> Iterator[Cube]:
        """Its variants as cubes of their own."""
        for name, variant in self.variants.items():
            yield self.model_copy(
                update={
                    "cube": name,
                    "label": variant.label,
                    "description": variant.description or self.description,
                    "where": variant.where,
                    "variants": {},
                }
            )
