"""Digests: what a manager is told regularly, computed for all recipients of a level at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from cubes.declaration import load_declarations, suggest
from cubes.label import LANGUAGES, Label, Language
from notifications import wording
from notifications.account import WHOLE
from notifications.declared import Declared
from notifications.publication import Freshness, Publication, as_decimal
from notifications.sms import Body, fit
from notifications.template import Line, Value, check_lines, render_lines, used, words

Units = frozenset[str]

BELOW = "below"
"""A `by` entry that stands for the org level just below the recipient's."""

_COMPARISONS = ("previous", "change", "change_ratio")
_FIXED_NAMES = ("unit", "business_date")


class Table(Declared):
    """One grouped answer: a named query, split further by `by` within each recipient's unit.

    A `stock` is as of the snapshot whatever the business date, so under an older date its values
    are unknown and the lines that use them are left out.
    """

    query: str
    by: tuple[str, ...] = Field(default=(), max_length=1)
    stock: bool = False


class Top(Declared):
    """Which members of a split table are named, and how their figure is worded."""

    count: int = Field(ge=1, le=5)
    order: Literal["largest", "smallest"] = "largest"
    format: Literal["money", "number", "percent"] = "number"
    words: dict[str, Label] = Field(default_factory=dict)


class DigestValue(Declared):
    """A value of the text: a measure of a table, or the top members of a split table."""

    table: str
    measure: str
    zero: bool = False
    top: Top | None = None


class DigestFreshness(Freshness):
    """What must be complete for the business date, and what the figures cover.

    With `span: month` a gap earlier in the month does not hold the digest back, but the text names
    the days that are missing.
    """

    span: Literal["day", "month"] = "day"


class Trend(Declared):
    """The figure by day that the report draws; the query takes the parameter `days`."""

    query: str
    measure: str
    day: str


class Digest(Declared):
    """One digest, and with `trend` the chart of the report behind it.

    `deadline` says what happens when the data is still missing then: send older figures with a
    stamp, or skip. `empty` says what happens when the unit has no figure at all.
    """

    digest: str
    label: Label
    category: Label
    description: Label
    tables: dict[str, Table]
    values: dict[str, DigestValue]
    lines: tuple[Line, ...] = Field(min_length=1)
    segments: int = Field(ge=1, le=6)
    freshness: DigestFreshness
    deadline: Literal["stamp", "skip"] = "stamp"
    empty: Literal["send", "skip"] = "send"
    expires_after_hours: int = Field(default=12, ge=1)
    trend: Trend | None = None

    @model_validator(mode="after")
    def _names_agree(self) -> Digest:
        for name, value in self.values.items():
            table = self.tables.get(value.table)
            if table is None:
                raise ValueError(
                    f"value '{name}' names the unknown table '{value.table}'"
                    f"{suggest(value.table, self.tables)}"
                )
            if bool(table.by) != (value.top is not None):
                raise ValueError(f"value '{name}': 'top' belongs to a table with 'by', and only so")
        if all(line.priority != 1 for line in self.lines):
            raise ValueError("one line must have priority 1")
        check_lines(self.lines, self.value_names())
        if self.deadline == "stamp" and all(
            line.priority != 1 or _uses(line, self.stock_names()) for line in self.lines
        ):
            raise ValueError("a stamped text needs a line of priority 1 that uses no stock")
        return self

    def value_names(self) -> tuple[str, ...]:
        """Names that the lines may use."""
        plain = [name for name, value in self.values.items() if value.top is None]
        compared = [f"{name}_{part}" for name in plain for part in _COMPARISONS]
        return (*_FIXED_NAMES, *self.values, *compared)

    def stock_names(self) -> frozenset[str]:
        """Names of values that are as of the snapshot."""
        stocks = [name for name, value in self.values.items() if self.tables[value.table].stock]
        return frozenset([*stocks, *(f"{name}_{part}" for name in stocks for part in _COMPARISONS)])


def _uses(line: Line, names: frozenset[str]) -> bool:
    return any(used(line.source(language)) & names for language in LANGUAGES)


