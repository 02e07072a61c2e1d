"""A real server of the intake in a process of its own, for the tests."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from pipelines.settings import PROJECT_ROOT
from tests.journeys.product import clean_environment
from tests.peers.ports import free_port

CLOCK = "fixed:2026-03-31T09:00:00+08:00"


@dataclass(frozen=True)
class Answer:
    """One answer of the server."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.text)


class Server:
    """The intake of a home; used as a context, it is up inside and gone after."""

    module = "tests.connectors.intake.serving"

    def __init__(self, home: Path, *, port: int | None = None, **environment: str) -> None:
        self.home = home
        self.port = port or free_port()
        self._environment = {"HUIYIN_CLOCK": CLOCK, **environment}

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end(signal.SIGTERM)

    def start(self) -> None:
        """Start the process and wait until it answers."""
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                self.module,
                str(self.home),
                str(self.port),
            ],
            cwd=PROJECT_ROOT,
            env=clean_environment(self.home, **self._environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.wait()

    def wait(self) -> None:
        """Wait until the started process answers."""
        while self.process.poll() is None:
            try:
                self.request("GET", "/health")
                return
            except OSError:
                time.sleep(0.05)
        output = self.process.stdout.read() if self.process.stdout else ""
        raise AssertionError(f"the server did not start: {output[-3000:]}")

    def end(self, how: signal.Signals) -> str:
        """End the process and return what it had said."""
        self.process.send_signal(how)
        output, _ = self.process.communicate()
        return output or ""

    def request(
        self,
        method: str,
        path: str,
        *,
        data: Any = None,
        fields: Mapping[str, str] | None = None,
        body: bytes | None = None,
        **headers: str,
    ) -> Answer:
        """Send one request; `data` goes as JSON, `fields` as a form."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if data is not None:
            body, sent["Content-Type"] = json.dumps(data).encode(), "application/json"
        if fields is not None:
            body = urlencode(fields).encode()
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body=body, headers=sent)
            response = connection.getresponse()
            text = response.read().decode()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, names, text)
        finally:
            connection.close()

    def submit(self, *, text: str = "宽带断了", kind: str = "complaint", **more: Any) -> Any:
        """Submit a matter and return the receipt."""
        headers = more.pop("headers", {})
        answer = self.request(
            "POST", "/v1/feedback", data={"kind": kind, "text": text, **more}, **headers
        )
        assert answer.status == 202, answer.text
        return answer.json

    def peak_kb(self) -> int:
        """Peak resident memory of the process in KB."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
