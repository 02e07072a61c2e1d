"""What a build freezes: batches in one go, and what is gone once and not for ever."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from connectors.contract import SOURCES, Label, load_contracts
from connectors.ledger import Ledger
from connectors.ledger_rows import Batch, ExchangeEvent
from pipelines.build_input import (
    BuildInput,
    BuildRequest,
    Exchange,
    build_id_of,
    freeze,
    insert_columns,
    is_left_unfinished,
    mark_finished,
)
from pipelines.delivery_history import open_matters

NOW = datetime(2026, 3, 31, 1, tzinfo=UTC)
# The columns that do not matter here are empty.
FIRST = replace(
    Batch(**{field.name: None for field in fields(Batch)}),  # type: ignore[arg-type]
    batch_id="1",
    source="shop",
    stream="sales",
    branch="",
    interface="files",
    business_date=date(2026, 3, 30),
    place="a.txt",
    received_at=NOW,
    loaded_at=NOW,
    sequence=1,
    status="loaded",
)
SECOND = replace(FIRST, batch_id="2", place="b.txt", sequence=2)
SHOP = load_contracts([SOURCES])["hall"].model_copy(update={"source": "shop"})
ALL: Mapping[str, Batch] = {"1": FIRST, "2": SECOND}


class Frozen:
    """A working database that is frozen again and again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []

    def find(self, batch_id: str) -> Batch | None:
        self.asked.append(batch_id)
        return ALL.get(batch_id)

    def work(self) -> duckdb.DuckDBPyConnection:
        return duckdb.connect(str(self.folder / "work.duckdb"))

    def freeze(self, *batches: Batch, built: str = "") -> BuildInput:
        with self.work() as work:
            return freeze(
                work,
                BuildRequest(NOW, "Asia/Shanghai", "china", "CNY"),
                {},
                {},
                batches,
                built=frozenset(built),
                home=self.folder,
                find=self.find,
            )

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.work() as work:
            return work.execute(sql).fetchall()


@pytest.fixture
def frozen(tmp_path: Path) -> Frozen:
    return Frozen(tmp_path)


def test_the_batches_are_listed_with_their_change(frozen: Frozen) -> None:
    frozen.freeze(SECOND, built="1")
    listed = frozen.rows(
        "select batch_id, change, sequence, covers_from, received_at from raw.batch order by 1"
    )
    at = NOW.replace(tzinfo=None)
    assert listed == [("1", "gone", 1, None, at), ("2", "new", 2, None, at)]
    assert frozen.asked == ["1"]


def test_a_build_without_batches_lists_none(frozen: Frozen) -> None:
    assert frozen.freeze().batches == ()
    assert frozen.rows("select * from raw.batch") == []


def test_what_a_finished_build_took_out_is_not_gone_again(frozen: Frozen) -> None:
    frozen.freeze(FIRST)
    second = frozen.freeze(SECOND, built="1")
    assert second.gone == {"1"}
    third = frozen.freeze(SECOND, built="2")
    assert third.gone == set()
    assert frozen.rows("select batch_id, change from raw.batch") == [("2", "known")]


def test_a_build_that_began_and_never_finished_is_told(frozen: Frozen) -> None:
    with frozen.work() as work:
        assert not is_left_unfinished(work, is_built=False)
    for built in ("", "1"):
        frozen.freeze(FIRST, built=built)
        with frozen.work() as work:
            assert is_left_unfinished(work, is_built=bool(built))
            mark_finished(work)
            assert not is_left_unfinished(work, is_built=True)


def test_marts_without_their_working_database_may_be_half_written(frozen: Frozen) -> None:
    with frozen.work() as work:
        assert is_left_unfinished(work, is_built=True)


