"""Which files the source systems send, and what is wrong with some of them."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial
from itertools import groupby
from pathlib import Path
from typing import Any

from . import channel_contents as channels
from . import contents
from .accounts import VANISH_DAY, vanished
from .calls import BRANCHES, SILENT_BRANCH, SILENT_FROM
from .chats import LYING_DAY, LYING_ROWS
from .days import compact, day_of, iso
from .defects import DUPLICATE_DAY, MALFORMED_DAY, MISSING_LOG_DAY, WRONG_SUM_DAY, Plan
from .letters import REWIND_DAY
from .mails import mail_bytes, mail_name
from .mentions import CORRECTED_DAY
from .schedule import GAP_DAY, Slot, slots_of
from .sending import Content, Parcel, replace_file, send, was_taken
from .surveys import CHANGED_ROUND
from .world import Progress, World

Maker = Callable[..., Content]
# source, stream, how its files end, what makes their content, whether that needs the plan
_STREAMS: tuple[tuple[str, str, str, Maker, bool], ...] = (
    ("billing", "bills", "txt", contents.bills, False),
    ("billing", "payments", "txt", contents.payments, True),
    ("billing", "accounts", "txt", contents.whole_accounts, False),
    ("hotline", "cases", "txt", contents.cases, False),
    ("hotline", "events", "txt", contents.events, True),
    ("cdr", "usage", "txt", contents.usage, False),
    ("letters", "letters", "xlsx", channels.letter_book, False),
    ("wechat", "submissions", "jsonl", channels.wechat_submissions, False),
    ("wechat", "replies", "jsonl", channels.wechat_replies, False),
    ("chat", "messages", "jsonl", channels.chat_messages, False),
    ("monitoring", "mentions", "gz", channels.found_mentions, False),
    ("survey", "responses", "zip", channels.survey_answers, False),
)


def file_name(stream: str, slot: Slot, ending: str = "txt") -> str:
    """The name of a delivery."""
    return f"{stream}_{compact(slot.business_day)}_{slot.sequence:04d}.{ending}"


def parcels(world: World, plan: Plan) -> list[Parcel]:
    """All files up to the world's day, stream by stream; those with a defect are made once."""
    return [
        replace(p, make=cache(p.make)) if p.code is not None else p for p in _parcels(world, plan)
    ]


def _parcels(world: World, plan: Plan) -> Iterator[Parcel]:
    for source, stream, ending, maker, needs_plan in _STREAMS:
        for slot in slots_of(source, stream, world.through):
            given = {"plan": plan} if needs_plan else {}
            make = partial(maker, world, slot, **given)
            parcel = Parcel(source, stream, file_name(stream, slot, ending), slot, make)
            yield from _with_defects(world, parcel)
    for number, branch in enumerate(BRANCHES):
        for slot in slots_of("call_centre", "calls", world.through):
            silent = number == SILENT_BRANCH and slot.business_day >= SILENT_FROM
            if not silent:
                yield Parcel(
                    "call_centre",
                    "calls",
                    f"calls_{branch}_{compact(slot.business_day)}_{slot.sequence:04d}.dat",
                    slot,
                    partial(channels.calls, world, slot, number, plan),
                    branch=branch,
                    code="malformed_row" if _is_malformed(slot) and number == 0 else None,
                )


def _is_malformed(slot: Slot) -> bool:
    return slot.business_day == MALFORMED_DAY


