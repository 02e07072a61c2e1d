"""What the source `huiyin` reads of messages, attempts and audit events besides their own columns.

Of rows that were there before, a message was planned for the earliest instant that is known of it,
and unit and object are those that can still be told.

Revision ID: v0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "v0004"
down_revision: str | None = "v0003"

INSTANT = sa.String(27)
_BEFORE = "1970-01-01T00:00:00.000000Z"

_message = sa.table(
    "message",
    *map(sa.column, ("message_id", "account_id", "due_at", "planned_at", "unit_id")),
)
_attempt = sa.table(
    "attempt", *map(sa.column, ("message_id", "started_at", "ended_at", "changed_at"))
)
_assignment = sa.table("role_assignment", *map(sa.column, ("account_id", "unit_id")))
_audit_event = sa.table(
    "audit_event",
    sa.column("actor"),
    sa.column("detail", sa.JSON()),
    *map(sa.column, ("unit_id", "object_id")),
)


def upgrade() -> None:
    """Create the columns and fill them."""
    op.add_column("attempt", _instant("changed_at"))
    op.add_column("message", _instant("planned_at"))
    op.add_column("message", sa.Column("unit_id", sa.String(64), nullable=True))
    op.add_column("audit_event", sa.Column("unit_id", sa.String(64), nullable=True))
    op.add_column("audit_event", sa.Column("object_id", sa.String(64), nullable=True))
    op.execute(
        _attempt.update().values(
            changed_at=sa.func.coalesce(_attempt.c.ended_at, _attempt.c.started_at)
        )
    )
    tried = (
        sa.select(sa.func.min(_attempt.c.started_at))
        .where(_attempt.c.message_id == _message.c.message_id)
        .scalar_subquery()
    )
    first = sa.case((tried < _message.c.due_at, tried), else_=_message.c.due_at)
    op.execute(_message.update().values(planned_at=first, unit_id=_unit_of(_message.c.account_id)))
    detail = _audit_event.c.detail
    named = [detail[name].as_string() for name in ("digest", "figure", "unit_id")]
    op.execute(
        _audit_event.update().values(
            unit_id=_unit_of(_audit_event.c.actor), object_id=sa.func.coalesce(*named)
        )
    )


def downgrade() -> None:
    """Drop the columns."""
    op.drop_column("audit_event", "object_id")
    op.drop_column("audit_event", "unit_id")
    op.drop_column("message", "unit_id")
    op.drop_column("message", "planned_at")
    op.drop_column("attempt", "changed_at")


def _instant(name: str) -> sa.Column[str]:
    """A column that cannot be empty; rows that are there need a value until they get theirs."""
    return sa.Column(name, INSTANT, nullable=False, server_default=_BEFORE)


def _unit_of(account: sa.ColumnElement[str]) -> sa.ScalarSelect[str]:
    return (
        sa.select(sa.func.min(_assignment.c.unit_id))
        .where(_assignment.c.account_id == account)
        .scalar_subquery()
    )
