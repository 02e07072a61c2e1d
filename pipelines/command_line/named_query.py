"""Commands about named queries: list and run."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.command_line.answer_output import (
    STREAMED,
    AnswerFormat,
    AnswerFormatOption,
    OutputOption,
    format_for,
    give,
    say_totals_are_left_out,
    write_stream,
)
from pipelines.command_line.chosen_database import (
    DatabaseOption,
    DefinitionsOption,
    ScopeOption,
    catalogue_of,
    chosen_database,
    known_warehouse,
)
from pipelines.command_line.cube import pair, split
from pipelines.command_line.output import (
    Format,
    FormatOption,
    LanguageOption,
    language_of,
    open_installation,
    print_json,
    print_table,
)

query = typer.Typer(name="query", help="命名查询 / named queries", no_args_is_help=True)


def add_to(application: typer.Typer) -> None:
    """Add the commands of this module."""
    application.add_typer(query)


@query.callback()
def choose_database_of_queries(
    context: typer.Context,
    db: DatabaseOption = None,
    definitions: DefinitionsOption = None,
) -> None:
    """命名查询：列出、执行 / named queries: list, run.

    例 / examples: huiyin query --db then.duckdb run daily_sales

    huiyin query --db shop.duckdb --definitions my_cubes run best_products
    """
    context.meta["db"] = db
    context.meta["definitions"] = definitions


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
    catalogue = catalogue_of(context, installation)
    with known_warehouse(context) as warehouse:
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
    output: AnswerFormatOption = AnswerFormat.table,
    file: OutputOption = None,
    language: LanguageOption = None,
) -> None:
    """执行一个命名查询（保存的报表），输出表格、JSON、CSV、Arrow、Excel 或 HTML。

    Run a named query (a saved report) and give it as a table, JSON, CSV, Arrow, Excel or HTML.

    例 / examples: huiyin query run daily_sales --param business_date=2026-03-30

    huiyin query run case_figures --format xlsx --output cases.xlsx
    """
    from cubes.named_query import run_named_query
    from cubes.record_stream import stream_named_records

    installation = open_installation(context)
    chosen = language_of(installation, language)
    output = format_for(output, file)
    given = dict(pair(item) for item in parameter or [])
    with chosen_database(context) as database:
        asked = database.catalogue.named_query(name)
        database.require_keys(asked.cube)
        scope_ = database.scope(scope)
        business_date = database.business_date(asked.cube, installation.now())
        if output in STREAMED and not split(by):
            if asked.totals not in (None, "none"):
                say_totals_are_left_out(chosen)
            with stream_named_records(
                database.catalogue,
                database.connection,
                name,
                given,
                scope=scope_,
                business_date=business_date,
                language=chosen,
                warehouse=database.warehouse,
            ) as stream:
                write_stream(stream, output, file)
            return
        if output in STREAMED:
            raise typer.BadParameter("--by: table | json | xlsx | html", param_hint="--format")
        result = run_named_query(
            database.catalogue,
            database.connection,
            name,
            given,
            scope=scope_,
            business_date=business_date,
            by=tuple(split(by)),
            language=chosen,
            warehouse=database.warehouse,
            snapshot=database.tag,
            limited=True,
        )
    give(result, output, file, title=asked.label.text(chosen), show_sql=False)
