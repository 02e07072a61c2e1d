"""Loading twice is loading once, and the order in which deliveries come does not matter.

Deliveries of three branches and days with corrections, a second name for the same content, records
that only a mended contract lets pass, tombstones of nothing; whatever the order and the moments of
landing, replay and compaction, the same records are current at the end.
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from connectors.compaction import compact
from connectors.contract import Contract
from connectors.landing import land_source
from connectors.ledger import Ledger
from connectors.pii_store import PiiStore
from connectors.quarantining.quarantine import find_records
from connectors.quarantining.replay import replay
from pipelines.build_input import BuildRequest, freeze
from tests.connectors.conftest import (
    ENCRYPTION_KEY,
    NOW,
    PSEUDONYM_KEY,
    SHOP,
    Home,
    load_one,
    row,
)
from tests.soak import fuzz

DAYS = ["2026-03-28", "2026-03-29", "2026-03-30"]
_SLOW = fuzz(3, most=200, suppress_health_check=list(HealthCheck), derandomize=True)


@dataclass(frozen=True)
class Sent:
    """One delivery: `version` 2 corrects 1; `copy` is the same content under another name."""

    place: int
    version: int = 1
    copy: bool = False

    @property
    def lines(self) -> list[str]:
        at = DAYS[self.place % 3].replace("-", "") + "080000"
        start = self.place * 100
        amounts = ["1.00", "-2.00", "3.00"] if self.version == 1 else ["5.00", "-6.00"]
        return [row(start + n, amount=amount, at=at) for n, amount in enumerate(amounts)]

    @property
    def total(self) -> str:
        # The negative amount is read, so it counts, though its record is rejected.
        return "2.00" if self.version == 1 else "-1.00"


PLACES = range(6)
EVERYTHING = [
    *(Sent(place) for place in PLACES),
    Sent(1, version=2),
    Sent(4, version=2),
    Sent(2, copy=True),
]
# By hand: places 1 and 4 were corrected, and the mended contract lets the negative amounts pass.
EXPECTED = sorted(
    (f"S{place * 100 + n}", amount)
    for place in PLACES
    for n, amount in enumerate(["5.00", "-6.00"] if place in {1, 4} else ["1.00", "-2.00", "3.00"])
)


def orders() -> st.SearchStrategy[list[Sent]]:
    """Every order, also those in which a correction comes before what it corrects."""
    return st.permutations(EVERYTHING)


class Run:
    """A home in which deliveries come one by one; the clock goes on an hour each time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        declaration = copy.deepcopy(SHOP)
        self.contract = load_one(path / "sources", declaration)
        declaration["streams"]["sales"]["columns"]["amount"]["min"] = -100
        self.mended = load_one(path / "mended", declaration)
        self.now = NOW
        self._stack = ExitStack()
        self.ledger = self._stack.enter_context(Ledger(path / "ledger.db"))
        self.pii = self._stack.enter_context(
            PiiStore(path / "pii.db", pseudonym_key=PSEUDONYM_KEY, encryption_key=ENCRYPTION_KEY)
        )
        self.home = Home(path, self.contract, self.ledger, self.pii)

    def close(self) -> None:
        self._stack.close()

    def send(self, one: Sent) -> None:
        name = f"{'copy' if one.copy else 'sales'}_{one.place}_{one.version}.txt"
        self.home.send(
            one.lines,
            sequence=one.place // 3 + 1 + 10 * (one.place % 3),
            day=DAYS[one.place % 3],
            branch=f"b{one.place % 2}",
            amount=one.total,
            name=name,
            sent_at=f"2026-03-31T0{one.version}:00:00+08:00",
        )

    def land(self) -> None:
        self.now += timedelta(hours=1)
        land_source(
            self.contract,
            home=self.path,
            ledger=self.ledger,
            pii=self.pii,
            now=self.now,
            zone="Asia/Shanghai",
        )

    def replay(self) -> None:
        replay(
            self.mended,
            find_records(self.ledger, state="waiting"),
            home=self.path,
            ledger=self.ledger,
            pii=self.pii,
            now=self.now,
            zone="Asia/Shanghai",
        )

    def compact(self) -> None:
        compact(
            self.ledger,
            {"shop": self.contract},
            home=self.path,
            before=date(2026, 4, 1),
            now=datetime(2026, 4, 1, tzinfo=UTC),
        )

    def current(self) -> list[tuple[str, str]]:
        """The latest version of each record, as staging picks it from the raw view."""
        contracts: dict[str, Contract] = {"shop": self.contract}
        with duckdb.connect() as work:
            freeze(
                work,
                BuildRequest(self.now, "Asia/Shanghai", "china", "CNY"),
                contracts,
                contracts,
                self.ledger.loaded_batches(),
                built=frozenset(),
                home=self.path,
                find=self.ledger.batch,
            )
            return work.execute(
                "select sale_no, amount::varchar "
                "from raw.shop__sales as r left join raw.batch as b on b.batch_id = r._batch_id "
                "qualify row_number() over (partition by sale_no order "
                "by case when b.sequence is not null then b.business_date end desc nulls last, "
                "b.sequence desc nulls last, _recorded_at desc, _record_no desc, _batch_id desc)"
                " = 1 order by 1"
            ).fetchall()


def running() -> Iterator[Run]:
    with TemporaryDirectory() as folder:
        run = Run(Path(folder))
        try:
            yield run
        finally:
            run.close()


@_SLOW
@given(
    order=orders(),
    steps=st.lists(st.sampled_from(["land", "replay", "compact", ""]), min_size=9, max_size=9),
)
def test_whatever_the_order_the_same_records_are_current(
    order: list[Sent], steps: list[str]
) -> None:
    for run in running():
        for one, step in zip(order, steps, strict=True):
            run.send(one)
            if step == "land":
                run.land()
            elif step:
                run.land()
                getattr(run, step)()
        run.land()
        run.replay()
        assert run.current() == EXPECTED
        assert run.ledger.quarantine(state="waiting") == []
        assert run.ledger.batches(status="refused") == []


@_SLOW
@given(again=st.lists(st.integers(0, len(EVERYTHING) - 1), min_size=1, max_size=6))
def test_loading_twice_is_loading_once(again: list[int]) -> None:
    for run in running():
        for one in EVERYTHING:
            run.send(one)
            run.land()
        run.replay()
        before, batches = run.current(), run.ledger.batches()
        assert before == EXPECTED
        for number in again:
            run.send(EVERYTHING[number])
            run.land()
            run.replay()
        assert run.current() == before
        assert run.ledger.batches() == batches


def test_the_archive_lands_in_another_home_as_the_same_batches(tmp_path: Path) -> None:
    first = Run(tmp_path / "first")
    for one in EVERYTHING:
        first.send(one)
        first.land()
    second = Run(tmp_path / "second")
    second.home.folder.mkdir(parents=True)
    for path in (first.home.folder / "archive").iterdir():
        if not path.name.endswith(".read.log"):
            shutil.copy(path, second.home.folder / path.name)
    second.land()
    loaded = {b.batch_id for b in first.ledger.loaded_batches()}
    assert {b.batch_id for b in second.ledger.loaded_batches()} == loaded
    first.close()
    second.close()


def test_the_model_of_this_test_has_something_to_find() -> None:
    """Every sort of trouble is in it, so that the properties above say something."""
    kinds: list[Any] = [one for one in EVERYTHING if one.version == 2 or one.copy]
    assert len(kinds) == 3 and len(EXPECTED) == 16