_STAMP = Line(
    priority=1,
    zh="截至{{ business_date|day }}，{{ missing|day }}数据未到",
    en="As of {{ business_date|day }}: data of {{ missing|day }} has not arrived",
)

_GAPS = Line(priority=1, zh="未含{{ days }}未到数据", en="Without data of {{ days }}")
_NAMED_GAPS = 3


def load_digests(folders: Sequence[Path]) -> dict[str, Digest]:
    """Load the digests of the search path; DeclarationError holds every fault."""
    return load_declarations(folders, Digest, noun="digest", id_field="digest")


@dataclass(frozen=True)
class UnitFigures:
    """Rows of the tables of a digest for one set of units; `below` is the org level under them.

    A table split by the level below is absent where no unit has one.
    """

    tables: Mapping[str, tuple[Mapping[str, Any], ...]]
    below: int

    @property
    def is_empty(self) -> bool:
        """Whether no table has a row."""
        return not any(self.tables.values())


def collect(
    digest: Digest, wanted: Iterable[Units], publication: Publication, business_date: date
) -> dict[Units, UnitFigures]:
    """Compute the figures of every set of units.

    All single units of one org level share one grouped query per table; the whole and accounts
    with several units ask their own. Units unknown to the snapshot are left out.
    """
    org = publication.org
    by_level: dict[int, set[str]] = defaultdict(set)
    several: set[Units] = set()
    for units in wanted:
        levels = [org.level(unit) for unit in units]
        if None in levels:
            continue
        if WHOLE in units or len(units) > 1:
            several.add(frozenset({WHOLE}) if WHOLE in units else units)
        else:
            (unit,) = units
            by_level[org.level(unit) or 0].add(unit)
    parameters = {"business_date": business_date}
    found: dict[Units, UnitFigures] = {}
    for level, members in sorted(by_level.items()):
        rows: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
        for name, table in digest.tables.items():
            if not _can_split(table, publication, level + 1):
                continue
            by = (f"org.l{level}", *_by(table, level + 1))
            grouped: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
            for row in publication.figures(table.query, parameters, None, by).rows:
                unit_id = org.column_id(row, level)
                if unit_id in members:
                    grouped[unit_id].append(row)
            rows[name] = grouped
        for unit in members:
            found[frozenset({unit})] = UnitFigures(
                {name: tuple(grouped.get(unit, ())) for name, grouped in rows.items()}, level + 1
            )
    for units in sorted(several, key=sorted):
        below = max(org.level(unit) or 0 for unit in units) + 1
        scope = None if WHOLE in units else units
        found[units] = UnitFigures(
            {
                name: tuple(
                    publication.figures(table.query, parameters, scope, _by(table, below)).rows
                )
                for name, table in digest.tables.items()
                if _can_split(table, publication, below)
            },
            below,
        )
    return found


def _can_split(table: Table, publication: Publication, below: int) -> bool:
    return BELOW not in table.by or below in publication.org.levels


def _by(table: Table, below: int) -> tuple[str, ...]:
    return tuple(f"org.l{below}" if name == BELOW else name for name in table.by)


@dataclass(frozen=True)
class DigestText:
    """A digest as one person gets it; `figures` is what the message will be explained with."""

    body: Body
    figures: Mapping[str, Any]


