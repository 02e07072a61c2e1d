"""A real FTP server (pyftpdlib) in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.peers.sshd import free_port, wait_for_port

_SERVE = """
import sys
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import ThreadedFTPServer

port, folder, user, password = int(sys.argv[1]), *sys.argv[2:]
FTPHandler.authorizer = DummyAuthorizer()
FTPHandler.authorizer.add_user(user, password, folder, perm="elradfmwMT")
ThreadedFTPServer(("127.0.0.1", port), FTPHandler).serve_forever()
"""


@dataclass
class Ftp:
    """A running server; `folder` is what a user finds at `/`."""

    folder: Path
    port: int
    user: str
    password: str
    process: subprocess.Popen[bytes]

    @property
    def location(self) -> str:
        """The URL of the served folder."""
        return f"ftp://{self.user}@127.0.0.1:{self.port}/"


@contextmanager
def running_ftp(base: Path) -> Iterator[Ftp]:
    """Start the server with an empty folder `base/ftp`."""
    served = base / "ftp"
    served.mkdir()
    port, user, password = free_port(), "partner", "k7-open-Sesame"
    log_path = base / "ftp.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, str(port), str(served), user, password],
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
    try:
        wait_for_port(port, process, log_path)
        yield Ftp(served, port, user, password, process)
    finally:
        process.kill()
        process.wait(timeout=10)
