"""Rules of the numbers by which a sender counts its deliveries, apart for each branch.

A number that is skipped is a gap and told; a number that is used again for another date, or that
falls back while dates go on, is a rewind and refused, because the sender's count cannot be trusted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

from connectors.errors import RefusedDelivery
from connectors.files.ledger import FileLedger
from connectors.ledger_rows import Batch

_MOST_NAMED = 100
_MOST_COUNTED = 10_000
_WIDE = re.compile(r"sequences (\d+) to (\d+) of branch (.*) have not come")


def skipped_numbers(before: int | None, sequence: int, explained: Iterable[int]) -> list[range]:
    """Runs of numbers between the one `before` and `sequence` that nothing explains."""
    if before is None:
        return []
    seen = sorted({number for number in explained if before < number < sequence} | {sequence})
    runs = [range(low + 1, high) for low, high in pairwise([before, *seen])]
    return [run for run in runs if run]


def gap_details(runs: Iterable[range], branch: str) -> Iterator[str]:
    """Sentences about numbers that have not come; a wide run, such as a new count, gets one."""
    for run in runs:
        if len(run) > _MOST_NAMED:
            yield f"sequences {run[0]} to {run[-1]} of branch {branch} have not come"
            continue
        for number in run:
            yield number_detail(number, branch)


def number_detail(number: int, branch: str) -> str:
    """The sentence about one number that has not come."""
    return f"sequence {number} of branch {branch} has not come"


def filled_gaps(ledger: FileLedger, stream: str, branch: str, sequence: int) -> Iterator[int]:
    """Events of wide gaps around a number, all of whose numbers have come by now.

    A gap too wide to have been meant, as after a slip of the sender's, is not counted through.
    """
    for event in ledger.wide_gaps(stream):
        found = _WIDE.fullmatch(event.detail)
        if found is None or found[3] != branch:
            continue
        low, high = int(found[1]), int(found[2])
        width = high - low + 1
        if not low <= sequence <= high or width > _MOST_COUNTED:
            continue
        if ledger.numbers_between(stream, branch, low, high) == width:
            yield event.event_id


def corrected_batch(ledger: FileLedger, batch: Batch) -> Batch | None:
    """The loaded batch that this one corrects: same branch, date and number, other content.

    One that was sent after this one is not corrected by it, whichever came first.
    Raises RefusedDelivery (`sequence_rewind`) for a number that was used for another date, or that
    lies below the highest one, for a date after all others, without being one that is missing.
    """
    stream, branch, sequence = batch.stream, batch.branch, batch.sequence or 0
    for earlier in ledger.loaded_with(stream, branch, sequence):
        if earlier.business_date != batch.business_date:
            raise RefusedDelivery(
                "sequence_rewind",
                f"sequence {sequence} was used for {earlier.business_date} before",
            )
        is_older = batch.sent_at and earlier.sent_at and batch.sent_at < earlier.sent_at
        return None if is_older else earlier
    highest, latest = ledger.highest_loaded(stream, branch), ledger.latest_date(stream, branch)
    if highest is None or latest is None or sequence > highest or batch.business_date <= latest:
        return None
    if _is_missing(ledger, stream, branch, sequence):
        return None
    raise RefusedDelivery(
        "sequence_rewind",
        f"sequence {sequence} comes after {highest}, for {batch.business_date} after {latest}",
    )


def _is_missing(ledger: FileLedger, stream: str, branch: str, sequence: int) -> bool:
    if ledger.open_events("sequence_gap", stream, number_detail(sequence, branch)):
        return True
    for event in ledger.wide_gaps(stream):
        found = _WIDE.fullmatch(event.detail)
        if found and found[3] == branch and int(found[1]) <= sequence <= int(found[2]):
            return True
    return False
