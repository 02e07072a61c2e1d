"""The pages: hostile text stays text, what was typed stays, a reload doubles nothing."""

from __future__ import annotations

import html
import re
import sqlite3
from urllib.parse import quote

import pytest

from tests.connectors.intake.server import Answer, Server

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{7*7}}${7*7}</textarea>"


def token_of(page: Answer) -> str:
    found = re.search(r'name="token" value="([0-9a-f]+)"', page.text)
    assert found is not None
    return found[1]


def shown(page: Answer, name: str) -> str:
    found = re.search(rf'id="{name}">([^<]+)<', page.text)
    assert found is not None, page.text
    return html.unescape(found[1])


def count(server: Server) -> int:
    with sqlite3.connect(server.home / "inbox.db") as inbox:
        number: int = inbox.execute("select count(*) from submission").fetchone()[0]
    return number


def test_hostile_text_in_every_field_is_shown_as_text_on_every_page(server: Server) -> None:
    names = ["kind", "category", "unit", "text", "answers.wish", "answers.happened_on", "entry"]
    names += ["contact.name", "contact.phone", "contact.email", "token", HOSTILE]
    pages = [
        server.request("POST", "/", fields=dict.fromkeys(names, HOSTILE)),
        server.request("GET", f"/?entry={quote(HOSTILE)}&lang={quote(HOSTILE)}"),
        server.request("GET", f"/status?case_no={quote(HOSTILE)}"),
        server.request("POST", "/status", fields={"case_no": HOSTILE, "secret": HOSTILE}),
        server.request("POST", "/", body=b"text=%ff%fe&&&=&kind=\xff"),
    ]
    receipt = server.request(
        "POST",
        "/",
        fields={
            "kind": "complaint",
            "text": HOSTILE,
            "contact.name": HOSTILE[:30],
            "token": token_of(server.request("GET", "/")),
        },
    )
    case = {"case_no": shown(receipt, "case-no"), "secret": shown(receipt, "secret")}
    bad = {**case, "action": "message", "text": HOSTILE * 60, "token": "z" * 16}
    pages += [
        receipt,
        server.request("POST", "/status", fields=case),
        server.request("POST", "/status", fields={**bad, "text": HOSTILE}),
        server.request("POST", "/status", fields={**bad, "token": "y" * 16}),
        server.request("POST", "/status", fields={**case, "action": HOSTILE}),
    ]
    for page in pages:
        assert page.status < 500
        assert "<script" not in page.text
        assert "<img" not in page.text
        assert "{{7*7}}" in page.text or "7*7" not in page.text
        assert page.text.count("</textarea>") <= 1


def test_faults_stand_beside_their_fields_and_what_was_typed_stays(server: Server) -> None:
    before = count(server)
    typed = {"text": "说明在这里", "contact.phone": "abc", "token": "t" * 20}
    page = server.request("POST", "/?lang=en", fields=typed)
    assert page.status == 422 and count(server) == before
    assert 'id="contact.phone-error"' in page.text and 'id="kind-error"' in page.text
    assert "说明在这里" in page.text and 'value="abc"' in page.text
    assert token_of_any(page) == "t" * 20


def token_of_any(page: Answer) -> str:
    found = re.search(r'name="token" value="([^"]+)"', page.text)
    assert found is not None
    return found[1]


def test_a_double_click_and_a_reload_give_the_same_receipt_and_one_case(server: Server) -> None:
    before = count(server)
    fields = {
        "kind": "praise",
        "text": "师傅很负责",
        "token": token_of(server.request("GET", "/")),
    }
    first = server.request("POST", "/", fields=fields)
    again = server.request("POST", "/", fields=fields)
    assert first.status == again.status == 200 and first.text == again.text
    assert count(server) == before + 1
    changed = server.request("POST", "/", fields={**fields, "text": "另一件事"})
    assert changed.status == 409 and "另一件事" in changed.text
    assert token_of(changed) != fields["token"] and count(server) == before + 1


def test_a_form_with_a_token_that_was_made_up_gets_one_of_ours(server: Server) -> None:
    before = count(server)
    fields = {"kind": "praise", "text": "还在这里", "token": "made-up-1"}
    page = server.request("POST", "/", fields=fields)
    assert page.status == 400 and "还在这里" in page.text and count(server) == before
    again = server.request("POST", "/", fields={**fields, "token": token_of(page)})
    assert again.status == 200 and count(server) == before + 1


@pytest.mark.parametrize(("language", "title"), [("zh", "提交反馈"), ("en", "Give feedback")])
def test_the_language_is_kept_in_a_cookie(server: Server, language: str, title: str) -> None:
    page = server.request("GET", f"/?lang={language}")
    assert f"<h1>{title}</h1>" in page.text
    assert page.headers["set-cookie"].startswith(f"lang={language}")
    kept = server.request("GET", "/", Cookie=f"lang={language}")
    assert f"<h1>{title}</h1>" in kept.text
    assert "<h1>提交反馈</h1>" in server.request("GET", "/", Cookie="lang=xx").text


def test_a_mistyped_case_number_is_told_before_anything_is_looked_up(server: Server) -> None:
    page = server.request("POST", "/status", fields={"case_no": "HY260331-ABC", "secret": "x"})
    assert page.status == 422 and "抄错" in page.text


def test_a_reporter_follows_adds_and_withdraws_on_the_page(server: Server) -> None:
    fields = {"kind": "complaint", "text": "断网", "token": token_of(server.request("GET", "/"))}
    receipt = server.request("POST", "/", fields=fields)
    case = {"case_no": shown(receipt, "case-no"), "secret": shown(receipt, "secret")}
    page = server.request("POST", "/status", fields=case)
    assert page.status == 200 and "已收到" in page.text and case["case_no"] in page.text
    sent = {**case, "action": "message", "text": "又断了", "token": "m" * 20}
    for _ in range(2):
        page = server.request("POST", "/status", fields=sent)
        assert page.status == 200 and page.text.count("您补充了说明") == 1
    page = server.request("POST", "/status", fields={**case, "action": "withdraw"})
    assert "您撤回了反馈" in page.text
    again = server.request("POST", "/status", fields={**case, "action": "withdraw"})
    assert again.status == 409
