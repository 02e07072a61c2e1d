"""Packets: their form, the closed table of codes, and what no packet can do to the server."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from connectors.service.operation import OPERATIONS
from connectors.service.packet import parse_packet
from connectors.service.refusal import PacketRefused, load_codes
from tests.connectors.intake.server import Answer
from tests.connectors.service.conftest import Served
from tests.connectors.service.server import SENT_AT, SOURCE, Client, record
from tests.soak import fuzz

NOW = datetime(2026, 3, 31, 1, tzinfo=UTC)
FORM = {"id", "code", "message", "data", "snapshot"}


def told(answer: Answer) -> Mapping[str, Any]:
    """An answer, which is in the packet's form whatever was sent."""
    body: Mapping[str, Any] = answer.json
    assert set(body) == FORM, answer.text
    code = load_codes()[body["code"]]
    assert answer.status == code.status and body["message"] == dict(code.message)
    assert "Traceback" not in answer.text
    return body


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"", ""),
        (b"[]", ""),
        (b"{", ""),
        (b"\xff\xfe{}", ""),
        (b'{"id": "1", "id": "2"}', "stands twice"),
        (b'{"id": "1", "operation": "list_operations", "params": {"a": NaN}}', "NaN"),
        (b'{"id": "1", "operation": "list_operations", "params": {"a": -Infinity}}', "NaN"),
        (b"[" * 100_000, "nested"),
        (b'{"id": "1", "operation": "x", "params": ' + b'{"a":' * 50 + b"1" + b"}" * 51, "nested"),
        (b'{"id": "1", "operation": "x", "params": {"a": "\\ud800"}}', "surrogate"),
        (b'{"id": "1", "operation": "x", "params": {"a": "\\u0000"}}', "surrogate"),
        (b'{"operation": "x"}', "required"),
        (b'{"id": "a b", "operation": "x"}', "visible ASCII"),
        (b'{"id": "1", "operation": "x", "params": []}', "must be a JSON object"),
        (b'{"id": "1", "operation": "x", "sent_at": "yesterday"}', "instant"),
        (b'{"id": "1", "operation": "x", "sent_at": "2026-03-31T09:00:00"}', "instant"),
        (b'{"id": "1", "operation": "x", "test": "yes"}', "true or false"),
        (b'{"id": "1", "operation": "x", "more": 1}', "not a known key"),
        (b'{"id": "1", "operation": "x", "params": {"a": ' + b"9" * 5000 + b"}}", ""),
    ],
)
def test_a_packet_of_another_form_is_refused_with_what_is_wrong(
    served: Served, body: bytes, fault: str
) -> None:
    answer = served.whole.raw(body)
    assert told(answer)["code"] == "malformed"
    assert fault in answer.text


def test_all_faults_of_a_packet_are_told_at_once(served: Served) -> None:
    answer = served.whole.packet({"id": 7, "operation": 8, "params": 9, "test": 1, "sent_at": 2})
    faults = {fault["field"] for fault in told(answer)["data"]["faults"]}
    assert faults == {"id", "operation", "params", "test", "sent_at"}


def test_an_unknown_operation_and_a_wrong_key_have_their_codes(served: Served) -> None:
    assert told(served.whole.send("drop_tables"))["code"] == "unknown_operation"
    stranger = Client(served.server, "hyk_nobody")
    assert told(stranger.send("list_operations"))["code"] == "unauthorised"
    assert told(Client(served.server, "").send("list_operations"))["code"] == "unauthorised"
    bare = served.server.request("POST", "/v1/packets", body=b"{}")
    assert told(bare)["code"] == "unauthorised"


def test_a_sender_whose_clock_is_days_ahead_is_told(served: Served) -> None:
    late = {"id": "skew", "operation": "list_operations", "sent_at": "2026-04-02T09:00:00+08:00"}
    assert told(served.whole.packet(late))["code"] == "clock_skew"
    early = {**late, "sent_at": "2025-01-01T00:00:00Z"}
    assert told(served.whole.packet(early))["code"] == "ok"


def test_faults_of_the_framework_have_the_same_form(served: Served) -> None:
    request = served.server.request
    assert told(request("GET", "/v1/packets"))["code"] == "no_method"
    assert told(request("GET", "/v2/packets"))["code"] == "no_route"
    assert told(request("POST", "/health"))["code"] == "no_method"


def test_a_packet_above_ten_megabytes_is_refused_before_it_is_read(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.server.port), timeout=30) as sender:
        head = (
            "POST /v1/packets HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {served.whole.key}\r\n"
            f"Content-Length: {10 * 1024**2 + 1}\r\n\r\n"
        )
        # Nothing of the body is sent: the answer comes all the same.
        sender.sendall(head.encode())
        received = ""
        # Head and body may come in pieces.
        while '"too_large"' not in received and (piece := sender.recv(65536)):
            received += piece.decode()
    assert received.startswith("HTTP/1.1 413") and '"too_large"' in received


