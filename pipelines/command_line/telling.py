"""Commands about telling: tick, dispatch, message list and explain."""

from __future__ import annotations

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
    vars_of,
)
from pipelines.installation import Installation

message = typer.Typer(name="message", help="消息 / messages", no_args_is_help=True)


def add_to(application: typer.Typer) -> None:
    """Add the commands of this module."""
    application.command()(tick)
    application.command()(dispatch)
    application.add_typer(message)


def tick(context: typer.Context, output: FormatOption = Format.text) -> int:
    """把到时的短信包和告警放入发件箱 / plan the digests and alerts that are due.

    例 / example: huiyin tick
    """
    return plan(open_installation(context), output)


def plan(installation: Installation, output: Format) -> int:
    """Plan what is due and print it; 1 if a digest or rule could not be computed."""
    from pipelines.telling import tell

    told = tell(installation)
    errors = told.report.errors
    if output is Format.json:
        print_json({"messages": told.messages, "digests": told.report.reasons(), "errors": errors})
    else:
        print_text(f"{told.messages} 条消息入发件箱 / messages queued")
    for error in errors:
        print_error(error)
    return 1 if errors else 0


def dispatch(
    context: typer.Context,
    until_empty: Annotated[
        bool, typer.Option("--until-empty", help="发完即止 / stop when the outbox is empty")
    ] = False,
    output: FormatOption = Format.text,
) -> None:
    """发送发件箱里的消息（独立进程） / send what the outbox holds, as a process of its own.

    不加 --until-empty 则一直发送，直到收到终止信号 / without --until-empty it goes on until it is
    told to end. 例 / example: huiyin dispatch --until-empty
    """
    from pipelines.telling import send

    installation = open_installation(context)
    if not until_empty:
        from pipelines.command_line.interrupt import told_to_end
        from pipelines.sending import keep_sending

        keep_sending(installation, told_to_end(), print_error)
        return
    report = send(installation, until_empty=True)
    counts = {name: count for name, count in vars_of(report).items() if count}
    if output is Format.json:
        print_json(vars_of(report))
    else:
        shown = ", ".join(f"{name} {count}" for name, count in counts.items())
        print_text(shown or "没有要发的消息 / nothing to send")


@message.command("list")
def message_list(
    context: typer.Context,
    output: FormatOption = Format.text,
    language: LanguageOption = None,
) -> None:
    """列出消息（不含号码） / list the messages, without numbers.

    例 / example: huiyin message list
    """
    from pipelines.telling import messages_of

    installation = open_installation(context)
    chinese = language_of(installation, language) == "zh"
    rows = messages_of(installation)
    if output is Format.json:
        print_json(rows)
        return
    if not rows:
        print_text("还没有消息。" if chinese else "No messages yet.")
    for row in rows:
        segments = f"{row['segments']} 段" if chinese else f"{row['segments']} segments"
        print_text(
            f"{row['message_id']}  {row['subject_id']}  {row['account_id']}  "
            f"{row['state']}  {segments}"
        )
        print_text("  " + row["text"].replace("\n", "\n  ") + "\n")


@message.command("explain")
def message_explain(
    context: typer.Context, identity: Annotated[str, typer.Argument(help="编号 / message id")]
) -> None:
    """说明一条消息的来由和每次发送 / explain one message and every attempt.

    例 / example: huiyin message explain 0f3c…
    """
    from notifications.explain import explain_message
    from notifications.store import reading
    from pipelines.telling import operations

    with operations(open_installation(context)) as engine, reading(engine) as connection:
        print_json(vars_of(explain_message(connection, identity)))
