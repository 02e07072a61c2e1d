"""Mails: one message (RFC 5322, a file `.eml`) is one record with the columns of `COLUMNS`.

Nothing in a mail is run, opened or fetched: attachments are counted and their kinds sniffed. The
text is that of text/plain where a mail offers it in several kinds, else the words of its HTML.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from pathlib import Path

import duckdb

from connectors.contract import Contract
from connectors.errors import RefusedDelivery, UnwritableValue
from connectors.formats.charset import decoded
from connectors.formats.delimited import Reading
from connectors.formats.file_kind import file_kind
from connectors.formats.html_text import declared_charset, html_to_text
from connectors.formats.lines import Records
from connectors.formats.packing import packed

SUFFIX = ".eml"
COLUMNS = (
    *("message_id", "thread_id", "in_reply_to", "sent_at", "received_at", "sender", "sender_name"),
    *("recipient", "subject", "content", "attachment_count", "attachment_kinds", "charset"),
    "is_automatic",
)
LARGEST_MAIL = 50 * 1024**2

_LARGEST_HTML = 4 * 1024**2
_MOST_PARTS = 1_000
_DEEPEST = 30
_LONGEST_ID = 200
_ID = re.compile(r"<\s*([^<>\s]+)\s*>")
_FOLD = re.compile(r"\r?\n(?=[ \t])")
_AUTOMATIC = ("X-Auto-Response-Suppress", "X-Autoreply", "X-Autorespond", "X-Failed-Recipients")


class UnreadableMail(Exception):
    """A mail cannot be read; `code` says why. Its bytes belong into quarantine."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(f"The mail cannot be read: {code}.")


@dataclass
class _Body:
    """What the parts of a mail hold together."""

    charset: str | None = None
    kinds: list[str] = field(default_factory=list)
    parts: int = 0


def mail_fields(raw: bytes) -> list[str | None]:
    """The texts of one mail in the order of COLUMNS; instants are UTC to the second.

    Raises UnreadableMail for bytes that are no mail, nest too deeply or are too large.
    """
    if len(raw) > LARGEST_MAIL:
        raise UnreadableMail("too_large")
    try:
        message = message_from_bytes(raw)
        body = _Body()
        content = _text_of(message, body, 1)
    except (MessageError, RecursionError, ValueError, LookupError) as error:
        raise UnreadableMail("unreadable_mail") from error
    if not any(message.get(name) for name in ("From", "To", "Date", "Subject", "Message-ID")):
        raise UnreadableMail("unreadable_mail")
    own = _first_id(message, "Message-ID") or f"sha256.{hashlib.sha256(raw).hexdigest()}"
    answers = _first_id(message, "In-Reply-To")
    sender, name = _sender(message)
    sent = _moment(_header(message, "Date"))
    received = _moment((_header(message, "Received") or "").rpartition(";")[2])
    fields = {
        "message_id": own,
        "thread_id": _first_id(message, "References") or answers or own,
        "in_reply_to": answers,
        "sent_at": sent,
        "received_at": received or _moment(_header(message, "Delivery-Date")) or sent,
        "sender": sender,
        "sender_name": name,
        "recipient": _recipient(message),
        "subject": _words(_header(message, "Subject")),
        "content": content.strip() or None,
        "attachment_count": str(len(body.kinds)),
        "attachment_kinds": ",".join(sorted(set(body.kinds))) or None,
        "charset": body.charset,
        "is_automatic": "true" if _is_automatic(message, sender) else "false",
    }
    return [fields[column] for column in COLUMNS]


def read(
    path: Path, contract: Contract, stream_name: str, connection: duckdb.DuckDBPyConnection
) -> Reading:
    """Read one mail into `record`; a mail that cannot be read is a record with a flaw."""
    records = Records(connection)
    size = path.stat().st_size
    if size > LARGEST_MAIL:
        raise RefusedDelivery("too_large", f"a mail may have {LARGEST_MAIL} bytes")
    try:
        records.add(mail_fields(path.read_bytes()), line=1, offset=0, length=size)
    except UnreadableMail as error:
        records.add(None, flaw=error.code, line=1, offset=0, length=size)
    return records.finish(path, COLUMNS)


