"""The commands about deliveries and the quarantine, as a person types them."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from connectors.contract import load_contracts
from connectors.ledger_rows import Batch
from pipelines.command_line.application import application
from pipelines.delivery_history import Choice, history, reconcile
from pipelines.installation import Installation
from pipelines.tidying import tidy
from tests.connectors.conftest import SHOP, Home, row

CLOCK = "fixed:2026-03-31T09:00:00+08:00"


class Shop:
    """A home that reads the shop's files by a contract of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write_contract(lambda stream: None)
        self.environment = {
            "HUIYIN_HOME": str(path),
            "HUIYIN_SOURCES": "shop",
            "HUIYIN_CLOCK": CLOCK,
            "COLUMNS": "80",
        }

    def write_contract(self, change: Any) -> None:
        declaration = copy.deepcopy(SHOP)
        declaration["streams"]["sales"]["delivery"] = {"by": "06:30"}
        change(declaration["streams"]["sales"])
        folder = self.path / "site" / "connectors" / "sources"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "shop.yml").write_text(yaml.safe_dump(declaration, allow_unicode=True))

    def open(self) -> Installation:
        return Installation.open(self.environment)

    def send(self, lines: list[str], **changes: Any) -> Path:
        contract = load_contracts([self.path / "site" / "connectors" / "sources"])["shop"]
        sender = Home(self.path, contract, None, None)  # type: ignore[arg-type]
        return sender.send(lines, **changes)

    def run(self, *arguments: str, expect: int = 0) -> Result:
        result = CliRunner().invoke(
            application, list(arguments), env=self.environment, standalone_mode=False
        )
        code = result.return_value if isinstance(result.return_value, int) else result.exit_code
        assert code == expect, f"{arguments}: {code}\n{result.output}\n{result.exception!r}"
        return result

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--format", "json").stdout)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    yield Shop(tmp_path)


def mend(stream: dict[str, Any]) -> None:
    stream["columns"]["amount"]["min"] = -10


def test_the_history_tells_batches_and_events_in_the_order_they_came(shop: Shop) -> None:
    shop.send([row(1), row(2, amount="-5.00")], amount="5.00")
    path = shop.send([row(3)], sequence=3)
    path.with_name(f"{path.name}.send.log").unlink()
    shop.run("ingest")
    text = shop.run("deliveries", "--language", "zh").stdout
    assert "交付与交换事件" in text and "已落地" in text and "有文件，没有发送日志" in text
    english = shop.run("deliveries", "--language", "en").stdout
    assert "records break the contract and are in" in " ".join(english.split())
    both = shop.json("deliveries")
    assert [one["code"] for one in both["batches"]] == ["malformed_row"]
    assert [one["code"] for one in both["events"]] == ["missing_log"]
    assert shop.json("deliveries", "--code", "missing_log")["batches"] == []
    assert shop.json("deliveries", "shop.sales", "--from", "2026-03-31")["batches"] == []
    assert len(shop.json("deliveries", "shop", "--to", "2026-03-30", "--problems")["batches"]) == 1


def test_what_is_open_is_what_nobody_has_settled(shop: Shop) -> None:
    shop.send([row(1), row(2, amount="-5.00")], amount="5.00")
    shop.send([row(3)], sequence=2, amount="99.00")
    shop.run("ingest")
    assert [one["code"] for one in shop.json("deliveries", "--open")["batches"]] == [
        "malformed_row",
        "wrong_sum",
    ]
    told = shop.run("deliveries", "--open", "--language", "zh").stdout
    said = "申报的合计与清点不符 (wrong_sum) declared and counted sums differ: amount 99.00"
    assert said in " ".join(told.split())
    assert "  wrong_sum: 请源系统核对后重发" in told
    shop.send([row(3)], sequence=2)
    shop.write_contract(mend)
    shop.run("ingest")
    shop.run("quarantine", "replay", "--all")
    assert shop.json("deliveries", "--open")["batches"] == []


def test_a_source_or_stream_that_is_not_read_is_refused_with_those_that_are(shop: Shop) -> None:
    for wrong in (["deliveries", "hotel"], ["deliveries", "shop.rooms"]):
        result = CliRunner().invoke(application, wrong, env=shop.environment)
        assert result.exit_code == 2 and "shop" in result.output


