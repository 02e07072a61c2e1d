"""Opening of partners' databases: what is told when it fails, and never a password or a value."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
import sqlalchemy as sa

from connectors.databases.database import explained, open_database, table_of
from connectors.errors import ConnectorError, InterfaceMismatch, SourceUnreachable
from tests.connectors.conftest import Home
from tests.peers.databases import database_peer
from tests.peers.ports import free_port

SECRET = "hid/den@:%word"


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("nonsense", "is not a database URL"),
        ("foo://x", "no driver for it is installed"),
        ("oracle://me@host/x", "install the Python package oracledb"),
        (f"postgresql://me:{'hidden'}@host/x", "keep the password as the secret HUIYIN_SHOP_"),
    ],
)
def test_a_location_that_cannot_be_one_is_told_without_its_password(
    tmp_path: Path, location: str, told: str
) -> None:
    with pytest.raises(InterfaceMismatch, match=told) as caught:
        open_database(location, tmp_path, owner="shop")
    assert "hidden" not in str(caught.value) and not caught.value.retryable


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreachable, match="there is no such file"):
        open_database("sqlite:///nothing.db", tmp_path)


@pytest.mark.parametrize("backend", ["postgresql", "mariadb"])
def test_a_server_that_is_not_there_is_told_without_the_password(
    tmp_path: Path, backend: str
) -> None:
    location = f"{backend}://me@127.0.0.1:{free_port()}/x"
    with pytest.raises(SourceUnreachable, match="Connecting to") as caught:
        open_database(location, tmp_path, secret=lambda name: SECRET, owner="shop")
    chain = f"{caught.value} {caught.value.__cause__!r} {caught.value.__cause__}"
    assert SECRET not in chain and caught.value.retryable


def test_the_password_comes_from_the_secret_of_its_owner(home: Home) -> None:
    with database_peer("mariadb", home.path) as peer:
        name, user = str(peer.engine.url.database), f"u{peer.engine.url.database}"[:30]
        peer.run(f"create user {user}@'%' identified by '{SECRET}'")
        try:
            peer.run(f"grant select on {name}.* to {user}@'%'")
            location = peer.location.replace("//root@", f"//{user}@")
            asked: list[str] = []

            def secret(asked_for: str) -> str:
                asked.append(asked_for)
                return SECRET

            engine = open_database(location, home.path, secret=secret, owner="shop")
            engine.dispose()
            assert asked == ["HUIYIN_SHOP_PASSWORD"]
            with pytest.raises(ConnectorError) as caught:
                open_database(location, home.path, secret=lambda _: SECRET[:-1], owner="shop")
            assert SECRET[:-1] not in str(caught.value)
        finally:
            peer.run(f"drop user {user}@'%'")


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_right_that_is_missing_is_no_matter_of_trying_again(home: Home, kind: str) -> None:
    with database_peer(kind, home.path) as peer:
        engine = open_database(peer.location, home.path, secret=peer.secret, owner="shop")
        statement = f"select 13800001111 from {peer.table('nothing')}"
        with (
            pytest.raises(InterfaceMismatch) as caught,
            explained("Reading", engine),
            engine.connect() as session,
        ):
            session.execute(sa.text(statement))
        engine.dispose()
        assert "1380000" not in str(caught.value)


def test_rows_that_are_locked_too_long_are_told(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.databases.database._LOCK_SECONDS", 1)
    for kind in ("postgresql", "mariadb"):
        with database_peer(kind, home.path) as peer:
            table = peer.table("t")
            peer.run(f"create table {table} (n int primary key)")
            peer.run(f"insert into {table} values (1)")
            engine = open_database(peer.location, home.path, secret=peer.secret, owner="shop")
            with peer.engine.begin() as other:
                other.execute(sa.text(f"update {table} set n = 2"))
                with (
                    pytest.raises(SourceUnreachable),
                    explained("Claiming", engine),
                    engine.begin() as session,
                ):
                    session.execute(sa.text(f"update {table} set n = 3"))
            engine.dispose()


def test_a_database_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "hr.db"
    path.write_bytes(b"")
    path.chmod(stat.S_IWUSR)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(SourceUnreachable, match="SQLITE_CANTOPEN"):
        open_database("sqlite:///hr.db", tmp_path, read_only=True)


def test_a_name_may_carry_its_schema() -> None:
    assert table_of("t") == (None, "t")
    assert table_of("s.t") == ("s", "t")


@pytest.mark.parametrize("parameter", ["password", "PASSWD", "sslpassword", "ssl_password"])
def test_a_secret_in_the_parameters_of_a_location_is_refused_and_not_shown(
    tmp_path: Path, parameter: str
) -> None:
    with pytest.raises(InterfaceMismatch, match="holds a password") as raised:
        open_database(f"postgresql://u@127.0.0.1/db?{parameter}=hunter2", tmp_path)
    assert "hunter2" not in str(raised.value)
