"""What stands in the files of the call centre, the channels, the surveys and the monitoring."""

import codecs
import gzip
import io
import re
import zipfile
from datetime import datetime

import numpy as np

from . import calls as call_centre
from . import chats, letters, mentions, surveys, wechat
from .contents import joined
from .defects import Plan, spoil_call, spoiled
from .schedule import Slot
from .sending import Content
from .world import World

# All packed files carry one date, so that the same content gives the same bytes.
_PACKED_AT = (2026, 1, 1, 0, 0, 0)


def calls(world: World, slot: Slot, branch: int, plan: Plan) -> Content:
    """Calls of one site in a delivery, as records of fixed width."""
    own = world.calls
    begin, end = (
        int(np.searchsorted(own.day, slot.covers_from, side="left")),
        int(np.searchsorted(own.day, slot.business_day, side="right")),
    )
    index = begin + np.flatnonzero(own.branch[begin:end] == branch)
    lines = call_centre.call_lines(
        own, world.customers, world.staff, world.cases, world.seed, index
    )
    marked = []
    for place, fault in sorted(plan.calls.items()):
        found = int(np.searchsorted(index, place))
        if found < len(index) and index[found] == place:
            lines[found] = spoil_call(lines[found], fault)
            marked.append(spoiled("calls", found + 1, fault, header=False))
    text = "".join(f"{line}\n" for line in lines)
    talked = str(int(own.talked[index].sum()))
    return Content(text.encode("gb18030"), len(lines), {"talked_seconds": talked}, marked)


def wechat_submissions(world: World, slot: Slot) -> Content:
    """Submissions of a delivery."""
    return _json_lines(
        wechat.submission_lines(
            world.submissions, world.customers, slot.covers_from, slot.business_day
        )
    )


def wechat_replies(world: World, slot: Slot) -> Content:
    """Replies of a delivery."""
    return _json_lines(wechat.reply_lines(world.submissions, slot.covers_from, slot.business_day))


def chat_messages(world: World, slot: Slot) -> Content:
    """Messages of a delivery."""
    return _json_lines(
        chats.message_lines(world.sessions, world.customers, slot.covers_from, slot.business_day)
    )


def letter_book(world: World, slot: Slot) -> Content:
    """The workbook of letters registered or answered in a delivery."""
    chosen = letters.delivered(world.letters, slot.covers_from, slot.business_day)
    rows = letters.letter_rows(chosen, world.customers, slot.business_day)
    return Content(_workbook(letters.SHEET, [list(letters.LETTER_COLUMNS), *rows]), len(rows))


def found_mentions(world: World, slot: Slot, *, corrected: bool = False) -> Content:
    """Mentions of a delivery, or those of the delivery that corrects it."""
    chosen = mentions.delivered(world.mentions, slot.covers_from, slot.business_day)
    rows = mentions.mention_rows(mentions.corrected(chosen) if corrected else chosen)
    text = joined(mentions.MENTION_COLUMNS, ["|+|".join(row) for row in rows], "|+|")
    data = codecs.BOM_UTF16_LE + text.encode("utf-16-le")
    return Content(gzip.compress(data, mtime=0), len(rows))


def survey_answers(world: World, slot: Slot, *, changed: bool = False) -> Content:
    """Answers of the round that ends with a delivery; changed ones lack the last respondent."""
    chosen = [a for a in world.answers if a.round_no == slot.sequence]
    if changed:
        chosen = [a for a in chosen if a.respondent < chosen[-1].respondent]
    rows = surveys.answer_rows(chosen, world.customers)
    text = joined(surveys.SURVEY_COLUMNS, ["\t".join(row) for row in rows], "\t")
    tenths = sum(a.tenths or 0 for a in chosen)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        _add(archive, f"responses_{slot.sequence:02d}.txt", text.encode())
    return Content(buffer.getvalue(), len(rows), {"score": f"{tenths // 10}.{tenths % 10}"})


def _json_lines(lines: list[str]) -> Content:
    return Content("".join(f"{line}\n" for line in lines).encode(), len(lines))


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(name, _PACKED_AT)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, data)


def _workbook(sheet: str, rows: list[list[object]]) -> bytes:
    """A workbook of one sheet, without the moment of its writing."""
    # Importing it takes longer than most deliveries, and few need it.
    from openpyxl import Workbook  # type: ignore[import-untyped]

    book = Workbook(write_only=True)
    page = book.create_sheet(sheet)
    for row in rows:
        page.append(row)
    written = io.BytesIO()
    book.properties.created = datetime(*_PACKED_AT)  # noqa: DTZ001
    book.save(written)
    moment = f"{book.properties.created:%Y-%m-%dT%H:%M:%SZ}"
    buffer = io.BytesIO()
    with zipfile.ZipFile(written) as source, zipfile.ZipFile(buffer, "w") as archive:
        for name in source.namelist():
            data = source.read(name)
            if name == "docProps/core.xml":
                data = re.sub(rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>" + moment.encode(), data)
            _add(archive, name, data)
    return buffer.getvalue()
