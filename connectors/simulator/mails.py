"""Mails to the feedback address: threads of several people, answers, automatic replies."""

import base64
import quopri
from dataclasses import dataclass
from email.header import Header
from email.utils import format_datetime, formataddr

import numpy as np

from . import wording
from .case import Case, Event
from .chance import MAILS, PLANTED_PHONES, generator, phone, pick
from .customers import Customers
from .days import DAY_S, compact, hotline_season, instant_of
from .organisation import Staff

MAILBOX, SENT_COPIES = "feedback@sc.example", "sent-copies@sc.example"
_DOMAINS = ("mail.example", "post.example", "inbox.example")
_DONE = "【已办结】"
# charset, transfer encoding; half-width and traditional senders are among the public too.
_WRITINGS = (
    ("utf-8", "base64"),
    ("gb18030", "base64"),
    ("gbk", "8bit"),
    ("gb2312", "quoted-printable"),
    ("utf-8", "quoted-printable"),
    ("big5", "base64"),
)
_PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(64))
_PDF = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"
_ATTACHMENTS = (("image/png", "screenshot.png", _PNG), ("application/pdf", "bill.pdf", _PDF))


@dataclass(frozen=True)
class Mail:
    """One mail as it lies in the mailbox; instants are local seconds from day 0."""

    message_id: str
    thread: str
    answers: str
    sent: int
    received: int
    sender: str
    sender_name: str
    to: str
    subject: str
    content: str
    attachments: tuple[int, ...]
    writing: int
    is_automatic: bool
    is_end: bool

    @property
    def day(self) -> int:
        """Day number of the arrival."""
        return self.received // DAY_S


@dataclass(frozen=True)
class Thread:
    """One matter raised by mail, with all its mails in order, also those still to come."""

    thread: str
    kind: str
    customer: int
    mails: tuple[Mail, ...]


def receive(
    seed: int, scale: float, through: int, customers: Customers, staff: Staff
) -> tuple[list[Thread], list[tuple[int, str]]]:
    """All threads begun up to day `through`, and the personal values in them by day."""
    found: list[Thread] = []
    planted: list[tuple[int, str]] = []
    for day in range(through + 1):
        rng = generator(seed, MAILS, day)
        n = int(rng.poisson(0.24 * scale * hotline_season(day)))
        if not n:
            continue
        active = customers.active_on(day)
        for ordinal, u in enumerate(sorted(rng.random((n, 18)).tolist()), start=1):
            customer = int(active[int(u[1] * len(active))])
            thread = _thread(seed, day, ordinal, customer, customers, staff, u, planted)
            found.append(thread)
    return found, planted


def _thread(
    seed: int, day: int, ordinal: int, customer: int, customers: Customers, staff: Staff,
    u: list[float], planted: list[tuple[int, str]],
) -> Thread:  # fmt: skip
    prefix, kind = _subject(u[2])
    topic = int(u[3] * len(wording.CATEGORIES))
    texts = wording.COMPLAINTS[topic] if kind in ("TS", "JB") else (wording.OTHERS[topic],)
    content = texts[int(u[4] * len(texts))].format(
        area=wording.AREAS[int(u[5] * 10)], days=2 + int(u[6] * 6), hour=3 + int(u[6] * 7),
        amount=(9, 15, 19, 29, 59, 129)[int(u[5] * 6)],
    )  # fmt: skip
    sender = f"u{(customer * 104_729 + seed) % 10_000_019:08d}@{_DOMAINS[customer % 3]}"
    planted.append((day, sender))
    if u[7] < 0.15:
        value = phone(seed, PLANTED_PHONES + 20_000 + (day * 11 + ordinal) % 5_000)
        content += wording.PHONE_TAILS[int(u[7] * 20)].format(v=value)
        planted.append((day, value))
    subject = f"{prefix}{wording.CATEGORIES[topic][0].split('/')[1]}问题"
    if kind == "YJ" and "咨询" in subject:
        kind = "ZX"
    key = f"{compact(day)}.{ordinal:03d}"
    name = customers.persons.names[customer]
    writing = int(u[8] * len(_WRITINGS))
    if _WRITINGS[writing][0] == "big5":
        content, subject, name = "您好，網路問題請盡快處理。", "投訴：網路問題", "陳先生"
        kind = "YJ"
    mails: list[Mail] = []

    def add(
        at: int, answer: bool, text: str, automatic: bool = False, attached: int = 0,
        end: bool = False,
    ) -> None:  # fmt: skip
        previous = mails[-1].message_id if mails else ""
        mails.append(
            Mail(
                message_id=f"{key}.{len(mails) + 1}@{_DOMAINS[customer % 3]}",
                thread=mails[0].message_id if mails else "",
                answers=previous,
                sent=at,
                received=at + 20 + int(u[9] * 400),
                sender=MAILBOX if answer else sender,
                sender_name="客户服务" if answer else name,
                to=SENT_COPIES if answer else MAILBOX,
                subject=("Re: " if mails else "") + (_DONE if end else "") + subject,
                content=text,
                attachments=tuple(range(attached)),
                writing=0 if answer or automatic else writing,
                is_automatic=automatic,
                is_end=end,
            )
        )

    at = day * DAY_S + int(u[0] * (DAY_S - 1200))
    add(at, False, content, attached=int(u[10] ** 2 * 2.9))
    if u[11] < 0.95:
        at += 1800 + int(u[12] ** 2 * 3 * DAY_S)
        agent = staff.agents[int(u[13] * len(staff.agents))]
        add(at, True, f"{wording.REPLIES[int(u[13] * len(wording.REPLIES))]}（工号{agent}）")
        if u[14] < 0.12:
            add(at + 60, False, wording.MAIL_AUTOMATIC, automatic=True)
    if u[14] > 0.7:
        at += 7200 + int(u[15] * 4 * DAY_S)
        follow_up = wording.MAIL_FOLLOW_UPS[int(u[15] * 3)]
        if _WRITINGS[writing][0] == "big5":
            follow_up = "請盡快回覆。"
        add(at, False, follow_up, attached=int(u[15] < 0.3))
    if u[16] < 0.97:
        at += 9000 + int(u[17] ** 2 * 4 * DAY_S)
        text = wording.RESOLUTIONS[int(u[13] * len(wording.RESOLUTIONS))]
        add(at, True, text, end=True)
    return Thread(mails[0].message_id, kind, customer, tuple(mails))


