"""A check of each build: of a sample of clocks the explanation adds up to the elapsed time (D.11).

Explanations are made on demand by other code than the elapsed times, from what is published, so a
difference says that one of both is wrong or that a table lacks something.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cubes.clock_explanation import counted_seconds, explain_clock
from cubes.errors import CalendarTooShort
from pipelines.case_clocks import (
    CaseClock,
    clock_rows,
    read_statuses,
    timeline_of,
    with_policies,
)
from pipelines.errors import BuildFailedError

if TYPE_CHECKING:
    import duckdb

KINDS = (
    "paused_s > 0",
    "clock_key in (select clock_key from marts.fct_sla_segment)",
    "true",
)
"""Which clocks are looked at: those that stood still, those whose policy changed, and any."""
BLOCK = 120_000
"""The rows at the beginning and at the end of the table, where a build adds its own, that are
looked at: to fetch rows from all over a large table takes seconds."""
EACH = 50
"""How many clocks of each kind, and of each block."""
_MOST_NAMED = 10


def check_explanations(connection: duckdb.DuckDBPyConnection) -> int:
    """Explain the sample and return how many clocks were looked at.

    Raises BuildFailedError naming the clocks whose rows do not add up.
    """
    clocks = sampled_clocks(connection)
    statuses = read_statuses(connection, {str(clock["case_key"]) for clock in clocks})
    timelines: dict[tuple[str, str, str], list[CaseClock]] = defaultdict(list)
    for clock in clocks:
        timelines[clock["calendar_id"], clock["zone"], clock["evaluation"]].append(clock)
    wrong: list[str] = []
    for group in timelines.values():
        since = min(clock.span.started_at for clock in group)
        until = max(clock.span.ended_at for clock in group)
        calendar, _ = timeline_of(connection, group[0], since, until)
        for clock in group:
            try:
                rows = explain_clock(calendar, clock.span, statuses.get(clock["case_key"], ()))
                counted = f"{counted_seconds(rows)} s"
            except CalendarTooShort:
                counted = "nothing, outside the calendar"
            if counted != f"{clock['elapsed_s']} s":
                wrong.append(_named(clock, counted))
    if wrong:
        raise BuildFailedError(_message(len(clocks), sorted(wrong)))
    return len(clocks)


def sampled_clocks(connection: duckdb.DuckDBPyConnection) -> list[CaseClock]:
    """The clocks of the sample, of each kind and block those of the smallest keys, which are
    hashes; the same tables give the same ones."""
    newest = connection.execute("select max(rowid) from marts.fct_sla_clock").fetchone()
    last = (newest[0] if newest else None) or 0
    places = (f"rowid < {BLOCK}", f"rowid > {last - BLOCK}")
    found = {
        row["clock_key"]: row
        for place in places
        for kind in KINDS
        for row in clock_rows(
            connection,
            f"{place} and elapsed_s is not null and {kind}",
            tail=f"order by clock_key limit {EACH}",
        )
    }
    return with_policies(connection, list(found.values()))


def _named(clock: CaseClock, counted: str) -> str:
    return (
        f"  {clock['clock_key']} ({clock['source']} {clock['case_no']}, {clock['clock']} "
        f"{clock['ordinal']}, {clock['evaluation']}): {counted} by its explanation, "
        f"{clock['elapsed_s']} s in fct_sla_clock"
    )


def _message(looked_at: int, wrong: Sequence[str]) -> str:
    more = f"\n  and {len(wrong) - _MOST_NAMED} more" if len(wrong) > _MOST_NAMED else ""
    return (
        f"Building stopped: of {looked_at} clocks looked at, {len(wrong)} are not what their "
        "explanation adds up to:\n" + "\n".join(wrong[:_MOST_NAMED]) + f"{more}\nNothing was "
        "published; the last good snapshot serves on. Trying again does not help; if models of "
        "your own replace shipped ones, look at those first, else report the clocks named above."
    )
