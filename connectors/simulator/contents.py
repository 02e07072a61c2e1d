"""What stands in the files of billing, the hotline and the collection of usage records."""

import csv
import io
from collections.abc import Iterable
from typing import Any

from .accounts import ACCOUNT_COLUMNS, account_rows, accounts
from .billing import BILL_COLUMNS, PAYMENT_COLUMNS, bill_lines, payment_lines
from .days import DAY_S, instant_text
from .defects import WRONG_SUM_DAY, Plan, span, spoil_event, spoil_payment, spoiled
from .hotline import CASE_COLUMNS, EVENT_COLUMNS
from .sales import money
from .schedule import Slot
from .sending import Content
from .usage import USAGE_COLUMNS, usage_lines
from .world import World


def joined(header: Iterable[str], lines: list[str], delimiter: str) -> str:
    """Lines under their header, each ended."""
    return "\n".join([delimiter.join(header), *lines]) + "\n"


def bills(world: World, slot: Slot) -> Content:
    """Bills of a delivery."""
    begin, end = span(world.bills.day, slot.covers_from, slot.business_day)
    lines = bill_lines(world.bills, world.customers, begin, end)
    total = money(int(world.bills.amount[begin:end].sum()))
    text = joined(BILL_COLUMNS, lines, "|")
    return Content(text.encode("gb18030"), len(lines), {"amount": total})


def payments(world: World, slot: Slot, plan: Plan) -> Content:
    """Payments of a delivery, some of them malformed."""
    own = world.payments
    begin, end = span(own.day, slot.covers_from, slot.business_day)
    lines = payment_lines(own, world.bills, world.customers, begin, end)
    cents = int(own.amount[begin:end].sum())
    marked = []
    for index, fault in sorted(plan.payments.items()):
        if begin <= index < end:
            fields = lines[index - begin].split("|")
            lines[index - begin] = "|".join(spoil_payment(fields, fault))
            cents -= int(own.amount[index])
            marked.append(spoiled("payments", index - begin + 1, fault))
    text = joined(PAYMENT_COLUMNS, lines, "|")
    return Content(text.encode("gb18030"), len(lines), {"amount": money(cents)}, marked)


def whole_accounts(world: World, slot: Slot) -> Content:
    """All accounts as they stand at the end of a delivery's day."""
    rows = account_rows(world.customers, accounts(world.customers), slot.business_day)
    text = joined(ACCOUNT_COLUMNS, ["|".join(row) for row in rows], "|")
    return Content(text.encode("gb18030"), len(rows))


def _quoted(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> bytes:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue().encode()


def cases(world: World, slot: Slot) -> Content:
    """Cases of the hotline created in a delivery."""
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


def events(world: World, slot: Slot, plan: Plan) -> Content:
    """Events of the hotline's cases, some of them malformed."""
    rows: list[list[Any]] = []
    marked = []
    for e in world.events:
        if not slot.covers_from <= e.at // DAY_S <= slot.business_day:
            continue
        row = [
            e.event_no, e.case_no, e.code, instant_text(e.at), e.actor_no, e.role,
            int(e.automatic), e.holder, e.status, e.score or "", e.content, e.priority, e.partner,
            e.other_case, instant_text(e.limit) if e.limit else "", e.kind, e.category, e.holder_no,
        ]  # fmt: skip
        fault = plan.events.get(e.event_no)
        if fault is not None:
            row = spoil_event(row, fault)
            marked.append(spoiled("events", len(rows) + 1, fault))
        rows.append(row)
    return Content(_quoted(EVENT_COLUMNS, rows), len(rows), spoiled=marked)


def usage(world: World, slot: Slot) -> Content:
    """Usage records of a delivery; the log of one states a wrong sum."""
    begin, end = span(world.usage.day, slot.covers_from, slot.business_day)
    lines = usage_lines(world.usage, world.customers, begin, end)
    cents = int(world.usage.charge[begin:end].sum())
    if slot.business_day == WRONG_SUM_DAY:
        cents += 1_234
    text = joined(USAGE_COLUMNS, lines, ",")
    return Content(text.encode(), len(lines), {"charge": money(cents)})
