"""The JSON interface of a real server, before the first publish and after."""

from __future__ import annotations

import http.client
import json
import re
import socket
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.connectors.intake.server import Answer, Server
from tests.journeys.product import Product

pytestmark = pytest.mark.xdist_group("province")

PHONE = "13912345678"


def stored(home: Path) -> int:
    with sqlite3.connect(home / "inbox.db") as inbox:
        count: int = inbox.execute("select count(*) from submission").fetchone()[0]
    return count


def test_a_submission_before_the_first_publish_says_why_nothing_is_promised(
    server: Server,
) -> None:
    receipt = server.submit()
    assert re.fullmatch(r"HY260331-[2-9A-HJKMNP-Z]{7}", receipt["case_no"])
    assert receipt["promised_due_at"] is None and receipt["policy"] is None
    assert receipt["reason"]["zh"] and receipt["reason"]["en"] and len(receipt["next_steps"]) == 3
    answer = server.request(
        "GET", receipt["status_url"], X_Case_Secret=receipt["secret"].lower().replace("-", "")
    )
    assert answer.status == 200 and answer.json["status"]["id"] == "received"
    assert answer.json["snapshot"] is None and answer.json["is_pending"]


def test_nothing_personal_lies_in_the_inbox_and_the_secret_nowhere(server: Server) -> None:
    receipt = server.submit(
        text=f"请回电 {PHONE} 或 someone@example.com",
        contact={"name": "欧阳修竹", "phone": PHONE, "email": "someone@example.com"},
    )
    with sqlite3.connect(server.home / "inbox.db") as inbox:
        dump = "\n".join(inbox.iterdump())
    files = b"".join(path.read_bytes() for path in server.home.glob("*.db*"))
    for private in (PHONE, "someone@example.com", "欧阳修竹", receipt["secret"], "127.0.0.1"):
        assert private not in dump
        assert private.encode() not in files
    assert "[phone]" in dump and "[email]" in dump


def test_the_same_key_and_body_give_the_same_answer_and_another_body_is_another_case(
    server: Server,
) -> None:
    headers = {"Idempotency_Key": "0123456789abcdef"}
    first = server.submit(text="一", headers=headers)
    other = server.submit(text="二", headers=headers)
    assert other["case_no"] != first["case_no"] and other["secret"] != first["secret"]
    assert server.submit(text="一", headers=headers) == first
    assert server.submit(text="二", headers=headers) == other


def test_a_key_of_the_public_that_two_people_may_make_up_is_refused_with_its_fault(
    server: Server,
) -> None:
    before = stored(server.home)
    for key in ("x", "key-000000001", "k" * 15):
        short = server.request(
            "POST",
            "/v1/feedback",
            data={"kind": "complaint"},
            Idempotency_Key=key,
        )
        assert short.status == 422 and short.json["code"] == "invalid"
        faults = {fault["field"]: fault["message"] for fault in short.json["faults"]}
        assert (
            set(faults) == {"Idempotency-Key", "text"} and "16" in faults["Idempotency-Key"]["en"]
        )
    receipt = server.submit()
    message = server.request(
        "POST",
        f"{receipt['status_url']}/messages",
        data={"text": "补充"},
        X_Case_Secret=receipt["secret"],
        Idempotency_Key="message-1",
    )
    assert message.status == 422 and message.json["faults"][0]["field"] == "Idempotency-Key"
    long = server.request("POST", "/v1/feedback", data={}, Idempotency_Key="k" * 201)
    assert long.status == 400 and long.json["code"] == "bad_key"
    assert stored(server.home) == before + 1


def test_two_reporters_with_one_key_meet_neither_each_others_events(server: Server) -> None:
    numbers = set()
    for _ in range(2):
        receipt = server.submit()
        for text in ("一", "二", "一"):
            answer = server.request(
                "POST",
                f"{receipt['status_url']}/messages",
                data={"text": text},
                X_Case_Secret=receipt["secret"],
                Idempotency_Key="0123456789abcdef",
            )
            assert answer.status == 202
            numbers.add(answer.json["event_no"])
    assert len(numbers) == 4


