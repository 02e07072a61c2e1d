"""The unit of an account, noted with what it was sent and did, so that a move changes no past."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from notifications.schema import role_assignment

_CHUNK = 500


def units_of(connection: Connection, accounts: Collection[str]) -> dict[str, str]:
    """The unit of each account that has one; of several the one whose id comes first."""
    found: dict[str, str] = {}
    wanted = sorted(accounts)
    for start in range(0, len(wanted), _CHUNK):
        query = (
            sa.select(role_assignment.c.account_id, sa.func.min(role_assignment.c.unit_id))
            .where(role_assignment.c.account_id.in_(wanted[start : start + _CHUNK]))
            .group_by(role_assignment.c.account_id)
        )
        found.update({row[0]: row[1] for row in connection.execute(query)})
    return found
