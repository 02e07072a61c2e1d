"""A source that cannot be read leaves its trace: an event with a code, told in both languages."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from connectors.codes import known_codes
from connectors.errors import ConnectorError
from connectors.landing import only_one
from connectors.ledger_rows import ExchangeEvent
from pipelines.command_line.application import application
from pipelines.installation import Installation
from pipelines.news import news_of
from pipelines.stream_findings import stream_findings
from pipelines.workflow import watch
from tests.connectors.conftest import NOW, SHOP
from tests.connectors.partner_tables import make_flag_table, make_table, offer, sale
from tests.peers.databases import Peer, postgres_peer, sqlite_peer
from tests.peers.sshd import Sshd, running_sshd
from tests.peers.wire import wire_to


class Reader:
    """A home that reads the shop by a contract of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.environment = {
            "HUIYIN_HOME": str(path),
            "HUIYIN_SOURCES": "shop",
            "HUIYIN_CLOCK": "fixed:2026-03-31T09:00:00+08:00",
        }

    def agree(self, location: str, **interface: Any) -> None:
        """Write the contract: files, or a table with `type`."""
        declaration = copy.deepcopy(SHOP)
        declaration["interface"] |= {"location": location, **interface}
        if declaration["interface"]["type"] != "files":
            sales = declaration["streams"]["sales"]
            declaration["interface"].pop("format")
            declaration.pop("file")
            sales.pop("control")
            sales["columns"]["sold_at"].pop("format")
            is_extract = declaration["interface"]["type"] == "extract"
            sales["mode"] = "full" if is_extract else "changes"
            sales["table"] = declaration["interface"].pop("table")
        folder = self.path / "site" / "connectors" / "sources"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "shop.yml").write_text(yaml.safe_dump(declaration, allow_unicode=True))

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(
            application, list(arguments), env=self.environment, standalone_mode=False
        )

    def ingest(self) -> str:
        """What `huiyin ingest` says on both streams; what failed stands on stderr."""
        result = self.run("ingest")
        return result.output + (result.stderr if result.stderr_bytes is not None else "")

    def events(self, *, unresolved: bool = True) -> list[ExchangeEvent]:
        with Installation.open(self.environment).ledger() as ledger:
            return ledger.exchange_events(unresolved=unresolved)

    def freshness(self) -> Any:
        return stream_findings(Installation.open(self.environment), "shop")["sales"]["freshness"]

    def listed(self, language: str) -> str:
        return " ".join(self.run("deliveries", "--open", "--language", language).stdout.split())


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    (tmp_path / "home").mkdir()
    return Reader(tmp_path / "home")


@contextmanager
def served(reader: Reader, base: Path) -> Iterator[tuple[Sshd, Any]]:
    """The shop's folder on an sftp server behind a wire that can be closed."""
    with running_sshd(base) as server, wire_to(server.port) as wire:
        line = server.host_key_line.replace(f":{server.port} ", f":{wire.port} ")
        (reader.path / "known_hosts").write_text(line)
        reader.environment["HUIYIN_SHOP_KEY_FILE"] = str(server.key_file)
        reader.agree(server.location.replace(f":{server.port}/", f":{wire.port}/"))
        yield server, wire


def only(events: list[ExchangeEvent]) -> ExchangeEvent:
    (event,) = events
    assert (event.source, event.stream, event.business_date) == ("shop", "", None)
    return event


