from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import ProcessesError
from pipelines.home import Home
from pipelines.processes.configuration import recording, supervisor_text
from pipelines.processes.control import Control
from pipelines.processes.place import Place, place_of
from pipelines.processes.plan import Program
from pipelines.processes.record import processes_of, recorded_starts, stop_processes

SLEEPER = Program("intake", ("sleep", "600"), seconds_to_start=0)
# It starts a child and waits for it; the child is nobody's by name.
PARENT = Program("portal", ("/bin/sh", "-c", "sleep 600 & wait"), seconds_to_start=0)


def wait_for(what: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 60
    while not (found := what()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def configure(place: Place, programs: Sequence[Program]) -> None:
    place.configuration.write_text(supervisor_text(place, programs), encoding="utf-8")


@pytest.fixture
def place() -> Iterator[Place]:
    """A home whose supervisord keeps one sleeper."""
    folder = Path(tempfile.mkdtemp(prefix="huiyin-"))
    place = place_of(Home(folder))
    place.create()
    configure(place, [SLEEPER])
    program = [sys.executable, "-m", "supervisor.supervisord", "-c", str(place.configuration)]
    child = subprocess.Popen(recording(place, "supervisord", program), start_new_session=True)
    wait_for(Control(place.control).answers)
    yield place
    stop_processes(place)
    child.wait(30)
    shutil.rmtree(folder)


def states(place: Place) -> dict[str, str]:
    return {one.name: one.state for one in Control(place.control).running()}


def test_a_new_program_is_taken_up_and_the_others_are_left_alone(place: Place) -> None:
    control = Control(place.control)
    (before,) = control.running()
    configure(place, [SLEEPER, PARENT])
    control.take_up_new_programs()
    wait_for(lambda: set(states(place).values()) == {"RUNNING"})
    assert {one.name: one.pid for one in control.running()}["intake"] == before.pid
    assert set(states(place)) == {"intake", "portal"}


def test_starting_what_runs_changes_nothing(place: Place) -> None:
    wait_for(lambda: states(place) == {"intake": "RUNNING"})
    Control(place.control).start("intake")
    assert states(place) == {"intake": "RUNNING"}


def test_children_of_a_program_end_with_it(place: Place) -> None:
    configure(place, [SLEEPER, PARENT])
    control = Control(place.control)
    control.take_up_new_programs()
    # supervisord, the sleeper, the parent and its child.
    wait_for(lambda: len(processes_of(place)) == 4)
    assert len(recorded_starts(place)) == 3
    control.end()
    wait_for(lambda: not processes_of(place))


def test_an_unknown_program_is_told(place: Place) -> None:
    with pytest.raises(ProcessesError, match="BAD_NAME"):
        Control(place.control).start("nobody")


def test_a_supervisor_that_is_not_there_does_not_answer(tmp_path: Path) -> None:
    control = Control(tmp_path / "control.sock")
    assert not control.answers()
    with pytest.raises(ProcessesError, match="huiyin down"):
        control.running()
