"""Talking to supervisord: its XML-RPC interface over a unix socket, with a time limit."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ProtocolError, ServerProxy, Transport

from pipelines.errors import ProcessesError

_SECONDS = 10.0
_ALREADY = {"ALREADY_STARTED", "ALREADY_ADDED", "NOT_RUNNING"}


@dataclass(frozen=True)
class Running:
    """What supervisord knows of one program; `since` in seconds of the system's clock."""

    name: str
    state: str
    pid: int
    since: float
    error: str


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class _UnixTransport(Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        return _Connection(self._path)


class Control:
    """supervisord of one home. Every method raises ProcessesError if it does not answer."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._proxy = ServerProxy("http://localhost", transport=_UnixTransport(path))

    def answers(self) -> bool:
        """Whether supervisord listens on its socket."""
        try:
            self._call("getState")
        except ProcessesError:
            return False
        return True

    def pid(self) -> int:
        """supervisord's own process."""
        return int(self._call("getPID"))

    def running(self) -> Sequence[Running]:
        """Every program it was told to run."""
        return [
            Running(
                found["name"],
                found["statename"],
                found["pid"],
                float(found["start"]),
                found["spawnerr"],
            )
            for found in self._call("getAllProcessInfo")
        ]

    def take_up_new_programs(self) -> None:
        """Read the configuration again and start what is new; what runs is left as it is."""
        ((added, _changed, _removed),) = self._call("reloadConfig")
        for name in added:
            self._call("addProcessGroup", name)

    def start(self, name: str) -> None:
        """Start one program that stopped; returns at once."""
        self._call("startProcess", name, False)

    def end(self) -> None:
        """Stop all programs, side by side, and then supervisord itself; returns at once."""
        self._call("stopAllProcesses", False)
        self._call("shutdown")

    def _call(self, method: str, *arguments: Any) -> Any:
        try:
            return getattr(self._proxy.supervisor, method)(*arguments)
        except Fault as fault:
            if fault.faultString.partition(":")[0] in _ALREADY:
                return None
            raise ProcessesError(
                f"Asking supervisord for {method} failed: {fault.faultString}. Trying again may "
                "help; `huiyin down` and then `huiyin up` starts everything afresh."
            ) from fault
        except (OSError, http.client.HTTPException, ProtocolError) as error:
            raise ProcessesError(
                f"Asking supervisord at {self._path} for {method} failed: {error}. Trying again "
                "may help; `huiyin down` stops what is left of it."
            ) from error
