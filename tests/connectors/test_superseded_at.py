"""When a batch stopped being current: kept by the ledger, derived of what came before it did."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from connectors.ledger import Ledger
from connectors.ledger_schema import MIGRATIONS
from connectors.sqlite_store import as_text, open_store

VERSION = next(i for i, script in enumerate(MIGRATIONS) if "superseded_at" in script)
START = datetime(2026, 3, 1, tzinfo=UTC)


def hour(number: int) -> datetime:
    return START + timedelta(hours=number)


class Before:
    """A ledger of the version before, whose batches load at the given hours."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._store = open_store(path, MIGRATIONS[:VERSION])

    def add(
        self,
        batch_id: str,
        loaded: int,
        *,
        status: str = "superseded",
        day: str = "2026-03-01",
        sequence: int = 1,
        sent: int | None = None,
        supersedes: str | None = None,
        replays: str | None = None,
        expired: str | None = None,
        stream: str = "t",
    ) -> None:
        self._store.execute(
            "insert into batch (batch_id, source, stream, branch, business_date, covers_from, "
            "sequence, interface, place, content_sha256, log_sha256, declared_sums, rows, "
            "rows_loaded, rejected, sums, status, code, reason, supersedes, received_at, "
            "loaded_at, replays, sent_at) values (?, 's', ?, 'main', ?, ?, ?, 'files', '', '', "
            "'', '{}', 1, 1, 0, '{}', ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                batch_id,
                stream,
                day,
                day,
                sequence,
                status,
                "expired" if expired else None,
                expired,
                supersedes,
                as_text(hour(loaded)),
                as_text(hour(loaded)),
                replays,
                None if sent is None else as_text(hour(sent)),
            ],
        )

    def migrated(self) -> dict[str, datetime | None]:
        self._store.close()
        with Ledger(self._path) as ledger:
            return {one.batch_id: one.superseded_at for one in ledger.batches()}


def test_a_correction_dates_what_it_superseded_and_its_replays(tmp_path: Path) -> None:
    before = Before(tmp_path / "ledger.db")
    before.add("first", 1)
    before.add("replayed", 2, replays="first")
    before.add("second", 5, status="loaded", supersedes="first")
    assert before.migrated() == {"first": hour(5), "replayed": hour(5), "second": None}


def test_what_was_sent_earlier_and_came_later_was_never_current(tmp_path: Path) -> None:
    before = Before(tmp_path / "ledger.db")
    before.add("newer", 1, status="loaded", sent=9)
    before.add("older", 4, sent=3)
    assert before.migrated() == {"newer": None, "older": hour(4)}


def test_full_deliveries_end_with_the_next_later_one(tmp_path: Path) -> None:
    before = Before(tmp_path / "ledger.db")
    before.add("a", 1, day="2026-03-01", sequence=1)
    before.add("b", 9, day="2026-03-02", sequence=2)
    before.add("c", 6, day="2026-03-03", sequence=3, status="loaded")
    assert before.migrated() == {"a": hour(6), "b": hour(9), "c": None}


def test_what_expired_did_so_on_the_first_day_it_could(tmp_path: Path) -> None:
    before = Before(tmp_path / "ledger.db")
    before.add("old", 1, expired="it was kept for 30 days")
    before.add("next", 30, day="2026-03-02", sequence=2, status="loaded")
    assert before.migrated() == {"old": datetime(2026, 4, 1, tzinfo=UTC), "next": None}
    with Ledger(tmp_path / "ledger.db") as ledger:
        known = ledger.batch("old")
        assert known is not None and known.expired_at == known.superseded_at


def test_streams_do_not_date_one_another(tmp_path: Path) -> None:
    before = Before(tmp_path / "ledger.db")
    before.add("a", 1)
    before.add("b", 2, status="loaded", supersedes="a", stream="other")
    # What nothing explains was current at no moment but its own.
    assert before.migrated() == {"a": hour(1), "b": None}
