"""Dashboards as they are declared: one folder each, found by listing; words of cubes, no SQL."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from cubes.declaration import load_file
from cubes.dimension import Frozen, Name
from cubes.errors import DeclarationError, Fault
from cubes.label import Label

FILE = "dashboard.yml"

Viz = Literal["number", "line", "columns", "bars", "pie", "pivot", "table", "status"]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$")]

COLUMNS = 12  # width of a row in Superset's grid


class Chart(Frozen):
    """One chart: measures of a cube by its dimensions.

    `by` are names of the cube (`org.l2`, `kind`, `created.week`); for `line` and `columns` the
    first is the horizontal axis, for `pivot` the rows. `across` are a pivot's columns, or the
    series of the others. `time` names the time role the period of the dashboard applies to; `none`
    keeps the chart at all rows (a backlog is what is open now, whenever it came). `compare` puts
    the previous period beside a number. `stacked` piles series up, which is right for additive
    measures only. `order` is a measure to sort by, largest first. A `status` chart tells what the
    data are as of and has no cube.
    """

    viz: Viz
    title: Label
    description: Label | None = None
    cube: str | None = None
    measures: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    across: tuple[str, ...] = ()
    time: str | None = None
    compare: Literal["previous"] | None = None
    stacked: bool = False
    totals: bool = False
    order: str | None = None
    limit: Annotated[int, Field(ge=1, le=10_000)] = 1000

    @field_validator("by", "across", "measures", mode="before")
    @classmethod
    def _one(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fits(self) -> Chart:
        if self.viz == "status":
            if self.cube or self.measures or self.by:
                raise ValueError("a status chart has no cube, measures or dimensions")
            return self
        if self.cube is None or not self.measures:
            raise ValueError("needs a cube and at least one measure")
        if self.viz in ("number", "pie") and len(self.measures) != 1:
            raise ValueError(f"a {self.viz} shows exactly one measure")
        if self.viz == "number" and (self.by or self.across):
            raise ValueError("a number has no dimensions")
        if self.viz not in ("number",) and not self.by:
            raise ValueError(f"a {self.viz} needs 'by'")
        if self.compare and self.viz != "number":
            raise ValueError("'compare' belongs to a number")
        if self.totals and self.viz not in ("table", "pivot"):
            raise ValueError("'totals' belongs to a table or a pivot")
        return self


class TimeFilter(Frozen):
    """The period all charts with a time follow; `default` in Superset's words, such as
    `Last month`."""

    label: Label
    default: str = "Last 30 days"


class MemberFilter(Frozen):
    """A choice of members of one dimension of a cube, offered within the choice of `within`."""

    cube: str
    by: str
    within: str | None = None


class Filters(Frozen):
    """The dashboard's filters in their order."""

    period: TimeFilter
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
    """One dashboard, published as `<slug>` in Chinese and `<slug>-en` in English."""

    dashboard: Slug
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
