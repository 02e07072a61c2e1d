"""Commands about figures: cube list, describe, query, and named queries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.command_line.output import (
    Format,
    FormatOption,
    LanguageOption,
    language_of,
    open_installation,
    print_json,
    print_table,
    print_text,
    wide_console,
)

if TYPE_CHECKING:
    import duckdb

    from cubes.catalogue import Catalogue
    from cubes.warehouse import Warehouse
    from pipelines.installation import Installation

cube = typer.Typer(name="cube", help="立方体 / cubes", no_args_is_help=True)
query = typer.Typer(name="query", help="命名查询 / named queries", no_args_is_help=True)

ScopeOption = Annotated[
    list[str] | None,
    typer.Option("--scope", help="只看这些单位及其下级 / only these units and those below"),
]


def add_to(application: typer.Typer) -> None:
    """Add the commands of this module."""
    application.add_typer(cube)
    application.add_typer(query)


DatabaseOption = Annotated[
    Path | None, typer.Option("--db", help="任何 DuckDB 文件代替快照 / any DuckDB file")
]


@query.callback()
def choose_database_of_queries(context: typer.Context, db: DatabaseOption = None) -> None:
    """命名查询：列出、执行 / named queries: list, run.

    例 / example: huiyin query --db then.duckdb run daily_sales
    """
    context.meta["db"] = db


@cube.callback()
def choose_database(
    context: typer.Context,
    db: DatabaseOption = None,
    definitions: Annotated[
        Path | None,
        typer.Option(
            help="含 dimensions/ 和 definitions/ 的目录 / folder with dimensions/ and definitions/"
        ),
    ] = None,
) -> None:
    """立方体：列出、描述、查询 / cubes: list, describe, query.

    例 / example: huiyin cube --db then.duckdb query cases --measures complaints
    """
    context.meta["db"] = db
    context.meta["definitions"] = definitions


@contextmanager
def _opened(
    context: typer.Context,
) -> Iterator[tuple[Catalogue, duckdb.DuckDBPyConnection, dict[str, Any], str | None]]:
    """The catalogue, a connection, what was published, and the snapshot's tag."""
    import duckdb

    from cubes.catalogue import load_catalogue
    from cubes.snapshot import LOCKED
    from pipelines.errors import HomeError
    from pipelines.known_file import information_of

    installation = open_installation(context)
    folder: Path | None = context.meta.get("definitions")
    catalogue = load_catalogue([folder]) if folder is not None else installation.catalogue
    database: Path | None = context.meta.get("db")
    if database is None:
        with installation.snapshot() as snapshot:
            yield catalogue, snapshot.cursor(), dict(snapshot.info), snapshot.tag
        return
    try:
        connection = duckdb.connect(str(database), read_only=True, config=dict(LOCKED))
    except duckdb.Error as error:
        raise HomeError(f"Opening {database} failed: {error}. Check the path.") from error
    with connection:
        information = information_of(connection)
        yield catalogue, connection, information, information.get("tag")


@contextmanager
def _warehouse(context: typer.Context, installation: Installation) -> Iterator[Warehouse | None]:
    """What the database at hand holds, such as the names of org levels; None if there is none."""
    from cubes.errors import SnapshotError
    from cubes.warehouse import read_warehouse

    try:
        with _opened(context) as (_, connection, _, _):
            found = read_warehouse(connection)
    except SnapshotError:
        found = None
    yield found


@cube.command("list")
def cube_list(
    context: typer.Context,
    output: FormatOption = Format.text,
    language: LanguageOption = None,
) -> None:
    """列出立方体 / list the cubes.

    例 / example: huiyin cube list
    """
    from cubes.catalogue import load_catalogue

    installation = open_installation(context)
    chosen = language_of(installation, language)
    folder: Path | None = context.meta.get("definitions")
    catalogue = load_catalogue([folder]) if folder is not None else installation.catalogue
    rows = [
        {
            "cube": name,
            "label": getattr(item.label, chosen),
            "measures": sorted(item.measures),
            "fact": item.fact,
        }
        for name, item in catalogue.cubes.items()
    ]
    if output is Format.json:
        print_json(rows)
        return
    chinese = chosen == "zh"
    print_table(
        "",
        ["立方体", "名称", "度量"] if chinese else ["cube", "label", "measures"],
        [[row["cube"], row["label"], ", ".join(row["measures"])] for row in rows],
        empty="没有立方体。" if chinese else "No cubes.",
    )


