r"""Members in cuts: a path of names, `#CODE`, a range `a..b`; `\` takes the next sign literally."""

from __future__ import annotations

from dataclasses import dataclass

_SPECIAL = ("\\", "/", "#")


@dataclass(frozen=True)
class Member:
    """One member: by `code`, or by the names on its `path` (coarsest first).

    `literal` is the whole text without escapes, for dimensions that have no hierarchy.
    """

    path: tuple[str, ...]
    code: str | None
    literal: str


def parse_member(text: str) -> Member:
    r"""Parse a member.

    >>> parse_member(r"四川/成都").path
    ('四川', '成都')
    >>> parse_member(r"Street\/Sidewalk/Noise").path
    ('Street/Sidewalk', 'Noise')
    """
    parts: list[str] = [""]
    literal = ""
    escaped = False
    for sign in text:
        if escaped or sign not in "\\/":
            parts[-1] += sign
            literal += sign
            escaped = False
        elif sign == "\\":
            escaped = True
        else:
            parts.append("")
            literal += sign
    if escaped:
        parts[-1] += "\\"
        literal += "\\"
    code = literal[1:] if text.startswith("#") and len(text) > 1 else None
    return Member(tuple(parts), code, literal)


def format_member(path: tuple[str, ...]) -> str:
    """Write a path so that `parse_member` reads it back."""
    return "/".join(_escaped(part) for part in path)


def _escaped(name: str) -> str:
    for sign in _SPECIAL:
        name = name.replace(sign, "\\" + sign) if sign != "#" else name
    if name.startswith("#"):
        name = "\\" + name
    return name.replace("..", "\\.\\.")


def split_range(text: str) -> tuple[str, str] | None:
    """Split `a..b` at its first unescaped `..`; None if the text is no range."""
    index = 0
    while index < len(text) - 1:
        if text[index] == "\\":
            index += 2
            continue
        if text[index : index + 2] == "..":
            return text[:index].strip(), text[index + 2 :].strip()
        index += 1
    return None
