"""What kept a source from being read: an exchange event until a landing of it ends well.

Another landing of the same source at work is no event: it reads what is there itself, so a person
would have nothing to do and the ledger one event for every time that two of them met.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime

from connectors.errors import (
    ConnectorError,
    CredentialsRefused,
    HostKeyRefused,
    InterfaceMismatch,
    LandingFailed,
    SourceUnreachable,
)
from connectors.ledger import Ledger
from connectors.ledger_rows import ExchangeEvent

_TROUBLES = frozenset(
    str(kind.code)
    for kind in (
        CredentialsRefused,
        HostKeyRefused,
        InterfaceMismatch,
        LandingFailed,
        SourceUnreachable,
    )
)

# Those that a mere look at the source meets too, and whose end it therefore sees.
_SEEN_FROM_OUTSIDE = frozenset(
    str(kind.code) for kind in (CredentialsRefused, HostKeyRefused, SourceUnreachable)
)


def note_trouble(ledger: Ledger, source: str, error: ConnectorError, *, now: datetime) -> None:
    """Note that a landing of `source` ended with `error`; once for as long as it lasts.

    A trouble that may pass keeps the words of its beginning, since a network fails with other ones
    each time; one that a person must mend is told anew when its words change.
    """
    if error.code not in _TROUBLES:
        return
    # It may be the ledger's own disk that failed, and the error is told by the caller anyway.
    with suppress(sqlite3.Error):
        known = [one for one in _open(ledger, source) if one.code == error.code]
        if error.retryable and known:
            return
        detail = str(error)
        for event in known:
            if event.detail != detail:
                ledger.resolve_event(event.event_id, now=now)
        ledger.note_event(error.code, source=source, stream="", detail=detail, now=now)


def settle_trouble(ledger: Ledger, source: str, *, now: datetime) -> None:
    """Settle every trouble of `source`, of which a landing has ended well."""
    for event in _open(ledger, source):
        ledger.resolve_event(event.event_id, now=now)


def settle_troubles_of_others(ledger: Ledger, sources: Iterable[str], *, now: datetime) -> None:
    """Settle troubles of every source but `sources`: one without a contract is read no more."""
    known = set(sources)
    for event in ledger.exchange_events(unresolved=True):
        if event.code in _TROUBLES and event.source not in known:
            ledger.resolve_event(event.event_id, now=now)


def trouble_has_begun(ledger: Ledger, source: str, error: ConnectorError) -> bool:
    """Whether a landing of `source` would note `error`, and no trouble of it is noted yet."""
    return error.code in _TROUBLES and not _open(ledger, source)


def trouble_has_ended(ledger: Ledger, source: str) -> bool:
    """Whether a source that a look has just reached has an open trouble of not being reached.

    Other troubles are of the landing: a look sees neither them nor their end.
    """
    return any(event.code in _SEEN_FROM_OUTSIDE for event in _open(ledger, source))


def last_trouble(events: Iterable[ExchangeEvent]) -> ExchangeEvent | None:
    """The trouble of a source among its open events that was noted last, if there is one."""
    return max(
        (one for one in events if one.code in _TROUBLES),
        key=lambda event: event.event_id,
        default=None,
    )


def _open(ledger: Ledger, source: str) -> list[ExchangeEvent]:
    events = ledger.exchange_events(unresolved=True, source=source)
    return [one for one in events if one.code in _TROUBLES]
