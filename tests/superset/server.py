"""Superset as its users meet it: a served process, and clients that sign in over HTTP."""

from __future__ import annotations

import http.cookiejar
import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, ProxyHandler, Request, build_opener

from pipelines.installation import Installation
from pipelines.settings import PROJECT_ROOT
from pipelines.superset import superset_process
from tests.peers.ports import free_port

_SLOWEST_START = 120


@contextmanager
def serving(installation: Installation, log: Path) -> Iterator[str]:
    """The base address of a Superset that serves until the end of the block."""
    port = free_port()
    command, environment = superset_process(installation, port)
    base = f"http://127.0.0.1:{port}"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=PROJECT_ROOT, env=environment, stdout=output, stderr=output
        )
        try:
            _wait_for(f"{base}/health", process, log)
            yield base
        finally:
            process.terminate()
            process.wait(30)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    opener = build_opener(ProxyHandler({}))
    until = time.monotonic() + _SLOWEST_START
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text(encoding="utf-8")[-3000:]
        try:
            with opener.open(url, timeout=5) as answer:
                if answer.read() == b"OK":
                    return
        except (URLError, OSError):
            time.sleep(0.3)
    raise AssertionError(f"not healthy in time: {log.read_text(encoding='utf-8')[-3000:]}")


@dataclass
class Portal:
    """A stand-in for the portal's sign-in that speaks its contract.

    `accounts` maps a phone to (password, what is answered); `asked` counts the questions and
    `addresses` keeps whose they were. With `real` set every question is handed on to the real
    portal at that address.
    """

    key: str
    real: str | None = None
    accounts: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    asked: int = 0
    addresses: list[str | None] = field(default_factory=list)

    def answer(self, key: str | None, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.asked += 1
        self.addresses.append(body.get("address"))
        if self.real is not None:
            return _handed_on(f"{self.real}/internal/sign-in", key, body)
        if key != self.key:
            return 403, {"code": "wrong_key"}
        password, account = self.accounts.get(str(body.get("phone")), (None, {}))
        if password is None or password != body.get("password"):
            return 401, {"code": "wrong_credentials"}
        if account.get("must_change"):
            return 403, {"code": "password_must_change"}
        return 200, account


def _handed_on(url: str, key: str | None, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    headers = {"Content-Type": "application/json", "X-Huiyin-Key": key or ""}
    try:
        opener = build_opener(ProxyHandler({}))
        with opener.open(Request(url, json.dumps(body).encode(), headers)) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, json.load(error)


@contextmanager
def serving_portal(installation: Installation) -> Iterator[str]:
    """The base address of the real portal, served in a thread."""
    import uvicorn

    from pipelines.portal import portal_application

    port = free_port()
    application = portal_application(installation)
    server = uvicorn.Server(uvicorn.Config(application, port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(30)


@contextmanager
def standing_in(portal: Portal) -> Iterator[str]:
    """The base address of the stand-in."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.path == "/internal/sign-in"
            status, answer = portal.answer(self.headers.get("X-Huiyin-Key"), body)
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


class Client:
    """One browser's session, signed in through the form."""

    def __init__(self, base: str, user: str, password: str) -> None:
        self.base = base
        self._jar = http.cookiejar.CookieJar()
        self._opener = build_opener(HTTPCookieProcessor(self._jar), ProxyHandler({}))
        page = self._opener.open(f"{base}/login/").read().decode()
        token = re.search(r'id="csrf_token"[^>]*value="([^"]+)"', page)
        assert token is not None
        form = {"username": user, "password": password, "csrf_token": token.group(1)}
        request = Request(
            f"{base}/login/", urlencode(form).encode(), headers={"Referer": f"{base}/login/"}
        )
        self.landed: str = self._opener.open(request).geturl()
        self._token: str | None = None

    @property
    def is_signed_in(self) -> bool:
        return not self.landed.startswith(f"{self.base}/login/")

    def cookie(self, name: str) -> str:
        """The value of a cookie."""
        (found,) = [one for one in self._jar if one.name == name]
        return str(found.value)

    def set_cookie(self, name: str, value: str) -> None:
        """Give a cookie that is there another value."""
        (found,) = [one for one in self._jar if one.name == name]
        found.value = value

    def page(self, path: str) -> str:
        """The HTML of a page."""
        with self._opener.open(f"{self.base}{path}", timeout=60) as answer:
            return str(answer.read().decode())

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON of one call of the API; other content as `text`."""
        headers = {"Accept": "application/json", "Referer": f"{self.base}/"}
        data = None
        if method != "GET":
            headers["X-CSRFToken"] = self._csrf_token()
            headers["Content-Type"] = "application/json"
            data = json.dumps(body or {}).encode()
        request = Request(f"{self.base}{path}", data, headers=headers, method=method)
        try:
            with self._opener.open(request, timeout=60) as answer:
                status, content = answer.status, answer.read()
        except HTTPError as error:
            status, content = error.code, error.read()
        try:
            return status, json.loads(content)
        except ValueError:
            return status, {"text": content[:100_000].decode(errors="replace")}

    def _csrf_token(self) -> str:
        """The token a change needs, asked for once in a session."""
        if self._token is None:
            with self._opener.open(f"{self.base}/api/v1/security/csrf_token/") as answer:
                self._token = str(json.load(answer)["result"])
        return self._token

    def data(self, context: dict[str, Any]) -> tuple[int, Any]:
        """Chart data for a query context."""
        return self.call("POST", "/api/v1/chart/data", context)
