"""The operational store and its versions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from notifications.schema import METADATA, account
from notifications.store import migrate, open_store, reading


def test_the_versions_make_exactly_the_declared_tables(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ops.db'}"
    migrate(url)
    migrate(url)
    with open_store(url).begin() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": "notifications_version", "compare_type": True}
        )
        assert compare_metadata(context, METADATA) == []


def test_a_failed_transaction_leaves_nothing_behind(world: Any) -> None:
    with pytest.raises(RuntimeError), world.engine.begin() as connection:
        connection.execute(account.update().values(status="gone"))
        raise RuntimeError
    with reading(world.engine) as connection:
        assert set(connection.execute(sa.select(account.c.status)).scalars()) == {"active"}


def test_the_database_is_durable_and_can_be_read_while_it_is_written(world: Any) -> None:
    with world.engine.begin() as writer, reading(world.engine) as reader:
        writer.execute(account.update().values(status="gone"))
        assert reader.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert reader.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert set(reader.execute(sa.select(account.c.status)).scalars()) == {"active"}


def test_a_moment_without_zone_is_refused(world: Any) -> None:
    naive = world.now.replace(tzinfo=None)
    with pytest.raises(sa.exc.StatementError, match="no zone"), world.engine.begin() as connection:
        connection.execute(account.update().values(updated_at=naive))
