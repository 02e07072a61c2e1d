"""What a query must know of the calendar: working days, kinds of days, lunar festivals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from cubes.errors import TableMissing
from cubes.period import CALENDAR_COMPARISONS, needs_working_days, working_days_needed
from cubes.question import CubeQuery
from cubes.warehouse import Warehouse

if TYPE_CHECKING:
    import duckdb

# Lunar month and day; where a period holds several, the first of these is the one that counts.
_FESTIVALS = {(1, 1): "spring", (5, 5): "dragon_boat", (8, 15): "mid_autumn"}


@dataclass(frozen=True)
class QueryCalendar:
    """The days a query refers to; empty where it refers to none.

    `working_days` are those up to the business date that relative periods need. `kinds` pairs every
    known day with whether it is a working day, `festivals` every festival of the lunar year with
    its name; both are sorted and read only for comparisons that need them.
    """

    working_days: tuple[date, ...] = ()
    kinds: tuple[tuple[date, bool], ...] = ()
    festivals: tuple[tuple[date, str], ...] = ()


NO_CALENDAR = QueryCalendar()


def read_query_calendar(
    connection: duckdb.DuckDBPyConnection,
    warehouse: Warehouse,
    query: CubeQuery,
    business_date: date | None,
) -> QueryCalendar:
    """Read from `dim_date` what the query needs; QueryError when the database does not have it."""
    texts = [query.period or "", *(value or "" for _, values in query.cuts for value in values)]
    count = max(
        (working_days_needed(text) for text in texts if needs_working_days(text)), default=0
    )
    if business_date is None:
        count = 0
    if count == 0 and query.compare not in CALENDAR_COMPARISONS:
        return NO_CALENDAR
    columns = warehouse.tables.get("dim_date", {})
    needed = {"date_on", "is_workday"} | (
        {"lunar_month", "lunar_day", "is_leap_month"} if query.compare == "lunar_year" else set()
    )
    if not needed <= columns.keys():
        raise TableMissing(
            zh=f"工作日和农历节日需要表 dim_date 的 {'、'.join(sorted(needed))} 列，"
            "而这个数据库没有。",
            en=f"Working days and festivals need the table dim_date with "
            f"{', '.join(sorted(needed))}, which this database does not have.",
        )
    table = warehouse.table("dim_date").sql(dialect="duckdb")
    working: list[date] = []
    if count:
        working = [
            row[0]
            for row in connection.execute(
                f"select date_on from {table} where is_workday and date_on <= $day "
                "order by date_on desc limit $count",
                {"day": business_date, "count": count},
            ).fetchall()
        ]
    kinds: list[tuple[date, bool]] = []
    festivals: list[tuple[date, str]] = []
    if query.compare == "same_working_day":
        kinds = [
            (day, bool(is_workday))
            for day, is_workday in connection.execute(
                f"select date_on, is_workday from {table} order by date_on"
            ).fetchall()
        ]
    if query.compare == "lunar_year":
        festivals = [
            (day, _FESTIVALS[month, number])
            for day, month, number in connection.execute(
                f"select date_on, lunar_month, lunar_day from {table} where not is_leap_month "
                "and (lunar_month, lunar_day) in ((1, 1), (5, 5), (8, 15)) order by date_on"
            ).fetchall()
        ]
    return QueryCalendar(tuple(sorted(working)), tuple(kinds), tuple(festivals))
