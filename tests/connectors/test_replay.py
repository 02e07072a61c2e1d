"""Replay of quarantined records: kept bytes through the mended contract, each exactly once."""

from __future__ import annotations

import copy
import gzip
import json
import random
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from connectors.contract import Contract, load_contracts
from connectors.errors import LandingBusy
from connectors.landing import land_source, only_one
from connectors.ledger import Ledger
from connectors.pii_store import PiiStore
from connectors.quarantining.kept_records import as_json, kept_records, write_records
from connectors.quarantining.quarantine import count_records, discard, find_records, give_up
from connectors.quarantining.replay import ReplayReport, replay
from tests.connectors.conftest import (
    ENCRYPTION_KEY,
    HEADER,
    NOW,
    PSEUDONYM_KEY,
    SHOP,
    load_one,
    row,
)
from tests.connectors.conftest import Home as OwnHome
from tests.connectors.killed import DIED, end_at
from tests.soak import kills

Home = Any  # the fixture's class lives in conftest


def contract_of(home: Home, **columns: Any) -> Contract:
    """The shop's contract with changed columns, or other parts named by `_`."""
    declaration = copy.deepcopy(SHOP)
    stream = declaration["streams"]["sales"]
    for name, change in columns.items():
        if name.startswith("_"):
            stream[name[1:]] = change
        else:
            stream["columns"][name] |= change
    return load_one(home.path / "mended", declaration)


def again(home: Home, contract: Contract | None = None, **chosen: Any) -> list[ReplayReport]:
    arguments = {name: chosen.pop(name) for name in ("dry_run", "at") if name in chosen}
    return replay(
        contract or home.contract,
        find_records(home.ledger, **chosen),
        home=home.path,
        ledger=home.ledger,
        pii=home.pii,
        now=NOW.replace(hour=5),
        zone="Asia/Shanghai",
        **arguments,
    )


def states(home: Home) -> list[tuple[int, str, str]]:
    return [(one.record_no, one.state, one.reason) for one in home.ledger.quarantine()]


def test_a_mended_contract_lets_kept_records_land_with_their_first_arrival(home: Home) -> None:
    home.send([row(1), row(2, amount="-5.00"), row(3, amount="x")], amount="5.00")
    (delivery,) = home.land()
    assert delivery.rejected == 2
    (report,) = again(home, contract_of(home, amount={"min": -10}))
    assert report.replayed == 1 and report.replay is not None
    assert report.replay.replays == delivery.batch_id
    assert report.replay.received_at == NOW and report.replay.code == "replayed"
    found = home.rows("sale_no, amount::varchar, _record_no, _recorded_at::varchar, _branch")
    assert found[1] == ("S2", "-5.00", 2, "2026-03-31 01:00:00", "main")
    assert states(home) == [(2, "replayed", "below_minimum"), (3, "waiting", "not_a_decimal")]


def test_a_second_replay_doubles_nothing(home: Home) -> None:
    home.send([row(1), row(2, amount="-5.00")], amount="5.00")
    home.land()
    mended = contract_of(home, amount={"min": -10})
    again(home, mended)
    assert again(home, mended) == []
    assert [one[0] for one in home.rows("sale_no")] == ["S1", "S2"]
    assert home.land() == []


def test_records_that_are_still_wrong_wait_with_their_present_reason(home: Home) -> None:
    home.send([row(1), row(2, amount="-5.00", at="2026033")], amount="5.00")
    home.land()
    assert home.ledger.quarantine()[0].reason == "below_minimum"
    (report,) = again(home, contract_of(home, amount={"min": -10}))
    assert report.replayed == 0 and report.replay is None
    (left,) = home.ledger.quarantine()
    assert (left.state, left.column_name, left.reason, left.masked_value) == (
        "waiting",
        "sold_at",
        "not_a_timestamp",
        "9999999",
    )


def test_a_dry_run_tells_and_changes_nothing(home: Home) -> None:
    home.send([row(1), row(2, amount="-5.00")], amount="5.00")
    home.land()
    before = (home.ledger.batches(), home.ledger.quarantine(), home.rows())
    (report,) = again(home, contract_of(home, amount={"min": -10}), dry_run=True)
    assert report.replayed == 1 and report.replay is None
    assert (home.ledger.batches(), home.ledger.quarantine(), home.rows()) == before


