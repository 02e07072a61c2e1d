"""Databases of partners: opened by URL with time-outs, and their failures told in our words.

SQLite, PostgreSQL (psycopg) and MariaDB (PyMySQL) are tested. Oracle (`oracle+oracledb://`) is
untested; the extra `oracle` brings its driver: `.uv/bin/uv sync --extra oracle`.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Context, Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from connectors.errors import ConnectorError, InterfaceMismatch, SourceUnreachable
from connectors.places.place import Secret, credential_name, no_secret

_CONNECT_SECONDS = 10
_LOCK_SECONDS = 30
# Claiming some hundred thousand rows takes minutes on a slow server and no end on a dead one.
_STATEMENT_SECONDS = 900
_SILENT_SECONDS = 60
_DRIVERS = {
    "postgresql": "postgresql+psycopg",
    "mariadb": "mariadb+pymysql",
    "mysql": "mysql+pymysql",
    "oracle": "oracle+oracledb",
}
_PACKAGES = {
    "postgresql": "psycopg[binary]",
    "mariadb": "pymysql",
    "mysql": "pymysql",
    "oracle": "oracledb",
}
# Words of the databases for what no repetition mends: a missing right, table or column.
_NOT_AGREED_SQLSTATES = {"42501", "42P01", "42703", "3F000", "42804", "42883"}
_NOT_AGREED_NUMBERS = {1044, 1054, 1142, 1143, 1146, 1227, 1290, 1366}
_PLAIN_NUMBER = re.compile(r"[+-]?[0-9]+([.][0-9]+)?")
_EXACT = Context(prec=200)
_TRY_AGAIN = {"40001", "40P01", 1205, 1213}


def open_database(
    location: str,
    home: Path,
    *,
    secret: Secret = no_secret,
    owner: str = "",
    read_only: bool = False,
) -> sa.Engine:
    """Open the database of an interface; a relative SQLite path starts at the home.

    The user stands in the URL, the password never does: it is the secret of `owner`, the source or
    partner. Sessions run in UTC; with `read_only` the database itself refuses every writing
    statement. Raises SourceUnreachable when it is not there, InterfaceMismatch when no URL or
    driver fits.
    """
    try:
        url = sa.make_url(location)
    except ArgumentError as error:
        raise InterfaceMismatch(
            "Connecting to an interface database failed: its location is not a database URL. "
            "Trying again does not help; correct 'location' in its contract."
        ) from error
    if url.password is not None or any(map(_is_secret, url.query)):
        raise InterfaceMismatch(
            f"Connecting to {shown(url)} failed: its location holds a password. Trying again does "
            "not help; correct 'location' in its contract and keep the password as the secret "
            f"{credential_name(owner or 'source', 'PASSWORD')}."
        )
    engine = (
        _open_sqlite(url, home, read_only)
        if url.get_backend_name() == "sqlite"
        else _create_engine(url, _password(secret, owner), read_only)
    )
    with explained("Connecting to", engine, connecting=True), engine.connect():
        return engine


def _password(secret: Secret, owner: str) -> str | None:
    return secret(credential_name(owner, "PASSWORD")) if owner else None


def _open_sqlite(url: sa.URL, home: Path, read_only: bool) -> sa.Engine:
    path = home / (url.database or "")
    if not path.is_file():
        raise SourceUnreachable(
            f"Opening the interface database {path} failed: there is no such file. Trying "
            "again helps once the source system has written it; otherwise correct 'location' "
            "in its contract."
        )

    def connect() -> sqlite3.Connection:
        mode = "ro" if read_only else "rw"
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode={mode}",
            uri=True,
            timeout=_LOCK_SECONDS,
            check_same_thread=False,
        )
        # Text that is not UTF-8 rejects one row, not the table.
        connection.text_factory = lambda raw: raw.decode("utf-8", errors="surrogateescape")
        connection.create_aggregate("exact_sum", 1, _ExactSum)
        return connection

    return sa.create_engine(url.set(database=str(path)), creator=connect, hide_parameters=True)


class _ExactSum:
    """The sum of numbers by the digits that reading shows; SQLite itself adds floats up."""

    def __init__(self) -> None:
        self._sum = Decimal(0)

    def step(self, value: Any, /) -> None:
        """Take one value; what is not written as a plain number does not count."""
        text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
        if _PLAIN_NUMBER.fullmatch(text):
            self._sum = _EXACT.add(self._sum, Decimal(text))

    def finalize(self) -> Any:
        """The sum as a decimal text."""
        return format(self._sum, "f")


def _create_engine(url: sa.URL, password: str | None, read_only: bool) -> sa.Engine:
    backend = url.get_backend_name()
    driver = url.drivername if "+" in url.drivername else _DRIVERS.get(backend, url.drivername)
    try:
        engine = sa.create_engine(
            url.set(drivername=driver, password=password),
            connect_args=_connect_args(backend),
            hide_parameters=True,
        )
    except (ArgumentError, ImportError, NoSuchModuleError) as error:
        package = _PACKAGES.get(backend)
        install = f"install the Python package {package}" if package else "install its driver"
        raise InterfaceMismatch(
            f"Connecting to {shown(url)} failed: no driver for it is installed. Trying again does "
            f"not help; {install} or correct 'location' in its contract."
        ) from error
    settings = session_settings(backend, read_only=read_only)

    def prepare(connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            for statement in settings:
                cursor.execute(statement)
        connection.commit()

    sa.event.listen(engine, "connect", prepare)
    return engine


def _connect_args(backend: str) -> dict[str, Any]:
    if backend == "postgresql":
        return {
            "connect_timeout": _CONNECT_SECONDS,
            "application_name": "huiyin",
            "client_encoding": "utf8",
            "keepalives_idle": _SILENT_SECONDS // 2,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "tcp_user_timeout": _SILENT_SECONDS * 1000,
        }
    if backend in {"mariadb", "mysql"}:
        return {
            "charset": "utf8mb4",
            "connect_timeout": _CONNECT_SECONDS,
            "read_timeout": _STATEMENT_SECONDS,
            "write_timeout": _STATEMENT_SECONDS,
        }
    return {"tcp_connect_timeout": _CONNECT_SECONDS} if backend == "oracle" else {}


def session_settings(backend: str, *, read_only: bool) -> list[str]:
    """Statements that every session of a database starts with."""
    if backend == "postgresql":
        # The reading of a whole table is one statement and may take as long as it needs.
        seconds = 0 if read_only else _STATEMENT_SECONDS
        return [
            "set timezone to 'UTC'",
            "set datestyle to 'ISO, YMD'",
            f"set lock_timeout to '{_LOCK_SECONDS}s'",
            f"set statement_timeout to '{seconds}s'",
            f"set default_transaction_read_only to {'on' if read_only else 'off'}",
        ]
    if backend in {"mariadb", "mysql"}:
        # Under the default isolation a claim locks the gaps in which the source writes new rows.
        settings = [
            "set session time_zone = '+00:00'",
            "set session transaction isolation level read committed",
            f"set session innodb_lock_wait_timeout = {_LOCK_SECONDS}",
        ]
        return [*settings, "set session transaction read only"] if read_only else settings
    if backend == "oracle":
        return ["alter session set time_zone = 'UTC'"]
    return []


def shown(url: sa.URL) -> str:
    """A database URL without what is secret in it, or might be."""
    return url.set(query={}).render_as_string(hide_password=True)


def _is_secret(parameter: str) -> bool:
    """Whether a parameter of a URL holds a password, such as `password` or `sslpassword`."""
    name = parameter.lower().replace("_", "").replace("-", "")
    return any(word in name for word in ("password", "passwd", "passphrase", "secret", "token"))


@contextmanager
def explained(doing: str, engine: sa.Engine, *, connecting: bool = False) -> Iterator[None]:
    """Turn a failure of the database into SourceUnreachable or InterfaceMismatch.

    `doing` begins the sentence, such as "Claiming rows at"; no value of a statement is quoted.
    """
    try:
        yield
    except SQLAlchemyError as error:
        raise failure(doing, engine, error, connecting=connecting) from error


def failure(
    doing: str, engine: sa.Engine, error: BaseException, *, connecting: bool = False
) -> ConnectorError:
    """The error to raise for what a database or its driver said."""
    told = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    word = word_of(told)
    name = f"{type(told).__name__} ({word})" if word else type(told).__name__
    where = shown(engine.url)
    if word in _NOT_AGREED_SQLSTATES | _NOT_AGREED_NUMBERS:
        return InterfaceMismatch(
            f"{doing} {where} failed: {name}, a right, table or column is missing. Trying again "
            "does not help; its owner must grant or create it."
        )
    # Before a statement is sent, what the database says holds no value of anybody.
    because = f": {_first_line(told)}" if connecting else ""
    return SourceUnreachable(
        f"{doing} {where} failed: {name}{because}. Trying again helps when the database is only "
        "busy or down; otherwise its owner must mend it, or 'location' and the password for it "
        "must be corrected."
    )


def driver_errors(engine: sa.Engine) -> tuple[type[BaseException], ...]:
    """What the drivers of a database raise when they are used without SQLAlchemy."""
    backend = engine.url.get_backend_name()
    if backend == "postgresql":
        import adbc_driver_manager
        import psycopg

        return (adbc_driver_manager.Error, psycopg.Error)
    if backend in {"mariadb", "mysql"}:
        import pymysql

        return (pymysql.Error,)
    return ()


def word_of(error: BaseException | None) -> str | int | None:
    """What a database calls an error: number, SQLSTATE or name; None when it does not say."""
    first = error.args[0] if error is not None and error.args else None
    if isinstance(first, int):
        return first
    for attribute in ("sqlstate", "sqlite_errorname"):
        word = getattr(error, attribute, None)
        if word:
            return str(word)
    return None


def helps_at_once(error: SQLAlchemyError) -> bool:
    """Whether two sessions only stood in each other's way, so that a repetition succeeds."""
    return isinstance(error, DBAPIError) and word_of(error.orig) in _TRY_AGAIN


def _first_line(error: BaseException | None) -> str:
    if error is None:
        return ""
    text = error.args[-1] if error.args and isinstance(error.args[-1], str) else str(error)
    return " ".join(text.split("\n", 1)[0].split()).rstrip(".")


def table_of(name: str) -> tuple[str | None, str]:
    """Split a table's name as a contract writes it, `schema.table` or `table`."""
    schema, dot, table = name.partition(".")
    return (schema, table) if dot else (None, name)
