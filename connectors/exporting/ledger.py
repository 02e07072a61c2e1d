"""The ledger's record of our exports: what was made, what was delivered, what was confirmed.

Every change names the state that it starts from, so that of two processes only one makes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from connectors.exporting.schedule import ExportHistory
from connectors.ledger_rows import Export
from connectors.rows import Rows, where_of
from connectors.sqlite_store import as_instant, as_text

ANNOUNCED = "announced"
AWAITED = "delivered"
UNMADE = "unmade_export"
UNDELIVERED = "undelivered_export"
EXPORT_CODES = frozenset(
    {
        *(UNMADE, UNDELIVERED, "export_refused", "read_log_disagrees", "unreadable_read_log"),
        *("missing_read_log", "unread_rows", "unfetched_delivery"),
    }
)
"""The codes of exchange events that exports raise, and nothing else does."""


class ExportLedger:
    """The table `export` of an open ledger (`Ledger.rows`)."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def export(self, export_id: str) -> Export | None:
        """Return one export, or None."""
        found = self._rows.select(Export, "select * from export where export_id = ?", [export_id])
        return found[0] if found else None

    def beginning_with(self, prefix: str) -> list[Export]:
        """The exports whose id begins so, at most two: one is meant, two are not enough said."""
        return self._rows.select(
            Export,
            "select * from export where substr(export_id, 1, length(?)) = ? limit 2",
            [prefix, prefix],
        )

    def exports(
        self, *, export: str | None = None, partner: str | None = None, status: str | None = None
    ) -> list[Export]:
        """List exports by declaration and sequence."""
        where, values = where_of({"export": export, "partner": partner, "status": status})
        return self._rows.select(
            Export, f"select * from export{where} order by export, sequence", values
        )

    def last(self, exports: Sequence[str], limit: int) -> list[Export]:
        """The last `limit` exports of some declarations, oldest first."""
        marks = ", ".join("?" for _ in exports)
        found = self._rows.select(
            Export,
            f"select * from export where export in ({marks}) "
            "order by announced_at desc, export desc, sequence desc limit ?",
            [*exports, limit],
        )
        return found[::-1]

    def latest(self, export: str, business_date: date) -> Export | None:
        """The last export made for a business date, or None."""
        found = self._rows.select(
            Export,
            "select * from export where export = ? and business_date = ? "
            "order by sequence desc limit 1",
            [export, business_date.isoformat()],
        )
        return found[0] if found else None

    def history(self, export: str) -> ExportHistory:
        """Since when an export goes out, the days it was made for, the first one still owed."""
        found = self._rows.execute(
            "select business_date, min(announced_at) from export where export = ? "
            "group by business_date",
            [export],
        ).fetchall()
        (owed,) = self._rows.execute(
            "select min(business_date) from exchange_event "
            "where resolved_at is null and code = ? and stream = ?",
            [UNMADE, export],
        ).fetchone()
        return ExportHistory(
            min((as_instant(at) for _, at in found), default=None),
            frozenset(date.fromisoformat(day) for day, _ in found),
            date.fromisoformat(owed) if owed else None,
        )

    def next_sequence(self, export: str) -> int:
        """The number that the next export of a declaration gets."""
        row = self._rows.execute(
            "select coalesce(max(sequence), 0) + 1 from export where export = ?", [export]
        ).fetchone()
        return int(row[0])

    def announce(self, made: Export) -> None:
        """Note an export that was made.

        Whatever of its day is not confirmed is superseded, and what was noted about it is settled.
        """
        day = made.business_date.isoformat()
        with self._rows.writing():
            self._rows.insert("export", made)
            self._rows.execute(
                "update export set status = 'superseded' where export = ? and business_date = ? "
                "and sequence < ? and status in ('announced', 'delivered', 'refused', 'disagrees')",
                [made.export, day, made.sequence],
            )
            self._rows.execute(
                "update exchange_event set resolved_at = ? where resolved_at is null and batch_id "
                "in (select export_id from export where export = ? and business_date = ? "
                "and status = 'superseded')",
                [as_text(made.announced_at), made.export, day],
            )
            self._rows.execute(
                "update exchange_event set resolved_at = ? where resolved_at is null "
                "and code = ? and source = ? and stream = ? and business_date = ?",
                [as_text(made.announced_at), UNMADE, made.partner, made.export, day],
            )

    def deliver(self, made: Export, *, now: datetime, due_at: datetime) -> Export:
        """Note that everything of an announced export is where its partner finds it.

        Returns the export as it now is: one that was superseded meanwhile stays so.
        """
        with self._rows.writing():
            self._rows.execute(
                "update export set status = 'delivered', delivered_at = ?, due_at = ? "
                "where export_id = ? and status = 'announced'",
                [as_text(now), as_text(due_at), made.export_id],
            )
            self._rows.execute(
                "update exchange_event set resolved_at = ? "
                "where batch_id = ? and code = ? and resolved_at is null",
                [as_text(now), made.export_id, UNDELIVERED],
            )
        return self.export(made.export_id) or made

    def settle(
        self, export_id: str, status: str, *, code: str | None, reason: str | None, now: datetime
    ) -> Export | None:
        """Note the partner's answer: confirmed, refused or disagrees; older events are settled.

        None, and nothing is noted, for an export that awaits no answer (any more).
        """
        with self._rows.writing():
            changed = self._rows.execute(
                "update export set status = ?, code = ?, reason = ?, confirmed_at = ? "
                "where export_id = ? and status = 'delivered'",
                [status, code, reason, as_text(now), export_id],
            )
            if not changed.rowcount:
                return None
            self._rows.execute(
                "update exchange_event set resolved_at = ? "
                "where batch_id = ? and resolved_at is null",
                [as_text(now), export_id],
            )
        return self.export(export_id)
