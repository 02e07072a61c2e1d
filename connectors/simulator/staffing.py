"""Headcount of the teams: an ordinary table of the personnel system, corrected later in places."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from .chance import STAFFING, generator
from .days import DAY_S, day_of, instant_text, is_working, iso
from .organisation import tree

# An agreed number of people in the team of the province and of each prefecture.
_PROVINCE_TEAM, _TEAM = 34, 6


@dataclass(frozen=True)
class TeamDay:
    """One team on one day as the table tells it now; `changed` in local seconds from day 0."""

    unit_code: str
    day: int
    headcount: int
    on_leave: int
    is_void: bool
    changed: int


def count_heads(seed: int, through: int) -> list[TeamDay]:
    """The table at the end of day `through` (it is read the morning after)."""
    units = tree()
    teams = [units.units[i].code for i in (0, *units.prefectures)]
    found: list[TeamDay] = []
    for day in range(through + 1):
        u = generator(seed, STAFFING, day).random((len(teams), 4)).tolist()
        worked = is_working(day_of(day))
        for place, code in enumerate(teams):
            size = _PROVINCE_TEAM if place == 0 else _TEAM + place % 4
            draw = u[place]
            on_leave = int(draw[0] * (0.3 if worked else 0.6) * size)
            headcount, is_void, changed = size, False, (day + 1) * DAY_S + 7200
            again = day + 1 + int(draw[2] * 5)
            if draw[1] < 0.02 and again <= through:
                on_leave, changed = min(size, on_leave + 1), again * DAY_S + 36_000
            elif draw[1] > 0.996 and again <= through:
                is_void, changed = True, again * DAY_S + 36_000
            found.append(TeamDay(code, day, headcount, on_leave, is_void, changed))
    return found


def deliver_team_days(path: Path, rows: list[TeamDay]) -> int:
    """Brings the table up to the rows given; returns how many were added or changed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as connection:
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = full")
        connection.execute("begin immediate")
        connection.execute(
            "create table if not exists team_day (unit_code text not null, day text not null, "
            "headcount integer not null, on_leave integer not null, state text not null, "
            "changed_at text not null, primary key (unit_code, day))"
        )
        connection.execute(
            "create index if not exists team_day_changed_at on team_day (changed_at)"
        )
        before = connection.total_changes
        connection.executemany(
            "insert into team_day values (?, ?, ?, ?, ?, ?) on conflict (unit_code, day) do update "
            "set headcount = excluded.headcount, on_leave = excluded.on_leave, "
            "state = excluded.state, changed_at = excluded.changed_at "
            "where excluded.changed_at > team_day.changed_at",
            (
                (
                    r.unit_code, iso(r.day), r.headcount, r.on_leave,
                    "void" if r.is_void else "valid", instant_text(r.changed),
                )
                for r in rows
            ),
        )  # fmt: skip
        connection.execute("commit")
        return connection.total_changes - before
