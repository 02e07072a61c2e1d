"""What the file interface asks of the ledger, each question answered from an index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from connectors.files.exchange import later_batch_id
from connectors.ledger import Ledger
from connectors.ledger_rows import Batch, ExchangeEvent
from connectors.places.place import Stamp

_OWN = "source = ? and stream = ? and branch = ? and replays is null"


@dataclass(frozen=True)
class SeenFile:
    """A file that was looked at and left where it lies, as it was then."""

    source: str
    name: str
    size: int
    mtime_ns: int
    inode: int
    sha256: str


class FileLedger:
    """The ledger as one source of files sees it."""

    def __init__(self, ledger: Ledger, source: str) -> None:
        self._rows = ledger.rows
        self._source = source

    def sequence_before(self, stream: str, branch: str, sequence: int) -> int | None:
        """The highest number below `sequence` of any delivery of a branch, refused ones too."""
        row = self._rows.execute(
            f"select sequence from batch where {_OWN} and sequence < ? "
            "order by sequence desc limit 1",
            [self._source, stream, branch, sequence],
        ).fetchone()
        return None if row is None else int(row[0])

    def highest_loaded(self, stream: str, branch: str) -> int | None:
        """The highest number of a loaded delivery of a branch."""
        row = self._rows.execute(
            f"select sequence from batch where {_OWN} and status = 'loaded' "
            "and sequence is not null order by sequence desc limit 1",
            [self._source, stream, branch],
        ).fetchone()
        return None if row is None else int(row[0])

    def loaded_with(self, stream: str, branch: str, sequence: int) -> list[Batch]:
        """Loaded batches of a branch with this number."""
        return self._rows.select(
            Batch,
            f"select * from batch where {_OWN} and sequence = ? and status = 'loaded'",
            [self._source, stream, branch, sequence],
        )

    def of_content(self, first_id: str) -> list[Batch]:
        """Batches of one content for one place, in the order in which they came.

        Content that was replaced may count again, as a batch of a later id.
        """
        found: list[Batch] = []
        batch_id = first_id
        while same := self._rows.select(
            Batch, "select * from batch where batch_id = ?", [batch_id]
        ):
            found += same
            batch_id = later_batch_id(first_id, len(found))
        return found

    def branches(self, stream: str) -> set[str]:
        """Branches from which a stream has ever come."""
        rows = self._rows.execute(
            "select distinct branch from batch where source = ? and stream = ?",
            [self._source, stream],
        )
        return {str(row[0]) for row in rows}

    def loaded_branches(self, stream: str) -> set[str]:
        """Branches of which a delivery of a stream was ever loaded."""
        rows = self._rows.execute(
            "select distinct branch from batch where source = ? and stream = ? "
            "and status in ('loaded', 'superseded')",
            [self._source, stream],
        )
        return {str(row[0]) for row in rows}

    def numbers_between(self, stream: str, branch: str, low: int, high: int) -> int:
        """How many numbers from `low` to `high` a branch has sent, refused ones too."""
        row = self._rows.execute(
            f"select count(distinct sequence) from batch where {_OWN} and sequence between ? and ?",
            [self._source, stream, branch, low, high],
        ).fetchone()
        return int(row[0])

    def latest_date(self, stream: str, branch: str) -> date | None:
        """The latest business date that a branch has loaded."""
        row = self._rows.execute(
            f"select business_date from batch where {_OWN} and status = 'loaded' "
            "order by business_date desc limit 1",
            [self._source, stream, branch],
        ).fetchone()
        return None if row is None else date.fromisoformat(row[0])

    def was_at(self, name: str, content_sha256: str) -> bool:
        """Whether a delivery of this name and content was ever noted."""
        row = self._rows.execute(
            "select 1 from batch where source = ? and place = ? and content_sha256 = ? limit 1",
            [self._source, name, content_sha256],
        ).fetchone()
        return row is not None

    def open_events(self, code: str, stream: str, detail: str) -> list[ExchangeEvent]:
        """Unsettled events of a stream with this code and detail."""
        return self._rows.select(
            ExchangeEvent,
            "select * from exchange_event where source = ? and code = ? and detail = ? "
            "and stream = ? and resolved_at is null",
            [self._source, code, detail, stream],
        )

    def wide_gaps(self, stream: str) -> list[ExchangeEvent]:
        """Unsettled gaps of a stream that were too wide to be told number by number."""
        return self._rows.select(
            ExchangeEvent,
            "select * from exchange_event where source = ? and code = 'sequence_gap' "
            "and detail > 'sequences ' and detail < 'sequences:' and stream = ? "
            "and resolved_at is null",
            [self._source, stream],
        )

    def open_branch_events(self, code: str, stream: str, branch: str) -> list[ExchangeEvent]:
        """Unsettled events of a branch with this code, such as a doubt about its clock."""
        return self._rows.select(
            ExchangeEvent,
            "select * from exchange_event where source = ? and code = ? "
            "and stream = ? and branch = ? and resolved_at is null",
            [self._source, code, stream, branch],
        )

    def open_events_of(self, file: str, codes: Sequence[str]) -> list[ExchangeEvent]:
        """Unsettled events about a file with one of these codes."""
        marks = ", ".join("?" for _ in codes)
        return self._rows.select(
            ExchangeEvent,
            "select * from exchange_event indexed by exchange_event_by_file "
            "where source = ? and file = ? and resolved_at is null "
            f"and code in ({marks})",
            [self._source, file, *codes],
        )

    def open_file_events(self, codes: Sequence[str]) -> list[ExchangeEvent]:
        """Unsettled events about any file with one of these codes."""
        marks = ", ".join("?" for _ in codes)
        return self._rows.select(
            ExchangeEvent,
            "select * from exchange_event indexed by exchange_event_by_file "
            f"where source = ? and resolved_at is null and file is not null and code in ({marks})",
            [self._source, *codes],
        )

    def seen_sha256(self, name: str, stamp: Stamp) -> str | None:
        """The hash of a file that lies there as it was when it was last looked at."""
        row = self._rows.execute(
            "select sha256 from seen_file where source = ? and name = ? and size = ? "
            "and mtime_ns = ? and inode = ?",
            [self._source, name, stamp.size, stamp.mtime_ns, stamp.inode],
        ).fetchone()
        return None if row is None else str(row[0])

    def note_seen(self, name: str, stamp: Stamp, sha256: str) -> None:
        """Note what a file that stays where it lies holds."""
        row = SeenFile(self._source, name, stamp.size, stamp.mtime_ns, stamp.inode, sha256)
        with self._rows.writing():
            self._rows.insert("seen_file", row, "or replace")
