from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from connectors.contract import SOURCES, load_contracts, raw_columns
from connectors.files.exchange import announce
from connectors.flat_cases import latest_event_at
from connectors.landing import Delivery, land_source

DATA = Path(__file__).parent / "data"
FILES = {
    "nyc311": "nyc311-tuplex/311_subset.micro.csv",
    "cfpb": "cfpb-sample/complaints_sample.csv",
}


def land(home: Any, source: str, file: Path) -> tuple[Delivery, list[dict[str, Any]]]:
    contract = load_contracts([SOURCES], chosen=[source])[source]
    folder = home.path / contract.interface.location
    folder.mkdir(parents=True)
    shutil.copy(file, folder / file.name)
    announce(folder / file.name, contract, "cases", now=home.now, zone=contract.zone)
    (delivery,) = land_source(
        contract, home=home.path, ledger=home.ledger, pii=home.pii, now=home.now, zone=contract.zone
    )
    (parquet,) = (home.path / "raw" / source / "cases").rglob("*.parquet")
    found = duckdb.sql(f"select * from '{parquet}' order by _record_no")
    assert list(zip(found.columns, map(str, found.types), strict=True)) == list(
        raw_columns(contract.streams["cases"]).items()
    )
    return delivery, [dict(zip(found.columns, one, strict=True)) for one in found.fetchall()]


def test_impossible_dates_of_nyc_become_null_with_a_flag_and_their_cases_count(home: Any) -> None:
    delivery, rows = land(home, "nyc311", DATA / "nyc311_20_rows.csv")
    assert (delivery.rows, delivery.loaded, delivery.rejected) == (20, 19, 1)
    (rejected,) = home.ledger.quarantine()
    assert (rejected.column_name, rejected.reason) == ("Unique Key", "missing_value")
    flags = {one["case_no"]: one["date_flag"] for one in rows if one["date_flag"]}
    assert flags == {
        "90000003": "resolved:out_of_window,closed:out_of_window",
        "90000005": "resolved:before_created,closed:before_created",
        "90000007": "resolved:unparsable,closed:unparsable",
    }
    by_case = {one["case_no"]: one for one in rows}
    assert by_case["90000003"]["closed_at"] is None
    first = by_case["90000001"]
    assert str(first["created_at"]) == "2011-03-01 14:15:00", "09:15 in New York is 14:15 UTC"
    assert str(by_case["90000015"]["created_at"]) == "2011-03-15 13:15:00", "summer time"
    assert (first["kind"], by_case["90000012"]["kind"]) == ("complaint", "inquiry")
    assert first["category_path"] == "Noise - Street-Sidewalk/Loud Talking"
    assert (first["org_path"], first["channel"]) == ("DOT/BROOKLYN", "phone")
    assert first["text"] == "The agency answered; call [phone]."
    assert json.loads(first["attributes"]) == {
        "Complaint Type": "Noise - Street/Sidewalk",
        "Community Board": "01 X",
    }


def test_cfpb_knows_days_without_time_and_no_closed_date(home: Any) -> None:
    delivery, rows = land(home, "cfpb", DATA / "cfpb_20_rows.csv")
    assert (delivery.rows, delivery.loaded, delivery.rejected) == (20, 18, 2)
    assert sorted((one.column_name, one.reason) for one in home.ledger.quarantine()) == [
        ("Complaint ID", "missing_value"),
        ("Date received", "out_of_window"),
    ]
    first = rows[0]
    assert (first["created_precision"], first["closed_at"], first["status"]) == (
        "day",
        None,
        "closed",
    )
    pigeon = rows[1]
    assert pigeon["channel"] is None
    assert json.loads(pigeon["attributes"])["channel_source"] == "Carrier pigeon"
    texts = {one["text"] for one in rows}
    assert texts == {None, "I wrote to [email] twice."}


@pytest.mark.parametrize(
    ("source", "rows", "flagged", "latest"),
    [
        ("nyc311", 2000, 1, "2015-03-06T13:32:00+00:00"),
        ("cfpb", 1000, 0, "2026-03-03T05:00:00+00:00"),
    ],
)
def test_every_row_of_the_public_data_ends_in_a_case_or_in_quarantine(
    home: Any, real_data: Path, source: str, rows: int, flagged: int, latest: str
) -> None:
    file = real_data / FILES[source]
    delivery, found = land(home, source, file)
    assert delivery.rows == rows == len(found) + delivery.rejected
    assert sum(one["date_flag"] is not None for one in found) == flagged
    contract = load_contracts([SOURCES], chosen=[source])[source]
    instant = latest_event_at(file, contract)
    assert instant is not None and instant.isoformat() == latest
