"""The contract between the dispatcher and a gateway.

A transport takes a group of submissions and answers each of them; receipts come separately, may
come early or twice, and are acknowledged after they were stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol


@dataclass(frozen=True)
class Submission:
    """One message for one number. `reference` is ours and comes back on the receipt."""

    reference: str
    message_id: str
    phone: str
    text: str
    encoding: str
    parts: tuple[str, ...]


@dataclass(frozen=True)
class Accepted:
    """The gateway took the message and gave it an id."""

    gateway_message_id: str


@dataclass(frozen=True)
class Rejected:
    """The gateway refused the message: for ever, for now, or because we send too fast."""

    code: str
    kind: Literal["permanent", "transient", "throttle"]


@dataclass(frozen=True)
class NotSent:
    """Nothing was handed over; sending again cannot double it."""

    code: str


@dataclass(frozen=True)
class Ambiguous:
    """Nobody knows whether the gateway took it; only a receipt can tell."""

    code: str


Answer = Accepted | Rejected | NotSent | Ambiguous


@dataclass(frozen=True)
class Receipt:
    """What the gateway reports about a message. `token` identifies the receipt itself."""

    token: str
    gateway_message_id: str
    status: Literal["delivered", "undelivered"]
    reference: str | None


class Transport(Protocol):
    """A connection to one gateway.

    `hold` is how long an uncertain message waits for its receipt before it may be sent again.
    `is_exclusive` says that an open transport proves no other process uses the gateway.
    """

    gateway: str
    hold: timedelta
    is_exclusive: bool

    def submit(self, group: Sequence[Submission], now: datetime) -> list[Answer]:
        """Send the group; one answer each, in order."""

    def receipts(self) -> list[Receipt]:
        """Receipts that are not acknowledged yet."""

    def acknowledge(self, receipts: Sequence[Receipt]) -> None:
        """Forget receipts that were stored."""

    def close(self) -> None:
        """Give the gateway back."""
