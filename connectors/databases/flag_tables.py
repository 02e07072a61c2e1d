"""The table interface: flag tables in a database that both sides reach.

Columns of a flag table: the business columns and ifc_seq, ifc_status (0 new, 1 reading, 2 done,
9 error), ifc_op (I, U, D), ifc_batch, ifc_claimed_at, ifc_processed_at, ifc_error. A claim writes
a token and status 1 in one statement; the token is the batch id and fixes the slice for ever:
a claim that was left behind is resumed under its token, nothing returns to 0.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

import duckdb
import sqlalchemy as sa
from sqlalchemy import types
from sqlalchemy.exc import SQLAlchemyError

from connectors.contract import Stream
from connectors.databases.control_totals import Totals, declared_totals, total_columns
from connectors.databases.database import explained, helps_at_once
from connectors.databases.table_columns import find_table
from connectors.databases.table_reading import SeenRows, load_records, told_rows
from connectors.errors import InterfaceMismatch, SourceUnreachable

NEW, READING, DONE, ERROR = 0, 1, 2, 9
FLAGS = (
    "ifc_seq",
    "ifc_status",
    "ifc_op",
    "ifc_batch",
    "ifc_claimed_at",
    "ifc_processed_at",
    "ifc_error",
)
_ATTEMPTS = 5
_ERRORS_AT_ONCE = 500


class ReadClaim(NamedTuple):
    """The rows of a claim that were read, and what the database says of them."""

    rows: int
    content_sha256: str
    declared: Totals


class FlagTable:
    """One flag table, read by one worker.

    `worker` names the reader; two readers of one table must have different names, and a reader
    keeps its name over restarts, so that it finds the claims it left behind. `stream` is the
    contract's in the spellings in which values come, `extra` columns that land beside its own: the
    table's names by ours. Every method raises SourceUnreachable or InterfaceMismatch when the
    database fails.
    """

    def __init__(self, engine: sa.Engine, stream_name: str, stream: Stream, *, worker: str) -> None:
        self.name = stream.table or f"ifc_{stream_name}"
        self._engine = engine
        self._tag = hashlib.sha256(worker.encode()).hexdigest()[:8]
        self._found = find_table(engine, self.name, stream, flags=FLAGS)
        self._table = self._found.table
        self.stream = self._found.stream_as_told(stream, engine.url.get_backend_name())
        self.extra = self._found.extra
        self.findings = self._found.findings
        self._bounds: dict[str, tuple[Any, Any]] = {}

    def left_behind(self, *, now: datetime, stale_after: timedelta) -> list[str]:
        """Tokens of claims that nobody works on, in the order of their rows.

        These are this worker's own (it has just started, so they are from before) and those that
        another worker claimed longer ago than `stale_after`.
        """
        flags = self._table.c
        query = (
            sa.select(flags.ifc_batch, sa.func.min(flags.ifc_claimed_at))
            .where(flags.ifc_status == READING)
            .group_by(flags.ifc_batch)
            .order_by(sa.func.min(flags.ifc_seq))
        )
        limit = _written(now - stale_after)
        with explained("Looking for claims left behind in", self._engine), self._read() as session:
            return [
                str(token).rstrip()
                for token, claimed_at in session.execute(query)
                if is_token(token) and (self.is_own(str(token)) or _seen(claimed_at) <= limit)
            ]

    def is_own(self, token: str) -> bool:
        """Whether this worker made a claim."""
        return token.startswith(self._tag)

    def claim(self, *, limit: int, ordinal: int, now: datetime) -> str | None:
        """Claim up to `limit` new rows and return their token, or None if there is none.

        `ordinal` is the number of this reader's earlier batches: it keeps tokens apart when a
        source puts the same rows out again. Raises SourceUnreachable too when rows that look new
        can never be claimed.
        """
        with explained("Claiming rows at", self._engine):
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    token, claimed = self._try_claim(limit, ordinal, now)
                except SQLAlchemyError as error:
                    if attempt == _ATTEMPTS or not helps_at_once(error):
                        raise
                else:
                    # Another reader may have taken the slice between the look and the claim.
                    if token is None or claimed:
                        return token
        raise SourceUnreachable(
            f"Claiming rows of the flag table {self.name} failed: rows that looked new could not "
            f"be claimed, {_ATTEMPTS} times. Trying again helps when other readers took them; "
            "otherwise the source system must let this user update ifc_status."
        )

    def _try_claim(self, limit: int, ordinal: int, now: datetime) -> tuple[str | None, int]:
        """Claim the new rows of the lowest numbers: who comes second finds them taken.

        The database rechecks the status of a row it waited for, so a range may be given. Rows that
        the source still writes are waited for too: their order is that of their numbers.
        """
        flags = self._table.c
        waiting = (
            sa.select(flags.ifc_seq)
            .where(flags.ifc_status == NEW, flags.ifc_seq.is_not(None))
            .order_by(flags.ifc_seq)
            .limit(limit)
            .subquery("waiting")
        )
        bounds = sa.select(sa.func.min(waiting.c.ifc_seq), sa.func.max(waiting.c.ifc_seq))
        with self._engine.begin() as session:
            first, last = session.execute(bounds).one()
            if first is None:
                return None, 0
            seed = f"{self._tag}|{self.name}|{first}|{ordinal}|{_written(now)}"
            token = f"{self._tag}{hashlib.sha256(seed.encode()).hexdigest()[:24]}"
            claim = (
                sa.update(self._table)
                .where(flags.ifc_status == NEW, flags.ifc_seq.between(first, last))
                .values(
                    ifc_status=READING,
                    ifc_batch=token,
                    ifc_claimed_at=self._moment("ifc_claimed_at", now),
                )
            )
            claimed = session.execute(claim).rowcount
        self._bounds[token] = (first, last)
        return token, claimed

    def has_new(self) -> bool:
        """Whether a row waits to be claimed."""
        flags = self._table.c
        query = sa.select(flags.ifc_seq).where(flags.ifc_status == NEW, flags.ifc_seq.is_not(None))
        with explained("Looking for new rows in", self._engine), self._read() as session:
            return session.execute(query.limit(1)).first() is not None

    def unknown_flags(self) -> int:
        """Count rows that no reader can ever settle.

        They have no number, a status nobody agreed on, or are being read under what is no token.
        """
        flags = self._table.c
        agreed = flags.ifc_status.in_([NEW, READING, DONE, ERROR])
        lost = sa.or_(flags.ifc_seq.is_(None), flags.ifc_status.is_(None), sa.not_(agreed))
        stuck = sa.select(sa.func.count()).select_from(self._table).where(lost)
        reading = (
            sa.select(flags.ifc_batch, sa.func.count())
            .where(flags.ifc_status == READING, flags.ifc_seq.is_not(None))
            .group_by(flags.ifc_batch)
        )
        with explained("Looking for unknown flags in", self._engine), self._read() as session:
            count = int(session.execute(stuck).scalar_one())
            return count + sum(
                int(row[1]) for row in session.execute(reading) if not is_token(row[0])
            )

    def load(
        self,
        connection: duckdb.DuckDBPyConnection,
        token: str,
        *,
        fetch_size: int,
        rows_per_second: int | None,
    ) -> ReadClaim:
        """Make the table `told` from the rows of a claim, as they stand now.

        Raises InterfaceMismatch when rows have no numbers of their own.
        """
        flags = self._table.c
        query = told_rows(self._engine, self._found, number=flags.ifc_seq, op=flags.ifc_op).where(
            self._claimed_as(token)
        )
        rows = SeenRows(len(self._found.columns))
        control = self.stream.control.sums
        told = load_records(
            connection,
            self._engine,
            query,
            width=len(self._found.columns),
            totals=total_columns(self._found, self._engine.url.get_backend_name(), control),
            doing="Reading claimed rows at",
            fetch_size=fetch_size,
            rows_per_second=rows_per_second,
            look=rows.look,
        )
        read = ReadClaim(
            told.rows, rows.content_hash(), declared_totals(told.totals, self._found, control)
        )
        if rows.has_own_numbers(told.rows):
            return read
        row = connection.execute(
            "select count(distinct try_cast(number as bigint)) from told "
            "where regexp_full_match(number, '-?[0-9]+([.]0*)?')"
        ).fetchone()
        if row is None or row[0] != told.rows:
            raise InterfaceMismatch(
                f"Reading the flag table {self.name} failed: ifc_seq must be a number of its own "
                "in every row. Trying again helps once the source system has numbered its rows; "
                "none of these was landed."
            )
        return read

    def mark(self, token: str, errors: Mapping[int, str], *, now: datetime) -> int:
        """Mark the rows of a claim done, those in `errors` (by ifc_seq) as errors with reason.

        All in one transaction; returns how many rows were still in the claim.
        """
        by_reason: dict[str, list[int]] = {}
        for number, reason in errors.items():
            by_reason.setdefault(reason, []).append(number)
        with explained("Marking rows at", self._engine), self._engine.begin() as session:
            marked = 0
            for reason, numbers in by_reason.items():
                for some in _in_parts(numbers, _ERRORS_AT_ONCE):
                    statement = self._marking(token, ERROR, reason, now).where(
                        self._table.c.ifc_seq.in_(some)
                    )
                    marked += session.execute(statement).rowcount
            return marked + session.execute(self._marking(token, DONE, None, now)).rowcount

    def refuse(self, token: str, reason: str, *, now: datetime) -> int:
        """Mark all rows of a claim as errors with one reason and count them."""
        with explained("Marking rows at", self._engine), self._engine.begin() as session:
            return session.execute(self._marking(token, ERROR, reason, now)).rowcount

    def _marking(self, token: str, status: int, reason: str | None, now: datetime) -> sa.Update:
        length = getattr(self._found.types["ifc_error"], "length", None)
        return (
            sa.update(self._table)
            .where(self._claimed_as(token))
            .values(
                ifc_status=status,
                ifc_processed_at=self._moment("ifc_processed_at", now),
                ifc_error=reason and reason[:length],
            )
        )

    def _claimed_as(self, token: str) -> sa.ColumnElement[bool]:
        """Which rows belong to a claim.

        Of a claim made here the numbers are known too: most tables have an index of them, few one
        of the tokens.
        """
        flags = self._table.c
        own = sa.and_(flags.ifc_batch == token, flags.ifc_status == READING)
        if token not in self._bounds:
            return own
        return sa.and_(own, flags.ifc_seq.between(*self._bounds[token]))

    def _read(self) -> sa.Connection:
        return self._engine.connect()

    def _moment(self, column: str, now: datetime) -> Any:
        """An instant as the flag column keeps it: text and local times in UTC."""
        type_ = self._found.types[column]
        if not isinstance(type_, types.DateTime) or self._engine.dialect.name == "sqlite":
            return _written(now)
        moment = now.astimezone(UTC).replace(microsecond=0)
        return moment if getattr(type_, "timezone", False) else moment.replace(tzinfo=None)


def is_token(value: Any) -> bool:
    """Whether a claim's token can be a batch id; anything else was written by no reader of ours."""
    return re.fullmatch(r"[A-Za-z0-9_-]{1,64}", str(value or "").rstrip()) is not None


def _written(instant: datetime) -> str:
    """Write an instant for the flag columns: text in UTC, the same on every site."""
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _seen(value: Any) -> str:
    """The moment of a claim as text that compares; without one the claim is as old as can be."""
    if isinstance(value, datetime):
        return _written(value if value.tzinfo else value.replace(tzinfo=UTC))
    return str(value or "")


def _in_parts(numbers: Iterable[int], size: int) -> Iterable[list[int]]:
    rest = iter(numbers)
    while part := list(islice(rest, size)):
        yield part
