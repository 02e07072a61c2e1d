from __future__ import annotations

from typing import Any

import pytest

from cubes.label import Label
from pipelines.processes.health import Probe, code_fault, daemon_fault, judge, restarts_of

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("supervised", "fault", "state"),
    [
        ("RUNNING", "", "healthy"),
        ("STARTING", "", "healthy"),
        ("STARTING", "no answer", "starting"),
        ("RUNNING", "no answer", "unhealthy"),
        ("BACKOFF", "", "starting"),
        ("FATAL", "", "failed"),
        ("STOPPING", "", "stopping"),
        ("STOPPED", "", "stopped"),
        ("EXITED", "", "stopped"),
    ],
)
def test_a_state_follows_from_supervisord_and_the_door(
    supervised: str, fault: str, state: str
) -> None:
    assert judge(supervised, Probe(Label(zh=fault, en=fault) if fault else None))[0] == state


def heartbeats(**times: float | None) -> dict[str, Any]:
    statuses = [
        {"daemonType": name, "required": name != "BACKFILL", "lastHeartbeatTime": moment}
        for name, moment in times.items()
    ]
    return {"instance": {"daemonHealth": {"allDaemonStatuses": statuses}}}


def test_a_daemon_lives_when_every_required_part_told_so_lately() -> None:
    answer = heartbeats(SENSOR=NOW - 20, SCHEDULER=NOW - 40, BACKFILL=None)
    assert daemon_fault(answer, started=NOW - 3600, now=NOW) is None


def test_a_silent_part_of_the_daemon_is_named() -> None:
    answer = heartbeats(SENSOR=NOW - 20, SCHEDULER=NOW - 400, ASSET=None)
    fault = daemon_fault(answer, started=NOW - 3600, now=NOW)
    assert fault is not None
    assert fault.en == "no heartbeat of scheduler, asset"


def test_heartbeats_of_an_earlier_daemon_prove_nothing() -> None:
    assert daemon_fault(heartbeats(SENSOR=NOW - 20), started=NOW - 5, now=NOW)


@pytest.mark.parametrize(
    ("entries", "fault"),
    [
        ([{"locationOrLoadError": {"__typename": "RepositoryLocation"}}], ""),
        ([{"locationOrLoadError": None}], "the definitions are not loaded yet"),
        ([], "the definitions are not loaded yet"),
        (
            [{"locationOrLoadError": {"__typename": "PythonError", "message": "no\n contract"}}],
            "the definitions do not load: no contract",
        ),
    ],
)
def test_definitions_are_well_once_they_are_loaded(entries: list[Any], fault: str) -> None:
    found = code_fault({"workspaceOrError": {"locationEntries": entries}})
    assert (found.en if found else "") == fault


def test_only_the_ends_since_this_supervisord_began_are_counted() -> None:
    log = (
        "x INFO supervisord started with pid 41\n"
        "x WARN exited: intake (terminated by SIGKILL; not expected)\n"
        "x INFO supervisord started with pid 42\n"
        "x INFO spawned: 'intake' with pid 50\n"
        "x WARN exited: intake (exit status 1; not expected)\n"
        "x INFO spawned: 'intake' with pid 51\n"
        "x INFO stopped: portal (terminated by SIGTERM)\n"
        "x WARN exited: intake (exit status 1; not expected)\n"
    )
    assert restarts_of(log, 42) == {"intake": 2}


def test_a_log_without_its_beginning_counts_what_it_shows() -> None:
    assert restarts_of("x WARN exited: portal (exit status 1; not expected)\n", 42) == {"portal": 1}
