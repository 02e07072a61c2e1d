"""Text templates: Jinja2 in a sandbox, checked against an allow-list when a declaration loads.

A template may print names, choose between texts and use the filters of `wording`; it has no
globals, no loops, no attributes and no calls. Values are text, Decimals, dates or null.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from cubes.declaration import suggest
from cubes.label import LANGUAGES, Label, Language
from notifications.declared import Declared
from notifications.errors import TemplateError
from notifications.sms import TextLine
from notifications.wording import wordings

Value = str | int | Decimal | date | None

_CAP = 500
_ALLOWED = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.Filter,
    nodes.If,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Neg,
    nodes.Test,
)
_TESTS = {"none"}
_FILTERS = frozenset(wordings("zh", "CNY"))


class Line(Declared):
    """One line of a text in both languages; priority 1 is the most important."""

    priority: int
    zh: str
    en: str

    def source(self, language: Language) -> str:
        """Return the template of `language`."""
        return self.zh if language == "zh" else self.en


@lru_cache(maxsize=64)
def _environment(language: Language, currency: str) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, autoescape=False)
    environment.globals.clear()
    environment.filters.clear()
    environment.filters.update(wordings(language, currency))
    environment.tests = {name: environment.tests[name] for name in _TESTS}
    return environment


@lru_cache(maxsize=2048)
def _parsed(source: str) -> nodes.Template:
    return jinja2.Environment(autoescape=False).parse(source)


def problems(source: str, names: Iterable[str]) -> list[str]:
    """Say everything in a template that the allow-list or the known names forbid."""
    known = set(names)
    try:
        tree = _parsed(source)
    except jinja2.TemplateSyntaxError as error:
        return [f"is not a valid template: {error.message}"]
    found = []
    for node in _walk(tree):
        if not isinstance(node, _ALLOWED):
            found.append(f"may not use {type(node).__name__.lower()}")
        elif isinstance(node, nodes.Name) and node.name not in known:
            found.append(f"unknown value '{node.name}'{suggest(node.name, known)}")
        elif isinstance(node, nodes.Filter) and node.name not in _FILTERS:
            found.append(f"unknown filter '{node.name}'{suggest(node.name, _FILTERS)}")
        elif isinstance(node, nodes.Test) and node.name not in _TESTS:
            found.append(f"unknown test '{node.name}'; only 'none' is allowed")
    return sorted(set(found))


def check_lines(lines: Iterable[Line], names: Iterable[str]) -> None:
    """Raise ValueError with everything wrong in the templates of `lines`."""
    known = tuple(names)
    found = [
        f"{language} line '{line.source(language)}': {problem}"
        for line in lines
        for language in LANGUAGES
        for problem in problems(line.source(language), known)
    ]
    if found:
        raise ValueError("; ".join(found))


def _walk(node: nodes.Node) -> Iterable[nodes.Node]:
    yield node
    for child in node.iter_child_nodes():
        yield from _walk(child)


@lru_cache(maxsize=2048)
def required(source: str) -> frozenset[str]:
    """Names a template always prints; those inside a condition are not required."""

    def names(node: nodes.Node) -> Iterable[str]:
        if isinstance(node, nodes.If | nodes.CondExpr):
            return
        if isinstance(node, nodes.Name):
            yield node.name
        for child in node.iter_child_nodes():
            yield from names(child)

    return frozenset(names(_parsed(source)))


@lru_cache(maxsize=2048)
def used(source: str) -> frozenset[str]:
    """All names a template mentions."""
    return frozenset(node.name for node in _parsed(source).find_all(nodes.Name))


@lru_cache(maxsize=2048)
def _compiled(source: str, language: Language, currency: str) -> Callable[..., str]:
    return _environment(language, currency).from_string(source).render


def render(source: str, values: Mapping[str, Value], language: Language, currency: str) -> str:
    """Render one template. Raises TemplateError if it fails or is longer than 500 characters."""
    try:
        text = _compiled(source, language, currency)(**values)
    except (jinja2.TemplateError, TypeError, ArithmeticError, AttributeError) as error:
        raise TemplateError(
            f"Rendering '{source}': {error}. Trying again does not help; correct the template "
            "or the figures behind it."
        ) from error
    if len(text) > _CAP:
        raise TemplateError(
            f"Rendering '{source}' gave {len(text)} characters; a line may have {_CAP}. "
            "Trying again does not help; shorten the template."
        )
    return text.strip()


def render_lines(
    lines: Iterable[Line], values: Mapping[str, Value], language: Language, currency: str
) -> tuple[TextLine, ...]:
    """Render the lines whose required values are all known; blank results are left out."""
    done = []
    for line in lines:
        source = line.source(language)
        if any(values.get(name) is None for name in required(source)):
            continue
        text = render(source, values, language, currency)
        if text:
            done.append(TextLine(line.priority, text))
    return tuple(done)


def words(mapping: Mapping[str, Label], value: Any, language: Language) -> str:
    """Say a code in words if the mapping has it, otherwise the code itself."""
    known = mapping.get(str(value))
    return known.text(language) if known else str(value)
