"""What connections, keys and disks do to a place: told, bounded, and nothing half done."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from connectors.errors import (
    CredentialsRefused,
    HostKeyRefused,
    LandingFailed,
    SourceUnreachable,
)
from connectors.places.place import open_place
from tests.connectors.partner_places import Partner, of_sshd
from tests.peers.ftp import running_ftp
from tests.peers.sshd import Sshd, running_sshd
from tests.peers.wire import Wire, wire_to

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    with running_sshd(tmp_path) as server:
        yield server


@dataclass
class Line:
    partner: Partner
    wire: Wire
    cuts: range


@pytest.fixture(params=["sftp", "ftp"])
def line(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Line]:
    """A partner behind a wire that can be cut; FTP passes its data beside the wire."""
    home = tmp_path / "home"
    home.mkdir()
    with ExitStack() as stack:
        if request.param == "sftp":
            server = stack.enter_context(running_sshd(tmp_path))
            wire = stack.enter_context(wire_to(server.port))
            yield Line(of_sshd(server, home, wire.port), wire, range(1, 2200, 110))
            return
        ftp = stack.enter_context(running_ftp(tmp_path))
        wire = stack.enter_context(wire_to(ftp.port))
        location = ftp.location.replace(f":{ftp.port}/", f":{wire.port}/")
        secrets = {"HUIYIN_PARTNER_PASSWORD": ftp.password}
        yield Line(Partner(ftp.folder, location, secrets, home), wire, range(1, 330, 15))


def test_an_operation_goes_on_over_a_new_connection(line: Line) -> None:
    body = os.urandom(300_000)
    with line.partner.open() as place:
        place.write("a", body)
        line.wire.cut()
        assert place.names() == ["a"]
        line.wire.cut()
        assert place.fetch("a").read_bytes() == body
        line.wire.cut()
        place.move("a", "archive/a")
        line.wire.cut()
        place.write("b", b"b")
        assert place.names() == ["b"]
    assert line.wire.connections == 5


def test_a_connection_cut_at_any_byte_leaves_every_operation_done_once_or_not(line: Line) -> None:
    """Each step is cut after every so many bytes of the server's answers."""
    body = os.urandom(150_000)
    with line.partner.open() as place:
        place.write("a", body)
        for after in line.cuts:
            for operation in ("list", "fetch", "write", "move", "back"):
                line.wire.cut_after(after)
                if operation == "list":
                    assert "a" in place.names()
                elif operation == "fetch":
                    assert place.fetch("a").read_bytes() == body
                elif operation == "write":
                    place.write("log", bytes(f"{after}", "ascii"))
                    assert (line.partner.folder / "log").read_bytes() == b"%d" % after
                elif operation == "move":
                    place.move("a", "archive/a")
                    assert (line.partner.folder / "archive/a").read_bytes() == body
                    assert not (line.partner.folder / "a").exists()
                else:
                    place.move("archive/a", "a")
                line.wire.cut_after(None)
                place._reconnections = 0  # type: ignore[attr-defined]
    assert line.wire.connections > 20
    left = {path.name for path in line.partner.folder.iterdir()}
    assert left == {"a", "log", "archive"}


def test_a_server_that_is_gone_is_tried_a_few_times_with_pauses(line: Line) -> None:
    pauses: list[float] = []
    partner = line.partner
    place = open_place(
        partner.location,
        partner.home,
        secret=partner.secrets.get,
        owner="partner",
        sleep=pauses.append,
        wait_seconds=5,
    )
    with place:
        assert place.names() == []
        line.wire.close()
        with pytest.raises(SourceUnreachable) as caught:
            place.names()
    assert pauses == [0.5, 2.0] and caught.value.retryable
    assert "tried 3 times" in str(caught.value)


def test_a_server_that_falls_silent_is_not_waited_for_without_end(line: Line) -> None:
    partner = line.partner
    place = open_place(
        partner.location,
        partner.home,
        secret=partner.secrets.get,
        owner="partner",
        sleep=lambda seconds: None,
        wait_seconds=0.5,
    )
    with place:
        place.write("a", b"1")
        line.wire.stall()
        for look in (place.names, lambda: place.fetch("a"), lambda: place.write("b", b"2")):
            with pytest.raises(SourceUnreachable, match="in time"):
                look()
    assert not (partner.folder / "b").exists()