def test_declared_and_counted_totals_are_compared_day_by_day(shop: Shop) -> None:
    shop.send([row(1), row(2, amount="x")], amount="12.00")
    shop.send([row(3)], sequence=2, day="2026-03-31")
    shop.run("ingest")
    lines = shop.json("deliveries", "shop.sales", "--reconcile")
    assert [(one["business_date"], one["measure"], one["difference"]) for one in lines] == [
        ("2026-03-30", "amount", "-2.00"),
        ("2026-03-30", "rows", "0"),
        ("2026-03-31", "amount", "0.00"),
        ("2026-03-31", "rows", "0"),
    ]
    assert lines[2]["drift"] == "-2.00" and lines[0]["rejected"] == 1
    assert "累计差" in shop.run("deliveries", "--reconcile", "--language", "zh").stdout


def test_the_quarantine_is_counted_first_and_says_what_to_do(shop: Shop) -> None:
    shop.send([row(1), row(2, amount="-5.00"), row(3, amount="-5.00")], amount="0.00")
    shop.run("ingest")
    text = shop.run("quarantine", "list", "--language", "zh").stdout
    assert text.index("小于合同规定的下限") < text.index("sales_20260330_0001.txt"[:10])
    assert "改合同后重放" in text
    english = shop.run("quarantine", "list", "--language", "en", "--limit", "1").stdout
    assert "1 more: --limit 0 lists all." in english
    assert len(shop.json("quarantine", "list", "--stream", "shop.sales")) == 2
    assert shop.json("quarantine", "list", "--state", "replayed") == []


def test_a_record_is_shown_masked_and_its_text_only_for_a_purpose(shop: Shop) -> None:
    shop.send([row(1), row(2, amount="-5.00", phone="13912345678")], amount="5.00")
    shop.run("ingest")
    (record,) = shop.json("quarantine", "list")
    shown = shop.run("quarantine", "show", record["batch_id"][:8], "2").stdout
    assert "-9.99" in shown and "13912345678" not in shown
    refused = CliRunner().invoke(
        application,
        ["quarantine", "show", record["batch_id"], "2", "--reveal"],
        env=shop.environment,
    )
    assert refused.exit_code == 2 and "13912345678" not in refused.output
    text = shop.run(
        "quarantine", "show", record["batch_id"], "2", "--reveal", "--purpose", "INC-1"
    ).stdout
    assert "13912345678" in text
    with shop.open().pii_store() as pii:
        noted = pii._connection.execute("select pseudonym, purpose from reveal").fetchall()
    assert [tuple(one) for one in noted] == [(f"record {record['batch_id']} 2", "INC-1")]


def test_a_replay_tells_first_and_then_does(shop: Shop) -> None:
    shop.send([row(1), row(2, amount="-5.00"), row(3, amount="x")], amount="5.00")
    shop.run("ingest")
    shop.write_contract(mend)
    (told,) = shop.json("quarantine", "replay", "--source", "shop", "--dry-run")
    assert (told["replayed"], told["replay"], len(told["waiting"])) == (1, None, 1)
    (done,) = shop.json("quarantine", "replay", "--source", "shop")
    assert done["replayed"] == 1 and done["replay"]
    assert [one["state"] for one in shop.json("quarantine", "list")] == ["replayed", "waiting"]
    assert "隔离" in shop.run("quarantine", "replay", "--all", "--language", "zh").stdout
    listed = shop.json("deliveries")["batches"]
    assert [one["code"] for one in listed] == ["malformed_row", "replayed"] or [
        one["code"] for one in listed
    ] == ["replayed", "malformed_row"]
    none = CliRunner().invoke(application, ["quarantine", "replay"], env=shop.environment)
    assert none.exit_code == 2


def test_records_are_given_up_with_a_reason_and_lose_their_text(shop: Shop) -> None:
    shop.send([row(1), row(2, amount="-5.00"), row(3, amount="-6.00")], amount="-1.00")
    shop.run("ingest")
    batch = shop.json("quarantine", "list")[0]["batch_id"]
    without = CliRunner().invoke(
        application, ["quarantine", "discard", batch], env=shop.environment
    )
    assert without.exit_code == 2
    shop.run("quarantine", "discard", batch, "3", "--reason", "测试数据")
    states = {one["record_no"]: one["state"] for one in shop.json("quarantine", "list")}
    assert states == {2: "waiting", 3: "discarded"}
    with shop.open().pii_store() as pii:
        assert [number for _, number in pii.kept_records()] == [0, 2]
    shop.run("quarantine", "discard", batch, "3", "--reason", "again", expect=1)


