"""The command tree and its global options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.command_line.account import add_to as add_accounts
from pipelines.command_line.calendar import add_to as add_calendars
from pipelines.command_line.client import add_to as add_client
from pipelines.command_line.contract import add_to as add_contracts
from pipelines.command_line.cube import add_to as add_cubes
from pipelines.command_line.data import add_to as add_data
from pipelines.command_line.delivery import add_to as add_deliveries
from pipelines.command_line.demo import add_to as add_demo
from pipelines.command_line.documentation import add_to as add_documentation
from pipelines.command_line.exchange import add_to as add_exchange
from pipelines.command_line.named_query import add_to as add_queries
from pipelines.command_line.process import add_to as add_processes
from pipelines.command_line.quarantine import add_to as add_quarantine
from pipelines.command_line.sla import add_to as add_sla
from pipelines.command_line.superset import add_to as add_superset
from pipelines.command_line.telling import add_to as add_telling

application = typer.Typer(
    name="huiyin",
    help=(
        "回音：反馈数据仓库。从各系统的原始数据到立方体、短信包和告警。\n\n"
        "Huiyin: a feedback warehouse, from raw extracts to cubes, digests and alerts."
    ),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@application.callback()
def choose_home(
    context: typer.Context,
    home: Annotated[
        Path | None,
        typer.Option(help="主目录（代替 HUIYIN_HOME） / home directory instead of HUIYIN_HOME"),
    ] = None,
) -> None:
    """Keep the global options for the commands."""
    context.obj = home


add_demo(application)
add_data(application)
add_contracts(application)
add_deliveries(application)
add_quarantine(application)
add_exchange(application)
add_cubes(application)
add_queries(application)
add_calendars(application)
add_sla(application)
add_telling(application)
add_accounts(application)
add_client(application)
add_processes(application)
add_superset(application)
add_documentation(application)
