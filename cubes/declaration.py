"""YAML declarations: found by listing folders, checked by a model, every fault with file and line.

A declaration folder is a search path: the product's folder first, then the installation's
(`$HUIYIN_HOME/site/<same path>`). The id is the file's stem. The same id in a later folder is a
fault unless that file says `replaces: true`. Files whose name starts with `_` are skipped.
"""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from cubes.errors import DeclarationError, Fault

Model = TypeVar("Model", bound=BaseModel)

_BASE_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


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


def suggest(name: str, known: Iterable[str]) -> str:
    """Return " (did you mean 'x'?)" for the nearest known name, or an empty string."""
    nearest = difflib.get_close_matches(str(name), sorted(known), n=1, cutoff=0.6)
    return f" (did you mean '{nearest[0]}'?)" if nearest else ""


def read_yaml(path: Path, faults: list[Fault]) -> LocatedMapping | None:
    """Read one YAML file into located values; append faults and return None if it is unusable."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        faults.append(Fault(str(path), 0, f"cannot be read as UTF-8 text: {error}"))
        return None
    try:
        loader = _BASE_LOADER(text)
        try:
            node = loader.get_single_node()
            value = None if node is None else _located(loader, node, path, faults)
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 0
        problem = getattr(error, "problem", None) or str(error)
        faults.append(Fault(str(path), line, f"is not valid YAML: {problem}"))
        return None
    if not isinstance(value, LocatedMapping):
        faults.append(Fault(str(path), 1, "must be a mapping of keys to values"))
        return None
    return value


def _located(loader: Any, node: Node, path: Path, faults: list[Fault]) -> Any:
    line = node.start_mark.line + 1
    if isinstance(node, MappingNode):
        mapping = LocatedMapping(line)
        for key_node, value_node in node.value:
            key = loader.construct_object(key_node, deep=True)
            if isinstance(key, bool):
                # YAML 1.1 reads the key `on` as true; a key is always the word that was written.
                key = key_node.value
            key_line = key_node.start_mark.line + 1
            if not isinstance(key, Hashable):
                faults.append(Fault(str(path), key_line, "a key must be a plain value"))
                continue
            if key in mapping:
                faults.append(Fault(str(path), key_line, f"'{key}' stands twice"))
            mapping[key] = _located(loader, value_node, path, faults)
            mapping.key_lines[key] = key_line
        return mapping
    if isinstance(node, SequenceNode):
        sequence = LocatedSequence(line)
        for item in node.value:
            sequence.append(_located(loader, item, path, faults))
            sequence.item_lines.append(item.start_mark.line + 1)
        return sequence
    assert isinstance(node, ScalarNode)
    return loader.construct_object(node, deep=True)


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
) -> Model | None:
    """Load one file into `model`; append faults and return None if it does not fit."""
    data = read_yaml(path, faults)
    if data is None:
        return None
    replaces = data.pop("replaces", False)
    if found is not None and path.stem in found and replaces is not True:
        faults.append(
            Fault(
                str(path),
                1,
                f"'{path.stem}' is already declared by the product; "
                "say 'replaces: true' to replace it",
            )
        )
    if data.get(id_field) != path.stem:
        faults.append(
            Fault(
                str(path),
                line_of(data, [id_field]),
                f"'{id_field}' is {data.get(id_field)!r} but must equal the file's name "
                f"'{path.stem}'",
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
