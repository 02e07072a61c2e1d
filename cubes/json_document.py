"""JSON documents people write: read strictly, and every fault told with the path to it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cubes.declaration import suggest
from cubes.errors import DeclarationError, Fault


def read_document(text: str, *, file: str, noun: str) -> Any:
    """The value of a JSON text; DeclarationError for what is no JSON or has a name twice."""
    twice: list[Fault] = []

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        content: dict[str, Any] = {}
        for name, value in pairs:
            if name in content:
                twice.append(Fault(file, 0, f"the name {name!r} stands twice in one object"))
            content[name] = value
        return content

    try:
        value = json.loads(text, object_pairs_hook=once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else 0
        problem = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise DeclarationError(noun, [Fault(file, line, f"is not valid JSON: {problem}")]) from (
            error
        )
    if twice:
        raise DeclarationError(noun, twice)
    return value


@dataclass
class FormFaults:
    """What is wrong in one JSON document, each with the path to it, such as cases[3].start."""

    file: str
    found: list[Fault] = field(default_factory=list)

    def add(self, path: str, message: str) -> None:
        """Note one fault."""
        self.found.append(Fault(self.file, 0, f"{path}: {message}"))

    def mapping(
        self, value: Any, path: str, *, required: Sequence[str] = (), known: Sequence[str] = ()
    ) -> Mapping[str, Any]:
        """The value if it is an object; its missing and unknown keys are faults."""
        if not isinstance(value, Mapping):
            self.add(path, f"must be an object of names and values, not {kind_of(value)}")
            return {}
        for key in required:
            if key not in value:
                self.add(path, f"lacks {key!r}")
        if known:
            for key in value:
                if key not in known:
                    self.add(path, f"has no key {key!r}{suggest(key, known)}")
        return value

    def sequence(self, value: Any, path: str) -> Sequence[Any]:
        """The value if it is a list."""
        if isinstance(value, list | tuple):
            return value
        self.add(path, f"must be a list, not {kind_of(value)}")
        return ()


def kind_of(value: Any) -> str:
    """What a JSON value is, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the text {value!r}"
    return "a list" if isinstance(value, list | tuple) else "an object"


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number")
