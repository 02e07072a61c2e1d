from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

import pytest

from connectors.errors import ExportMismatch, SourceUnreachable
from connectors.exporting.confirmation import Answer, settle, watch_exports
from connectors.exporting.declaration import ExportDeclaration
from connectors.exporting.desk import ExportDesk
from connectors.exporting.keeping import expire_contents
from connectors.exporting.ledger import ExportLedger
from connectors.exporting.making import Content, deliver_export, kept_path, make_export
from connectors.ledger import Ledger
from connectors.ledger_rows import Export
from connectors.places.place import no_secret
from tests.connectors.test_export import declared

DAY = date(2026, 3, 27)
NOW = datetime(2026, 3, 28, 1, 0, tzinfo=UTC)
ROWS = [{"unit": "SC01", "cases": 5}, {"unit": "SC02", "cases": 7}]


class Killed(BaseException):
    """Stands for a kill: no handler of the product catches it."""


@dataclass
class Exchange:
    home: Path
    ledger: Ledger
    failed: list[Exception] = field(default_factory=list)

    @property
    def exports(self) -> ExportLedger:
        return ExportLedger(self.ledger.rows)

    def make(self, declaration: ExportDeclaration, rows: Iterable | None = None) -> Export:
        content = Content(ROWS if rows is None else rows, DAY, "20260327-0001")
        return make_export(declaration, content, home=self.home, exports=self.exports, now=NOW)

    def deliver(
        self,
        declaration: ExportDeclaration,
        made: Export,
        at: Callable[[str], None] = lambda step: None,
    ) -> Export:
        return deliver_export(
            declaration,
            made,
            home=self.home,
            exports=self.exports,
            now=NOW,
            secret=no_secret,
            at=at,
        )

    def watch(self, declaration: ExportDeclaration, hours: float = 0) -> list[Export]:
        return list(
            watch_exports(
                {declaration.export: declaration},
                self.ledger,
                home=self.home,
                now=NOW + timedelta(hours=hours),
                secret=no_secret,
                failed=self.failed.append,
            )
        )

    def codes(self, *, unresolved: bool = False) -> list[str]:
        return [event.code for event in self.ledger.exchange_events(unresolved=unresolved)]


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    with Ledger(tmp_path / "ledger.db") as ledger:
        yield Exchange(tmp_path, ledger)


def by_table() -> ExportDeclaration:
    return declared(
        interface={"type": "table", "location": "sqlite:///partner.db", "table": "ifc_figures"},
        file=None,
    )


def read_log(exchange: Exchange, made: Export, **changes: object) -> None:
    """A partner's read log, counted by the test from the file itself."""
    path = exchange.home / "out" / made.place
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    body = {
        "file": made.place,
        "rows_read": len(lines),
        "sums": {"cases": str(sum(Decimal(line.split("|")[1]) for line in lines))},
        "sha256": sha256(path.read_bytes()).hexdigest(),
        "result": "ok",
    }
    path.with_name(f"{made.place}.read.log").write_text(json.dumps(body | changes))


def test_an_export_goes_out_as_a_file_with_a_send_log_that_agrees(exchange: Exchange) -> None:
    made = exchange.deliver(declared(), exchange.make(declared()))
    path = exchange.home / "out" / "figures_20260327_0001.txt"
    assert path.read_text(encoding="utf-8") == "unit|cases\nSC01|5\nSC02|7\n"
    log = json.loads(path.with_name(f"{path.name}.send.log").read_text(encoding="utf-8"))
    assert (log["rows"], log["bytes"], log["sums"]) == (2, path.stat().st_size, {"cases": "12"})
    assert log["sha256"] == sha256(path.read_bytes()).hexdigest() == made.sha256
    assert (log["source"], log["stream"], log["sequence"]) == ("huiyin", "figures", 1)
    assert made.status == "delivered" and made.due_at == NOW + timedelta(days=1)


def test_a_read_log_that_agrees_confirms_the_export(exchange: Exchange) -> None:
    made = exchange.deliver(declared(), exchange.make(declared()))
    assert exchange.watch(declared()) == []
    read_log(exchange, made)
    assert [one.status for one in exchange.watch(declared())] == ["confirmed"]
    assert exchange.watch(declared()) == [] and exchange.codes() == []


