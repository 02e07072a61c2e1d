"""A tidied home gives the same marts, and no mart, store or log of it names a person."""

from __future__ import annotations

import re
import sqlite3
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from connectors.compaction import compact, remove_replaced_files
from pipelines.installation import Installation
from tests.journeys.product import Product, clean_environment, fingerprints

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("killed")]

PHONE = re.compile(r"1[3-9][0-9]{9}")


@pytest.fixture(scope="module")
def people(unharmed: Product) -> set[str]:
    """Phones and names as the simulated CRM knows them."""
    with sqlite3.connect(unharmed.home / "simulator" / "crm.db") as crm:
        found = {str(row[0]) for row in crm.execute("select phone from ifc_customers")}
        for name, phone in crm.execute("select name, phone from ifc_staff"):
            found |= {str(name), str(phone)}
    found -= {"None", ""}
    assert len(found) > 500
    return found


def test_marts_built_from_compacted_files_are_the_same(unharmed: Product, tmp_path: Path) -> None:
    tidied = unharmed.copy(tmp_path / "home")
    with tidied.snapshot() as connection:
        before = fingerprints(connection)
    installation = Installation.open(clean_environment(tidied.home))
    now = datetime.now(UTC)
    with installation.ledger() as ledger:
        batches = [batch.batch_id for batch in ledger.loaded_batches() if batch.path]
        compact(
            ledger,
            installation.contracts,
            home=tidied.home,
            before=date(2026, 4, 1),
            now=now,
            fewest=1,
        )
        later = datetime(now.year + 1, 1, 1, tzinfo=UTC)
        assert remove_replaced_files(ledger, tidied.home, now=later)
        assert [batch.batch_id for batch in ledger.loaded_batches() if batch.path] == batches
    assert not [path for path in (tidied.home / "raw").rglob("*.parquet") if path.stem in batches]
    (tidied.home / "warehouse.duckdb").unlink()
    (tidied.home / "work.duckdb").unlink()
    tidied.run("build", "--days", "2026-03-30")
    with tidied.snapshot() as connection:
        after = fingerprints(connection)
    assert {name: found for name, found in after.items() if found != before[name]} == {}


def test_no_column_of_the_warehouse_names_a_person(unharmed: Product, people: set[str]) -> None:
    names = {one for one in people if not PHONE.fullmatch(one)}
    with unharmed.snapshot() as connection:
        columns = connection.execute(
            "select table_schema, table_name, column_name from information_schema.columns "
            "where data_type in ('VARCHAR', 'JSON') or data_type like 'VARCHAR[]'"
        ).fetchall()
        assert len(columns) > 100
        found = []
        for schema, table, column in columns:
            rows = connection.execute(
                f'select distinct cast("{column}" as varchar) from "{schema}"."{table}" '
                f'where "{column}" is not null'
            ).fetchall()
            for (text,) in rows:
                told = people.intersection(PHONE.findall(text)) | names.intersection({text})
                found += [(table, column, one) for one in told]
    assert found == []


def test_no_store_or_log_names_a_person(unharmed: Product, people: set[str]) -> None:
    said = ""
    for name in ("ledger.db", "ledger.db-wal"):
        path = unharmed.home / name
        said += path.read_bytes().decode("utf-8", errors="replace") if path.exists() else ""
    for path in (unharmed.home / "logs").rglob("*"):
        said += path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    for arguments in (["deliveries"], ["quarantine", "list", "--limit", "0"]):
        said += unharmed.run(*arguments) + unharmed.run(*arguments, "--format", "json")
    assert len(said) > 10_000
    assert sorted(one for one in people if one in said) == []
