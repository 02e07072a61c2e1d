"""Ports for servers that cannot be handed one that is taken already."""

from __future__ import annotations

import random
import socket

_BELOW_CLIENTS = range(12_000, 32_000)


def free_port() -> int:
    """A port of this host that nobody listens on now.

    It lies below those that the system gives to clients, so that no connection of another test
    takes it before the server does.
    """
    chosen = random.SystemRandom()
    while True:
        port = chosen.choice(_BELOW_CLIENTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
