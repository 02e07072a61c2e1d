"""The catalogue: all dimensions, cubes and named queries of a search path, checked together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from cubes.aggregate import shrunken_dimensions, shrunken_id, stand_in
from cubes.consistency import Consistency, file_fault
from cubes.cube import GRAINS, Cube, Measure
from cubes.declaration import list_files, load_file, suggest
from cubes.dimension import MOST_LEVELS, Dimension
from cubes.errors import DeclarationError, Fault, QueryError
from cubes.label import Label
from cubes.named_query import NamedQuery
from cubes.warehouse import Warehouse

if TYPE_CHECKING:
    import duckdb

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, eq=False)
class Catalogue:
    """What can be asked: dimensions, cubes and named queries by id, and the file of each."""

    dimensions: Mapping[str, Dimension]
    cubes: Mapping[str, Cube]
    queries: Mapping[str, NamedQuery]
    files: Mapping[tuple[str, str], Path]

    def declared_cubes(self) -> Iterator[Cube]:
        """The cubes that have a file of their own, their variants left out."""
        for name, cube in self.cubes.items():
            if self.files["definitions", name].stem == name:
                yield cube

    @cached_property
    def stand_ins(self) -> Mapping[str, Cube]:
        """The cubes over the tables of aggregates, as `<cube>@<aggregate>`."""
        found = [
            stand_in(cube, name, self.dimensions)
            for cube in self.cubes.values()
            for name in cube.aggregates
        ]
        return {cube.cube: cube for cube in found}

    def dimension(self, cube: Cube, role: str) -> Dimension:
        """The dimension a cube, or one over the table of an aggregate, has in a role."""
        name = cube.dimension_of(role)
        return self.dimensions.get(name) or self._shrunken[name]

    @cached_property
    def _shrunken(self) -> Mapping[str, Dimension]:
        return {
            shrunken_id(cube.cube, name, role): dimension
            for cube in self.cubes.values()
            for name in cube.aggregates
            for role, dimension in shrunken_dimensions(cube, name, self.dimensions).items()
        }

    def cube(self, name: str) -> Cube:
        """The cube, or QueryError with the nearest name."""
        found = self.cubes.get(name)
        if found is None:
            raise QueryError(
                zh=f"没有立方体“{name}”{suggest(name, self.cubes, 'zh')}；"
                f"现有立方体：{'、'.join(self.cubes) or '无'}。",
                en=f"There is no cube '{name}'{suggest(name, self.cubes)}; "
                f"cubes are: {', '.join(self.cubes) or 'none'}.",
            )
        return found

    def named_query(self, name: str) -> NamedQuery:
        """The named query, or QueryError with the nearest name."""
        found = self.queries.get(name)
        if found is None:
            raise QueryError(
                zh=f"没有命名查询“{name}”{suggest(name, self.queries, 'zh')}；"
                f"现有命名查询：{'、'.join(self.queries) or '无'}。",
                en=f"There is no query '{name}'{suggest(name, self.queries)}; "
                f"queries are: {', '.join(self.queries) or 'none'}.",
            )
        return found

    def measure(self, cube: Cube, name: str) -> Measure:
        """The cube's measure, or QueryError with the nearest name."""
        found = cube.measures.get(name)
        if found is None:
            raise QueryError(
                zh=f"立方体“{cube.cube}”没有度量“{name}”{suggest(name, cube.measures, 'zh')}。",
                en=f"Cube '{cube.cube}' has no measure '{name}'{suggest(name, cube.measures)}.",
            )
        return found


def shipped_folder() -> Path:
    """The product's own folder of declarations."""
    return Path(__file__).parent


def load_catalogue(folders: Sequence[Path]) -> Catalogue:
    """Load `dimensions/`, `definitions/` and `queries/` under each folder, product's first.

    Raises DeclarationError with the faults of all files and between them at once.
    """
    catalogue, faults = read_catalogue(folders)
    if faults:
        raise DeclarationError("cube", faults)
    return catalogue


def read_catalogue(folders: Sequence[Path]) -> tuple[Catalogue, list[Fault]]:
    """What loads of the folders, and the faults of all files and between them."""
    faults: list[Fault] = []
    files: dict[tuple[str, str], Path] = {}

    def load(part: str, model: type[Model], field: str) -> dict[str, Model]:
        found: dict[str, Model] = {}
        for path in list_files([folder / part for folder in folders]):
            files[part, path.stem] = path
            declared = load_file(path, model, id_field=field, faults=faults, found=found)
            if declared is not None:
                found[path.stem] = declared
        return dict(sorted(found.items()))

    for folder in folders:
        if not (folder / "definitions").is_dir() and len(folders) == 1:
            faults.append(Fault(str(folder / "definitions"), 0, "is not a folder"))

    catalogue = Catalogue(
        load("dimensions", Dimension, "dimension"),
        _with_variants(load("definitions", Cube, "cube"), files, faults),
        load("queries", NamedQuery, "query"),
        files,
    )
    faults.extend(Consistency(catalogue).faults())
    return catalogue, faults


