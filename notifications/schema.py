"""Tables of ops.db that belong to `notifications`, in SQLAlchemy Core.

Instants are stored as UTC text of fixed width, so they sort and compare alike in every database.
No table holds a phone number: `phone_key` and `pseudonym` are keyed pseudonyms. `message.secret` is
sealed and only there until the message was accepted or came to nothing.

The source `huiyin` reads messages, attempts, receipts and audit events: every change of a message
moves its `updated_at`, of an attempt its `changed_at`. `unit_id` is where the person belonged then;
`planned_at` is when a message was due at first, while `due_at` moves on with each repetition.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect


class Instant(sa.types.TypeDecorator[datetime]):
    """An aware datetime kept as `2026-03-31T01:00:00.000000Z`."""

    impl = sa.String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """Write an aware datetime; a naive one is a programming error."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no zone; instants are aware datetimes")
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Read the text back as an aware UTC datetime."""
        if value is None:
            return None
        return datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


METADATA = sa.MetaData()

account = sa.Table(
    "account",
    METADATA,
    sa.Column("account_id", sa.String(64), primary_key=True),
    sa.Column("phone_key", sa.String(64), nullable=True),
    sa.Column("position", sa.String(64), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("created_at", Instant(), nullable=False),
    sa.Column("updated_at", Instant(), nullable=False),
)

role_assignment = sa.Table(
    "role_assignment",
    METADATA,
    sa.Column("account_id", sa.String(64), sa.ForeignKey("account.account_id"), primary_key=True),
    sa.Column("role", sa.String(64), primary_key=True),
    sa.Column("unit_id", sa.String(64), primary_key=True),
    sa.Column("granted_at", Instant(), nullable=False),
)

contact = sa.Table(
    "contact",
    METADATA,
    sa.Column("contact_id", sa.String(80), primary_key=True),
    sa.Column("account_id", sa.String(64), sa.ForeignKey("account.account_id"), nullable=False),
    sa.Column("pseudonym", sa.String(64), nullable=False),
    sa.Column("updated_at", Instant(), nullable=False),
    sa.Index("contact_by_account", "account_id"),
)

suppression = sa.Table(
    "suppression",
    METADATA,
    sa.Column("pseudonym", sa.String(64), primary_key=True),
    sa.Column("reason", sa.String(64), nullable=False),
    sa.Column("created_at", Instant(), nullable=False),
)

subscription = sa.Table(
    "subscription",
    METADATA,
    sa.Column("subscription_id", sa.String(64), primary_key=True),
    sa.Column("account_id", sa.String(64), sa.ForeignKey("account.account_id"), nullable=False),
    sa.Column("digest_id", sa.String(64), nullable=False),
    sa.Column("condition", sa.JSON(), nullable=False),
    sa.Column("language", sa.String(2), nullable=False),
    sa.Column("deadline_minutes", sa.Integer(), nullable=False),
    sa.Column("is_active", sa.Boolean(), nullable=False),
    sa.Column("planned_through", Instant(), nullable=False),
    sa.Column("created_at", Instant(), nullable=False),
    sa.UniqueConstraint("account_id", "digest_id", name="subscription_once"),
)

digest_run = sa.Table(
    "digest_run",
    METADATA,
    sa.Column(
        "subscription_id",
        sa.String(64),
        sa.ForeignKey("subscription.subscription_id"),
        primary_key=True,
    ),
    sa.Column("slot_at", Instant(), primary_key=True),
    sa.Column("revision", sa.Integer(), primary_key=True),
    sa.Column("slot", sa.String(16), nullable=False),
    sa.Column("expected_date", sa.String(10), nullable=False),
    sa.Column("business_date", sa.String(10), nullable=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("reason", sa.String(32), nullable=False),
    sa.Column("snapshot", sa.String(64), nullable=True),
    sa.Column("decided_at", Instant(), nullable=False),
    sa.Index("digest_run_by_state", "state"),
)

credential = sa.Table(
    "credential",
    METADATA,
    sa.Column("account_id", sa.String(64), sa.ForeignKey("account.account_id"), primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("hash", sa.String(200), nullable=False),
    sa.Column("password_version", sa.Integer(), nullable=False),
    sa.Column("must_change", sa.Boolean(), nullable=False),
    sa.Column("failed_count", sa.Integer(), nullable=False),
    sa.Column("locked_until", Instant(), nullable=True),
    sa.Column("changed_at", Instant(), nullable=False),
)

session = sa.Table(
    "session",
    METADATA,
    sa.Column("token_hash", sa.String(64), primary_key=True),
    sa.Column("account_id", sa.String(64), sa.ForeignKey("account.account_id"), nullable=False),
    sa.Column("csrf", sa.String(64), nullable=False),
    sa.Column("created_at", Instant(), nullable=False),
    sa.Column("seen_at", Instant(), nullable=False),
    sa.Column("expires_at", Instant(), nullable=False),
    sa.Index("session_by_account", "account_id"),
)

threshold = sa.Table(
    "threshold",
    METADATA,
    sa.Column("threshold_id", sa.String(32), primary_key=True),
    sa.Column("account_id", sa.String(64), sa.ForeignKey("account.account_id"), nullable=False),
    sa.Column("figure", sa.String(64), nullable=False),
    sa.Column("unit_id", sa.String(64), nullable=False),
    sa.Column("direction", sa.String(8), nullable=False),
    sa.Column("limit_value", sa.String(40), nullable=False),
    sa.Column("recover_value", sa.String(40), nullable=True),
    sa.Column("is_enabled", sa.Boolean(), nullable=False),
    sa.Column("created_at", Instant(), nullable=False),
    sa.Column("updated_at", Instant(), nullable=False),
    sa.Column("evaluated_snapshot", sa.String(64), nullable=True),
    sa.Index("threshold_by_account", "account_id"),
)

alert_state = sa.Table(
    "alert_state",
    METADATA,
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
    sa.Column("updated_at", Instant(), nullable=False),
)

alert_event = sa.Table(
    "alert_event",
    METADATA,
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
    sa.Column("created_at", Instant(), nullable=False),
)

message = sa.Table(
    "message",
    METADATA,
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
    sa.Column("due_at", Instant(), nullable=False),
    sa.Column("expires_at", Instant(), nullable=False),
    sa.Column("created_at", Instant(), nullable=False),
    sa.Column("updated_at", Instant(), nullable=False),
    sa.Column("secret", sa.LargeBinary(), nullable=True),
    sa.Column("planned_at", Instant(), nullable=False),
    sa.Column("unit_id", sa.String(64), nullable=True),
    sa.Index("message_by_account", "account_id", "created_at"),
    sa.Index("message_by_turn", "state", "priority", "due_at", "message_id"),
    sa.Index("message_by_expiry", "state", "expires_at"),
)

attempt = sa.Table(
    "attempt",
    METADATA,
    sa.Column("reference", sa.String(48), primary_key=True),
    sa.Column("message_id", sa.String(36), sa.ForeignKey("message.message_id"), nullable=False),
    sa.Column("ordinal", sa.Integer(), nullable=False),
    sa.Column("gateway", sa.String(64), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("code", sa.String(64), nullable=True),
    sa.Column("gateway_message_id", sa.String(64), nullable=True),
    sa.Column("started_at", Instant(), nullable=False),
    sa.Column("ended_at", Instant(), nullable=True),
    sa.Column("changed_at", Instant(), nullable=False),
    sa.UniqueConstraint("message_id", "ordinal", name="attempt_once"),
    sa.Index("attempt_by_state", "gateway", "state"),
    sa.Index("attempt_by_gateway_id", "gateway", "gateway_message_id"),
)

delivery_receipt = sa.Table(
    "delivery_receipt",
    METADATA,
    sa.Column("gateway", sa.String(64), primary_key=True),
    sa.Column("gateway_message_id", sa.String(64), primary_key=True),
    sa.Column("status", sa.String(16), primary_key=True),
    sa.Column("reference", sa.String(48), nullable=True),
    sa.Column("is_matched", sa.Boolean(), nullable=False),
    sa.Column("received_at", Instant(), nullable=False),
    sa.Index("receipt_by_match", "gateway", "is_matched"),
)

lease = sa.Table(
    "lease",
    METADATA,
    sa.Column("gateway", sa.String(64), primary_key=True),
    sa.Column("owner", sa.String(100), nullable=False),
    sa.Column("until", Instant(), nullable=False),
)

audit_event = sa.Table(
    "audit_event",
    METADATA,
    sa.Column("audit_event_id", sa.Integer(), primary_key=True, autoincrement=True),
    sa.Column("at", Instant(), nullable=False),
    sa.Column("actor", sa.String(64), nullable=False),
    sa.Column("action", sa.String(64), nullable=False),
    sa.Column("account_id", sa.String(64), nullable=False),
    sa.Column("detail", sa.JSON(), nullable=False),
    sa.Column("unit_id", sa.String(64), nullable=True),
    sa.Column("object_id", sa.String(64), nullable=True),
    sa.Index("audit_event_by_account", "account_id", "at"),
)
