"""What runs: one frozen value a program. Nothing here starts anything."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cubes.label import Label
from pipelines.installation import Installation
from pipelines.processes.place import Place
from pipelines.settings import PROJECT_ROOT

LABELS = {
    "dagster-code": Label(zh="Dagster 代码", en="Dagster code"),
    "dagster-daemon": Label(zh="Dagster 调度", en="Dagster daemon"),
    "dagster": Label(zh="Dagster 网页", en="Dagster pages"),
    "intake": Label(zh="反馈入口", en="Intake"),
    "portal": Label(zh="管理者门户", en="Portal"),
    "service": Label(zh="服务接口", en="Service"),
    "dispatcher": Label(zh="短信发送", en="Dispatcher"),
    "superset": Label(zh="分析看板", en="Superset"),
}
"""Every program in the order it is shown."""

# Longer than the imports of the slowest: what ends before has failed to start, and waits longer
# each time; what ends later is started again at once.
_SECONDS_TO_START = 8


@dataclass(frozen=True)
class Program:
    """One process that supervisord keeps running.

    `port` is None for a program without a door. `seconds_to_start` is how long it must live to
    count as started, `seconds_to_stop` how long it may take to end before it is killed.
    """

    name: str
    command: tuple[str, ...]
    port: int | None = None
    seconds_to_start: int = _SECONDS_TO_START
    seconds_to_stop: int = 15


def has_superset(installation: Installation) -> bool:
    """Whether the analysts' tool is installed and its dashboards were built for this home."""
    from pipelines.superset import is_built, is_installed

    return is_installed() and is_built(installation.home)


def preferred_ports(installation: Installation) -> dict[str, int]:
    """The ports the settings ask for, by program with a door."""
    settings = installation.settings
    ports = {
        "dagster": settings.dagster_port,
        "intake": settings.intake_port,
        "portal": settings.portal_port,
        "service": settings.service_port,
    }
    if has_superset(installation):
        ports["superset"] = settings.superset_port
    return ports


def host_of(installation: Installation, name: str) -> str:
    """Where a program with a door listens: Dagster, which has no sign-in, by its own setting."""
    settings = installation.settings
    return settings.dagster_host if name == "dagster" else settings.host


def programs_of(dagster_host: str, place: Place, ports: Mapping[str, int]) -> Sequence[Program]:
    """The programs of a home, those with a door on the given ports; `superset` only if it has one.

    The others read their host from the settings themselves. The webserver and the daemon share one
    code server instead of starting one each.
    """
    python = sys.executable
    workspace = ("-w", str(place.workspace))
    code = (
        *(python, "-m", "dagster", "api", "grpc", "--use-python-environment-entry-point"),
        *("-m", "pipelines.definitions", "-d", str(PROJECT_ROOT), "--socket", str(place.code)),
    )
    pages = (python, "-m", "dagster_webserver", *workspace, "-h", dagster_host)
    found = [
        # Runs are its children: they get time to end their step.
        Program("dagster-code", code, seconds_to_stop=30),
        Program("dagster-daemon", (python, "-m", "dagster._daemon", "run", *workspace)),
        Program("dagster", (*pages, "-p", str(ports["dagster"])), ports["dagster"]),
    ]
    huiyin = (python, "-m", "pipelines.command_line")
    for name in ("intake", "portal", "service", "superset"):
        if name in ports:
            serve = (*huiyin, "serve", name, "--port", str(ports[name]))
            found.append(Program(name, serve, ports[name]))
    # It has no door to ask, so living on is all that shows that it has started.
    found.append(Program("dispatcher", (*huiyin, "dispatch"), seconds_to_start=3))
    return sorted(found, key=lambda program: list(LABELS).index(program.name))
