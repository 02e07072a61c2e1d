"""The snapshot a threshold was evaluated on last, so that it is not asked again for nothing.

Revision ID: v0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "v0003"
down_revision: str | None = "v0002"


def upgrade() -> None:
    """Create the column."""
    op.add_column("threshold", sa.Column("evaluated_snapshot", sa.String(64), nullable=True))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("threshold", "evaluated_snapshot")
