"""Publish: copy the warehouse as an immutable snapshot and swap the link `current`.

Readers open the directory that `current` points to; an open snapshot is never changed under them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pipelines.errors import PublishError

_YOUNGEST_TO_DROP = timedelta(minutes=10)


def publish(
    warehouse: Path,
    published: Path,
    tag: str,
    information: Mapping[str, Any],
    *,
    now: datetime,
    keep: int,
) -> Path:
    """Publish the closed, checkpointed `warehouse` under `tag`; returns the snapshot's directory.

    `information` becomes `published.json`. Leftovers of killed publishes are removed; at least
    `keep` snapshots stay and none younger than ten minutes goes. `now` is the system's time, aware.
    Raises PublishError; the last good snapshot then serves on.
    """
    snapshots = published / "snapshots"
    final = snapshots / tag
    try:
        snapshots.mkdir(parents=True, exist_ok=True)
        for leftover in snapshots.glob(".*"):
            shutil.rmtree(leftover, ignore_errors=True)
        temporary = snapshots / f".{tag}"
        temporary.mkdir()
        # A child process copies: opening and closing the file here would drop this process's
        # database locks on it.
        subprocess.run(
            ["cp", "--", str(warehouse), str(temporary / "warehouse.duckdb")],
            check=True,
            capture_output=True,
        )
        text = json.dumps(dict(information), ensure_ascii=False, indent=2, sort_keys=True)
        (temporary / "published.json").write_text(text + "\n", encoding="utf-8")
        for name in ("warehouse.duckdb", "published.json"):
            _sync(temporary / name)
            (temporary / name).chmod(0o444)
        _sync(temporary)
        temporary.replace(final)
        _sync(snapshots)
        _swap(published, tag)
        _drop_old(snapshots, published, keep=keep, now=now)
    except subprocess.CalledProcessError as error:
        detail = error.stderr.decode(errors="replace").strip()
        raise PublishError(
            f"Publishing snapshot {tag} failed while copying: {detail}. The last good snapshot "
            "serves on. Trying again helps once there is room and permission in "
            f"{snapshots}."
        ) from error
    except OSError as error:
        raise PublishError(
            f"Publishing snapshot {tag} failed: {error.strerror}: {error.filename}. The last good "
            "snapshot serves on. Trying again helps once the cause is gone."
        ) from error
    return final


def current_tag(published: Path) -> str | None:
    """The tag that `current` points to, or None before the first publish."""
    link = published / "current"
    return link.readlink().name if link.is_symlink() else None


def _swap(published: Path, tag: str) -> None:
    link = published / ".current"
    link.unlink(missing_ok=True)
    link.symlink_to(Path("snapshots") / tag)
    link.replace(published / "current")
    _sync(published)


def _drop_old(snapshots: Path, published: Path, *, keep: int, now: datetime) -> None:
    serving = current_tag(published)
    directories = sorted(
        (path for path in snapshots.iterdir() if path.is_dir() and path.name != serving),
        key=lambda path: path.stat().st_mtime,
        reverse=True,
    )
    for path in directories[keep - 1 :]:
        age = now - datetime.fromtimestamp(path.stat().st_mtime, tz=now.tzinfo)
        if age > _YOUNGEST_TO_DROP:
            shutil.rmtree(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
