"""The verbs: bring the processes of a home up, tell how they are, take them down."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

from cubes.label import named
from pipelines.address import read_addresses, write_addresses
from pipelines.errors import ProcessesError, UnhealthyError
from pipelines.home import write_home
from pipelines.installation import Installation
from pipelines.processes.configuration import recording, supervisor_text, workspace_text
from pipelines.processes.control import Control
from pipelines.processes.health import (
    Probe,
    ProgramState,
    judge,
    probe_all,
    restarts_of,
    system_seconds,
)
from pipelines.processes.place import Place, place_of
from pipelines.processes.plan import LABELS, host_of, preferred_ports, programs_of
from pipelines.processes.ports import base_url, choose_ports, is_free
from pipelines.processes.record import (
    forget_starts,
    mark_of,
    processes_of,
    stop_processes,
    wait_until_gone,
)
from pipelines.settings import PROJECT_ROOT
from pipelines.telling import operations

Say = Callable[[str], None]

_LEAST_BYTES = 200 * 1024 * 1024
_SECONDS_TO_ANSWER = 30.0
_SECONDS_TO_STOP = 60.0
_FAILED_STARTS = 3
_LINES = 15


def start(installation: Installation, say: Say) -> bool:
    """Start what does not run yet and return at once; False if supervisord ran already.

    Addresses are written before anything starts. Raises ProcessesError, HomeError.
    """
    place = place_of(installation.home)
    place.create()
    _require_room(installation.home.path)
    with _held(place):
        control = Control(place.control)
        is_running = control.answers()
        if not is_running and (left := stop_processes(place)):
            say(f"stopped {left} processes of an earlier run that lost its supervisord")
        _start_clock(installation)
        _prepare_stores(installation)
        _prepare_dagster(installation, say)
        ports = _ports(installation, control if is_running else None)
        programs = programs_of(host_of(installation, "dagster"), place, ports)
        _write(place.workspace, workspace_text(place))
        _write(place.configuration, supervisor_text(place, programs))
        write_addresses(
            installation.home,
            {name: base_url(host_of(installation, name), port) for name, port in ports.items()},
        )
        if not is_running:
            forget_starts(place)
            _start_supervisor(installation, place)
            return True
        control.take_up_new_programs()
        for one in control.running():
            if one.state in {"STOPPED", "EXITED", "FATAL"}:
                say(f"starting {one.name} again")
                control.start(one.name)
    return False


def wait_until_healthy(
    installation: Installation, *, seconds: float, tell: Callable[[ProgramState, float], None]
) -> Sequence[ProgramState]:
    """Wait until every program is well, telling each as it gets there.

    Raises UnhealthyError if one ends again and again, ProcessesError when the time is over; what
    runs goes on running.
    """
    place = place_of(installation.home)
    begun = time.monotonic()
    told: set[str] = set()
    before = {one.name: one.restarts for one in states(installation)}
    while True:
        found = states(installation)
        for one in found:
            if one.state == "healthy" and one.name not in told:
                told.add(one.name)
                tell(one, time.monotonic() - begun)
        bad = [one for one in found if one.state != "healthy"]
        if not bad:
            return found
        if all(one.state == "stopped" for one in found):
            raise ProcessesError(
                "Waiting for the processes failed: they were stopped meanwhile. Trying again "
                "starts them."
            )
        failed = [
            one
            for one in bad
            if one.state == "failed" or one.restarts - before.get(one.name, 0) >= _FAILED_STARTS
        ]
        if failed:
            raise UnhealthyError(
                f"{_faults(place, failed)}\nTrying again helps once the cause is gone. The others "
                "go on; `huiyin down` stops them."
            )
        if time.monotonic() - begun >= seconds:
            raise ProcessesError(
                f"{_faults(place, bad)}\nNot all were well after {seconds:g} s. They go on "
                "starting: `huiyin status` tells how they are, `huiyin down` stops them."
            )
        time.sleep(0.3)


def states(installation: Installation) -> Sequence[ProgramState]:
    """How every program of the home is, in the order of the plan; all stopped if nothing runs."""
    place = place_of(installation.home)
    control = Control(place.control)
    addresses = read_addresses(installation.home)
    if not control.answers():
        names = [name for name in LABELS if name in {*_planned(installation)}]
        return [ProgramState(name, "stopped", None, None, None, 0, None) for name in names]
    running = control.running()
    probes = probe_all(running, addresses, place.code, system_seconds())
    restarts = restarts_of(_log_text(place), control.pid())
    found = []
    for one in sorted(running, key=lambda one: list(LABELS).index(one.name)):
        state, detail = judge(one.state, probes.get(one.name, Probe()))
        found.append(
            ProgramState(
                one.name,
                state,
                detail or (named(one.error) if one.error else None),
                addresses.get(one.name),
                datetime.fromtimestamp(one.since, UTC) if one.pid else None,
                restarts.get(one.name, 0),
                one.pid or None,
            )
        )
    return found


def stop(installation: Installation, say: Say) -> int:
    """Stop everything and prove that nothing is left; returns how many processes there were.

    Raises ProcessesError if one cannot be stopped.
    """
    place = place_of(installation.home)
    if not place.home.run.is_dir():
        if not processes_of(place):
            return 0
        # Somebody removed the folder while everything ran.
        place.create()
    with _held(place):
        before = processes_of(place)
        control = Control(place.control)
        if control.answers():
            control.end()
            wait_until_gone(lambda: processes_of(place), _SECONDS_TO_STOP)
        elif before:
            say("supervisord does not answer; its processes are stopped one by one")
        stop_processes(place)
        forget_starts(place)
        for path in (place.control, place.code, place.pid_file, place.home.run / "addresses.json"):
            path.unlink(missing_ok=True)
        if place.sockets != place.home.run:
            with suppress(OSError):
                place.sockets.rmdir()
    return len(before)


def left_over(installation: Installation) -> int:
    """How many processes run although no supervisord keeps them."""
    place = place_of(installation.home)
    return 0 if Control(place.control).answers() else len(processes_of(place))


def log_tail(place: Place, program: str) -> str:
    """The last lines of a program's log."""
    try:
        text = place.log(program).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(f"  {line}" for line in text.splitlines()[-_LINES:])


