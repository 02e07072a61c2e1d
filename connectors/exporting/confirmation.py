"""Confirmations of our exports: the partner's read log or flags against what we delivered."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from connectors.databases.database import open_database
from connectors.databases.outbound_tables import OutboundFlags, outbound_flags
from connectors.errors import ConnectorError
from connectors.exporting.declaration import ExportDeclaration
from connectors.exporting.ledger import ANNOUNCED, AWAITED, UNDELIVERED, ExportLedger
from connectors.exporting.told import Told, counted, noted, was
from connectors.files.exchange import READ_LOG
from connectors.ledger import Ledger
from connectors.ledger_rows import Export
from connectors.places.place import Place, Secret, open_place
from connectors.scrubbing import scrub

_LARGEST_LOG = 1024 * 1024
_LONGEST_REASON = 500
_NO_ROWS = Told(
    "接口表里没有写入行，没有可标记的", "the table got no rows, so there is nothing to mark"
)
_RESULTS = {"ok", "partial", "refused"}
_LATE = {
    "files": ("missing_read_log", Told("到 {at} 没有读取日志", "no read log has come by {at}")),
    "table": ("unread_rows", Told("到 {at} 没有读完全部行", "not every row was read by {at}")),
    "service": ("unfetched_delivery", Told("到 {at} 没有确认", "it was not confirmed by {at}")),
}


@dataclass(frozen=True)
class Answer:
    """What a partner says about an export; None is what it does not say.

    `failed` is how many rows it marked as errors, `reason` is in its own words.
    """

    result: str
    rows: int | None
    sums: Mapping[str, str]
    sha256: str | None
    reason: str | None
    failed: int = 0


@dataclass(frozen=True)
class Verdict:
    """What an answer makes of an export: its status, with a code and reason unless confirmed.

    A reason of ours is in both languages (`in_language`).
    """

    status: str
    code: str | None
    reason: str | None


def judge(made: Export, answer: Answer) -> Verdict:
    """Compare an answer with what was delivered; every difference is named.

    What a partner writes is free text: it is scrubbed and shortened here, whatever way it came.
    """
    words = _shown(answer.reason or "")
    said = _not_accepted(answer.failed, words) if answer.failed else Told.words(words)
    if answer.result == "refused":
        unsaid = Told("对方没有说明理由", "the partner gives no reason")
        return Verdict("refused", "export_refused", noted([said if said.en else unsaid]))
    wrong = []
    if answer.rows is not None and answer.rows != made.rows:
        wrong.append(
            Told(
                f"对方读到 {answer.rows} 行，送出的是 {made.rows} 行",
                f"{counted(answer.rows, 'row')} {was(answer.rows)} read, {made.rows} "
                f"{was(made.rows)} delivered",
            )
        )
    if answer.sha256 is not None and answer.sha256.lower() != made.sha256:
        wrong.append(Told("SHA-256 是另一个文件的", "the SHA-256 is that of another file"))
    for name, delivered in made.sums.items():
        read = answer.sums.get(name)
        if read is not None and not _equal(read, delivered):
            wrong.append(
                Told(
                    f"{name} 的合计是 {_number(read)}，送出的是 {delivered}",
                    f"the sum of {name} is {_number(read)}, {delivered} was delivered",
                )
            )
    if answer.result == "partial":
        part = Told("对方只装入了一部分", "only a part was loaded")
        wrong.append(said if said.en else part)
    if wrong:
        return Verdict("disagrees", "read_log_disagrees", noted(wrong))
    if made.interface == "table" and not made.rows:
        return Verdict("confirmed", None, noted([_NO_ROWS]))
    return Verdict("confirmed", None, words or None)


def _not_accepted(failed: int, words: str) -> Told:
    reasons = Told(f"：{words}", f": {words}") if words else Told.words("")
    return Told(
        f"{failed} 行未被接受{reasons.zh}",
        f"{counted(failed, 'row')} {was(failed)} not accepted{reasons.en}",
    )


def _equal(one: str, other: str) -> bool:
    try:
        return Decimal(one) == Decimal(other)
    except InvalidOperation:
        return False


def parse_answer(raw: bytes) -> Answer | None:
    """Read a partner's read log; None when it is none that can be understood."""
    try:
        given = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(given, dict) or given.get("result") not in _RESULTS:
        return None
    rows = given.get("rows_read")
    sums = given.get("sums") or {}
    if isinstance(rows, bool) or not isinstance(rows, int) or not isinstance(sums, dict):
        return None
    sha256, reason = given.get("sha256"), given.get("reason")
    return Answer(
        result=str(given["result"]),
        rows=rows,
        sums={str(name): str(value) for name, value in sums.items()},
        sha256=sha256 if isinstance(sha256, str) else None,
        reason=reason if isinstance(reason, str) else None,
    )


