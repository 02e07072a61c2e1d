"""The clocks of cases as a snapshot tells them, and the rows that explain one (D.11).

Texts are quoted into the statements: binding a value makes the engine load pandas, NumPy and
PyArrow, which takes longer than to find a case.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from connectors.sql_text import literal
from cubes.clock_explanation import (
    ClockSpan,
    StatusSpan,
    counted_seconds,
    explain_clock,
    row_dates,
)
from cubes.errors import QueryError
from cubes.local_clock import zone_of
from cubes.published_calendar import published_timeline
from cubes.sla_policy import PUBLISHED_COLUMNS, SlaPolicy, published_policy
from cubes.working_time_explanation import ExplanationRow

if TYPE_CHECKING:
    import duckdb

    from cubes.snapshot import Snapshot
    from cubes.working_calendar import WorkingCalendar

CLOCK_COLUMNS = (
    "clock_key",
    "case_key",
    "evaluation",
    "source",
    "case_no",
    "clock",
    "ordinal",
    "cycle",
    "policy_key",
    "calendar_id",
    "zone",
    "calendar_version",
    "target",
    "unit",
    "started_at",
    "due_at",
    "stopped_at",
    "breached_at",
    "cancelled_at",
    "cancelled_by",
    "state",
    "elapsed_s",
    "paused_s",
    "calendar_elapsed_s",
    "remaining_s",
    "overrun_s",
    "due_if_resumed_at",
    "is_at_risk",
    "is_breached_on_change",
    "is_provisional",
    "unit_at_due_id",
    "longest_unit_id",
    "kind",
    "category_id",
    "channel_id",
    "priority",
    "org_unit_id",
)
_INSTANTS = frozenset(name for name in CLOCK_COLUMNS if name.endswith("_at"))
_NEAREST = 3


@dataclass(frozen=True)
class ClockLabel:
    """A clock of the seed: its names, and the statuses in which it counts (a list) if not all."""

    zh: str
    en: str
    ordinal: int
    counted_statuses: str | None


@dataclass(frozen=True)
class PolicySegment:
    """A policy that a clock was under for a time, with the due time it had by it."""

    policy: SlaPolicy | None
    from_at: datetime
    to_at: datetime
    target: int | None
    unit: str | None
    due_at: datetime | None


@dataclass(frozen=True)
class CaseClock:
    """One row of marts.fct_sla_clock with its policy; instants are aware.

    `values` are the columns of CLOCK_COLUMNS; `segments` are the policies it was under one after
    the other, empty for a clock that kept its own.
    """

    values: Mapping[str, Any]
    policy: SlaPolicy | None
    label: ClockLabel | None
    segments: Sequence[PolicySegment] = ()

    def __getitem__(self, column: str) -> Any:
        return self.values[column]

    @property
    def span(self) -> ClockSpan:
        """What decides what counted."""
        return ClockSpan(
            self["started_at"],
            self["started_at"] + timedelta(seconds=self["calendar_elapsed_s"]),
            self.policy.pause_statuses if self.policy else None,
            self.label.counted_statuses if self.label else None,
        )


@dataclass(frozen=True)
class ExplainedRow:
    """An explanation row with the announcement that its dates rest on (None: the week)."""

    row: ExplanationRow
    calendar_version: date | None


@dataclass(frozen=True)
class Explanation:
    """The rows of one clock and what they add up to, in seconds."""

    clock: CaseClock
    rows: Sequence[ExplainedRow]
    counted_s: int

    @property
    def adds_up(self) -> bool:
        """Whether the rows add up to the elapsed time that is published."""
        return bool(self.counted_s == self.clock["elapsed_s"])


@dataclass(frozen=True)
class CaseClocks:
    """All clocks of one case in one evaluation, with the names of the units they mention."""

    snapshot: str
    source: str
    case_no: str
    evaluation: str
    clocks: Sequence[CaseClock]
    statuses: Sequence[StatusSpan]
    unit_names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    category_path: str | None = None

    def chosen(self, clock: str, ordinal: int | None) -> CaseClock:
        """The clock of a name: of an ordinal, else the last one; QueryError if there is none."""
        named = [one for one in self.clocks if one["clock"] == clock]
        found = [one for one in named if ordinal is None or one["ordinal"] == ordinal]
        if found:
            return found[-1]
        if named:
            there = [str(one["ordinal"]) for one in named]
            wrong = f"no {clock} clock {ordinal}"
            wrong_zh = f"序号为 {ordinal} 的时钟“{clock}”"
        else:
            there = list(dict.fromkeys(str(one["clock"]) for one in self.clocks))
            wrong = f"no clock {clock!r}"
            wrong_zh = f"时钟“{clock}”"
        raise QueryError(
            zh=f"来源 {self.source} 的工单 {self.case_no} 没有{wrong_zh}；"
            f"现有：{'、'.join(there)}。重试没有用；请从中选一个。",
            en=f"Case {self.case_no} of {self.source} has {wrong}; it has {', '.join(there)}. "
            "Trying again does not help; choose one of these.",
        )


def read_case_clocks(
    snapshot: Snapshot, case_no: str, *, source: str | None, evaluation: str
) -> CaseClocks:
    """The clocks of a case in the order in which clocks are listed.

    Raises QueryError for a case that is unknown, with the nearest numbers, for one that several
    sources have if none is said, and for a snapshot without clocks.
    """
    with snapshot.cursor() as cursor:
        _require_clocks(cursor, snapshot.tag)
        rows = clock_rows(cursor, f"case_no = {literal(case_no)}")
        rows = [row for row in rows if source is None or row["source"] == source]
        sources = sorted({str(row["source"]) for row in rows})
        if not rows:
            raise _unknown_case(cursor, snapshot.tag, case_no, source)
        if len(sources) > 1:
            raise QueryError(
                zh=f"工单 {case_no} 在几个来源里都有：{'、'.join(sources)}。"
                f"用 --source 指明来源再试，例如 --source {sources[0]}。",
                en=f"Case {case_no} is there in several sources: {', '.join(sources)}. Trying "
                f"again helps with --source, such as --source {sources[0]}.",
            )
        kept = [row for row in rows if row["evaluation"] == evaluation]
        clocks = with_policies(cursor, kept)
        case_key = str(rows[0]["case_key"])
        statuses = read_statuses(cursor, [case_key]).get(case_key, [])
        units = {one for row in kept for one in (row["unit_at_due_id"], row["longest_unit_id"])}
        names = _unit_names(cursor, {unit for unit in units if unit})
        path = _category_path(cursor, rows[0]["category_id"])
    return CaseClocks(snapshot.tag, sources[0], case_no, evaluation, clocks, statuses, names, path)


def explain_case_clock(snapshot: Snapshot, found: CaseClocks, clock: CaseClock) -> Explanation:
    """The rows of one clock: before it started from the start of the case's first clock on, and
    after it stopped until it would have been due.

    Raises QueryError for a clock that starts before the calendars do.
    """
    span = clock.span
    if clock["elapsed_s"] is None:
        raise QueryError(
            zh=f"工单 {found.case_no} 的时钟“{clock['clock']}”开始于 "
            f"{span.started_at.isoformat()}，没有日历包含那一天，所以一秒也没有计入。"
            "重试没有用；它的日期已标为不可能。",
            en=f"The {clock['clock']} clock of case {found.case_no} starts at "
            f"{span.started_at.isoformat()}, which no calendar reaches, so nothing of it is "
            "counted. Trying again does not help; its date is marked as impossible.",
        )
    since = min(one["started_at"] for one in found.clocks)
    due_at = clock["due_at"]
    ended = clock["stopped_at"] or clock["cancelled_at"]
    until = due_at if ended is not None and due_at is not None and due_at > span.ended_at else None
    with snapshot.cursor() as cursor:
        calendar, versions = timeline_of(cursor, clock, since, until or span.ended_at)
    rows = explain_clock(calendar, span, found.statuses, since=since, until=until)
    return Explanation(
        clock,
        [ExplainedRow(row, _version(calendar, row, versions)) for row in rows],
        counted_seconds(rows),
    )


def clock_rows(
    cursor: duckdb.DuckDBPyConnection, condition: str, *, tail: str = ""
) -> list[dict[str, Any]]:
    """Rows of marts.fct_sla_clock by one scan, instants aware, in the order of clocks."""
    rows = cursor.execute(
        f"select {', '.join(CLOCK_COLUMNS)} from marts.fct_sla_clock where {condition} {tail}"
    ).fetchall()
    found = [
        {
            name: value.replace(tzinfo=UTC) if name in _INSTANTS and value is not None else value
            for name, value in zip(CLOCK_COLUMNS, row, strict=True)
        }
        for row in rows
    ]
    return sorted(found, key=lambda row: (row["clock"], row["ordinal"], row["clock_key"]))


def with_policies(
    cursor: duckdb.DuckDBPyConnection, rows: Sequence[Mapping[str, Any]]
) -> list[CaseClock]:
    """Clocks with their policies, segments and labels, in the order of the clocks' seed."""
    policies = {
        key: published_policy(values)
        for key, *values in cursor.execute(
            f"select policy_key, {', '.join(PUBLISHED_COLUMNS)} from marts.dim_sla_policy"
        ).fetchall()
    }
    labels = {
        clock: ClockLabel(zh, en, ordinal, counted)
        for clock, zh, en, ordinal, counted in cursor.execute(
            "select clock, label_zh, label_en, ordinal, counted_statuses from marts.dim_sla_clock"
        ).fetchall()
    }
    segments = _segments(cursor, [str(row["clock_key"]) for row in rows], policies)
    found = [
        CaseClock(
            row,
            policies.get(row["policy_key"]),
            labels.get(row["clock"]),
            segments.get(row["clock_key"], ()),
        )
        for row in rows
    ]
    return sorted(found, key=lambda one: (one.label.ordinal if one.label else 0, one["ordinal"]))