def write_text(
    digest: Digest,
    units: Units,
    figures: UnitFigures,
    publication: Publication,
    *,
    business_date: date,
    expected_date: date,
    language: Language,
    signature: str,
) -> DigestText:
    """Write the text of a digest for one set of units.

    If `business_date` is older than `expected_date`, the text says so in a line that stays.
    """
    org = publication.org
    names = [org.name(unit, language) for unit in sorted(units)]
    values: dict[str, Value] = {
        "unit": ("、" if language == "zh" else ", ").join(names),
        "business_date": business_date,
    }
    for name, value in digest.values.items():
        rows = figures.tables.get(value.table, ())
        query = digest.tables[value.table].query
        if value.top is None:
            row = rows[0] if rows else None
            default = Decimal(0) if value.zero else None
            found = None if row is None else as_decimal(row, value.measure, query)
            values[name] = default if found is None else found
            for part in _COMPARISONS:
                column = f"{value.measure}__{part}"
                values[f"{name}_{part}"] = (
                    as_decimal(row, column, query) if row is not None and column in row else None
                )
        else:
            by = digest.tables[value.table].by[0]
            values[name] = _top(value, value.top, by, query, figures, publication, language)
    template_lines = digest.lines
    if business_date < max(expected_date, publication.business_date):
        stocks = digest.stock_names()
        values |= dict.fromkeys(stocks & set(values))
        template_lines = tuple(line for line in digest.lines if not _uses(line, stocks))
    lines = render_lines(template_lines, values, language, publication.currency)
    if business_date < expected_date:
        stamp = {"business_date": business_date, "missing": expected_date}
        marked = render_lines([_STAMP], stamp, language, publication.currency)
        lines = (*lines[:1], *marked, *lines[1:])
    if digest.freshness.span == "month":
        first = business_date.replace(day=1)
        missing = publication.gaps(digest.freshness, first, business_date)
        values["missing_days"] = ", ".join(day.isoformat() for day in missing) or None
        if missing:
            named = {"days": _days_in_words(missing, language)}
            marked = render_lines([_GAPS], named, language, publication.currency)
            lines = (*lines[:1], *marked, *lines[1:])
    return DigestText(fit(signature, lines, digest.segments), _recorded(values))


def _days_in_words(days: Sequence[date], language: Language) -> str:
    said = ("、" if language == "zh" else ", ").join(
        wording.day(day, language) for day in days[:_NAMED_GAPS]
    )
    if len(days) <= _NAMED_GAPS:
        return said
    return (
        f"{said}等{len(days)}天"
        if language == "zh"
        else f"{said} and {len(days) - _NAMED_GAPS} more"
    )


def _top(
    value: DigestValue,
    top: Top,
    by: str,
    query: str,
    figures: UnitFigures,
    publication: Publication,
    language: Language,
) -> str | None:
    members: list[tuple[Decimal, str]] = []
    for row in figures.tables.get(value.table, ()):
        figure = as_decimal(row, value.measure, query)
        if by == BELOW:
            unit_id = publication.org.column_id(row, figures.below)
            name = None if unit_id is None else publication.org.name(unit_id, language)
        else:
            name = None if row.get(by) is None else words(top.words, row[by], language)
        if figure is not None and name is not None and figure != 0:
            members.append((figure, name))
    direction = -1 if top.order == "largest" else 1
    members.sort(key=lambda member: (direction * member[0], member[1]))
    if len(members) < 2:
        return None
    line = Line(priority=1, zh="{{ f|" + top.format + " }}", en="{{ f|" + top.format + " }}")
    shown = [
        f"{name} " + render_lines([line], {"f": figure}, language, publication.currency)[0].text
        for figure, name in members[: top.count]
    ]
    return ("、" if language == "zh" else ", ").join(shown)


def _recorded(values: Mapping[str, Value]) -> dict[str, Any]:
    """Values as plain JSON: numbers as text with their scale, days in ISO form."""
    return {
        name: value if value is None or isinstance(value, str | int) else str(value)
        for name, value in values.items()
    }


def preview(
    digest: Digest,
    units: Units,
    publication: Publication,
    *,
    language: Language,
    signature: str,
    business_date: date | None = None,
) -> DigestText | None:
    """Write a digest's text without sending; None if the snapshot does not know the units.

    The default business date is the newest that is complete for the digest.
    """
    expected = business_date or publication.business_date
    newest = publication.newest_complete(digest.freshness, expected) or expected
    key = frozenset({WHOLE}) if WHOLE in units else units
    figures = collect(digest, [key], publication, newest).get(key)
    if figures is None:
        return None
    return write_text(
        digest,
        key,
        figures,
        publication,
        business_date=newest,
        expected_date=expected,
        language=language,
        signature=signature,
    )
