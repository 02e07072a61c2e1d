"""Places: folders in which files are exchanged, found by a location.

A location is a path (a relative one starts at the home) or a URL: `sftp://user@host:port/path`,
`ftp://user@host/path`, `ftps://…`, `s3://bucket/prefix`. It never carries a password: credentials
come from `secret(name)` with the names of `credential_name`.

All places behave alike. A name that is not there is FileNotFoundError, one that may not be read
PermissionError; a place that cannot be reached is SourceUnreachable, and what was being done is
either done or not done when it is raised.
"""

from __future__ import annotations

import os
import stat
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import BinaryIO
from urllib.parse import SplitResult, urlsplit

from connectors.errors import InterfaceMismatch, SourceUnreachable

Secret = Callable[[str], str | None]
Sleep = Callable[[float], None]

_REMOTE = ("sftp", "ftp", "ftps", "s3")


def no_secret(name: str) -> str | None:
    """Know no secret."""
    return None


def credential_name(owner: str, kind: str) -> str:
    """The name of a secret of a source or partner; kinds are PASSWORD, KEY_FILE, KEY_PASSPHRASE."""
    return f"HUIYIN_{owner.upper()}_{kind}"


@dataclass(frozen=True)
class Stamp:
    """What shows that a file is still the same: bytes, nanoseconds of its change, identity."""

    size: int
    mtime_ns: int
    inode: int = 0


class Place(ABC):
    """A folder of files; names are single components, but for a folder below such as `archive`.

    Names that are not UTF-8 come as `os.fsdecode` gives them. Hidden files, folders, links and
    whatever else is no plain file are not there.
    """

    location: str
    is_remote: bool

    def __enter__(self) -> Place:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @abstractmethod
    def stamps(self) -> dict[str, Stamp]:
        """The plain visible files with their stamps."""

    def names(self) -> list[str]:
        """The names of the plain visible files, sorted."""
        return sorted(self.stamps())

    @abstractmethod
    def stamp(self, name: str) -> Stamp:
        """The stamp of one file now."""

    def exists(self, name: str) -> bool:
        """Whether a plain file of this name is there."""
        try:
            self.stamp(name)
        except FileNotFoundError:
            return False
        return True

    @abstractmethod
    def read(self, name: str, limit: int) -> bytes:
        """The first bytes of a file, `limit` at most."""

    @abstractmethod
    def fetch(self, name: str) -> Path:
        """A whole local copy of a file, or the file itself where it is local."""

    @abstractmethod
    def release(self, name: str) -> None:
        """Remove the local copy of a fetched file; a local file stays."""

    @abstractmethod
    def write(self, name: str, body: bytes, *, at_once: bool = True) -> None:
        """Write a file whole: temporary name, durable, renamed over what was there.

        Without `at_once` the rename may be durable only after `flush`.
        """

    @abstractmethod
    def put(self, path: Path, name: str) -> None:
        """Write a local file as `write` does."""

    @abstractmethod
    def move(self, name: str, to: str) -> None:
        """Rename within the place; FileExistsError if `to` is taken. `flush` makes it durable."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Delete a file; one that is not there is none to delete. `flush` makes it durable."""

    @abstractmethod
    def flush(self) -> None:
        """Make renames of this place durable."""

    @abstractmethod
    def close(self) -> None:
        """End connections and remove local copies."""


def open_place(
    location: str,
    home: Path,
    *,
    secret: Secret = no_secret,
    owner: str = "",
    sleep: Sleep = time.sleep,
    wait_seconds: float = 30,
) -> Place:
    """Open the place of a location.

    `owner` is the source or partner whose credentials are used, `wait_seconds` how long a silent
    server is waited for. Connections are made when they are needed and again when they are lost,
    with pauses by `sleep`. Raises InterfaceMismatch for a location that cannot be one.
    """
    kind, url = _read_location(location)
    if url is None:
        return LocalPlace(home / location, create=not Path(location).is_absolute())
    from connectors.places.remote import Remote

    remote = Remote(
        shown=shown_location(location),
        url=url,
        home=home,
        secret=secret,
        owner=owner,
        sleep=sleep,
        wait_seconds=wait_seconds,
    )
    if kind == "sftp":
        from connectors.places.sftp import SftpPlace

        return SftpPlace(remote)
    if kind in {"ftp", "ftps"}:
        from connectors.places.ftp import FtpPlace

        return FtpPlace(remote)
    from connectors.places.object_store import ObjectPlace

    return ObjectPlace(remote)


def shown_location(location: str) -> str:
    """The location as messages may show it, without a password that should not be there."""
    url = _split(location)
    if url is None or "@" not in url.netloc:
        return location
    user, _, host = url.netloc.rpartition("@")
    return url._replace(netloc=f"{user.partition(':')[0]}@{host}", query="", fragment="").geturl()


def carries_password(location: str) -> bool:
    """Whether a URL has a password in it, which none of ours may."""
    url = _split(location)
    return url is not None and ":" in url.netloc.rpartition("@")[0]


def is_remote(location: str) -> bool:
    """Whether a location is a URL."""
    return "://" in location


def shown_name(name: str) -> str:
    """A file's name as the ledger and messages keep it: UTF-8 without control characters."""
    text = os.fsencode(name).decode("utf-8", errors="replace")
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


def checked_name(name: str) -> str:
    """The name, if it stays inside its place; ValueError if it leads elsewhere."""
    parts = name.split("/")
    if "\0" in name or any(part in {"", ".", ".."} for part in parts):
        raise ValueError(f"{shown_name(name)!r} is no name inside a folder")
    return name


