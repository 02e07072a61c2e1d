"""The doors of the product: one ASGI application in one process each."""

from __future__ import annotations

import json
import logging
import os
from typing import Any, Literal

from pipelines.errors import ProcessesError
from pipelines.installation import Installation
from pipelines.processes.ports import listener
from pipelines.settings import PROJECT_ROOT

Door = Literal["intake", "portal", "service", "superset"]

_MOST_AT_ONCE = 256
_SECONDS_TO_FINISH = 10
# supervisord's mark, by which a child whose parent was killed is known as ours.
_MARK = "SUPERVISOR_SERVER_URL"


def serve(installation: Installation, door: Door, port: int) -> None:
    """Serve one door until SIGTERM; requests that have begun get ten seconds to finish.

    Raises ProcessesError if the port is taken.
    """
    if door == "superset":
        _become_superset(installation, port)
    import uvicorn

    from pipelines.processes.connection import PatientProtocol

    host = installation.settings.host
    _log(installation.settings.log_format)
    application = _application(installation, door)
    try:
        bound = listener(host, port)
    except OSError as error:
        raise ProcessesError(
            f"Listening on {host}, port {port} for {door} failed: {error.strerror}. Trying again "
            "helps once the port is free; or choose another one with --port."
        ) from error
    configuration = uvicorn.Config(
        application,
        http=PatientProtocol,
        log_config=None,
        ws="none",
        access_log=False,
        server_header=False,
        limit_concurrency=_MOST_AT_ONCE,
        timeout_graceful_shutdown=_SECONDS_TO_FINISH,
    )
    uvicorn.Server(configuration).run(sockets=[bound])


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        told = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "name": record.name,
            "event": record.getMessage(),
        }
        if record.exc_info:
            told["error"] = self.formatException(record.exc_info)
        return json.dumps(told, ensure_ascii=False)


def _log(log_format: Literal["text", "json"]) -> None:
    """One line an event on stderr, with its moment."""
    handler = logging.StreamHandler()
    handler.setFormatter(
        _JsonLines()
        if log_format == "json"
        else logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s")
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def _application(installation: Installation, door: Door) -> Any:
    if door == "intake":
        from pipelines.intake import intake_application

        return intake_application(installation)
    if door == "service":
        from pipelines.service import service_application

        return service_application(installation)
    from pipelines.portal import portal_application

    return portal_application(installation)


def _become_superset(installation: Installation, port: int) -> None:
    """Replace this process by Superset's, so that its keys stand in no file and in no other."""
    from pipelines.superset import superset_process

    command, environment = superset_process(installation, port)
    if _MARK in os.environ:
        environment = {**environment, _MARK: os.environ[_MARK]}
    os.chdir(PROJECT_ROOT)
    os.execvpe(command[0], command, environment)