def test_records_of_a_corrected_batch_are_discarded_and_its_replays_superseded(home: Home) -> None:
    lines = [row(1), row(2, amount="-5.00"), row(3, amount="x")]
    home.send(lines, amount="5.00")
    (first,) = home.land()
    mended = contract_of(home, amount={"min": -10})
    again(home, mended)
    home.send([row(1), row(2, amount="7.00"), row(3)], amount="27.00", name="again.txt")
    (correction,) = home.land()
    assert correction.code == "late_correction"
    assert [one[:2] for one in home.rows("sale_no, amount::varchar")] == [
        ("S1", "10.00"),
        ("S2", "7.00"),
        ("S3", "10.00"),
    ]
    (left,) = [one for one in home.ledger.quarantine() if one.state == "discarded"]
    assert left.record_no == 3 and left.note == f"superseded by batch {correction.batch_id}"
    assert again(home, mended) == []
    assert [
        one.batch_id for one in home.ledger.replays_of(first.batch_id or "", status="loaded")
    ] == []


def test_a_newer_delivery_of_a_record_wins_over_its_replay(home: Home) -> None:
    home.send([row(1), row(2, amount="-5.00")], amount="5.00")
    home.land()
    home.send([row(2, amount="7.00")], amount="7.00", day="2026-03-30", sequence=2)
    land_source(
        home.contract,
        home=home.path,
        ledger=home.ledger,
        pii=home.pii,
        now=NOW.replace(hour=2),
        zone="Asia/Shanghai",
    )
    again(home, contract_of(home, amount={"min": -10}))
    versions = home.rows("_recorded_at::varchar, amount::varchar, sale_no")
    assert [one for one in versions if one[2] == "S2"] == [
        ("2026-03-31 01:00:00", "-5.00", "S2"),
        ("2026-03-31 02:00:00", "7.00", "S2"),
    ]


def test_a_repeated_key_stays_out_however_often_it_is_replayed(home: Home) -> None:
    home.send([row(1), row(1, note="二")])
    home.land()
    for _ in range(2):
        (report,) = again(home)
        assert report.replayed == 0
    assert states(home) == [(2, "waiting", "duplicate_key")]
    # Two rejected records of one key: the first lands, the second is the repetition.
    home.send([row(7, amount="-1"), row(7, amount="-2")], amount="-3", sequence=2)
    home.land()
    (one,) = [r for r in again(home, contract_of(home, amount={"min": -10})) if r.replayed]
    assert one.replayed == 1
    assert again(home, contract_of(home, amount={"min": -10}))[-1].replayed == 0
    assert [key for (key,) in home.rows("sale_no")] == ["S1", "S7"]


def test_a_record_whose_key_is_a_person_is_recognised_by_its_pseudonym(home: Home) -> None:
    declaration = copy.deepcopy(SHOP)
    declaration["streams"]["sales"]["key"] = ["phone"]
    home.contract = load_one(home.path / "other", declaration)
    home.send([row(1), row(2, phone="138 0000 1111", amount="-1")], amount="9.00")
    home.land()
    declaration["streams"]["sales"]["columns"]["amount"]["min"] = -10
    (report,) = again(home, load_one(home.path / "mended", declaration))
    assert report.replayed == 0 and states(home) == [(2, "waiting", "duplicate_key")]


def test_one_record_that_spoils_the_others_is_found_and_stays(home: Home) -> None:
    declaration = copy.deepcopy(SHOP)
    declaration["file"] = {"delimiter": ",", "encoding": "utf-8", "header": True, "quote": '"'}
    declaration["streams"]["sales"]["reject_limit"] = {"rows": 9, "share": 0}
    home.contract = load_one(home.path / "quoted", declaration)
    lines = [f'S{n},13800001111,-{n},20260330080000,"a"' for n in range(1, 5)]
    lines[1] = 'S2,13800001111,-2,20260330080000,"a"b'
    body = "\n".join([HEADER.replace("|", ","), *lines, ""]).encode()
    deliver(home, "sales_20260330_0001.txt", body, rows=4, amount="-10")
    (delivery,) = home.land()
    assert delivery.rejected == 4
    declaration["streams"]["sales"]["columns"]["amount"]["min"] = -10
    (report,) = again(home, load_one(home.path / "mended", declaration))
    assert report.replayed == 3
    assert [key for (key,) in home.rows("sale_no")] == ["S1", "S3", "S4"]
    assert [one for one in states(home) if one[1] == "waiting"] == [(2, "waiting", "bad_quoting")]


