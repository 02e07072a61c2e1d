"""Mails by hand: what a mail says is what its record says."""

from __future__ import annotations

import base64
from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.formats.charset import decoded
from connectors.formats.html_text import html_to_text
from connectors.formats.mail import COLUMNS, UnreadableMail, mail_fields
from tests.soak import fuzz

HEAD = b"From: Li <li@example.com>\r\nDate: Mon, 30 Mar 2026 08:00:00 +0800\r\n"


def record(raw: bytes) -> dict[str, str | None]:
    return dict(zip(COLUMNS, mail_fields(raw), strict=True))


def plain(content: bytes, charset: str | None) -> bytes:
    declared = f"; charset={charset}" if charset else ""
    return HEAD + f"Content-Type: text/plain{declared}\r\n\r\n".encode() + content


def test_a_plain_mail_becomes_one_record() -> None:
    raw = (
        b"Received: from a by b; Mon, 30 Mar 2026 08:00:05 +0800\r\n"
        b"Received: from c by a; Mon, 30 Mar 2026 07:59:59 +0800\r\n"
        b"Message-ID: <one@example.com>\r\nTo: Care <CARE@operator.example>\r\nSubject: slow\r\n"
        + HEAD
        + b"\r\nThe network is slow.\r\n"
    )
    assert record(raw) == {
        "message_id": "one@example.com",
        "thread_id": "one@example.com",
        "in_reply_to": None,
        "sent_at": "2026-03-30 00:00:00",
        "received_at": "2026-03-30 00:00:05",
        "sender": "li@example.com",
        "sender_name": "Li",
        "recipient": "care@operator.example",
        "subject": "slow",
        "content": "The network is slow.",
        "attachment_count": "0",
        "attachment_kinds": None,
        "charset": "us-ascii",
        "is_automatic": "false",
    }


def test_an_answer_belongs_to_the_root_of_its_thread() -> None:
    raw = HEAD + b"References: <root@x>\r\n <middle@x>\r\nIn-Reply-To: <middle@x>\r\n\r\nyes"
    found = record(raw)
    assert (found["thread_id"], found["in_reply_to"]) == ("root@x", "middle@x")
    only_answer = record(HEAD + b"In-Reply-To: <middle@x>\r\n\r\nyes")
    assert only_answer["thread_id"] == "middle@x"


def test_a_mail_without_an_id_is_named_by_its_content() -> None:
    one, other = record(HEAD + b"\r\na"), record(HEAD + b"\r\nb")
    assert one["message_id"] != other["message_id"]
    assert one == record(HEAD + b"\r\na")


@pytest.mark.parametrize("charset", ["gb2312", "gbk", "gb18030", "big5", "utf-8"])
@pytest.mark.parametrize("transfer", ["8bit", "base64", "quoted-printable"])
def test_chinese_is_read_in_every_charset_and_transfer_encoding(
    charset: str, transfer: str
) -> None:
    text = "網路很慢請處理" if charset == "big5" else "网络很慢，请尽快处理"
    body = text.encode(charset)
    if transfer == "base64":
        body = base64.encodebytes(body)
    elif transfer == "quoted-printable":
        body = "".join(f"={one:02X}" for one in body).encode()
    head = f"Content-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: {transfer}"
    found = record(HEAD + head.encode() + b"\r\n\r\n" + body)
    assert (found["content"], found["charset"]) == (text, charset)


@pytest.mark.parametrize(
    ("real", "declared"),
    [
        ("gb18030", "us-ascii"),
        ("gb18030", "iso-8859-1"),
        ("gb18030", "utf-8"),
        ("gb18030", None),
        ("gb18030", "no-such-charset"),
        ("utf-8", "gb2312"),
        ("utf-8", "iso-8859-1"),
        ("utf-8", None),
    ],
)
def test_a_wrongly_declared_charset_does_not_garble_the_text(
    real: str, declared: str | None
) -> None:
    text = "宽带经常断线，请尽快派人处理"
    found = record(plain(text.encode(real), declared))
    assert (found["content"], found["charset"]) == (text, real)


def test_latin_text_in_its_own_charset_stays_latin() -> None:
    assert decoded("déjà vu à côté".encode("iso-8859-1"), "iso-8859-1")[0] == "déjà vu à côté"


