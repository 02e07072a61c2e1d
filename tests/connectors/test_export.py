from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.exporting.confirmation import Answer, judge, parse_answer
from connectors.exporting.declaration import EXPORTS, ExportDeclaration, load_exports
from connectors.exporting.schedule import DuePlan, ExportHistory, due_exports
from connectors.exporting.told import in_language
from connectors.ledger_rows import Export
from cubes.catalogue import load_catalogue, shipped_folder
from cubes.errors import DeclarationError
from tests.soak import fuzz

ZONE = "Asia/Shanghai"
FRIDAY = date(2026, 3, 27)
NOON = datetime(2026, 3, 28, 4, 0, tzinfo=UTC)


def declared(**changes: object) -> ExportDeclaration:
    given = {
        "export": "figures",
        "label": {"zh": "数字", "en": "Figures"},
        "partner": "centre",
        "owner": "customer care",
        "query": "case_figures",
        "interface": {"type": "files", "format": "delimited", "location": "out"},
        "file": {"delimiter": "|"},
        "grain": "one row per unit",
        "key": ["unit"],
        "columns": {"unit": {"type": "string"}, "cases": {"type": "bigint"}},
        "control": {"sums": ["cases"]},
    }
    return ExportDeclaration.model_validate(given | changes)


def exported(**changes: object) -> Export:
    values = {
        "export_id": "e1",
        "export": "figures",
        "partner": "centre",
        "interface": "files",
        "place": "figures_20260327_0001.txt",
        "business_date": FRIDAY,
        "sequence": 1,
        "snapshot": "20260327-0001",
        "rows": 3,
        "bytes": 30,
        "sha256": "ab" * 32,
        "sums": {"cases": "12.00"},
        "status": "delivered",
        "code": None,
        "reason": None,
        "announced_at": NOON,
        "delivered_at": NOON,
        "due_at": NOON + timedelta(hours=4),
        "confirmed_at": None,
    }
    return Export(**(values | changes))


NEVER = ExportHistory(None, frozenset())


def plan(
    declaration: ExportDeclaration, published: date, now: datetime, history: ExportHistory = NEVER
) -> DuePlan:
    return due_exports(
        [declaration],
        published=published,
        now=now,
        zone=ZONE,
        is_working=lambda day: day.weekday() < 5,
        history=lambda name: history,
    )


def due(
    declaration: ExportDeclaration, published: date, now: datetime, history: ExportHistory = NEVER
) -> list[date]:
    return [one.business_date for one in plan(declaration, published, now, history).due]


def since(first: date, *also: date) -> ExportHistory:
    """Made for `first` at 07:00 in Shanghai the day after, and for other days."""
    at = datetime(first.year, first.month, first.day, 23, 0, tzinfo=UTC)
    return ExportHistory(at, frozenset({first, *also}))


def test_every_shipped_export_loads_and_only_a_demonstration_uses_the_examples() -> None:
    assert set(load_exports([EXPORTS], examples=True)) == {
        path.stem for path in EXPORTS.glob("*.yml")
    }
    assert load_exports([EXPORTS], examples=False) == {}


def test_all_faults_of_an_export_are_told_at_once(tmp_path: Path) -> None:
    text = (EXPORTS / "case_figures.yml").read_text(encoding="utf-8")
    (tmp_path / "case_figures.yml").write_text(
        text.replace("sums: [cases, complaints]", "sums: [case]").replace(
            "key: [reported_on, prefecture_code]", "key: [day]"
        ),
        encoding="utf-8",
    )
    with pytest.raises(DeclarationError) as caught:
        load_exports([tmp_path], examples=True)
    assert "unknown column 'day'" in str(caught.value)
    assert "unknown column 'case' (did you mean 'cases'?)" in str(caught.value)


def test_an_export_is_described_to_its_partner_as_a_contract_of_ours() -> None:
    contract = declared().contract
    assert contract.source == "huiyin"
    assert list(contract.streams["figures"].columns) == ["unit", "cases"]
    assert contract.layout.delimiter == "|"