def deliver(home: Home, name: str, body: bytes, *, rows: int, amount: str) -> None:
    home.folder.mkdir(parents=True, exist_ok=True)
    (home.folder / name).write_bytes(body)
    log = {
        "file": name,
        "source": "shop",
        "stream": "sales",
        "business_date": "2026-03-30",
        "sequence": 1,
        "rows": rows,
        "bytes": len(body),
        "sha256": sha256(body).hexdigest(),
        "sums": {"amount": amount},
        "sent_at": "2026-03-31T05:00:00+08:00",
    }
    (home.folder / f"{name}.send.log").write_text(json.dumps(log))


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16"])
@pytest.mark.parametrize("header", [True, False])
def test_kept_bytes_are_a_file_again_in_every_encoding(
    tmp_path: Path, home_contract: Contract, encoding: str, header: bool
) -> None:
    import duckdb

    from connectors.files.reading import read_typed

    layout = home_contract.layout.model_copy(
        update={"delimiter": "|", "encoding": encoding, "header": header}
    )
    contract = home_contract.model_copy(update={"file": layout})
    codec = "utf-16-le" if encoding == "utf-16" else encoding
    given = [
        dict(zip(HEADER.split("|"), row(n, note="好的").split("|"), strict=True)) for n in (1, 2)
    ]
    order = HEADER.split("|") if header else list(contract.streams["sales"].columns)
    bodies = ["|".join(one[name] for name in order).encode(codec) for one in given]
    path = tmp_path / "records.txt"
    write_records(path, layout, HEADER.split("|"), bodies)
    with duckdb.connect() as connection:
        read_typed(path, contract, "sales", connection, zone="Asia/Shanghai")
        found = connection.execute("select sale_no, note, _fault from typed").fetchall()
    assert found == [("S1", "好的", None), ("S2", "好的", None)]


def test_a_record_of_a_packed_file_is_kept_by_its_place_in_what_was_packed(
    tmp_path: Path, home_contract: Contract
) -> None:
    import duckdb

    from connectors.validation import Rejected

    body = f"{HEADER}\n{row(1)}\n{row(2)}\n".encode("gb18030")
    path = tmp_path / "sales.txt.gz"
    path.write_bytes(gzip.compress(body))
    start = body.index(b"S2")
    rejected = [Rejected(2, 3, start, len(body) - start, "amount", "below_minimum", None)]
    layout = home_contract.layout.model_copy(update={"compression": "gz"})
    with duckdb.connect() as connection:
        kept = kept_records(path, layout, HEADER.split("|"), rejected, connection)
    assert kept[2] == body[start:]
    assert json.loads(kept[0]) == {"header": HEADER.split("|")}


def test_a_mended_mapping_of_a_flat_data_set_lands_its_cases(tmp_path: Path) -> None:
    declaration = flat_declaration()
    contract = load_one(tmp_path / "sources", declaration)
    folder = tmp_path / "exchange/flat"
    folder.mkdir(parents=True)
    path = folder / "cases.csv"
    path.write_text("no,created,unit\nC1,2026-03-01 10:00:00,A\nC2,2031-01-01 10:00:00,B\n")
    from connectors.files.exchange import announce

    announce(path, contract, "cases", now=NOW, zone="UTC")
    with stores(tmp_path) as (ledger, pii):
        (delivery,) = land_source(
            contract, home=tmp_path, ledger=ledger, pii=pii, now=NOW, zone="UTC"
        )
        assert (delivery.loaded, delivery.rejected) == (1, 1)
        declaration["dates"]["plausible"]["to"] = "2040-01-01"
        mended = load_one(tmp_path / "mended", declaration)
        (report,) = replay(
            mended,
            find_records(ledger),
            home=tmp_path,
            ledger=ledger,
            pii=pii,
            now=NOW,
            zone="UTC",
        )
        assert report.replayed == 1
        assert [one.state for one in ledger.quarantine()] == ["replayed"]