def temporary_name(name: str) -> str:
    """The hidden name under which a file is written; short, so that it exists for every name."""
    folder, _, last = name.rpartition("/")
    digest = sha256(os.fsencode(last)).hexdigest()[:16]
    return f"{folder}/.{digest}.part" if folder else f".{digest}.part"


def _split(location: str) -> SplitResult | None:
    if not is_remote(location):
        return None
    try:
        return urlsplit(location)
    except ValueError:
        return None


def _read_location(location: str) -> tuple[str, SplitResult | None]:
    if not is_remote(location):
        if "\0" in location or not location.strip():
            raise InterfaceMismatch(
                "Opening a folder failed: its location is empty or no path. Trying again does not "
                "help; correct 'interface.location' in the contract."
            )
        return "local", None
    faults = []
    url = _split(location)
    if url is None:
        faults.append("it is no URL")
    else:
        if url.scheme not in _REMOTE:
            faults.append(f"'{url.scheme}' is none of {', '.join(_REMOTE)}")
        if carries_password(location):
            faults.append("it carries a password, which belongs into the secrets")
        if not url.hostname:
            faults.append("it names no host")
        try:
            _ = url.port
        except ValueError:
            faults.append("its port is no number from 0 to 65535")
        if url.scheme == "sftp" and not url.username:
            faults.append("it names no user")
        if url.query or url.fragment:
            faults.append("it has a query or a fragment")
    if faults or url is None:
        raise InterfaceMismatch(
            f"Opening the folder {shown_location(location)} failed: {'; '.join(faults)}. Trying "
            "again does not help; correct 'interface.location' in the contract, such as "
            "sftp://user@host:22/path."
        )
    return url.scheme, url


class LocalPlace(Place):
    """A folder of this machine; a relative one is empty while it is missing, and made to write."""

    is_remote = False

    def __init__(self, folder: Path, *, create: bool) -> None:
        self.folder = folder
        self.location = str(folder)
        self._create = create
        self._renamed: set[Path] = set()

    def stamps(self) -> dict[str, Stamp]:
        """The plain visible files with their stamps."""
        found: dict[str, Stamp] = {}
        if self._create and not self.folder.exists():
            return found
        with self._reaching(), os.scandir(self.folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or not entry.is_file(follow_symlinks=False):
                    continue
                try:
                    found[entry.name] = _stamp(entry.stat(follow_symlinks=False))
                except FileNotFoundError:
                    continue
        return found

    def stamp(self, name: str) -> Stamp:
        """The stamp of one file now."""
        status = (self.folder / checked_name(name)).lstat()
        if not stat.S_ISREG(status.st_mode):
            raise FileNotFoundError(f"{shown_name(name)} is no plain file")
        return _stamp(status)

    def read(self, name: str, limit: int) -> bytes:
        """The first bytes of a file, `limit` at most."""
        with os.fdopen(self._open(name), "rb") as file:
            return file.read(limit)

    def fetch(self, name: str) -> Path:
        """The file itself."""
        # Opening it here tells a missing permission before anything is read.
        os.close(self._open(name))
        return self.folder / name

    def release(self, name: str) -> None:
        """A local file stays."""

    def write(self, name: str, body: bytes, *, at_once: bool = True) -> None:
        """Write a file whole: temporary name, durable, renamed over what was there."""
        with self._replacing(name) as file:
            file.write(body)
        if at_once:
            self.flush()

    def put(self, path: Path, name: str) -> None:
        """Copy a local file."""
        with path.open("rb") as source, self._replacing(name) as file:
            while chunk := source.read(1 << 20):
                file.write(chunk)
        self.flush()

    def move(self, name: str, to: str) -> None:
        """Rename within the place; FileExistsError if `to` is taken."""
        target = self.folder / checked_name(to)
        if os.path.lexists(target):
            raise FileExistsError(f"{shown_name(to)} is there")
        source = self.folder / checked_name(name)
        try:
            source.rename(target)
        except FileNotFoundError:
            if target.parent.exists():
                raise
            target.parent.mkdir()
            source.rename(target)
        self._renamed |= {source.parent, target.parent}

    def remove(self, name: str) -> None:
        """Delete a file; one that is not there is none to delete."""
        path = self.folder / checked_name(name)
        try:
            path.unlink()
        except FileNotFoundError:
            return
        except OSError as error:
            raise SourceUnreachable(
                f"Deleting {shown_name(name)} in {self.location} failed: {error.strerror}. Trying "
                "again helps once we may delete there."
            ) from error
        self._renamed.add(path.parent)

    def flush(self) -> None:
        """Make renames of this place durable."""
        folders, self._renamed = self._renamed, set()
        for folder in folders:
            sync_folder(folder)

    def close(self) -> None:
        """Make what was renamed durable."""
        self.flush()

    def _open(self, name: str) -> int:
        # A name that became a link or a pipe since it was listed is neither followed nor waited at.
        self.stamp(name)
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        return os.open(self.folder / name, flags)

    @contextmanager
    def _replacing(self, name: str) -> Iterator[BinaryIO]:
        target = self.folder / checked_name(name)
        if self._create or "/" in name:
            target.parent.mkdir(parents=self._create, exist_ok=True)
        temporary = self.folder / temporary_name(name)
        try:
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        self._renamed.add(target.parent)

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise SourceUnreachable(
                f"Looking into the folder {self.location} failed: {error.strerror}. Nothing was "
                "changed. Trying again helps once the folder is there and may be read (a network "
                "drive that is not mounted, a missing permission)."
            ) from error


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _stamp(status: os.stat_result) -> Stamp:
    return Stamp(status.st_size, status.st_mtime_ns, status.st_ino)
