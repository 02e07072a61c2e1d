"""Ports: the preferred one of each program, or the next that is free."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Mapping

from pipelines.errors import ProcessesError

_TRIES = 200
_EVERY_INTERFACE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}


def choose_ports(
    preferred: Mapping[str, int], is_free: Callable[[int], bool], kept: Mapping[str, int]
) -> dict[str, int]:
    """A port for each program: the one it keeps, else the preferred, else the next free one.

    A port another program prefers is left to that one. Raises ProcessesError if none is free.
    """
    chosen = {name: kept[name] for name in preferred if name in kept}
    for name, first in preferred.items():
        if name in chosen:
            continue
        others = {port for other, port in preferred.items() if other != name}
        taken = set(chosen.values())
        candidates = range(first, min(first + _TRIES, 65536))
        port = next(
            (
                candidate
                for candidate in candidates
                if candidate not in taken
                and (candidate == first or candidate not in others)
                and is_free(candidate)
            ),
            None,
        )
        if port is None:
            raise ProcessesError(
                f"Choosing a port for {name} failed: {first} to {candidates[-1]} are all taken. "
                f"Trying again helps once one is free; or set HUIYIN_{name.upper()}_PORT."
            )
        chosen[name] = port
    return chosen


def is_free(host: str, port: int) -> bool:
    """Whether `port` can be listened on at `host` now; raises ProcessesError if `host` cannot."""
    try:
        with listener(host, port):
            return True
    except PermissionError:
        return False
    except socket.gaierror as error:
        raise _unusable(host, error.strerror) from error
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            raise _unusable(host, error.strerror) from error
        return False


def listener(host: str, port: int) -> socket.socket:
    """A socket bound to the address, which a server may listen on; raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        # Two sockets may be bound to one address as long as none listens.
        bound.listen(1)
    except OSError:
        bound.close()
        raise
    return bound


def base_url(host: str, port: int) -> str:
    """How processes and people of this machine reach the port."""
    shown = _EVERY_INTERFACE.get(host, host)
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def _unusable(host: str, why: str | None) -> ProcessesError:
    return ProcessesError(
        f"Listening on {host!r} failed: {why}. Nothing was started. Trying again does not help; "
        "name an address of this machine, such as 127.0.0.1, in HUIYIN_HOST or HUIYIN_DAGSTER_HOST."
    )
