"""Commands about cubes: check, list, describe, query, rows."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from pipelines.command_line.answer_output import (
    AnswerFormat,
    AnswerFormatOption,
    OutputOption,
    format_for,
    say_rows_were_cut,
)
from pipelines.command_line.chosen_database import (
    DatabaseOption,
    DefinitionsOption,
    ScopeOption,
    catalogue_of,
    chosen_database,
    folders_of,
    known_warehouse,
)
from pipelines.command_line.cube_question import CubeQuestion
from pipelines.command_line.output import (
    Format,
    FormatOption,
    LanguageOption,
    language_of,
    open_installation,
    print_json,
    print_table,
    print_text,
)

cube = typer.Typer(name="cube", help="立方体 / cubes", no_args_is_help=True)

_TOTALS = ("none", "grand", "all")


def add_to(application: typer.Typer) -> None:
    """Add the commands of this module."""
    application.add_typer(cube)


@cube.callback()
def choose_database(
    context: typer.Context,
    db: DatabaseOption = None,
    definitions: DefinitionsOption = None,
) -> None:
    """立方体：检查、列出、描述、查询、下钻到明细 / cubes: check, list, describe, query, rows.

    例 / examples: huiyin cube query cases --measures complaints --period 2026-03

    huiyin cube --db shop.duckdb --definitions my_cubes query orders --measures amount
    """
    context.meta["db"] = db
    context.meta["definitions"] = definitions


@cube.command("check")
def cube_check(
    context: typer.Context,
    output: FormatOption = Format.text,
    language: LanguageOption = None,
) -> None:
    """检查声明，并对照数据库检查表、列和维度键 / check declarations against the database.

    例 / example: huiyin cube --db shop.duckdb --definitions my_cubes check
    """
    from cubes.catalogue import check_catalogue, read_catalogue
    from cubes.errors import DeclarationError, SnapshotError

    installation = open_installation(context)
    chosen = language_of(installation, language)
    catalogue, faults = read_catalogue(folders_of(context, installation))
    with ExitStack() as held:
        try:
            database = held.enter_context(chosen_database(context, catalogue))
        except SnapshotError:
            if faults:
                raise DeclarationError("cube", faults) from None
            raise
        check_catalogue(catalogue, database.connection, faults=faults)
        found = {
            "cubes": len(database.catalogue.cubes),
            "dimensions": len(database.catalogue.dimensions),
            "queries": len(database.catalogue.queries),
            "snapshot": database.tag,
        }
    if output is Format.json:
        print_json(found)
    elif chosen == "zh":
        print_text(
            f"{found['cubes']} 个立方体、{found['dimensions']} 个维度、{found['queries']} 个命名"
            "查询与数据库相符；维度的键没有重复。"
        )
    else:
        print_text(
            f"{found['cubes']} cubes, {found['dimensions']} dimensions and {found['queries']} "
            "named queries fit the database; no dimension repeats a key."
        )


@cube.command("list")
def cube_list(
    context: typer.Context,
    output: FormatOption = Format.text,
    language: LanguageOption = None,
) -> None:
    """列出立方体 / list the cubes.

    例 / example: huiyin cube list
    """
    installation = open_installation(context)
    chosen = language_of(installation, language)
    catalogue = catalogue_of(context, installation)
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
    from cubes.catalogue import describe_cube

    installation = open_installation(context)
    chosen = language_of(installation, language)
    with known_warehouse(context) as warehouse:
        description = describe_cube(
            catalogue_of(context, installation), name, language=chosen, warehouse=warehouse
        )
    if output is Format.json:
        print_json(description)
        return
    chinese = chosen == "zh"
    yes = "是" if chinese else "yes"
    print_text(f"{description['label']} ({name}): {description['description']}")
    print_table(
        "度量" if chinese else "Measures",
        ["名称", "标签", "定义", "说明"] if chinese else ["name", "label", "definition", "meaning"],
        [
            [m["name"], m["label"], m["definition"], m["description"]]
            for m in description["measures"]
        ],
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


class _WithBareTotals(TyperCommand):
    """Lets `--totals` stand without a word, which means all of them."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        given: list[str] = []
        for index, text in enumerate(args):
            given.append(text)
            if text == "--totals" and (index + 1 == len(args) or args[index + 1] not in _TOTALS):
                given.append("all")
        return super().parse_args(ctx, given)


CutOption = Annotated[
    list[str] | None,
    typer.Option(
        help="切片 / slice: org=四川/成都, org=#SC06 (编号 / an id), kind=complaint,report, "
        "created=2026-01..2026-03; "
        "逗号分隔多个成员，\\, 为逗号本身，空为空成员 / members by commas, \\, for a comma itself, "
        "nothing for the null member"
    ),
]
PeriodOption = Annotated[
    str | None,
    typer.Option(help="2026-03 | 2026-03-01..2026-03-30 | last 7 days | month (至今 / to date)"),
]
TimeOption = Annotated[str | None, typer.Option(help="时间角色 / time role")]
OrderOption = Annotated[str | None, typer.Option(help="排序 / order: -complaints")]
LimitOption = Annotated[int | None, typer.Option(min=1, help="行数 / rows")]


