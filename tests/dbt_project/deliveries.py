"""Rows as the sources deliver them, with all that a test does not care about filled in."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any


def customer(number: str, unit: str = "51010701", **values: Any) -> dict[str, Any]:
    return {
        "customer_no": number,
        "unit_code": unit,
        "manager_no": "M1",
        "segment": "mass",
        "joined_on": date(2026, 1, 15),
        **values,
    }


def order(number: str, at: datetime, amount: str, **values: Any) -> dict[str, Any]:
    return {
        "order_line_no": number,
        "order_no": f"O{number}",
        "customer_no": "K1",
        "unit_code": "51010701",
        "product_code": "P1",
        "order_type": "recharge",
        "quantity": 1,
        "amount": Decimal(amount),
        "ordered_at": at,
        **values,
    }


def case(number: str, at: datetime, **values: Any) -> dict[str, Any]:
    return {
        "case_no": number,
        "created_at": at,
        "kind_code": "TS",
        "category_path": "宽带/故障",
        "channel_code": "phone",
        "unit_code": "51010701",
        "urgency_code": "2",
        "content": f"text {number}",
        **values,
    }


def event(number: str, case_no: str, code: str, at: datetime, **values: Any) -> dict[str, Any]:
    return {
        "event_no": number,
        "case_no": case_no,
        "event_code": code,
        "event_at": at,
        "actor_role": "handler",
        "is_automatic": False,
        **values,
    }


def bill(number: str, at: datetime, due_on: date, amount: str, **values: Any) -> dict[str, Any]:
    return {
        "bill_no": number,
        "customer_no": "K1",
        "unit_code": "51010701",
        "billing_month": f"{at:%Y%m}",
        "billed_at": at,
        "due_on": due_on,
        "amount": Decimal(amount),
        **values,
    }


def payment(number: str, at: datetime, amount: str, customer_no: str = "K1") -> dict[str, Any]:
    return {
        "payment_no": number,
        "customer_no": customer_no,
        "amount": Decimal(amount),
        "paid_at": at,
        "method": "online",
    }


def usage(number: str, at: datetime, charge: str) -> dict[str, Any]:
    return {
        "usage_no": number,
        "customer_no": "K1",
        "unit_code": "51010701",
        "usage_type": "voice",
        "started_at": at,
        "duration_s": 60,
        "bytes": 0,
        "charge": Decimal(charge),
    }


def flat(number: str, at: datetime, **values: Any) -> dict[str, Any]:
    return {
        "source": "nyc311",
        "case_no": number,
        "created_at": at,
        "created_precision": "second",
        "kind": "complaint",
        "category_path": "Noise/Loud Talking",
        "channel": "phone",
        "org_path": "DOT/QUEENS",
        "status": "in_progress",
        "attributes": "{}",
        **values,
    }
