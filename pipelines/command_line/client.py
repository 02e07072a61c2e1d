"""Commands about API clients of the intake and the service: add, list, renew, disable."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.command_line.output import (
    Format,
    FormatOption,
    open_installation,
    print_json,
    print_table,
    print_text,
    vars_of,
)

if TYPE_CHECKING:
    from connectors.inbox import Inbox
    from pipelines.installation import Installation

_USUAL = ("event", "submit")

client = typer.Typer(
    name="client", help="反馈入口和服务接口的密钥 / keys of API clients", no_args_is_help=True
)


def add_to(application: typer.Typer) -> None:
    """Add the commands of this module."""
    client.command("add")(add)
    client.command("list")(list_clients)
    client.command("renew")(renew)
    client.command("disable")(disable)
    application.add_typer(client)


def add(
    context: typer.Context,
    label: Annotated[str, typer.Argument(help="名称 / name, e.g. '营业厅 3'")],
    unit: Annotated[
        str | None,
        typer.Option(help="只限该单位及下属的工单 / only cases of this unit and below (its id)"),
    ] = None,
    permission: Annotated[
        list[str] | None,
        typer.Option(
            help="权限，可重复 / may be repeated: submit | event (default both) | deliver "
            "| confirm | status | query | cube, 或命名查询自己的权限 / or one a named query asks"
        ),
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(help="代哪些来源送达，可重复 / sources it delivers for; may be repeated"),
    ] = None,
    test: Annotated[
        bool, typer.Option("--test", help="只检查，不改动 / checks everything, changes nothing")
    ] = False,
) -> None:
    """添加一个密钥，只显示一次 / add a client; its key is shown once.

    例 / example: huiyin client add "营业厅 3" --unit SC06 --permission submit
    """
    from connectors.inbox import ApiClient, key_hash
    from pipelines.service import new_key

    installation = open_installation(context)
    label = label.strip()
    if not 1 <= len(label) <= 60 or not label.isprintable():
        raise typer.BadParameter("1-60 characters", param_hint="LABEL")
    chosen = tuple(sorted(set(permission or _USUAL)))
    _require_permissions(installation, chosen)
    _require_sources(installation, source or [], chosen)
    _require_unit(installation, unit)
    key = new_key()
    added = ApiClient(
        client_id=f"client-{secrets.token_hex(6)}",
        key_hash=key_hash(key),
        label=label,
        unit_id=unit,
        permissions=chosen,
        created_at=installation.now(),
        disabled_at=None,
        sources=tuple(sorted(set(source or []))),
        is_test=test,
    )
    with _inbox(installation) as inbox:
        if not inbox.add_client(added):
            raise typer.BadParameter(
                f"'{label}' 已存在 / is taken; huiyin client list", param_hint="LABEL"
            )
    print_text(key)


def list_clients(context: typer.Context, output: FormatOption = Format.text) -> None:
    """列出密钥（不含密钥本身） / list clients, never their keys.

    例 / example: huiyin client list
    """
    with _inbox(open_installation(context)) as inbox:
        found = inbox.clients()
    if output is Format.json:
        shown = [vars_of(item) for item in found]
        for item in shown:
            del item["key_hash"]
        print_json(shown)
        return
    print_table(
        "",
        [
            "名称 label",
            "单位 unit",
            "权限 permissions",
            "来源 sources",
            "测试 test",
            "添加 added",
            "停用 disabled",
        ],
        [
            [
                item.label,
                item.unit_id or "*",
                ", ".join(item.permissions),
                ", ".join(item.sources),
                "✓" if item.is_test else "",
                item.created_at,
                item.disabled_at,
            ]
            for item in found
        ],
        empty="没有密钥 no client yet: huiyin client add",
    )


def disable(
    context: typer.Context,
    label: Annotated[str, typer.Argument(help="名称 / name")],
) -> None:
    """停用一个密钥 / disable a client for good.

    例 / example: huiyin client disable "营业厅 3"
    """
    installation = open_installation(context)
    with _inbox(installation) as inbox:
        if not inbox.disable_client(label, now=installation.now()):
            raise typer.BadParameter(
                f"没有 '{label}' / there is none; huiyin client list", param_hint="LABEL"
            )
    print_text(f"已停用 disabled: {label}")


def renew(
    context: typer.Context,
    label: Annotated[str, typer.Argument(help="名称 / name")],
) -> None:
    """换一个密钥，旧的立即失效 / give a client a new key, shown once; the old one is void at once.

    例 / example: huiyin client renew "营业厅 3"
    """
    from connectors.inbox import key_hash
    from pipelines.service import new_key

    key = new_key()
    with _inbox(open_installation(context)) as inbox:
        if not inbox.renew_client(label, key_hash(key)):
            raise typer.BadParameter(
                f"没有 '{label}'，或已停用 / there is none, or it is disabled; huiyin client list",
                param_hint="LABEL",
            )
    print_text(key)


@contextmanager
def _inbox(installation: Installation) -> Iterator[Inbox]:
    from connectors.inbox import Inbox
    from pipelines.intake import require_inbox

    installation.home.ensure()
    require_inbox(installation)
    with Inbox(installation.home.inbox) as inbox:
        yield inbox


def _require_permissions(installation: Installation, chosen: Sequence[str]) -> None:
    """Refuse a permission that nothing asks for; a typing error would look like a narrow key."""
    from connectors.service.operation import PERMISSIONS

    known = {*PERMISSIONS, *(one.permission for one in installation.catalogue.queries.values())}
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise typer.BadParameter(
            f"{', '.join(unknown)}: 没有这个权限 / known are {', '.join(sorted(known))}",
            param_hint="--permission",
        )


def _require_sources(
    installation: Installation, sources: Sequence[str], chosen: Sequence[str]
) -> None:
    """Refuse a source that does not deliver by the service, and a delivering key without one."""
    known = [
        name
        for name, contract in installation.contracts.items()
        if contract.interface.type == "service"
    ]
    unknown = [name for name in sources if name not in known]
    if unknown:
        raise typer.BadParameter(
            f"{', '.join(unknown)}: 不是服务接口来源 / no source of the service; known are "
            f"{', '.join(known) or '-'}",
            param_hint="--source",
        )
    if "deliver" in chosen and not sources:
        raise typer.BadParameter(
            "deliver 需要 --source / needs --source", param_hint="--permission"
        )


def _require_unit(installation: Installation, unit: str | None) -> None:
    """Refuse a unit that the published snapshot does not have."""
    if unit is None:
        return
    from cubes.errors import SnapshotError

    try:
        with installation.snapshot() as snapshot, snapshot.cursor() as cursor:
            row = cursor.execute(
                "select 1 from marts.dim_org where org_unit_id = ?", [unit]
            ).fetchone()
    except SnapshotError as error:
        raise typer.BadParameter(
            f"单位名单尚未发布 / units are not published yet: {error}", param_hint="--unit"
        ) from error
    if row is None:
        raise typer.BadParameter(f"没有单位 / there is no unit '{unit}'", param_hint="--unit")