@cube.command("query", cls=_WithBareTotals)
def cube_query(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="立方体 / cube")],
    measures: Annotated[str, typer.Option(help="度量，逗号分隔 / measures, comma-separated")],
    by: Annotated[str, typer.Option(help="分组：级或维度，逗号分隔 / levels or dimensions")] = "",
    cut: CutOption = None,
    period: PeriodOption = None,
    time: TimeOption = None,
    compare: Annotated[
        str | None,
        typer.Option(
            help="previous | same_weekday | same_working_day | month | year | "
            "lunar_year (春节等对齐 / festivals aligned)"
        ),
    ] = None,
    totals: Annotated[
        str,
        typer.Option(help="none | grand | all；只写 --totals 即 all / alone it means all"),
    ] = "none",
    fill: Annotated[
        str | None, typer.Option(help="zero: 无数据的日期补零 / zero for dates without rows | none")
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
    order: OrderOption = None,
    limit: LimitOption = None,
    scope: ScopeOption = None,
    show_sql: Annotated[bool, typer.Option("--sql", help="显示 SQL / show the SQL")] = False,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="说明口径、来源、由哪些成员引起变化（table | json）/ tell definitions, source and "
            "what moved it (table | json)",
        ),
    ] = False,
    output: AnswerFormatOption = AnswerFormat.table,
    file: OutputOption = None,
    language: LanguageOption = None,
) -> None:
    """查询一个立方体：切片、切块、下钻、合计、比较 / slice, dice, drill, totals, compare.

    例 / example: huiyin cube query cases --measures complaints,reply_on_time_rate
    --by org.prefecture --period 2026-03 --totals grand --compare year

    --as-was: 单位等按每条事实当天（--time 所指）的样子，默认按今天的 / each fact counts where its
    unit stood at the fact's date (of --time), by default where it stands today
    """
    from cubes.question import CubeQuery

    installation = open_installation(context)
    chosen = language_of(installation, language)
    query = CubeQuery.from_mapping(
        {
            "cube": name,
            "measures": split(measures),
            "by": split(by),
            "cuts": _cuts(cut or []),
            "period": period,
            "time": time,
            "compare": compare,
            "totals": totals,
            "fill": fill,
            "keys": keys,
            "as_was": as_was,
            "order": split(order or ""),
            "limit": limit,
        }
    )
    with chosen_database(context) as database:
        question = CubeQuestion(database, query, database.scope(scope), installation.now(), chosen)
        if explain:
            question.explain(format_for(output, file), file)
        else:
            question.show(format_for(output, file), file, show_sql=show_sql)


@cube.command("rows")
def cube_rows(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="立方体 / cube")],
    measures: Annotated[str, typer.Option(help="度量，逗号分隔 / measures, comma-separated")],
    cut: CutOption = None,
    period: PeriodOption = None,
    time: TimeOption = None,
    columns: Annotated[str, typer.Option(help="列，逗号分隔 / columns, comma-separated")] = "",
    order: OrderOption = None,
    limit: LimitOption = 100,
    scope: ScopeOption = None,
    output: AnswerFormatOption = AnswerFormat.table,
    file: OutputOption = None,
    language: LanguageOption = None,
) -> None:
    """数字背后的明细：哪些行被计入 / the rows behind a figure.

    例 / example: huiyin cube rows cases --measures overdue_cases --cut org=四川/绵阳
    --columns case_no,org_unit,kind_label,created_at_local,due_on --order due_on
    """
    from cubes.question import CubeQuery

    installation = open_installation(context)
    chosen = language_of(installation, language)
    query = CubeQuery.from_mapping(
        {
            "cube": name,
            "measures": split(measures),
            "cuts": _cuts(cut or []),
            "period": period,
            "time": time,
            "order": split(order or ""),
            "limit": limit,
        }
    )
    with chosen_database(context) as database:
        question = CubeQuestion(database, query, database.scope(scope), installation.now(), chosen)
        result = question.show_rows(split(columns), format_for(output, file), file)
    say_rows_were_cut(len(result.rows), limit, chosen)


def split(text: str) -> list[str]:
    """The parts of a list written with commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def pair(text: str) -> tuple[str, str]:
    """A name and its value; raises BadParameter for what is no pair."""
    name, separator, value = text.partition("=")
    if not separator:
        raise typer.BadParameter(f"{text!r}: name=value")
    return name.strip(), value.strip()


def _cuts(items: list[str]) -> dict[str, list[str | None]]:
    cuts: dict[str, list[str | None]] = {}
    for item in items:
        name, value = pair(item)
        if name in cuts:
            raise typer.BadParameter(
                f"{name}: 只能写一次，多个成员用逗号 / once only, members by commas",
                param_hint="--cut",
            )
        cuts[name] = [part or None for part in _members(value)]
    return cuts


def _members(text: str) -> list[str]:
    r"""The members of a cut; `\,` is a comma of a name, and other escapes stay as they are."""
    parts = [""]
    escaped = False
    for sign in text:
        if sign == "," and not escaped:
            parts.append("")
            continue
        parts[-1] += sign
        escaped = sign == "\\" and not escaped
    return [part.strip() for part in parts]
