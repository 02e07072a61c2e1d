"""Files with send logs, as the partners' systems write them into `exchange/<partner>`."""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .billing import BILL_COLUMNS, PAYMENT_COLUMNS, bill_lines, payment_lines
from .days import DAY_S, OFFSET, compact, day_of, instant_text, iso
from .defects import (
    COLUMN_OF_FAULT,
    DUPLICATE_DAY,
    MISSING_LOG_DAY,
    WRONG_SUM_DAY,
    Plan,
    span,
    spoil_event,
    spoil_payment,
)
from .hotline import CASE_COLUMNS, EVENT_COLUMNS
from .sales import money
from .schedule import Slot, slots_of
from .usage import USAGE_COLUMNS, usage_lines
from .world import Progress, World

STREAMS = (
    ("billing", "bills"),
    ("billing", "payments"),
    ("hotline", "cases"),
    ("hotline", "events"),
    ("cdr", "usage"),
)
# Minutes after midnight at which each stream is sent on the day after its business date.
_SENT_AT = {"bills": 320, "payments": 335, "cases": 305, "events": 310, "usage": 345}


@dataclass
class Content:
    """Data records of one delivery as text, its control sums, and the spoiled records."""

    text: str
    rows: int
    sums: dict[str, str] = field(default_factory=dict)
    spoiled: list[dict[str, Any]] = field(default_factory=list)


