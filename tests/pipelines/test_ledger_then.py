"""The ledger as it was: the rows of every earlier moment, whatever became of their batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.compaction import compact, remove_replaced_files
from connectors.contract import load_contracts
from connectors.ledger import Ledger
from connectors.ledger_rows import Batch
from pipelines.build_input import BuildRequest, Exchange, freeze
from pipelines.ledger_then import exchange_then, missing_files, reads_then
from pipelines.tidying import tidy
from tests.connectors.conftest import row
from tests.pipelines.test_build_input import FIRST, GAP
from tests.pipelines.test_delivery_commands import Shop, mend
from tests.soak import fuzz

START = datetime(2026, 3, 31, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


class History:
    """A shop whose clock goes on by an hour with everything that is done in it."""

    def __init__(self, folder: Path) -> None:
        self.shop = Shop(folder)
        self.hour = 0
        self.sent: dict[int, int] = {}
        self.go_on()

    @property
    def now(self) -> datetime:
        return START + self.hour * HOUR

    def go_on(self) -> None:
        self.hour += 1
        self.shop.environment["HUIYIN_CLOCK"] = f"fixed:{self.now.isoformat()}"

    def send(self, sequence: int, *amounts: int) -> None:
        """Deliver a file of this number, or a correction of it."""
        version = self.sent[sequence] = self.sent.get(sequence, 0) + 1
        self.shop.send(
            [
                row(100 * sequence + number, amount=f"{amount}.00", note=f"{version}")
                for number, amount in enumerate(amounts)
            ],
            sequence=sequence,
            amount=f"{sum(amounts)}.00",
            name=f"sales_20260330_{sequence:04d}_{version}.txt",
            sent_at=(START + self.hour * HOUR).isoformat(),
        )
        self.shop.run("ingest")

    def replay(self) -> None:
        self.shop.write_contract(mend)
        self.shop.run("quarantine", "replay", "--all")

    def reland(self, number: int) -> None:
        files = [one for one in self.current() if one.replays is None]
        if files:
            self.shop.run("exchange", "reland", files[number % len(files)].batch_id)

    def compact(self) -> None:
        installation = self.shop.open()
        now = datetime.now(UTC)
        with installation.ledger() as ledger:
            contracts, home = installation.contracts, installation.home.path
            compact(ledger, contracts, home=home, before=date(2026, 5, 1), now=now, fewest=1)
            remove_replaced_files(ledger, home, now=now + timedelta(days=2))

    def exchange(self) -> Exchange:
        if not (self.shop.path / "ledger.db").exists():
            return Exchange()
        with Ledger(self.shop.path / "ledger.db") as ledger:
            return Exchange(tuple(ledger.batches()), tuple(ledger.exchange_events()))

    def current(self) -> list[Batch]:
        return [one for one in self.exchange().batches if one.status == "loaded"]

    def rows(self, batches: Sequence[Batch], columns: str = "*") -> list[tuple[Any, ...]]:
        """The rows that models would read of these batches."""
        contracts = load_contracts([self.shop.path / "site" / "connectors" / "sources"])
        with duckdb.connect() as work:
            freeze(
                work,
                BuildRequest(self.now, "Asia/Shanghai", "china", "CNY"),
                contracts,
                contracts,
                batches,
                built=frozenset(),
                home=self.shop.path,
                find=lambda batch_id: None,
            )
            return work.execute(f"select {columns} from raw.shop__sales order by all").fetchall()

    def then(self, at: datetime) -> list[Batch]:
        exchange = exchange_then(self.exchange(), at)
        return [one for one in exchange.batches if one.status == "loaded"]


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path)


DEEDS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(1, 3), st.lists(st.integers(-1, 3), min_size=1)),
        st.tuples(st.just("replay")),
        st.tuples(st.just("reland"), st.integers(0, 5)),
        st.tuples(st.just("compact")),
    ),
    min_size=2,
    max_size=6,
)


@fuzz(4)
@given(deeds=DEEDS)
def test_whatever_is_done_since_the_rows_of_every_hour_stay_what_they_were(
    tmp_path_factory: pytest.TempPathFactory, deeds: list[tuple[Any, ...]]
) -> None:
    history = History(tmp_path_factory.mktemp("shop"))
    seen: dict[datetime, tuple[list[str], list[tuple[Any, ...]]]] = {}
    for what, *how in deeds:
        history.go_on()
        if what == "send":
            history.send(how[0], *how[1][:4])
        else:
            getattr(history, what)(*how)
        current = history.current()
        seen[history.now] = ([one.batch_id for one in current], history.rows(current))
    for at, (ids, rows) in seen.items():
        for moment in (at, at + HOUR / 2):
            then = history.then(moment)
            assert [one.batch_id for one in then] == ids
            assert missing_files(then, history.shop.path, history.exchange().batches) == []
            assert history.rows(then) == rows


def test_a_corrected_and_replayed_file_reads_as_it_did_before(history: History) -> None:
    history.send(1, 5, -1)
    history.go_on()
    history.replay()
    history.go_on()
    history.send(1, 7)
    amounts = [
        [str(one[0]) for one in history.rows(history.then(START + hours * HOUR), "amount")]
        for hours in range(4)
    ]
    assert amounts == [[], ["5.00"], ["-1.00", "5.00"], ["7.00"]]


def test_of_a_moment_before_a_refusal_was_mended_the_delivery_had_only_come(
    history: History,
) -> None:
    history.send(1, -1, -1, -1)
    (refused,) = history.exchange().batches
    assert (refused.status, refused.code) == ("refused", "reject_limit")
    history.go_on()
    history.shop.write_contract(lambda stream: stream["reject_limit"].update(rows=3))
    history.shop.run("ingest")
    (landed,) = history.exchange().batches
    assert landed.status == "loaded"
    (then,) = exchange_then(history.exchange(), START + HOUR).batches
    told = (then.status, then.code, then.rows_loaded, then.loaded_at)
    assert told == ("announced", None, 0, None)
    assert exchange_then(history.exchange(), START).batches == ()


def test_what_expired_since_is_named_with_its_file_once_that_is_gone(history: History) -> None:
    def kept(stream: dict[str, Any]) -> None:
        stream["keep"] = "40 days"

    history.send(1, 5)
    (before,) = history.current()
    history.shop.write_contract(kept)
    history.hour = 24 * 60
    history.go_on()
    for _ in range(2):
        tidy(history.shop.open(), say=lambda text: None)
    assert history.current() == []
    (then,) = history.then(START + HOUR)
    assert (then.status, then.code, then.path) == ("loaded", None, None)
    ((batch, said),) = missing_files([then], history.shop.path, history.exchange().batches)
    assert batch == then
    assert before.path is not None and before.path in said and "retention" in said
    (expired,) = exchange_then(history.exchange(), history.now).batches
    assert (expired.status, expired.code) == ("superseded", "expired")
    assert expired.expired_at == history.now


def test_a_file_that_was_lost_and_landed_again_is_named_with_its_new_batch(
    history: History,
) -> None:
    history.send(1, 5)
    (lost,) = history.current()
    (history.shop.path / str(lost.path)).unlink()
    every = history.exchange().batches
    ((_, said),) = missing_files(history.then(history.now), history.shop.path, every)
    assert "backup" in said
    history.go_on()
    history.reland(0)
    (again,) = history.current()
    every = history.exchange().batches
    ((_, said),) = missing_files(history.then(START + HOUR), history.shop.path, every)
    assert f"landed again, by the present contract, as {again.batch_id}" in said
    assert missing_files(history.then(history.now), history.shop.path, every) == []


def test_a_snapshot_reads_exactly_its_batches_though_the_clock_stood_still() -> None:
    late = replace(FIRST, batch_id="late", loaded_at=START + HOUR)
    same = replace(FIRST, batch_id="same", loaded_at=START)
    gone = replace(FIRST, batch_id="gone", status="superseded", loaded_at=START)
    gone = replace(gone, superseded_at=START)
    early = replace(gone, batch_id="early", loaded_at=START - HOUR)
    then = exchange_then(Exchange((late, same, gone, early)), START, {"late", "gone"})
    assert [(one.batch_id, one.status) for one in then.batches] == [
        ("late", "loaded"),
        ("gone", "loaded"),
        ("early", "superseded"),
    ]


def test_an_event_is_open_until_it_was_settled_and_unknown_before_it_was_noted() -> None:
    event = replace(GAP, at=START, resolved_at=START + HOUR)
    exchange = Exchange(events=(event,))
    assert exchange_then(exchange, START - HOUR).events == ()
    assert exchange_then(exchange, START).events == (replace(event, resolved_at=None),)
    assert exchange_then(exchange, START + HOUR).events == (event,)


def test_a_table_read_again_since_was_read_when_its_last_batch_came() -> None:
    batch = replace(FIRST, loaded_at=START - HOUR)
    reads = {
        ("shop", "sales"): START + HOUR,
        ("shop", "old"): START - HOUR * 3,
        ("shop", "new"): START + HOUR,
    }
    assert reads_then(reads, [batch], START) == {
        ("shop", "sales"): START - HOUR,
        ("shop", "old"): START - HOUR * 3,
    }
