"""The form on a page: its choices in groups, and what was typed as a submission."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connectors.intake.form import Category, Form
from connectors.intake.published import Published
from connectors.intake.words import word
from cubes.label import Language


@dataclass(frozen=True)
class Group:
    """Choices under one heading; without a heading they stand alone."""

    label: str | None
    choices: tuple[tuple[str, str], ...]


def category_groups(form: Form, language: Language) -> list[Group]:
    """The categories: one group per branch, the branch itself as its last choice."""
    groups: list[Group] = []
    for category in form.categories:
        label = category.label.text(language)
        if not category.parts:
            groups.append(Group(None, ((category.path, label),)))
            continue
        below = _below(category, f"{category.path}/", language, "")
        other = f"{label} · {word('form.whole', language)}"
        groups.append(Group(label, (*below, (category.path, other))))
    return groups


def _below(
    category: Category, above: str, language: Language, indent: str
) -> list[tuple[str, str]]:
    found = []
    for part in category.parts:
        path = f"{above}{part.path}"
        found.append((path, f"{indent}{part.label.text(language)}"))
        found += _below(part, f"{path}/", language, f"{indent}\u2003")
    return found


def unit_groups(published: Published | None, form: Form, language: Language) -> list[Group]:
    """The active units down to the form's level: tops alone, then one group per second level."""
    if published is None:
        return []
    children: dict[str | None, list[str]] = {}
    for unit in published.units.values():
        if unit.is_active and unit.level <= form.unit.deepest_level:
            children.setdefault(unit.parent_id, []).append(unit.unit_id)

    def name(unit_id: str) -> str:
        return published.units[unit_id].name[language]

    def below(unit_id: str, depth: int) -> list[tuple[str, str]]:
        found = []
        for child in children.get(unit_id, []):
            found.append((child, "\u2003" * depth + name(child)))
            # Deeper than any tree, so that a wrong one ends too.
            if depth < form.unit.deepest_level:
                found += below(child, depth + 1)
        return found

    groups = []
    for top in children.get(None, []):
        groups.append(Group(None, ((top, name(top)),)))
        for second in children.get(top, []):
            groups.append(Group(name(second), ((second, name(second)), *below(second, 0))))
    return groups


def read_fields(typed: Mapping[str, str], form: Form, language: Language) -> dict[str, Any]:
    """What was typed on the page as the JSON of a submission; empty fields are left out."""
    contact = {kind: typed.get(f"contact.{kind}", "") for kind in ("name", "phone", "email")}
    answers = {question.id: typed.get(f"answers.{question.id}", "") for question in form.questions}
    plain = {name: typed.get(name, "") for name in ("kind", "category", "unit", "text")}
    submission: dict[str, Any] = {
        **{name: value for name, value in plain.items() if value},
        "contact": {name: value for name, value in contact.items() if value},
        "answers": {name: value for name, value in answers.items() if value},
        "language": language,
    }
    if typed.get("entry"):
        submission["entry_point"] = typed["entry"]
    return submission
