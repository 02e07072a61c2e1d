"""The ledger's record of our exports: what was made, what was delivered, what was confirmed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

from connectors.ledger_rows import Export
from connectors.rows import Rows, where_of

AWAITED = "delivered"


class ExportLedger:
    """The table `export` of an open ledger (`Ledger.rows`)."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def export(self, export_id: str) -> Export | None:
        """Return one export, or None."""
        found = self._rows.select(Export, "select * from export where export_id = ?", [export_id])
        return found[0] if found else None

    def exports(
        self, *, export: str | None = None, partner: str | None = None, status: str | None = None
    ) -> list[Export]:
        """List exports by declaration and sequence."""
        where, values = where_of({"export": export, "partner": partner, "status": status})
        return self._rows.select(
            Export, f"select * from export{where} order by export, sequence", values
        )

    def latest(self, export: str, business_date: date) -> Export | None:
        """The last export made for a business date, or None."""
        found = self._rows.select(
            Export,
            "select * from export where export = ? and business_date = ? "
            "order by sequence desc limit 1",
            [export, business_date.isoformat()],
        )
        return found[0] if found else None

    def next_sequence(self, export: str) -> int:
        """The number that the next export of a declaration gets."""
        row = self._rows.execute(
            "select coalesce(max(sequence), 0) + 1 from export where export = ?", [export]
        ).fetchone()
        return int(row[0])

    def announce(self, made: Export) -> None:
        """Note an export that was made; it replaces an unanswered one of its day."""
        with self._rows.writing():
            self._rows.insert("export", made)
            self._rows.execute(
                "update export set status = 'superseded' where export = ? and business_date = ? "
                "and sequence < ? and status in ('announced', 'delivered')",
                [made.export, made.business_date.isoformat(), made.sequence],
            )

    def deliver(self, made: Export, *, now: datetime, due_at: datetime) -> Export:
        """Note that everything of an export is where its partner finds it."""
        return self._put(replace(made, status="delivered", delivered_at=now, due_at=due_at))

    def settle(
        self, made: Export, status: str, *, code: str | None, reason: str | None, now: datetime
    ) -> Export:
        """Note the partner's answer: confirmed, refused or disagrees."""
        return self._put(replace(made, status=status, code=code, reason=reason, confirmed_at=now))

    def _put(self, made: Export) -> Export:
        with self._rows.writing():
            self._rows.insert("export", made, "or replace")
        return made