def test_a_long_history_is_inserted_by_name_as_it_is() -> None:
    with duckdb.connect() as connection:
        connection.execute("create table t (no integer, name varchar, day date)")
        count = 50_000
        columns: dict[str, list[object]] = {
            "day": [None] * count,
            "name": [f"n{number}" for number in range(count)],
            "no": list(range(count)),
        }
        insert_columns(connection, "t", columns)
        insert_columns(connection, "t", {"day": [], "name": [], "no": []})
        found = connection.execute("select count(*), max(no), max(day), min(name) from t")
        assert found.fetchone() == (count, count - 1, None, "n0")


GAP = ExchangeEvent(1, "sequence_gap", "shop", "sales", "main", None, None, None, "", NOW, None)


def test_batches_and_events_of_the_ledger_are_frozen_whatever_became_of_them(
    frozen: Frozen,
) -> None:
    refused = replace(FIRST, status="refused", code="wrong_sum", rows=7, loaded_at=None)
    left = replace(FIRST, batch_id="3", source="removed")
    late = replace(GAP, event_id=2, source="partner", resolved_at=NOW)
    with duckdb.connect(str(frozen.folder / "work.duckdb")) as work:
        freeze(
            work,
            BuildRequest(NOW, "Asia/Shanghai", "china", "CNY"),
            {"shop": SHOP},
            {},
            [SECOND],
            built=frozenset(),
            home=frozen.folder,
            find=frozen.find,
            exchange=Exchange(
                (refused, SECOND, left), (GAP, late, replace(GAP, event_id=3, source="removed"))
            ),
        )
    at = NOW.replace(tzinfo=None)
    assert frozen.rows("select batch_id, status, code, rows, loaded_at from raw.delivery") == [
        ("1", "refused", "wrong_sum", 7, None),
        ("2", "loaded", None, None, at),
    ]
    assert frozen.rows("select event_id, source, noted_at, settled_at from raw.exchange_event") == [
        (1, "shop", at, None),
        (2, "partner", at, at),
    ]
    assert frozen.rows(
        "select severity, label_en from raw.exchange_code where code = 'duplicate_batch'"
    ) == [("info", "the same content was landed before")]


def test_a_partner_that_is_delivered_to_has_its_label(frozen: Frozen) -> None:
    label = Label(zh="全国中心", en="National centre")
    with frozen.work() as work:
        freeze(
            work,
            BuildRequest(NOW, "Asia/Shanghai", "china", "CNY", partners=(("centre", label),)),
            {},
            {},
            (),
            built=frozenset(),
            home=frozen.folder,
            find=frozen.find,
        )
    assert frozen.rows("select source, label_zh, label_en from raw.source_setting") == [
        ("centre", "全国中心", "National centre")
    ]


def test_a_new_matter_of_the_exchange_makes_another_build() -> None:
    request = BuildRequest(NOW, "Asia/Shanghai", "china", "CNY")
    quiet, gap = build_id_of(request, [FIRST]), build_id_of(request, [FIRST], ["event:1"])
    assert len({quiet, gap, build_id_of(request, [FIRST], ["event:2"])}) == 3
    assert gap == build_id_of(request, [FIRST], ["event:1"])


def test_open_matters_are_what_somebody_has_to_look_at(tmp_path: Path) -> None:
    whole = replace(
        FIRST,
        covers_from=FIRST.business_date,
        content_sha256="",
        log_sha256="",
        rows=0,
        rows_loaded=0,
        rejected=0,
        sums={},
        declared_sums={},
        code="wrong_sum",
    )
    with Ledger(tmp_path / "ledger.db") as ledger:

        def note(code: str) -> None:
            ledger.note_event(code, source="shop", stream="sales", detail="", now=NOW)

        ledger.refuse(whole)
        note("late_delivery")
        note("duplicate_batch")
        assert open_matters(ledger) == ("batch:1", "event:1")
        ledger.resolve_event(1, now=NOW)
        assert open_matters(ledger) == ("batch:1",)
        note("late_delivery")
        assert open_matters(ledger) == ("batch:1", "event:3")