def test_a_database_that_is_gone_is_an_event_until_it_is_read_again(reader: Reader) -> None:
    with postgres_peer() as peer:
        make_flag_table(peer)
        offer(peer, sale(1))
        reader.environment["HUIYIN_SHOP_PASSWORD"] = peer.password or ""
        port = peer.engine.url.port or 5432
        host = peer.engine.url.host
        table = peer.table("ifc_sales")
        with wire_to(port) as wire:
            away = peer.location.replace(f"{host}:{port}", f"127.0.0.1:{wire.port}")
            reader.agree(away, type="table", table=table)
            assert "1 批 batches" in reader.ingest() and reader.events() == []
            wire.close()
            told = reader.ingest()
            assert "shop: 来源现在读不到 / the source cannot be read now" in told
            event = only(reader.events())
            assert event.code == "source_unreachable" and str(wire.port) in event.detail
            reader.ingest()
            assert reader.events(unresolved=False) == [event], "once, for as long as it lasts"
            chinese, english = reader.listed("zh"), reader.listed("en")
            assert "来源现在读不到 (source_unreachable) Connecting to" in chinese
            assert "the source cannot be read now (source_unreachable)" in english
            assert " source_unreachable: 检查网络、挂载和对方的服务器" in chinese
            assert " source_unreachable: check the network, the mount" in english
            found = reader.freshness()
            assert (found.passed, found.severity) == (False, "error")
            assert found.zh.startswith("来源现在读不到（source_unreachable）")
        reader.agree(peer.location, type="table", table=table)
        reader.ingest()
        assert reader.events() == [] and len(reader.events(unresolved=False)) == 1


def test_an_sftp_server_that_drops_us_is_an_event(reader: Reader, tmp_path: Path) -> None:
    with served(reader, tmp_path) as (_, wire):
        reader.ingest()
        assert reader.events() == []
        wire.close()
        assert "(source_unreachable)" in reader.ingest()
        assert only(reader.events()).code == "source_unreachable"


def test_a_wrong_host_key_and_a_wrong_key_of_ours_are_events_of_their_own(
    reader: Reader, tmp_path: Path
) -> None:
    with served(reader, tmp_path) as (server, _):
        known = reader.path / "known_hosts"
        good = known.read_text()
        other = (tmp_path / "sshd" / "user_key.pub").read_text().split()[1]
        known.write_text(" ".join([*good.split()[:2], other]) + "\n")
        told = reader.ingest()
        assert "对方主机的密钥不是已知的那一个" in told and "known one" in told
        assert only(reader.events()).code == "host_key_refused"
        known.write_text(good)
        stranger = tmp_path / "stranger"
        shutil.copy(tmp_path / "sshd" / "host_key", stranger)
        stranger.chmod(0o600)
        reader.environment["HUIYIN_SHOP_KEY_FILE"] = str(stranger)
        assert "登录被拒，或没有凭据 / signing in was refused" in reader.ingest()
        codes = [event.code for event in reader.events()]
        assert codes == ["host_key_refused", "credentials_refused"]
        reader.environment["HUIYIN_SHOP_KEY_FILE"] = str(server.key_file)
        reader.ingest()
        assert reader.events() == []


@pytest.fixture
def partner(reader: Reader) -> Iterator[Peer]:
    with sqlite_peer(reader.path) as peer:
        yield peer


def test_a_lost_column_is_told_anew_when_another_is_lost_and_seen_by_the_check(
    reader: Reader, partner: Peer
) -> None:
    make_table(partner)
    reader.agree(partner.location, type="extract", table="sales")
    partner.run("alter table sales rename column amount to total")
    assert "表、列、权限或位置与约定不符" in reader.ingest()
    first = only(reader.events())
    assert first.code == "interface_mismatch" and "amount" in first.detail
    # A look at an extract does not read it, so only the event can tell.
    assert reader.freshness().zh.startswith("表、列、权限或位置与约定不符（interface_mismatch）")
    partner.run("alter table sales rename column total to amount")
    partner.run("alter table sales rename column note to remark")
    reader.ingest()
    second = only(reader.events())
    assert "note" in second.detail and len(reader.events(unresolved=False)) == 2
    partner.run("alter table sales rename column remark to note")
    reader.ingest()
    assert reader.events() == []