def replace_file(path: Path, content: bytes) -> None:
    """Writes under a temporary name beside the path, then renames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(content)
    temporary.replace(path)


def send(folder: Path, name: str, content: bytes, log: dict[str, Any] | None) -> bool:
    """Puts one file and, last, its log; False when it is already there or was taken."""
    path, log_path = folder / name, folder / f"{name}.send.log"
    if (folder / f"{name}.read.log").exists() or any((folder / "archive").rglob(name)):
        return False
    if path.exists() and (log is None or log_path.exists()):
        return False
    replace_file(path, content)
    if log is not None:
        text = json.dumps(log, ensure_ascii=False, indent=1) + "\n"
        replace_file(log_path, text.encode())
    return True


def send_log(
    name: str,
    source: str,
    stream: str,
    slot: Slot,
    content: Content,
    data: bytes,
    delay_minutes: int = 0,
) -> dict[str, Any]:
    """What the sender states about a file."""
    minutes = _SENT_AT[stream] + delay_minutes
    sent = instant_text((slot.business_day + 1) * DAY_S + minutes * 60).replace(" ", "T")
    return {
        "file": name,
        "source": source,
        "stream": stream,
        "branch": "main",
        "business_date": iso(slot.business_day),
        "covers_from": iso(slot.covers_from),
        "sequence": slot.sequence,
        "rows": content.rows,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "sums": content.sums,
        "sent_at": sent + OFFSET,
    }


def _joined(header: Iterable[str], lines: list[str], delimiter: str) -> str:
    return "\n".join([delimiter.join(header), *lines]) + "\n"


def _bills(world: World, plan: Plan, slot: Slot) -> Content:
    bills = world.bills
    begin, end = span(bills.day, slot.covers_from, slot.business_day)
    lines = bill_lines(bills, world.customers, begin, end)
    total = money(int(bills.amount[begin:end].sum()))
    return Content(_joined(BILL_COLUMNS, lines, "|"), len(lines), {"amount": total})


def _payments(world: World, plan: Plan, slot: Slot) -> Content:
    payments = world.payments
    begin, end = span(payments.day, slot.covers_from, slot.business_day)
    lines = payment_lines(payments, world.bills, world.customers, begin, end)
    cents = int(payments.amount[begin:end].sum())
    spoiled = []
    for index, fault in sorted(plan.payments.items()):
        if begin <= index < end:
            fields = lines[index - begin].split("|")
            lines[index - begin] = "|".join(spoil_payment(fields, fault))
            cents -= int(payments.amount[index])
            spoiled.append(_spoiled("payments", index - begin + 1, fault))
    text = _joined(PAYMENT_COLUMNS, lines, "|")
    return Content(text, len(lines), {"amount": money(cents)}, spoiled)


def _spoiled(stream: str, record_no: int, fault: str) -> dict[str, Any]:
    return {
        "record_no": record_no,
        "line": record_no + 1,
        "fault": fault,
        "column": COLUMN_OF_FAULT[stream][fault],
    }


def _quoted(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()


def _cases(world: World, plan: Plan, slot: Slot) -> Content:
    numbers = world.customers.numbers
    rows = [
        (
            c.case_no,
            instant_text(c.at),
            numbers[c.customer] if c.customer >= 0 else "",
            c.phone,
            c.kind,
            c.category,
            c.channel,
            c.unit_code,
            c.urgency,
            c.content,
        )
        for c in world.cases
        if slot.covers_from <= c.day <= slot.business_day
    ]
    return Content(_quoted(CASE_COLUMNS, rows), len(rows))


def _events(world: World, plan: Plan, slot: Slot) -> Content:
    rows: list[list[Any]] = []
    spoiled = []
    for e in world.events:
        if not slot.covers_from <= e.at // DAY_S <= slot.business_day:
            continue
        row = [
            e.event_no, e.case_no, e.code, instant_text(e.at), e.actor_no, e.role,
            int(e.automatic), e.holder, e.status, e.score or "", e.content,
        ]  # fmt: skip
        fault = plan.events.get(e.event_no)
        if fault is not None:
            row = spoil_event(row, fault)
            spoiled.append(_spoiled("events", len(rows) + 1, fault))
        rows.append(row)
    return Content(_quoted(EVENT_COLUMNS, rows), len(rows), spoiled=spoiled)


def _usage(world: World, plan: Plan, slot: Slot) -> Content:
    begin, end = span(world.usage.day, slot.covers_from, slot.business_day)
    lines = usage_lines(world.usage, world.customers, begin, end)
    cents = int(world.usage.charge[begin:end].sum())
    if slot.business_day == WRONG_SUM_DAY:
        cents += 1_234
    return Content(_joined(USAGE_COLUMNS, lines, ","), len(lines), {"charge": money(cents)})


_CONTENTS: dict[str, Callable[[World, Plan, Slot], Content]] = {
    "bills": _bills,
    "payments": _payments,
    "cases": _cases,
    "events": _events,
    "usage": _usage,
}


def deliver_files(home: Path, world: World, plan: Plan, after: int, progress: Progress) -> None:
    """Sends all deliveries of business days in (after, world.through]."""
    for source, stream in STREAMS:
        folder = home / "exchange" / source
        encoding = "gb18030" if source == "billing" else "utf-8"
        sent = 0
        for slot in slots_of(source, world.through):
            if slot.business_day <= after:
                continue
            content = _CONTENTS[stream](world, plan, slot)
            data = content.text.encode(encoding)
            name = file_name(stream, slot)
            log = send_log(name, source, stream, slot, content, data)
            unlogged = stream == "usage" and slot.business_day == MISSING_LOG_DAY
            sent += send(folder, name, data, None if unlogged else log)
            if stream == "payments" and slot.business_day == DUPLICATE_DAY:
                again = duplicate_name(slot)
                log = send_log(again, source, stream, slot, content, data, delay_minutes=55)
                sent += send(folder, again, data, log)
        progress(f"{source}.{stream}: {sent} files sent")


def file_name(stream: str, slot: Slot) -> str:
    """The name of a delivery."""
    return f"{stream}_{compact(slot.business_day)}_{slot.sequence:04d}.txt"


def duplicate_name(slot: Slot) -> str:
    """The name under which the payments are sent a second time."""
    return f"payments_{compact(slot.business_day)}_{slot.sequence:04d}_R.txt"


def defect_list(world: World, plan: Plan) -> list[dict[str, Any]]:
    """The planted defects with code, source, stream, file and records."""
    found: list[dict[str, Any]] = []

    def add(code: str, source: str, stream: str, slot: Slot, name: str, **more: Any) -> None:
        content = _CONTENTS[stream](world, plan, slot)
        found.append(
            {
                "code": code,
                "source": source,
                "stream": stream,
                "batch": name,
                "business_date": day_of(slot.business_day).isoformat(),
                "rows": content.rows,
                "records": content.spoiled,
                **more,
            }
        )

    for source, stream in STREAMS:
        for slot in slots_of(source, world.through):
            name = file_name(stream, slot)
            if stream == "usage" and slot.business_day == WRONG_SUM_DAY:
                add("wrong_sum", source, stream, slot, name)
            elif stream == "usage" and slot.business_day == MISSING_LOG_DAY:
                add("missing_log", source, stream, slot, name)
            elif stream == "payments" and slot.business_day == DUPLICATE_DAY:
                add("duplicate_batch", source, stream, slot, duplicate_name(slot), original=name)
            elif stream in COLUMN_OF_FAULT and iso(slot.business_day) == "2026-03-23":
                add("malformed_row", source, stream, slot, name)
    return found
