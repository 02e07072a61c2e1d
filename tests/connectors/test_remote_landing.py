"""The file interface over sftp and ftp: the same rules as in a local folder."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from connectors.arrivals import arrivals
from connectors.errors import CredentialsRefused, HostKeyRefused, SourceUnreachable
from connectors.files.relanding import reland
from connectors.landing import Delivery, land_source
from tests.connectors.conftest import NOW, SHOP, load_one
from tests.peers.ftp import running_ftp
from tests.peers.sshd import running_sshd
from tests.peers.wire import Wire, wire_to

Home = Any  # the fixture's class lives in conftest


@dataclass
class Remote:
    """A home whose source lies behind a wire; `folder` is the partner's own view."""

    home: Home
    folder: Path
    wire: Wire
    secrets: dict[str, str]

    def send(self, *arguments: Any, **changes: Any) -> Path:
        """Deliver as the partner does, in his folder."""
        path: Path = self.home.send(*arguments, **changes)
        for name in (path.name, f"{path.name}.send.log"):
            (path.parent / name).replace(self.folder / name)
        return self.folder / path.name

    def land(self) -> list[Delivery]:
        return land_source(
            self.home.contract,
            home=self.home.path,
            ledger=self.home.ledger,
            pii=self.home.pii,
            now=NOW,
            zone="Asia/Shanghai",
            secret=self.secrets.get,
            at=self.home.at,
        )

    def new(self) -> tuple[str, ...]:
        return arrivals(
            self.home.contract,
            home=self.home.path,
            ledger=self.home.ledger,
            now=NOW,
            secret=self.secrets.get,
        )

    def read_log(self, name: str) -> dict[str, Any]:
        read: dict[str, Any] = json.loads((self.folder / f"{name}.read.log").read_text())
        return read


@pytest.fixture(params=["sftp", "ftp"])
def remote(request: pytest.FixtureRequest, home: Home, tmp_path: Path) -> Iterator[Remote]:
    with ExitStack() as stack:
        if request.param == "sftp":
            server: Any = stack.enter_context(running_sshd(tmp_path))
            secrets = {"HUIYIN_SHOP_KEY_FILE": str(server.key_file)}
        else:
            server = stack.enter_context(running_ftp(tmp_path))
            secrets = {"HUIYIN_SHOP_PASSWORD": server.password}
        wire = stack.enter_context(wire_to(server.port))
        location = server.location.replace(f":{server.port}/", f":{wire.port}/")
        if request.param == "sftp":
            line = server.host_key_line.replace(f":{server.port} ", f":{wire.port} ")
            (home.path / "known_hosts").write_text(line)
        interface = {**SHOP["interface"], "location": location}
        home.contract = load_one(home.path / "remote", SHOP | {"interface": interface})
        yield Remote(home, server.folder, wire, secrets)


def test_a_file_lands_is_confirmed_and_archived_on_the_server(remote: Remote) -> None:
    path = remote.send([remote.home.row(1), remote.home.row(2, amount="x")], amount="10.00")
    assert remote.new() == (path.name,)
    (delivery,) = remote.land()
    assert (delivery.status, delivery.loaded, delivery.rejected) == ("loaded", 1, 1)
    assert sorted(one.name for one in remote.folder.iterdir()) == ["archive"]
    assert {one.name for one in (remote.folder / "archive").iterdir()} == {
        path.name,
        f"{path.name}.send.log",
        f"{path.name}.read.log",
    }
    assert remote.read_log(f"archive/{path.name}")["result"] == "partial"
    assert list((remote.home.path / "tmp/fetched").iterdir()) == []
    assert remote.new() == () and remote.land() == []
    assert len(remote.home.rows()) == 1


@pytest.mark.parametrize("remote", ["sftp"], indirect=True)
def test_refused_files_stay_and_are_fetched_again_only_when_something_changed(
    remote: Remote,
) -> None:
    """Bodies of 400 kB show by the bytes on the wire whether a file was fetched."""
    lines = [remote.home.row(n, note=os.urandom(20).hex()) for n in range(4000)]
    path = remote.send(lines, rows=1)
    assert [one.code for one in remote.land()] == ["lying_log"]
    assert remote.read_log(path.name)["code"] == "lying_log"
    before = remote.wire.passed
    assert remote.new() == () and remote.land() == []
    assert remote.wire.passed - before < 100_000
    remote.send(lines)
    os.utime(path, (1, 1))
    assert remote.new() == (path.name,)
    assert [one.status for one in remote.land()] == ["loaded"]