def _shown(text: str) -> str:
    """A partner's words as they may stand in a listing: without personal values, on one line."""
    plain = "".join(one if one.isprintable() else " " for one in text[: 4 * _LONGEST_REASON])
    return scrub(plain).strip()[:_LONGEST_REASON]


def _number(text: str) -> str:
    """A partner's number as it wrote it; what is none is free text."""
    try:
        return format(Decimal(text), "f")[:40]
    except InvalidOperation:
        return _shown(text)[:40]


def settle(ledger: Ledger, made: Export, answer: Answer, *, now: datetime) -> Export | None:
    """Note a partner's answer and what it means, all in one step; late events of it are settled.

    None for an export that awaits no answer any more: another one was quicker, or it was replaced.
    """
    verdict = judge(made, answer)
    with ledger.rows.writing():
        settled = ExportLedger(ledger.rows).settle(
            made.export_id, verdict.status, code=verdict.code, reason=verdict.reason, now=now
        )
        if settled is not None and verdict.code is not None:
            _note(ledger, made, verdict.code, verdict.reason or "", now=now)
    return settled


def watch_exports(
    declarations: Mapping[str, ExportDeclaration],
    ledger: Ledger,
    *,
    home: Path,
    now: datetime,
    secret: Secret,
    failed: Callable[[ConnectorError | OSError], None],
) -> Iterator[Export]:
    """Look for the answers to all delivered exports; yield those that were settled.

    What is past its time becomes an exchange event, once: an export without an answer, also one
    whose declaration is gone, and one that could not be brought to its partner. A place that cannot
    be read leaves its exports waiting and is told to `failed`; the others go on.
    """
    exports = ExportLedger(ledger.rows)
    awaited: dict[str, list[Export]] = {}
    for made in exports.exports(status=AWAITED):
        awaited.setdefault(made.export, []).append(made)
    for name, waiting in awaited.items():
        answers: dict[str, Answer | None] = {}
        if name in declarations:
            try:
                answers.update(_answers(declarations[name], waiting, home, secret))
            except (ConnectorError, OSError) as error:
                failed(error)
        for made in waiting:
            answer = answers.get(made.export_id)
            if isinstance(answer, Answer):
                settled = settle(ledger, made, answer, now=now)
                if settled is not None:
                    yield settled
                continue
            if made.export_id in answers:
                detail = Told(
                    f"{made.place} 的读取日志看不懂",
                    f"the read log of {made.place} cannot be understood",
                )
                _note(ledger, made, "unreadable_read_log", noted([detail]), now=now)
            if now > made.due_at:
                code, what = _LATE[made.interface]
                _note(ledger, made, code, _by(what, made.due_at), now=now)
    for made in exports.exports(status=ANNOUNCED):
        if now > made.due_at:
            unbrought = Told("到 {at} 没能送达", "it could not be brought to the partner by {at}")
            _note(ledger, made, UNDELIVERED, _by(unbrought, made.due_at), now=now)


def _by(what: Told, due_at: datetime) -> str:
    at = f"{due_at:%Y-%m-%d %H:%M} UTC"
    return noted([Told(what.zh.format(at=at), what.en.format(at=at))])


def _answers(
    declaration: ExportDeclaration, awaited: list[Export], home: Path, secret: Secret
) -> Iterator[tuple[str, Answer | None]]:
    interface = declaration.interface
    if interface.type == "files":
        with open_place(
            interface.location, home, secret=secret, owner=declaration.partner
        ) as place:
            for made in awaited:
                yield from _read_log(place, made)
    elif interface.type == "table":
        engine = open_database(interface.location, home, secret=secret, owner=declaration.partner)
        try:
            for made in awaited:
                flags = outbound_flags(engine, str(interface.table), made.export_id)
                yield from _flags(made, flags)
        finally:
            engine.dispose()


def _read_log(place: Place, made: Export) -> Iterator[tuple[str, Answer | None]]:
    name = f"{made.place}{READ_LOG}"
    if place.exists(name):
        yield made.export_id, parse_answer(place.read(name, _LARGEST_LOG))


def _flags(made: Export, flags: OutboundFlags) -> Iterator[tuple[str, Answer]]:
    """The partner's flags as an answer, once every row is done or an error.

    Of no rows nothing can be marked: that there were none is the answer.
    """
    if flags.done + flags.failed < made.rows:
        return
    if not made.rows:
        yield made.export_id, Answer("ok", 0, {}, None, None)
        return
    reasons = "; ".join(sorted({_shown(text) for text in flags.errors.values() if text})[:5])
    result = "ok" if not flags.failed else "refused" if not flags.done else "partial"
    read = flags.done + flags.failed
    yield made.export_id, Answer(result, read, {}, None, reasons, failed=flags.failed)


def _note(ledger: Ledger, made: Export, code: str, detail: str, *, now: datetime) -> None:
    ledger.note_event(
        code,
        source=made.partner,
        stream=made.export,
        business_date=made.business_date,
        batch_id=made.export_id,
        file=made.place,
        detail=detail,
        now=now,
    )
