"""Compaction and retention: the same rows before and after, whatever kills them; what expires."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from connectors.compaction import CompactionFailed, compact, remove_replaced_files
from connectors.contract import Contract, load_contracts
from connectors.errors import LandingBusy
from connectors.landing import only_one
from connectors.retention import Expiry, expire
from cubes.errors import DeclarationError
from pipelines.build_input import BuildRequest, freeze
from tests.connectors.conftest import SHOP, load_one, row
from tests.connectors.conftest import Home as ShopHome
from tests.connectors.killed import DIED, end_at
from tests.connectors.test_replay import stores
from tests.soak import kills

Home = Any  # the fixture's class lives in conftest
ROOT = Path(__file__).resolve().parents[2]
LATER = datetime(2026, 4, 20, 1, tzinfo=UTC)
STEPS = ["compaction_temporary", "compaction_written", "compaction_recorded"]


def squeeze(home: ShopHome, **changes: Any) -> list[Any]:
    return compact(
        home.ledger,
        {"shop": home.contract},
        home=home.path,
        before=date(2026, 4, 1),
        now=LATER,
        **changes,
    )


def built(
    home: ShopHome, contract: Contract | None = None, already: frozenset[str] = frozenset()
) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """The rows of the raw view and the touched days, as a build freezes them."""
    contracts: Mapping[str, Contract] = {"shop": contract or home.contract}
    request = BuildRequest(LATER, "Asia/Shanghai", "china", "CNY")
    with duckdb.connect(str(home.path / "work.duckdb")) as work:
        freeze(
            work,
            request,
            contracts,
            contracts,
            home.ledger.loaded_batches(),
            built=already,
            home=home.path,
            find=home.ledger.batch,
        )
        rows = work.execute("select * from raw.shop__sales order by all").fetchall()
        days = work.execute("select * from raw.touched_day order by all").fetchall()
    return rows, days


def keys(rows: list[tuple[Any, ...]]) -> list[str]:
    """The sale numbers: the contract was written with its columns in the order of the alphabet."""
    return sorted(
        str(one[sorted(SHOP["streams"]["sales"]["columns"]).index("sale_no")]) for one in rows
    )


def deliver_days(home: ShopHome, files: int = 4) -> None:
    """Files of two days, one of them corrected, one with a record that is replayed later."""
    for number in range(1, files + 1):
        day = "2026-03-29" if number % 2 else "2026-03-30"
        at = day.replace("-", "") + "080000"
        home.send([row(number * 10 + n, at=at) for n in range(3)], sequence=number, day=day)
    home.land()
    home.send(
        [row(10, amount="7.00", at="20260329080000")],
        sequence=1,
        day="2026-03-29",
        amount="7.00",
        name="correction.txt",
    )
    home.land()


def files(home: ShopHome) -> list[Path]:
    return sorted((home.path / "raw").rglob("*.parquet"))


def test_the_files_of_a_day_become_one_and_the_rows_stay_as_they_are(home: Home) -> None:
    deliver_days(home)
    before, _ = built(home)
    # Two days of two files and the correction.
    assert len(before) == 10
    compacted = squeeze(home)
    assert [(one.business_date, one.batches, one.files) for one in compacted] == [
        (date(2026, 3, 29), 3, 3),
        (date(2026, 3, 30), 2, 2),
    ]
    assert len({batch.path for batch in home.ledger.batches()}) == 2
    assert built(home)[0] == before
    assert squeeze(home) == []


def test_a_late_file_of_a_compacted_day_is_taken_in(home: Home) -> None:
    deliver_days(home)
    squeeze(home)
    home.send([row(99, at="20260330080000")], sequence=9, day="2026-03-30")
    home.land()
    before, _ = built(home)
    (again,) = squeeze(home)
    assert (again.batches, again.files) == (3, 2)
    assert built(home)[0] == before and len(before) == 11


def test_a_batch_superseded_in_a_compacted_file_is_left_out_and_touches_its_days(
    home: Home,
) -> None:
    deliver_days(home)
    squeeze(home)
    ids = frozenset(batch.batch_id for batch in home.ledger.loaded_batches())
    assert built(home, already=ids)[1] == []
    home.send([row(20, at="20260330080000")], sequence=2, day="2026-03-30", name="late.txt")
    home.land()
    rows, days = built(home, already=ids)
    assert [key for key in keys(rows) if key.startswith("S2")] == ["S20"]
    assert days == [("shop", "sales", date(2026, 3, 30))]


def test_days_that_are_not_over_and_single_files_are_left_alone(home: Home) -> None:
    deliver_days(home)
    kept = files(home)
    assert (
        compact(
            home.ledger,
            {"shop": home.contract},
            home=home.path,
            before=date(2026, 3, 29),
            now=LATER,
        )
        == []
    )
    assert squeeze(home, fewest=4) == []
    assert squeeze(home, dry_run=True) and files(home) == kept


def test_a_source_that_is_being_landed_is_not_compacted(home: Home) -> None:
    deliver_days(home)
    with only_one(home.path, "shop"), pytest.raises(LandingBusy):
        squeeze(home)


def test_files_that_do_not_hold_what_the_ledger_says_are_not_compacted(home: Home) -> None:
    deliver_days(home)
    batch = home.ledger.loaded_batches()[0]
    lost = home.path / (batch.path or "")
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select * from '{lost}' limit 0) to '{lost}.tmp' (format parquet)"
        )
    Path(f"{lost}.tmp").replace(lost)
    before = home.ledger.batches()
    with pytest.raises(CompactionFailed, match="do not hold the rows") as caught:
        squeeze(home)
    day = batch.business_date
    own = [one for one in before if one.business_date == day]
    assert [one for one in home.ledger.batches() if one.business_date == day] == own
    assert caught.value.compacted, "the other days were done"


def test_files_that_cannot_be_read_together_are_told_without_a_trace(home: Home) -> None:
    deliver_days(home)
    batch = home.ledger.loaded_batches()[0]
    (home.path / (batch.path or "")).write_bytes(b"13800001111 is no Parquet file")
    with pytest.raises(CompactionFailed, match="cannot be read together") as caught:
        squeeze(home)
    assert "1380000" not in str(caught.value) and caught.value.compacted
    assert not list((home.path / "raw").rglob(".*.part"))


def test_a_day_of_more_files_than_are_read_at_once_is_compacted_whole(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.compaction._MOST_FILES", 3)
    for number in range(1, 8):
        home.send([row(number)], sequence=number)
    home.land()
    rows = sorted(home.rows("sale_no"))
    for _ in range(3):
        squeeze(home)
    assert len({one.path for one in home.ledger.batches()}) == 1
    assert sorted(duckdb_rows(home)) == rows


def duckdb_rows(home: Home) -> list[Any]:
    (path,) = {home.path / (one.path or "") for one in home.ledger.batches()}
    return duckdb.sql(f"select sale_no from read_parquet('{path}')").fetchall()


def test_replaced_files_stay_for_their_grace_and_never_while_needed(home: Home) -> None:
    deliver_days(home)
    small = files(home)
    squeeze(home)
    assert set(small) < set(files(home))
    soon = LATER + timedelta(hours=23)
    assert remove_replaced_files(home.ledger, home.path, now=soon) == []
    due = LATER + timedelta(hours=25)
    would = remove_replaced_files(home.ledger, home.path, now=due, dry_run=True)
    assert len(would) == 5 and set(small) < set(files(home))
    assert remove_replaced_files(home.ledger, home.path, now=due) == would
    assert len(files(home)) == 2 and len(built(home)[0]) == 10
    assert remove_replaced_files(home.ledger, home.path, now=due) == []


def squeeze_and_remove(path: Path, *, at: Callable[[str], None]) -> None:
    """Compact a home and remove what was replaced; runs in a process of its own."""
    with stores(path) as (ledger, pii):
        home = ShopHome(path, load_contracts([path / "sources"])["shop"], ledger, pii)
        squeeze(home, at=at)
        remove_replaced_files(ledger, path, now=LATER + timedelta(days=2), at=at)


@pytest.mark.soak
@pytest.mark.parametrize("step", [*STEPS, "replaced_removed"])
def test_a_compaction_killed_at_any_step_harms_nothing(home: Home, step: str) -> None:
    deliver_days(home)
    before, _ = built(home)
    assert end_at(step, squeeze_and_remove, home.path) == DIED
    assert built(home)[0] == before
    squeeze(home)
    far = datetime.now(UTC) + timedelta(days=400)
    remove_replaced_files(home.ledger, home.path, now=far)
    assert built(home)[0] == before
    used = {home.path / (batch.path or "") for batch in home.ledger.batches()}
    assert set(files(home)) == used
    assert [path for path in (home.path / "raw").rglob(".*") if path.is_file()] == []


@pytest.mark.soak
def test_kills_between_landings_and_compactions_lose_and_double_nothing(home: Home) -> None:
    rng = random.Random(3)
    expected: set[str] = set()
    number = killed = 0
    wanted = kills(4)
    while killed < wanted:
        number += 1
        assert number <= 4 * wanted + 10, f"only {killed} compactions were killed"
        home.send([row(number, at="20260329080000")], sequence=number, day="2026-03-29")
        home.land()
        expected.add(f"S{number}")
        # A day that has one file only is left alone, and now and then nothing is killed.
        killed += end_at(rng.choice([*STEPS, "none"]), squeeze_and_remove, home.path) == DIED
        rows, _ = built(home)
        assert keys(rows) == sorted(expected)


def keeping(home: ShopHome, keep: str = "40 days", **changes: Any) -> Contract:
    declaration = copy.deepcopy(SHOP)
    declaration["streams"]["sales"] |= {"keep": keep, **changes}
    return load_one(home.path / "keeping", declaration)


def tidy(
    home: ShopHome,
    contract: Contract,
    now: datetime,
    already: frozenset[str] = frozenset(),
    **changes: Any,
) -> Expiry:
    return expire(
        home.ledger,
        home.pii,
        {"shop": contract},
        now=now,
        real_now=now,
        zone="Asia/Shanghai",
        built=already,
        **changes,
    )


def test_what_is_older_than_its_contract_keeps_leaves_the_next_build_and_then_the_disk(
    home: Home,
) -> None:
    deliver_days(home)
    contract = keeping(home)
    ids = frozenset(batch.batch_id for batch in home.ledger.loaded_batches())
    # Forty days before 2026-05-09 is 2026-03-30: only the day before it is older.
    now = datetime(2026, 5, 9, 1, tzinfo=UTC)
    would = tidy(home, contract, now, ids, dry_run=True)
    assert {batch.business_date for batch in would.batches} == {date(2026, 3, 29)}
    assert {batch.status for batch in home.ledger.batches()} == {"loaded", "superseded"}
    expired = tidy(home, contract, now, ids)
    assert len(expired.batches) == 3 and expired.files == ()
    # The next build takes the rows out, which it needs their file for.
    rows, days = built(home, contract, already=ids)
    assert {str(one[-4]) for one in rows} == {"2026-03-30"}
    assert days == [("shop", "sales", date(2026, 3, 29))]
    left = frozenset(batch.batch_id for batch in home.ledger.loaded_batches())
    given_up = tidy(home, contract, now, left)
    assert given_up.batches == () and len(given_up.files) == 3
    later = now + timedelta(days=2)
    removed = remove_replaced_files(home.ledger, home.path, now=later)
    assert set(removed) == set(given_up.files)
    # The ledger still tells what there was; a build from scratch gives the same.
    kept = [batch for batch in home.ledger.batches() if batch.code == "expired"]
    assert len(kept) == 3 and {batch.reason for batch in kept} == {"it was kept for 40 days"}
    assert built(home, contract)[0] == rows


def test_a_delivery_that_expired_is_known_when_it_is_sent_again(home: Home) -> None:
    lines = [row(1, at="20260329080000")]
    home.send(lines, day="2026-03-29")
    home.land()
    contract = keeping(home)
    now = datetime(2026, 6, 9, 1, tzinfo=UTC)
    tidy(home, contract, now)
    tidy(home, contract, now)
    home.send(lines, day="2026-03-29", name="again.txt")
    (delivery,) = home.land()
    assert delivery.code == "duplicate_batch"
    assert home.rows() == []


def test_expired_and_settled_records_lose_their_bytes_and_waiting_ones_keep_them(
    home: Home,
) -> None:
    home.send([row(1), row(2, amount="-1")], amount="9.00", day="2026-03-30")
    home.land()
    home.send([row(3), row(4, amount="-1")], amount="9.00", day="2026-03-31", sequence=2)
    home.land()
    assert len(home.pii.kept_records()) == 4
    contract = keeping(home)
    now = datetime(2026, 5, 10, 1, tzinfo=UTC)
    assert tidy(home, contract, now).records == 2
    (waiting,) = home.ledger.quarantine(state="waiting")
    assert home.pii.kept_records() == [(waiting.batch_id, 0), (waiting.batch_id, 2)]
    gone = [one for one in home.ledger.quarantine() if one.state == "discarded"]
    assert [one.note for one in gone] == ["kept for 40 days"]


def test_the_bytes_of_a_batch_that_is_being_landed_are_not_deleted(home: Home) -> None:
    contract = keeping(home)

    def tidied(step: str) -> None:
        if step in {"pii", "announced", "parquet"}:
            tidy(home, contract, LATER)

    home.at = tidied
    home.send([row(1), row(2, amount="-1")], amount="9.00")
    home.land()
    (waiting,) = home.ledger.quarantine(state="waiting")
    assert home.pii.kept_records() == [(waiting.batch_id, 0), (waiting.batch_id, 2)]


def test_the_current_full_delivery_stays_however_old_it_is(home: Home) -> None:
    home.contract = contract = keeping(home, mode="full")
    for sequence in (1, 2):
        home.send([row(sequence)], sequence=sequence, day=f"2026-03-2{sequence}")
        home.land()
    now = datetime(2026, 9, 1, 1, tzinfo=UTC)
    assert [one.business_date for one in tidy(home, contract, now).batches] == [date(2026, 3, 21)]
    assert [one[0] for one in home.rows("sale_no")] == ["S2"]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"mode": "changes"}, "needs its whole history"),
        ({"case_key": "sale_no"}, "expire together or not at all"),
        ({"keep": "20 days"}, "at least 35 days"),
    ],
)
def test_a_stream_whose_facts_need_its_history_cannot_be_kept_for_days(
    home: Home, changes: dict[str, Any], fault: str
) -> None:
    declaration = copy.deepcopy(SHOP)
    declaration["streams"]["sales"] |= {"keep": "40 days", **changes}
    with pytest.raises(DeclarationError, match=fault):
        load_one(home.path / "wrong", declaration)


def test_no_shipped_contract_keeps_what_its_facts_need() -> None:
    contracts = load_contracts([ROOT / "connectors" / "sources"])
    assert [name for name, one in contracts.items() for s in one.streams.values() if s.keep] == []


def test_new_columns_stand_behind_those_of_the_contract_in_raw(home: Home) -> None:
    from tests.connectors.test_schema_change import evolving, send_with_colour

    evolving(home, "evolve")
    send_with_colour(home, 1, "红")
    home.send([row(2)], sequence=2)
    home.land()
    built(home)
    with duckdb.connect(str(home.path / "work.duckdb")) as work:
        names = [one[0] for one in work.execute("describe raw.shop__sales").fetchall()]
        rows = work.execute("select sale_no, new_colour from raw.shop__sales order by 1").fetchall()
    assert names[-1] == "new_colour" and names[0] in home.contract.streams["sales"].columns
    assert rows == [("S1", "红"), ("S2", None)]
    # Once the contract names the column, its type is the contract's whatever landed before.
    declaration = copy.deepcopy(SHOP)
    declaration["streams"]["sales"] |= {"schema_change": "evolve"}
    declaration["streams"]["sales"]["columns"]["colour"] = {"type": "integer"}
    built(home, load_one(home.path / "mended", declaration))
    with duckdb.connect(str(home.path / "work.duckdb")) as work:
        types = dict(one[:2] for one in work.execute("describe raw.shop__sales").fetchall())
    assert types["colour"] == "INTEGER" and types["new_colour"] == "VARCHAR"


def test_a_replayed_record_has_the_number_of_the_file_it_came_in(home: Home) -> None:
    from connectors.quarantining.quarantine import find_records
    from connectors.quarantining.replay import replay

    home.send([row(1), row(2, amount="-1")], amount="9.00", sequence=7)
    home.land()
    declaration = copy.deepcopy(SHOP)
    declaration["streams"]["sales"]["columns"]["amount"]["min"] = -10
    replay(
        load_one(home.path / "mended", declaration),
        find_records(home.ledger),
        home=home.path,
        ledger=home.ledger,
        pii=home.pii,
        now=LATER,
        zone="Asia/Shanghai",
    )
    built(home)
    with duckdb.connect(str(home.path / "work.duckdb")) as work:
        assert work.execute("select sequence from raw.batch").fetchall() == [(7,), (7,)]
