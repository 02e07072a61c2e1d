"""The documentation of the models as one page that needs no network.

dbt is given databases that hold the names and types of all columns and not one row, so that the
page cannot tell a value, and neither a snapshot nor the working database is kept from a build.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from pipelines.build_manifest import parsed_by
from pipelines.dbt_run import DBT_PROJECT, run_dbt
from pipelines.errors import BuildFailedError, DocumentationError, HomeError
from pipelines.installation import Installation
from pipelines.lock import build_lock
from pipelines.scratch_folder import scratch_folder

PAGE = "index.html"
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data:; font-src data:"
)
# dbt cuts a description off after a few words.
_STYLE = (
    ".column-row td:nth-child(3) { white-space: normal !important; max-width: none !important }"
)
_TRACKER = "//d1fc8wv8zag5ca.cloudfront.net/2.9.0/sp.js"
_OF_ONE_RUN = {"invocation_id", "invocation_started_at", "run_started_at", "user_id", "project_id"}
_OF_ONE_PARSE = {"created_at", "compiled_path", "build_path", "root_path"}


def write_documentation(
    installation: Installation, folder: Path, *, say: Callable[[str], None]
) -> Path:
    """Write `index.html` into `folder`, which is made if need be, and return its path.

    The columns are those of the published snapshot and, for the steps before the marts, of the
    working database, which is read between two builds. The same models and snapshot give the same
    page. Raises SnapshotError before the first publish, HomeError where `folder` is a file,
    BuildLockedError if a build does not end in time, DocumentationError if dbt or the disk fails.
    """
    home, settings = installation.home, installation.settings
    page = folder / PAGE
    if folder.exists() and not folder.is_dir():
        raise HomeError(
            f"Writing {page} was refused: {folder} is a file. Nothing was changed. Name a folder."
        )
    with installation.snapshot() as snapshot:
        as_of = str(snapshot.info["as_of"])
        marts = _described(snapshot.cursor(), "marts")
    try:
        with scratch_folder(home.path / "documentation") as scratch:
            warehouse, work = scratch / "warehouse.duckdb", scratch / "work.duckdb"
            target = scratch / "dbt"
            _outline(marts, warehouse)
            wait = settings.build_wait_minutes * 60
            with build_lock(home.build_lock, wait_seconds=wait, say=say, doing="working"):
                _outline(_of_working_database(home.work), work)
            say("dbt")
            site_models = home.site("dbt_project/models")
            run_dbt(
                ["docs", "generate", "--no-compile"],
                warehouse=warehouse,
                work=work,
                target=target,
                site_models=site_models,
                memory_limit=settings.memory_limit,
                threads=settings.threads,
            )
            catalog = json.loads((target / "catalog.json").read_text(encoding="utf-8"))
            manifest = parsed_by(DBT_PROJECT, target, site_models)
            places = [str(target), str(scratch), str(home.path), str(DBT_PROJECT)]
            text = page_of(plain(manifest, as_of), plain(catalog, as_of), places)
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f".{PAGE}.part"
        part.write_text(text, encoding="utf-8")
        part.replace(page)
    except BuildFailedError as error:
        cause = error.__cause__ or error
        raise DocumentationError(
            f"Writing {page} failed in dbt: {cause}. Nothing was changed. Trying again does not "
            "help; correct the model named above."
        ) from error
    except (OSError, duckdb.Error) as error:
        cause_line = str(error).partition("\n")[0]
        raise DocumentationError(
            f"Writing {page} failed: {cause_line}. Nothing was changed. Trying again helps once "
            "the cause is gone (room on the disk, permission, memory)."
        ) from error
    return page


@dataclass(frozen=True)
class _Table:
    """A table or view, with its columns as a select list of typed nulls."""

    schema: str
    name: str
    is_view: bool
    columns: str


def _of_working_database(database: Path) -> list[_Table]:
    """The tables of the working database; none where it is gone, since a build makes it anew."""
    if not database.exists():
        return []
    with duckdb.connect(str(database), read_only=True) as connection:
        return _described(connection, "%")


def _described(connection: duckdb.DuckDBPyConnection, schemas: str) -> list[_Table]:
    return [_Table(*row) for row in connection.execute(_COLUMNS, [schemas]).fetchall()]


def _outline(tables: Sequence[_Table], outline: Path) -> None:
    """Write a database of these tables without rows."""
    with duckdb.connect(str(outline)) as connection:
        for table in tables:
            connection.execute(f'create schema if not exists "{table.schema}"')
            kind = "view" if table.is_view else "table"
            connection.execute(
                f'create {kind} "{table.schema}"."{table.name}" as select {table.columns} limit 0'
            )


_COLUMNS = """
select
    columns.schema_name,
    columns.table_name,
    bool_or(views.view_name is not null) as is_view,
    string_agg(
        'cast(null as ' || columns.data_type || ') as "' || columns.column_name || '"',
        ', ' order by columns.column_index
    ) as columns