def _with_defects(world: World, parcel: Parcel) -> Iterator[Parcel]:
    """The file as it is sent, and what is sent beside it."""
    stream, slot = parcel.stream, parcel.slot
    day = slot.business_day

    def marked(code: str, **more: Any) -> Parcel:
        return replace(parcel, code=code, **more)

    if stream in ("payments", "events") and _is_malformed(slot):
        yield marked("malformed_row")
    elif stream == "usage" and day == WRONG_SUM_DAY:
        yield marked("wrong_sum")
    elif stream == "usage" and day == MISSING_LOG_DAY:
        yield marked("missing_log", has_log=False)
    elif stream == "accounts" and day == VANISH_DAY:
        yield marked("deletion", records=vanished(world.customers))
    elif parcel.source == "chat" and day == LYING_DAY:
        yield marked("lying_log", rows_too_many=LYING_ROWS)
    elif stream == "replies" and day == GAP_DAY:
        yield marked("sequence_gap", records=(str(slot.sequence - 1),))
    elif parcel.source == "survey" and slot.sequence == CHANGED_ROUND:
        later = partial(channels.survey_answers, world, slot, changed=True)
        yield marked("changed_file", later=later)
    else:
        yield parcel
    if stream == "payments" and day == DUPLICATE_DAY:
        again = parcel.name.replace(".txt", "_R.txt")
        yield marked("duplicate_batch", name=again, original=parcel.name, delay_minutes=55)
    if stream == "mentions" and day == CORRECTED_DAY:
        again = parcel.name.replace(".gz", "_C.gz")
        make = partial(channels.found_mentions, world, slot, corrected=True)
        yield marked(
            "late_correction", name=again, original=parcel.name, make=make, delay_minutes=600
        )
    if stream == "letters" and day == REWIND_DAY:
        # The letter room sends its whole book, with the number of the day before.
        book = Slot(0, day, slot.sequence - 1)
        yield marked(
            "sequence_rewind",
            name=file_name(stream, book, "xlsx"),
            slot=book,
            make=partial(channels.letter_book, world, book),
            delay_minutes=20,
        )


def deliver_files(
    home: Path, world: World, files: list[Parcel], after: int, progress: Progress
) -> None:
    """Sends the deliveries of business days in (after, world.through]."""
    for name, own in groupby(files, key=lambda p: f"{p.source}.{p.stream}"):
        new = [p for p in own if p.slot.business_day > after]
        sent = sum(send(home / "exchange" / p.source, p) for p in new)
        progress(f"{name}: {sent} files sent")
    progress(f"mail: {_deliver_mails(home / 'exchange' / 'mail', world, after)} mails")


def _deliver_mails(folder: Path, world: World, after: int) -> int:
    """Puts the mails that arrived after a day; a mail system writes no log."""
    count = 0
    taken = (folder / "archive").is_dir()
    for mail in (m for thread in world.threads for m in thread.mails):
        if not after < mail.day <= world.through:
            continue
        path = folder / mail_name(mail)
        if not path.exists() and not (taken and was_taken(folder, path.name)):
            replace_file(path, mail_bytes(mail))
            count += 1
    return count


def defect_list(world: World, files: list[Parcel]) -> list[dict[str, Any]]:
    """The planted defects with code, source, stream, branch, file and records.

    A silent branch has no file, a gap the file after it, a deletion in a table the table.
    """
    found = []
    for parcel in files:
        if parcel.code is None:
            continue
        content = parcel.make()
        records: list[Any] = [*content.spoiled, *parcel.records]
        defect: dict[str, Any] = {
            "code": parcel.code,
            "source": parcel.source,
            "stream": parcel.stream,
            "branch": parcel.branch,
            "batch": parcel.name,
            "business_date": day_of(parcel.slot.business_day).isoformat(),
            "rows": content.rows,
            "records": records,
        }
        if parcel.original is not None:
            defect["original"] = parcel.original
        found.append(defect)
    return [*found, *_without_file(world)]


def _without_file(world: World) -> Iterator[dict[str, Any]]:
    struck = [
        (seq, day, row)
        for seq, (day, op, row) in enumerate(world.buyer_changes, start=1)
        if op == "D"
    ]
    yield {
        "code": "deletion",
        "source": "hall",
        "stream": "buyers",
        "branch": "main",
        "batch": "ifc_buyers",
        "business_date": iso(max(day for _, day, _ in struck)),
        "rows": len(struck),
        "records": [str(row[0]) for _, _, row in struck],
    }
    yield {
        "code": "silent_branch",
        "source": "call_centre",
        "stream": "calls",
        "branch": BRANCHES[SILENT_BRANCH],
        "batch": None,
        "business_date": iso(SILENT_FROM),
        "rows": 0,
        "records": [],
    }
