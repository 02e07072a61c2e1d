"""Telling: what the planner and the dispatcher need, made from the snapshot and the settings."""

from __future__ import annotations

import json
import os
import random
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.address import read_addresses
from pipelines.home import read_roster
from pipelines.installation import Installation

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from cubes.label import Language
    from cubes.snapshot import Snapshot
    from notifications.credential import Invitation
    from notifications.digest import Digest
    from notifications.dispatcher import DispatchReport
    from notifications.planner import TickReport
    from notifications.publication import Publication
    from notifications.threshold import ThresholdFigure


@dataclass(frozen=True)
class Told:
    """What one round of planning added to the outbox, initial passwords included."""

    messages: int
    report: TickReport

    @property
    def errors(self) -> tuple[str, ...]:
        """What could not be planned and is tried again at the next round."""
        return self.report.errors


@contextmanager
def operations(installation: Installation) -> Iterator[Engine]:
    """The operational store, migrated and open."""
    from notifications.store import migrate, open_store

    installation.home.ensure()
    url = f"sqlite:///{installation.home.operations}"
    migrate(url)
    engine = open_store(url)
    try:
        yield engine
    finally:
        engine.dispose()


def publication_of(installation: Installation, snapshot: Snapshot) -> Publication:
    """The snapshot as the planner sees it: figures by named query, organisation, freshness."""
    from cubes.named_query import run_named_query
    from cubes.scope import Scope
    from notifications.publication import Org, Publication

    business_date = date.fromisoformat(snapshot.info["business_date"])

    def figures(
        query: str,
        parameters: Mapping[str, Any],
        units: frozenset[str] | None,
        by: tuple[str, ...],
    ) -> Any:
        # A cursor of its own for each answer, since pages ask from several threads.
        with snapshot.cursor() as cursor:
            return run_named_query(
                installation.catalogue,
                cursor,
                query,
                dict(parameters),
                scope=Scope.all() if units is None else Scope.units(sorted(units)),
                business_date=business_date,
                by=by,
                keys=True,
                warehouse=snapshot.warehouse,
            )

    working = {
        row["date_on"]
        for row in _rows(snapshot, "select date_on from marts.dim_date where is_workday")
    }
    return Publication.from_published(
        snapshot.info,
        org=Org.from_rows(
            _rows(
                snapshot, "select org_unit_id, name, name_en, level, parent_id from marts.dim_org"
            ),
            _rows(snapshot, "select level, name from marts.org_level"),
        ),
        figures=figures,
        is_working_day=working.__contains__,
    )


def synchronise_accounts(installation: Installation, snapshot: Snapshot, engine: Engine) -> int:
    """Make the accounts equal to the roster in the snapshot, with the demo's own manager.

    Whoever is new is invited: an initial password is made and goes into the outbox. Returns how
    many were.
    """
    from notifications.account import load_roles, sync_accounts
    from notifications.credential import invite

    roster = _rows(
        snapshot,
        "select staff_id, org_unit_id, position, is_active, phone_key from marts.dim_staff "
        "order by staff_id",
    )
    roster.extend(read_roster(installation.home))
    roles = load_roles(installation.search_path("notifications/roles"))
    with engine.begin() as connection:
        sync_accounts(connection, roster, installation.now(), roles=roles)
        return invite(connection, invitation_of(installation), installation.now())


def invitation_of(installation: Installation) -> Invitation:
    """What initial passwords are made with: keys of the home, signature, address of the portal."""
    from cryptography.fernet import Fernet

    from notifications.credential import Invitation

    cipher = Fernet(installation.secrets.encryption)
    return Invitation(
        key=installation.secrets.derive("initial password"),
        seal=lambda text: cipher.encrypt(text.encode()),
        address=portal_address(installation),
        signatures=signatures_of(installation),
        language=installation.settings.language,
    )


def signatures_of(installation: Installation) -> dict[Language, str]:
    """What a text begins with, by language."""
    return {"zh": installation.signature("zh"), "en": installation.signature("en")}


def portal_address(installation: Installation) -> str:
    """Where people reach the portal, or will when it is started."""
    settings = installation.settings
    if settings.public_portal_url is not None:
        return settings.public_portal_url
    default = f"http://{settings.host}:{settings.portal_port}"
    return read_addresses(installation.home).get("portal", default)


