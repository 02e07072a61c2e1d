"""A wire between a client and a server that can be cut, stalled and slowed."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Wire:
    """Forwards a port of this host to another; counts what the server sent."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self._flows = threading.Event()
        self._flows.set()
        self._left: int | None = None
        self.passed = 0
        self.connections = 0
        self.pause = 0.0
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Cut every connection that is open now."""
        with self._lock:
            ends, self._open = self._open, []
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def cut_after(self, count: int | None) -> None:
        """Cut once the server has sent `count` more bytes; None takes it back."""
        self._left = count

    def stall(self) -> None:
        """Let nothing pass any more, while connections stay open."""
        self._flows.clear()

    def close(self) -> None:
        """Cut everything and stop listening."""
        self._flows.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._target), timeout=5)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            self.connections += 1
            with self._lock:
                self._open += [near, far]
            for source, sink, counted in ((near, far, False), (far, near, True)):
                arguments = (source, sink, counted)
                threading.Thread(target=self._forward, args=arguments, daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        with suppress(OSError):
            while data := source.recv(4096):
                self._flows.wait()
                if self.pause:
                    time.sleep(self.pause)
                if counted:
                    self.passed += len(data)
                    if self._left is not None and (left := self._left) <= len(data):
                        self._left = None
                        sink.sendall(data[:left])
                        self.cut()
                        return
                    if self._left is not None:
                        self._left -= len(data)
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def wire_to(port: int) -> Iterator[Wire]:
    """A wire to `port` of this host."""
    wire = Wire(port)
    try:
        yield wire
    finally:
        wire.close()