@cube.command("describe")
def cube_describe(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="立方体 / cube")],
    output: FormatOption = Format.text,
    language: LanguageOption = None,
) -> None:
    """描述一个立方体的维度和度量 / describe a cube's dimensions and measures.

    例 / example: huiyin cube describe cases
    """
    from cubes.catalogue import describe_cube, load_catalogue

    installation = open_installation(context)
    chosen = language_of(installation, language)
    folder: Path | None = context.meta.get("definitions")
    catalogue = load_catalogue([folder]) if folder is not None else installation.catalogue
    with _warehouse(context, installation) as warehouse:
        description = describe_cube(catalogue, name, language=chosen, warehouse=warehouse)
    if output is Format.json:
        print_json(description)
        return
    chinese = chosen == "zh"
    yes = "是" if chinese else "yes"
    print_text(f"{description['label']} ({name}): {description['description']}")
    print_table(
        "度量" if chinese else "Measures",
        ["名称", "标签", "定义"] if chinese else ["name", "label", "definition"],
        [[m["name"], m["label"], m["definition"]] for m in description["measures"]],
        empty="-",
    )
    print_table(
        "维度" if chinese else "Dimensions",
        (
            ["名称", "标签", "级", "有历史"]
            if chinese
            else ["name", "label", "levels", "has history"]
        ),
        [
            [d["name"], d["label"], ", ".join(d["levels"]), yes if d["has_history"] else ""]
            for d in description["dimensions"]
        ],
        empty="-",
    )


@cube.command("query")
def cube_query(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="立方体 / cube")],
    measures: Annotated[str, typer.Option(help="度量，逗号分隔 / measures, comma-separated")],
    by: Annotated[str, typer.Option(help="分组：级或维度，逗号分隔 / levels or dimensions")] = "",
    cut: Annotated[
        list[str] | None,
        typer.Option(help="切片 / slice: org=四川/成都, kind=complaint|report"),
    ] = None,
    period: Annotated[
        str | None, typer.Option(help="2026-03 | 2026-03-01..2026-03-30 | last 7 days")
    ] = None,
    time: Annotated[str | None, typer.Option(help="时间角色 / time role")] = None,
    compare: Annotated[str | None, typer.Option(help="previous | same_weekday | year")] = None,
    totals: Annotated[str, typer.Option(help="none | grand | all")] = "none",
    fill: Annotated[
        str | None, typer.Option(help="zero: 无数据的日期补零 / zero for dates without rows")
    ] = None,
    keys: Annotated[
        bool, typer.Option("--keys", help="带单位编号 / with the ids of units")
    ] = False,
    as_was: Annotated[
        bool,
        typer.Option(
            "--as-was",
            help="按当时的组织、客户、分类 / units, customers, categories as they were then",
        ),
    ] = False,
    order: Annotated[str | None, typer.Option(help="排序 / order: -complaints")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="行数 / rows")] = None,
    scope: ScopeOption = None,
    show_sql: Annotated[bool, typer.Option("--sql", help="显示 SQL / show the SQL")] = False,
    output: FormatOption = Format.text,
    language: LanguageOption = None,
) -> None:
    """查询一个立方体：切片、切块、下钻、合计 / slice, dice, drill, totals.

    例 / example: huiyin cube query cases --measures complaints,reply_on_time_rate
    --by org.prefecture --period 2026-03 --totals grand

    --as-was: 单位等按每条事实当天（--time 所指）的样子，默认按今天的 / each fact counts where its
    unit stood at the fact's date (of --time), by default where it stands today
    """
    from cubes.query import CubeQuery, run_query

    mapping = _without_none(
        {
            "cube": name,
            "measures": _split(measures),
            "by": _split(by),
            "cuts": _cuts(cut or []),
            "period": period,
            "time": time,
            "compare": compare,
            "totals": totals,
            "fill": fill,
            "keys": keys,
            "as_was": as_was,
            "order": _split(order or ""),
            "limit": limit,
        }
    )
    installation = open_installation(context)
    chosen = language_of(installation, language)
    with _opened(context) as (catalogue, connection, information, tag):
        result = run_query(
            catalogue,
            connection,
            CubeQuery.from_mapping(mapping),
            scope=_scope(scope, None if tag is None else connection),
            business_date=_business_date(information, installation.now()),
            language=chosen,
            snapshot=tag,
        )
    _print_result(result, output, chosen, show_sql)


