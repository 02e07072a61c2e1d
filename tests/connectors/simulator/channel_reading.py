"""A reader of the channels' files, written from their contracts and not from the simulator."""

import email
import gzip
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from email import policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from openpyxl import load_workbook

Row = dict[str, Any]
LOCAL = timezone(timedelta(hours=8))
CALL_WIDTHS = {
    "call_no": 20, "started_at": 14, "caller_phone": 15, "unit_code": 12, "queue_code": 2,
    "outcome_code": 1, "waited_seconds": 6, "talked_seconds": 6, "agent_no": 12, "case_no": 20,
    "score": 1, "remark": 40,
}  # fmt: skip
KIND_WORDS = {"投诉": "TS", "举报": "JB", "建议": "JY", "感谢": "BY", "咨询": "ZX", "表扬": "BY"}
SOURCES = ("letters", "wechat", "chat", "call_centre", "monitoring", "survey")


@dataclass
class Sent:
    """One file of a channel with its log and its rows; `bad` are line numbers of broken rows."""

    path: Path
    log: dict[str, Any]
    rows: list[Row]
    bad: list[int]
    records: int

    def agrees(self) -> bool:
        data = self.path.read_bytes()
        return (
            self.log["file"] == self.path.name
            and self.log["bytes"] == len(data)
            and self.log["sha256"] == hashlib.sha256(data).hexdigest()
            and self.log["rows"] == self.records
        )


@dataclass
class Step:
    """Something that happened to a case, in local time."""

    at: datetime
    code: str
    role: str
    automatic: bool = False


@dataclass
class Matter:
    """One case of a channel."""

    source: str
    case_no: str
    created: datetime
    kind: str
    unit_code: str
    steps: list[Step] = field(default_factory=list)


def read_sent(path: Path) -> Sent:
    source = path.parent.name
    data = path.read_bytes()
    log = json.loads(path.with_name(f"{path.name}.send.log").read_text("utf-8"))
    bad: list[int] = []
    if source == "call_centre":
        lines = data.split(b"\n")[:-1]
        rows = [_call(line, number, bad) for number, line in enumerate(lines, 1)]
        return Sent(path, log, [r for r in rows if r], bad, len(lines))
    if source in ("wechat", "chat"):
        rows = [json.loads(line) for line in data.decode().splitlines()]
    elif source == "letters":
        rows = list(_letters(data))
    else:
        if source == "survey":
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                (name,) = archive.namelist()
                text, delimiter = archive.read(name).decode(), "\t"
        else:
            text, delimiter = gzip.decompress(data).decode("utf-16"), "|+|"
        header, *records = (line.split(delimiter) for line in text.split("\n")[:-1])
        rows = [dict(zip(header, record, strict=True)) for record in records]
    return Sent(path, log, rows, bad, len(rows))


def _call(line: bytes, number: int, bad: list[int]) -> Row:
    row: Row = {}
    place = 0
    try:
        for name, width in CALL_WIDTHS.items():
            row[name] = line[place : place + width].decode("gb18030").strip()
            place += width
        assert len(line) == place
        row["started_at"] = datetime.strptime(row["started_at"], "%Y%m%d%H%M%S")  # noqa: DTZ007
        row["waited_seconds"] = int(row["waited_seconds"])
        row["talked_seconds"] = int(row["talked_seconds"])
        assert row["call_no"] and row["unit_code"]
    except (ValueError, AssertionError):
        bad.append(number)
        return {}
    return row


def _day(cell: Any) -> date | None:
    if cell is None or isinstance(cell, datetime):
        return None if cell is None else cell.date()
    form = "%Y/%m/%d" if "/" in cell else "%Y年%m月%d日"
    return datetime.strptime(cell, form).date()  # noqa: DTZ007


def _letters(data: bytes) -> Iterator[Row]:
    header, *rows = load_workbook(io.BytesIO(data))["来信"].iter_rows(values_only=True)
    for cells in rows:
        row = dict(zip(header, cells, strict=True))
        yield row | {name: _day(row[name]) for name in ("收到日期", "登记日期", "答复日期")}


@dataclass
class Channels:
    """Files by stream, rows that count, mails, and the cases they make."""

    files: list[Sent]
    mails: list[EmailMessage]
    rows: dict[str, dict[Any, Row]] = field(default_factory=dict)
    matters: list[Matter] = field(default_factory=list)


KEYS = {
    "letters": ("来信编号",),
    "submissions": ("submission_no",),
    "replies": ("reply_no",),
    "messages": ("message_no",),
    "calls": ("call_no",),
    "mentions": ("mention_no",),
    "responses": ("round_no", "respondent_no", "question_code"),
}


def read_channels(home: Path) -> Channels:
    names = [p for s in SOURCES for p in (home / "exchange" / s).glob("*") if p.suffix != ".log"]
    files = [read_sent(path) for path in names]
    files.sort(key=lambda f: (f.log["business_date"], f.log["sent_at"]))
    mails = [
        email.message_from_bytes(path.read_bytes(), _class=EmailMessage, policy=policy.default)
        for path in sorted((home / "exchange/mail").glob("*.eml"))
    ]
    found = Channels(files, mails)
    for file in _landed(files):
        rows = found.rows.setdefault(file.log["stream"], {})
        for row in file.rows:
            rows[tuple(row[name] for name in KEYS[file.log["stream"]])] = row
    found.matters = [*_letter_matters(found), *_wechat(found), *_chat(found), *_threads(mails)]
    found.matters += _franchise(home)
    return found


