"""Accounts follow the roster."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from notifications.account import SyncReport, recipients
from notifications.errors import RosterError
from notifications.schema import account, audit_event, contact


def people(world: Any) -> Any:
    with world.engine.begin() as connection:
        return recipients(connection)


def test_only_managers_become_accounts(world: Any) -> None:
    assert sorted(people(world)) == ["C2", "J4", "M3", "P1"]
    assert people(world)["C2"].units == {"CD"}


def test_syncing_the_same_roster_again_changes_nothing(world: Any) -> None:
    assert world.sync() == SyncReport(created=0, changed=0, disabled=0, active=4)


def test_a_leaver_is_disabled_and_comes_back_with_the_same_account(world: Any) -> None:
    rows = world.roster()
    rows[1]["is_active"] = False
    assert world.sync(rows).disabled == 1
    assert "C2" not in people(world)
    assert world.sync() == SyncReport(created=0, changed=1, disabled=0, active=4)
    assert people(world)["C2"].units == {"CD"}


def test_a_new_phone_keeps_account_contact_and_subscription(world: Any) -> None:
    subscription = world.subscribe("C2")
    before = people(world)["C2"]
    rows = world.roster()
    rows[1]["phone_key"] = "key-new"
    assert world.sync(rows).changed == 1
    assert people(world)["C2"] == before
    with world.engine.begin() as connection:
        pseudonyms = connection.execute(
            sa.select(contact.c.pseudonym).where(contact.c.account_id == "C2")
        ).scalars()
        assert list(pseudonyms) == ["key-new"]
    assert world.subscribe("C2") == subscription


def test_a_transfer_moves_the_jurisdiction(world: Any) -> None:
    rows = world.roster()
    rows[1]["org_unit_id"] = "MY"
    world.sync(rows)
    assert people(world)["C2"].units == {"MY"}


def test_a_person_in_two_units_has_both(world: Any) -> None:
    rows = [*world.roster(), world.roster_row("C2", "MY", "prefecture_manager", phone_key="key-C2")]
    world.sync(rows)
    assert people(world)["C2"].units == {"CD", "MY"}


def test_a_manager_without_unit_stops_the_sync_and_nothing_is_half_done(world: Any) -> None:
    rows = [
        world.roster_row("N1", "SC", "province_manager", phone_key="key-n1"),
        world.roster_row("N2", "", "province_manager", phone_key="key-n2"),
    ]
    with pytest.raises(RosterError, match="'N2'"):
        world.sync(rows)
    with world.engine.begin() as connection:
        ids = set(connection.execute(sa.select(account.c.account_id)).scalars())
    assert ids == {"P1", "C2", "M3", "J4"}


def test_every_change_of_an_account_is_an_audit_event(world: Any) -> None:
    rows = world.roster()
    rows[0]["is_active"] = False
    world.sync(rows)
    with world.engine.begin() as connection:
        actions = connection.execute(
            sa.select(audit_event.c.action).where(audit_event.c.account_id == "P1")
        ).scalars()
        assert list(actions) == ["account_created", "account_disabled"]
