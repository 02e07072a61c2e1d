"""A real sshd on a free port with its own host key, for one user with one key."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.peers import needs
from tests.peers.ports import free_port

_CONFIGURATION = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 100
Subsystem sftp internal-sftp{options}
"""


@dataclass
class Sshd:
    """A running server; `folder` is served by sftp under its absolute path."""

    folder: Path
    port: int
    key_file: Path
    host_key_line: str
    process: subprocess.Popen[bytes]

    @property
    def location(self) -> str:
        """The URL of the served folder."""
        return f"sftp://{getpass.getuser()}@127.0.0.1:{self.port}{self.folder}"

    def drop_sessions(self) -> int:
        """Kill the processes of all connections, not the listener; returns how many."""
        sessions = _descendants(self.process.pid)
        for pid in sessions:
            _end(pid)
        return len(sessions)

    def end(self) -> None:
        """End the listener and every connection."""
        sessions = _descendants(self.process.pid)
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=10)
        for pid in sessions:
            _end(pid)


@contextmanager
def running_sshd(
    base: Path, *, without: str = "", largest_file: int | None = None
) -> Iterator[Sshd]:
    """Start sshd with its keys in `base/sshd` and an empty served folder `base/partner`.

    `without` names a request of the protocol that the server denies, such as `posix-rename`;
    a file that grows beyond `largest_file` bytes fails as on a full disk.
    """
    binary = os.environ.get("HUIYIN_TEST_SSHD", "/usr/sbin/sshd")
    needs(
        Path(binary).exists() and shutil.which("ssh-keygen"),
        f"there is no sshd at {binary} (set HUIYIN_TEST_SSHD) or no ssh-keygen",
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    keys, served = base / "sshd", base / "partner"
    keys.mkdir()
    served.mkdir()
    for name in ("host_key", "user_key"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(keys / name)]
        subprocess.run(command, check=True)
    shutil.copy(keys / "user_key.pub", keys / "authorized_keys")
    port = free_port()
    configuration = keys / "sshd_config"
    options = f" -P {without}" if without else ""
    configuration.write_text(_CONFIGURATION.format(port=port, folder=keys, options=options))
    with (keys / "log").open("wb") as log:
        process = subprocess.Popen(
            [*_limited(largest_file), binary, "-D", "-e", "-f", str(configuration)],
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
    public = (keys / "host_key.pub").read_text().split()
    line = f"[127.0.0.1]:{port} {public[0]} {public[1]}\n"
    server = Sshd(served, port, keys / "user_key", line, process)
    try:
        wait_for_port(port, process, keys / "log")
        yield server
    finally:
        if process.poll() is None:
            server.end()


def _limited(largest_file: int | None) -> list[str]:
    """The start of a command whose files stay small; the signal of the limit is ignored."""
    if largest_file is None:
        return []
    limit = "import os, resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    limit += "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2); "
    return [sys.executable, "-c", f"{limit}os.execv(sys.argv[2], sys.argv[2:])", str(largest_file)]


def wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return once the process answers on the port; fails with its log if it ends first."""
    for _ in range(200):
        assert process.poll() is None, f"the server ended: {log.read_text(errors='replace')}"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"nothing listens on port {port}: {log.read_text(errors='replace')}")


def _descendants(pid: int) -> list[int]:
    """Processes below `pid`, the youngest first."""
    found: list[int] = []
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return found
    for child in children:
        found += [*_descendants(int(child)), int(child)]
    return found


def _end(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
