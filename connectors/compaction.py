"""Compaction: the small Parquet files of one stream and business date become one.

Batches keep their identity: rows keep `_batch_id`, and the ledger's path of each batch points to
the common file. Order: write, fsync, rename, then ledger and list of replaced files in one
transaction. A kill before that leaves a file that nobody refers to and the next run writes again;
replaced files go only after a grace time, while no build can read them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from pathlib import Path

import duckdb

from connectors.contract import Contract
from connectors.errors import LandingFailed
from connectors.landing import Step, explained, no_fault, only_one
from connectors.ledger import Ledger
from connectors.ledger_rows import Batch
from connectors.places.place import sync_folder
from connectors.sql_text import literal
from connectors.sqlite_store import as_text

GRACE = timedelta(days=1)
_SMALL_FILE = 64 * 1024**2
_MOST_FILES = 10_000
_PREFIX = "compacted-"


class CompactionFailed(LandingFailed):
    """Days of a source that could not be compacted; `compacted` are those that were."""

    def __init__(self, failures: Sequence[str], compacted: Sequence[Compacted]) -> None:
        super().__init__("\n".join(failures))
        self.compacted = tuple(compacted)


@dataclass(frozen=True)
class Compacted:
    """What was (or in a dry run would be) compacted: `files` of `batches` into one."""

    source: str
    stream: str
    business_date: date
    batches: int
    files: int
    path: str


def compact(
    ledger: Ledger,
    contracts: Mapping[str, Contract],
    *,
    home: Path,
    before: date,
    now: datetime,
    fewest: int = 2,
    dry_run: bool = False,
    at: Step = no_fault,
    memory_limit: str = "1GB",
) -> list[Compacted]:
    """Compact every stream's days before `before` that have at least `fewest` small files.

    `now` is the real moment, from which the grace of replaced files counts. Superseded batches keep
    their rows in the file, so that a build finds what it must take back. Raises LandingBusy when a
    source is being landed, and CompactionFailed, after all other days were done, when files cannot
    be read together or do not hold what the ledger says.
    """
    found: list[Compacted] = []
    failures: list[str] = []
    for source in contracts:
        with explained(source, home), only_one(home, source):
            for batches in _days(ledger, source, home, before):
                paths = list(dict.fromkeys(batch.path or "" for batch in batches))
                if len(paths) < fewest:
                    continue
                target = _target(batches)
                if not dry_run:
                    try:
                        _write(batches, paths, home, target, at, memory_limit)
                    except LandingFailed as error:
                        failures.append(str(error))
                        continue
                    _record(ledger, batches, paths, target, now)
                    at("compaction_recorded")
                one = batches[0]
                found.append(
                    Compacted(
                        source, one.stream, one.business_date, len(batches), len(paths), target
                    )
                )
    if failures:
        raise CompactionFailed(failures, found)
    return found


def _days(ledger: Ledger, source: str, home: Path, before: date) -> Iterator[list[Batch]]:
    """The batches of a source that lie in small files, by stream and day.

    A day of more files than are read at once comes in several groups, each of whole files.
    """
    groups: dict[tuple[str, date], dict[str, list[Batch]]] = {}
    sizes: dict[str, int] = {}
    for batch in ledger.batches(source=source):
        if batch.path is None or batch.status not in {"loaded", "superseded"}:
            continue
        if batch.business_date >= before:
            continue
        if batch.path not in sizes:
            file = home / batch.path
            sizes[batch.path] = file.stat().st_size if file.is_file() else _SMALL_FILE
        if sizes[batch.path] < _SMALL_FILE:
            group = groups.setdefault((batch.stream, batch.business_date), {})
            group.setdefault(batch.path, []).append(batch)
    for group in groups.values():
        paths = iter(group)
        while some := list(islice(paths, _MOST_FILES)):
            together = [batch for path in some for batch in group[path]]
            yield sorted(together, key=lambda one: one.batch_id)


def _target(batches: Sequence[Batch]) -> str:
    """The common file: the same batches always have the same."""
    ids = "\0".join(batch.batch_id for batch in batches)
    name = f"{_PREFIX}{hashlib.sha256(ids.encode()).hexdigest()[:32]}.parquet"
    one = batches[0]
    return Path("raw", one.source, one.stream, one.business_date.isoformat(), name).as_posix()


def _write(
    batches: Sequence[Batch],
    paths: Sequence[str],
    home: Path,
    target: str,
    at: Step,
    memory_limit: str,
) -> None:
    path = home / target
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    listed = ", ".join(literal(str(home / one)) for one in paths)
    own = ", ".join(literal(batch.batch_id) for batch in batches)
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory_limit,
        "temp_directory": str(home / "tmp"),
    }
    what = f"Compacting {batches[0].source}.{batches[0].stream} of {batches[0].business_date}"
    try:
        with duckdb.connect(config=settings) as connection:
            connection.execute(
                f"copy (select * from read_parquet([{listed}], union_by_name = true) "
                f"where _batch_id in ({own}) order by _batch_id, _record_no) "
                f"to {literal(str(temporary))} (format parquet, compression zstd)"
            )
            counted = dict(
                connection.execute(
                    "select _batch_id, count(*) from read_parquet(?) group by 1", [str(temporary)]
                ).fetchall()
            )
    except duckdb.Error as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, duckdb.OutOfMemoryException):
            raise
        # The engine's words may hold values.
        raise LandingFailed(
            f"{what} failed: its files cannot be read together ({type(error).__name__}). Nothing "
            "was changed, builds go on. Trying again helps if the disk was full or busy; otherwise "
            "a file is damaged, or the contract changed a column to a type that does not fit."
        ) from error
    wrong = [one.batch_id for one in batches if counted.get(one.batch_id, 0) != one.rows_loaded]
    if wrong:
        temporary.unlink()
        raise LandingFailed(
            f"{what} failed: the files of {len(wrong)} batches do not hold the rows that the "
            "ledger says. Nothing was changed. Trying again does not help; restore the files from "
            "a backup."
        )
    at("compaction_temporary")
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)
    at("compaction_written")


def _record(
    ledger: Ledger, batches: Sequence[Batch], paths: Sequence[str], target: str, now: datetime
) -> None:
    with ledger.rows.writing():
        for batch in batches:
            ledger.rows.execute(
                "update batch set path = ? where batch_id = ? and path = ?",
                [target, batch.batch_id, batch.path],
            )
        replace_files(ledger, [one for one in paths if one != target], now)


def replace_files(ledger: Ledger, paths: Sequence[str], now: datetime) -> None:
    """Note inside a transaction that files will not be needed any more."""
    for path in paths:
        ledger.rows.execute(
            "insert or ignore into replaced_file values (?, ?)", [path, as_text(now)]
        )


def remove_replaced_files(
    ledger: Ledger,
    home: Path,
    *,
    now: datetime,
    grace: timedelta = GRACE,
    dry_run: bool = False,
    at: Callable[[str], None] = no_fault,
) -> list[str]:
    """Remove replaced files whose grace is over, and compacted ones that a kill left behind.

    The caller holds the build lock, so that no build reads them. Never removes a file that a batch
    of the ledger points to. Returns their paths relative to the home.
    """
    used = {
        str(row[0])
        for row in ledger.rows.execute("select distinct path from batch where path is not null")
    }
    due = [
        str(row[0])
        for row in ledger.rows.execute(
            "select path from replaced_file where replaced_at <= ? order by path",
            [as_text(now - grace)],
        )
    ]
    oldest = (now - grace).timestamp()
    left_behind = [
        path.relative_to(home).as_posix()
        for path in sorted((home / "raw").glob(f"*/*/*/*{_PREFIX}*"))
        if path.stat().st_mtime <= oldest
    ]
    removed = [path for path in dict.fromkeys([*due, *left_behind]) if path not in used]
    if dry_run:
        return removed
    for path in removed:
        (home / path).unlink(missing_ok=True)
        at("replaced_removed")
    with ledger.rows.writing():
        for path in due:
            ledger.rows.execute("delete from replaced_file where path = ?", [path])
    return removed
