"""The product's own source in a home: there from the beginning, and no reason to build for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.home import write_home
from pipelines.installation import Installation
from pipelines.news import news_of
from pipelines.own_source import OWN_SOURCE
from pipelines.telling import operations
from pipelines.workflow import ingest

NOW = datetime(2026, 3, 31, 1, tzinfo=UTC)


def at(home: Path, moment: datetime) -> Installation:
    """The home with its own source alone, at a moment."""
    settings = {"HUIYIN_CLOCK": f"fixed:{moment.isoformat()}", "HUIYIN_SOURCES": OWN_SOURCE}
    return Installation.open(settings, home=home)


def act(installation: Installation) -> None:
    """Something that leaves a trace in the operational store."""
    from notifications.audit import note

    with operations(installation) as engine, engine.begin() as connection:
        note(connection, "signed_in", "C2", installation.now())


def landed(installation: Installation) -> list[Any]:
    report = ingest(installation, say=lambda text: None)
    assert report.failures == {}
    return [(one.stream, one.loaded) for one in report.deliveries]


def test_it_is_read_in_every_home_that_does_not_choose_its_sources(tmp_path: Path) -> None:
    assert OWN_SOURCE in Installation.open({}, home=tmp_path).contracts
    write_home(Installation.open({}, home=tmp_path).home, {"sources": ["hall"]})
    assert OWN_SOURCE not in Installation.open({}, home=tmp_path).contracts


def test_a_home_without_a_store_gets_one_and_nothing_lands(tmp_path: Path) -> None:
    installation = at(tmp_path / "home", NOW)
    assert not installation.home.operations.exists()
    assert landed(installation) == []
    assert installation.home.operations.exists()
    with installation.ledger() as ledger:
        assert ledger.exchange_events() == []
        assert {source for source, _ in ledger.last_reads()} == {OWN_SOURCE}


def test_what_the_product_does_is_news_once_a_day(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert set(news_of(at(home, NOW)).offered) == {OWN_SOURCE}
    assert landed(at(home, NOW)) == []
    act(at(home, NOW))
    # It is 09:00 in Shanghai: until midnight nothing that the product does starts a run.
    for hours in (0, 1, 14):
        later = at(home, NOW + timedelta(hours=hours))
        assert not news_of(later)
        assert landed(later) == []
    tomorrow = at(home, NOW + timedelta(hours=15))
    assert set(news_of(tomorrow).offered) == {OWN_SOURCE}
    assert landed(tomorrow) == [("audit_events", 1)]
    # What follows from the build of these rows waits for the next day.
    act(tomorrow)
    assert news_of(tomorrow).offered == {}
    assert landed(tomorrow) == []


def test_a_store_of_an_earlier_version_is_brought_up_to_date_before_it_is_read(
    tmp_path: Path,
) -> None:
    from alembic import command
    from alembic.config import Config

    import notifications.migrations
    from notifications.store import open_store

    installation = at(tmp_path / "home", NOW)
    act(installation)
    config = Config()
    (folder,) = notifications.migrations.__path__
    config.set_main_option("script_location", folder)
    engine = open_store(f"sqlite:///{installation.home.operations}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "v0003")
    engine.dispose()
    assert landed(installation) == [("audit_events", 1)]


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\0" + bytes(100)])
def test_a_damaged_store_stops_no_other_source_and_is_told(tmp_path: Path, content: bytes) -> None:
    installation = at(tmp_path / "home", NOW)
    installation.home.ensure()
    installation.home.operations.write_bytes(content)
    report = ingest(installation, say=lambda text: None)
    assert "restore the file from a backup" in str(report.failures[OWN_SOURCE])
    with installation.ledger() as ledger:
        assert [one.code for one in ledger.exchange_events()] == ["source_unreachable"]
