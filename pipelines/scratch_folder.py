"""A folder for work beside the home's own files, and a file that appears whole or not at all."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.errors import KnownThenError

_HELD = ".held"


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A folder of its own below `parent` for the time of the block.

    Those that killed processes left there are removed; those of living ones stay.
    """
    parent.mkdir(parents=True, exist_ok=True)
    with (parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in parent.iterdir():
            if left.is_dir() and not _is_held(left):
                shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(dir=parent))
        held = (folder / _HELD).open("w")
        fcntl.flock(held, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        held.close()


def _is_held(folder: Path) -> bool:
    try:
        with (folder / _HELD).open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


class WholeFile:
    """A file being made under a hidden name beside its own; `put` gives it its name."""

    def __init__(self, path: Path, part: Path, *, replaces: bool) -> None:
        self.path = path
        self._part = part
        self._replaces = replaces
        self.is_put = False

    def put(self, source: Path) -> None:
        """Copy `source`, a closed database, and give the copy the file's name in one step.

        Raises KnownThenError if a file of this name has come meanwhile.
        """
        # The copy goes into the inode that is locked.
        with source.open("rb") as read, self._part.open("r+b") as written:
            written.truncate()
            shutil.copyfileobj(read, written, 1024 * 1024)
            written.flush()
            os.fsync(written.fileno())
        if self._replaces or not self._is_linked():
            self._part.replace(self.path)
        self.is_put = True
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _is_linked(self) -> bool:
        """Name the file without taking another's place, as a rename would; False where the file
        system has no links."""
        try:
            os.link(self._part, self.path)
        except FileExistsError as error:
            raise _exists(self.path) from error
        except OSError:
            if self.path.exists():
                raise _exists(self.path) from None
            return False
        self._part.unlink()
        return True


@contextmanager
def whole_file(path: Path, *, replaces: bool) -> Iterator[WholeFile]:
    """Be the one process that makes `path`; what a killed one left of it is overwritten.

    Raises KnownThenError if the file exists (unless `replaces`), if it is used by a process that
    writes it, if another process is making it, or if its folder cannot be written.
    """
    if path.is_dir():
        raise KnownThenError(f"Writing {path} was refused: it is a folder. Name a file in it.")
    if path.exists() and not replaces:
        raise _exists(path)
    if path.with_name(f"{path.name}.wal").exists():
        raise KnownThenError(
            f"Writing {path} was refused: a process has it open for writing. Nothing was changed. "
            "Try again when that has ended, or name another file."
        )
    part = path.with_name(f".{path.name}.part")
    try:
        file = part.open("a")
    except OSError as error:
        raise KnownThenError(
            f"Writing {path} failed: {error.strerror}. Nothing was built. Name a file in a folder "
            "that exists and that you may write to."
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Another process may have put its file between opening and locking.
            ours = part.exists() and part.stat().st_ino == os.fstat(file.fileno()).st_ino
        except BlockingIOError:
            ours = False
        if not ours:
            raise KnownThenError(
                f"Writing {path} was refused: another process is making it. Nothing was built. "
                "Try again when that has ended, or name another file."
            )
        whole = WholeFile(path, part, replaces=replaces)
        try:
            yield whole
        finally:
            if not whole.is_put:
                part.unlink(missing_ok=True)


def _exists(path: Path) -> KnownThenError:
    return KnownThenError(
        f"Writing {path} was refused: it exists. Nothing was changed. Name another file, or say "
        "--force to have it replaced."
    )
