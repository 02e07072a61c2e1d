"""The file interface: folders with send logs and read logs.

A file is not read before its send log is there and agrees with it. The sender writes under a name
that starts with a dot, renames, and writes the log last; we do the same with the read log.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import duckdb

from connectors.codes import sentence
from connectors.contract import Contract
from connectors.errors import RefusedDelivery
from connectors.files.reading import read_typed
from connectors.ledger_rows import Batch
from connectors.places.place import LocalPlace, Place, Stamp
from connectors.scrubbing import scrub
from connectors.validation import count_sums, local_date, quoted

SEND_LOG = ".send.log"
READ_LOG = ".read.log"
LOG_GRACE = timedelta(minutes=10)
_LARGEST_LOG = 1024 * 1024
_CLOCK_STEP_NS = 2_000_000_000
_LARGEST_NUMBER = 2**63 - 1
_LONGEST_SUM_NAME = 128
_LONGEST_VERSION = 64
_MOST_SCRUBBED = 1_024
# A short name of a shop or an office, in any script; a phone or an ID card is none.
_BRANCH = re.compile(r"(?!.*\d{7})[\w.\-]{1,64}")
_YEARS_SENT = range(1970, 9999)
_AGREED_NAME = re.compile(
    r"(?P<stream>[a-z][a-z0-9_]*)_(?P<date>\d{8})_(?P<sequence>\d{4})(\.\w+){1,2}"
)


@dataclass(frozen=True)
class SendLog:
    """What the sender says about a file; `rows` counts data records without the header.

    `contract_version` is the version of the contract it was written by, if the sender says so.
    """

    file: str
    source: str
    stream: str
    branch: str
    business_date: date
    covers_from: date
    sequence: int
    rows: int
    bytes: int
    sha256: str
    sums: Mapping[str, str]
    sent_at: datetime
    contract_version: str | None = None


@dataclass(frozen=True)
class Waiting:
    """A data file that lies in a place; `log_bytes` is None while its send log is missing."""

    name: str
    stamp: Stamp
    log_bytes: bytes | None
    log_stamp: Stamp | None = None

    @property
    def is_younger_than_log(self) -> bool:
        """Whether the file was written some seconds after its log, which comes last by agreement;
        clocks of places are told in whole seconds."""
        log = self.log_stamp
        return log is not None and self.stamp.mtime_ns > log.mtime_ns + _CLOCK_STEP_NS

    def may_still_get_log(self, now: datetime) -> bool:
        """Whether the file is so new that its log may be on its way: a log comes last.

        The age is taken without its sign, so a file that a wrong clock dates after `now` is not
        waited for until that day comes.
        """
        return abs(now.timestamp() - self.stamp.mtime_ns / 1e9) < LOG_GRACE.total_seconds()

    @property
    def log_sha256(self) -> str:
        """Hash of the send log, to see whether it was mended."""
        return hashlib.sha256(self.log_bytes or b"").hexdigest()


@dataclass(frozen=True)
class Listing:
    """What lies in a place: data files, names of send logs whose file is not there, and names of
    which the file or its log may not be read."""

    files: tuple[Waiting, ...]
    orphans: tuple[str, ...]
    unreadable: tuple[str, ...]


def list_files(place: Place) -> Listing:
    """Look at a place once; what vanishes meanwhile is left for the next look."""
    stamps = place.stamps()
    files, unreadable = [], []
    for name in sorted(stamps):
        if name.endswith((SEND_LOG, READ_LOG)):
            continue
        log: bytes | None = None
        if f"{name}{SEND_LOG}" in stamps:
            try:
                log = place.read(f"{name}{SEND_LOG}", _LARGEST_LOG + 1)
            except FileNotFoundError:
                continue
            except PermissionError:
                unreadable.append(name)
                continue
        files.append(Waiting(name, stamps[name], log, stamps.get(f"{name}{SEND_LOG}")))
    orphans = [
        name.removesuffix(SEND_LOG)
        for name in sorted(stamps)
        if name.endswith(SEND_LOG) and name.removesuffix(SEND_LOG) not in stamps
    ]
    return Listing(tuple(files), tuple(orphans), tuple(unreadable))


def parse_send_log(raw: bytes) -> SendLog:
    """Read a send log; raises RefusedDelivery (`unreadable_log`) naming every wrong field."""
    if len(raw) > _LARGEST_LOG:
        raise RefusedDelivery("unreadable_log", f"the send log has more than {_LARGEST_LOG} bytes")
    try:
        given = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        # ValueError: bytes that are not UTF-8, text that is not JSON, a number without end.
        raise RefusedDelivery("unreadable_log", "the send log is not JSON in UTF-8") from error
    if not isinstance(given, dict):
        raise RefusedDelivery("unreadable_log", "the send log is not a JSON object")
    faults: list[str] = []

    def take(name: str, kind: type, default: Any = None) -> Any:
        value = given.get(name, default)
        usable = isinstance(value, kind) and not isinstance(value, bool)
        if isinstance(value, int):
            usable = usable and 0 <= value <= _LARGEST_NUMBER
        elif isinstance(value, str):
            # Control characters and halves of characters belong in no name and in no report.
            usable = usable and value.isprintable() and value != ""
        if not usable:
            faults.append(name)
            return None
        return value

    def parsed(name: str, parse: Any, default: Any = None) -> Any:
        text = take(name, str, default)
        try:
            return None if text is None else parse(text)
        except (ValueError, InvalidOperation):
            faults.append(name)
            return None

    sums = take("sums", dict, {}) or {}
    for name, value in sums.items():
        usable = name.isprintable() and 0 < len(name) <= _LONGEST_SUM_NAME
        if not usable or _tells_a_person(name):
            faults.append("sums")
        elif not _is_number(value):
            faults.append(f"sums.{name}" if name.isidentifier() else "sums")
    log = {
        "file": take("file", str),
        "source": take("source", str),
        "stream": take("stream", str),
        "branch": parsed("branch", _branch, "main"),
        "business_date": parsed("business_date", date.fromisoformat),
        "covers_from": parsed("covers_from", date.fromisoformat, given.get("business_date")),
        "sequence": take("sequence", int),
        "rows": take("rows", int),
        "bytes": take("bytes", int),
        "sha256": parsed("sha256", str.lower),
        "sums": sums,
        "sent_at": parsed("sent_at", _moment),
        "contract_version": _version(given.get("contract_version")),
    }
    if not faults and log["covers_from"] > log["business_date"]:
        faults.append("covers_from")
    if faults:
        named = ", ".join(dict.fromkeys(faults))
        raise RefusedDelivery("unreadable_log", f"the send log has no usable {named}")
    return SendLog(**log)


def _branch(text: str) -> str:
    """A branch, which stands in names, reasons and reports; raises ValueError for free text."""
    if _BRANCH.fullmatch(text) is None or _tells_a_person(text):
        raise ValueError
    return text


def _tells_a_person(name: str) -> bool:
    """Whether scrubbing finds a number or an address of a person in a name."""
    return scrub(name).count("[") > name.count("[")


def _version(given: object) -> str | None:
    """A version as its sender writes it, scrubbed; what is no text is shown as JSON, and agrees
    with none."""
    if given is None:
        return None
    text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
    # Scrubbed before it is cut, so that no part of a number is left over.
    text = scrub(text[:_MOST_SCRUBBED])[:_LONGEST_VERSION]
    return "".join(one if one.isprintable() else "\ufffd" for one in text) or None


def _moment(text: str) -> datetime:
    """A moment that every zone can tell; raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.year not in _YEARS_SENT:
        raise ValueError(text)
    return moment


