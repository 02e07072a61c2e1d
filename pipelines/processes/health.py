"""Whether each program does its work: what its door answers, and what follows from that."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from cubes.label import Label
from pipelines.processes.control import Running

State = Literal["healthy", "starting", "unhealthy", "failed", "stopping", "stopped"]

_SECONDS = 5.0
# The daemon tells that it lives every 30 seconds.
_OLDEST_HEARTBEAT = 150.0
_ANSWERS = {
    "dagster": "/server_info",
    "intake": "/health",
    "portal": "/health",
    "service": "/health",
}
_ANSWERS["superset"] = "/health"
_QUESTION = """
{
  instance { daemonHealth { allDaemonStatuses { daemonType required lastHeartbeatTime } } }
  workspaceOrError {
    ... on Workspace {
      locationEntries { locationOrLoadError { __typename ... on PythonError { message } } }
    }
  }
}
"""


@dataclass(frozen=True)
class Probe:
    """What a program was found to do; `fault` says what is wrong with it, None if nothing."""

    fault: Label | None = None


@dataclass(frozen=True)
class ProgramState:
    """A program as people see it; `restarts` counts how often it ended by itself."""

    name: str
    state: State
    detail: Label | None
    address: str | None
    since: datetime | None
    restarts: int
    pid: int | None


def judge(supervised: str, probe: Probe) -> tuple[State, Label | None]:
    """State and detail of a program from supervisord's state and from what its door answered."""
    if supervised in {"RUNNING", "STARTING"}:
        if probe.fault is None:
            return "healthy", None
        return ("starting" if supervised == "STARTING" else "unhealthy"), probe.fault
    if supervised == "BACKOFF":
        return "starting", Label(
            zh="启动后不久就结束，正在重新启动",
            en="it ended soon after its start and is started again",
        )
    if supervised == "FATAL":
        return "failed", Label(
            zh="一再结束，不再启动", en="it ended again and again and is not started any more"
        )
    return ("stopping" if supervised == "STOPPING" else "stopped"), None


def restarts_of(log: str, supervisor: int) -> dict[str, int]:
    """How often each program ended by itself, from the log of the running supervisord."""
    _, _, own = log.rpartition(f"supervisord started with pid {supervisor}\n")
    counts: dict[str, int] = {}
    for line in own.splitlines():
        _, found, rest = line.partition(" exited: ")
        if found:
            name = rest.partition(" ")[0]
            counts[name] = counts.get(name, 0) + 1
    return counts


def daemon_fault(answer: Mapping[str, Any], *, started: float, now: float) -> Label | None:
    """What is wrong with the daemon by its heartbeats; None if every required part lives."""
    statuses = answer["instance"]["daemonHealth"]["allDaemonStatuses"]
    silent = [
        status["daemonType"].lower()
        for status in statuses
        if status["required"]
        # Heartbeats of an earlier process prove nothing.
        and (status["lastHeartbeatTime"] or 0) < max(started - 1, now - _OLDEST_HEARTBEAT)
    ]
    if not silent:
        return None
    named = ", ".join(silent)
    return Label(zh=f"没有心跳：{named}", en=f"no heartbeat of {named}")


def code_fault(answer: Mapping[str, Any]) -> Label | None:
    """What is wrong with the definitions as the webserver sees them; None if they are loaded."""
    entries = answer["workspaceOrError"].get("locationEntries", [])
    loaded = [entry["locationOrLoadError"] or {} for entry in entries]
    failed = [found["message"] for found in loaded if found.get("__typename") == "PythonError"]
    if failed:
        told = " ".join(failed[0].split())[:300]
        return Label(zh=f"定义加载失败：{told}", en=f"the definitions do not load: {told}")
    if any(found.get("__typename") == "RepositoryLocation" for found in loaded):
        return None
    return Label(zh="定义尚未加载", en="the definitions are not loaded yet")


def probe_all(
    running: Sequence[Running], addresses: Mapping[str, str], code: Path, now: float
) -> dict[str, Probe]:
    """Ask every program at once; a door that does not answer in five seconds is a fault."""
    doors: dict[str, Callable[[], Label | None]] = {}
    started = {one.name: one.since for one in running}
    for name, path in _ANSWERS.items():
        if name in started and name in addresses:
            doors[name] = _door(addresses[name] + path)
    pages = addresses.get("dagster")
    if pages is not None:
        doors["dagster-code"] = lambda: _socket_fault(code) or _asked(pages, code_fault)
        doors["dagster-daemon"] = lambda: _asked(
            pages,
            lambda answer: daemon_fault(answer, started=started["dagster-daemon"], now=now),
        )
    chosen = {name: door for name, door in doors.items() if name in started}
    with ThreadPoolExecutor(max_workers=max(len(chosen), 1)) as pool:
        faults = {name: pool.submit(door) for name, door in chosen.items()}
        probes = {name: Probe(fault.result()) for name, fault in faults.items()}
    # The dispatcher has no door: it is well once supervisord says that it has started.
    waiting = {one.name for one in running if one.state == "STARTING"} - set(probes)
    fresh = Probe(Label(zh="刚刚启动", en="it has just been started"))
    return {**probes, **dict.fromkeys(waiting, fresh)}


def _door(url: str) -> Callable[[], Label | None]:
    return lambda: _http(Request(url))[1]


def _asked(pages: str, fault: Callable[[Mapping[str, Any]], Label | None]) -> Label | None:
    body = json.dumps({"query": _QUESTION}).encode()
    answer, unanswered = _http(
        Request(f"{pages}/graphql", body, {"content-type": "application/json"})
    )
    if unanswered:
        return Label(
            zh=f"Dagster 网页无法说明：{unanswered.zh}",
            en=f"Dagster's pages cannot tell: {unanswered.en}",
        )
    try:
        return fault(json.loads(answer)["data"])
    except (ValueError, KeyError, TypeError) as error:
        kind = type(error).__name__
        return Label(
            zh=f"Dagster 网页答非所问：{kind}", en=f"Dagster's pages answer something else: {kind}"
        )


def _http(request: Request) -> tuple[bytes, Label | None]:
    """The body, and what went wrong; a proxy of the environment is never asked."""
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=_SECONDS) as response:
            return response.read(), None
    except HTTPError as error:
        return b"", Label(zh=f"应答代码 {error.code}", en=f"it answers with {error.code}")
    except OSError as error:
        return b"", _silent(getattr(error, "reason", error))


def _silent(reason: object) -> Label:
    why = getattr(reason, "strerror", None) or reason
    return Label(zh=f"没有应答（{why}）", en=f"it does not answer ({why})")


def _socket_fault(path: Path) -> Label | None:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
            door.settimeout(_SECONDS)
            door.connect(str(path))
    except OSError as error:
        return _silent(error)
    return None


def system_seconds() -> float:
    """The system's clock, which supervisord and Dagster's heartbeats use; not the home's."""
    return time.time()
