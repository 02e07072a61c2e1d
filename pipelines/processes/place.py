"""Where process control keeps its files in a home."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pipelines.errors import HomeError
from pipelines.home import Home

# A socket's path has at most 107 bytes on Linux, and supervisord binds `<path>.<pid>` first.
_LONGEST_SOCKET = 107 - len(".4194304")
_SOCKETS = ("control.sock", "code.sock")


@dataclass(frozen=True)
class Place:
    """Absolute paths; `sockets` is `run` unless the home lies too deep for a socket."""

    home: Home
    sockets: Path

    @property
    def configuration(self) -> Path:
        """supervisord's configuration, mode 600."""
        return self.home.run / "supervisord.conf"

    @property
    def workspace(self) -> Path:
        """Dagster's workspace: the code server's socket."""
        return self.home.run / "workspace.yaml"

    @property
    def lock(self) -> Path:
        """Held while processes are being started or stopped."""
        return self.home.run / "control.lock"

    @property
    def pid_file(self) -> Path:
        """supervisord's pid."""
        return self.home.run / "supervisord.pid"

    @property
    def records(self) -> Path:
        """One file a program with a line of `/proc/<pid>/stat` for each start."""
        return self.home.run / "pids"

    @property
    def control(self) -> Path:
        """Socket on which supervisord answers."""
        return self.sockets / "control.sock"

    @property
    def code(self) -> Path:
        """Socket of Dagster's code server."""
        return self.sockets / "code.sock"

    def log(self, program: str) -> Path:
        """The log of one program, or of `supervisord`."""
        return self.home.logs / f"{program}.log"

    def create(self) -> None:
        """Create the folders; raises HomeError if they cannot be made or are not ours."""
        self.home.ensure()
        for folder in (self.home.run, self.home.logs, self.home.dagster, self.records):
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                probe = folder / f".writable.{os.getpid()}"
                probe.touch()
                probe.unlink()
            except OSError as error:
                raise HomeError(
                    f"Preparing {folder} failed: {error.strerror}. Nothing was started. Trying "
                    "again helps once the folder can be written; or set HUIYIN_HOME to another "
                    "one."
                ) from error
        if self.sockets != self.home.run:
            self._create_short_folder()

    def _create_short_folder(self) -> None:
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        found = self.sockets.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise HomeError(
                f"Using {self.sockets} for sockets failed: it is not a folder of this user alone. "
                "Nothing was started. Trying again helps once it is removed."
            )


def place_of(home: Home) -> Place:
    """The place of a home: sockets in `run`, or in a short folder made from the home's path."""
    longest = max(len(os.fsencode(home.run / name)) for name in _SOCKETS)
    if longest <= _LONGEST_SOCKET:
        return Place(home, home.run)
    digest = hashlib.sha256(os.fsencode(home.path.resolve())).hexdigest()[:16]
    return Place(home, Path(tempfile.gettempdir()) / f"huiyin-{os.getuid()}-{digest}")