def test_a_missing_read_log_raises_one_event_and_a_late_one_settles_it(exchange: Exchange) -> None:
    made = exchange.deliver(declared(), exchange.make(declared()))
    for hours in (23, 25, 26):
        exchange.watch(declared(), hours)
    assert exchange.codes() == ["missing_read_log"]
    read_log(exchange, made)
    assert [one.status for one in exchange.watch(declared(), 27)] == ["confirmed"]
    assert exchange.codes(unresolved=True) == []


def test_a_read_log_that_disagrees_is_told(exchange: Exchange) -> None:
    made = exchange.deliver(declared(), exchange.make(declared()))
    read_log(exchange, made, rows_read=1)
    (settled,) = exchange.watch(declared())
    assert (settled.status, settled.code) == ("disagrees", "read_log_disagrees")
    assert exchange.codes() == ["read_log_disagrees"]


def test_a_read_log_that_is_none_is_told_and_waited_for(exchange: Exchange) -> None:
    made = exchange.deliver(declared(), exchange.make(declared()))
    path = exchange.home / "out" / f"{made.place}.read.log"
    path.write_bytes(b"\xff half a log")
    assert exchange.watch(declared()) == [] and exchange.codes() == ["unreadable_read_log"]
    read_log(exchange, made)
    assert [one.status for one in exchange.watch(declared())] == ["confirmed"]


@pytest.mark.parametrize("step", ["file", "send_log"])
def test_a_delivery_killed_at_any_step_is_taken_up_with_the_same_content(
    exchange: Exchange, step: str
) -> None:
    def die(at: str) -> None:
        if at == step:
            raise Killed

    made = exchange.make(declared())
    with pytest.raises(Killed):
        exchange.deliver(declared(), made, die)
    (announced,) = exchange.exports.exports(status="announced")
    exchange.deliver(declared(), announced)
    names = sorted(path.name for path in (exchange.home / "out").iterdir())
    assert names == ["figures_20260327_0001.txt", "figures_20260327_0001.txt.send.log"]
    assert [one.status for one in exchange.exports.exports()] == ["delivered"]


def test_a_table_gets_each_row_once_and_its_flags_confirm(exchange: Exchange) -> None:
    partner = sqlite3.connect(exchange.home / "partner.db", isolation_level=None)
    partner.execute("create table other (x)")
    made = exchange.make(by_table())
    for _ in range(2):
        exchange.deliver(by_table(), made)
    rows = partner.execute("select unit, cases, ifc_status, ifc_op from ifc_figures").fetchall()
    assert rows == [("SC01", 5, 0, "I"), ("SC02", 7, 0, "I")]
    partner.execute("update ifc_figures set ifc_status = 2 where unit = 'SC01'")
    assert exchange.watch(by_table()) == []
    partner.execute("update ifc_figures set ifc_status = 2")
    assert [one.status for one in exchange.watch(by_table())] == ["confirmed"]


def test_rows_that_a_partner_does_not_read_raise_an_event(exchange: Exchange) -> None:
    sqlite3.connect(exchange.home / "partner.db").execute("create table other (x)")
    exchange.deliver(by_table(), exchange.make(by_table()))
    exchange.watch(by_table(), 25)
    assert exchange.codes() == ["unread_rows"]


def test_rows_that_a_partner_marks_as_errors_are_told_with_its_reason(exchange: Exchange) -> None:
    partner = sqlite3.connect(exchange.home / "partner.db", isolation_level=None)
    partner.execute("create table other (x)")
    exchange.deliver(by_table(), exchange.make(by_table()))
    partner.execute("update ifc_figures set ifc_status = 2")
    partner.execute("update ifc_figures set ifc_status = 9, ifc_error = 'no' where unit = 'SC02'")
    (settled,) = exchange.watch(by_table())
    assert (settled.status, settled.code) == ("disagrees", "read_log_disagrees")
    assert settled.reason == "1 行未被接受：no\n1 row was not accepted: no"


