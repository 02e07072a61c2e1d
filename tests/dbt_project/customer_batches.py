"""Batches of accounts and buyers, who are customers of CRM once more, or nobody CRM knows."""

# ruff: noqa: DTZ001  (raw tables hold instants as naive UTC)

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.dbt_project.raw_home import RawHome

Row = dict[str, Any]


def account(
    number: str, customer_no: str | None, name: str, card: str | None, phone: str | None
) -> Row:
    return {
        "account_no": number,
        "customer_no": customer_no,
        "holder_name": name,
        "id_card": card,
        "phone": phone,
    }


def buyer(
    number: str,
    customer_no: str | None,
    name: str,
    card: str | None,
    phone: str | None,
    **values: Any,
) -> Row:
    return {
        "buyer_no": number,
        "customer_no": customer_no,
        "name": name,
        "id_card": card,
        "phone": phone,
        **values,
    }


def add_first_records(home: RawHome) -> None:
    home.add(
        "billing__accounts",
        [account("A1", "K2", "n2", "i2", "p2"), account("A2", None, "n1", None, "p1")],
        batch="whole 1",
    )
    home.add(
        "hall__buyers",
        [
            buyer("B1", None, "n1", "i1", "p9"),
            buyer("B2", "K9", "n9", None, None),
            buyer("B3", None, "n8", "i8", "p8"),
        ],
    )


def add_later_records(home: RawHome) -> None:
    later: dict[str, Any] = {"recorded": datetime(2026, 3, 30)}
    # The whole delivery of the day takes the place of the first, and A1 is not in it.
    home.withdraw("billing__accounts", "whole 1")
    home.add(
        "billing__accounts",
        [account("A2", None, "n1", None, "p1"), account("A3", "K2", "n7", "i7", None)],
        batch="whole 2",
        **later,
    )
    home.add(
        "hall__buyers",
        [buyer("B3", None, "n8", "i8", "p8", _op="D"), buyer("B4", None, "n2", "i2", None)],
        batch="b2",
        **later,
    )