def _planned(installation: Installation) -> Sequence[str]:
    place = place_of(installation.home)
    ports = preferred_ports(installation)
    return [one.name for one in programs_of(host_of(installation, "dagster"), place, ports)]


def _ports(installation: Installation, control: Control | None) -> Mapping[str, int]:
    kept: dict[str, int] = {}
    if control is not None:
        running = {one.name for one in control.running()}
        for name, url in read_addresses(installation.home).items():
            if name in running and (port := urlsplit(url).port) is not None:
                kept[name] = port
        if lost := [name for name in preferred_ports(installation) if name in running - set(kept)]:
            raise ProcessesError(
                f"Finding the ports of {', '.join(lost)} failed: the processes run, but "
                f"{installation.home.run / 'addresses.json'} does not tell where. Run "
                "`huiyin down`, then `huiyin up`."
            )
    # A port is chosen that is free on both hosts, so that none depends on whose it becomes.
    hosts = {installation.settings.host, installation.settings.dagster_host}
    return choose_ports(
        preferred_ports(installation), lambda port: all(is_free(host, port) for host in hosts), kept
    )


def _start_clock(installation: Installation) -> None:
    """Let the clock of a demonstration run on from now, at its first start."""
    clock = installation.clock
    if clock.kind == "from" and clock.started_at is None:
        write_home(installation.home, {"started_at": datetime.now(UTC).isoformat()})