def flat_declaration() -> dict[str, Any]:
    return {
        "source": "flat",
        "label": {"zh": "平", "en": "Flat"},
        "owner": "tests",
        "shape": "cases",
        "interface": {"type": "files", "format": "delimited", "location": "exchange/flat"},
        "file": {"delimiter": ",", "encoding": "utf-8", "header": True},
        "zone": "Asia/Shanghai",
        "org": {"levels": {"unit": {"zh": "单位", "en": "Unit"}}},
        "dates": {
            "format": "%Y-%m-%d %H:%M:%S",
            "precision": "second",
            "plausible": {"from": "2020-01-01", "to": "2030-01-01"},
        },
        "map": {
            "case_no": "no",
            "created": "created",
            "org": ["unit"],
            "category": ["unit"],
            "kind": {"constant": "complaint"},
        },
    }


def stores(path: Path) -> Any:
    from contextlib import ExitStack, contextmanager

    @contextmanager
    def opened() -> Any:
        with ExitStack() as stack:
            yield (
                stack.enter_context(Ledger(path / "ledger.db")),
                stack.enter_context(
                    PiiStore(
                        path / "pii.db",
                        pseudonym_key=PSEUDONYM_KEY,
                        encryption_key=ENCRYPTION_KEY,
                    )
                ),
            )

    return opened()


def table_declaration() -> dict[str, Any]:
    return {
        "source": "desk",
        "label": {"zh": "柜", "en": "Desk"},
        "owner": "tests",
        "interface": {"type": "table", "location": "sqlite:///desk.db"},
        "zone": "Asia/Shanghai",
        "streams": {
            "orders": {
                "label": {"zh": "订单", "en": "Orders"},
                "grain": "one change of one order",
                "key": ["order_no"],
                "mode": "changes",
                "columns": {
                    "order_no": {"type": "string", "required": True},
                    "amount": {"type": "decimal(18,2)", "min": 0},
                },
            }
        },
    }


def test_rows_of_a_flag_table_are_replayed_with_their_operation(tmp_path: Path) -> None:
    declaration = table_declaration()
    contract = load_one(tmp_path / "sources", declaration)
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'desk.db'}")
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "create table ifc_orders (order_no text, amount text, ifc_seq integer primary key, "
                "ifc_status integer, ifc_op text, ifc_batch text, ifc_claimed_at text, "
                "ifc_processed_at text, ifc_error text)"
            )
        )
        for seq, op, number, amount in [
            (1, "I", "A", "1"),
            (2, "U", "B", "-2"),
            (3, "X", "C", "3"),
        ]:
            connection.execute(
                sa.text(
                    "insert into ifc_orders values (:n, :a, :s, 0, :o, null, null, null, null)"
                ),
                {"n": number, "a": amount, "s": seq, "o": op},
            )
    engine.dispose()
    with stores(tmp_path) as (ledger, pii):
        land_source(contract, home=tmp_path, ledger=ledger, pii=pii, now=NOW, zone="Asia/Shanghai")
        assert [one.record_no for one in ledger.quarantine(state="waiting")] == [2, 3]
        declaration["streams"]["orders"]["columns"]["amount"]["min"] = -10
        (report,) = replay(
            load_one(tmp_path / "mended", declaration),
            find_records(ledger),
            home=tmp_path,
            ledger=ledger,
            pii=pii,
            now=NOW,
            zone="Asia/Shanghai",
        )
        assert report.replayed == 1 and report.replay is not None
        import duckdb

        found = duckdb.sql(
            "select order_no, amount::varchar, _op, _record_no "
            f"from read_parquet('{tmp_path / (report.replay.path or '')}')"
        ).fetchall()
        assert found == [("B", "-2.00", "U", 2)]
        (left,) = ledger.quarantine(state="waiting")
        assert (left.record_no, left.reason) == (3, "unknown_operation")


def test_what_is_kept_of_a_row_names_its_columns() -> None:
    assert json.loads(as_json(["1", None, "z"], ["a", "b"], op="D", flaw="bad")) == {
        "a": "1",
        "b": None,
        "3": "z",
        "_op": "D",
        "_flaw": "bad",
    }


