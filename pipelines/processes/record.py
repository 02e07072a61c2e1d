"""Which processes are ours: by recorded pid and start time, never by name.

Every start of a program is recorded before it begins (see `configuration.recording`), and every
program leads a process group of its own, so its children are found through it. supervisord and
all it starts hold the address of its socket in their environment: that is the proof for children
whose leader is gone, and for everything once the records are lost.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.errors import ProcessesError
from pipelines.processes.place import Place

_SECONDS_TO_END = 15.0
_SECONDS_TO_DIE = 10.0


@dataclass(frozen=True)
class Process:
    """One line of `/proc/<pid>/stat`; `start` in clock ticks since the machine was started."""

    pid: int
    state: str
    group: int
    start: int

    @property
    def is_alive(self) -> bool:
        """Whether it still runs; a zombie has ended and waits to be reaped by its parent."""
        return self.state not in "ZX"


def parse_stat(line: str) -> Process | None:
    """Parse one line of `/proc/<pid>/stat`; None if it is torn."""
    pid, _, rest = line.partition(" (")
    # The name may hold spaces and brackets itself.
    fields = rest.rpartition(") ")[2].split()
    try:
        return Process(int(pid), fields[0], int(fields[2]), int(fields[19]))
    except (ValueError, IndexError):
        return None


def ours(
    recorded: Iterable[Process],
    running: Collection[Process],
    is_marked: Callable[[Process], bool],
) -> list[Process]:
    """The living processes that come from a recorded start: leaders, and members of their groups.

    Where a leader has ended, its number may belong to a stranger by now, so a member must carry
    the mark of this home.
    """
    by_pid = {process.pid: process for process in running}
    found: dict[int, Process] = {}
    for record in recorded:
        leader = by_pid.get(record.pid)
        is_same = leader is not None and leader.start == record.start
        if is_same and leader is not None and leader.is_alive:
            found[leader.pid] = leader
        for process in running:
            if process.group == record.pid and process.is_alive and (is_same or is_marked(process)):
                found[process.pid] = process
    return sorted(found.values(), key=lambda process: process.pid)


def recorded_starts(place: Place) -> list[Process]:
    """Every start recorded since the processes of this home were last started afresh."""
    lines: list[str] = []
    for path in sorted(place.records.glob("*")):
        lines += path.read_text(encoding="utf-8", errors="replace").splitlines()
    return [process for line in lines if (process := parse_stat(line)) is not None]


def forget_starts(place: Place) -> None:
    """Forget the recorded starts, once nothing of them runs."""
    for path in place.records.glob("*"):
        path.unlink(missing_ok=True)


def mark_of(place: Place) -> dict[str, str]:
    """What the environment of every process of a home holds; supervisord gives it to programs."""
    return {"SUPERVISOR_SERVER_URL": f"unix://{place.control}"}


def processes_of(place: Place) -> list[Process]:
    """Our processes that run now, supervisord among them; never the one that asks."""
    mark = "".join(f"{name}={value}" for name, value in mark_of(place).items()).encode()

    def is_marked(process: Process) -> bool:
        try:
            return mark in Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
        except OSError:
            return False

    running = _all_processes()
    found = {one.pid: one for one in ours(recorded_starts(place), running, is_marked)}
    found |= {one.pid: one for one in running if one.is_alive and is_marked(one)}
    found.pop(os.getpid(), None)
    return [found[pid] for pid in sorted(found)]


def supervisor_of(place: Place) -> Process | None:
    """The recorded supervisord, if it runs; also one that does not answer."""
    path = place.records / "supervisord"
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return None
    recorded = {(found.pid, found.start) for line in lines if (found := parse_stat(line))}
    return next(
        (one for one in _all_processes() if (one.pid, one.start) in recorded and one.is_alive),
        None,
    )


def wait_until_gone(find: Callable[[], Sequence[Process]], seconds: float) -> Sequence[Process]:
    """Wait until `find` finds nothing; returns what is still there when the time is over."""
    deadline = time.monotonic() + seconds
    while left := find():
        if time.monotonic() >= deadline:
            break
        time.sleep(0.1)
    return left


def stop_processes(place: Place) -> int:
    """Stop whatever of ours runs, supervisord first; returns how many there were.

    Raises ProcessesError if one survives being killed.
    """
    supervisor = supervisor_of(place)
    before = processes_of(place)
    if supervisor is not None:
        # It ends its programs itself; continued, so that one that stands still hears it.
        _signal(supervisor.pid, signal.SIGTERM)
        _signal(supervisor.pid, signal.SIGCONT)
        wait_until_gone(lambda: processes_of(place), _SECONDS_TO_END)
    for number, seconds in ((signal.SIGTERM, _SECONDS_TO_END), (signal.SIGKILL, _SECONDS_TO_DIE)):
        for process in processes_of(place):
            _signal(process.pid, number)
            _signal(process.pid, signal.SIGCONT)
        left = wait_until_gone(lambda: processes_of(place), seconds)
        if not left:
            return len(before)
    raise ProcessesError(
        f"Stopping the processes failed: {', '.join(str(one.pid) for one in left)} survived being "
        "killed, so the machine holds them (a disk that does not answer?). Trying again helps "
        "once it lets them go."
    )


def _all_processes() -> list[Process]:
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                line = Path(entry.path, "stat").read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            if (process := parse_stat(line)) is not None:
                found.append(process)
    return found


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
    except PermissionError as error:
        raise ProcessesError(
            f"Stopping process {pid} failed: it belongs to another user. Trying again helps as "
            "the user who started it."
        ) from error
