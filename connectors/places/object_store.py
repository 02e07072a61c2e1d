"""Places in an object store (`s3://bucket/prefix`) by fsspec and s3fs, which is an extra.

The key id is the user of the URL, the secret key the PASSWORD; `ENDPOINT` names a store that is
not Amazon's. No object store is part of the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

from connectors.errors import ConnectorError, InterfaceMismatch
from connectors.places.place import Stamp
from connectors.places.remote import ConnectionLost, Remote, RemotePlace, copied


class ObjectPlace(RemotePlace):
    """Objects below a prefix; a rename is a copy and a removal."""

    def __init__(self, remote: Remote) -> None:
        super().__init__(remote)
        self._files: Any = None
        host = remote.url.netloc.rpartition("@")[2]
        self._root = f"{host}/{remote.folder.strip('/')}".rstrip("/.")

    def _connect(self) -> None:
        import fsspec

        remote = self._remote
        try:
            kind = fsspec.get_filesystem_class(remote.url.scheme)
        except ImportError as error:
            raise InterfaceMismatch(
                f"Opening {remote.shown} failed: the package s3fs is not installed. Trying again "
                "helps once it is."
            ) from error
        endpoint = remote.credential("ENDPOINT")
        with _answers():
            self._files = kind(
                key=remote.user,
                secret=remote.credential("PASSWORD"),
                client_kwargs={"endpoint_url": endpoint} if endpoint else {},
                config_kwargs={
                    "connect_timeout": remote.wait_seconds,
                    "read_timeout": remote.wait_seconds,
                },
                skip_instance_cache=True,
                use_listings_cache=False,
            )

    def _disconnect(self) -> None:
        self._files = None

    def _list(self) -> dict[str, Stamp]:
        with _answers():
            return {
                entry["name"].rpartition("/")[2]: _stamp(entry)
                for entry in self._files.ls(self._root, detail=True)
                if entry["type"] == "file"
            }

    def _stamp(self, name: str) -> Stamp:
        with _answers():
            entry = self._files.info(self._path(name))
        if entry["type"] != "file":
            raise FileNotFoundError(name)
        return _stamp(entry)

    def _read(self, name: str, limit: int) -> bytes:
        with _answers(), self._files.open(self._path(name), "rb") as file:
            read: bytes = file.read(limit)
        return read

    def _download(self, name: str, write: Callable[[bytes], None]) -> None:
        with _answers(), self._files.open(self._path(name), "rb") as file:
            copied(file.read, write)

    def _upload(self, body: BinaryIO, name: str) -> None:
        with _answers(), self._files.open(self._path(name), "wb") as file:
            copied(body.read, file.write)

    def _replace(self, name: str, to: str) -> None:
        self._rename(name, to)

    def _rename(self, name: str, to: str) -> None:
        with _answers():
            self._files.copy(self._path(name), self._path(to))
            self._files.rm_file(self._path(name))

    def _remove(self, name: str) -> None:
        with _answers(), suppress(FileNotFoundError):
            self._files.rm_file(self._path(name))

    def _make_folder(self, name: str) -> None:
        """An object store has no folders."""

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"


@contextmanager
def _answers() -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, PermissionError, ConnectorError):
        raise
    except Exception as error:
        # The store's library has errors of its own, all of which may pass.
        raise ConnectionLost(f"the store answered with {type(error).__name__}") from error


def _stamp(entry: dict[str, Any]) -> Stamp:
    changed = entry.get("LastModified")
    return Stamp(int(entry["size"] or 0), int(changed.timestamp() * 1e9) if changed else 0)
