"""Accounts: the managers of the roster, their units, and the pseudonym of their phone.

An account is the person (the roster's staff id), not the phone: a new number keeps the account and
its subscriptions. Nothing here ever sees a number, only its pseudonym.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.engine import Connection

from cubes.declaration import load_declarations
from cubes.label import Label
from notifications.audit import event, note_all
from notifications.declared import Declared
from notifications.errors import RosterError
from notifications.schema import account, contact, role_assignment

WHOLE = "*"
"""The unit id of a jurisdiction without bounds."""

_ROSTER = "roster"


class Role(Declared):
    """What holders of certain positions may do."""

    role: str
    label: Label
    positions: tuple[str, ...] = Field(min_length=1)
    permissions: tuple[str, ...]


def load_roles(folders: Sequence[Path]) -> dict[str, Role]:
    """Load the roles of the search path; DeclarationError holds every fault."""
    return load_declarations(folders, Role, noun="role", id_field="role")


@dataclass(frozen=True)
class SyncReport:
    """How many accounts a roster sync touched."""

    created: int
    changed: int
    disabled: int
    active: int


def sync_accounts(
    connection: Connection,
    roster: Iterable[Mapping[str, Any]],
    now: datetime,
    *,
    roles: Mapping[str, Role],
) -> SyncReport:
    """Make the accounts equal to the roster's managers.

    Rows carry `staff_id`, `org_unit_id`, `position`, `is_active`, `phone_key`; a person in several
    units stands in several rows. Whoever is inactive, absent or in a position without a role is
    disabled; the row of the account stays, so that what was sent can be explained.
    Raises RosterError if an active manager has no unit.
    """
    wanted = _wanted(roster, roles)
    known = {row.account_id: row for row in connection.execute(sa.select(account))}
    assigned: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for row in connection.execute(sa.select(role_assignment)):
        assigned[row.account_id].add((row.role, row.unit_id))
    created = changed = disabled = 0
    audit: list[dict[str, Any]] = []

    def note(action: str, account_id: str, detail: dict[str, Any]) -> None:
        audit.append(event(action, account_id, now, _ROSTER, detail))

    new_accounts, new_assignments = [], []
    for account_id, (position, phone_key, duties) in wanted.items():
        old = known.get(account_id)
        if old is None:
            created += 1
            note("account_created", account_id, {"position": position})
            new_accounts.append(
                {
                    "account_id": account_id,
                    "phone_key": phone_key,
                    "position": position,
                    "status": "active",
                    "created_at": now,
                    "updated_at": now,
                }
            )
        elif (old.status, old.position, old.phone_key) != ("active", position, phone_key):
            changed += 1
            detail = {
                "position": position,
                "phone_changed": old.phone_key != phone_key,
                "was": old.status,
            }
            note("account_changed", account_id, detail)
            connection.execute(
                account.update()
                .where(account.c.account_id == account_id)
                .values(status="active", position=position, phone_key=phone_key, updated_at=now)
            )
        gone = assigned[account_id] - duties
        for role, unit_id in sorted(gone):
            note("unit_removed", account_id, {"role": role, "unit_id": unit_id})
            connection.execute(
                role_assignment.delete().where(
                    role_assignment.c.account_id == account_id,
                    role_assignment.c.role == role,
                    role_assignment.c.unit_id == unit_id,
                )
            )
        new_assignments += [
            {"account_id": account_id, "role": role, "unit_id": unit_id, "granted_at": now}
            for role, unit_id in sorted(duties - assigned[account_id])
        ]
    if new_accounts:
        connection.execute(account.insert(), new_accounts)
    if new_assignments:
        connection.execute(role_assignment.insert(), new_assignments)
    for account_id, old in known.items():
        if account_id not in wanted and old.status == "active":
            disabled += 1
            note("account_disabled", account_id, {})
            connection.execute(
                account.update()
                .where(account.c.account_id == account_id)
                .values(status="disabled", updated_at=now)
            )
    _sync_contacts(connection, wanted, now)
    note_all(connection, audit)
    return SyncReport(created, changed, disabled, len(wanted))


_Wanted = dict[str, tuple[str, str | None, set[tuple[str, str]]]]


def _wanted(roster: Iterable[Mapping[str, Any]], roles: Mapping[str, Role]) -> _Wanted:
    by_position: dict[str, list[str]] = defaultdict(list)
    for role in roles.values():
        for position in role.positions:
            by_position[position].append(role.role)
    wanted: _Wanted = {}
    for row in roster:
        position = str(row["position"])
        if not row["is_active"] or position not in by_position:
            continue
        if not row["staff_id"] or not row["org_unit_id"]:
            raise RosterError(
                f"Syncing accounts: the active manager {row['staff_id']!r} ({position}) has no "
                "unit or no staff id. Trying again does not help; the roster must be corrected."
            )
        account_id = str(row["staff_id"])
        duties = {(role, str(row["org_unit_id"])) for role in by_position[position]}
        earlier = wanted.get(account_id)
        wanted[account_id] = (
            position,
            row["phone_key"],
            duties | (earlier[2] if earlier else set()),
        )
    return wanted


def _sync_contacts(connection: Connection, wanted: _Wanted, now: datetime) -> None:
    known = {row.account_id: row for row in connection.execute(sa.select(contact))}
    fresh = []
    for account_id, (_, phone_key, _) in wanted.items():
        old = known.get(account_id)
        if phone_key is None:
            if old is not None:
                connection.execute(contact.delete().where(contact.c.contact_id == old.contact_id))
        elif old is None:
            fresh.append(
                {
                    "contact_id": f"{account_id}:sms",
                    "account_id": account_id,
                    "pseudonym": phone_key,
                    "updated_at": now,
                }
            )
        elif old.pseudonym != phone_key:
            connection.execute(
                contact.update()
                .where(contact.c.contact_id == old.contact_id)
                .values(pseudonym=phone_key, updated_at=now)
            )
    if fresh:
        connection.execute(contact.insert(), fresh)


@dataclass(frozen=True)
class Recipient:
    """An active account that can be reached, with the units it answers for.

    `roles` are the units of each of its roles.
    """

    account_id: str
    contact_id: str
    position: str
    units: frozenset[str]
    roles: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def units_of(self, role: str | None) -> frozenset[str]:
        """The units it answers for, in one role or in any."""
        return self.units if role is None else self.roles.get(role, frozenset())


def recipients(connection: Connection) -> dict[str, Recipient]:
    """Return every active account that has a contact and at least one unit."""
    units: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in connection.execute(sa.select(role_assignment)):
        units[row.account_id][row.role].add(row.unit_id)
    query = (
        sa.select(account.c.account_id, account.c.position, contact.c.contact_id)
        .join(contact, contact.c.account_id == account.c.account_id)
        .where(account.c.status == "active")
        .order_by(account.c.account_id)
    )
    return {
        row.account_id: Recipient(
            row.account_id,
            row.contact_id,
            row.position,
            frozenset().union(*units[row.account_id].values()),
            {role: frozenset(of) for role, of in units[row.account_id].items()},
        )
        for row in connection.execute(query)
        if units[row.account_id]
    }