def _landed(files: list[Sent]) -> list[Sent]:
    """Files that agree with their logs; a number used for another day before is refused, the same
    number of the same day replaces."""
    taken: dict[tuple[str, ...], Sent] = {}
    numbers: dict[tuple[str, ...], str] = {}
    for file in files:
        if not file.agrees():
            continue
        place = (file.log["source"], file.log["stream"], file.log["branch"],
                 str(file.log["sequence"]))  # fmt: skip
        if numbers.setdefault(place, file.log["business_date"]) == file.log["business_date"]:
            taken[place] = file
    return list(taken.values())


def _local(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z").astimezone(LOCAL).replace(tzinfo=None)


def _letter_matters(found: Channels) -> Iterator[Matter]:
    for row in found.rows["letters"].values():
        matter = Matter("letters", row["来信编号"],
                        datetime.combine(row["收到日期"], datetime.min.time()),
                        KIND_WORDS[row["类型"]], row["归属单位"])  # fmt: skip
        if row["答复日期"]:
            at = datetime.combine(row["答复日期"], datetime.min.time())
            matter.steps.append(Step(at, "JJ", "handler"))
        yield matter


def _wechat(found: Channels) -> Iterator[Matter]:
    matters = {
        row["submission_no"]: Matter("wechat", row["submission_no"], _local(row["submitted_at"]),
                                     row["kind_code"], row["unit_code"])
        for row in found.rows["submissions"].values()
    }  # fmt: skip
    for row in found.rows["replies"].values():
        automatic = row["reply_code"] == "HF" and row["actor_no"] is None
        role = "reporter" if row["reply_code"] == "MY" else "system" if automatic else "handler"
        matters[row["submission_no"]].steps.append(
            Step(_local(row["replied_at"]), row["reply_code"], role, automatic)
        )
    yield from matters.values()


def _chat(found: Channels) -> Iterator[Matter]:
    matters: dict[str, Matter] = {}
    for row in found.rows["messages"].values():
        at, number = _local(row["sent_at"]), row["session_no"]
        if number not in matters:
            assert row["sender_role"] == "customer"
            matters[number] = Matter("chat", number, at, "ZX", row["unit_code"])
            continue
        role = {"customer": "reporter", "robot": "system", "agent": "agent"}[row["sender_role"]]
        code = "XX" if role == "reporter" else "HF"
        steps = matters[number].steps
        steps.append(Step(at, code, role, role == "system"))
        if row["is_last"]:
            steps += [Step(at, "JJ", "agent"), Step(at, "BJ", "system", True)]
    yield from matters.values()


def _franchise(home: Path) -> Iterator[Matter]:
    """The last word of the packets about each case."""
    rows: dict[str, Row] = {}
    for path in sorted((home / "simulator/franchise").glob("feedback-????????.json")):
        params = json.loads(path.read_text(encoding="utf-8"))["params"]
        assert params["rows"] == len(params["records"]) > 0
        rows |= {row["case_no"]: row for row in params["records"]}
    codes = {"complaint": "TS", "inquiry": "ZX", "suggestion": "JY", "praise": "BY"}
    steps = {"replied_at": "HF", "resolved_at": "JJ", "closed_at": "BJ"}
    for row in rows.values():
        matter = Matter("partner_feedback", row["case_no"],
                        datetime.fromisoformat(row["created_at"]),
                        codes[row["kind_code"]], row["unit_code"])  # fmt: skip
        matter.steps += [
            Step(datetime.fromisoformat(row[name]), code, "agent")
            for name, code in steps.items()
            if name in row
        ]
        yield matter


def _threads(mails: list[EmailMessage]) -> Iterator[Matter]:
    matters: dict[str, Matter] = {}
    for mail in sorted(mails, key=received):
        if mail["Auto-Submitted"]:
            continue
        own = mail["Message-ID"].strip("<>")
        thread = mail["References"].split()[0].strip("<>") if mail["References"] else own
        if thread not in matters:
            word = str(mail["Subject"])[:2]
            kind = KIND_WORDS.get(word, "ZX" if "咨询" in str(mail["Subject"]) else "YJ")
            matters[thread] = Matter("mail", thread, received(mail), kind, "SC")
            continue
        ours = mail["From"].addresses[0].addr_spec == "feedback@sc.example"
        code = "XX" if not ours else "JJ" if "办结" in str(mail["Subject"]) else "HF"
        matters[thread].steps.append(Step(received(mail), code, "agent" if ours else "reporter"))
    yield from matters.values()


def received(mail: EmailMessage) -> datetime:
    """The local time of arrival, from the header of our own mail system."""
    moment = parsedate_to_datetime(str(mail["Received"]).rpartition(";")[2])
    return moment.astimezone(LOCAL).replace(tzinfo=None)


def body_of(mail: EmailMessage) -> str:
    """The text of a mail."""
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def tenths(text: str) -> Decimal | None:
    return Decimal(text.replace(",", ".")) if text else None
