"""The first tables: accounts, subscriptions, alerts and the outbox.

Revision ID: v0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "v0001"
down_revision: str | None = None

INSTANT = sa.String(27)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "account",
        sa.Column("account_id", sa.String(64), primary_key=True),
        sa.Column("phone_key", sa.String(64), nullable=True),
        sa.Column("position", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
    )
    op.create_table(
        "role_assignment",
        sa.Column(
            "account_id", sa.String(64), sa.ForeignKey("account.account_id"), primary_key=True
        ),
        sa.Column("role", sa.String(64), primary_key=True),
        sa.Column("unit_id", sa.String(64), primary_key=True),
        sa.Column("granted_at", INSTANT, nullable=False),
    )
    op.create_table(
        "contact",
        sa.Column("contact_id", sa.String(80), primary_key=True),
        sa.Column("account_id", sa.String(64), sa.ForeignKey("account.account_id"), nullable=False),
        sa.Column("pseudonym", sa.String(64), nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
    )
    op.create_index("contact_by_account", "contact", ["account_id"])
    op.create_table(
        "suppression",
        sa.Column("pseudonym", sa.String(64), primary_key=True),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
    )
    op.create_table(
        "subscription",
        sa.Column("subscription_id", sa.String(64), primary_key=True),
        sa.Column("account_id", sa.String(64), sa.ForeignKey("account.account_id"), nullable=False),
        sa.Column("digest_id", sa.String(64), nullable=False),
        sa.Column("condition", sa.JSON(), nullable=False),
        sa.Column("language", sa.String(2), nullable=False),
        sa.Column("deadline_minutes", sa.Integer(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("planned_through", INSTANT, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.UniqueConstraint("account_id", "digest_id", name="subscription_once"),
    )
    op.create_table(
        "digest_run",
        sa.Column(
            "subscription_id",
            sa.String(64),
            sa.ForeignKey("subscription.subscription_id"),
            primary_key=True,
        ),
        sa.Column("slot_at", INSTANT, primary_key=True),
        sa.Column("revision", sa.Integer(), primary_key=True),
        sa.Column("slot", sa.String(16), nullable=False),
        sa.Column("expected_date", sa.String(10), nullable=False),
        sa.Column("business_date", sa.String(10), nullable=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("snapshot", sa.String(64), nullable=True),
        sa.Column("decided_at", INSTANT, nullable=False),
    )
    op.create_index("digest_run_by_state", "digest_run", ["state"])
    op.create_table(
        "alert_state",
        sa.Column("rule_id", sa.String(64), primary_key=True),
        sa.Column("unit_id", sa.String(64), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("streak", sa.Integer(), nullable=False),
        sa.Column("firing_id", sa.String(10), nullable=True),
        sa.Column("told", sa.Integer(), nullable=False),
        sa.Column("health", sa.String(16), nullable=False),
        sa.Column("period", sa.String(10), nullable=True),
        sa.Column("fingerprint", sa.String(64), nullable=True),
        sa.Column("before_period", sa.JSON(), nullable=True),
        sa.Column("updated_at", INSTANT, nullable=False),
    )
    op.create_table(
        "alert_event",
        sa.Column("event_key", sa.String(200), primary_key=True),
        sa.Column("rule_id", sa.String(64), nullable=False),
        sa.Column("unit_id", sa.String(64), nullable=False),
        sa.Column("firing_id", sa.String(10), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("period", sa.String(10), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("recipients", sa.Integer(), nullable=False),
        sa.Column("snapshot", sa.String(64), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
    )
    op.create_table(
        "message",
        sa.Column("message_id", sa.String(36), primary_key=True),
        sa.Column("dedupe_key", sa.String(300), nullable=False, unique=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("subject_id", sa.String(64), nullable=False),
        sa.Column("account_id", sa.String(64), nullable=False),
        sa.Column("contact_id", sa.String(80), nullable=False),
        sa.Column("language", sa.String(2), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("encoding", sa.String(8), nullable=False),
        sa.Column("segments", sa.Integer(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("snapshot", sa.String(64), nullable=False),
        sa.Column("in_doubt_policy", sa.String(16), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("reason", sa.String(64), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
    )
    op.create_index("message_by_turn", "message", ["state", "priority", "due_at", "message_id"])
    op.create_index("message_by_expiry", "message", ["state", "expires_at"])
    op.create_table(
        "attempt",
        sa.Column("reference", sa.String(48), primary_key=True),
        sa.Column("message_id", sa.String(36), sa.ForeignKey("message.message_id"), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("gateway", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("code", sa.String(64), nullable=True),
        sa.Column("gateway_message_id", sa.String(64), nullable=True),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.UniqueConstraint("message_id", "ordinal", name="attempt_once"),
    )
    op.create_index("attempt_by_state", "attempt", ["gateway", "state"])
    op.create_index("attempt_by_gateway_id", "attempt", ["gateway", "gateway_message_id"])
    op.create_table(
        "delivery_receipt",
        sa.Column("gateway", sa.String(64), primary_key=True),
        sa.Column("gateway_message_id", sa.String(64), primary_key=True),
        sa.Column("status", sa.String(16), primary_key=True),
        sa.Column("reference", sa.String(48), nullable=True),
        sa.Column("is_matched", sa.Boolean(), nullable=False),
        sa.Column("received_at", INSTANT, nullable=False),
    )
    op.create_index("receipt_by_match", "delivery_receipt", ["gateway", "is_matched"])
    op.create_table(
        "lease",
        sa.Column("gateway", sa.String(64), primary_key=True),
        sa.Column("owner", sa.String(100), nullable=False),
        sa.Column("until", INSTANT, nullable=False),
    )
    op.create_table(
        "audit_event",
        sa.Column("audit_event_id", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("account_id", sa.String(64), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
    )


def downgrade() -> None:
    """Drop the tables."""
    for name in (
        "audit_event",
        "lease",
        "delivery_receipt",
        "attempt",
        "message",
        "alert_event",
        "alert_state",
        "digest_run",
        "subscription",
        "suppression",
        "contact",
        "role_assignment",
        "account",
    ):
        op.drop_table(name)
