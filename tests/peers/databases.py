"""Real database servers, each with a database of its own, which is dropped in the end.

`HUIYIN_TEST_POSTGRES_URL` and `HUIYIN_TEST_MARIADB_URL` say where they are, by a user that may make
databases; the defaults are servers of this machine that ask for no password.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import sqlalchemy as sa

from tests.peers import needs

POSTGRES = "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"
MARIADB = "mariadb+pymysql://root@127.0.0.1:3306/test"


@dataclass
class Peer:
    """A partner's database: `kind` is sqlite, postgresql or mariadb.

    `location` is what a contract says, `schema` the prefix of its tables there ('' where the
    database is its own), `engine` the partner's own session with all rights.
    """

    kind: str
    location: str
    schema: str
    engine: sa.Engine
    password: str | None = None

    def table(self, name: str) -> str:
        """The table's name as a contract writes it."""
        return f"{self.schema}.{name}" if self.schema else name

    def run(self, sql: str, *rows: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Run one statement of the partner, once or for each of `rows` (`?` are their values)."""
        mark = "?" if self.kind == "sqlite" else "%s"
        session = self.engine.raw_connection()
        try:
            cursor = session.cursor()
            if rows:
                cursor.executemany(sql.replace("?", mark), [tuple(row) for row in rows])
                found: list[tuple[Any, ...]] = []
            else:
                cursor.execute(sql)
                found = [tuple(row) for row in cursor.fetchall()] if cursor.description else []
            session.commit()
        finally:
            session.close()
        return found

    def secret(self, name: str) -> str | None:
        """The password of a source, under whatever name it is asked for."""
        return self.password if name.endswith("_PASSWORD") else None

    def kill_others(self) -> int:
        """End every other session in this database, as its administrator would."""
        if self.kind == "postgresql":
            rows = self.run(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid()"
            )
            return len(rows)
        if self.kind == "mariadb":
            own = self.run(
                "select id from information_schema.processlist "
                f"where db = '{self.engine.url.database}' and id <> connection_id()"
            )
            killed = 0
            for (number,) in own:
                try:
                    self.run(f"kill {number}")
                    killed += 1
                except pymysql.Error:
                    continue
            return killed
        return 0


@contextmanager
def sqlite_peer(home: Path) -> Iterator[Peer]:
    """A database file below the home."""
    path = home / "partner" / "partner.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(f"sqlite:///{path}", poolclass=sa.NullPool)
    with engine.connect():
        pass
    path.touch()
    yield Peer("sqlite", "sqlite:///partner/partner.db", "", engine)
    engine.dispose()


@contextmanager
def postgres_peer() -> Iterator[Peer]:
    """A database of its own on the PostgreSQL server, with a schema of the same name."""
    url = sa.make_url(os.environ.get("HUIYIN_TEST_POSTGRES_URL", POSTGRES))
    url = url.set(drivername="postgresql+psycopg")
    connect_args = {"connect_timeout": 5}
    server = sa.create_engine(
        url, poolclass=sa.NullPool, connect_args=connect_args, isolation_level="AUTOCOMMIT"
    )
    _require(server, "PostgreSQL", "HUIYIN_TEST_POSTGRES_URL")
    name = f"huiyin_{uuid.uuid4().hex[:12]}"
    url = url.set(database=name)
    own = sa.create_engine(url, poolclass=sa.NullPool, connect_args=connect_args)
    try:
        with server.connect() as session:
            session.execute(sa.text(f"create database {name}"))
        peer = Peer("postgresql", _location(url), name, own, url.password)
        peer.run(f"create schema {name}")
        yield peer
    finally:
        own.dispose()
        with server.connect() as session:
            session.execute(sa.text(f"drop database if exists {name} with (force)"))
        server.dispose()


@contextmanager
def mariadb_peer() -> Iterator[Peer]:
    """A database of its own on the MariaDB server."""
    url = sa.make_url(os.environ.get("HUIYIN_TEST_MARIADB_URL", MARIADB))
    url = url.set(drivername="mariadb+pymysql").update_query_dict({"charset": "utf8mb4"})
    engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args={"connect_timeout": 5})
    _require(engine, "MariaDB", "HUIYIN_TEST_MARIADB_URL")
    name = f"huiyin_{uuid.uuid4().hex[:12]}"
    Peer("mariadb", "", "", engine).run(f"create database {name} character set utf8mb4")
    own = sa.create_engine(url.set(database=name), poolclass=sa.NullPool)
    try:
        yield Peer("mariadb", _location(url.set(database=name)), "", own, url.password)
    finally:
        own.dispose()
        Peer("mariadb", "", "", engine).run(f"drop database {name}")
        engine.dispose()


@contextmanager
def database_peer(kind: str, home: Path) -> Iterator[Peer]:
    """The peer of a kind."""
    peers = {"sqlite": lambda: sqlite_peer(home), "postgresql": postgres_peer}
    with peers.get(kind, mariadb_peer)() as peer:
        yield peer


def _location(url: sa.URL) -> str:
    bare = url.set(drivername=url.get_backend_name(), password=None, query={})
    return bare.render_as_string(hide_password=False)


def _require(engine: sa.Engine, name: str, variable: str) -> None:
    try:
        with engine.connect():
            found = True
    except (sa.exc.SQLAlchemyError, psycopg.Error, pymysql.Error):
        found = False
    where = engine.url.render_as_string(hide_password=True)
    needs(found, f"no {name} server answers at {where} (set {variable})")
