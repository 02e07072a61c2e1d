"""The marts as declared: description, columns, and what each is made of, read from their files.

Nothing is built or opened for it, so a graph of them can be drawn before the first build.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from cubes.label import Label

_COMMENT = re.compile(r"--[^\n]*|\{#.*?#\}", re.DOTALL)
_REF = re.compile(r"""\bref\(\s*['"](\w+)['"]\s*\)""")
_SOURCE = re.compile(r"""\bsource\(\s*['"](\w+)['"]\s*,\s*['"](\w+)['"]\s*\)""")
_MACRO = re.compile(r"\{%-?\s*macro\s+(\w+)\s*\(.*?%\}(.*?)\{%-?\s*endmacro", re.DOTALL)
_CALL = re.compile(r"\b(\w+)\s*\(")
_TERM = re.compile(r"\{%-?\s*docs\s+(\w+)\s*-?%\}(.*?)\{%-?\s*enddocs", re.DOTALL)
_TOLD = re.compile(r"""\{\{\s*doc\(\s*['"](\w+)['"]\s*\)\s*\}\}""")
_OWN_INPUT = "build"

Node = tuple[str, str]


@dataclass(frozen=True)
class Mart:
    """One mart: its domain (the folder), what one row is, its columns with their descriptions.

    `marts` and `streams` (source, stream) are what it is made of, through all that lies between.
    """

    name: str
    domain: str
    description: Label
    columns: Mapping[str, str]
    marts: frozenset[str]
    streams: frozenset[Node]


def declared_marts(dbt_project: Path, site_models: Path) -> list[Mart]:
    """Every mart, each behind those it is made of; raises ValueError if one is made of itself.

    `site_models` are the installation's own, if it has any. Rows of flat data sets, which are no
    one source's, are the stream ("build", "flat_case").
    """
    folders = (dbt_project / "models", site_models)
    models = {path.stem: path for folder in folders for path in sorted(folder.rglob("*.sql"))}
    macros = _macros(dbt_project / "macros")
    terms = _terms(folders)
    parents = {name: _parents(path, macros) for name, path in models.items()}
    chosen = {name: path for name, path in models.items() if "marts" in path.parts}
    found = {}
    for name, path in chosen.items():
        made_of = _above(name, parents, frozenset(chosen))
        properties = _properties(path)
        found[name] = Mart(
            name,
            path.parent.name,
            _label(properties, name),
            {
                column["name"]: _told(str(column.get("description", "")), terms)
                for column in properties.get("columns", [])
            },
            frozenset(of for kind, of in made_of if kind == "ref"),
            frozenset(
                (kind, of)
                for kind, of in made_of
                if kind != "ref" and (kind != _OWN_INPUT or of == "flat_case")
            ),
        )
    return list(_ordered(found))


def _above(name: str, parents: Mapping[str, frozenset[Node]], marts: frozenset[str]) -> set[Node]:
    """The nearest marts and sources above a model; what lies between is passed through."""
    found: set[Node] = set()
    seen: set[str] = set()
    open_nodes = list(parents[name])
    while open_nodes:
        kind, of = open_nodes.pop()
        if kind != "ref" or of in marts:
            found.add((kind, of))
        elif of not in seen:
            seen.add(of)
            # A seed has no file of its own here, and nothing above it.
            open_nodes.extend(parents.get(of, ()))
    return found


def _parents(path: Path, macros: Mapping[str, frozenset[Node]]) -> frozenset[Node]:
    return frozenset(_read(path.read_text(encoding="utf-8"), macros))


def _read(text: str, macros: Mapping[str, frozenset[Node]]) -> Iterator[Node]:
    text = _COMMENT.sub("", text)
    yield from (("ref", name) for name in _REF.findall(text))
    yield from _SOURCE.findall(text)
    for name in set(_CALL.findall(text)) & macros.keys():
        yield from macros[name]


def _macros(folder: Path) -> dict[str, frozenset[Node]]:
    """What each macro reads, itself or through macros that it calls."""
    bodies: dict[str, str] = {}
    for path in sorted(folder.rglob("*.sql")):
        bodies.update(_MACRO.findall(path.read_text(encoding="utf-8")))

    @cache
    def read(name: str) -> frozenset[Node]:
        called = {
            other: read(other)
            for other in set(_CALL.findall(bodies[name])) & bodies.keys()
            if other != name
        }
        return frozenset(_read(bodies[name], called))

    return {name: read(name) for name in bodies}


def _properties(path: Path) -> dict[str, Any]:
    beside = path.with_suffix(".yml")
    if not beside.is_file():
        return {}
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    declared = yaml.load(beside.read_text(encoding="utf-8"), Loader=loader) or {}
    return next((dict(m) for m in declared.get("models", []) if m["name"] == path.stem), {})


def _terms(folders: Iterable[Path]) -> dict[str, str]:
    """The words that several tables share, by their names."""
    found: dict[str, str] = {}
    for folder in folders:
        for path in sorted(folder.rglob("*.md")):
            found.update(_TERM.findall(path.read_text(encoding="utf-8")))
    return found


def _told(description: str, terms: Mapping[str, str]) -> str:
    """A description in one line; a word that is not declared stays as it is written."""
    text = _TOLD.sub(lambda match: terms.get(match[1], match[0]), description)
    return " ".join(text.split())


def _label(properties: Mapping[str, Any], name: str) -> Label:
    english = " ".join(str(properties.get("description") or name).split())
    meta = (properties.get("config") or {}).get("meta") or {}
    return Label(zh=str(meta.get("zh") or english), en=english)


def _ordered(marts: Mapping[str, Mart]) -> Iterator[Mart]:
    done: set[str] = set()
    while len(done) < len(marts):
        ready = sorted(
            name for name, mart in marts.items() if name not in done and mart.marts <= done
        )
        if not ready:
            raise ValueError(f"marts are made of themselves: {sorted(marts.keys() - done)}")
        yield from (marts[name] for name in ready)
        done.update(ready)
