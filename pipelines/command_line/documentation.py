"""The command docs: what the tables of the warehouse mean, as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.command_line.output import (
    LanguageOption,
    language_of,
    open_installation,
    print_text,
)
from pipelines.progress import Steps


def add_to(application: typer.Typer) -> None:
    """Add the command of this module."""
    application.command("docs")(docs)


def docs(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="写入的目录 / folder to write into")],
    language: LanguageOption = None,
) -> None:
    """写出数据仓库的说明页：每张表、每一列、由何而来 / write what every table and column means.

    写成一个 index.html，用浏览器打开即可，不需要网络；只有名称、类型和说明，没有数据。要先构建过
    一次 / one index.html to open in a browser, without a network; names, types and descriptions,
    no data. Needs a first build.

    例 / example: huiyin docs site
    """
    from pipelines.documentation import write_documentation

    installation = open_installation(context)
    chinese = language_of(installation, language) == "zh"
    steps = Steps(installation.settings.log_format)
    with steps.step("docs"):
        page = write_documentation(installation, folder, say=steps.say)
    print_text(f"写入 {page}" if chinese else f"Written: {page}")