def test_what_a_partner_writes_is_scrubbed_and_short_wherever_it_stands(
    exchange: Exchange,
) -> None:
    partner = sqlite3.connect(exchange.home / "partner.db", isolation_level=None)
    partner.execute("create table other (x)")
    exchange.deliver(by_table(), exchange.make(by_table()))
    partner.execute(
        "update ifc_figures set ifc_status = 9, ifc_error = '找 13912345678 \n' || ?", ["x" * 900]
    )
    told = exchange.watch(by_table())
    made = exchange.deliver(declared(), exchange.make(declared()))
    read_log(
        exchange,
        made,
        result="partial",
        reason="13912345678 says no",
        sums={"cases": "13912345678x"},
    )
    told += exchange.watch(declared())
    kept = [one.reason or "" for one in told]
    kept += [event.detail for event in exchange.ledger.exchange_events()]
    assert len(kept) == 4 and all("[phone]" in text for text in kept)
    assert max(len(line) for text in kept for line in text.split("\n")) == 500
    assert not any("13912345678" in text for text in kept)


def test_a_kill_while_an_answer_is_noted_loses_neither_the_answer_nor_its_event(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = exchange.deliver(declared(), exchange.make(declared()))
    read_log(exchange, made, rows_read=1)

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as dying, pytest.raises(Killed):
        dying.setattr(Ledger, "note_event", die)
        exchange.watch(declared())
    assert [one.status for one in exchange.exports.exports()] == ["delivered"]
    assert [one.status for one in exchange.watch(declared())] == ["disagrees"]
    assert exchange.codes(unresolved=True) == ["read_log_disagrees"]


def test_of_two_answers_only_the_first_counts(exchange: Exchange) -> None:
    made = exchange.deliver(declared(), exchange.make(declared()))
    refusal = Answer("refused", None, {}, None, "no")
    first = settle(exchange.ledger, made, Answer("ok", 2, {}, None, None), now=NOW)
    assert first is not None and first.status == "confirmed"
    assert settle(exchange.ledger, made, refusal, now=NOW) is None
    assert exchange.codes() == [] and exchange.exports.exports() == [first]


def test_an_answer_to_what_was_replaced_meanwhile_changes_nothing(exchange: Exchange) -> None:
    stale = exchange.deliver(declared(), exchange.make(declared()))
    exchange.make(declared())
    assert settle(exchange.ledger, stale, Answer("ok", 2, {}, None, None), now=NOW) is None
    assert exchange.deliver(declared(), replace(stale, status="announced")).status == "superseded"
    assert [one.status for one in exchange.exports.exports()] == ["superseded", "announced"]


def test_what_is_sent_again_closes_a_refused_attempt_and_its_events(exchange: Exchange) -> None:
    for result in ("refused", "partial"):
        made = exchange.deliver(declared(), exchange.make(declared()))
        read_log(exchange, made, result=result)
        exchange.watch(declared())
    assert exchange.codes(unresolved=True) == ["read_log_disagrees"]
    exchange.deliver(declared(), exchange.make(declared()))
    assert [one.status for one in exchange.exports.exports()] == [
        *("superseded", "superseded", "delivered"),
    ]
    assert exchange.codes(unresolved=True) == []


def test_one_partner_that_cannot_be_read_holds_up_no_other(exchange: Exchange) -> None:
    other = declared(
        export="others",
        partner="elsewhere",
        interface={"type": "table", "location": "sqlite:///partner.db", "table": "ifc_figures"},
        file=None,
    )
    partner = sqlite3.connect(exchange.home / "partner.db", isolation_level=None)
    partner.execute("create table other (x)")
    exchange.deliver(other, exchange.make(other))
    partner.execute("drop table ifc_figures")
    partner.execute("create table ifc_figures (x)")
    made = exchange.deliver(declared(), exchange.make(declared()))
    read_log(exchange, made)
    settled = list(
        watch_exports(
            {"others": other, "figures": declared()},
            exchange.ledger,
            home=exchange.home,
            now=NOW + timedelta(days=2),
            secret=no_secret,
            failed=exchange.failed.append,
        )
    )
    assert [(one.export, one.status) for one in settled] == [("figures", "confirmed")]
    assert len(exchange.failed) == 1 and exchange.codes() == ["unread_rows"]


def test_an_export_whose_declaration_is_gone_is_still_watched(exchange: Exchange) -> None:
    exchange.deliver(declared(), exchange.make(declared()))
    exchange.watch(by_table().model_copy(update={"export": "another"}), 25)
    assert exchange.codes() == ["missing_read_log"]


def test_what_cannot_be_brought_to_its_partner_is_told_and_settled_by_the_delivery(
    exchange: Exchange,
) -> None:
    made = exchange.make(declared())
    for hours in (23, 25, 26):
        exchange.watch(declared(), hours)
    assert exchange.codes() == ["undelivered_export"]
    exchange.deliver(declared(), made)
    assert exchange.codes(unresolved=True) == []


@pytest.mark.parametrize("taken", ["archived", "answered", "left"])
def test_a_file_that_a_partner_took_already_is_not_put_there_again(
    exchange: Exchange, taken: str
) -> None:
    def die(at: str) -> None:
        if at == "send_log":
            raise Killed

    made = exchange.make(declared())
    with pytest.raises(Killed):
        exchange.deliver(declared(), made, die)
    out = exchange.home / "out"
    log = out / f"{made.place}.send.log"
    if taken == "archived":
        (out / "archive").mkdir()
        log.rename(out / "archive" / log.name)
        (out / made.place).rename(out / "archive" / made.place)
    elif taken == "answered":
        read_log(exchange, made)
        log.unlink()
        (out / made.place).unlink()
    before = sorted(path.name for path in out.rglob("*"))
    assert exchange.deliver(declared(), made).status == "delivered"
    assert sorted(path.name for path in out.rglob("*")) == before


def test_a_table_that_got_no_rows_is_settled_with_that_as_the_reason(exchange: Exchange) -> None:
    sqlite3.connect(exchange.home / "partner.db").execute("create table other (x)")
    exchange.deliver(by_table(), exchange.make(by_table(), []))
    (settled,) = exchange.watch(by_table())
    assert settled.status == "confirmed" and "no rows" in (settled.reason or "")


def test_a_partner_out_of_reach_leaves_the_export_announced(exchange: Exchange) -> None:
    made = exchange.make(by_table())
    with pytest.raises(SourceUnreachable):
        exchange.deliver(by_table(), made)
    assert [one.status for one in exchange.exports.exports()] == ["announced"]


def test_an_export_made_again_replaces_the_one_that_nobody_answered(exchange: Exchange) -> None:
    exchange.deliver(declared(), exchange.make(declared()))
    again = exchange.make(declared(), [{"unit": "SC01", "cases": 6}])
    exchange.deliver(declared(), again)
    assert [(one.sequence, one.status) for one in exchange.exports.exports()] == [
        (1, "superseded"),
        (2, "delivered"),
    ]
    assert exchange.exports.latest("figures", DAY) == exchange.exports.export(again.export_id)


def test_rows_that_break_our_promise_are_not_written(exchange: Exchange) -> None:
    bad = [{"unit": "SC01", "cases": 5}, {"unit": "SC01", "cases": None}]
    with pytest.raises(ExportMismatch) as caught:
        exchange.make(declared(), bad)
    assert "column 'cases' has rows without a value" in str(caught.value)
    assert "1 row repeats the key" in str(caught.value)
    assert exchange.exports.exports() == []
    assert list((exchange.home / "exports" / "figures").iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("decimal(5,2)", Decimal("123.45"), "123.45"),
        ("decimal(5,2)", Decimal("-7.5000"), "-7.5"),
        ("decimal(5,2)", 0.25, "0.25"),
        ("decimal(2,2)", Decimal("0.05"), "0.05"),
        ("decimal(5,2)", Decimal("1.005"), "more than 2 decimal places"),
        ("decimal(5,2)", Decimal("1234.00"), "more than 3 digits before the point"),
        ("decimal(2,2)", 1, "more than 0 digits before the point"),
        ("decimal(5,2)", float("nan"), "other than a finite number"),
        ("decimal(5,2)", float("-inf"), "other than a finite number"),
        ("decimal(5,2)", "12x", "other than a number"),
        ("bigint", Decimal("5.0"), "5"),
        ("bigint", 2**63 - 1, "9223372036854775807"),
        ("bigint", 2**63, "beyond the numbers of this type"),
        ("integer", -(2**31), "-2147483648"),
        ("integer", 2**31, "beyond the numbers of this type"),
        ("integer", 1.5, "with decimal places"),
        ("integer", True, "other than a number"),
    ],
)
def test_a_number_goes_out_only_as_its_column_declares_it(
    exchange: Exchange, kind: str, value: object, text: str
) -> None:
    typed = declared(columns={"unit": {"type": "string"}, "cases": {"type": kind}})
    rows = [{"unit": "SC01", "cases": 0}, {"unit": "13912345678", "cases": value}]
    if text.lstrip("-")[0].isdigit():
        made = exchange.make(typed, rows)
        assert made.sums == {"cases": text}
        written = kept_path(exchange.home, "figures", made.place).read_text(encoding="utf-8")
        assert written == f"unit|cases\nSC01|0\n13912345678|{text}\n"
        return
    with pytest.raises(ExportMismatch) as caught:
        exchange.make(typed, rows)
    told = str(caught.value)
    assert f"column 'cases' of type {kind} has 1 value" in told and text in told
    assert "the first in row 2" in told and "13912345678" not in told and not caught.value.retryable
    assert exchange.exports.exports() == []
    assert list((exchange.home / "exports" / "figures").iterdir()) == []