def tell(installation: Installation) -> Told:
    """Synchronise the accounts and plan everything that is due now; only inserts messages."""
    from notifications.alert.rule import load_rules
    from notifications.planner import tick
    from notifications.reference import check_references

    digests = digests_of(installation)
    rules = load_rules(installation.search_path("notifications/alerts"))
    figures = figures_of(installation)
    check_references(installation.catalogue, digests, rules, figures)
    with installation.snapshot() as snapshot, operations(installation) as engine:
        invited = synchronise_accounts(installation, snapshot, engine)
        report = tick(
            installation.now(),
            publication_of(installation, snapshot),
            engine,
            digests=digests,
            rules=rules,
            signatures=signatures_of(installation),
            figures=figures,
            default_language=installation.settings.language,
        )
    return Told(invited + report.messages_added, report)


def digests_of(installation: Installation) -> dict[str, Digest]:
    """The declared digests."""
    from notifications.digest import load_digests

    return load_digests(installation.search_path("notifications/digests"))


def figures_of(installation: Installation) -> dict[str, ThresholdFigure]:
    """The figures that people may set thresholds on."""
    from notifications.threshold import load_figures

    return load_figures(installation.search_path("notifications/thresholds"))


def send(installation: Installation, *, until_empty: bool) -> DispatchReport:
    """Send what the outbox holds through the file transport."""
    from cryptography.fernet import Fernet, InvalidToken

    from connectors.errors import PseudonymUnknown
    from notifications.dispatcher import dispatch, file_transport

    with operations(installation) as engine, installation.pii_store() as pii:

        def reveal(pseudonym: str) -> str | None:
            try:
                return pii.reveal(pseudonym, "message", now=installation.now())
            except PseudonymUnknown:
                return None

        def unseal(sealed: bytes) -> str | None:
            try:
                return Fernet(installation.secrets.encryption).decrypt(sealed).decode()
            except InvalidToken:
                return None

        with closing(file_transport(sent_messages(installation))) as transport:
            return dispatch(
                engine,
                transport,
                reveal,
                installation.now,
                owner=f"{socket.gethostname()}:{os.getpid()}",
                rng=random.Random(),
                until_empty=until_empty,
                unseal=unseal,
            )


def sent_messages(installation: Installation) -> Path:
    """Where the file transport writes what a gateway would have sent."""
    return installation.home.sent / "messages.jsonl"


def read_sent_messages(installation: Installation) -> dict[str, dict[str, Any]]:
    """What the file transport wrote, the last line of each message id: `to`, `text` and more."""
    try:
        lines = sent_messages(installation).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    return {line["message_id"]: line for line in map(json.loads, lines)}


def messages_of(installation: Installation) -> list[dict[str, Any]]:
    """Every message of the outbox, oldest first, with the unit of its account; no number."""
    import sqlalchemy as sa

    from notifications.schema import message, role_assignment
    from notifications.store import reading

    units = (
        sa.select(sa.func.min(role_assignment.c.unit_id))
        .where(role_assignment.c.account_id == message.c.account_id)
        .scalar_subquery()
    )
    query = sa.select(
        message.c.message_id,
        message.c.kind,
        message.c.subject_id,
        message.c.account_id,
        units.label("unit_id"),
        message.c.language,
        message.c.text,
        message.c.encoding,
        message.c.segments,
        message.c.state,
        message.c.snapshot,
        message.c.created_at,
    ).order_by(message.c.created_at, message.c.kind.desc(), message.c.dedupe_key)
    with operations(installation) as engine, reading(engine) as connection:
        return [dict(row._mapping) for row in connection.execute(query)]


def alert_events_of(installation: Installation) -> list[dict[str, Any]]:
    """Every alert event, oldest first, with the figures it told."""
    import sqlalchemy as sa

    from notifications.schema import alert_event
    from notifications.store import reading

    query = sa.select(alert_event).order_by(alert_event.c.created_at, alert_event.c.event_key)
    with operations(installation) as engine, reading(engine) as connection:
        return [dict(row._mapping) for row in connection.execute(query)]


def _rows(snapshot: Snapshot, query: str) -> list[dict[str, Any]]:
    cursor = snapshot.cursor()
    cursor.execute(query)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