def test_events_about_files_on_a_server_are_told_once(remote: Remote) -> None:
    remote.send([remote.home.row(1)], sequence=1)
    Path(f"{remote.send([remote.home.row(2)], sequence=2)}.send.log").unlink()
    remote.send([remote.home.row(3)], sequence=3).unlink()
    remote.send([remote.home.row(4)], sequence=5)
    assert sorted(str(one.code) for one in remote.land()) == [
        "None",
        "None",
        "missing_file",
        "missing_log",
        "sequence_gap",
        "sequence_gap",
    ]
    assert remote.new() == () and remote.land() == []


def test_a_lost_connection_in_the_middle_of_a_landing_is_made_again(remote: Remote) -> None:
    for number in range(1, 6):
        remote.send([remote.home.row(number)], sequence=number)
    remote.home.at = lambda step: remote.wire.cut() if step == "loaded" else None
    assert [one.status for one in remote.land()] == ["loaded"] * 5
    assert remote.wire.connections >= 5
    assert sorted(one.name for one in remote.folder.iterdir()) == ["archive"]


def test_a_server_that_dies_in_the_middle_leaves_nothing_half_done(remote: Remote) -> None:
    for number in range(1, 6):
        remote.send([remote.home.row(number)], sequence=number)
    loaded = 0

    def die(step: str) -> None:
        nonlocal loaded
        loaded += step == "loaded"
        if loaded == 2:
            remote.wire.close()

    remote.home.at = die
    with pytest.raises(SourceUnreachable) as caught:
        remote.land()
    assert caught.value.retryable
    assert [batch.status for batch in remote.home.ledger.batches()] == ["loaded"] * 2
    assert list((remote.home.path / "tmp/fetched").iterdir()) == []
    assert list(remote.folder.glob("*.read.log")) == []


def test_who_cannot_sign_in_changes_nothing_and_no_secret_is_told(remote: Remote) -> None:
    remote.send([remote.home.row(1)])
    name = next(iter(remote.secrets))
    for secrets in ({}, {name: "k9-geheim"}):
        remote.secrets = secrets
        for look in (remote.land, remote.new):
            with pytest.raises(CredentialsRefused) as caught:
                look()
            if name.endswith("PASSWORD"):
                assert "k9-geheim" not in str(caught.value)
            assert "HUIYIN_SHOP_PASSWORD" in str(caught.value)
    assert remote.home.ledger.batches() == []


@pytest.mark.parametrize("remote", ["sftp"], indirect=True)
def test_an_unknown_server_is_sent_nothing(remote: Remote) -> None:
    (remote.home.path / "known_hosts").unlink()
    with pytest.raises(HostKeyRefused):
        remote.land()


def test_a_lost_parquet_file_comes_back_from_the_archive_on_the_server(remote: Remote) -> None:
    remote.send([remote.home.row(1)])
    remote.land()
    (batch,) = remote.home.ledger.batches()
    rows = remote.home.rows("* exclude (_batch_id)")
    (remote.home.path / str(batch.path)).unlink()
    again = reland(
        remote.home.contract,
        batch.batch_id,
        home=remote.home.path,
        ledger=remote.home.ledger,
        pii=remote.home.pii,
        now=NOW,
        zone="Asia/Shanghai",
        secret=remote.secrets.get,
    )
    assert again.supersedes == batch.batch_id
    assert remote.home.rows("* exclude (_batch_id)") == rows


@pytest.mark.parametrize("remote", ["sftp"], indirect=True)
def test_a_file_that_still_grows_is_left_for_later_and_stops_no_other(remote: Remote) -> None:
    lines = [remote.home.row(n, note=os.urandom(20).hex()) for n in range(10_000)]
    growing = remote.send(lines, sequence=1, day="2026-03-29")
    whole = growing.read_bytes()
    remote.send([remote.home.row(1)], sequence=2)
    ended = threading.Event()

    def grow() -> None:
        while not ended.wait(0.002):
            with growing.open("ab") as file:
                file.write(b"x")

    writer = threading.Thread(target=grow)
    writer.start()
    remote.wire.pause = 0.002
    try:
        landed = remote.land()
    finally:
        ended.set()
        writer.join()
    assert [one.business_date.isoformat() for one in landed if one.business_date] == ["2026-03-30"]
    remote.wire.pause = 0.0
    growing.write_bytes(whole)
    assert [one.status for one in remote.land()] == ["loaded"]
