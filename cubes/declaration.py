"""YAML declarations: found by listing folders, checked by a model, every fault with file and line.

A declaration folder is a search path: the product's folder first, then the installation's
(`$HUIYIN_HOME/site/<same path>`). The id is the file's stem. The same id in a later folder is a
fault unless that file says `replaces: true`. Files whose name starts with `_` are skipped.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from yaml.events import CollectionEndEvent, CollectionStartEvent
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from cubes.errors import DeclarationError, Fault

Model = TypeVar("Model", bound=BaseModel)

_BASE_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# Far beyond any declaration, and far below what a hostile file needs to hold up a process.
_DEEPEST = 50
_MOST_VALUES = 100_000


class LocatedMapping(dict[Any, Any]):
    """A mapping that remembers the line (from 1) of itself and of each key."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.key_lines: dict[Any, int] = {}


class LocatedSequence(list[Any]):
    """A sequence that remembers the line (from 1) of each item."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.item_lines: list[int] = []


def suggest(name: str, known: Iterable[str], language: str = "en") -> str:
    """Return " (did you mean 'x'?)" for the nearest known name, or an empty string."""
    nearest = difflib.get_close_matches(str(name), sorted(known), n=1, cutoff=0.6)
    return did_you_mean(nearest, language)


def did_you_mean(nearest: Sequence[str], language: str = "en") -> str:
    """The first of the nearest names as a suggestion behind a wrong one; empty without any."""
    if not nearest:
        return ""
    return f"（是不是“{nearest[0]}”？）" if language == "zh" else f" (did you mean '{nearest[0]}'?)"


def read_yaml(path: Path, faults: list[Fault]) -> LocatedMapping | None:
    """Read one YAML file into located values; append faults and return None if it is unusable."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        faults.append(Fault(str(path), 0, f"cannot be read as UTF-8 text: {error}"))
        return None
    try:
        _refuse_deep_nesting(text)
        loader = _BASE_LOADER(text)
        try:
            node = loader.get_single_node()
            value = None if node is None else _Locator(loader, path, faults).locate(node)
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 0
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        faults.append(Fault(str(path), line, f"is not valid YAML: {problem}"))
        return None
    if not isinstance(value, LocatedMapping):
        faults.append(Fault(str(path), 1, "must be a mapping of keys to values"))
        return None
    return value