def test_a_workbook_is_bounded_by_what_memory_holds() -> None:
    workbook = {"type": "files", "format": "spreadsheet", "location": "out"}
    assert declared(interface=workbook, file=None).bounds.rows == 100_000
    assert declared(interface=workbook, file=None, limits={"rows": 9}).bounds.rows == 9
    assert declared().bounds.rows == 1_000_000


def test_a_daily_export_is_due_from_its_hour_on_the_next_day() -> None:
    seven = datetime(2026, 3, 27, 23, 0, tzinfo=UTC)  # 07:00 on the 28th in Shanghai
    assert due(declared(), FRIDAY, seven - timedelta(seconds=1)) == []
    assert due(declared(), FRIDAY, seven) == [FRIDAY]
    assert due(declared(), FRIDAY, seven, since(FRIDAY)) == []


def test_a_working_calendar_waits_for_the_next_working_day() -> None:
    export = declared(schedule={"calendar": "working"})
    assert due(export, FRIDAY, NOON) == []
    monday = datetime(2026, 3, 29, 23, 0, tzinfo=UTC)
    assert due(export, FRIDAY, monday) == [FRIDAY]


def test_a_working_day_makes_up_for_the_days_off_before_it() -> None:
    export = declared(schedule={"calendar": "working"})
    sunday, monday = FRIDAY + timedelta(days=2), datetime(2026, 3, 29, 23, 0, tzinfo=UTC)
    assert due(export, sunday, monday - timedelta(seconds=1)) == []
    assert due(export, sunday, monday) == [FRIDAY, FRIDAY + timedelta(days=1), sunday]
    assert due(export, sunday + timedelta(days=1), monday + timedelta(days=1)) == [
        sunday + timedelta(days=1)
    ]
    assert due(declared(), sunday, monday) == [sunday]


def test_every_day_that_was_missed_is_made_up_for_oldest_first() -> None:
    days = [FRIDAY + timedelta(days=number) for number in range(5)]
    morning = datetime(2026, 3, 31, 23, 0, tzinfo=UTC)  # 07:00 after the last of them
    assert due(declared(), days[4], morning) == [days[4]]
    assert due(declared(), days[4], morning, since(days[0])) == days[1:]
    assert due(declared(), days[4], morning, since(days[0], days[2])) == [days[1], *days[3:]]
    assert due(declared(), days[4], morning - timedelta(seconds=1), since(days[0])) == days[1:4]


def test_a_trial_for_a_past_day_owes_none_of_the_days_between() -> None:
    tried = ExportHistory(NOON, frozenset({FRIDAY - timedelta(days=20)}))
    assert due(declared(), FRIDAY, NOON + timedelta(hours=1), tried) == [FRIDAY]


def test_an_export_that_failed_from_its_first_day_owes_that_day_too() -> None:
    failed = ExportHistory(None, frozenset(), owed=FRIDAY - timedelta(days=1))
    assert due(declared(), FRIDAY, NOON, failed) == [FRIDAY - timedelta(days=1), FRIDAY]


def test_what_lies_over_31_days_back_has_lapsed() -> None:
    history = since(FRIDAY - timedelta(days=33))
    made_up = plan(declared(), FRIDAY, NOON, history)
    assert [one.business_date for one in made_up.lapsed] == [
        FRIDAY - timedelta(days=32),
        FRIDAY - timedelta(days=31),
    ]
    assert len(made_up.due) == 31 and made_up.due[0].business_date == FRIDAY - timedelta(days=30)


def test_a_month_end_that_was_missed_is_made_up_for() -> None:
    export = declared(schedule={"every": "month"})
    history = since(date(2025, 1, 31), date(2026, 1, 31))
    found = plan(export, date(2026, 3, 30), NOON, history)
    assert [one.business_date for one in found.lapsed] == [date(2025, 2, 28)]
    days = [one.business_date for one in found.due]
    assert days[0] == date(2025, 3, 31) and days[-2:] == [date(2025, 12, 31), date(2026, 2, 28)]