def read_statuses(
    cursor: duckdb.DuckDBPyConnection, case_keys: Iterable[str]
) -> dict[str, list[StatusSpan]]:
    """The statuses of cases in order, by case key."""
    listed = _listed(case_keys)
    found: dict[str, list[StatusSpan]] = {}
    for key, status, since, until in cursor.execute(
        "select case_key, status, valid_from, valid_to from marts.fct_case_status "
        f"where case_key in ({listed}) order by case_key, ordinal"
    ).fetchall():
        ends = until and until.replace(tzinfo=UTC)
        found.setdefault(key, []).append(StatusSpan(status, since.replace(tzinfo=UTC), ends))
    return found


def timeline_of(
    cursor: duckdb.DuckDBPyConnection, clock: CaseClock, since: datetime, until: datetime
) -> tuple[WorkingCalendar, Mapping[date, date | None]]:
    """The calendar that counted for a clock, and the version of each of its dates."""
    day = timedelta(days=1)
    return published_timeline(
        cursor,
        clock["calendar_id"],
        clock["zone"],
        clock["evaluation"],
        (since.astimezone(zone_of(clock["zone"])) - day).date(),
        (until.astimezone(zone_of(clock["zone"])) + day).date(),
    )


def _segments(
    cursor: duckdb.DuckDBPyConnection,
    clock_keys: Sequence[str],
    policies: Mapping[str, SlaPolicy],
) -> dict[str, list[PolicySegment]]:
    found: dict[str, list[PolicySegment]] = {}
    for clock_key, policy_key, from_at, to_at, target, unit, due_at in cursor.execute(
        "select clock_key, policy_key, from_at, to_at, target, unit, due_at "
        f"from marts.fct_sla_segment where clock_key in ({_listed(clock_keys)}) "
        "order by clock_key, segment_no"
    ).fetchall():
        found.setdefault(clock_key, []).append(
            PolicySegment(
                policies.get(policy_key),
                from_at.replace(tzinfo=UTC),
                to_at.replace(tzinfo=UTC),
                target,
                unit,
                due_at and due_at.replace(tzinfo=UTC),
            )
        )
    return found


