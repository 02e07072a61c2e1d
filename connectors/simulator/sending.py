"""Files and their send logs, as the partners' systems put them into `exchange/<partner>`."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .days import DAY_S, OFFSET, instant_of, instant_text, iso
from .schedule import Slot

# Minutes after midnight at which each stream is sent on the day after its business date.
_SENT_AT = {
    "cases": 305,
    "events": 310,
    "submissions": 312,
    "replies": 314,
    "messages": 316,
    "bills": 320,
    "accounts": 325,
    "calls": 330,
    "payments": 335,
    "usage": 345,
    "mentions": 400,
    "responses": 520,
    "letters": 530,
}


@dataclass
class Content:
    """The bytes of one delivery, its records, its control sums, and the spoiled records."""

    data: bytes
    rows: int
    sums: dict[str, str] = field(default_factory=dict)
    spoiled: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Parcel:
    """One file to be sent with its log; `code` names the defect that is planted in it.

    `rows_too_many` is what the log adds to the count; with `later` the file has this content by the
    time it is read, changed after the log was written.
    """

    source: str
    stream: str
    name: str
    slot: Slot
    make: Callable[[], Content]
    branch: str = "main"
    code: str | None = None
    original: str | None = None
    delay_minutes: int = 0
    has_log: bool = True
    rows_too_many: int = 0
    later: Callable[[], Content] | None = None
    records: tuple[str, ...] = ()

    @property
    def sent(self) -> int:
        """When it is sent, in local seconds from day 0."""
        minutes = _SENT_AT[self.stream] + self.delay_minutes
        return (self.slot.business_day + 1) * DAY_S + minutes * 60


def replace_file(path: Path, content: bytes) -> None:
    """Writes under a temporary name beside the path, then renames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(content)
    temporary.replace(path)


def was_taken(folder: Path, name: str) -> bool:
    """Whether the receiver has confirmed or archived a file of this name."""
    return (folder / f"{name}.read.log").exists() or any((folder / "archive").rglob(name))


def send(folder: Path, parcel: Parcel) -> bool:
    """Puts one file and, last, its log; False when it is already there or was taken."""
    path, log_path = folder / parcel.name, folder / f"{parcel.name}.send.log"
    if was_taken(folder, parcel.name):
        return False
    if path.exists() and (not parcel.has_log or log_path.exists()):
        return False
    content = parcel.make()
    changed = parcel.later() if parcel.later is not None else None
    replace_file(path, content.data if changed is None else changed.data)
    if parcel.has_log:
        text = json.dumps(send_log(parcel, content), ensure_ascii=False, indent=1) + "\n"
        replace_file(log_path, text.encode())
    if changed is not None:
        # The log keeps the time of sending, the file the time of its change.
        moment = instant_of(parcel.sent).timestamp()
        os.utime(log_path, (moment, moment))
        os.utime(path, (moment + 5400, moment + 5400))
    return True


def send_log(parcel: Parcel, content: Content) -> dict[str, Any]:
    """What the sender states about a file."""
    slot = parcel.slot
    return {
        "file": parcel.name,
        "source": parcel.source,
        "stream": parcel.stream,
        "branch": parcel.branch,
        "business_date": iso(slot.business_day),
        "covers_from": iso(slot.covers_from),
        "sequence": slot.sequence,
        "rows": content.rows + parcel.rows_too_many,
        "bytes": len(content.data),
        "sha256": hashlib.sha256(content.data).hexdigest(),
        "sums": content.sums,
        "sent_at": instant_text(parcel.sent).replace(" ", "T") + OFFSET,
    }