def test_records_are_found_and_counted_by_every_filter(home: Home) -> None:
    home.send([row(1), row(2, amount="-5.00"), row(3, amount="-5.00")], amount="0.00")
    home.land()
    (batch,) = home.ledger.batches()
    (count,) = count_records(find_records(home.ledger))
    assert (count.records, count.batches, count.reason, count.state) == (
        2,
        1,
        "below_minimum",
        "waiting",
    )
    assert len(find_records(home.ledger, code="below_minimum", stream="sales", source="shop")) == 2
    assert len(find_records(home.ledger, batch_id=batch.batch_id[:8], record_no=3)) == 1
    assert find_records(home.ledger, state="replayed") == []
    assert find_records(home.ledger, code="too_long") == []


def test_discarded_records_keep_the_reason_without_the_numbers_in_it(home: Home) -> None:
    home.send([row(1), row(2, amount="-5.00")], amount="5.00")
    home.land()
    reason = "客户 13911112222 已退单"
    found = find_records(home.ledger)
    given_up = {
        "home": home.path,
        "ledger": home.ledger,
        "pii": home.pii,
        "reason": reason,
        "now": NOW,
    }
    with only_one(home.path, "shop"), pytest.raises(LandingBusy):
        give_up("shop", found, **given_up)
    assert len(home.pii.kept_records()) == 2
    assert give_up("shop", found, **given_up) == 1
    assert home.pii.kept_records() == [(found[0].row.batch_id, 0)]
    assert give_up("shop", found, **given_up) == 0
    (left,) = home.ledger.quarantine()
    assert (left.state, left.note) == ("discarded", "客户 [phone] 已退单")
    assert again(home, contract_of(home, amount={"min": -10})) == []


def test_a_record_settled_meanwhile_keeps_its_bytes_when_it_is_given_up(home: Home) -> None:
    home.send([row(1), row(2, amount="-5.00")], amount="5.00")
    home.land()
    found = find_records(home.ledger)
    with home.ledger.rows.writing():
        home.ledger.rows.execute("update quarantine set state = 'replayed'")
    assert discard(home.ledger, found, reason="late", now=NOW) == []


STEPS = ["intended", "pii", "announced", "parquet_temporary", "parquet", "loaded"]


def replay_mended(path: Path, *, at: Callable[[str], None]) -> None:
    """Replay what waits in a home by its mended contract; runs in a process of its own."""
    contract = load_contracts([path / "mended"])["shop"]
    with stores(path) as (ledger, pii):
        again(OwnHome(path, contract, ledger, pii), contract, at=at)


@pytest.mark.soak
@pytest.mark.parametrize("step", STEPS)
def test_a_replay_killed_at_any_step_is_finished_by_the_next(home: Home, step: str) -> None:
    home.send([row(1), row(2, amount="-5.00"), row(3, amount="-6.00")], amount="-1.00")
    home.land()
    mended = contract_of(home, amount={"min": -10})
    assert end_at(step, replay_mended, home.path) == DIED
    again(home, mended)
    assert [key for (key,) in home.rows("sale_no")] == ["S1", "S2", "S3"]
    assert {one[1] for one in states(home)} == {"replayed"}
    assert {one.status for one in home.ledger.batches()} == {"loaded"}
    parquet = {path.name for path in (home.path / "raw").rglob("*.parquet")}
    assert parquet == {f"{one.batch_id}.parquet" for one in home.ledger.batches()}


def test_a_replay_that_broke_off_and_was_changed_leaves_nothing_of_the_first(home: Home) -> None:
    home.send([row(1), row(2, amount="-5.00"), row(3, amount="-50.00")], amount="-45.00")
    home.land()

    def end(step: str) -> None:
        if step == "parquet":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        again(home, contract_of(home, amount={"min": -100}), at=end)
    (report,) = again(home, contract_of(home, amount={"min": -10}))
    assert report.replayed == 1
    assert [key for (key,) in home.rows("sale_no")] == ["S1", "S2"]
    assert len(home.ledger.batches()) == 2


@pytest.mark.soak
def test_kills_at_random_steps_leave_each_record_waiting_or_replayed(home: Home) -> None:
    rng = random.Random(5)
    expected = ["S1"]
    home.send([row(1)])
    home.land()
    mended = contract_of(home, amount={"min": -10})
    for number in range(kills(3)):
        key = number + 10
        home.send([row(key, amount="-5.00")], amount="-5.00", sequence=number + 2)
        home.land()
        assert end_at(rng.choice(STEPS), replay_mended, home.path) == DIED
        again(home, mended)
        expected.append(f"S{key}")
        assert [one for (one,) in home.rows("sale_no")] == sorted(expected)