def _with_variants(
    declared: Mapping[str, Cube], files: dict[tuple[str, str], Path], faults: list[Fault]
) -> dict[str, Cube]:
    """The cubes with their variants, whose file is that of their cube."""
    cubes = dict(declared)
    for name, cube in declared.items():
        path = files["definitions", name]
        for variant in cube.variant_cubes():
            if ("definitions", variant.cube) in files:
                message = f"there is a cube '{variant.cube}' already"
                faults.append(file_fault(path, ("variants", variant.cube), message))
            else:
                files["definitions", variant.cube] = path
                cubes[variant.cube] = variant
    return dict(sorted(cubes.items()))


def sound_part(catalogue: Catalogue, faults: Sequence[Fault]) -> Catalogue:
    """The catalogue without the files that have faults and those that need them."""
    while faults:
        faulty = {fault.file for fault in faults}
        files = {place: path for place, path in catalogue.files.items() if str(path) not in faulty}

        def kept(
            part: str, declared: Mapping[str, Model], files: Mapping[tuple[str, str], Path] = files
        ) -> dict[str, Model]:
            return {name: one for name, one in declared.items() if (part, name) in files}

        catalogue = Catalogue(
            kept("dimensions", catalogue.dimensions),
            kept("definitions", catalogue.cubes),
            kept("queries", catalogue.queries),
            files,
        )
        faults = list(Consistency(catalogue).faults())
    return catalogue


def check_catalogue(
    catalogue: Catalogue,
    connection: duckdb.DuckDBPyConnection,
    *,
    keys: bool = True,
    faults: Sequence[Fault] = (),
) -> None:
    """Check every table and column the catalogue names, that its expressions can be computed, and
    (with `keys`) unique dimension keys.

    `faults` are those its files have already; what needs none of them is checked all the same.
    Raises DeclarationError with all faults at once.
    """
    # The checks resolve names as queries do, which need the catalogue first.
    from cubes.warehouse_check import warehouse_faults

    sound = sound_part(catalogue, faults)
    found = [*faults, *warehouse_faults(sound, connection, keys=keys)]
    if found:
        raise DeclarationError("cube", found)


def describe_cube(
    catalogue: Catalogue, name: str, *, language: str = "zh", warehouse: Warehouse | None = None
) -> dict[str, Any]:
    """What a cube offers, as plain values.

    Keys: name, label, description, fact, owner, version, change_note, measures (name, label,
    definition, description, format, good, owner) and dimensions (name, label, levels, and
    has_history: whether `as_was` shows it as it was; times are among them). With a `warehouse` the
    organisation's levels appear by their own names.
    """
    cube = catalogue.cube(name)
    dimensions = []
    for role, join in cube.joins.items():
        dimension = catalogue.dimensions[cube.dimension_of(role)]
        label = join.label or dimension.label
        levels = _levels(role, dimension, warehouse)
        has_history = dimension.history is not None
        dimensions.append(
            {
                "name": role,
                "label": label.text(language),
                "levels": levels,
                "has_history": has_history,
            }
        )
    for role, inline in cube.dimensions.items():
        shown = inline.label.text(language) if inline.label else role
        dimensions.append({"name": role, "label": shown, "levels": [role], "has_history": False})
    for role, time in cube.time.items():
        shown = time.label.text(language) if time.label else role
        grains = GRAINS if time.grain == "day" else GRAINS[:3]
        levels = [f"{role}.{grain}" for grain in grains]
        dimensions.append({"name": role, "label": shown, "levels": levels, "has_history": False})
    measures = [
        {
            "name": measure_name,
            "label": measure.label.text(language) if measure.label else measure_name,
            "definition": measure.definition,
            "description": _text(measure.description, language),
            "format": measure.shown_as,
            "good": measure.good,
            "owner": measure.owner or cube.owner,
        }
        for measure_name, measure in cube.measures.items()
    ]
    return {
        "name": cube.cube,
        "label": cube.label.text(language),
        "description": _text(cube.description, language),
        "fact": cube.fact,
        "owner": cube.owner,
        "version": cube.version,
        "change_note": cube.change_note,
        "measures": measures,
        "dimensions": dimensions,
    }


def _levels(role: str, dimension: Dimension, warehouse: Warehouse | None) -> list[str]:
    names = [role]
    for hierarchy in dimension.hierarchies.values():
        if not isinstance(hierarchy.levels, str):
            names += [f"{role}.{level.name}" for level in hierarchy.levels]
        elif warehouse is not None and warehouse.org_levels:
            names += [f"{role}.{level.name}" for level in warehouse.org_levels]
        else:
            names += [f"{role}.l{number}" for number in range(1, MOST_LEVELS + 1)]
    return [*names, *(f"{role}.{attribute}" for attribute in dimension.attributes)]


def _text(value: str | Label | None, language: str) -> str:
    return value.text(language) if isinstance(value, Label) else value or ""
