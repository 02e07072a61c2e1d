"""Places behave alike, whatever they are made of."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from connectors.errors import InterfaceMismatch, SourceUnreachable
from connectors.places.object_store import ObjectPlace
from connectors.places.place import no_secret, open_place, shown_location
from connectors.places.remote import Remote
from tests.connectors.partner_places import Partner, of_sshd
from tests.peers.ftp import running_ftp
from tests.peers.sshd import running_sshd


@pytest.fixture(params=["local", "sftp", "ftp"])
def partner(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Partner]:
    home = tmp_path / "home"
    home.mkdir()
    with ExitStack() as servers:
        if request.param == "local":
            (home / "exchange").mkdir()
            yield Partner(home / "exchange", "exchange", {}, home)
        elif request.param == "sftp":
            yield of_sshd(servers.enter_context(running_sshd(tmp_path)), home)
        else:
            ftp = servers.enter_context(running_ftp(tmp_path))
            yield Partner(ftp.folder, ftp.location, {"HUIYIN_PARTNER_PASSWORD": ftp.password}, home)


def test_what_is_written_is_listed_read_and_fetched(partner: Partner) -> None:
    body = os.urandom(700_000)
    with partner.open() as place:
        assert place.names() == []
        place.write("账单 1.txt", body)
        place.write("账单 1.txt.read.log", b"{}")
        assert place.names() == ["账单 1.txt", "账单 1.txt.read.log"]
        assert (partner.folder / "账单 1.txt").read_bytes() == body
        assert place.read("账单 1.txt", 10) == body[:10]
        assert place.read("账单 1.txt", 10**6) == body
        copy = place.fetch("账单 1.txt")
        assert copy.read_bytes() == body
        assert place.stamp("账单 1.txt").size == len(body)
        assert place.stamps()["账单 1.txt"] == place.stamp("账单 1.txt")
        place.release("账单 1.txt")
        assert copy.exists() is not place.is_remote
    assert [path.name for path in partner.folder.iterdir() if path.name.startswith(".")] == []


def test_writing_again_replaces_and_a_local_file_is_put(partner: Partner, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"second" * 100_000)
    with partner.open() as place:
        place.write("a", b"first")
        place.put(source, "a")
        assert place.read("a", 10**7) == source.read_bytes()
        place.write("empty", b"")
        assert place.fetch("empty").read_bytes() == b""


def test_a_move_makes_its_folder_and_never_overwrites(partner: Partner) -> None:
    with partner.open() as place:
        place.write("a", b"1")
        place.move("a", "archive/a")
        assert place.exists("archive/a") and not place.exists("a")
        place.write("a", b"2")
        with pytest.raises(FileExistsError):
            place.move("a", "archive/a")
        assert place.read("archive/a", 9) == b"1" and place.read("a", 9) == b"2"
        assert place.names() == ["a"]


def test_a_file_is_deleted_once_and_the_others_stay(partner: Partner) -> None:
    with partner.open() as place:
        place.write("a", b"1")
        place.write("b", b"2")
        place.move("a", "archive/a")
        for _ in range(2):
            place.remove("archive/a")
        place.flush()
        assert not place.exists("archive/a") and place.names() == ["b"]
        with pytest.raises(ValueError, match="no name inside a folder"):
            place.remove("../b")


def test_a_name_that_is_not_there_is_told_as_such(partner: Partner) -> None:
    with partner.open() as place:
        assert place.names() == [] and not place.exists("a")
        for look in (place.stamp, place.fetch, lambda name: place.read(name, 1)):
            with pytest.raises(FileNotFoundError):
                look("a")


def test_only_plain_visible_files_are_there(partner: Partner, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("secret")
    with partner.open() as place:
        place.write("plain", b"1")
        (partner.folder / ".hidden").touch()
        (partner.folder / "folder").mkdir()
        if "ftp://" not in partner.location or partner.location.startswith("sftp"):
            # An FTP server follows links by itself and says nothing of it.
            (partner.folder / "link").symlink_to(outside)
            os.mkfifo(partner.folder / "pipe")
            for name in ("link", "pipe", "folder"):
                with pytest.raises(FileNotFoundError):
                    place.fetch(name)
                with pytest.raises(FileNotFoundError):
                    place.read(name, 10)
        assert place.names() == ["plain"]


def test_names_with_odd_bytes_are_names(partner: Partner) -> None:
    odd = os.fsdecode(b"gbk-\xd5\xcb\xb5\xa5.txt")
    with partner.open() as place:
        assert place.names() == []
        (partner.folder / odd).write_bytes(b"x")
        if partner.location.startswith("ftp"):
            # pyftpdlib tells such a name by replacement characters, under which it finds nothing.
            assert len(place.names()) == 1
            return
        (partner.folder / "line\nend").write_bytes(b"y")
        assert place.names() == [odd, "line\nend"] or place.names() == ["line\nend", odd]
        assert place.fetch(odd).read_bytes() == b"x"
        assert place.fetch("line\nend").read_bytes() == b"y"
        place.move(odd, "archive/" + odd)
        assert place.exists("archive/" + odd)


def test_a_name_as_long_as_names_can_be_is_written_and_fetched(partner: Partner) -> None:
    name = "n" * 255
    with partner.open() as place:
        place.write(name, b"1")
        assert place.fetch(name).read_bytes() == b"1"


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "archive/../../x", "", ".", "a//b"])
def test_no_name_leads_out_of_the_place(partner: Partner, name: str) -> None:
    with partner.open() as place:
        for use in (place.fetch, place.stamp, lambda one: place.write(one, b"")):
            with pytest.raises(ValueError, match="no name inside a folder"):
                use(name)


def test_a_folder_that_is_gone_is_a_source_that_cannot_be_reached(partner: Partner) -> None:
    with partner.open() as place:
        place.names()
        if partner.location == "exchange":
            partner.location = str(partner.folder)
        shutil.rmtree(partner.folder)
    with partner.open() as place, pytest.raises(SourceUnreachable) as caught:
        place.names()
    assert caught.value.retryable


@pytest.mark.parametrize(
    ("location", "fault"),
    [
        ("sftp://me:geheim@host/x", "carries a password"),
        ("sftp://host/x", "names no user"),
        ("http://host/x", "'http' is none of"),
        ("sftp://me@host:99999/x", "its port is no number"),
        ("ftp:///x", "names no host"),
        ("sftp://[::1/x", "no URL"),
        ("  ", "empty"),
    ],
)
def test_a_location_that_cannot_be_one_is_explained_without_its_password(
    tmp_path: Path, location: str, fault: str
) -> None:
    with pytest.raises(InterfaceMismatch, match=fault) as caught:
        open_place(location, tmp_path)
    assert "geheim" not in str(caught.value)
    assert "geheim" not in shown_location(location)


def test_an_object_store_is_a_place_too(tmp_path: Path) -> None:
    """By the memory store of the same library: no store of objects runs beside the tests."""
    remote = Remote(
        shown="memory://bucket/in",
        url=urlsplit("memory://bucket/in"),
        home=tmp_path,
        secret=no_secret,
        owner="partner",
        sleep=lambda seconds: None,
        wait_seconds=5,
    )
    with ObjectPlace(remote) as place:
        place.write("a", b"12345")
        assert place.names() == ["a"] and place.fetch("a").read_bytes() == b"12345"
        place.move("a", "archive/a")
        place.write("a", b"6")
        with pytest.raises(FileExistsError):
            place.move("a", "archive/a")
        assert place.names() == ["a"] and place.read("archive/a", 3) == b"123"
        for _ in range(2):
            place.remove("archive/a")
        assert not place.exists("archive/a") and place.names() == ["a"]
