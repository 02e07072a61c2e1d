"""Ten accounts at every level, and what each may see by plain SQL that shares no code with us."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import duckdb

from cubes.cube import Cube, Measure
from pipelines.home import write_home

if TYPE_CHECKING:
    from pipelines.installation import Installation

SEED = 20260331
WHOLE = "*"
ASTRAY, LEFT = "astray", "left"
"""An account whose one unit does not exist, and one that was disabled."""

ADDED = {
    "several": ("SC02", "SC0601"),
    "nested": ("SC06", "SC0602"),
    "whole": (WHOLE,),
    ASTRAY: ("ZZ99",),
    LEFT: ("SC01",),
}
"""The units of the accounts a home adds to its roster; `nested` has one within the other."""

_SIMPLE = {"count", "sum", "min", "max", "count_distinct"}


def employ(installation: Installation) -> None:
    """Add the accounts of ADDED to the home's roster; they have no phone."""
    members = [
        {
            "staff_id": account,
            "org_unit_id": unit,
            "position": "manager",
            "is_active": account != LEFT,
            "phone_key": None,
        }
        for account, units in ADDED.items()
        for unit in units
    ]
    write_home(installation.home, {"roster": members})


@dataclass(frozen=True)
class Account:
    """One account and the units it answers for."""

    account_id: str
    units: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether it has no bounds."""
        return WHOLE in self.units


def ten_accounts(connection: duckdb.DuckDBPyConnection) -> list[Account]:
    """One of the province, two of each level below, and three of the home's own, by the seed."""
    chance = random.Random(SEED)
    chosen = []
    for level, many in ((1, 1), (2, 2), (3, 2), (4, 2)):
        rows = connection.execute(
            "select s.staff_id, s.org_unit_id from marts.dim_staff s "
            "join marts.dim_org o using (org_unit_id) where s.is_active and o.level = ? "
            "and s.position in ('manager', 'province_manager', 'prefecture_manager', "
            "'county_manager', 'sub_branch_manager') and exists "
            "(select 1 from marts.fct_case c join marts.dim_org u on u.org_unit_id = c.org_unit_id "
            "where o.org_unit_id in (u.l1_id, u.l2_id, u.l3_id, u.l4_id)) order by 1",
            [level],
        ).fetchall()
        chosen += [Account(str(a), (str(u),)) for a, u in chance.sample(rows, many)]
    chosen += [Account(name, ADDED[name]) for name in ("several", "nested", "whole")]
    chance.shuffle(chosen)
    return chosen


@dataclass(frozen=True)
class Oracle:
    """What an account with these units may see, by plain SQL over the facts."""

    connection: duckdb.DuckDBPyConnection
    units: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether nothing is hidden."""
        return WHOLE in self.units

    @cached_property
    def names(self) -> dict[str, tuple[str, str]]:
        """Names in both languages of every unit there is."""
        rows = self.connection.execute(
            "select org_unit_id, name, coalesce(name_en, name) from marts.dim_org"
        ).fetchall()
        return {str(unit): (zh, en) for unit, zh, en in rows}

    @cached_property
    def inside(self) -> frozenset[str]:
        """The units and all below them, by walking parents."""
        if self.is_whole:
            return frozenset(self.names)
        rows = self.connection.execute(
            "with recursive below as ("
            "select org_unit_id from marts.dim_org where list_contains(?, org_unit_id) "
            "union select o.org_unit_id from marts.dim_org o "
            "join below b on o.parent_id = b.org_unit_id) select org_unit_id from below",
            [list(self.units)],
        ).fetchall()
        return frozenset(str(unit) for (unit,) in rows)

    @cached_property
    def above(self) -> frozenset[str]:
        """The units above those, whose names stand in the path of every visible row."""
        rows = self.connection.execute(
            "with recursive up as ("
            "select parent_id from marts.dim_org where list_contains(?, org_unit_id) "
            "union select o.parent_id from marts.dim_org o "
            "join up u on o.org_unit_id = u.parent_id) "
            "select parent_id from up where parent_id is not null",
            [list(self.units)],
        ).fetchall()
        return frozenset(str(unit) for (unit,) in rows)

    @cached_property
    def foreign(self) -> list[str]:
        """Every unit that is neither its own nor above."""
        return sorted(set(self.names) - self.inside - self.above)

    @cached_property
    def foreign_names(self) -> set[str]:
        """The names of foreign units that say nothing else."""
        own = {name for unit in self.inside | self.above for name in self.names[unit]}
        told = {name for unit in self.foreign for name in self.names[unit]}
        return {name for name in told if not any(name in one for one in own)}

    def where(self, column: str = "org_unit_id") -> str:
        """The condition on a fact's own column."""
        if self.is_whole:
            return "true"
        listed = ", ".join(f"'{unit}'" for unit in sorted(self.inside)) or "null"
        return f"{column} in ({listed})"

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a statement that names the condition as {where}."""
        return self.connection.execute(sql.format(where=self.where())).fetchall()

    def one(self, sql: str) -> Any:
        """The one value of such a statement."""
        ((value,),) = self.rows(sql)
        return value

    def figures(self, cube: Cube, measures: dict[str, Measure], by: str = "") -> list[Any]:
        """Rows of the measures over the cube's fact, led by `by` where one is named."""
        listed = [plain_sql(measure) for measure in measures.values()]
        columns = ", ".join([*([by] if by else []), *listed])
        rows = [row for row in (cube.where,) if row]
        conditions = " and ".join(f"({one})" for one in [self.where(unit_column(cube)), *rows])
        group = " group by 1" if by else ""
        return self.connection.execute(
            f"select {columns} from marts.{cube.fact} where {conditions}{group}"
        ).fetchall()


def unit_column(cube: Cube) -> str:
    """The column of a scoped cube's fact that names the unit of a row."""
    return cube.joins["org"].on


def plain_sql(measure: Measure) -> str:
    """A simple measure as one would write it by hand."""
    rows = f" filter (where {measure.where})" if measure.where else ""
    what = measure.sql or "*"
    if measure.agg == "count_distinct":
        return f"count(distinct {what}){rows}"
    return f"{measure.agg}({what}){rows}"


def simple_measures(cube: Cube) -> dict[str, Measure]:
    """Measures that are one plain aggregate of the fact's own columns."""
    return {
        name: measure
        for name, measure in cube.measures.items()
        if measure.agg in _SIMPLE
        and measure.over_time is None
        and measure.divide_by is None
        and re.search(r"[a-z_]\.[a-z_]", f"{measure.sql} {measure.where}") is None
    }


@contextmanager
def oracle_of(connection: duckdb.DuckDBPyConnection, units: tuple[str, ...]) -> Iterator[Oracle]:
    """The oracle of some units on a connection of its own."""
    with connection.cursor() as cursor:
        yield Oracle(cursor, units)