def test_a_chunked_body_above_ten_megabytes_is_refused_too(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.server.port), timeout=30) as sender:
        sender.sendall(
            "POST /v1/packets HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
            f"Authorization: Bearer {served.whole.key}\r\n\r\n".encode()
        )
        chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
        try:
            for _ in range(12):
                sender.sendall(chunk)
        except OSError:
            pass
        received = ""
        # Head and body may come in pieces.
        while '"too_large"' not in received and (piece := sender.recv(65536)):
            received += piece.decode()
    assert received.startswith("HTTP/1.1 413")


def test_a_packet_just_below_ten_megabytes_is_taken(served: Served) -> None:
    records = [record(number, content="长" * 200) for number in range(13_000)]
    packet = {
        "id": "big",
        "operation": "deliver_batch",
        "params": {"source": SOURCE, "stream": "cases", "rows": len(records), "records": records},
        "sent_at": SENT_AT,
    }
    body = json.dumps(packet, ensure_ascii=False).encode()
    assert 9_000_000 < len(body) < 10 * 1024**2
    assert told(served.whole.raw(body))["code"] == "accepted"


def test_the_same_id_gives_the_same_answer_byte_for_byte(served: Served) -> None:
    first = served.whole.send("submit_feedback", "once", kind="complaint", text="宽带断了")
    assert told(first)["code"] == "accepted"
    later = {
        "id": "once",
        "operation": "submit_feedback",
        "params": {"text": "宽带断了", "kind": "complaint"},
        "sent_at": "2026-03-31T08:00:00+08:00",
    }
    again = served.whole.packet(later)
    assert (again.status, again.text) == (first.status, first.text)
    other = served.whole.send("submit_feedback", "once", kind="complaint", text="另一件")
    assert told(other)["code"] == "id_reused" and other.status == 409
    crossed = served.whole.send("confirm_delivery", "once", export_id="x", result="ok")
    assert told(crossed)["code"] == "id_reused"
    # Ids belong to a client: another one may use the same.
    assert told(served.city_a.send("submit_feedback", "once", kind="praise", text="好"))


def test_many_at_once_with_one_id_are_done_once(served: Served) -> None:
    def submit(_: int) -> Answer:
        return served.whole.send("submit_feedback", "at-once", kind="complaint", text="同时")

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(submit, range(6)))
    assert {told(answer)["code"] for answer in answers} == {"accepted"}
    assert len({answer.text for answer in answers}) == 1

    def deliver(number: int) -> Answer:
        return served.whole.send(
            "deliver_batch",
            "at-once-2",
            source=SOURCE,
            stream="cases",
            rows=1,
            records=[record(number % 2)],
        )

    with ThreadPoolExecutor(6) as pool:
        codes = [told(answer)["code"] for answer in pool.map(deliver, range(6))]
    assert codes.count("accepted") == 3 and codes.count("id_reused") == 3


def test_a_refused_packet_leaves_its_id_free(served: Served) -> None:
    refused = served.whole.send("submit_feedback", "retry", kind="nothing", text="")
    assert told(refused)["code"] == "invalid"
    assert {one["field"] for one in refused.json["data"]["faults"]} == {"kind", "text"}
    assert (
        told(served.whole.send("submit_feedback", "retry", kind="praise", text="好"))["code"]
        == "accepted"
    )


def test_a_client_beyond_its_rate_waits(served: Served) -> None:
    from connectors.intake.limiter import Limiter

    limiter = Limiter(2, 60)
    assert [limiter.count("c", 0.0) for _ in range(3)] == [False, False, True]
    assert limiter.wait("c", 10.0) == 50


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
KEYS = st.sampled_from(["id", "operation", "params", "sent_at", "test", "x"])
PARAMS = st.sampled_from(sorted({key for one in OPERATIONS.values() for key in one.params}))
PACKETS = st.fixed_dictionaries(
    {"id": st.text("abc-", min_size=1, max_size=8), "operation": st.sampled_from([*OPERATIONS])},
    optional={"params": st.dictionaries(PARAMS, JSON, max_size=6), "test": st.booleans()},
)


@fuzz(150)
@given(
    body=st.binary(max_size=200) | st.dictionaries(KEYS, JSON).map(lambda v: json.dumps(v).encode())
)
def test_the_parser_gives_a_packet_or_a_refusal_and_nothing_else(body: bytes) -> None:
    try:
        packet = parse_packet(body, now=NOW)
    except PacketRefused as refusal:
        assert refusal.code.name in {"malformed", "clock_skew"}
        assert refusal.code.name == "clock_skew" or refusal.faults
    else:
        assert packet.packet_id and packet.operation


@fuzz(
    150,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(packet=PACKETS)
def test_no_packet_makes_the_server_fail(served: Served, packet: Any) -> None:
    answer = served.trial.raw(json.dumps(packet).encode())
    body = told(answer)
    assert answer.status < 500
    assert body["code"] in {"malformed", "clock_skew"} or body["id"] == packet["id"]


def test_the_codes_are_closed_and_every_one_is_used_and_told_twice() -> None:
    from pathlib import Path

    import connectors.service

    folder = Path(connectors.service.__file__).parent
    sources = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    for name, code in load_codes().items():
        assert code.message["zh"] and code.message["en"] and 200 <= code.status < 600
        assert f'"{name}"' in sources, f"{name} is never answered"
