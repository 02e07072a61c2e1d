"""The database a command about figures asks: the published snapshot, or any DuckDB file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.command_line.output import open_installation

if TYPE_CHECKING:
    import duckdb

    from cubes.catalogue import Catalogue
    from cubes.scope import Scope
    from cubes.warehouse import Warehouse
    from pipelines.installation import Installation

DatabaseOption = Annotated[
    Path | None, typer.Option("--db", help="任何 DuckDB 文件代替快照 / any DuckDB file")
]
DefinitionsOption = Annotated[
    Path | None,
    typer.Option(
        "--definitions",
        help="含 dimensions/ 和 definitions/ 的目录 / folder with dimensions/ and definitions/",
    ),
]
ScopeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--scope",
        help="只看这些单位（编号或代码）及其下级 / only these units (id or code) and those below",
    ),
]


@dataclass(frozen=True)
class ChosenDatabase:
    """What is asked: declarations, a connection, and what the file says of itself.

    `tag` names the snapshot, `information` is its published.json; both are empty for other files.
    `is_checked` says that its keys were checked before it was published.
    """

    catalogue: Catalogue
    connection: duckdb.DuckDBPyConnection
    information: dict[str, Any]
    tag: str | None
    warehouse: Warehouse
    is_checked: bool

    def require_keys(self, cube: str | None) -> None:
        """Refuse to ask a cube one of whose dimensions repeats a key; raises DeclarationError."""
        from cubes.errors import DeclarationError
        from cubes.warehouse_check import key_faults

        if cube is None or self.is_checked:
            return
        faults = key_faults(self.catalogue, self.connection, cube)
        if faults:
            raise DeclarationError("cube", faults)

    def business_date(self, cube: str | None, now: Any) -> date:
        """What relative periods end on: the snapshot's date, else the last day of the cube.

        A file that knows neither ends yesterday.
        """
        import duckdb

        from cubes.binding import Binding
        from cubes.cube import FACT
        from cubes.errors import QueryError
        from cubes.scope import Scope

        text = self.information.get("business_date")
        if text:
            return date.fromisoformat(text)
        known = None if cube is None else self.catalogue.cubes.get(cube)
        if known is not None and known.default_time and known.fact in self.warehouse.tables:
            binding = Binding(self.catalogue, self.warehouse, Scope.all(), None, "zh")
            day = binding.date_of(known, known.default_time).sql(dialect="duckdb")
            table = self.warehouse.table(known.fact, FACT).sql(dialect="duckdb")
            try:
                row = self.connection.execute(f"select max({day}) from {table}").fetchone()
            except duckdb.Error as error:
                said = str(error).splitlines()[0]
                raise QueryError(
                    zh=f"无法从时间“{known.default_time}”读出立方体“{cube}”的最后一天：{said}。"
                    "重试没有用；请在立方体的“time”里写一个日期列。",
                    en=f"The last day of cube '{cube}' could not be read from time "
                    f"'{known.default_time}': {said}. Trying again does not help; name a column "
                    "of dates in the cube's 'time'.",
                ) from error
            if row is not None and row[0] is not None:
                last: date = row[0]
                return last
        yesterday: date = now.date() - timedelta(days=1)
        return yesterday

    def scope(self, units: list[str] | None) -> Scope:
        """The scope of the units asked for; an unknown one would pass for a unit without rows."""
        from cubes.scope_choice import find_units

        return find_units(self.catalogue, self.connection, self.warehouse, units)


def folders_of(context: typer.Context, installation: Installation) -> list[Path]:
    """The folder of declarations that was named, else those of the home."""
    folder: Path | None = context.meta.get("definitions")
    return [folder] if folder is not None else installation.search_path("cubes")


def catalogue_of(context: typer.Context, installation: Installation) -> Catalogue:
    """The declarations of the folder that was named, else those of the home."""
    from cubes.catalogue import load_catalogue

    if context.meta.get("definitions") is None:
        return installation.catalogue
    return load_catalogue(folders_of(context, installation))


@contextmanager
def chosen_database(
    context: typer.Context, catalogue: Catalogue | None = None
) -> Iterator[ChosenDatabase]:
    """Open what the options of the group name, read-only and locked.

    Without a `catalogue` the declarations are loaded and must have no fault.
    """
    import duckdb

    from cubes.snapshot import LOCKED
    from cubes.warehouse import read_warehouse
    from pipelines.errors import HomeError
    from pipelines.known_file import information_of

    installation = open_installation(context)
    catalogue = catalogue or catalogue_of(context, installation)
    database: Path | None = context.meta.get("db")
    if database is None:
        with installation.snapshot() as snapshot, snapshot.cursor() as cursor:
            yield ChosenDatabase(
                catalogue,
                cursor,
                dict(snapshot.info),
                snapshot.tag,
                snapshot.warehouse,
                is_checked=True,
            )
        return
    if not database.is_file():
        raise HomeError(f"Opening {database} failed: there is no such file. Check the path.")
    try:
        connection = duckdb.connect(str(database), read_only=True, config=dict(LOCKED))
    except duckdb.Error as error:
        raise HomeError(f"Opening {database} failed: {error}. Check the path.") from error
    with connection:
        information = information_of(connection)
        yield ChosenDatabase(
            catalogue,
            connection,
            information,
            information.get("tag"),
            read_warehouse(connection),
            is_checked=False,
        )


@contextmanager
def known_warehouse(context: typer.Context) -> Iterator[Warehouse | None]:
    """What the database at hand holds, such as the names of org levels; None if there is none."""
    from cubes.errors import SnapshotError

    try:
        with chosen_database(context) as database:
            found = database.warehouse
    except SnapshotError:
        found = None
    yield found
