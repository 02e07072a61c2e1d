"""Batches of the product's own source: a message before and after its late receipt, two actions."""

# ruff: noqa: DTZ001  (raw tables hold instants as naive UTC)

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tests.dbt_project.raw_home import RawHome

DUE = datetime(2026, 3, 19, 1)


def message(number: str, **values: Any) -> dict[str, Any]:
    return {
        "message_id": number,
        "kind": "digest",
        "subject_id": "daily_sales",
        "account_id": "M1",
        "unit_id": "51010701",
        "language": "zh",
        "segments": 2,
        "snapshot": "20260318-0001",
        "priority": 5,
        "state": "accepted",
        "planned_at": DUE,
        "expires_at": DUE + timedelta(hours=12),
        "created_at": DUE,
        "updated_at": DUE,
        **values,
    }


def attempt(number: str, ordinal: int, state: str, **values: Any) -> dict[str, Any]:
    return {
        "reference": f"{number}.{ordinal}",
        "message_id": number,
        "ordinal": ordinal,
        "gateway": "g",
        "state": state,
        "gateway_message_id": f"ID{number}",
        "started_at": DUE + timedelta(seconds=30),
        "changed_at": DUE + timedelta(seconds=30),
        **values,
    }


def action(number: int, at: datetime, **values: Any) -> dict[str, Any]:
    return {
        "audit_event_id": number,
        "happened_at": at,
        "actor": "M1",
        "action": "signed_in",
        "account_id": "M1",
        "unit_id": "51010701",
        **values,
    }


def add_first_own(home: RawHome) -> None:
    """Two messages that a gateway took, of which nothing else is known, and a sign-in."""
    home.add(
        "huiyin__attempts", [attempt(n, 1, "accepted") for n in ("o1", "o2")], day="started_at"
    )
    home.add("huiyin__messages", [message("o1"), message("o2")], day="created_at")
    home.add("huiyin__audit_events", [action(1, DUE)], day="happened_at")


def add_later_own(home: RawHome) -> None:
    """The receipt of the first came ten days later; somebody signed in and failed once."""
    late = DUE + timedelta(days=10)
    told: dict[str, Any] = {"batch": "b9", "recorded": datetime(2026, 3, 30)}
    home.add(
        "huiyin__delivery_receipts",
        [
            {
                "gateway": "g",
                "gateway_message_id": "IDo1",
                "status": "delivered",
                "received_at": late,
            }
        ],
        day="received_at",
        **told,
    )
    home.add(
        "huiyin__attempts",
        [attempt("o1", 1, "delivered", changed_at=late)],
        day="started_at",
        **told,
    )
    home.add(
        "huiyin__messages",
        [message("o1", state="delivered", updated_at=late)],
        day="created_at",
        **told,
    )
    home.add(
        "huiyin__audit_events",
        [action(2, late, action="sign_in_failed"), action(3, late)],
        day="happened_at",
        **told,
    )