from duckdb_columns() as columns
left join duckdb_views() as views
    on columns.schema_name = views.schema_name and columns.table_name = views.view_name
where columns.database_name = current_database() and not columns.internal
    and columns.schema_name like ?
group by columns.schema_name, columns.table_name
order by columns.schema_name, columns.table_name
"""


def plain(artifact: dict[str, Any], as_of: str) -> dict[str, Any]:
    """An artifact of dbt without what tells of the run, the machine or the macros of dbt itself."""
    told = {key: value for key, value in artifact["metadata"].items() if key not in _OF_ONE_RUN}
    plain = dict(artifact) | {"metadata": told | {"generated_at": as_of, "env": {}}}
    for part in ("nodes", "sources", "macros", "docs", "unit_tests"):
        found = plain.get(part, {})
        plain[part] = {
            name: _in_both_languages(
                {key: value for key, value in one.items() if key not in _OF_ONE_PARSE}
            )
            for name, one in sorted(found.items())
            if part not in {"macros", "docs"} or one["package_name"] != "dbt"
        }
    if "macros" in artifact:
        project = told["project_name"]
        plain["macros"] = {
            name: one for name, one in plain["macros"].items() if one["package_name"] == project
        }
    return plain


def _in_both_languages(node: dict[str, Any]) -> dict[str, Any]:
    """A node whose Chinese sentence follows the English one; the page shows what stands in `meta`
    in a line that is cut off."""
    meta = dict(node.get("meta") or {})
    chinese = meta.pop("zh", None)
    if chinese is None:
        return node
    told = f"{node['description'].strip()}\n\n{chinese}"
    return node | {"description": told, "meta": meta, "config": node["config"] | {"meta": meta}}


def page_of(manifest: dict[str, Any], catalog: dict[str, Any], places: list[str]) -> str:
    """dbt's page with both artifacts in it, forbidden to load anything from elsewhere.

    `places` of this machine are taken out of every text, the longer ones first.
    """
    from dbt.task.docs import DOCS_INDEX_FILE_PATH

    text = Path(DOCS_INDEX_FILE_PATH).read_text(encoding="utf-8")
    text = text.replace(_TRACKER, "")
    for mark, artifact in (("MANIFEST", manifest), ("CATALOG", catalog)):
        place = f'"{mark}.JSON INLINE DATA"'
        if text.count(place) != 1:
            raise DocumentationError(
                f"Writing the documentation failed: the page of this version of dbt has no place "
                f"{place}. Nothing was changed. Trying again does not help; install the versions "
                "of uv.lock."
            )
        text = text.replace(place, _embedded(artifact, places))
    policy = f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    return text.replace("<head>", f"<head>{policy}<style>{_STYLE}</style>", 1)


def _embedded(artifact: dict[str, Any], places: list[str]) -> str:
    """JSON that may stand within a script."""
    text = "".join(_encoded(artifact))
    for place in places:
        text = text.replace(f"{place}/", "").replace(place, "")
    return text.replace("</", "<\\/").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _encoded(artifact: dict[str, Any]) -> Iterator[str]:
    encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str)
    return encoder.iterencode(artifact)
