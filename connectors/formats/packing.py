"""Packed files: gzip and zip, read as a stream with limits and written the same every time."""

from __future__ import annotations

import errno
import gzip
import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal, Protocol

from connectors.errors import RefusedDelivery

Compression = Literal["none", "gz", "zip"]

_MOST_BYTES = 64 * 1024**3
_MOST_TIMES = 1_000
_SMALL = 64 * 1024**2
# Zip knows no earlier moment; a fixed one makes the same rows the same bytes.
_ZIP_MOMENT = (1980, 1, 1, 0, 0, 0)


_DAMAGED = (
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


class Source(Protocol):
    """What can be read in blocks; an empty block is the end."""

    def read(self, size: int, /) -> bytes: ...


class Sink(Protocol):
    """What takes bytes."""

    def write(self, data: bytes, /) -> int: ...


@contextmanager
def unpacked(path: Path, compression: Compression) -> Iterator[Source]:
    """Open a file and read what it holds.

    Reading raises RefusedDelivery with the offset in the unpacked bytes: `broken_archive` when the
    archive is cut off, damaged, encrypted or holds another number of files than one,
    `too_much_unpacked` when it grows far beyond what a file of its size can hold.
    """
    if compression == "none":
        with path.open("rb") as file:
            yield file
        return
    size = path.stat().st_size
    if not size:
        # The library takes no bytes at all for an archive of nothing.
        raise RefusedDelivery("broken_archive", "the packed file is empty")
    with ExitStack() as opened:
        with refusing_damage("broken_archive", f"the {compression} is cut off or damaged"):
            if compression == "gz":
                unzipped = opened.enter_context(gzip.open(path, "rb"))
                source: Source = unzipped
            else:
                archive = opened.enter_context(zipfile.ZipFile(path))
                member = opened.enter_context(archive.open(_only_member(archive)))
                source = member
        yield _Guarded(source, size)


@contextmanager
def refusing_damage(code: str, reason: str, *, offset: int | None = None) -> Iterator[None]:
    """Raise RefusedDelivery for what the libraries raise on damaged bytes; other errors pass."""
    try:
        yield
    except _DAMAGED as error:
        # A directory of a zip may point before the file, which is no error of the disk.
        if isinstance(error, OSError) and error.errno not in {None, errno.EINVAL}:
            raise
        raise RefusedDelivery(code, reason, offset=offset) from error


class _Guarded:
    """Reads a packed stream, counting what comes out of it."""

    def __init__(self, file: Source, packed_size: int) -> None:
        self._file = file
        self._read = 0
        self._most = min(_MOST_BYTES, max(_SMALL, packed_size * _MOST_TIMES))

    def read(self, size: int, /) -> bytes:
        reason = "the packed file is cut off or damaged"
        with refusing_damage("broken_archive", reason, offset=self._read or None):
            block = self._file.read(size)
        self._read += len(block)
        if self._read > self._most:
            raise RefusedDelivery(
                "too_much_unpacked",
                f"it unpacks to more than {self._most} bytes",
                offset=self._most,
            )
        return block


def _only_member(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = [info for info in archive.infolist() if not info.is_dir()]
    if len(members) != 1:
        raise RefusedDelivery("broken_archive", f"the zip holds {len(members)} files, not one")
    if members[0].flag_bits & 1:
        raise RefusedDelivery("broken_archive", "the zip is encrypted")
    return members[0]


@contextmanager
def packed(path: Path, compression: Compression) -> Iterator[Sink]:
    """Write a file under a temporary name, make it durable and rename it; nothing on an error."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        with temporary.open("wb") as file:
            if compression == "gz":
                with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as inner:
                    yield inner
            elif compression == "zip":
                member = zipfile.ZipInfo(path.name.removesuffix(".zip"), _ZIP_MOMENT)
                member.compress_type = zipfile.ZIP_DEFLATED
                with (
                    zipfile.ZipFile(file, "w") as archive,
                    archive.open(member, "w", force_zip64=True) as inner,
                ):
                    yield inner
            else:
                yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
