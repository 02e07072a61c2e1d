"""The file transport: a gateway that is a file of JSON lines, with simulated receipts.

One line a message, readable by the owner only because it holds numbers. A line that is complete
was sent; a torn last line was not, and is cut off when the file is opened. So its receipts are
exact, and an uncertain message need not wait.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from notifications.errors import GatewayBusy, TransportError
from notifications.transports import Accepted, Answer, NotSent, Receipt, Submission


class FileTransport:
    """Appends messages to `path`; raises GatewayBusy while another process has it open."""

    is_exclusive = True

    def __init__(
        self, path: Path, *, gateway: str = "file", hold: timedelta = timedelta(0)
    ) -> None:
        self.gateway = gateway
        self.hold = hold
        self._path = path
        self._mark = path.with_name(path.name + ".acknowledged")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            self._file: BinaryIO = os.fdopen(descriptor, "rb+", buffering=0)
            path.chmod(0o600)
        except OSError as error:
            raise TransportError(
                f"Opening the file transport at {path}: {error}. Trying again helps once the "
                "place can be written."
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise GatewayBusy(
                f"Opening the file transport at {path}: another dispatcher has it open. Try again "
                "when that one has ended."
            ) from error
        self._cut_torn_line()

    def _cut_torn_line(self) -> None:
        content = self._path.read_bytes()
        end = content.rfind(b"\n") + 1
        if end != len(content):
            self._file.truncate(end)
            os.fsync(self._file.fileno())

    def submit(self, group: Sequence[Submission], now: datetime) -> list[Answer]:
        """Append the group and make it durable with one fsync."""
        lines = [json.dumps(_line(one, now), ensure_ascii=False) + "\n" for one in group]
        start = self._file.seek(0, os.SEEK_END)
        try:
            for line in lines:
                self._write(line.encode())
            os.fsync(self._file.fileno())
        except OSError as error:
            # What was appended so far is taken back, so "not sent" is the truth.
            self._file.truncate(start)
            return [NotSent(type(error).__name__) for _ in group]
        return [Accepted(one.reference) for one in group]

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]

    def receipts(self) -> list[Receipt]:
        """One receipt for each line after the last acknowledged one."""
        found = []
        with self._path.open("rb") as lines:
            end = lines.seek(self._acknowledged())
            for number, line in enumerate(lines):
                end += len(line)
                try:
                    reference = json.loads(line)["reference"]
                except (ValueError, KeyError, TypeError) as error:
                    raise TransportError(
                        f"Reading receipts from {self._path}: line {number + 1} after the last "
                        f"acknowledged one is damaged ({error}). Trying again helps once the line "
                        "is repaired."
                    ) from error
                found.append(Receipt(str(end), reference, "delivered", reference))
        return found

    def _acknowledged(self) -> int:
        try:
            mark = int(self._mark.read_text(encoding="ascii"))
            # A mark beyond the end belongs to a file that was taken away.
            return mark if mark <= self._path.stat().st_size else 0
        except FileNotFoundError:
            return 0
        except (OSError, ValueError) as error:
            raise TransportError(
                f"Reading {self._mark}: {error}. Trying again helps once the file is removed; "
                "receipts are then read again from the start."
            ) from error

    def acknowledge(self, receipts: Sequence[Receipt]) -> None:
        """Remember how far receipts were stored."""
        if not receipts:
            return
        temporary = self._mark.with_name(self._mark.name + ".new")
        temporary.write_text(receipts[-1].token, encoding="ascii")
        temporary.replace(self._mark)

    def close(self) -> None:
        """Release the file."""
        self._file.close()


def _line(one: Submission, now: datetime) -> dict[str, Any]:
    return {
        "sent_at": now.isoformat(),
        "reference": one.reference,
        "message_id": one.message_id,
        "to": one.phone,
        "text": one.text,
        "encoding": one.encoding,
        "parts": len(one.parts),
    }
