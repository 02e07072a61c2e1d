"""Superset of an installation: the bundle of its dashboards, its process, and what both rest on."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import duckdb

from pipelines.address import read_addresses
from pipelines.errors import SupersetError
from pipelines.home import Home
from pipelines.installation import Installation
from pipelines.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from cubes.errors import Fault
    from cubes.warehouse import Warehouse
    from dashboards.bundle import Bundle

Say = Callable[[str], None]

ENVIRONMENT = PROJECT_ROOT / ".venv-bi"
ADMIN = "admin"
_CONFIG = PROJECT_ROOT / "dashboards" / "superset" / "superset_config.py"
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR")


@dataclass(frozen=True)
class SupersetReport:
    """What `build_superset` did: the bundle's folder and counts, and whether it was applied."""

    folder: Path
    dashboards: int
    charts: int
    datasets: int
    applied: bool


def is_installed() -> bool:
    """Whether the analysts' environment is there."""
    return (ENVIRONMENT / ".ready").exists()


def is_built(home: Home) -> bool:
    """Whether Superset's own database is there."""
    return (home.superset / "metadata.db").exists()


def build_superset(installation: Installation, *, say: Say) -> SupersetReport:
    """Generate the bundle and, where Superset is installed, put it in.

    Raises DeclarationError for faulty declarations and SupersetError if Superset refuses.
    """
    from dashboards.bundle import write_bundle
    from dashboards.check import require_sound
    from dashboards.declaration import load_dashboards

    folder = installation.home.superset / "bundle"
    warehouse = names_of(installation, say=say)
    found = load_dashboards(installation.search_path("dashboards"))
    require_sound(installation.catalogue, warehouse, found)
    say("bundle")
    bundle = bundle_of(installation, warehouse)
    write_bundle(bundle, folder)
    applied = is_installed()
    if applied:
        say("Superset")
        apply_bundle(installation, folder)
    return SupersetReport(
        folder,
        dashboards=len(found),
        charts=sum(path.startswith("charts/") for path in bundle),
        datasets=sum(path.startswith("datasets/") for path in bundle),
        applied=applied,
    )


@dataclass(frozen=True)
class CheckReport:
    """What a check went through, and everything it found wrong."""

    counts: Mapping[str, int]
    faults: tuple[Fault, ...]


def check_superset(
    installation: Installation, *, exported: Path | None = None, say: Say
) -> CheckReport:
    """Prove dashboard, chart, dataset, cube and mart, name by name.

    The views are asked in the empty warehouse, and in the published snapshot when there is one.
    `exported` is a folder exported from Superset, checked by the same rules.
    """
    from cubes.errors import SnapshotError
    from dashboards.bundle import write_bundle
    from dashboards.bundle_check import bundle_faults, view_faults
    from dashboards.check import dashboard_faults
    from dashboards.declaration import load_dashboards

    warehouse = names_of(installation, say=say)
    found = load_dashboards(installation.search_path("dashboards"))
    faults: list[Fault] = dashboard_faults(installation.catalogue, warehouse, found)
    counts = {"dashboards": len(found)}
    counts["charts"] = sum(len(dashboard.charts) for dashboard, _ in found.values())
    if not faults:
        with TemporaryDirectory(dir=installation.home.superset, prefix=".check-") as scratch:
            folder = Path(scratch) / "bundle"
            bundle = bundle_of(installation, warehouse)
            write_bundle(bundle, folder)
            counts["datasets"] = sum(path.startswith("datasets/") for path in bundle)
            faults += bundle_faults(folder, installation.catalogue, warehouse)
            empty = empty_warehouse(installation, say=say)
            with duckdb.connect(str(empty), read_only=True) as connection:
                faults += view_faults(folder, connection)
            with suppress(SnapshotError), installation.snapshot() as snapshot:
                faults += view_faults(folder, snapshot.cursor())
    if exported is not None:
        faults += bundle_faults(exported, installation.catalogue, warehouse)
    return CheckReport(counts, tuple(faults))


def bundle_of(installation: Installation, warehouse: Warehouse) -> Bundle:
    """The bundle of the installation's cubes and dashboards."""
    from dashboards.bundle import make_bundle
    from dashboards.declaration import load_dashboards

    found = load_dashboards(installation.search_path("dashboards"))
    settings = installation.settings
    return make_bundle(
        installation.catalogue,
        warehouse,
        {slug: dashboard for slug, (dashboard, _) in found.items()},
        database=installation.home.published / "current" / "warehouse.duckdb",
        zone=settings.timezone,
        threads=settings.threads,
        memory_limit=settings.memory_limit,
    )


