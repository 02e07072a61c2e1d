"""Clients that do not finish their request, against a real server."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from pipelines.processes.connection import PatientProtocol
from pipelines.processes.ports import listener

WHOLE = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
HEAD = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\n"


class Impatient(PatientProtocol):
    seconds = 0.3


async def _application(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the body once it is whole."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message.get("body", b"")
        more = message.get("more_body", False)
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    bound = listener("127.0.0.1", 0)
    server = uvicorn.Server(
        uvicorn.Config(_application, http=Impatient, lifespan="off", log_config=None)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    yield bound.getsockname()
    server.should_exit = True
    thread.join()


def _answer(address: tuple[str, int], sent: bytes) -> bytes:
    """Everything the server says until it closes the connection."""
    with socket.create_connection(address, timeout=60) as client:
        client.sendall(sent)
        said = b""
        try:
            while part := client.recv(4096):
                said += part
        except ConnectionResetError:
            pass
    return said


@pytest.mark.parametrize("sent", [b"", b"GET / HT", HEAD, HEAD + b"half"])
def test_a_request_that_is_never_finished_loses_its_connection(
    address: tuple[str, int], sent: bytes
) -> None:
    assert _answer(address, sent) == b""


def test_a_kept_connection_is_closed_when_its_next_request_is_never_finished(
    address: tuple[str, int],
) -> None:
    assert _answer(address, WHOLE + b"GET / HT").startswith(b"HTTP/1.1 200")
    with socket.create_connection(address, timeout=60) as client:
        client.sendall(WHOLE)
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
        client.sendall(b"GET / HT")
        with pytest.raises(ConnectionResetError):
            assert client.recv(4096) == b""
            raise ConnectionResetError


def test_a_request_that_comes_in_pieces_is_answered(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=60) as client:
        for piece in (HEAD[:10], HEAD[10:], b"one", b"two", b"end"):
            client.sendall(piece)
            time.sleep(0.01)
        said = client.recv(4096)
        while not said.endswith(b"onetwoend"):
            said += client.recv(4096)
    assert said.startswith(b"HTTP/1.1 200")
