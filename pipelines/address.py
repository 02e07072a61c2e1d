"""Addresses: where the running processes of a home listen."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from pipelines.home import Home

PROCESSES = ("dagster", "intake", "portal", "service", "superset")
"""Processes with a door of their own, by the names used in the addresses."""


def read_addresses(home: Home) -> dict[str, str]:
    """Base URL by process, like `{"portal": "http://127.0.0.1:8020"}`; empty before `make up`.

    What is not an address is left out.
    """
    try:
        found = json.loads((home.run / "addresses.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: found[name] for name in PROCESSES if _is_address(found.get(name))}


def _is_address(text: object) -> bool:
    """Whether a text names a door; somebody may have written into the file."""
    try:
        parts = urlsplit(text) if isinstance(text, str) else None
        return parts is not None and parts.scheme in ("http", "https") and parts.port is not None
    except ValueError:
        return False


def write_addresses(home: Home, addresses: Mapping[str, str]) -> None:
    """Replace the addresses atomically."""
    home.run.mkdir(parents=True, exist_ok=True)
    path = home.run / "addresses.json"
    temporary = path.with_name(f".addresses.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(dict(addresses), indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)