def test_a_port_that_answers_and_says_nothing_is_a_source_that_cannot_be_reached(
    tmp_path: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        for kind in ("sftp", "ftp"):
            secrets = {"HUIYIN_PARTNER_PASSWORD": "k9-geheim"}
            place = open_place(
                f"{kind}://me@127.0.0.1:{port}/x",
                tmp_path,
                secret=secrets.get,
                owner="partner",
                sleep=lambda seconds: None,
                wait_seconds=0.3,
            )
            with place, pytest.raises(SourceUnreachable) as caught:
                place.names()
            assert "k9-geheim" not in str(caught.value)


def test_a_slow_server_is_waited_for_while_it_sends(line: Line) -> None:
    body = os.urandom(60_000)
    with line.partner.open() as place:
        place.write("a", body)
        line.wire.pause = 0.02
        assert place.fetch("a").read_bytes() == body


# Who is who


def test_an_unknown_host_is_refused_with_its_fingerprint_and_the_way_to_add_it(
    sshd: Sshd, tmp_path: Path
) -> None:
    partner = of_sshd(sshd, tmp_path / "home")
    known = partner.home / "known_hosts"
    known.unlink()
    with partner.open() as place, pytest.raises(HostKeyRefused, match="is not known") as caught:
        place.names()
    public = sshd.key_file.with_name("host_key.pub")
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-f", str(public)], check=True, capture_output=True, text=True
    ).stdout.split()[1]
    assert shown in str(caught.value)
    assert f"ssh-keyscan -p {sshd.port} 127.0.0.1 >> {known}" in str(caught.value)
    assert not caught.value.retryable
    command = ["ssh-keyscan", "-p", str(sshd.port), "127.0.0.1"]
    scanned = subprocess.run(command, check=True, capture_output=True)
    known.write_bytes(scanned.stdout)
    with partner.open() as place:
        assert place.names() == []


def test_another_host_key_than_the_known_one_is_refused(sshd: Sshd, tmp_path: Path) -> None:
    partner = of_sshd(sshd, tmp_path / "home")
    other = (sshd.key_file.with_name("user_key.pub")).read_text().split()[1]
    line = sshd.host_key_line.split()
    (partner.home / "known_hosts").write_text(f"{line[0]} {line[1]} {other}\n")
    with partner.open() as place, pytest.raises(HostKeyRefused, match="is not the known one"):
        place.names()


def test_a_wrong_key_is_refused_and_named(sshd: Sshd, tmp_path: Path) -> None:
    partner = of_sshd(sshd, tmp_path / "home")
    partner.secrets["HUIYIN_PARTNER_KEY_FILE"] = str(sshd.key_file.with_name("host_key"))
    with partner.open() as place, pytest.raises(CredentialsRefused, match="does not accept"):
        place.names()


def test_a_missing_or_broken_key_is_told_with_the_names_of_the_secrets(
    sshd: Sshd, tmp_path: Path
) -> None:
    partner = of_sshd(sshd, tmp_path / "home")
    broken = tmp_path / "broken"
    broken.write_text("no key\n")
    locked = tmp_path / "locked"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "k9-geheim", "-f", str(locked)]
    subprocess.run(command, check=True)
    for chosen in ({}, {"KEY_FILE": "gone"}, {"KEY_FILE": str(broken)}, {"KEY_FILE": str(locked)}):
        partner.secrets = {f"HUIYIN_PARTNER_{kind}": value for kind, value in chosen.items()}
        with partner.open() as place, pytest.raises(CredentialsRefused) as caught:
            place.names()
        assert "HUIYIN_PARTNER_PASSWORD, HUIYIN_PARTNER_KEY_FILE" in str(caught.value)
        assert not caught.value.retryable


def test_a_key_with_a_passphrase_signs_in(sshd: Sshd, tmp_path: Path) -> None:
    partner = of_sshd(sshd, tmp_path / "home")
    locked = tmp_path / "locked"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "k9-geheim", "-f", str(locked)]
    subprocess.run(command, check=True)
    keys = sshd.key_file.with_name("authorized_keys")
    keys.write_text(locked.with_suffix(".pub").read_text())
    partner.secrets = {
        "HUIYIN_PARTNER_KEY_FILE": str(locked),
        "HUIYIN_PARTNER_KEY_PASSPHRASE": "k9-geheim",
    }
    with partner.open() as place:
        assert place.names() == []