def _refuse_deep_nesting(text: str) -> None:
    """Raise MarkedYAMLError where values nest too deeply; composing them would end the process."""
    depth = 0
    for event in yaml.parse(text, Loader=_BASE_LOADER):
        if isinstance(event, CollectionStartEvent):
            depth += 1
        elif isinstance(event, CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            raise _too_much(event.start_mark, f"values nest deeper than {_DEEPEST} levels")


def _too_much(mark: Any, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


class _Locator:
    """Turns the nodes of one file into located values; aliases cannot make it run for ever."""

    def __init__(self, loader: Any, path: Path, faults: list[Fault]) -> None:
        self._loader = loader
        self._path = path
        self._faults = faults
        self._values = 0

    def locate(self, node: Node, depth: int = 1) -> Any:
        self._values += 1
        if self._values > _MOST_VALUES:
            raise _too_much(node.start_mark, f"more than {_MOST_VALUES} values, aliases included")
        if depth > _DEEPEST:
            raise _too_much(node.start_mark, "an alias stands inside the value it names")
        if isinstance(node, MappingNode):
            return self._mapping(node, depth)
        if isinstance(node, SequenceNode):
            sequence = LocatedSequence(_line(node))
            for item in node.value:
                sequence.append(self.locate(item, depth + 1))
                sequence.item_lines.append(_line(item))
            return sequence
        assert isinstance(node, ScalarNode)
        return self._plain(node)

    def _mapping(self, node: MappingNode, depth: int) -> LocatedMapping:
        mapping = LocatedMapping(_line(node))
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                self._fault(key_node, "a key must be a plain value")
                continue
            key = self._plain(key_node)
            if isinstance(key, bool):
                # YAML 1.1 reads the key `on` as true; a key is always the word that was written.
                key = key_node.value
            if key in mapping:
                self._fault(key_node, f"'{key}' stands twice")
            mapping[key] = self.locate(value_node, depth + 1)
            mapping.key_lines[key] = _line(key_node)
        return mapping

    def _plain(self, node: ScalarNode) -> Any:
        try:
            return self._loader.construct_object(node, deep=True)
        except ValueError as error:
            # What looks like a date or number and is none, such as 2026-02-30.
            self._fault(node, f"'{node.value}' cannot be read: {error}")
            return node.value

    def _fault(self, node: Node, message: str) -> None:
        self._faults.append(Fault(str(self._path), _line(node), message))


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def line_of(value: Any, location: Sequence[Any]) -> int:
    """Return the line of the deepest part of `location` (keys and indexes) that exists."""
    line = getattr(value, "line", 0)
    for part in location:
        if isinstance(value, LocatedMapping) and part in value:
            line, value = value.key_lines[part], value[part]
        elif isinstance(value, LocatedSequence) and isinstance(part, int) and part < len(value):
            line, value = value.item_lines[part], value[part]
    return line


def list_files(folders: Sequence[Path]) -> list[Path]:
    """List the YAML files of the folders that exist, sorted by name within each folder."""
    return [
        path
        for folder in folders
        if folder.is_dir()
        for path in sorted(folder.iterdir())
        if path.suffix in {".yml", ".yaml"} and not path.name.startswith(("_", "."))
    ]


def load_declarations(
    folders: Sequence[Path], model: type[Model], *, noun: str, id_field: str
) -> dict[str, Model]:
    """Load every YAML file of the search path into `model`, keyed and sorted by id.

    `noun` names the declarations in messages; `id_field` is the field that must equal the stem.
    Raises DeclarationError with the faults of all files at once.
    """
    faults: list[Fault] = []
    found: dict[str, Model] = {}
    for path in list_files(folders):
        declaration = load_file(path, model, id_field=id_field, faults=faults, found=found)
        if declaration is not None:
            found[path.stem] = declaration
    if faults:
        raise DeclarationError(noun, faults)
    return dict(sorted(found.items()))


def load_file(
    path: Path,
    model: type[Model],
    *,
    id_field: str,
    faults: list[Fault],
    found: dict[str, Model] | None = None,
    name: str | None = None,
) -> Model | None:
    """Load one file into `model`; append faults and return None if it does not fit.

    `name` is the id expected, by default the file's stem; `found` are those already loaded.
    """
    name = name or path.stem
    data = read_yaml(path, faults)
    if data is None:
        return None
    replaces = data.pop("replaces", False)
    if found is not None and name in found and replaces is not True:
        faults.append(
            Fault(
                str(path),
                1,
                f"'{name}' is already declared by the product; say 'replaces: true' to replace it",
            )
        )
    if data.get(id_field) != name:
        faults.append(
            Fault(
                str(path),
                line_of(data, [id_field]),
                f"'{id_field}' is {data.get(id_field)!r} but must equal the file's name '{name}'",
            )
        )
    try:
        return model.model_validate(data)
    except ValidationError as error:
        for item in error.errors():
            faults.append(_fault(path, data, model, item))
        return None


def _fault(path: Path, data: LocatedMapping, model: type[BaseModel], item: Any) -> Fault:
    location = item["loc"]
    where = ".".join(str(part) for part in location)
    message = item["msg"]
    if item["type"] == "extra_forbidden":
        message = f"unknown key{suggest(str(location[-1]), _fields(model, location[:-1]))}"
    elif item["type"] == "missing":
        message = "is required but missing"
    return Fault(str(path), line_of(data, location), f"{where}: {message}" if where else message)


def _fields(model: Any, location: Sequence[Any]) -> set[str]:
    """Names allowed at `location` inside `model`, as far as the annotations tell."""
    for part in location:
        field = getattr(model, "model_fields", {}).get(part)
        if field is not None:
            model = field.annotation
        for candidate in _models_in(model):
            model = candidate
            break
    names: set[str] = set()
    for name, field in getattr(model, "model_fields", {}).items():
        names.add(field.alias or name)
    return names


def _models_in(annotation: Any) -> list[Any]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in getattr(annotation, "__args__", ()) for found in _models_in(part)]