def _text_of(part: Message, body: _Body, depth: int) -> str:
    """The text of a part; attachments in it are counted in `body`."""
    body.parts += 1
    if depth > _DEEPEST or body.parts > _MOST_PARTS:
        raise UnreadableMail("too_many_parts")
    kind = part.get_content_type()
    if part.is_multipart() and kind.startswith("multipart/"):
        children = [child for child in part.get_payload() if isinstance(child, Message)]
        texts = [(child.get_content_type(), _text_of(child, body, depth + 1)) for child in children]
        if kind == "multipart/alternative":
            plain = [text for child, text in texts if child == "text/plain" and text.strip()]
            rich = [text for _, text in texts if text.strip()]
            return (plain or rich or [""])[0]
        return "\n".join(text for _, text in texts if text.strip())
    if kind in {"message/delivery-status", "text/rfc822-headers"}:
        return ""
    if part.is_multipart() or not _is_text(part, kind):
        body.kinds.append(_kind_of(part, kind))
        return ""
    raw = _payload(part)
    declared = part.get_content_charset()
    if kind == "text/html":
        if len(raw) > _LARGEST_HTML:
            raise UnreadableMail("too_large")
        text, charset = decoded(raw, declared or declared_charset(raw))
        text = html_to_text(text)
    else:
        text, charset = decoded(raw, declared)
    if body.charset is None and text.strip():
        body.charset = charset
    return text.replace("\r\n", "\n")


def _is_text(part: Message, kind: str) -> bool:
    named = part.get_content_disposition() == "attachment" or part.get_filename() is not None
    return kind in {"text/plain", "text/html"} and not named


def _kind_of(part: Message, kind: str) -> str:
    if kind.startswith("message/"):
        return "mail"
    return "other" if part.is_multipart() else file_kind(_payload(part))


def _payload(part: Message) -> bytes:
    raw = part.get_payload(decode=True)
    return raw if isinstance(raw, bytes) else b""


def _header(message: Message, name: str) -> str | None:
    """The first header of a name as it was sent, unfolded; bytes beyond ASCII are surrogates."""
    for key, value in message.raw_items():
        if key.lower() == name.lower():
            return _FOLD.sub("", str(value)).strip()
    return None


def _words(raw: str | None) -> str | None:
    """Text of a header: encoded words (RFC 2047) and bytes that were sent without them."""
    if not raw:
        return None
    if any("\udc80" <= one <= "\udcff" for one in raw):
        return decoded(raw.encode("ascii", "surrogateescape"), None)[0] or None
    try:
        parts = decode_header(raw)
    except (MessageError, ValueError):
        return decoded(raw.encode("utf-8", "replace"), "utf-8")[0]
    text = "".join(
        part if isinstance(part, str) else decoded(part, charset or "us-ascii")[0]
        for part, charset in parts
    )
    return " ".join(text.split()) or None


def _addresses(message: Message, name: str) -> list[tuple[str, str]]:
    raw = _header(message, name)
    return [pair for pair in getaddresses([raw]) if pair[1]] if raw else []


def _sender(message: Message) -> tuple[str | None, str | None]:
    for header in ("From", "Sender", "Return-Path"):
        for name, address in _addresses(message, header):
            # An address is compared, never shown: lower case makes one person one pseudonym.
            return decoded(address.encode("utf-8", "replace"), "utf-8")[0].lower(), _words(name)
    return None, None


def _recipient(message: Message) -> str | None:
    """Whom the mail was written to first, else the mailbox it was put into.

    A copy of our own answer may be delivered to ourselves; it was written to somebody else.
    """
    for header in ("To", "Delivered-To", "X-Original-To", "Envelope-To"):
        for _, address in _addresses(message, header):
            return decoded(address.encode("utf-8", "replace"), "utf-8")[0].lower()
    return None


