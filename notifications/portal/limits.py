"""What bounds guessing: wrong passwords by address, and how many are judged at one moment.

Kept in the memory of the one process that serves the portal, by seconds that always pass: the
home's clock may stand still, a punishment may not. The lock of an account is in the store; numbers
without an account are counted here by the same rule, so that they answer alike.
"""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from notifications.credential import lock_after

_WINDOW_S = 15 * 60.0
_REMEMBERED = 20_000


class Busy(Exception):
    """Too many passwords are being judged; trying again in a moment helps."""


class Limits:
    """Counts tries. `per_address` wrong ones are allowed in a quarter of an hour.

    `seconds` never goes back and never stands still.
    """

    def __init__(
        self,
        seconds: Callable[[], float],
        *,
        per_address: int = 30,
        at_once: int = 2,
        patience_s: float = 3.0,
    ) -> None:
        self._seconds = seconds
        self._per_address = per_address
        self._patience_s = patience_s
        self._slots = threading.BoundedSemaphore(at_once)
        self._lock = threading.Lock()
        self._addresses: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._unknown: OrderedDict[str, tuple[int, float | None]] = OrderedDict()

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Room to judge one password; raises Busy after waiting a little."""
        if not self._slots.acquire(timeout=self._patience_s):
            raise Busy
        try:
            yield
        finally:
            self._slots.release()

    def begin(self, address: str) -> bool:
        """Count a try of an address before it is judged; False if it had too many."""
        name = network_of(address)
        with self._lock:
            now = self._seconds()
            since, count = self._addresses.pop(name, (now, 0))
            if now - since >= _WINDOW_S:
                since, count = now, 0
            allowed = count < self._per_address
            self._addresses[name] = (since, count + 1 if allowed else count)
            _shorten(self._addresses)
            return allowed

    def forgive(self, address: str) -> None:
        """Take back the count of a try that was right."""
        name = network_of(address)
        with self._lock:
            since, count = self._addresses.get(name, (self._seconds(), 0))
            if count:
                self._addresses[name] = (since, count - 1)

    def begin_unknown(self, pseudonym: str) -> bool:
        """Count a try of a number without an account; False while it is locked."""
        with self._lock:
            now = self._seconds()
            failures, until = self._unknown.pop(pseudonym, (0, None))
            if until is not None and until > now:
                self._unknown[pseudonym] = (failures, until)
                return False
            lock = lock_after(failures + 1)
            until = None if lock is None else now + lock.total_seconds()
            self._unknown[pseudonym] = (failures + 1, until)
            _shorten(self._unknown)
            return True


def _shorten(counted: OrderedDict[str, Any]) -> None:
    while len(counted) > _REMEMBERED:
        counted.popitem(last=False)


def network_of(address: str) -> str:
    """The address that is counted: of IPv6 the network, which one household or host owns."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return address
    return str(ipaddress.ip_network((found, 64), strict=False))