def test_a_wrong_ftp_password_is_refused_and_never_told(tmp_path: Path) -> None:
    with running_ftp(tmp_path) as ftp:
        for secrets in ({}, {"HUIYIN_PARTNER_PASSWORD": "k9-geheim"}):
            partner = Partner(ftp.folder, ftp.location, secrets, tmp_path)
            with partner.open() as place, pytest.raises(CredentialsRefused) as caught:
                place.names()
            assert "k9-geheim" not in repr(caught.value.__context__) + str(caught.value)


def test_a_list_of_host_keys_that_cannot_be_read_is_told(sshd: Sshd, tmp_path: Path) -> None:
    partner = of_sshd(sshd, tmp_path / "home")
    known = partner.home / "known_hosts"
    for content in (b"[127.0.0.1]:22 ssh-ed25519 ?\n", b"\xff\xfe\n"):
        known.write_bytes(content + sshd.host_key_line.encode())
        try:
            with partner.open() as place:
                place.names()
        except HostKeyRefused as error:
            assert str(known) in str(error)


# Servers that lack something


def test_a_server_without_renaming_over_a_name_is_written_to_as_well(tmp_path: Path) -> None:
    with running_sshd(tmp_path, without="posix-rename") as server:
        partner = of_sshd(server, tmp_path / "home")
        with partner.open() as place:
            place.write("a", b"1")
            place.write("a", b"2")
            assert place.read("a", 9) == b"2" and place.names() == ["a"]


def test_a_server_that_denies_writing_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    with running_sshd(tmp_path, without="write") as server:
        partner = of_sshd(server, tmp_path / "home")
        (partner.folder / "a").write_bytes(b"1")
        with partner.open() as place:
            assert place.read("a", 9) == b"1"
            with pytest.raises(SourceUnreachable, match="may not write"):
                place.write("b", b"2")
            assert [path.name for path in partner.folder.iterdir()] == ["a"]


# Disks


def test_a_full_disk_on_our_side_is_told_and_not_tried_again(sshd: Sshd, tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk that is full."""
    script = """
import resource, signal, sys
from pathlib import Path
from connectors.errors import LandingFailed
from connectors.places.place import open_place
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
place = open_place(sys.argv[1], Path(sys.argv[2]), owner="partner",
                   secret={"HUIYIN_PARTNER_KEY_FILE": sys.argv[3]}.get)
try:
    place.fetch("a")
except LandingFailed as error:
    print(error)
place.close()
"""
    partner = of_sshd(sshd, tmp_path / "home")
    (partner.folder / "a").write_bytes(os.urandom(500_000))
    arguments = [partner.location, str(partner.home), str(sshd.key_file)]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert "File too large" in done.stdout and LandingFailed.retryable
    assert list((partner.home / "tmp/fetched").iterdir()) == []
    assert done.stderr == ""


def test_a_full_disk_of_the_server_is_told_and_leaves_nothing_there(tmp_path: Path) -> None:
    """A limit on the size of its files stands for the disk that is full."""
    with running_sshd(tmp_path, largest_file=100_000) as server:
        partner = of_sshd(server, tmp_path / "home")
        with partner.open() as place:
            place.write("a", b"1" * 50_000)
            for body in (b"2" * 150_000, b"3" * 5_000_000):
                with pytest.raises(SourceUnreachable, match="the server answered 'Failure'"):
                    place.write("a", body)
            assert [path.name for path in partner.folder.iterdir()] == ["a"]
            assert place.read("a", 10**6) == b"1" * 50_000


def test_copies_of_a_killed_process_are_removed_by_the_next(sshd: Sshd, tmp_path: Path) -> None:
    partner = of_sshd(sshd, tmp_path / "home")
    left = partner.home / "tmp/fetched/4194304-abc"
    left.mkdir(parents=True)
    (left / "big").write_bytes(b"1")
    (partner.folder / "a").write_bytes(b"1")
    with partner.open() as place:
        place.fetch("a")
        assert not left.exists()
