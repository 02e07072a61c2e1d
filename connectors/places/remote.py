"""What all places behind a connection share: credentials, connecting again, local copies.

Only a lost connection is tried again here, a few times with pauses; every operation may be
repeated, because a file is written under a temporary name and a move looks at what came of it.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import BinaryIO, TypeVar
from urllib.parse import SplitResult, unquote

from connectors.errors import (
    CredentialsRefused,
    FileStillChanges,
    LandingFailed,
    SourceUnreachable,
)
from connectors.places.place import (
    Place,
    Secret,
    Sleep,
    Stamp,
    checked_name,
    credential_name,
    shown_name,
    temporary_name,
)

_PAUSES = (0.5, 2.0)
_MOST_RECONNECTIONS = 20
_CHUNK = 256 * 1024
_COPIES = "fetched"

T = TypeVar("T")


class ConnectionLost(Exception):
    """The connection is gone or answers nonsense; a new one may do better."""


class ServerRefused(Exception):
    """The server answered that it will not do something; the message is its own."""


@dataclass(frozen=True)
class Remote:
    """What a place behind a connection is opened with; `shown` is the location for messages."""

    shown: str
    url: SplitResult
    home: Path
    secret: Secret
    owner: str
    sleep: Sleep
    wait_seconds: float

    @property
    def folder(self) -> str:
        """The folder on the server; one below the folder of the login starts with `~`."""
        path = unquote(self.url.path, errors="surrogateescape")
        if path == "/~" or path.startswith("/~/"):
            return path[3:] or "."
        return path or "."

    @property
    def user(self) -> str | None:
        """Who signs in."""
        return unquote(self.url.username) if self.url.username else None

    def credential(self, kind: str) -> str | None:
        """A secret of the owner: its PASSWORD, KEY_FILE or KEY_PASSPHRASE."""
        return self.secret(credential_name(self.owner, kind)) if self.owner else None

    def refused(self, what: str) -> CredentialsRefused:
        """The error for credentials that are missing or that the server does not accept."""
        names = ", ".join(
            credential_name(self.owner or "<source>", kind) for kind in ("PASSWORD", "KEY_FILE")
        )
        return CredentialsRefused(
            f"Signing in at {self.shown} failed: {what}. Trying again does not help; set one of "
            f"{names} in the environment or the secrets file."
        )


class RemotePlace(Place):
    """A folder behind a connection; a subclass does each operation once over a live one."""

    is_remote = True

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self.location = remote.shown
        self._connected = False
        self._reconnections = 0
        self._copies: dict[str, Path] = {}
        self._numbers = count(1)
        self._store: Path | None = None

    # What a subclass does once; it raises ConnectionLost, ServerRefused, FileNotFoundError or
    # PermissionError, and ConnectorError for what no new connection can mend.

    @abstractmethod
    def _connect(self) -> None: ...

    @abstractmethod
    def _disconnect(self) -> None: ...

    @abstractmethod
    def _list(self) -> dict[str, Stamp]: ...

    @abstractmethod
    def _stamp(self, name: str) -> Stamp: ...

    @abstractmethod
    def _read(self, name: str, limit: int) -> bytes: ...

    @abstractmethod
    def _download(self, name: str, write: Callable[[bytes], None]) -> None: ...

    @abstractmethod
    def _upload(self, body: BinaryIO, name: str) -> None: ...

    @abstractmethod
    def _replace(self, name: str, to: str) -> None: ...

    @abstractmethod
    def _rename(self, name: str, to: str) -> None: ...

    @abstractmethod
    def _remove(self, name: str) -> None: ...

    @abstractmethod
    def _make_folder(self, name: str) -> None: ...

    def stamps(self) -> dict[str, Stamp]:
        """The plain visible files with their stamps."""

        def visible() -> dict[str, Stamp]:
            found = self._list()
            return {
                name: found[name]
                for name in found
                if name and "/" not in name and "\0" not in name and not name.startswith(".")
            }

        try:
            return self._attempt("Listing the files", visible)
        except (FileNotFoundError, PermissionError) as error:
            what = "missing" if isinstance(error, FileNotFoundError) else "not readable for us"
            raise SourceUnreachable(
                f"Listing the files at {self.location} failed: the folder is {what}. Nothing was "
                "changed. Trying again helps once its owner has mended that."
            ) from error

    def stamp(self, name: str) -> Stamp:
        """The stamp of one file now."""
        checked_name(name)
        return self._attempt(f"Looking at {shown_name(name)}", lambda: self._stamp(name))

    def read(self, name: str, limit: int) -> bytes:
        """The first bytes of a file, `limit` at most."""
        checked_name(name)
        return self._attempt(f"Reading {shown_name(name)}", lambda: self._read(name, limit))

    def fetch(self, name: str) -> Path:
        """A local copy whose size is that of the file before and after."""
        checked_name(name)
        self.release(name)
        folder = self._copies_folder() / str(next(self._numbers))
        folder.mkdir()
        # The name is kept because some readers go by its end; one that is too long is cut.
        path = folder / os.fsdecode(os.fsencode(name.rpartition("/")[2])[-200:])
        self._attempt(f"Fetching {shown_name(name)}", lambda: self._fetch_once(name, path))
        self._copies[name] = path
        return path

    def _fetch_once(self, name: str, path: Path) -> None:
        before = self._stamp(name)
        # Without a buffer, closing has nothing left to write that could fail again.
        with path.open("wb", buffering=0) as file:

            def write(data: bytes) -> None:
                view = memoryview(data)
                try:
                    while view:
                        view = view[file.write(view) :]
                except OSError as error:
                    raise self._no_room(error) from error

            self._download(name, write)
            size = file.tell()
        if self._stamp(name) != before:
            raise FileStillChanges(
                f"Fetching {shown_name(name)} from {self.location} was given up: it changed in the "
                "meantime. Trying again helps once its sender has finished it."
            )
        if size != before.size:
            raise ConnectionLost(f"{size} of {before.size} bytes came")

    def _no_room(self, error: OSError) -> LandingFailed:
        return LandingFailed(
            f"Fetching from {self.location} stopped: {error.strerror} in {self._remote.home}. "
            "Nothing was changed there. Trying again helps once there is room on the disk."
        )

    def release(self, name: str) -> None:
        """Remove the local copy of a fetched file."""
        path = self._copies.pop(name, None)
        if path is not None:
            shutil.rmtree(path.parent, ignore_errors=True)

    def write(self, name: str, body: bytes, *, at_once: bool = True) -> None:
        """Write a file whole: temporary name, renamed over what was there."""
        from io import BytesIO

        self._write(name, BytesIO(body), len(body))

    def put(self, path: Path, name: str) -> None:
        """Write a local file as `write` does."""
        with path.open("rb") as file:
            self._write(name, file, path.stat().st_size)

    def _write(self, name: str, body: BinaryIO, size: int) -> None:
        checked_name(name)
        temporary = temporary_name(name)
        uploaded = False

        def once() -> None:
            nonlocal uploaded
            # A connection may be lost after the rename was done and before it was told.
            if uploaded and not self._is_there(temporary) and self._size(name) == size:
                return
            body.seek(0)
            try:
                self._upload(body, temporary)
            except FileNotFoundError:
                self._make_folders(temporary)
                body.seek(0)
                self._upload(body, temporary)
            except (ServerRefused, PermissionError):
                # What was written of it, such as up to a full disk, is of no use to anybody.
                with suppress(ServerRefused, PermissionError, FileNotFoundError, ConnectionLost):
                    self._remove(temporary)
                raise
            if self._size(temporary) != size:
                raise ConnectionLost("the file did not arrive whole")
            uploaded = True
            self._replace(temporary, name)

        doing = f"Writing {shown_name(name)}"
        with self._writing(doing):
            try:
                self._attempt(doing, once)
            except FileNotFoundError as error:
                raise PermissionError(str(error)) from error

    def move(self, name: str, to: str) -> None:
        """Rename within the place; FileExistsError if `to` is taken."""
        checked_name(name)
        checked_name(to)
        tried = False

        def once() -> None:
            nonlocal tried
            if self._is_there(to):
                if not tried:
                    raise FileExistsError(f"{shown_name(to)} is there")
                # It was free before our first try, so what is there now is our own move. Servers
                # that link before they unlink may have left the old name.
                if self._is_there(name) and self._stamp(name) == self._stamp(to):
                    self._remove(name)
                return
            tried = True
            try:
                self._rename(name, to)
            except (FileNotFoundError, ServerRefused):
                if "/" not in to or not self._is_there(name):
                    raise
                self._make_folders(to)
                self._rename(name, to)

        with self._writing(f"Moving {shown_name(name)}"):
            self._attempt(f"Moving {shown_name(name)}", once)

    def remove(self, name: str) -> None:
        """Delete a file; one that is not there is none to delete."""
        checked_name(name)
        doing = f"Deleting {shown_name(name)}"

        def once() -> None:
            with suppress(FileNotFoundError):
                self._remove(name)

        with self._writing(doing):
            self._attempt(doing, once)

    def flush(self) -> None:
        """Whether renames are durable is up to the server."""

    def close(self) -> None:
        """End the connection and remove local copies."""
        if self._connected:
            self._end()
        if self._store is not None:
            shutil.rmtree(self._store, ignore_errors=True)
            self._store = None
        self._copies.clear()

    def _is_there(self, name: str) -> bool:
        try:
            self._stamp(name)
        except FileNotFoundError:
            return False
        return True

    def _size(self, name: str) -> int | None:
        try:
            return self._stamp(name).size
        except FileNotFoundError:
            return None

    def _make_folders(self, name: str) -> None:
        parts = name.split("/")[:-1]
        for number in range(len(parts)):
            # One that is there already answers with a refusal; the rename tells if it is not.
            with suppress(ServerRefused, PermissionError):
                self._make_folder("/".join(parts[: number + 1]))

    def _attempt(self, doing: str, action: Callable[[], T]) -> T:
        """Do one operation; after a lost connection again over a new one."""
        pauses = iter(_PAUSES)
        while True:
            try:
                if not self._connected:
                    self._connect()
                    self._connected = True
                return action()
            except ServerRefused as error:
                raise SourceUnreachable(
                    f"{doing} at {self.location} failed: the server answered '{error}'. Nothing "
                    "else was changed. Trying again helps once its owner has mended that."
                ) from error
            except ConnectionLost as error:
                self._end()
                self._reconnections += 1
                pause = next(pauses, None)
                if pause is None or self._reconnections > _MOST_RECONNECTIONS:
                    raise SourceUnreachable(
                        f"{doing} at {self.location} failed: {error}. It was tried "
                        f"{len(_PAUSES) + 1} times or the connection was lost too often; nothing "
                        "is half done. Trying again helps once the server can be reached."
                    ) from error
                self._remote.sleep(pause)

    @contextmanager
    def _writing(self, doing: str) -> Iterator[None]:
        try:
            yield
        except PermissionError as error:
            raise SourceUnreachable(
                f"{doing} at {self.location} failed: we may not write there, or the folder is "
                "gone. Nothing is half done. Trying again helps once its owner has mended that."
            ) from error

    def _end(self) -> None:
        self._connected = False
        # A connection that is gone cannot be ended in order.
        with suppress(Exception):
            self._disconnect()

    def _copies_folder(self) -> Path:
        if self._store is None:
            parent = self._remote.home / "tmp" / _COPIES
            parent.mkdir(parents=True, exist_ok=True)
            remove_left_copies(parent)
            self._store = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=parent))
        return self._store


def remove_left_copies(parent: Path) -> None:
    """Remove the local copies of processes that were killed."""
    for folder in parent.iterdir():
        found = re.match(r"(\d+)-", folder.name)
        if found and not Path(f"/proc/{found[1]}").exists():
            shutil.rmtree(folder, ignore_errors=True)


def copied(source: Callable[[int], bytes], write: Callable[[bytes], None]) -> None:
    """Pass everything that `source(bytes)` gives to `write`."""
    while data := source(_CHUNK):
        write(data)
