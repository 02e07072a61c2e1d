"""Names people see, in Chinese and English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")


class Label(BaseModel):
    """One name in both languages; a language left out takes the other's text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    zh: str = Field(min_length=1)
    en: str = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _both(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"zh": value, "en": value}
        if isinstance(value, Mapping):
            filled = dict(value)
            for one, other in (("zh", "en"), ("en", "zh")):
                if not filled.get(one) and filled.get(other):
                    filled[one] = filled[other]
            return filled
        return value

    def text(self, language: str) -> str:
        """The name in `language` ("zh" or "en")."""
        return self.zh if language == "zh" else self.en


def named(name: str) -> Label:
    """The label of something that has only a name."""
    return Label(zh=name, en=name)


def with_label(value: Any, id_field: str) -> Any:
    """A declaration's values with a label made of its id where none is given."""
    if isinstance(value, Mapping) and not value.get("label") and value.get(id_field):
        return {**value, "label": {"zh": str(value[id_field]), "en": str(value[id_field])}}
    return value


def label_text(label: Label | None, language: str, fallback: str) -> str:
    """The label's text in `language`, or `fallback` when there is no label."""
    return fallback if label is None else label.text(language)
