"""The form: what may be submitted, declared in one versioned YAML file and shown from it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cubes.declaration import load_declarations
from cubes.label import Label

FORMS = Path(__file__).parent.parent / "forms"


class Part(BaseModel):
    """Base of all parts of a form: frozen, unknown keys are faults."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Choice(Part):
    """One thing that may be chosen."""

    id: str = Field(min_length=1, max_length=60)
    label: Label
    hint: Label | None = None


class Category(Part):
    """A category and those below it; `path` is its own part of the path."""

    path: str = Field(min_length=1, max_length=60, pattern=r"^[^/]+$")
    label: Label
    parts: tuple[Category, ...] = ()


class Question(Part):
    """One further question; its answer is kept as text."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    type: Literal["text", "date", "choice"]
    label: Label
    hint: Label | None = None
    required: bool = False
    longest: int = Field(default=200, ge=1, le=2000)
    choices: tuple[Choice, ...] = ()

    @model_validator(mode="after")
    def _choices_belong_to_choice(self) -> Question:
        if (self.type == "choice") != bool(self.choices):
            raise ValueError("'choices' belong to questions of type choice, which need some")
        return self


class TextRule(Part):
    """The free text, which every submission has."""

    label: Label
    hint: Label | None = None
    longest: int = Field(default=4000, ge=1, le=20_000)


class ContactRule(Part):
    """How contacts are asked for; they are always optional."""

    hint: Label | None = None
    name_longest: int = Field(default=40, ge=1, le=200)


class UnitRule(Part):
    """Which units the page offers: active ones down to this level of the organisation."""

    label: Label
    hint: Label | None = None
    deepest_level: int = Field(default=3, ge=1, le=8)


class Form(Part):
    """One form; `version` grows whenever a question or a choice changes its meaning."""

    form: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    version: int = Field(ge=1)
    label: Label
    intro: Label
    kinds: tuple[Choice, ...] = Field(min_length=1)
    categories: tuple[Category, ...] = ()
    text: TextRule
    questions: tuple[Question, ...] = ()
    contact: ContactRule = ContactRule()
    unit: UnitRule

    @property
    def name(self) -> str:
        """Form and version, as kept with each submission."""
        return f"{self.form}/{self.version}"

    @cached_property
    def category_paths(self) -> frozenset[str]:
        """Every path that may be chosen, whole branches too."""
        return frozenset(_paths(self.categories, ""))

    def kind_label(self, kind: str) -> Label:
        """The name of a kind; its id if the form no longer has it."""
        for choice in self.kinds:
            if choice.id == kind:
                return choice.label
        return Label(zh=kind, en=kind)


def _paths(categories: Sequence[Category], above: str) -> list[str]:
    found = []
    for category in categories:
        path = f"{above}{category.path}"
        found += [path, *_paths(category.parts, f"{path}/")]
    return found


def load_form(folders: Sequence[Path], name: str = "feedback") -> Form:
    """Load one form of a search path; raises DeclarationError with every fault."""
    return load_declarations(folders, Form, noun="form", id_field="form")[name]
