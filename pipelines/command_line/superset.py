"""Commands of the analysts' tool: build its dashboards, check them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.command_line.output import (
    Format,
    FormatOption,
    LanguageOption,
    language_of,
    open_installation,
    print_error,
    print_json,
    print_text,
)
from pipelines.progress import Steps

superset = typer.Typer(
    name="superset",
    help="分析工具 Superset 的看板 / dashboards of the analysts' tool",
    no_args_is_help=True,
)


def add_to(application: typer.Typer) -> None:
    """Add the commands of this module."""
    application.add_typer(superset)


@superset.command("build")
def superset_build(context: typer.Context, language: LanguageOption = None) -> None:
    """生成看板并导入 Superset（首次发布前后都可以） / generate the dashboards and put them in.

    例 / example: huiyin superset build
    """
    from pipelines.address import read_addresses
    from pipelines.superset import ADMIN, build_superset, superset_url

    installation = open_installation(context)
    chinese = language_of(installation, language) == "zh"
    steps = Steps(installation.settings.log_format)
    with steps.step("superset build"):
        report = build_superset(installation, say=steps.say)
    url = superset_url(installation, read_addresses(installation.home))
    counted = (
        f"{report.dashboards} 个看板（中英文）、{report.charts} 张图表、{report.datasets} 个数据集"
        if chinese
        else f"{report.dashboards} dashboard(s) in two languages, {report.charts} charts, "
        f"{report.datasets} datasets"
    )
    print_text(f"{counted}: {report.folder}")
    if not report.applied:
        print_text(
            "Superset 尚未安装，看板未导入。下一步：make bi"
            if chinese
            else "Superset is not installed, so nothing was put in. Next: make bi"
        )
        return
    print_text(
        f"已导入。地址 {url}/superset/dashboard/overview/（中文）、"
        f"{url}/superset/dashboard/overview-en/（英文）\n"
        f"管理员：{ADMIN}，密码：huiyin superset password；其他人用门户的手机号和密码登录\n"
        "下一步：make up"
        if chinese
        else f"Put in. Address {url}/superset/dashboard/overview/ (Chinese), "
        f"{url}/superset/dashboard/overview-en/ (English)\n"
        f"Administrator: {ADMIN}, password: huiyin superset password; everybody else signs in "
        "with the phone and password of the portal\nNext: make up"
    )


@superset.command("password")
def superset_password(context: typer.Context) -> None:
    """打印管理员 admin 的密码 / print the password of the administrator.

    例 / example: huiyin superset password
    """
    from pipelines.superset import admin_password

    print_text(admin_password(open_installation(context)))


@superset.command("check")
def superset_check(
    context: typer.Context,
    bundle: Annotated[
        Path | None,
        typer.Option(
            help="另外检查导出的文件夹 / also check a folder exported from Superset",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    output: FormatOption = Format.text,
    language: LanguageOption = None,
) -> int:
    """检查看板→图表→数据集→立方体→数据表，拒绝自写 SQL / prove every name, refuse ad-hoc SQL.

    例 / examples: huiyin superset check; huiyin superset check --bundle dashboard_export_20260331
    """
    from pipelines.superset import check_superset

    installation = open_installation(context)
    chinese = language_of(installation, language) == "zh"
    steps = Steps(installation.settings.log_format)
    with steps.step("superset check"):
        report = check_superset(installation, exported=bundle, say=steps.say)
    if output is Format.json:
        print_json(
            {
                "counts": report.counts,
                "faults": [
                    {"file": fault.file, "line": fault.line, "message": fault.message}
                    for fault in report.faults
                ],
            }
        )
    else:
        for fault in report.faults:
            print_error(f"{fault}")
        shown = ", ".join(f"{count} {name}" for name, count in report.counts.items())
        found = len(report.faults)
        verdict = (
            ("没有问题" if chinese else "no faults")
            if not found
            else (f"{found} 个问题" if chinese else f"{found} fault(s)")
        )
        print_text(f"{shown}: {verdict}")
    return 1 if report.faults else 0
