"""The lease of a gateway: one dispatcher at a time."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from notifications.errors import GatewayBusy
from notifications.schema import lease

_TERM = timedelta(seconds=60)


def take_lease(
    connection: Connection, gateway: str, owner: str, now: datetime, *, is_alone: bool
) -> None:
    """Take the lease for `owner`. Raises GatewayBusy while another owner's lease runs.

    `is_alone` says that the caller has proof that no other process uses the gateway, so a lease
    that is left over belongs to a dead one.
    """
    held = connection.execute(sa.select(lease).where(lease.c.gateway == gateway)).one_or_none()
    if held is not None:
        if held.owner != owner and held.until > now and not is_alone:
            raise GatewayBusy(
                f"Dispatching through gateway '{gateway}': {held.owner} holds its lease until "
                f"{held.until.isoformat()}. Try again after that."
            )
        connection.execute(lease.delete().where(lease.c.gateway == gateway))
    connection.execute(lease.insert().values(gateway=gateway, owner=owner, until=now + _TERM))


def renew_lease(connection: Connection, gateway: str, owner: str, now: datetime) -> None:
    """Prolong the lease. Raises GatewayBusy if someone else has taken it meanwhile."""
    renewed = connection.execute(
        lease.update()
        .where(lease.c.gateway == gateway, lease.c.owner == owner)
        .values(until=now + _TERM)
    )
    if renewed.rowcount != 1:
        raise GatewayBusy(
            f"Dispatching through gateway '{gateway}': another dispatcher took the lease of "
            f"{owner}. Try again when that one has ended."
        )


def release_lease(connection: Connection, gateway: str, owner: str) -> None:
    """Give the lease back."""
    connection.execute(lease.delete().where(lease.c.gateway == gateway, lease.c.owner == owner))