def test_an_export_of_an_unknown_query_or_parameter_is_told_when_it_loads(tmp_path: Path) -> None:
    queries = load_catalogue([shipped_folder()]).queries
    assert load_exports([EXPORTS], examples=True, queries=queries)
    text = (EXPORTS / "arrears_by_service.yml").read_text(encoding="utf-8")
    (tmp_path / "arrears_by_service.yml").write_text(
        text.replace("{days: 7}", "{dais: 7}"), encoding="utf-8"
    )
    text = (EXPORTS / "case_figures.yml").read_text(encoding="utf-8")
    (tmp_path / "case_figures.yml").write_text(
        text.replace("query: case_figures", "query: case_figure"), encoding="utf-8"
    )
    with pytest.raises(DeclarationError) as caught:
        load_exports([tmp_path], examples=True, queries=queries)
    assert "unknown query 'case_figure' (did you mean 'case_figures'?)" in str(caught.value)
    assert "no parameter 'dais' (did you mean 'days'?)" in str(caught.value)
    assert load_exports([tmp_path], examples=False, queries=queries) == {}


def test_a_monthly_export_is_about_the_last_month_that_is_published_whole() -> None:
    export = declared(schedule={"every": "month"})
    assert due(export, date(2026, 3, 30), NOON + timedelta(days=3)) == [date(2026, 2, 28)]
    assert due(export, date(2026, 3, 31), NOON + timedelta(days=5)) == [date(2026, 3, 31)]


def test_an_answer_that_agrees_confirms_and_spells_numbers_as_it_likes() -> None:
    answer = Answer("ok", 3, {"cases": "12"}, "AB" * 32, None)
    assert judge(exported(), answer).status == "confirmed"


def test_every_difference_of_an_answer_is_named() -> None:
    verdict = judge(exported(), Answer("ok", 2, {"cases": "11"}, "cd" * 32, None))
    assert (verdict.status, verdict.code) == ("disagrees", "read_log_disagrees")
    assert verdict.reason is not None
    assert in_language(verdict.reason, "en") == (
        "2 rows were read, 3 were delivered; the SHA-256 is that of another file; "
        "the sum of cases is 11, 12.00 was delivered"
    )
    assert in_language(verdict.reason, "zh") == (
        "对方读到 2 行，送出的是 3 行；SHA-256 是另一个文件的；cases 的合计是 11，送出的是 12.00"
    )


@pytest.mark.parametrize(
    ("made", "answer", "zh", "en"),
    [
        (
            {"rows": 2},
            Answer("partial", 1, {}, None, "no\nroom"),
            "对方读到 1 行，送出的是 2 行；no room",
            "1 row was read, 2 were delivered; no room",
        ),
        (
            {"rows": 1},
            Answer("partial", 0, {}, None, None),
            "对方读到 0 行，送出的是 1 行；对方只装入了一部分",
            "0 rows were read, 1 was delivered; only a part was loaded",
        ),
        (
            {"interface": "table"},
            Answer("partial", 3, {}, None, "满了", failed=1),
            "1 行未被接受：满了",
            "1 row was not accepted: 满了",
        ),
        (
            {"interface": "table"},
            Answer("refused", 3, {}, None, "", failed=3),
            "3 行未被接受",
            "3 rows were not accepted",
        ),
        (
            {},
            Answer("refused", 0, {}, None, None),
            "对方没有说明理由",
            "the partner gives no reason",
        ),
        ({}, Answer("refused", 0, {}, None, "没有空间"), "没有空间", "没有空间"),
    ],
)
def test_our_sentences_are_in_the_readers_language_and_the_partners_words_stay(
    made: dict[str, object], answer: Answer, zh: str, en: str
) -> None:
    reason = judge(exported(**made), answer).reason or ""
    assert (in_language(reason, "zh"), in_language(reason, "en")) == (zh, en)


def test_a_refusal_is_kept_with_its_reason() -> None:
    verdict = judge(exported(), Answer("refused", 0, {}, None, "no room"))
    assert (verdict.status, verdict.code, verdict.reason) == (
        "refused",
        "export_refused",
        "no room",
    )


@fuzz(100)
@given(st.binary(max_size=200))
def test_no_bytes_make_reading_an_answer_fail(raw: bytes) -> None:
    parse_answer(raw)


@pytest.mark.parametrize(
    "raw",
    [b"", b"{}", b"[1]", b'{"result": "ok"}', b'{"result": "ok", "rows_read": true}', b"\xff"],
)
def test_what_is_no_read_log_is_no_answer(raw: bytes) -> None:
    assert parse_answer(raw) is None