def _prepare_stores(installation: Installation) -> None:
    """Make the keys and bring the shared stores up to date, once, before many would at a time."""
    assert installation.secrets
    with operations(installation), installation.ledger(), installation.pii_store():
        pass


def _prepare_dagster(installation: Installation, say: Say) -> None:
    """Dagster's storage, made before its processes, which would otherwise race to create it."""
    folder = installation.home.dagster
    _write(folder / "dagster.yaml", (PROJECT_ROOT / "dagster.yaml").read_text(encoding="utf-8"))
    mark = folder / ".made-by"
    if mark.exists() and mark.read_text(encoding="utf-8") == version("dagster"):
        return
    say("preparing Dagster's storage")
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "instance", "migrate"],
        cwd=PROJECT_ROOT,
        env=_environment(installation),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise ProcessesError(
            f"Preparing Dagster's storage in {folder} failed:\n{done.stderr[-2000:].strip()}\n"
            "Nothing was started. Trying again helps once the cause is gone."
        )
    _write(mark, version("dagster"))


def _environment(installation: Installation) -> dict[str, str]:
    """The caller's environment, with the home that was asked for."""
    return {
        **os.environ,
        "HUIYIN_HOME": str(installation.home.path),
        "DAGSTER_HOME": str(installation.home.dagster),
        "PYTHONUNBUFFERED": "1",
    }


def _start_supervisor(installation: Installation, place: Place) -> None:
    """Start supervisord in a session of its own, so that Ctrl-C here does not reach it."""
    place.control.unlink(missing_ok=True)
    program = [sys.executable, "-m", "supervisor.supervisord", "-c", str(place.configuration)]
    output = place.home.run / "supervisord.out"
    with output.open("w", encoding="utf-8") as file:
        child = subprocess.Popen(
            recording(place, "supervisord", program),
            cwd=PROJECT_ROOT,
            env={**_environment(installation), **mark_of(place)},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    deadline = time.monotonic() + _SECONDS_TO_ANSWER
    control = Control(place.control)
    while not control.answers():
        if child.poll() is not None or time.monotonic() >= deadline:
            said = output.read_text(encoding="utf-8", errors="replace").strip()[-2000:]
            raise ProcessesError(
                f"Starting supervisord failed: {said or 'it does not answer'}\nTrying again helps "
                "once the cause is gone; `huiyin down` stops what is left."
            )
        time.sleep(0.05)


def _faults(place: Place, bad: Sequence[ProgramState]) -> str:
    parts = []
    for one in bad:
        log = log_tail(place, one.name)
        where = f"the end of {place.log(one.name)}:\n{log}" if log else "its log is empty"
        why = one.detail.en if one.detail else one.state
        parts.append(f"{one.name}: {why}; {where}")
    return "\n".join(parts)


def _log_text(place: Place) -> str:
    """supervisord's log with what was rotated away, oldest first."""
    path = place.log("supervisord")
    older = [path.with_name(f"{path.name}.{number}") for number in (3, 2, 1)]
    return "".join(
        one.read_text(encoding="utf-8", errors="replace") for one in (*older, path) if one.exists()
    )


def _require_room(path: Path) -> None:
    free = shutil.disk_usage(path).free
    if free < _LEAST_BYTES:
        raise ProcessesError(
            f"Starting the processes failed: the disk of {path} has {free // 2**20} MB left, and "
            f"{_LEAST_BYTES // 2**20} MB are needed. Nothing was started. Trying again helps once "
            "there is room."
        )


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)


@contextmanager
def _held(place: Place) -> Iterator[None]:
    """One start or stop at a time; the kernel releases the lock when its holder dies."""
    with place.lock.open("a") as file:
        deadline = time.monotonic() + _SECONDS_TO_STOP
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    raise ProcessesError(
                        f"Starting or stopping the processes of {place.home.path} failed: another "
                        "command is doing so and did not finish. Try again when it has."
                    ) from error
                time.sleep(0.2)
        yield
