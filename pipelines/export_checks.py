"""What is open with our exports, held against the ledger: missed, undelivered, unconfirmed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from connectors.codes import hint, sentence
from connectors.exporting.ledger import EXPORT_CODES, ExportLedger
from connectors.ledger_rows import ExchangeEvent
from pipelines.installation import Installation
from pipelines.stream_checks import Finding

_MOST_NAMED = 5


def exports_finding(events: Sequence[ExchangeEvent], *, waiting: int) -> Finding:
    """The open `events` of exports as one warning: which, how many of each code, what to do.

    `waiting` is how many exports await their partner's answer and are not late.
    """
    if not events:
        return Finding(
            True,
            "warn",
            f"导出没有未了的事，{waiting} 份在期限内等待确认",
            f"Nothing is open with exports; {waiting} wait for their confirmation in time",
            {"open export events": 0, "waiting in time": waiting},
        )
    counts = Counter(event.code for event in events)
    oldest = sorted(events, key=lambda event: (event.at, event.event_id))
    named = ", ".join(
        f"{event.stream} {event.business_date or ''} ({event.code})".replace("  ", " ")
        for event in oldest[:_MOST_NAMED]
    )
    if len(events) > _MOST_NAMED:
        named += f", … (+{len(events) - _MOST_NAMED})"

    def told(language: str) -> str:
        return " ".join(
            f"{code}×{count}: {sentence(code, language)} → {hint(code, language)}."
            for code, count in sorted(counts.items())
        )

    return Finding(
        False,
        "warn",
        f"导出有 {len(events)} 件未了：{named}。{told('zh')}",
        f"{len(events)} open with exports: {named}. {told('en')}",
        {
            "open export events": len(events),
            "waiting in time": waiting,
            "oldest": f"{oldest[0].at:%Y-%m-%d %H:%M} UTC",
            **dict(sorted(counts.items())),
        },
    )


def open_exports(installation: Installation) -> Finding:
    """What is open with the exports of a home at this moment."""
    now = installation.now()
    with installation.ledger() as ledger:
        events = [
            event for event in ledger.exchange_events(unresolved=True) if event.code in EXPORT_CODES
        ]
        exports = ExportLedger(ledger.rows)
        waiting = sum(made.due_at >= now for made in exports.exports(status="delivered"))
    return exports_finding(events, waiting=waiting)
