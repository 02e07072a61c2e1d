"""A real FTP server (pyftpdlib) in a process of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.peers.sshd import wait_for_port

_SERVE = """
import socket
import sys
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import ThreadedFTPServer

listening, folder, user, password = int(sys.argv[1]), *sys.argv[2:]
FTPHandler.authorizer = DummyAuthorizer()
FTPHandler.authorizer.add_user(user, password, folder, perm="elradfmwMT")
ThreadedFTPServer(socket.socket(fileno=listening), FTPHandler).serve_forever()
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
    user, password = "partner", "k7-open-Sesame"
    log_path = base / "ftp.log"
    # The server is handed a port that is taken already, so that no other test gets between.
    with socket.create_server(("127.0.0.1", 0)) as listening, log_path.open("wb") as log:
        port = int(listening.getsockname()[1])
        number = listening.fileno()
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, str(number), str(served), user, password],
            stderr=log,
            stdin=subprocess.DEVNULL,
            pass_fds=[number],
        )
    try:
        wait_for_port(port, process, log_path)
        yield Ftp(served, port, user, password, process)
    finally:
        process.kill()
        process.wait(timeout=10)
