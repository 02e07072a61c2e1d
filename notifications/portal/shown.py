"""Figures as people read them: what a measure is called, how it is said, and which way is good."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from cubes.catalogue import Catalogue
from cubes.cube import Measure
from cubes.formatting import format_value
from cubes.label import Label, Language
from notifications import wording
from notifications.portal.words import say
from notifications.publication import as_decimal

Direction = Literal["good", "bad", ""]


@dataclass(frozen=True)
class Figure:
    """A measure of a named query, in the words of its cube."""

    query: str
    measure: str
    label: str
    description: str
    unit: str
    format: str
    good: str | None
    compare: str | None


def figure_of(catalogue: Catalogue, query: str, measure: str, language: Language) -> Figure:
    """Look a measure up; the catalogue was checked, so both exist."""
    named = catalogue.named_query(query)
    found: Measure = catalogue.cube(named.cube or "").measures[measure]
    description = found.description
    return Figure(
        query,
        measure,
        found.label.text(language) if found.label else measure,
        description.text(language) if isinstance(description, Label) else description or "",
        found.unit.text(language) if found.unit else "",
        found.shown_as,
        found.good,
        named.compare,
    )


def value_text(value: Decimal | None, shown_as: str, language: Language, currency: str) -> str:
    """A figure in words; a dash where there is none."""
    if value is None:
        return "—"
    if shown_as == "money":
        return wording.money(value, language, currency)
    if shown_as == "percent":
        return wording.percent(value, language)
    if shown_as == "duration":
        return str(format_value(value, "duration"))
    return wording.number(value, language)


@dataclass(frozen=True)
class Shown:
    """One figure of one unit, said: its value, its change, and whether the change is good."""

    figure: Figure
    value: str
    change: str = ""
    direction: Direction = ""
    previous: str = ""


def shown(
    figure: Figure, row: Mapping[str, Any] | None, zero: bool, language: Language, currency: str
) -> Shown:
    """Say a figure of a row of its query's answer; `zero` says that no row means none."""
    value = None if row is None else as_decimal(row, figure.measure, figure.query)
    if value is None and zero:
        value = Decimal(0)
    said = value_text(value, figure.format, language, currency)
    if row is None or value is None:
        return Shown(figure, said)
    before = _optional(row, f"{figure.measure}__previous")
    if before is None:
        return Shown(figure, said)
    difference = value - before
    if figure.format == "percent":
        change = wording.points(difference, language)
    elif before > 0:
        change = wording.change(difference / before, language)
    else:
        change = wording.signed(difference, language) if difference else ""
    return Shown(
        figure,
        said,
        change,
        _direction(difference, figure.good),
        value_text(before, figure.format, language, currency),
    )


def _optional(row: Mapping[str, Any], column: str) -> Decimal | None:
    return None if row.get(column) is None else Decimal(str(row[column]))


def _direction(difference: Decimal, good: str | None) -> Direction:
    if difference == 0 or good is None:
        return ""
    return "good" if (difference > 0) == (good == "higher") else "bad"


def compared_with(figure: Figure, language: Language) -> str:
    """What a change is measured against."""
    return "" if figure.compare is None else say(f"compare.{figure.compare}", language)