def _version(
    calendar: WorkingCalendar, row: ExplanationRow, versions: Mapping[date, date | None]
) -> date | None:
    """The latest announcement that a date of the row rests on."""
    first, last = row_dates(calendar, row)
    touched = (date.fromordinal(day) for day in range(first.toordinal(), last.toordinal() + 1))
    return max((one for day in touched if (one := versions.get(day))), default=None)


def _require_clocks(cursor: duckdb.DuckDBPyConnection, tag: str) -> None:
    there = cursor.execute(
        "select count(*) from information_schema.tables where table_schema = 'marts' "
        "and table_name = 'fct_sla_clock'"
    ).fetchone()
    if there and there[0]:
        filled = cursor.execute("select 1 from marts.fct_sla_clock limit 1").fetchone()
        if filled:
            return
        raise QueryError(
            zh=f"快照 {tag} 里没有时钟，因为还没有工单进入仓库。"
            "工单落地并构建后再试；请运行 `huiyin run`。",
            en=f"Snapshot {tag} holds no clocks, because no case has reached the warehouse yet. "
            "Trying again helps once cases are loaded and built; run `huiyin run`.",
        )
    raise QueryError(
        zh=f"快照 {tag} 是由没有时钟的版本生成的。运行 `huiyin build` 后再试。",
        en=f"Snapshot {tag} was made by a version without clocks. Trying again helps after "
        "`huiyin build`.",
    )