def names_of(installation: Installation, *, say: Say) -> Warehouse:
    """Tables and columns of the marts, from a build of nothing, so that no snapshot is needed."""
    from cubes.warehouse import read_warehouse

    path = empty_warehouse(installation, say=say)
    with duckdb.connect(str(path), read_only=True) as connection:
        return read_warehouse(connection)


def empty_warehouse(installation: Installation, *, say: Say) -> Path:
    """The warehouse of a build of no batches, made again when definitions or settings changed.

    Superset reads it until the first publish: the same views, without rows.
    """
    from pipelines.build import build, definition_version
    from pipelines.workflow import build_request

    home, settings = installation.home, installation.settings
    folder = home.superset / "empty"
    path, mark = folder / "warehouse.duckdb", folder / "version"
    version = (
        f"{definition_version(home, installation.contracts)} {settings.timezone} "
        f"{settings.calendar} {settings.currency} {','.join(installation.contracts)}"
    )
    if path.exists() and mark.exists() and mark.read_text(encoding="utf-8") == version:
        return path
    say("empty warehouse")
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=home.superset, prefix=".build-") as scratch:
        there = Home(Path(scratch))
        if home.site("").exists():
            (there.path / "site").symlink_to(home.site("").resolve())
        build(
            there,
            settings,
            build_request(installation),
            installation.contracts,
            installation.declared_contracts,
            installation.catalogue,
            [],
            lambda batch_id: None,
        )
        temporary = folder / ".warehouse.duckdb"
        shutil.copyfile(there.warehouse, temporary)
        temporary.replace(path)
    mark.write_text(version, encoding="utf-8")
    return path


def apply_bundle(installation: Installation, folder: Path) -> None:
    """Put a bundle into Superset in a process of its environment; raises SupersetError."""
    environment = {
        **superset_environment(installation),
        "HUIYIN_SUPERSET_ADMIN_PASSWORD": admin_password(installation),
    }
    command = [_program("python"), "-m", "dashboards.superset.apply", str(folder)]
    done = subprocess.run(
        command, cwd=PROJECT_ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        log = installation.home.logs / "superset-build.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(done.stdout + done.stderr, encoding="utf-8")
        last = next(iter(reversed(done.stderr.strip().splitlines())), "it said nothing")
        raise SupersetError(
            f"Putting the dashboards into Superset failed: {last}. What was there before is "
            f"unchanged or half replaced; repeating `huiyin superset build` mends both. The whole "
            f"output is in {log}."
        )


def superset_process(installation: Installation, port: int) -> tuple[list[str], dict[str, str]]:
    """Command and environment of the serving process, listening on `port`."""
    address = f"{installation.settings.host}:{port}"
    command = [
        _program("gunicorn"),
        "--bind", address,
        "-w", "1",
        "-k", "gthread",
        "--threads", "8",
        "--timeout", "120",
        "--no-control-socket",
        "superset.app:create_app()",
    ]  # fmt: skip
    return command, superset_environment(installation)


def superset_environment(installation: Installation) -> dict[str, str]:
    """The environment both processes need, and nothing else of this one's."""
    home, settings, secrets = installation.home, installation.settings, installation.secrets
    home.superset.mkdir(parents=True, exist_ok=True)
    portal = read_addresses(home).get("portal")
    return {
        **{name: os.environ[name] for name in _PASSED_ON if name in os.environ},
        "PYTHONPATH": str(PROJECT_ROOT),
        "PYTHONUNBUFFERED": "1",
        "SUPERSET_CONFIG_PATH": str(_CONFIG),
        "SUPERSET_HOME": str(home.superset),
        "FLASK_APP": "superset.app:create_app()",
        "HUIYIN_HOME": str(home.path),
        "HUIYIN_SUPERSET_KEY": secrets.derive("superset secret key").hex(),
        "HUIYIN_SIGN_IN_KEY": secrets.derive("superset sign-in").hex(),
        "HUIYIN_PORTAL_URL": portal or f"http://127.0.0.1:{settings.portal_port}",
        "HUIYIN_CURRENCY": settings.currency,
        "HUIYIN_SECURE_COOKIES": "true" if settings.secure_cookies else "false",
    }


def admin_password(installation: Installation) -> str:
    """The password of the local administrator: the setting, else one derived from the keys."""
    chosen = installation.settings.superset_admin_password
    return chosen or installation.secrets.derive("superset admin password").hex()[:20]


def superset_url(installation: Installation, addresses: Mapping[str, str]) -> str:
    """Where Superset is, or will be once it runs."""
    settings = installation.settings
    return addresses.get("superset") or f"http://{settings.host}:{settings.superset_port}"


def _program(name: str) -> str:
    return str(ENVIRONMENT / "bin" / name)
