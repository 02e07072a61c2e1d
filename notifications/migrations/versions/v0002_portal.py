"""Credentials, sessions and thresholds of the portal, and the secret part of a message.

Revision ID: v0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "v0002"
down_revision: str | None = "v0001"

INSTANT = sa.String(27)


def upgrade() -> None:
    """Create the tables and the column."""
    op.create_table(
        "credential",
        sa.Column(
            "account_id", sa.String(64), sa.ForeignKey("account.account_id"), primary_key=True
        ),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("hash", sa.String(200), nullable=False),
        sa.Column("password_version", sa.Integer(), nullable=False),
        sa.Column("must_change", sa.Boolean(), nullable=False),
        sa.Column("failed_count", sa.Integer(), nullable=False),
        sa.Column("locked_until", INSTANT, nullable=True),
        sa.Column("changed_at", INSTANT, nullable=False),
    )
    op.create_table(
        "session",
        sa.Column("token_hash", sa.String(64), primary_key=True),
        sa.Column("account_id", sa.String(64), sa.ForeignKey("account.account_id"), nullable=False),
        sa.Column("csrf", sa.String(64), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("seen_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
    )
    op.create_index("session_by_account", "session", ["account_id"])
    op.create_table(
        "threshold",
        sa.Column("threshold_id", sa.String(32), primary_key=True),
        sa.Column("account_id", sa.String(64), sa.ForeignKey("account.account_id"), nullable=False),
        sa.Column("figure", sa.String(64), nullable=False),
        sa.Column("unit_id", sa.String(64), nullable=False),
        sa.Column("direction", sa.String(8), nullable=False),
        sa.Column("limit_value", sa.String(40), nullable=False),
        sa.Column("recover_value", sa.String(40), nullable=True),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
    )
    op.create_index("threshold_by_account", "threshold", ["account_id"])
    op.create_index("audit_event_by_account", "audit_event", ["account_id", "at"])
    op.create_index("message_by_account", "message", ["account_id", "created_at"])
    op.add_column("message", sa.Column("secret", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    """Drop the tables and the column."""
    op.drop_column("message", "secret")
    op.drop_index("message_by_account", "message")
    op.drop_index("audit_event_by_account", "audit_event")
    for name in ("threshold", "session", "credential"):
        op.drop_table(name)