def _subject(u: float) -> tuple[str, str]:
    weights = np.array([weight for _, _, weight in wording.MAIL_SUBJECTS])
    prefix, kind, _ = wording.MAIL_SUBJECTS[int(pick(np.array([u]), weights)[0])]
    return prefix, kind


def mail_name(mail: Mail) -> str:
    """The name of the file in the mailbox: the time of arrival and the number of the mail."""
    return f"{instant_of(mail.received):%Y%m%dT%H%M%S}-{mail.message_id.split('@')[0]}.eml"


def mail_bytes(mail: Mail) -> bytes:
    """The mail as the system stores it; its headers use the charset of its text."""
    charset, transfer = _WRITINGS[mail.writing]

    def encoded(text: str) -> str:
        return text if text.isascii() else Header(text, charset, maxlinelen=998).encode()

    headers = [
        ("Delivered-To", mail.to),
        ("Received", f"from mx.sc.example by store.sc.example; {_stamp(mail.received)}"),
        ("Date", _stamp(mail.sent)),
        ("From", formataddr((encoded(mail.sender_name), mail.sender))
         if mail.sender_name.isascii() else f"{encoded(mail.sender_name)} <{mail.sender}>"),
        ("To", MAILBOX if mail.to == MAILBOX else "undisclosed-recipients:;"),
        ("Message-ID", f"<{mail.message_id}>"),
        ("Subject", encoded(mail.subject)),
        ("MIME-Version", "1.0"),
    ]  # fmt: skip
    if mail.answers:
        headers += [("In-Reply-To", f"<{mail.answers}>")]
        references = [mail.thread, mail.answers] if mail.thread != mail.answers else [mail.thread]
        headers += [("References", " ".join(f"<{one}>" for one in references))]
    if mail.is_automatic:
        headers += [("Auto-Submitted", "auto-replied")]
    text = [
        f'Content-Type: text/plain; charset="{charset}"'.encode(),
        f"Content-Transfer-Encoding: {transfer}".encode(),
        b"",
        _body(mail.content, charset, transfer),
    ]
    head = [f"{name}: {value}".encode() for name, value in headers]
    if not mail.attachments:
        return b"\r\n".join([*head, *text, b""])
    boundary = f"=_{mail.message_id.split('@')[0]}"
    lines = [*head, f'Content-Type: multipart/mixed; boundary="{boundary}"'.encode(), b""]
    lines += [f"--{boundary}".encode(), *text]
    for place in mail.attachments:
        kind, name, data = _ATTACHMENTS[place % len(_ATTACHMENTS)]
        lines += [
            f"--{boundary}".encode(),
            f"Content-Type: {kind}".encode(),
            f'Content-Disposition: attachment; filename="{name}"'.encode(),
            b"Content-Transfer-Encoding: base64",
            b"",
            base64.b64encode(data),
        ]
    return b"\r\n".join([*lines, f"--{boundary}--".encode(), b""])


def _body(content: str, charset: str, transfer: str) -> bytes:
    raw = content.encode(charset)
    if transfer == "base64":
        return base64.encodebytes(raw).replace(b"\n", b"\r\n").rstrip()
    if transfer == "quoted-printable":
        return quopri.encodestring(raw).replace(b"\n", b"\r\n")
    return raw


def _stamp(seconds: int) -> str:
    return format_datetime(instant_of(seconds))


def _event(mail: Mail, thread: str) -> Event:
    if mail.sender != MAILBOX:
        return Event(mail.message_id, thread, "XX", mail.received, "", "reporter")
    return Event(mail.message_id, thread, "JJ" if mail.is_end else "HF", mail.received, "", "agent")


def thread_cases(threads: list[Thread]) -> list[Case]:
    """Threads as cases; our last answer resolves the matter."""
    cases = []
    for thread in threads:
        first, *others = thread.mails
        events = tuple(_event(m, thread.thread) for m in others if not m.is_automatic)
        cases.append(
            Case(
                case_no=thread.thread, at=first.received, customer=-1, phone="", kind=thread.kind,
                category="", channel="email", unit_code="SC", urgency=3, content=first.content,
                events=events, source="mail",
            )
        )  # fmt: skip
    return cases
