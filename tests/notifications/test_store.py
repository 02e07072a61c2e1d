"""The operational store and its versions."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from notifications.schema import (
    METADATA,
    account,
    attempt,
    audit_event,
    credential,
    message,
    threshold,
)
from notifications.store import migrate, open_store, reading
from tests.peers.databases import database_peer

MIGRATIONS = Path(__file__).parents[2] / "notifications" / "migrations"


def test_the_versions_make_exactly_the_declared_tables(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ops.db'}"
    migrate(url)
    migrate(url)
    with open_store(url).begin() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": "notifications_version", "compare_type": True}
        )
        assert compare_metadata(context, METADATA) == []


def test_a_store_of_the_first_version_keeps_its_messages_and_gets_the_new_tables(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'ops.db'}"
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = open_store(url)
    moment = "2026-03-31T01:00:00.000000Z"
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "v0001")
        connection.exec_driver_sql(
            "insert into account values ('A', 'key-A', 'manager', 'active', ?, ?)",
            (moment, moment),
        )
        connection.exec_driver_sql(
            "insert into message values ('m1', 'digest:1', 'digest', 'daily_sales', 'A', 'A:sms',"
            " 'zh', '正文', 'ucs2', 1, '{}', 's1', 'resend', 5, 'delivered', null, 1, ?, ?, ?, ?)",
            (moment,) * 4,
        )
        connection.exec_driver_sql(
            "insert into audit_event values (1, ?, 'roster', 'account_created', 'A', '{}')",
            (moment,),
        )
    migrate(url)
    with reading(engine) as connection:
        kept = connection.execute(sa.select(message)).one()
        assert (kept.text, kept.state, kept.secret) == ("正文", "delivered", None)
        assert connection.execute(sa.select(account.c.account_id)).scalars().all() == ["A"]
        assert connection.execute(sa.select(audit_event.c.action)).scalars().all() == [
            "account_created"
        ]
        assert connection.execute(sa.select(credential)).all() == []
        assert connection.execute(sa.select(threshold)).all() == []
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "v0001")
        assert connection.exec_driver_sql("select text from message").scalar() == "正文"


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_rows_from_before_get_what_can_still_be_told_of_them(tmp_path: Path, kind: str) -> None:
    url = f"sqlite:///{tmp_path / 'ops.db'}"
    with ExitStack() as stack:
        if kind == "postgresql":
            peer = stack.enter_context(database_peer(kind, tmp_path))
            url = peer.engine.url.render_as_string(hide_password=False)
        engine = open_store(url)
        stack.callback(engine.dispose)
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))

        def moment(minute: int) -> str:
            return f"2026-03-31T01:{minute:02d}:00.000000Z"

        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "v0003")
            for statement in (
                f"insert into account values ('A', null, 'x', 'active', '{moment(0)}', '')",
                f"insert into role_assignment values ('A', 'm', 'U2', '{moment(0)}')",
                f"insert into role_assignment values ('A', 'm', 'U1', '{moment(0)}')",
                *(
                    f"insert into message values ('{name}', '{name}', 'digest', 'd', '{who}', 'c',"
                    f" 'zh', 't', 'ucs2', 1, '{{}}', 's', 'resend', 5, 'queued', null, 1,"
                    f" '{moment(9)}', '{moment(30)}', '{moment(0)}', '{moment(0)}', null)"
                    for name, who in (("tried", "A"), ("waits", "gone"))
                ),
                f"insert into attempt values ('tried.1', 'tried', 1, 'g', 'not_sent', null, null,"
                f" '{moment(1)}', '{moment(2)}')",
                f"insert into attempt values ('tried.2', 'tried', 2, 'g', 'intent', null, null,"
                f" '{moment(4)}', null)",
                *(
                    f"insert into audit_event values ({number}, '{moment(0)}', '{actor}', 'a', 'A',"
                    f" '{detail}')"
                    for number, actor, detail in (
                        (1, "A", '{"digest": "daily_sales"}'),
                        (2, "roster", '{"role": "m", "unit_id": "U3"}'),
                        (3, "A", '{"unit": "typed"}'),
                    )
                ),
            ):
                connection.exec_driver_sql(statement)
        migrate(url)
        with engine.connect() as connection:

            def all_of(*columns: Any) -> list[tuple[Any, ...]]:
                query = sa.select(*columns).order_by(columns[0])
                return [tuple(row) for row in connection.execute(query)]

            base = datetime(2026, 3, 31, 1, tzinfo=UTC)
            minute = timedelta(minutes=1)
            assert all_of(message.c.message_id, message.c.planned_at, message.c.unit_id) == [
                ("tried", base + minute, "U1"),
                ("waits", base + 9 * minute, None),
            ]
            assert all_of(attempt.c.reference, attempt.c.changed_at) == [
                ("tried.1", base + 2 * minute),
                ("tried.2", base + 4 * minute),
            ]
            told = (audit_event.c.audit_event_id, audit_event.c.unit_id, audit_event.c.object_id)
            assert all_of(*told) == [
                (1, "U1", "daily_sales"),
                (2, None, "U3"),
                (3, "U1", None),
            ]


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