def _is_number(value: object) -> bool:
    try:
        return isinstance(value, str) and Decimal(value).is_finite()
    except InvalidOperation:
        return False


def agreed_name(name: str) -> tuple[str, date | None, int] | None:
    """Read (stream, business date, sequence) from a name in the agreed form, for reports only."""
    match = _AGREED_NAME.fullmatch(name)
    if match is None:
        return None
    try:
        day = datetime.strptime(match["date"], "%Y%m%d").date()  # noqa: DTZ007
    except ValueError:
        day = None
    return match["stream"], day, int(match["sequence"])


def hash_file(path: Path) -> str:
    """SHA-256 of a file in hex, read in bounded chunks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_batch_id(log: SendLog, sha256: str) -> str:
    """The batch id of a file: the same content for the same place is the same batch."""
    return content_id([log.source, log.stream, log.branch, log.business_date.isoformat()], sha256)


def content_id(place: Sequence[str], sha256: str) -> str:
    """The id of the first batch of a content; `place` is source, stream, branch, business date."""
    return hashlib.sha256("\0".join([*place, sha256]).encode()).hexdigest()[:32]


def later_batch_id(first_id: str, earlier: int) -> str:
    """The id under which content lands once more after `earlier` batches of it."""
    return hashlib.sha256(f"{first_id}\0{earlier}".encode()).hexdigest()[:32]


def sums_agree(declared: Mapping[str, str], counted: Mapping[str, str]) -> list[str]:
    """Name the control columns whose declared sum is missing or differs from the counted one."""
    return [
        name
        for name, value in counted.items()
        if name not in declared or Decimal(declared[name]) != Decimal(value)
    ]


def write_read_log(
    place: Place, batch: Batch, *, result: str, now: datetime, at_once: bool = True
) -> None:
    """Confirm a delivery to its sender: `result` is ok, partial or refused.

    `message` says the code in both languages, `reason` in English what was found.
    """
    body = {
        "file": batch.place,
        "batch_id": batch.batch_id,
        "rows_read": batch.rows,
        "rows_loaded": batch.rows_loaded,
        "rows_rejected": batch.rejected,
        "sums": dict(batch.sums),
        "sha256": batch.content_sha256,
        "result": result,
        "code": batch.code,
        "message": code_message(batch.code),
        "reason": batch.reason,
        "read_at": now.isoformat(),
    }
    place.write(f"{batch.place}{READ_LOG}", _json(body), at_once=at_once)


def code_message(code: str | None) -> dict[str, str] | None:
    """What a code says, by language, as a read log carries it; None without a code."""
    return {language: sentence(code, language) for language in ("zh", "en")} if code else None


def send_log_bytes(log: SendLog) -> bytes:
    """A send log as it is written."""
    body = log.__dict__ | {
        "business_date": log.business_date.isoformat(),
        "covers_from": log.covers_from.isoformat(),
        "sent_at": log.sent_at.isoformat(),
    }
    if log.contract_version is None:
        body.pop("contract_version")
    return _json(body)


def _json(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, indent=1).encode()


def announce(
    path: Path,
    contract: Contract,
    stream: str,
    *,
    now: datetime,
    zone: str,
    business_date: date | None = None,
    covers_from: date | None = None,
    sequence: int = 1,
    branch: str = "main",
) -> SendLog:
    """Write a correct send log next to a file, as its sender would, and return it.

    Counts are taken by reading the file as landing does. Dates that are not given are the first
    and last business dates of its rows. Raises RefusedDelivery for a file that cannot be read or
    has no dated row.
    """
    definition = contract.streams[stream]
    local_zone = contract.zone or zone
    with duckdb.connect() as connection:
        typed = read_typed(path, contract, stream, connection, zone=zone)
        sums, _ = count_sums(connection, definition.control.sums)
        first, last = covers_from, business_date
        if last is None and definition.business_date_from is not None:
            column = definition.columns[definition.business_date_from]
            value = quoted(definition.business_date_from)
            day = local_date(value, local_zone) if column.type == "timestamp" else value
            row = connection.execute(
                f"select min({day}), max({day}) from typed where _fault is null"
            ).fetchone()
            assert row is not None
            first, last = first or row[0], row[1]
    if last is None:
        raise RefusedDelivery("no_business_date", "no row tells a business date and none was given")
    log = SendLog(
        file=path.name,
        source=contract.source,
        stream=stream,
        branch=branch,
        business_date=last,
        covers_from=first or last,
        sequence=sequence,
        rows=typed.reading.records,
        bytes=typed.reading.size,
        sha256=typed.reading.sha256,
        sums=sums,
        sent_at=now,
        contract_version=contract.version,
    )
    with LocalPlace(path.parent, create=False) as place:
        place.write(f"{path.name}{SEND_LOG}", send_log_bytes(log))
    return log