def _unknown_case(
    cursor: duckdb.DuckDBPyConnection, tag: str, case_no: str, source: str | None
) -> QueryError:
    """An error that names the nearest case numbers: those that begin or end as this one does."""
    half = max(1, len(case_no) // 2)
    begins, ends = literal(case_no[:half]), literal(case_no[-half:])
    of_source = f" and source = {literal(source)}" if source is not None else ""
    near = cursor.execute(
        "select distinct case_no, source, levenshtein(case_no, "
        f"{literal(case_no)}) as distance from marts.fct_case "
        f"where (starts_with(case_no, {begins}) or ends_with(case_no, {ends})){of_source} "
        f"order by distance, case_no, source limit {_NEAREST}"
    ).fetchall()
    of = f" of source {source}" if source is not None else ""
    of_zh = f"来源 {source} 的" if source is not None else ""
    hint = hint_zh = ""
    if near:
        hint = f" Nearest are {', '.join(f'{number} ({which})' for number, which, _ in near)}."
        hint_zh = f"最接近的是 {'、'.join(f'{number}（{which}）' for number, which, _ in near)}。"
    return QueryError(
        zh=f"快照 {tag} 里没有{of_zh}工单 {case_no} 的时钟。{hint_zh}"
        "除非工单是在快照之后来的，重试没有用；请核对工单号。",
        en=f"Snapshot {tag} has no clocks of case {case_no}{of}.{hint} Trying again does not help "
        "unless the case came in since the snapshot; check its number.",
    )


def _unit_names(
    cursor: duckdb.DuckDBPyConnection, units: Iterable[str]
) -> dict[str, dict[str, str]]:
    return {
        unit: {"zh": name, "en": english or name}
        for unit, name, english in cursor.execute(
            "select org_unit_id, name, name_en from marts.dim_org "
            f"where org_unit_id in ({_listed(units)})"
        ).fetchall()
    }


def _category_path(cursor: duckdb.DuckDBPyConnection, category_id: str | None) -> str | None:
    if category_id is None:
        return None
    row = cursor.execute(
        f"select told_path from marts.dim_category where category_id = {literal(category_id)}"
    ).fetchone()
    return None if row is None else row[0]


def _listed(values: Iterable[str]) -> str:
    return ", ".join(literal(value) for value in sorted(values)) or "null"
