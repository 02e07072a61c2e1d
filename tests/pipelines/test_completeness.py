from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from connectors.contract import Contract
from connectors.ledger_rows import Batch
from pipelines.completeness import source_health

TODAY = date(2026, 3, 30)


def contract(kind: str = "files", **stream: Any) -> Contract:
    interface = {"type": kind, "location": "exchange/shop"}
    if kind == "files":
        interface["format"] = "delimited"
    return Contract.model_validate(
        {
            "source": "shop",
            "label": {"zh": "店", "en": "Shop"},
            "owner": "tests",
            "interface": interface,
            "file": {"delimiter": ","},
            "streams": {
                "sales": {
                    "label": {"zh": "销售", "en": "Sales"},
                    "grain": "one row per sale",
                    "key": ["sale_no"],
                    "columns": {"sale_no": {"type": "string"}},
                    **stream,
                }
            },
        }
    )


def batch(first: str, last: str, branch: str = "main", rows: int = 5) -> Batch:
    return Batch(
        batch_id=f"{branch}{first}",
        source="shop",
        stream="sales",
        branch=branch,
        business_date=date.fromisoformat(last),
        covers_from=date.fromisoformat(first),
        sequence=1,
        interface="files",
        place="f",
        content_sha256="",
        log_sha256="",
        declared_rows=rows,
        declared_sums={},
        rows=rows,
        rows_loaded=rows - 1,
        rejected=1,
        sums={},
        status="loaded",
        code=None,
        reason=None,
        supersedes=None,
        path="p",
        received_at=datetime(2026, 3, 31, tzinfo=UTC),
        loaded_at=None,
    )


def health(one: Contract, batches: list[Batch], **reads: datetime) -> dict[str, Any]:
    last_reads = {("shop", name): at for name, at in reads.items()}
    return source_health(
        {"shop": one}, batches, TODAY, last_reads=last_reads, zone="Asia/Shanghai"
    )["shop"]


def test_a_hole_ends_completeness_and_is_named() -> None:
    daily = contract(delivery={"by": "06:30"})
    found = health(daily, [batch("2026-03-01", "2026-03-25"), batch("2026-03-27", "2026-03-30")])
    assert found["complete_through"] == "2026-03-25"
    assert found["incomplete_dates"] == ["2026-03-26"]
    assert found["streams"]["sales"]["rows"] == 8
    assert found["streams"]["sales"]["rejected"] == 2


def test_a_silent_branch_holds_the_source_back_though_another_delivers() -> None:
    daily = contract(delivery={"by": "06:30"})
    found = health(
        daily,
        [batch("2026-03-01", "2026-03-30", "a"), batch("2026-03-01", "2026-03-28", "b")],
    )
    assert found["complete_through"] == "2026-03-28"
    assert found["incomplete_dates"] == ["2026-03-29", "2026-03-30"]


def test_a_source_silent_for_longer_than_the_window_is_complete_through_its_last_day() -> None:
    daily = contract(delivery={"by": "06:30"})
    found = health(daily, [batch("2025-12-01", "2025-12-31")])
    assert found["complete_through"] == "2025-12-31"
    assert len(found["incomplete_dates"]) == 31


def test_a_table_is_complete_for_the_days_before_it_was_last_read_to_its_end() -> None:
    table = contract("table")
    noon = datetime(2026, 3, 30, 4, tzinfo=UTC)
    rows = [replace(batch("2026-03-30", "2026-03-30"), interface="table")]
    assert health(table, rows, sales=noon)["complete_through"] == "2026-03-29"
    later = noon + timedelta(days=1)
    assert health(table, rows, sales=later)["complete_through"] == "2026-03-30"


def test_a_table_never_read_to_its_end_is_complete_for_no_day() -> None:
    assert health(contract("table"), [])["complete_through"] is None


def test_a_stream_without_a_schedule_is_complete_through_its_last_delivery() -> None:
    found = health(contract(), [batch("2011-03-01", "2015-03-06")])
    assert (found["complete_through"], found["incomplete_dates"]) == ("2015-03-06", [])


def test_a_branch_that_its_contract_names_and_that_never_came_leaves_no_day_complete() -> None:
    both = contract(delivery={"by": "06:30"}, branches=["east", "west"])
    own = health(both, [batch("2026-03-01", "2026-03-30", branch="east")])
    assert own["streams"]["sales"]["complete_through"] is None


def test_free_days_before_the_next_working_delivery_are_not_missing() -> None:
    working = contract(delivery={"by": "06:30", "calendar": "working"})
    delivered = [batch("2026-03-01", "2026-03-19")]

    def on(day: date) -> list[str]:
        found = source_health(
            {"shop": working},
            delivered,
            day,
            last_reads={},
            zone="Asia/Shanghai",
            working_days=lambda _: lambda one: one.weekday() < 5,
        )["shop"]
        missing: list[str] = found["incomplete_dates"]
        return missing

    # 2026-03-20 is a Friday: its day, and the weekend, are delivered on Monday the 23rd.
    assert on(date(2026, 3, 20)) == on(date(2026, 3, 21)) == []
    assert on(date(2026, 3, 22)) == ["2026-03-20", "2026-03-21", "2026-03-22"]