def test_a_client_with_one_key_for_two_bodies_gets_a_conflict(tmp_path: Path) -> None:
    product = Product(tmp_path / "home")
    with Server(product.home) as server:
        headers = {
            "Authorization": f"Bearer {product.run('client', 'add', 'desk').strip()}",
            "Idempotency_Key": "desk-001",
        }
        first = server.submit(text="一", headers=headers)
        assert server.submit(text="一", headers=headers) == first
        body = {"kind": "complaint", "text": "二"}
        answer = server.request("POST", "/v1/feedback", data=body, **headers)
        assert answer.status == 409 and answer.json["code"] == "conflict"


def test_the_description_tells_what_a_key_without_a_client_must_be(server: Server) -> None:
    paths = server.request("GET", "/openapi.json").json["paths"]
    for path, shortest in (("", 8), ("/{case_no}/messages", 16), ("/{case_no}/withdraw", 16)):
        operation = paths[f"/v1/feedback{path}"]["post"]
        (header,) = (one for one in operation["parameters"] if one["name"] == "Idempotency-Key")
        assert header["schema"]["minLength"] == shortest
        assert "at least 16 characters" in header["description"]


def test_twenty_at_once_under_one_key_make_one_case(server: Server) -> None:
    before = stored(server.home)
    with ThreadPoolExecutor(20) as pool:
        receipts = list(
            pool.map(
                lambda _: server.submit(
                    text="同时", headers={"Idempotency_Key": "twenty-at-once-1"}
                ),
                range(20),
            )
        )
    assert len({receipt["case_no"] for receipt in receipts}) == 1
    assert stored(server.home) == before + 1


def test_all_faults_come_at_once(server: Server) -> None:
    answer = server.request("POST", "/v1/feedback", data={"kind": 1, "contact": []})
    assert answer.status == 422 and answer.json["code"] == "invalid"
    assert {fault["field"] for fault in answer.json["faults"]} == {"kind", "contact", "text"}


def test_what_is_no_json_object_is_told_so(server: Server) -> None:
    for body in (b"", b"[1]", b"{", b"\xff\xfe", b"[" * 60_000, b'{"a":' + b"9" * 5000 + b"}"):
        answer = server.request("POST", "/v1/feedback", body=body)
        assert answer.status in {400, 422}, body[:20]
    lone = server.request("POST", "/v1/feedback", body=b'{"kind":"praise","text":"\\ud800 ok"}')
    assert lone.status == 202