@query.command("list")
def query_list(
    context: typer.Context,
    output: FormatOption = Format.text,
    language: LanguageOption = None,
) -> None:
    """列出命名查询 / list the named queries.

    例 / example: huiyin query list
    """
    from cubes.answer import answer_columns
    from cubes.warehouse import Warehouse

    installation = open_installation(context)
    chosen = language_of(installation, language)
    catalogue = installation.catalogue
    with _warehouse(context, installation) as warehouse:
        rows = [
            {
                "query": name,
                "label": getattr(item.label, chosen),
                "cube": item.cube,
                "signature": item.signature(),
                "parameters": {key: parameter.type for key, parameter in item.parameters.items()},
                "columns": [
                    {"name": column.name, "label": column.label}
                    for column in answer_columns(
                        catalogue,
                        item,
                        warehouse=warehouse or Warehouse("marts", {}, ()),
                        business_date=installation.now().date(),
                        language=chosen,
                    )
                ],
                "permission": item.permission,
                "limits": item.limits.model_dump(),
            }
            for name, item in catalogue.queries.items()
        ]
    if output is Format.json:
        print_json(rows)
        return
    chinese = chosen == "zh"
    print_table(
        "",
        ["查询与参数", "名称", "列"] if chinese else ["query", "label", "columns"],
        [[r["signature"], r["label"], ", ".join(c["name"] for c in r["columns"])] for r in rows],
        empty="没有命名查询。" if chinese else "No named queries.",
    )


@query.command("run")
def query_run(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="命名查询 / named query")],
    parameter: Annotated[
        list[str] | None, typer.Option("--param", help="参数 / name=value")
    ] = None,
    by: Annotated[str, typer.Option(help="分组 / levels or dimensions")] = "",
    scope: ScopeOption = None,
    output: FormatOption = Format.text,
    language: LanguageOption = None,
) -> None:
    """执行一个命名查询 / run a named query.

    例 / example: huiyin query run daily_sales --param business_date=2026-03-30
    """
    from cubes.named_query import run_named_query

    installation = open_installation(context)
    chosen = language_of(installation, language)
    with _opened(context) as (catalogue, connection, information, tag):
        result = run_named_query(
            catalogue,
            connection,
            name,
            dict(_pair(item) for item in parameter or []),
            scope=_scope(scope, None if tag is None else connection),
            business_date=_business_date(information, installation.now()),
            by=tuple(_split(by)),
            language=chosen,
            snapshot=tag,
            limited=True,
        )
    _print_result(result, output, chosen, show_sql=False)


def _print_result(result: Any, output: Format, language: str, show_sql: bool) -> None:
    from cubes.table import render_table

    if output is Format.json:
        print_text(result.to_json())
        return
    console = wide_console()
    console.print(render_table(result, language=language))
    if show_sql:
        console.print(result.sql, markup=False, highlight=False, soft_wrap=True)


def _scope(units: list[str] | None, snapshot: duckdb.DuckDBPyConnection | None) -> Any:
    """The scope of the units asked for; an unknown one would pass for a unit without figures."""
    from cubes.scope import Scope

    if snapshot is not None:
        for unit in units or []:
            known = snapshot.execute(
                "select 1 from marts.dim_org where org_unit_id = ?", [unit]
            ).fetchone()
            if known is None:
                message = f"{unit!r}: 没有这个单位 / no such unit"
                raise typer.BadParameter(message, param_hint="--scope")
    return Scope.units(units) if units else Scope.all()


def _business_date(information: dict[str, Any], now: Any) -> Any:
    from datetime import date, timedelta

    text = information.get("business_date")
    return date.fromisoformat(text) if text else now.date() - timedelta(days=1)


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise typer.BadParameter(f"{text!r}: name=value")
    return name.strip(), value.strip()


def _cuts(items: list[str]) -> dict[str, Any]:
    cuts: dict[str, Any] = {}
    for item in items:
        name, value = _pair(item)
        cuts[name] = value.split("|") if "|" in value else value
    return cuts


def _without_none(mapping: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if value is not None}
