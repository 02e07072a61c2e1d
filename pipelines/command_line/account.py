"""Commands about accounts: list them, and give one a new initial password."""

from __future__ import annotations

from typing import Annotated, Any

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
)
from pipelines.installation import Installation

account = typer.Typer(name="account", help="账号 / accounts", no_args_is_help=True)

_HEADINGS = {
    "zh": ["账号", "岗位", "单位", "状态", "密码", "短信"],
    "en": ["account", "position", "units", "status", "password", "message"],
}
_PASSWORDS = {
    "initial": {"zh": "初始", "en": "initial"},
    "chosen": {"zh": "已自设", "en": "chosen"},
    None: {"zh": "没有", "en": "none"},
}


def add_to(application: typer.Typer) -> None:
    """Add the commands of this module."""
    application.add_typer(account)


def accounts_of(installation: Installation) -> list[dict[str, Any]]:
    """Every account with its units, its password's kind and the state of its last invitation."""
    import sqlalchemy as sa

    from notifications.outbox import message_id
    from notifications.schema import account as accounts
    from notifications.schema import credential, message, role_assignment
    from notifications.store import reading
    from pipelines.telling import operations

    with operations(installation) as engine, reading(engine) as connection:
        units: dict[str, list[str]] = {}
        for row in connection.execute(
            sa.select(role_assignment).order_by(role_assignment.c.unit_id)
        ):
            units.setdefault(row.account_id, []).append(row.unit_id)
        states = {
            row.message_id: row.state
            for row in connection.execute(
                sa.select(message.c.message_id, message.c.state).where(message.c.kind == "account")
            )
        }
        query = (
            sa.select(accounts, credential.c.kind, credential.c.password_version)
            .outerjoin(credential, credential.c.account_id == accounts.c.account_id)
            .order_by(accounts.c.account_id)
        )
        return [
            {
                "account_id": row.account_id,
                "position": row.position,
                "units": sorted(set(units.get(row.account_id, []))),
                "status": row.status,
                "password": row.kind,
                "invitation": states.get(
                    message_id(f"account:{row.account_id}:{row.password_version}")
                ),
            }
            for row in connection.execute(query)
        ]


@account.command("list")
def account_list(
    context: typer.Context, output: FormatOption = Format.text, language: LanguageOption = None
) -> None:
    """列出账号（不含姓名和号码） / list the accounts, without names and numbers.

    例 / example: huiyin account list
    """
    installation = open_installation(context)
    chosen = language_of(installation, language)
    rows = accounts_of(installation)
    if output is Format.json:
        print_json(rows)
        return
    print_table(
        "",
        _HEADINGS[chosen],
        [
            [
                row["account_id"],
                row["position"],
                ", ".join(row["units"]),
                row["status"],
                _PASSWORDS[row["password"]][chosen],
                row["invitation"] or "",
            ]
            for row in rows
        ],
        empty="还没有账号。" if chosen == "zh" else "No accounts yet.",
    )


@account.command("reset")
def account_reset(
    context: typer.Context,
    identity: Annotated[str, typer.Argument(metavar="ACCOUNT", help="账号 / account id")],
) -> None:
    """重置密码：新的初始密码用短信发给本人 / reset: a new initial password goes out by SMS.

    例 / example: huiyin account reset T10007
    """
    from notifications.credential import reset
    from pipelines.telling import invitation_of, operations

    installation = open_installation(context)
    with operations(installation) as engine, engine.begin() as connection:
        version = reset(
            connection,
            invitation_of(installation),
            identity,
            installation.now(),
            actor="command",
        )
    print_text(
        f"{identity}：新的初始密码（第 {version} 个）已入发件箱，登录都已失效。 / A new initial "
        f"password (number {version}) is in the outbox; all sessions are over."
    )
