from __future__ import annotations

from pathlib import Path

import pytest

from connectors.contract import SOURCES, load_contracts, raw_columns
from connectors.dbt_sources import stale_dbt_sources
from cubes.errors import DeclarationError

ROOT = Path(__file__).resolve().parents[2]


def test_every_shipped_contract_loads_and_examples_are_off_unless_chosen() -> None:
    assert list(load_contracts([SOURCES])) == [
        "billing",
        "call_centre",
        "cdr",
        "chat",
        "crm",
        "hall",
        "hotline",
        "hr",
        "huiyin",
        "intake",
        "letters",
        "mail",
        "monitoring",
        "partner_feedback",
        "survey",
        "wechat",
    ]
    assert list(load_contracts([SOURCES], chosen=["nyc311"])) == ["nyc311"]
    everything = [path.stem for path in SOURCES.glob("[a-z]*.yml")]
    assert sorted(load_contracts([SOURCES], chosen=everything)) == sorted(everything)


def test_an_unknown_choice_is_named_with_a_suggestion() -> None:
    with pytest.raises(DeclarationError, match="did you mean 'nyc311'"):
        load_contracts([SOURCES], chosen=["nyc31"])


def test_all_faults_of_all_files_are_told_with_their_lines(tmp_path: Path) -> None:
    text = (SOURCES / "billing.yml").read_text(encoding="utf-8")
    (tmp_path / "billing.yml").write_text(
        text.replace("key: [bill_no]", "key: [bil_no]").replace("sums: [amount]", "sums: [method]"),
        encoding="utf-8",
    )
    crm = (SOURCES / "crm.yml").read_text(encoding="utf-8")
    (tmp_path / "crm.yml").write_text(crm.replace("owner:", "ownr:"), encoding="utf-8")
    with pytest.raises(DeclarationError) as caught:
        load_contracts([tmp_path])
    message = str(caught.value)
    line = 1 + text.splitlines().index("    key: [bill_no]")
    assert f"billing.yml:{line}: streams.bills.key: unknown column 'bil_no'" in message
    assert "did you mean 'bill_no'" in message
    assert "'method' is not a number" in message
    assert "did you mean 'owner'" in message
    assert len(caught.value.faults) >= 4


def test_raw_columns_are_those_of_the_contract_then_the_technical_ones() -> None:
    payments = load_contracts([SOURCES])["billing"].streams["payments"]
    columns = raw_columns(payments)
    assert columns["amount"] == "DECIMAL(18,2)" and columns["paid_at"] == "TIMESTAMP"
    assert list(columns)[-6:] == [
        "_batch_id",
        "_record_no",
        "_business_date",
        "_recorded_at",
        "_op",
        "_branch",
    ]


def test_the_dbt_sources_are_those_of_the_contracts() -> None:
    assert stale_dbt_sources(load_contracts([SOURCES]), ROOT / "dbt_project/models") == []