def _first_id(message: Message, name: str) -> str | None:
    raw = _header(message, name)
    if not raw:
        return None
    found = _ID.search(raw)
    one = found[1] if found else (raw.split() or [""])[0].strip("<>")
    text = decoded(one.encode("utf-8", "replace"), "utf-8")[0]
    if len(text) > _LONGEST_ID:
        return f"sha256.{hashlib.sha256(text.encode()).hexdigest()}"
    return text or None


def _moment(raw: str | None) -> str | None:
    if not raw:
        return None
    try:
        moment = parsedate_to_datetime(raw)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC).replace(tzinfo=None, microsecond=0).isoformat(sep=" ")
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _is_automatic(message: Message, sender: str | None) -> bool:
    """Answers of programs, by RFC 3834 and what is in use beside it, and reports of bounces."""
    if (_header(message, "Auto-Submitted") or "no").split(";")[0].strip().lower() != "no":
        return True
    if any(message.get(name) is not None for name in _AUTOMATIC):
        return True
    if (_header(message, "Precedence") or "").lower() in {"auto_reply", "bulk", "junk"}:
        return True
    if message.get_content_type() == "multipart/report":
        return True
    if (_header(message, "Return-Path") or "").replace(" ", "") == "<>":
        return True
    return (sender or "").partition("@")[0] in {"mailer-daemon", "postmaster"}


_STUBS = {
    "pdf": b"%PDF-1.4\n%%EOF\n",
    "png": b"\x89PNG\r\n\x1a\n",
    "jpeg": b"\xff\xd8\xff\xe0",
    "text": b"text\n",
}


def write(
    rows: Iterable[Mapping[str, str | None]],
    path: Path,
    contract: Contract,
    stream_name: str,
    *,
    sums: Mapping[str, str],
) -> int:
    """Write one row as one mail; raises UnwritableValue for a second row or what no mail holds."""
    from email.header import Header
    from email.mime.application import MIMEApplication
    from email.mime.multipart import MIMEMultipart
    from email.mime.text import MIMEText
    from email.policy import SMTP
    from email.utils import format_datetime, formataddr

    count = 0
    with packed(path, "none") as file:
        for count, row in enumerate(rows, 1):
            if count > 1:
                raise UnwritableValue(count, "message_id", "is a second mail in one file")
            text = MIMEText(f"{row.get('content') or ''}\n", "plain", row.get("charset") or "utf-8")
            kinds = [kind for kind in (row.get("attachment_kinds") or "").split(",") if kind]
            message: Message = text
            if kinds:
                message = MIMEMultipart(boundary="=_part")
                message.attach(text)
                wanted = max(len(kinds), int(row.get("attachment_count") or 0))
                for number in range(wanted):
                    kind = kinds[number % len(kinds)]
                    if kind not in _STUBS:
                        raise UnwritableValue(count, "attachment_kinds", "is no kind to invent")
                    part = MIMEApplication(_STUBS[kind])
                    part.add_header("Content-Disposition", "attachment", filename=f"{number}")
                    message.attach(part)

            def moment(column: str, given: Mapping[str, str | None] = row) -> str | None:
                value = given.get(column)
                if not value:
                    return None
                return format_datetime(datetime.fromisoformat(value).replace(tzinfo=UTC))

            received = moment("received_at")
            headers = {
                "Received": f"by mail.example; {received}" if received else None,
                "Date": moment("sent_at"),
                "From": formataddr((row.get("sender_name") or "", row.get("sender") or "")),
                "To": row.get("recipient"),
                "Message-ID": f"<{row.get('message_id')}>",
                "In-Reply-To": f"<{row['in_reply_to']}>" if row.get("in_reply_to") else None,
                "References": f"<{row['thread_id']}>" if row.get("thread_id") else None,
                "Subject": Header(row.get("subject") or "", "utf-8").encode(),
                "Auto-Submitted": "auto-replied" if row.get("is_automatic") == "true" else None,
            }
            for name, value in headers.items():
                if value:
                    message[name] = value
            file.write(message.as_bytes(policy=SMTP))
    return count