def test_a_small_full_delivery_is_allowed_by_command(shop: Shop) -> None:
    shop.write_contract(lambda stream: stream.update(mode="full"))
    shop.send([row(n) for n in range(1, 6)])
    shop.run("ingest")
    shop.run("exchange", "allow-shrink", "shop.sales", expect=1)
    shop.send([row(1)], sequence=2)
    shop.run("ingest")
    assert [one["code"] for one in shop.json("deliveries", "--open")["batches"]] == ["shrunk"]
    assert "1 行" in shop.run("exchange", "allow-shrink", "shop.sales").stdout
    shop.run("ingest")
    assert shop.json("deliveries", "--open")["batches"] == []


def test_a_refused_batch_is_read_again_by_command(shop: Shop) -> None:
    shop.write_contract(lambda stream: stream["columns"].update(extra={"type": "string"}))
    shop.send([row(1)])
    shop.run("ingest")
    (refused,) = shop.json("deliveries", "--open")["batches"]
    shop.write_contract(lambda stream: None)
    shop.run("exchange", "retry", refused["batch_id"][:8])
    shop.run("ingest")
    assert shop.json("deliveries", "--open")["batches"] == []
    gone = CliRunner().invoke(
        application, ["exchange", "retry", refused["batch_id"]], env=shop.environment
    )
    assert gone.exit_code == 2


def test_what_is_late_is_noted_by_the_ingest_and_settled_by_the_delivery(shop: Shop) -> None:
    shop.send([row(1, at="20260328080000")], day="2026-03-28")
    shop.run("ingest")
    codes = {(one["code"], one["business_date"]) for one in shop.json("deliveries")["events"]}
    assert codes == {("missing_delivery", "2026-03-29"), ("late_delivery", "2026-03-30")}
    shop.send([row(2)], day="2026-03-30", sequence=2, covers_from="2026-03-29")
    shop.run("ingest")
    assert shop.json("deliveries", "--open")["events"] == []


def test_tidying_tells_what_it_would_do_and_does_it(shop: Shop) -> None:
    for number in range(1, 10):
        shop.send([row(number, at="20260328080000")], sequence=number, day="2026-03-28")
    shop.run("ingest")
    would = shop.run("exchange", "tidy", "--dry-run").stdout
    assert "shop.sales 2026-03-28: 9 -> 1 (9 批 batches)" in would
    assert len(list((shop.path / "raw").rglob("*.parquet"))) == 9
    assert tidy(shop.open(), say=lambda _: None).compacted[0].files == 9
    assert tidy(shop.open(), say=lambda _: None).compacted == ()


def test_tidying_deletes_archived_files_that_are_kept_no_longer(shop: Shop) -> None:
    shop.write_contract(lambda stream: stream.update(keep="35 days"))
    name = shop.send([row(1)]).name
    shop.run("ingest")
    archive = shop.path / "exchange" / "shop" / "archive"
    shop.environment["HUIYIN_CLOCK"] = "fixed:2026-05-10T09:00:00+08:00"
    told = "从归档删除的文件 files deleted from archives: 3"
    assert told in shop.run("exchange", "tidy", "--dry-run").stdout
    assert (archive / name).exists()
    assert told in shop.run("exchange", "tidy").stdout
    assert list(archive.iterdir()) == []
    assert tidy(shop.open(), say=lambda _: None).archived == 0


def test_tidying_leaves_an_archive_alone_outside_the_hours_and_a_landing_within_them_does_it(
    shop: Shop,
) -> None:
    path = shop.path / "site" / "connectors" / "sources" / "shop.yml"
    declaration = yaml.safe_load(path.read_text())
    declaration["interface"] |= {"hours": "08:00-10:00", "keep_archive": "10 days"}
    path.write_text(yaml.safe_dump(declaration, allow_unicode=True))
    archive = shop.path / "exchange" / "shop" / "archive"

    def at(clock: str) -> None:
        shop.environment["HUIYIN_CLOCK"] = f"fixed:2026-{clock}+08:00"

    def tidied() -> tuple[int, tuple[str, ...], list[str]]:
        report = tidy(shop.open(), say=lambda _: None)
        return report.archived, report.outside_hours, list(report.failures)

    name = shop.send([row(1)]).name
    shop.run("ingest")
    at("05-10T02:30:00")
    assert tidied() == (0, ("shop",), [])
    assert "shop: 现在不在约定的读取时段" in shop.run("exchange", "tidy").stdout
    shop.run("ingest")
    assert (archive / name).exists()
    at("05-10T09:00:00")
    shop.run("ingest")
    assert list(archive.iterdir()) == []
    (archive / name).write_text("by hand")
    shop.run("ingest")
    assert (archive / name).exists(), "one landing a day does it"
    assert tidied() == (1, (), [])
    at("05-11T09:00:00")
    archive.rmdir()
    archive.write_text("no folder")
    shop.run("ingest")
    at("05-12T02:30:00")
    assert tidied() == (0, ("shop",), ["shop"]), "the night tells what the day failed of"