def test_dates_truths_and_long_texts_go_out_only_as_declared(exchange: Exchange) -> None:
    typed = declared(
        key=["unit"],
        control={"sums": []},
        columns={
            "unit": {"type": "string", "length": 4},
            "day": {"type": "date", "format": "%Y%m%d"},
            "at": {"type": "timestamp"},
            "closed": {"type": "boolean"},
        },
    )
    at = datetime(2026, 3, 27, 8, 30)  # noqa: DTZ001
    good = {"unit": "SC01", "day": "20260327", "at": at, "closed": True}
    made = exchange.make(typed, [good, {**good, "unit": "SC02", "day": DAY}])
    written = kept_path(exchange.home, "figures", made.place).read_text(encoding="utf-8")
    assert written.splitlines()[1:] == [
        "SC01|20260327|2026-03-27 08:30:00|true",
        "SC02|20260327|2026-03-27 08:30:00|true",
    ]
    bad = {"unit": "SC001", "day": at, "at": "noon", "closed": 1}
    with pytest.raises(ExportMismatch) as caught:
        exchange.make(typed, [bad, {**bad, "day": "2026-03-27"}])
    for told in (
        "'unit' of type string has 2 values longer than 4 characters",
        "'day' of type date has 1 value with a time of day (the first in row 1)",
        "'day' of type date has 1 value other than a date (the first in row 2)",
        "'at' of type timestamp has 2 values other than a moment",
        "'closed' of type boolean has 2 values other than true and false",
    ):
        assert told in str(caught.value)


