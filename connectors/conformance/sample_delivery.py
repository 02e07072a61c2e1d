"""A correct delivery with invented values: what a partner's program should write."""

from __future__ import annotations

import random
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from connectors.conformance.check import UncheckableDelivery
from connectors.conformance.invention import Invention, Row
from connectors.contract import Contract
from connectors.files.exchange import SEND_LOG, announce
from connectors.formats import suffix_of, write_file


def write_sample(
    folder: Path,
    contract: Contract,
    stream: str,
    *,
    rows: int,
    day: date,
    sequence: int,
    now: datetime,
    zone: str,
    seed: int,
) -> list[Path]:
    """Write a data file and its send log, or as many mails as rows; return what was written.

    Raises UncheckableDelivery for a contract that is not one of files, NoSuchRows and
    UnwritableValue where the contract forbids what was asked for.
    """
    if contract.interface.type != "files":
        raise UncheckableDelivery(
            f"Writing a sample of '{contract.source}' failed: it does not deliver files but by "
            f"'{contract.interface.type}'. Trying again does not help; `contract describe "
            f"{contract.source}` says what to write."
        )
    if contract.dates is not None:
        # A flat data set has dates that can be true, and a sample stays among them.
        day = min(max(day, contract.dates.plausible.first), contract.dates.plausible.last)
    invention = Invention(contract, stream, day, zone, random.Random(seed))
    made = invention.rows(rows)
    folder.mkdir(parents=True, exist_ok=True)
    if contract.interface.format == "mail":
        paths = [folder / f"{day:%Y%m%d}-{number:04d}.eml" for number in range(1, rows + 1)]
        for path, row in zip(paths, map(_as_mail, made), strict=True):
            write_file([row], path, contract, stream)
        return paths
    path = folder / _name(contract, stream, day, sequence)
    write_file(made, path, contract, stream, sums=_sums(contract, stream, made))
    announce(
        path,
        contract,
        stream,
        now=now,
        zone=zone,
        business_date=day,
        covers_from=day,
        sequence=sequence,
        branch=next(iter(contract.streams[stream].branches), "main"),
    )
    return [path, path.with_name(path.name + SEND_LOG)]


def _name(contract: Contract, stream: str, day: date, sequence: int) -> str:
    packed = {"none": suffix_of(contract), "gz": ".gz", "zip": ".zip"}
    return f"{stream}_{day:%Y%m%d}_{sequence:04d}{packed[contract.layout.compression]}"


def _sums(contract: Contract, stream: str, rows: list[Row]) -> dict[str, str]:
    trailer = contract.layout.trailer
    wanted = {*contract.streams[stream].control.sums, *(trailer.sums if trailer else ())}
    return {
        name: format(sum((Decimal(row[name] or 0) for row in rows), Decimal(0)), "f")
        for name in sorted(wanted)
    }


def _as_mail(row: Row) -> Row:
    """The row as a mail can hold it: a thread of its own, attachments of kinds that are real."""
    return row | {
        "thread_id": row["message_id"],
        "in_reply_to": None,
        "charset": "utf-8",
        "recipient": "care@example.com",
        "attachment_count": "0",
        "attachment_kinds": None,
    }