def test_a_history_of_thousands_is_cut_with_a_note(shop: Shop) -> None:
    shop.send([row(1)])
    shop.run("ingest")
    with shop.open().ledger() as ledger:
        (batch,) = ledger.batches()
        with ledger.rows.writing():
            for number in range(5_000):
                at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
                ledger.rows.insert(
                    "batch",
                    replace(batch, batch_id=f"b{number}", sequence=number + 2, received_at=at),
                )
        assert len(history(ledger, Choice())) == 5_001
    text = shop.run("deliveries", "--language", "en").stdout
    assert "4,801 earlier ones are not shown: --limit 0 lists all" in text
    assert len(text.splitlines()) < 1_000


def test_every_line_fits_a_terminal_of_eighty_columns(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rich.cells import cell_len

    from pipelines.command_line import output

    monkeypatch.setattr(output, "_PIPED_WIDTH", 80)
    shop.send([row(1), row(2, amount="-5.00")], amount="5.00")
    path = shop.send([row(3)], sequence=3)
    path.with_name(f"{path.name}.send.log").unlink()
    shop.run("ingest")
    for arguments in (["deliveries"], ["deliveries", "--reconcile"], ["quarantine", "list"]):
        for language in ("zh", "en"):
            text = shop.run(*arguments, "--language", language).stdout
            tables = [line for line in text.splitlines() if not line.startswith("  ")]
            assert max(cell_len(line) for line in tables) <= 80
            assert "sales" in text


def test_totals_of_batches_that_do_not_count_are_left_out() -> None:
    def batch(number: int, **changes: Any) -> Batch:
        made = Batch(
            batch_id=f"b{number}",
            source="shop",
            stream="sales",
            branch="main",
            business_date=date(2026, 3, number),
            covers_from=date(2026, 3, number),
            sequence=number,
            interface="files",
            place="f",
            content_sha256="",
            log_sha256="",
            declared_rows=10,
            declared_sums={"amount": "100.00"},
            rows=10,
            rows_loaded=10,
            rejected=0,
            sums={"amount": "99.50"},
            status="loaded",
            code=None,
            reason=None,
            supersedes=None,
            path=None,
            received_at=datetime(2026, 3, 31, tzinfo=UTC),
            loaded_at=None,
        )
        return replace(made, **changes)

    lines = reconcile(
        [
            batch(1),
            batch(2, sums={"amount": "100.25"}),
            batch(3, status="refused"),
            batch(4, status="superseded"),
            batch(5, replays="b1"),
            batch(6, declared_rows=None, declared_sums={}),
        ]
    )
    sums = [
        (one.business_date.day, str(one.difference), str(one.drift))
        for one in lines
        if one.measure == "amount"
    ]
    assert sums == [(1, "-0.50", "-0.50"), (2, "0.25", "-0.25")]


def test_a_source_whose_files_disagree_with_the_ledger_is_told_by_the_tidying(shop: Shop) -> None:
    for number in range(1, 10):
        shop.send([row(number, at="20260328080000")], sequence=number, day="2026-03-28")
    shop.run("ingest")
    with shop.open().ledger() as ledger, ledger.rows.writing():
        ledger.rows.execute("update batch set rows_loaded = 7 where sequence = 3")
    result = shop.run("exchange", "tidy", expect=1)
    assert "do not hold the rows that the ledger says" in result.stdout
    assert len(list((shop.path / "raw").rglob("*.parquet"))) == 9


def test_only_a_file_is_read_again_and_of_the_others_the_reason_is_told(shop: Shop) -> None:
    shop.write_contract(lambda stream: stream["columns"].update(extra={"type": "string"}))
    shop.send([row(1)])
    shop.run("ingest")
    with shop.open().ledger() as ledger, ledger.rows.writing():
        ledger.rows.execute("update batch set interface = 'table'")
        (batch,) = ledger.batches()
    refused = CliRunner().invoke(
        application, ["exchange", "retry", batch.batch_id], env=shop.environment
    )
    assert refused.exit_code == 2 and "only files can be read again" in " ".join(
        refused.output.replace("│", " ").split()
    )