def test_two_landings_at_once_are_told_in_both_languages_and_change_no_event(
    reader: Reader, partner: Peer
) -> None:
    reader.agree("sqlite:///partner/away.db", type="table", table="ifc_sales")
    reader.ingest()
    event = only(reader.events())
    with only_one(reader.path, "shop"):
        told = reader.ingest()
    assert "shop: 另一个进程正在读这个来源 / another process is reading this source" in told
    assert reader.events(unresolved=False) == [event]


def test_a_source_outside_its_hours_was_not_read_and_settles_nothing(reader: Reader) -> None:
    away = {"type": "table", "table": "ifc_sales"}
    reader.agree("sqlite:///partner/away.db", **away)
    reader.ingest()
    reader.agree("sqlite:///partner/away.db", hours="22:00-06:00", **away)
    assert "1 批拒收或不读" in reader.ingest()
    assert only(reader.events()).code == "source_unreachable"


def test_the_beginning_and_the_end_of_a_trouble_are_news_once_each(
    reader: Reader, partner: Peer
) -> None:
    def troubled() -> tuple[tuple[str, ...], bool]:
        news = news_of(Installation.open(reader.environment))
        return news.troubled, bool(news)

    make_flag_table(partner)
    here = {"type": "table", "table": partner.table("ifc_sales")}
    reader.agree("sqlite:///partner/away.db", **here)
    before = news_of(Installation.open(reader.environment))
    assert troubled() == (("shop",), True) and "shop" in before.unreachable
    reader.ingest()
    assert only(reader.events()).code == "source_unreachable"
    after = news_of(Installation.open(reader.environment))
    assert troubled() == ((), False) and "shop" in after.unreachable
    assert before.fingerprint != after.fingerprint
    reader.agree(partner.location, hours="22:00-06:00", **here)
    assert troubled() == ((), False), "outside its hours nobody has looked"
    reader.agree(partner.location, **here)
    assert troubled() == (("shop",), True)
    reader.ingest()
    assert troubled() == ((), False) and reader.events() == []


def test_a_trouble_that_no_look_can_see_starts_no_run_after_run(
    reader: Reader, partner: Peer
) -> None:
    make_flag_table(partner)
    reader.agree(partner.location, type="table", table=partner.table("ifc_sales"))
    with Installation.open(reader.environment).ledger() as ledger:
        ledger.note_event("interface_mismatch", source="shop", stream="", detail="x", now=NOW)
    assert not news_of(Installation.open(reader.environment))


def test_what_a_source_or_an_export_leaves_behind_is_settled_when_it_is_declared_no_more(
    reader: Reader,
) -> None:
    reader.agree("sqlite:///partner/away.db", type="table", table="ifc_sales")
    reader.ingest()
    installation = Installation.open(reader.environment)
    with installation.ledger() as ledger:
        for code, stream in (
            ("source_unreachable", ""),
            ("late_delivery", "sales"),
            ("unmade_export", "gone"),
        ):
            ledger.note_event(code, source="former", stream=stream, detail="x", now=NOW)
        watch(installation, ledger)
    assert [(one.source, one.code) for one in reader.events()] == [
        ("shop", "source_unreachable"),
        ("former", "late_delivery"),
    ]


def test_every_error_that_can_end_a_landing_has_its_words() -> None:
    def kinds(kind: type[ConnectorError]) -> Iterator[type[ConnectorError]]:
        yield kind
        for below in kind.__subclasses__():
            yield from kinds(below)

    given = {
        kind.__name__: kind.code for kind in kinds(ConnectorError) if kind.__dict__.get("code")
    }
    assert len(given) >= 6
    assert {name: code for name, code in given.items() if code not in known_codes()} == {}


def test_the_history_as_json_says_the_code_and_the_error(reader: Reader) -> None:
    reader.agree("sqlite:///partner/away.db", type="table", table="ifc_sales")
    reader.ingest()
    listed = json.loads(reader.run("deliveries", "--format", "json").stdout)
    (event,) = listed["events"]
    assert event["code"] == "source_unreachable"
    assert event["message"]["zh"] == "来源现在读不到"
