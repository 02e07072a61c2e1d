"""The parsed project of dbt, kept so that a fresh home need not parse it once more.

dbt keeps its own cache per home and takes no other one, since the home's paths are in variables
that it compares. What it parses depends on none of them as long as a home has no models of its own.
"""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Any

_LEFT_BY_DBT = "partial_parse.msgpack"
_NOT_PARSED = {"target", "logs"}
_PACKAGES = ("dbt-core", "dbt-adapters", "dbt-common", "dbt-duckdb", "mashumaro")


def parsed_key(project: Path, site_models: Path, environment: Mapping[str, str]) -> str | None:
    """A hash over all that the parsed project depends on; None if it is of this home alone.

    That is every file of the project and where it lies, the versions of dbt, and the variables by
    which dbt itself can be told another target or profile.
    """
    if site_models.is_dir() and any(path.is_file() for path in site_models.rglob("*")):
        return None
    digest = hashlib.sha256()
    versions = [metadata.version(package) for package in _PACKAGES]
    told = sorted(item for item in environment.items() if item[0].startswith("DBT_"))
    digest.update(repr((str(project), platform.python_version(), versions, told)).encode())
    for path in sorted(project.rglob("*")):
        inside = path.relative_to(project)
        if inside.parts[0] not in _NOT_PARSED and path.is_file():
            digest.update(repr((str(inside), hashlib.sha256(path.read_bytes()).digest())).encode())
    return digest.hexdigest()[:32]


@contextmanager
def parsed_project(project: Path, target: Path, site_models: Path) -> Iterator[Any]:
    """The kept manifest for `dbtRunner`, or None; then what dbt parses meanwhile is kept.

    Only what dbt parsed from nothing is kept, never what it patched, and only if the project did
    not change under its hands. A cache that cannot be read or written is none.
    """
    key = parsed_key(project, site_models, os.environ)
    kept = project / "target" / f"parsed-{key}.msgpack"
    manifest = _read(kept) if key else None
    afresh = not (target / _LEFT_BY_DBT).exists()
    yield manifest
    if key and manifest is None and afresh and key == parsed_key(project, site_models, os.environ):
        with suppress(OSError):
            _keep((target / _LEFT_BY_DBT).read_bytes(), kept)


def parsed_by(project: Path, target: Path, site_models: Path) -> dict[str, Any]:
    """The manifest that the last command with this target worked by, as dbt writes it.

    dbt leaves what it parsed itself in the target, and nothing where it was given the kept one.
    Raises FileNotFoundError where no command was run.
    """
    left = target / _LEFT_BY_DBT
    if left.exists():
        manifest = _unpacked(left.read_bytes())
    else:
        with parsed_project(project, target, site_models) as manifest:
            pass
    if manifest is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(left))
    written: dict[str, Any] = manifest.writable_manifest().to_dict(omit_none=False)
    return written


def _unpacked(packed: bytes) -> Any:
    from dbt.contracts.graph.manifest import Manifest
    from dbt.parser.manifest import extended_mashumuro_decoder

    return Manifest.from_msgpack(packed, decoder=extended_mashumuro_decoder)


def _read(kept: Path) -> Any:
    try:
        said, _, packed = kept.read_bytes().partition(b"\n")
        if hashlib.sha256(packed).hexdigest().encode() != said:
            return None
        manifest: Any = _unpacked(packed)
    except Exception:
        # Whatever is wrong with a cache, dbt can parse anew.
        return None
    manifest.build_flat_graph()
    return manifest


def _keep(packed: bytes, kept: Path) -> None:
    kept.parent.mkdir(exist_ok=True)
    said = hashlib.sha256(packed).hexdigest().encode()
    handle, name = tempfile.mkstemp(dir=kept.parent, prefix=".parsed-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(said + b"\n" + packed)
        for older in kept.parent.glob("parsed-*.msgpack"):
            older.unlink(missing_ok=True)
        Path(name).replace(kept)
    finally:
        Path(name).unlink(missing_ok=True)