def test_what_a_kill_before_the_announcement_left_goes_with_the_next_of_its_number(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = exchange.make(declared())

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as dying, pytest.raises(Killed):
        dying.setattr(ExportLedger, "announce", die)
        exchange.make(declared())
    folder = exchange.home / "exports" / "figures"
    left = folder / "figures_20260327_0002.txt"
    assert left.exists()
    content = Content(ROWS, DAY + timedelta(days=1), "20260328-0001")
    second = make_export(declared(), content, home=exchange.home, exports=exchange.exports, now=NOW)
    assert sorted(path.name for path in folder.iterdir()) == [first.place, second.place]
    assert second.place == "figures_20260328_0002.txt"


def test_rows_are_written_while_they_come_and_half_a_file_is_never_kept(
    exchange: Exchange,
) -> None:
    folder = exchange.home / "exports" / "figures"
    folder.mkdir(parents=True)
    (folder / ".figures_20260326_0009.txt.part").write_text("left by a kill")
    written: list[int] = []

    def rows(count: int) -> Iterator[dict[str, object]]:
        for number in range(count):
            yield {"unit": f"SC{number:05d}", "cases": 1}
            if number % 10_000 == 9_999:
                written.extend(path.stat().st_size for path in folder.iterdir())

    def failing() -> Iterator[dict[str, object]]:
        yield from rows(20_000)
        raise Killed

    with pytest.raises(Killed):
        exchange.make(declared(), failing())
    assert written[0] > 50_000 and written[1] > written[0]
    assert list(folder.iterdir()) == [] and exchange.exports.exports() == []
    made = exchange.make(declared(), rows(20_000))
    assert (made.rows, made.sequence, made.sums) == (20_000, 1, {"cases": "20000"})
    assert [path.name for path in folder.iterdir()] == [made.place]


def test_a_trailer_says_what_was_counted_while_writing(exchange: Exchange) -> None:
    totalled = declared(
        file={"delimiter": "|", "trailer": {"mark": "END", "rows": 2, "sums": {"cases": 3}}}
    )
    made = exchange.make(totalled)
    text = kept_path(exchange.home, "figures", made.place).read_text(encoding="utf-8")
    assert text.splitlines()[-1] == "END|2|12"


def test_content_changed_behind_our_back_is_not_delivered(exchange: Exchange) -> None:
    made = exchange.make(declared())
    kept_path(exchange.home, "figures", made.place).write_text("unit|cases\nSC01|500\n")
    with pytest.raises(ExportMismatch, match="was changed"):
        exchange.deliver(declared(), made)
    assert not (exchange.home / "out").exists()


def test_the_content_of_an_export_goes_when_it_was_kept_long_enough_after_its_answer(
    exchange: Exchange,
) -> None:
    keeping = declared(keep="10 days")
    made = exchange.deliver(keeping, exchange.make(keeping))
    kept = kept_path(exchange.home, "figures", made.place)

    def expired(days: float, **changes: bool) -> list[Path]:
        now = NOW + timedelta(days=days)
        declarations = {"figures": keeping}
        return expire_contents(
            declarations, exchange.exports, home=exchange.home, now=now, **changes
        )

    # Without an answer the time runs from the day after the delivery, when it was due.
    assert expired(10.9) == [] and expired(11.1, dry_run=True) == [kept] and kept.exists()
    read_log(exchange, made)
    exchange.watch(keeping)
    assert expired(10) == [] and expired(10.1) == [kept]
    assert not kept.exists() and expired(10.1) == []
    assert [one.status for one in exchange.exports.exports()] == ["confirmed"]
    with pytest.raises(ExportMismatch, match="stays for 10 days after the confirmation"):
        exchange.deliver(keeping, exchange.exports.exports()[0])


def test_the_content_of_what_was_not_delivered_stays(exchange: Exchange) -> None:
    keeping = declared(keep="1 days")
    made = exchange.make(keeping)
    later = NOW + timedelta(days=99)
    given = {"figures": keeping}
    assert expire_contents(given, exchange.exports, home=exchange.home, now=later) == []
    assert exchange.deliver(keeping, made).status == "delivered"


def test_an_export_without_rows_is_a_delivery_of_no_rows(exchange: Exchange) -> None:
    made = exchange.deliver(declared(), exchange.make(declared(), []))
    assert (made.rows, made.sums) == (0, {"cases": "0"})
    read_log(exchange, made)
    assert [one.status for one in exchange.watch(declared())] == ["confirmed"]


def test_a_client_of_the_service_fetches_and_confirms_only_its_own(exchange: Exchange) -> None:
    declaration = declared(interface={"type": "service", "location": "cockpit"}, file=None)
    made = exchange.deliver(declaration, exchange.make(declaration))
    desk = ExportDesk(
        {"figures": declaration}, exchange.home, lambda: Ledger(exchange.home / "ledger.db")
    )
    assert [one.export_id for one in desk.deliveries("cockpit", 9)] == [made.export_id]
    assert desk.deliveries("other", 9) == [] and desk.delivery("other", made.export_id) is None
    rows = desk.fetch(made, 0, 9)
    assert rows is not None and [row["unit"] for row in rows] == ["SC01", "SC02"]
    assert [row["unit"] for row in desk.fetch(made, 1, 1) or []] == ["SC02"]
    answer = Answer("ok", 2, {"cases": "12"}, None, None)
    assert desk.confirm("other", made.export_id, answer, now=NOW) is None
    confirmed = desk.confirm("cockpit", made.export_id, answer, now=NOW)
    assert confirmed is not None and confirmed.status == "confirmed"
    later = desk.confirm("cockpit", made.export_id, Answer("refused", 0, {}, None, "no"), now=NOW)
    assert later is not None and later.status == "confirmed"
