"""Control sums of a packet: what is a number and what is none."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.contract import Contract
from connectors.inbox import ApiClient
from connectors.service.exchange import Exchange
from connectors.service.packet import Packet
from connectors.service.refusal import PacketRefused
from tests.soak import fuzz

NOW = datetime(2026, 3, 31, tzinfo=UTC)
CLIENT = ApiClient("c", "", "c", None, ("deliver",), NOW, None, ("partner_bills",))


CONTRACT = Contract.model_validate(
    {
        "source": "partner_bills",
        "label": {"zh": "合作方账单", "en": "Bills of a partner"},
        "owner": "tests",
        "interface": {"type": "service", "location": "inbox.db"},
        "streams": {
            "bills": {
                "label": {"zh": "账单", "en": "Bills"},
                "grain": "one row per bill",
                "key": ["bill_no"],
                "columns": {
                    "bill_no": {"type": "string", "required": True},
                    "amount": {"type": "decimal(18,2)"},
                },
                "control": {"rows": True, "sums": ["amount"]},
            }
        },
    }
)


def deliver(total: Any) -> dict[str, str]:
    """The sums that a packet without records declares, as they are kept."""
    exchange = Exchange(
        {"partner_bills": CONTRACT},
        None,
        None,
        lambda content, now: content,
        "Asia/Shanghai",  # type: ignore[arg-type]
    )
    params = {
        "source": "partner_bills",
        "stream": "bills",
        "rows": 0,
        "records": [],
        "sums": {"amount": total},
    }
    packet = Packet("p", "deliver_batch", params, None, False, "")
    return dict(exchange.checked_batch(packet, CLIENT, now=NOW, trial=False).sums)


@pytest.mark.parametrize(
    "total",
    ["--5", "1.", ".5", "", "-", "+1", "1e3", "１", "1\n", "9" * 41, True, None, [1], "NaN"],
)
def test_what_is_no_decimal_number_is_refused_with_its_field(total: Any) -> None:
    with pytest.raises(PacketRefused) as caught:
        deliver(total)
    assert [fault.field for fault in caught.value.faults] == ["sums.amount"]


@pytest.mark.parametrize(
    ("total", "kept"), [("-5.00", "-5.00"), (7, "7"), (Decimal("1.50"), "1.50"), ("007", "7")]
)
def test_a_decimal_number_is_kept_as_it_counts(total: Any, kept: str) -> None:
    assert deliver(total) == {"amount": kept}


@fuzz(100, derandomize=True)
@given(st.text(alphabet="-+.0123456789eE ", max_size=45) | st.text(max_size=5) | st.integers())
def test_no_sum_makes_the_door_fail(total: Any) -> None:
    try:
        kept = deliver(total)
    except PacketRefused:
        return
    assert Decimal(kept["amount"]) == Decimal(str(total))
