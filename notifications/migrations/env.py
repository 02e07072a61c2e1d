"""Alembic's entry: runs the versions on the connection that `migrate` hands over."""

from __future__ import annotations

from alembic import context

from notifications.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
    version_table="notifications_version",
)
context.run_migrations()