def test_a_body_of_100_mb_is_refused_without_being_kept(server: Server) -> None:
    before = server.peak_kb()
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(
            b"POST /v1/feedback HTTP/1.1\r\nHost: a\r\nContent-Length: 104857600\r\n\r\n"
        )
        assert connection.recv(1000).startswith(b"HTTP/1.1 413")
    sent = 0
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(
            b"POST /v1/feedback HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        try:
            for _ in range(1600):
                connection.sendall(chunk)
                sent += len(chunk)
        except OSError:
            pass
    assert server.peak_kb() - before < 5_000
    exact = json.dumps({"kind": "praise", "text": "x"}).encode()
    assert server.request("POST", "/v1/feedback", body=exact.ljust(65_536)).status == 202
    assert server.request("POST", "/v1/feedback", body=exact.ljust(65_537)).status == 413


def test_an_unknown_case_and_a_wrong_secret_get_the_same_answer(server: Server) -> None:
    mine, other = server.submit(), server.submit()
    answers = [
        server.request("GET", "/v1/feedback/HY260331-2222222", X_Case_Secret=mine["secret"]),
        server.request("GET", other["status_url"], X_Case_Secret=mine["secret"]),
        server.request("GET", other["status_url"]),
        server.request("GET", "/v1/feedback/%00%ff'--", X_Case_Secret="x"),
        server.request("POST", f"{other['status_url']}/withdraw", data={}, X_Case_Secret="x"),
    ]
    assert {answer.status for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1


def test_ten_thousand_wrong_secrets_open_nothing_and_cost_no_memory(server: Server) -> None:
    receipt = server.submit()
    before = server.peak_kb()
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    statuses = []
    for number in range(10_000):
        connection.request(
            "GET", receipt["status_url"], headers={"X-Case-Secret": f"AAAA-AAAA-AAAA-{number:04d}"}
        )
        response = connection.getresponse()
        response.read()
        statuses.append(response.status)
    connection.close()
    assert statuses.count(404) == 10 and set(statuses[10:]) == {429}
    locked = server.request("GET", receipt["status_url"], X_Case_Secret=receipt["secret"])
    assert locked.status == 429 and 0 < int(locked.headers["retry-after"]) <= 600
    assert server.peak_kb() - before < 5_000
    other = server.submit()
    assert server.request("GET", other["status_url"], X_Case_Secret=other["secret"]).status == 200


def test_wrong_keys_run_out_and_keep_no_right_one_waiting(published: Product) -> None:
    right = published.run("client", "add", "patient").strip()
    with Server(published.home) as server:

        def submit(key: str) -> Answer:
            said = {"kind": "praise", "text": "x"}
            return server.request("POST", "/v1/feedback", data=said, Authorization=f"Bearer {key}")

        answers = [submit(f"hyk_{number}") for number in range(51)]
        assert [answer.status for answer in answers] == [401] * 50 + [429]
        assert answers[-1].json["code"] == "too_many_keys"
        assert int(answers[-1].headers["retry-after"]) > 0
        assert submit(right).status == 202


def test_a_flood_is_marked_and_nothing_of_it_dropped(tmp_path: Path) -> None:
    with Server(tmp_path / "home") as server:
        for _ in range(12):
            server.submit(contact={"phone": PHONE})
    with sqlite3.connect(tmp_path / "home" / "inbox.db") as inbox:
        marks = [row[0] for row in inbox.execute("select is_flood from submission order by seq")]
    assert marks == [0] * 10 + [1] * 2


def test_a_reporter_adds_a_message_and_withdraws_once(server: Server) -> None:
    receipt = server.submit()
    url, secret = receipt["status_url"], receipt["secret"]
    empty = server.request("POST", f"{url}/messages", data={}, X_Case_Secret=secret)
    assert empty.status == 422
    keyed = {"X_Case_Secret": secret, "Idempotency_Key": "reporter-message-1"}
    for _ in range(2):
        added = server.request("POST", f"{url}/messages", data={"text": "补充"}, **keyed)
        assert added.status == 202
    assert server.request("POST", f"{url}/withdraw", data={}, X_Case_Secret=secret).status == 202
    again = server.request("POST", f"{url}/withdraw", data={}, X_Case_Secret=secret)
    assert again.status == 409 and again.json["code"] == "illegal"
    found = server.request("GET", url, X_Case_Secret=secret).json
    assert [step["event_type"] for step in found["milestones"]] == [
        "created",
        "reporter_message",
        "withdrawn",
    ]
    assert found["actions"] == []


def test_staff_need_a_key_a_permission_a_case_of_theirs_and_a_step_that_is_allowed(
    published: Product,
) -> None:
    whole = published.run("client", "add", "whole").strip()
    near = published.run("client", "add", "绵阳", "--unit", "SC06").strip()
    door = published.run("client", "add", "door", "--permission", "submit").strip()
    assert "SC99" in published.run("client", "add", "x", "--unit", "SC99", expect=2)
    assert "whole" in published.run("client", "add", "whole", expect=2)
    assert whole not in published.run("client", "list", "--format", "json")
    with Server(published.home) as server:
        receipt = server.submit(unit="SC0601")
        url = f"{receipt['status_url']}/events"
        assert receipt["policy"]["name"]["zh"] and receipt["promised_due_at"]

        def event(key: str, **data: str) -> tuple[int, str]:
            answer = server.request("POST", url, data=data, Authorization=f"Bearer {key}")
            return answer.status, answer.json.get("code", answer.json.get("event_type"))

        assert server.request("POST", url, data={}).status == 401
        assert event("hyk_wrong", type="acknowledge") == (401, "unauthorised")
        assert event(door, type="acknowledge") == (403, "forbidden")
        assert event(near, type="assign", unit="nowhere") == (422, "invalid")
        assert event(near, type="acknowledge", at="2027-01-01T00:00:00Z") == (422, "invalid")
        assert event(near, type="acknowledge", at="2026-03-30T00:00:00Z") == (422, "invalid")
        assert event(near, type="acknowledge") == (202, "accepted")
        assert event(near, type="acknowledge") == (409, "illegal")
        assert event(whole, type="assign", unit="SC01") == (202, "assigned")
        assert event(near, type="reply", text="不再归我") == (404, "not_found")
        assert event(whole, type="reply", text="请拨 13800001111") == (202, "public_reply")
        assert event(whole, type="resolve", text="已修好") == (202, "resolved")
        assert event(whole, type="resolve") == (409, "illegal")
        missing = server.request(
            "POST",
            "/v1/feedback/HY260331-2222222/events",
            data={"type": "acknowledge"},
            Authorization=f"Bearer {whole}",
        )
        assert missing.status == 404
        found = server.request("GET", receipt["status_url"], X_Case_Secret=receipt["secret"]).json
        assert found["last_reply"]["text"] == "已修好" and "13800001111" not in str(found)
        letter = server.submit(
            channel="letter",
            received_on="2026-03-20",
            headers={"Authorization": f"Bearer {door}"},
        )
        # Counted from the day the letter came: five working days after 20 March.
        assert letter["promised_due_at"].startswith("2026-03-27T16:00")
        refused = server.request(
            "POST", "/v1/feedback", data={"kind": "praise", "text": "x", "channel": "letter"}
        )
        assert refused.status == 422
        published.run("client", "disable", "whole")
        assert event(whole, type="reply", text="x") == (401, "unauthorised")
        assert "traceback" not in server.end(__import__("signal").SIGTERM).lower()
        server.start()


def test_a_client_of_a_unit_submits_for_it_and_below_and_for_no_other(published: Product) -> None:
    near = published.run("client", "add", "near", "--unit", "SC06").strip()
    whole = published.run("client", "add", "whole").strip()

    def faults(answer: Answer) -> list[str]:
        assert answer.status == 422
        return [fault["message"]["en"] for fault in answer.json["faults"]]

    def unit_of(case_no: str) -> str | None:
        with sqlite3.connect(published.home / "inbox.db") as inbox:
            found = inbox.execute(
                "select org_unit_id from submission where case_no = ?", [case_no]
            ).fetchone()
        unit: str | None = found[0]
        return unit

    with Server(published.home) as server:
        by_near = {"Authorization": f"Bearer {near}"}
        before = stored(published.home)
        for unit in ("SC01", "SC"):
            body = {"kind": "praise", "text": "x", "unit": unit}
            answer = server.request("POST", "/v1/feedback", data=body, **by_near)
            assert "own unit" in faults(answer)[0], unit
        assert stored(published.home) == before
        for given in ({}, {"unit": "SC06"}, {"unit": "SC0601"}):
            receipt = server.submit(headers=by_near, **given)
            assert unit_of(receipt["case_no"]) == given.get("unit", "SC06")
        by_whole = {"Authorization": f"Bearer {whole}"}
        assert unit_of(server.submit(headers=by_whole)["case_no"]) is None
        assert unit_of(server.submit(headers=by_whole, unit="SC01")["case_no"]) == "SC01"
        assert unit_of(server.submit(unit="SC01")["case_no"]) == "SC01"


def test_every_answer_carries_the_security_headers_and_no_foreign_script(server: Server) -> None:
    for method, path in (
        ("GET", "/"),
        ("GET", "/status"),
        ("GET", "/health"),
        ("GET", "/nothing"),
        ("DELETE", "/v1/feedback"),
        ("GET", "/openapi.json"),
        ("GET", "/style.css"),
    ):
        answer = server.request(method, path)
        assert answer.status < 500
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert "server" not in answer.headers
    assert server.request("GET", "/docs").status == server.request("GET", "/redoc").status == 404
    described = server.request("GET", "/openapi.json").json
    assert "/v1/feedback/{case_no}/events" in described["paths"]


def test_many_write_at_once_and_each_number_is_its_own(server: Server) -> None:
    seen: list[str] = []
    threads = [
        threading.Thread(target=lambda: seen.extend(server.submit()["case_no"] for _ in range(20)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(seen)) == 160
