"""The text of supervisord's configuration and of Dagster's workspace: values in, text out.

No secret and no setting is written: programs inherit supervisord's environment.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from pipelines.errors import HomeError
from pipelines.processes.place import Place
from pipelines.processes.plan import Program
from pipelines.settings import PROJECT_ROOT

# Each start writes down which process it is, so that it can be found after supervisord was killed.
_RECORD = 'read -r line </proc/$$/stat; echo "$line" >>"$0"; exec "$@"'


def recording(place: Place, name: str, command: Sequence[str]) -> list[str]:
    """The command, recording its own process under `name` before it begins."""
    return ["/bin/sh", "-c", _RECORD, str(place.records / name), *command]


def supervisor_text(place: Place, programs: Sequence[Program]) -> str:
    """The configuration; raises HomeError if a path cannot be written in this format."""
    general: dict[str, dict[str, str | Path]] = {
        "unix_http_server": {"file": place.control, "chmod": "0600"},
        "rpcinterface:supervisor": {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        },
        "supervisord": {
            "nodaemon": "true",
            "silent": "true",
            "identifier": "huiyin",
            "pidfile": place.pid_file,
            "directory": PROJECT_ROOT,
            "minfds": "256",
            "strip_ansi": "true",
            "logfile": place.log("supervisord"),
            "logfile_maxbytes": "10MB",
            "logfile_backups": "3",
        },
    }
    sections = {**general, **{f"program:{one.name}": _program(place, one) for one in programs}}
    return "\n".join(
        f"[{section}]\n" + "".join(f"{key}={_value(value)}\n" for key, value in values.items())
        for section, values in sections.items()
    )


def _program(place: Place, program: Program) -> dict[str, str | Path]:
    return {
        "command": shlex.join(recording(place, program.name, program.command)),
        "directory": PROJECT_ROOT,
        "umask": "077",
        "autostart": "true",
        "autorestart": "true",
        "startsecs": str(program.seconds_to_start),
        # Each retry waits a second longer than the last: about an hour and a half in all.
        "startretries": "100",
        "stopsignal": "TERM",
        "stopwaitsecs": str(program.seconds_to_stop),
        "stopasgroup": "true",
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": place.log(program.name),
        "stdout_logfile_maxbytes": "10MB",
        "stdout_logfile_backups": "3",
    }


def _value(value: str | Path) -> str:
    text = str(value)
    if "\n" in text or " ;" in text or " #" in text:
        raise HomeError(
            f"Writing the configuration of the processes failed: {text!r} holds a line break, or "
            "a space before ';' or '#', which its format takes for a comment. Trying again does "
            "not help; use a home with another path."
        )
    return text.replace("%", "%%")


def workspace_text(place: Place) -> str:
    """Dagster's workspace: one code location behind a socket."""
    server = {"socket": str(place.code), "location_name": "pipelines.definitions"}
    # JSON is YAML, with every path quoted.
    return json.dumps({"load_from": [{"grpc_server": server}]}, indent=2) + "\n"
