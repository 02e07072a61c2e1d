from __future__ import annotations

import configparser
import json
import shlex
from pathlib import Path

import pytest

from pipelines.errors import HomeError
from pipelines.home import Home
from pipelines.installation import Installation
from pipelines.processes.configuration import supervisor_text, workspace_text
from pipelines.processes.place import Place, place_of
from pipelines.processes.plan import LABELS, Program, host_of, programs_of
from pipelines.settings import read_settings

PORTS = {"dagster": 3000, "intake": 8010, "portal": 8020, "service": 8030}


def parsed(place: Place, programs: list[Program]) -> configparser.RawConfigParser:
    """The text as supervisord reads it."""
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"), strict=False)
    parser.read_string(supervisor_text(place, programs))
    return parser


def test_every_program_is_restarted_and_stopped_with_its_children() -> None:
    place = place_of(Home(Path("/srv/home")))
    read = parsed(place, list(programs_of("127.0.0.1", place, PORTS)))
    sections = [name for name in read.sections() if name.startswith("program:")]
    assert len(sections) == 7
    for name in sections:
        section = read[name]
        assert section["autorestart"] == section["stopasgroup"] == section["killasgroup"] == "true"
        assert section["stdout_logfile"] == f"/srv/home/logs/{name.removeprefix('program:')}.log"
        assert section["stdout_logfile_maxbytes"] == "10MB"
        assert section["umask"] == "077"


def test_the_control_socket_belongs_to_its_user_alone() -> None:
    read = parsed(place_of(Home(Path("/srv/home"))), [])
    assert read["unix_http_server"] == {"file": "/srv/home/run/control.sock", "chmod": "0600"}
    assert "inet_http_server" not in read


def test_a_command_reaches_the_program_as_it_was_meant() -> None:
    command = ("/py thon", "--path", "/a'b/100%", 'say "hello"', "$HOME;")
    place = place_of(Home(Path("/srv/ho me")))
    text = parsed(place, [Program("intake", command)])["program:intake"]["command"]
    # supervisord replaces %% by % and splits as a shell does.
    words = shlex.split(text.replace("%%", "%"))
    assert words[:2] == ["/bin/sh", "-c"]
    assert words[3] == "/srv/ho me/run/pids/intake"
    assert tuple(words[4:]) == command


@pytest.mark.parametrize("name", ["a #b", "a ;b", "a\nb"])
def test_a_path_that_the_format_cannot_hold_is_refused(name: str) -> None:
    with pytest.raises(HomeError, match="another path"):
        supervisor_text(place_of(Home(Path("/srv") / name)), [])


def test_the_workspace_names_the_socket_of_the_code_server() -> None:
    place = place_of(Home(Path("/srv/home")))
    (location,) = json.loads(workspace_text(place))["load_from"]
    assert location["grpc_server"]["socket"] == "/srv/home/run/code.sock"


def test_superset_runs_only_where_it_has_a_port() -> None:
    place = place_of(Home(Path("/srv/home")))
    without = {one.name for one in programs_of("127.0.0.1", place, PORTS)}
    with_it = {one.name for one in programs_of("127.0.0.1", place, {**PORTS, "superset": 8088})}
    assert with_it - without == {"superset"}
    assert with_it == set(LABELS)


def test_dagster_listens_on_this_machine_whatever_the_host_of_the_others(tmp_path: Path) -> None:
    def hosts(**settings: str) -> dict[str, str]:
        given = read_settings(settings, dotenv=None, home=tmp_path)
        return {name: host_of(Installation(given), name) for name in PORTS}

    open_doors = hosts(HUIYIN_HOST="0.0.0.0")
    everywhere = dict.fromkeys(("intake", "portal", "service"), "0.0.0.0")
    assert open_doors == {"dagster": "127.0.0.1", **everywhere}
    assert hosts(HUIYIN_DAGSTER_HOST="192.0.2.1")["dagster"] == "192.0.2.1"
    place = place_of(Home(tmp_path))
    programs = programs_of(open_doors["dagster"], place, PORTS)
    (command,) = [one.command for one in programs if one.name == "dagster"]
    assert command[command.index("-h") + 1] == "127.0.0.1"


def test_sockets_of_a_deep_home_lie_in_a_short_folder_of_its_own() -> None:
    deep = Path("/srv") / ("deep" * 30)
    one, other = place_of(Home(deep / "one")), place_of(Home(deep / "other"))
    assert one.control != other.control
    for place in (one, other):
        assert len(str(place.control)) < 90
        assert place.configuration == place.home.path / "run" / "supervisord.conf"
    assert place_of(Home(Path("/srv/home"))).control == Path("/srv/home/run/control.sock")


def test_a_folder_for_sockets_that_others_can_write_is_refused(tmp_path: Path) -> None:
    open_to_all = tmp_path / "sockets"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    with pytest.raises(HomeError, match="not a folder of this user alone"):
        Place(Home(tmp_path / "home"), open_to_all).create()


def test_a_home_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    with pytest.raises(HomeError, match="HUIYIN_HOME"):
        place_of(Home(tmp_path / "home")).create()
