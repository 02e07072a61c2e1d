"""The cache of chart data: what one snapshot answered is never shown for another."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from flask_caching.backends.filesystemcache import FileSystemCache

from dashboards.superset.snapshot_file import snapshot_tag


class SnapshotCache(FileSystemCache):  # type: ignore[misc]
    """Files under the snapshot's tag."""

    def __init__(self, home: Path, **options: Any) -> None:
        self._home = home
        super().__init__(**options)

    @classmethod
    def factory(
        cls, app: Any, config: dict[str, Any], args: list[Any], kwargs: dict[str, Any]
    ) -> SnapshotCache:
        """Called by flask-caching with the configuration."""
        return cls(
            Path(os.environ["HUIYIN_HOME"]),
            cache_dir=config["CACHE_DIR"],
            default_timeout=config["CACHE_DEFAULT_TIMEOUT"],
            threshold=config.get("CACHE_THRESHOLD", 2000),
        )

    def _get_filename(self, key: str) -> str:
        if key != self._fs_count_file:
            key = f"{snapshot_tag(self._home)}/{key}"
        return str(super()._get_filename(key))