def formatted(name: str) -> dict[str, Any]:
    """The shop's contract in another format, with the grammar that the format needs."""
    declaration = copy.deepcopy(SHOP)
    declaration["interface"]["format"] = name
    columns = declaration["streams"]["sales"]["columns"]
    declaration["streams"]["sales"]["control"] = {"rows": True, "sums": []}
    if name == "fixed_width":
        declaration["file"] = {"encoding": "gb18030", "header": False}
        place = 1
        for column in columns.values():
            column["at"] = [place, 20]
            place += 20
    elif name == "spreadsheet":
        declaration["file"] = {"header": True, "sheet": "Sheet1"}
    elif name in {"national_centre", "json_lines"}:
        del declaration["file"]
    return declaration


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("delimited", ".txt"),
        ("national_centre", ".txt"),
        ("fixed_width", ".txt"),
        ("json_lines", ".jsonl"),
        ("spreadsheet", ".xlsx"),
    ],
)
def test_records_of_every_format_are_replayed(home: Home, name: str, suffix: str) -> None:
    from connectors.files.exchange import announce
    from connectors.formats import write_file

    declaration = formatted(name)
    home.contract = load_one(home.path / "formatted", declaration)
    home.folder.mkdir(parents=True)
    path = home.folder / f"sales_20260330_0001{suffix}"
    header = HEADER.split("|")
    rows = [
        dict(zip(header, row(n, amount=amount, note="好的").split("|"), strict=True))
        for n, amount in [(1, "1.00"), (2, "-2.00"), (3, "-3.00")]
    ]
    write_file(rows, path, home.contract, "sales")
    announce(path, home.contract, "sales", now=NOW, zone="Asia/Shanghai")
    (delivery,) = home.land()
    assert (delivery.loaded, delivery.rejected) == (1, 2), delivery
    declaration["streams"]["sales"]["columns"]["amount"]["min"] = -10
    (report,) = again(home, load_one(home.path / "mended", declaration))
    assert (report.replayed, report.waiting, report.lost) == (2, (), 0)
    assert home.rows("sale_no, amount::varchar, note, sold_at::varchar") == [
        (f"S{n}", amount, "好的", "2026-03-30 00:00:00")
        for n, amount in [(1, "1.00"), (2, "-2.00"), (3, "-3.00")]
    ]


def test_a_mail_that_broke_the_contract_is_replayed(tmp_path: Path) -> None:
    from email.message import EmailMessage

    from connectors.contract import SOURCES

    declaration = yaml.safe_load((SOURCES / "mail.yml").read_text(encoding="utf-8"))
    declaration["streams"]["messages"]["columns"]["subject"]["length"] = 3
    folder = tmp_path / "exchange/mail"
    folder.mkdir(parents=True)
    for number, subject in [(1, "短"), (2, "太长的主题")]:
        mail = EmailMessage()
        mail["From"], mail["To"] = "li@example.com", "feedback@example.com"
        mail["Subject"], mail["Message-ID"] = subject, f"<{number}@example.com>"
        mail["Date"] = "Mon, 30 Mar 2026 08:00:00 +0800"
        mail["Received"] = "from a by b; Mon, 30 Mar 2026 08:00:05 +0800"
        mail.set_content("内容")
        (folder / f"{number}.eml").write_bytes(mail.as_bytes())
    contract = load_one(tmp_path / "sources", declaration)
    with stores(tmp_path) as (ledger, pii):
        (delivery,) = land_source(
            contract, home=tmp_path, ledger=ledger, pii=pii, now=NOW, zone="Asia/Shanghai"
        )
        assert (delivery.loaded, delivery.rejected) == (1, 1)
        declaration["streams"]["messages"]["columns"]["subject"]["length"] = 30
        (report,) = replay(
            load_one(tmp_path / "mended", declaration),
            find_records(ledger),
            home=tmp_path,
            ledger=ledger,
            pii=pii,
            now=NOW,
            zone="Asia/Shanghai",
        )
        assert report.replayed == 1
