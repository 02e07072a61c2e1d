"""The service in a process of its own: `python -m tests.connectors.service.serving HOME PORT`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import uvicorn

from pipelines.installation import Installation
from pipelines.service import service_application


def main(home: str, port: str) -> None:
    """Serve the service of `home` until the process is ended."""
    installation = Installation.open(os.environ, home=Path(home))
    seconds = os.environ.get("HUIYIN_TEST_READING_SECONDS")
    uvicorn.run(
        service_application(
            installation, reading_seconds=None if seconds is None else float(seconds)
        ),
        host="127.0.0.1",
        port=int(port),
        access_log=False,
        server_header=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
