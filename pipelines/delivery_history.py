"""The history of exchange: batches and exchange events in one order, filtered and reconciled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from connectors.codes import asks_for_care
from connectors.exporting.ledger import EXPORT_CODES
from connectors.exporting.told import in_language
from connectors.ledger import Ledger
from connectors.ledger_rows import Batch, ExchangeEvent

_QUIET = {None, "deletion", "replayed", "late_correction"}


@dataclass(frozen=True)
class Choice:
    """What of the history is wanted; None and False leave nothing out.

    `problems` are refused and unfinished batches, those with rejects, and every event; `open_only`
    events that are not settled, refused batches that nothing has replaced and those with records
    waiting in quarantine.
    """

    source: str | None = None
    stream: str | None = None
    branch: str | None = None
    first: date | None = None
    last: date | None = None
    code: str | None = None
    problems: bool = False
    open_only: bool = False


@dataclass(frozen=True)
class Entry:
    """One batch or one exchange event; exactly one of `batch` and `event` is there."""

    at: datetime
    batch: Batch | None = None
    event: ExchangeEvent | None = None

    @property
    def _either(self) -> Batch | ExchangeEvent:
        found = self.batch or self.event
        assert found is not None
        return found

    @property
    def source(self) -> str:
        """The source."""
        return self._either.source

    @property
    def stream(self) -> str:
        """The stream; empty for a file that belongs to none."""
        return self._either.stream

    @property
    def branch(self) -> str:
        """The branch."""
        return self._either.branch

    @property
    def business_date(self) -> date | None:
        """The business date, if there is one."""
        return self._either.business_date

    @property
    def code(self) -> str | None:
        """The word of the ledger."""
        return self._either.code

    @property
    def place(self) -> str:
        """The file or table, if there is one."""
        return self.batch.place if self.batch else (self.event and self.event.file) or ""

    def detail(self, language: str) -> str:
        """What an event says besides its code; about exports in the language ('zh', 'en')."""
        if self.event is None:
            return ""
        said = self.event.detail
        return in_language(said, language) if self.event.code in EXPORT_CODES else said

    @property
    def status(self) -> str:
        """A batch's status (`expired` once its time is over); open or settled for an event."""
        if self.batch is not None:
            return "expired" if self.batch.code == "expired" else self.batch.status
        return "open" if self.event is not None and self.event.resolved_at is None else "settled"


def history(ledger: Ledger, choice: Choice) -> list[Entry]:
    """Batches and events that `choice` wants, in the order in which they came.

    What came in the same moment stands by source, stream, branch, business date and sequence.
    """
    batches = ledger.batches(source=choice.source, stream=choice.stream, branch=choice.branch)
    events = ledger.exchange_events(source=choice.source)
    if choice.open_only:
        batches = open_batches(ledger, batches)
        events = [event for event in events if event.resolved_at is None]
    elif choice.problems:
        batches = [batch for batch in batches if _is_problem(batch)]
    entries = [
        *(Entry(batch.received_at, batch=batch) for batch in batches),
        *(Entry(event.at, event=event) for event in events),
    ]
    return sorted((one for one in entries if _wanted(one, choice)), key=_order)


def open_batches(ledger: Ledger, batches: Sequence[Batch]) -> list[Batch]:
    """Refused batches that nothing has replaced since, unfinished ones, and those with records
    waiting in quarantine."""
    waiting = {
        str(row[0])
        for row in ledger.rows.execute(
            "select distinct batch_id from quarantine where state = 'waiting'"
        )
    }
    loaded = [batch for batch in batches if batch.status in {"loaded", "superseded"}]
    numbers = {(b.source, b.stream, b.branch, b.sequence) for b in loaded if b.sequence is not None}
    days = {(b.source, b.stream, b.branch, b.business_date) for b in loaded}

    def is_open(batch: Batch) -> bool:
        if batch.status == "loaded":
            return batch.batch_id in waiting
        if batch.status == "refused":
            stream = (batch.source, batch.stream, batch.branch)
            by_day = batch.sequence is None and (*stream, batch.business_date) in days
            return (*stream, batch.sequence) not in numbers and not by_day
        return batch.status == "announced"

    return [batch for batch in batches if is_open(batch)]


def open_matters(ledger: Ledger) -> tuple[str, ...]:
    """Ids of what somebody has to look at: events that are not settled, and refused batches."""
    events = [
        f"event:{event.event_id}"
        for event in ledger.exchange_events(unresolved=True)
        if asks_for_care(event.code)
    ]
    refused = [
        f"batch:{row[0]}"
        for row in ledger.rows.execute(
            "select batch_id, code from batch indexed by batch_refused where status = 'refused'"
        )
        if asks_for_care(row[1])
    ]
    return tuple(sorted(events + refused))


def _is_problem(batch: Batch) -> bool:
    return batch.status in {"refused", "announced"} or batch.rejected > 0


def _wanted(entry: Entry, choice: Choice) -> bool:
    day = entry.business_date
    return (
        choice.stream in (None, entry.stream)
        and choice.branch in (None, entry.branch)
        and choice.code in (None, entry.code)
        and (choice.first is None or (day is not None and day >= choice.first))
        and (choice.last is None or (day is not None and day <= choice.last))
    )


def _order(entry: Entry) -> tuple[object, ...]:
    number = entry.batch.sequence if entry.batch else None
    return (
        entry.at,
        entry.source,
        entry.stream,
        entry.branch,
        entry.business_date or date.min,
        number or 0,
        entry.place,
    )


@dataclass(frozen=True)
class Reconciled:
    """What a stream declared on one business date against what was counted, loaded batches only.

    `measure` is `rows` or a control column; `difference` counted less declared; `drift` its sum
    over the days so far.
    """

    source: str
    stream: str
    business_date: date
    measure: str
    batches: int
    declared: Decimal
    counted: Decimal
    difference: Decimal
    drift: Decimal
    rejected: int


def reconcile(batches: Sequence[Batch]) -> list[Reconciled]:
    """Compare declared with counted totals by stream, measure and business date."""
    totals: dict[tuple[str, str, str, date], list[Decimal]] = {}
    for batch in batches:
        if batch.status != "loaded" or batch.replays is not None:
            continue
        pairs: list[tuple[str, str, str | None]] = []
        if batch.declared_rows is not None:
            pairs.append(("rows", str(batch.declared_rows), str(batch.rows)))
        pairs += [(name, said, batch.sums.get(name)) for name, said in batch.declared_sums.items()]
        for measure, declared, counted in pairs:
            if counted is None:
                continue
            key = (batch.source, batch.stream, measure, batch.business_date)
            total = totals.setdefault(key, [Decimal(0)] * 4)
            total[0] += 1
            total[1] += Decimal(declared)
            total[2] += Decimal(counted)
            total[3] += batch.rejected
    drifts: dict[tuple[str, str, str], Decimal] = {}
    lines = []
    for (source, stream, measure, day), total in sorted(totals.items()):
        difference = total[2] - total[1]
        drift = drifts.get((source, stream, measure), Decimal(0)) + difference
        drifts[(source, stream, measure)] = drift
        lines.append(
            Reconciled(
                source,
                stream,
                day,
                measure,
                int(total[0]),
                total[1],
                total[2],
                difference,
                drift,
                int(total[3]),
            )
        )
    return sorted(lines, key=lambda one: (one.source, one.stream, one.business_date, one.measure))