def test_headers_are_read_encoded_or_as_bytes() -> None:
    word = base64.b64encode("王小明".encode("gb2312")).decode()
    raw = (
        f"From: =?gb2312?B?{word}?= <w@example.com>\r\n".encode()
        + b"Subject: =?utf-8?Q?=E5=AE=BD=E5?=\r\n =?utf-8?Q?=B8=A6?=\r\n\r\nx"
    )
    found = record(raw)
    # A character that was cut between two encoded words is whole again.
    assert (found["sender_name"], found["subject"]) == ("王小明", "宽带")
    bare = record(b"From: w@example.com\r\nSubject: " + "投诉宽带".encode("gbk") + b"\r\n\r\nx")
    assert bare["subject"] == "投诉宽带"


def test_plain_text_is_preferred_and_html_becomes_words() -> None:
    both = MIMEMultipart("alternative")
    both["From"] = "w@example.com"
    both.attach(MIMEText("<p>rich</p>", "html", "utf-8"))
    both.attach(MIMEText("plain", "plain", "utf-8"))
    assert record(both.as_bytes())["content"] == "plain"
    only = MIMEText(
        "<html><head><title>no</title><style>p{}</style></head><body><script>steal()</script>"
        "<p>第一行<br>second&nbsp;&amp; more</p><img src=http://x/track.png></body></html>",
        "html",
        "utf-8",
    )
    only["From"] = "w@example.com"
    assert record(only.as_bytes())["content"] == "第一行\nsecond & more"


def test_attachments_are_counted_by_what_they_are() -> None:
    message = MIMEMultipart()
    message["From"] = "w@example.com"
    message.attach(MIMEText("see the file", "plain"))
    for name, content in (("a.pdf", b"%PDF-1.7"), ("b.jpg", b"MZ\x90\0"), ("c", b"\xff\xd8\xff")):
        part = MIMEApplication(content)
        part.add_header("Content-Disposition", "attachment", filename=name)
        message.attach(part)
    named = MIMEText("notes", "plain")
    named.add_header("Content-Disposition", "attachment", filename="d.txt")
    message.attach(named)
    found = record(message.as_bytes())
    assert (found["attachment_count"], found["attachment_kinds"]) == ("4", "jpeg,pdf,program,text")
    assert found["content"] == "see the file"


@pytest.mark.parametrize(
    "header",
    [
        "Auto-Submitted: auto-replied",
        "X-Auto-Response-Suppress: All",
        "Return-Path: <>",
        "Precedence: auto_reply",
        "Content-Type: multipart/report; boundary=x",
    ],
)
def test_answers_of_programs_are_marked(header: str) -> None:
    assert record(header.encode() + b"\r\n" + HEAD + b"\r\nx")["is_automatic"] == "true"


def test_a_person_is_not_a_program() -> None:
    assert record(b"Auto-Submitted: no\r\n" + HEAD + b"\r\nx")["is_automatic"] == "false"
    bounce = record(b"From: MAILER-DAEMON@example.com\r\n\r\nx")
    assert bounce["is_automatic"] == "true"


@pytest.mark.parametrize("raw", [b"", b"\0\1\2", b"no header here", b"%PDF-1.7\n..."])
def test_what_is_no_mail_is_told(raw: bytes) -> None:
    with pytest.raises(UnreadableMail):
        mail_fields(raw)


def test_a_mail_of_endless_parts_is_not_followed() -> None:
    raw = HEAD
    for depth in range(200):
        raw += f"Content-Type: multipart/mixed; boundary=b{depth}\r\n\r\n--b{depth}\r\n".encode()
    with pytest.raises(UnreadableMail):
        mail_fields(raw)


def test_impossible_dates_are_null() -> None:
    raw = b"From: w@x.cn\r\nDate: Mon, 99 Mar 2026 08:00 +9999\r\nReceived: x; never\r\n\r\nx"
    assert (record(raw)["sent_at"], record(raw)["received_at"]) == (None, None)


@fuzz(100)
@given(st.binary(max_size=400))
def test_any_bytes_are_a_record_or_unreadable(content: bytes) -> None:
    for raw in (content, HEAD + content, plain(content, "gb2312")):
        try:
            fields = mail_fields(raw)
        except UnreadableMail:
            continue
        assert len(fields) == len(COLUMNS)
        for text in fields:
            # Half a character or a NUL would fail in the store.
            assert text is None or ("\0" not in text and text.encode("utf-8") is not None)


@fuzz(100)
@given(st.text(max_size=200))
def test_any_html_becomes_text(html: str) -> None:
    assert "<script" not in html_to_text(f"<script>{html}</script>")


@given(
    st.text(alphabet="网络很慢宽带断线投诉话费异常客服不回复请处理一下", min_size=6, max_size=40)
)
def test_daily_chinese_survives_a_missing_charset(text: str) -> None:
    assert decoded(text.encode("utf-8"), None) == (text, "utf-8")
    assert decoded(text.encode("gb18030"), None) == (text, "gb18030")
