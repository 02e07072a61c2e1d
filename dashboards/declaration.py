"""Dashboards as they are declared: one folder each, found by listing; words of cubes, no SQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from cubes.declaration import load_file
from cubes.dimension import Frozen, Name
from cubes.errors import DeclarationError, Fault
from cubes.label import Label

FILE = "dashboard.yml"

Viz = Literal["number", "line", "columns", "bars", "pie", "pivot", "table", "detail", "status"]
Duration = Literal["seconds", "minutes", "hours"]
Comparison = Literal["previous", "same_weekday"]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$")]

MOST_ROWS = 10_000
"""The rows of a chart at most: what a list shows page by page."""

COLUMNS = 12  # width of a row in Superset's grid


class Chart(Frozen):
    """One chart: measures of a cube by its dimensions, or rows of the cube as they are.

    `by` are names of the cube (`org.l2`, `kind`, `created.week`); for `line` and `columns` the
    first is the horizontal axis, for `pivot` the rows. `across` are a pivot's columns, or the
    series of the others. `query` names a query that gives cube, measures, `by`, time and cuts where
    the chart does not, and a number its comparison. `cuts` keeps codes of dimensions whose values
    the cube declares.

    `time` names the time role the period of the dashboard applies to; `none` keeps the chart at all
    rows (a backlog is what is open now, whenever it came); `period` gives the chart one of its own.
    `compare` puts the previous period, or that of a week before, beside a number or a line.

    `targets` are levels of measures: a line is drawn there, and a number or a cell of a table on
    the wrong side is coloured. `durations` is the unit times are shown in. `stacked` piles series
    up, which is right for additive measures only. `order` is a measure to sort by, largest first.

    A `detail` chart lists rows: `fields` are dimensions, times (`created`, with its moment
    `created.moment`) and details of the cube, and `order` is one of them, `-` before it for the
    largest first. A `status` chart tells what the data are as of and has no cube.
    """

    viz: Viz
    title: Label
    description: Label | None = None
    query: Name | None = None
    cube: str | None = None
    measures: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    across: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    cuts: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    time: str | None = None
    period: str | None = None
    compare: Comparison | None = None
    targets: dict[Name, float] = Field(default_factory=dict)
    durations: Duration = "hours"
    stacked: bool = False
    totals: bool = False
    order: str | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_ROWS)] | None = None

    @field_validator("by", "across", "measures", "fields", mode="before")
    @classmethod
    def _one(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @field_validator("cuts", mode="before")
    @classmethod
    def _one_member(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {name: [found] if isinstance(found, str) else found for name, found in value.items()}

    @model_validator(mode="after")
    def _fits(self) -> Chart:
        faults = list(self._faults())
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _faults(self) -> Iterator[str]:
        if self.viz == "status":
            if self.cube or self.query or self.measures or self.by or self.fields:
                yield "a status chart has no cube, measures or dimensions"
            return
        if self.query is None and self.cube is None:
            yield "needs a cube"
        if self.period is not None and self.time == "none":
            yield "'period' belongs to a chart with a time"
        if self.viz == "detail":
            if not self.fields:
                yield "a detail chart needs 'fields'"
            if self.measures or self.by or self.across or self.query or self.totals:
                yield "a detail chart lists 'fields' of a cube and no measures"
            return
        if self.fields:
            yield "'fields' belongs to a detail chart"
        yield from self._faults_of_measures()

    def _faults_of_measures(self) -> Iterator[str]:
        asked = self.query is not None
        if not self.measures and not asked:
            yield "needs at least one measure"
        if self.viz in ("number", "pie") and len(self.measures) != 1:
            yield f"a {self.viz} shows exactly one measure"
        if self.viz == "number" and (self.by or self.across):
            yield "a number has no dimensions"
        if self.viz != "number" and not self.by and not asked:
            yield f"a {self.viz} needs 'by'"
        if self.compare and self.viz not in ("number", "line"):
            yield "'compare' belongs to a number or a line"
        if self.compare and self.viz == "line" and (len(self.measures) != 1 or self.across):
            yield "a line beside the previous period shows exactly one measure"
        if self.totals and self.viz not in ("table", "pivot"):
            yield "'totals' belongs to a table or a pivot"
        if self.targets and self.viz not in ("number", "table", "line"):
            yield "'targets' belongs to a number, a table or a line"
        if self.targets and self.viz == "number" and self.compare:
            yield "a number has either 'targets' or 'compare'"


class TimeFilter(Frozen):
    """The period all charts with a time follow.

    `default` is `month to date`, `12 months to date` and the like, or a period in Superset's words
    (`Last 30 days`).
    """

    label: Label
    default: str = "Last 30 days"


class MemberFilter(Frozen):
    """A choice of members of one dimension of a cube, offered within the choice of `within`.

    `by` may also be a detail of the cube, such as the number of a case. With `single` one member is
    chosen at a time.
    """

    cube: str
    by: str
    within: str | None = None
    single: bool = False


class Filters(Frozen):
    """The dashboard's filters in their order."""

    period: TimeFilter | None = None
    members: tuple[MemberFilter, ...] = ()


class Row(Frozen):
    """A line of charts with the width of each (12 in all); `height` in grid units of 8 pixels."""

    height: Annotated[int, Field(ge=4, le=120)]
    charts: dict[Name, Annotated[int, Field(ge=1, le=COLUMNS)]]

    @model_validator(mode="after")
    def _width(self) -> Row:
        total = sum(self.charts.values())
        if total > COLUMNS:
            raise ValueError(f"the charts are {total} wide together; a row has {COLUMNS}")
        return self


class Section(Frozen):
    """Rows under a heading."""

    heading: Label | None = None
    rows: tuple[Row, ...]


class Dashboard(Frozen):
    """One dashboard, published as `<slug>` in Chinese and `<slug>-en` in English.

    `opens` names a detail (`case_no`) that this dashboard is the page of: wherever a cube has that
    detail, its rows link to this dashboard, filtered by the row's own.
    """

    dashboard: Slug
    opens: Name | None = None
    title: Label
    description: Label
    owner: str
    filters: Filters
    charts: dict[Name, Chart]
    sections: tuple[Section, ...]


def load_dashboards(folders: Sequence[Path]) -> dict[str, tuple[Dashboard, Path]]:
    """Every dashboard of the search path with its file, by slug.

    A dashboard is a folder that holds `dashboard.yml`. Raises DeclarationError with all faults.
    """
    faults: list[Fault] = []
    found: dict[str, tuple[Dashboard, Path]] = {}
    for folder in folders:
        for path in sorted(folder.glob(f"*/{FILE}")) if folder.is_dir() else []:
            declared = load_file(
                path,
                Dashboard,
                id_field="dashboard",
                faults=faults,
                found={slug: item[0] for slug, item in found.items()},
                name=path.parent.name,
            )
            if declared is not None:
                found[declared.dashboard] = (declared, path)
    if faults:
        raise DeclarationError("dashboard", faults)
    return dict(sorted(found.items()))
