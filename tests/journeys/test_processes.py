from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.settings import PROJECT_ROOT
from tests.journeys.product import Product, clean_environment
from tests.peers.ports import free_port

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("processes")]

_LONGEST = 120.0


def ports() -> dict[str, str]:
    """Ports nobody else on the machine prefers."""
    names = ("HUIYIN_DAGSTER_PORT", "HUIYIN_INTAKE_PORT", "HUIYIN_PORTAL_PORT")
    return {name: str(free_port()) for name in names}


def up(product: Product, **environment: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(
        product.run("up", "--format", "json", **{**ports(), **environment})
    )
    return told


def status(product: Product) -> dict[str, dict[str, Any]]:
    """Each process by its name, whether or not all are well."""
    finished = subprocess.run(
        [sys.executable, "-m", "pipelines.command_line", "status", "--format", "json"],
        cwd=PROJECT_ROOT,
        env=clean_environment(product.home),
        capture_output=True,
        text=True,
    )
    told = json.loads(finished.stdout)
    assert finished.returncode == (0 if told["healthy"] else 1), finished.stderr
    return {one["name"]: one for one in told["processes"]}


def alive(product: Product) -> dict[int, str]:
    """Every living process of the machine that was given this home, with its command."""
    mark = f"HUIYIN_HOME={product.home}".encode()
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
            state = (folder / "stat").read_text(encoding="utf-8").rpartition(") ")[2][0]
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if mark in environment and state not in "ZX":
            found[int(folder.name)] = command
    return found


def wait_for(what: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + _LONGEST
    while not (found := what()):
        assert time.monotonic() < deadline, f"it did not come: {what.__name__}"
        time.sleep(0.2)
    return found


def started_at(product: Product) -> str | None:
    description = json.loads((product.home / "home.json").read_text(encoding="utf-8"))
    started: str | None = description.get("started_at")
    return started


def supervisor(product: Product) -> int:
    return int((product.home / "run" / "supervisord.pid").read_text(encoding="ascii"))


def kill_supervisor(product: Product) -> None:
    pid = supervisor(product)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: pid not in alive(product))


@pytest.fixture
def product(demo: Product) -> Iterator[Product]:
    """The finished demonstration in a home with a short path; nothing of it runs afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="huiyin-"))
    product = demo.copy(folder / "home")
    try:
        yield product
    finally:
        product.run("down")
        left = alive(product)
        shutil.rmtree(folder, ignore_errors=True)
        assert left == {}


def test_everything_comes_up_beside_a_taken_port_and_goes_down_without_a_trace(
    product: Product,
) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        taken = held.getsockname()[1]
        assert started_at(product) is None
        told = up(product, HUIYIN_INTAKE_PORT=str(taken))
        found = {one["name"]: one for one in told["processes"]}
        assert told["healthy"]
        assert {"dagster", "dagster-code", "dagster-daemon", "dispatcher"} < set(found)
        assert found["intake"]["address"] != f"http://127.0.0.1:{taken}"

        # The clock of the demonstration runs on from the first start.
        started = started_at(product)
        assert started is not None

        # A second call starts nothing again and keeps every port.
        again = up(product)
    assert again == told
    assert started_at(product) == started
    assert product.json("status") == told

    configuration = product.home / "run" / "supervisord.conf"
    assert configuration.stat().st_mode & 0o777 == 0o600
    secrets = (product.home / "secrets.env").read_text(encoding="utf-8").splitlines()
    text = configuration.read_text(encoding="utf-8")
    assert not any(line.partition("=")[2] in text for line in secrets)

    running = alive(product)
    assert {one["pid"] for one in told["processes"]} | {supervisor(product)} <= set(running)
    product.run("down")
    assert alive(product) == {}
    assert not (product.home / "run" / "addresses.json").exists()
    product.run("down")
    assert {one["state"] for one in status(product).values()} == {"stopped"}


def test_a_killed_door_is_back_and_its_restart_is_counted(product: Product) -> None:
    up(product)
    before = status(product)["intake"]
    os.kill(before["pid"], signal.SIGKILL)

    def back() -> bool:
        now = status(product)["intake"]
        return bool(now["state"] == "healthy" and now["restarts"] == 1)

    wait_for(back)
    after = status(product)["intake"]
    assert after["address"] == before["address"]
    assert after["pid"] != before["pid"]


def test_processes_that_lost_their_supervisor_are_found_and_stopped(product: Product) -> None:
    up(product)
    kill_supervisor(product)
    orphans = set(alive(product))
    assert orphans
    assert {one["state"] for one in status(product).values()} == {"stopped"}

    told = up(product)
    assert told["healthy"]
    assert not orphans & set(alive(product))

    kill_supervisor(product)
    # A stranger that came to have a recorded number is nobody of ours.
    stranger = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        line = Path(f"/proc/{stranger.pid}/stat").read_text(encoding="utf-8").split()
        line[21] = "1"
        with (product.home / "run" / "pids" / "intake").open("a", encoding="utf-8") as record:
            record.write(" ".join(line) + "\n")
        product.run("down")
        assert alive(product) == {}
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_run_folder_that_somebody_removed_hides_nothing_from_down(product: Product) -> None:
    up(product)
    shutil.rmtree(product.home / "run")
    assert alive(product)
    product.run("down")
    assert alive(product) == {}


def test_a_supervisor_that_stands_still_is_stopped_too(product: Product) -> None:
    up(product)
    os.kill(supervisor(product), signal.SIGSTOP)
    product.run("down")
    assert alive(product) == {}


def test_an_interrupted_start_leaves_what_down_can_stop_and_up_can_finish(
    product: Product,
) -> None:
    chosen = ports()
    child = subprocess.Popen(
        [sys.executable, "-m", "pipelines.command_line", "up"],
        cwd=PROJECT_ROOT,
        env=clean_environment(product.home, **chosen),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Under a runner that ignores SIGINT the child would ignore it as well.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    wait_for((product.home / "run" / "supervisord.pid").exists)
    child.send_signal(signal.SIGINT)
    assert child.wait(60) == 130
    assert up(product, **chosen)["healthy"]
    product.run("down")
    assert alive(product) == {}


def test_a_process_that_cannot_start_is_told_with_the_end_of_its_log(product: Product) -> None:
    broken = product.home / "site" / "connectors" / "sources" / "broken.yml"
    broken.parent.mkdir(parents=True)
    broken.write_text("no: contract\n", encoding="utf-8")
    said = product.run("up", expect=1, **ports())
    assert "broken.yml" in said
    assert "huiyin down" in said
    broken.unlink()
    assert up(product)["healthy"]


def test_a_home_too_deep_for_sockets_works(demo: Product) -> None:
    folder = Path(tempfile.mkdtemp(prefix="huiyin-"))
    product = demo.copy(folder / ("deep-" * 20) / "home")
    try:
        assert up(product)["healthy"]
        assert len(str(product.home / "run" / "control.sock")) > 108
    finally:
        product.run("down")
        left = alive(product)
        shutil.rmtree(folder, ignore_errors=True)
    assert left == {}


def test_the_dispatcher_ends_when_it_is_told_to(product: Product) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "pipelines.command_line", "dispatch"],
        cwd=PROJECT_ROOT,
        env=clean_environment(product.home),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    def listens_for_the_end() -> bool:
        lines = Path(f"/proc/{child.pid}/status").read_text(encoding="ascii").splitlines()
        caught = next(int(line.split()[1], 16) for line in lines if line.startswith("SigCgt"))
        return bool(caught & 1 << (signal.SIGTERM - 1))

    wait_for(listens_for_the_end)
    child.send_signal(signal.SIGTERM)
    output, _ = child.communicate(timeout=300)
    assert child.returncode == 0, output


def test_a_door_on_a_taken_port_says_so(product: Product) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = str(held.getsockname()[1])
        said = product.run("serve", "intake", "--port", port, expect=3)
    assert port in said and "--port" in said


def test_the_doctor_finds_a_finished_demonstration_well(product: Product) -> None:
    found = {one["check"]: one for one in product.json("doctor")}
    assert [one for one in found.values() if one["level"] == "fail"] == []
    assert found["snapshot"]["level"] == "ok"
