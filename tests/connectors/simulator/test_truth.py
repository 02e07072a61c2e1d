"""The figures of truth.json against a recount of the written files and tables.

The recount reads nothing of the simulator's state and walks day by day, customer by customer.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from connectors.simulator import Truth
from tests.connectors.simulator.case_reading import COMPLAINTS, Reading

Figure = Callable[..., Any]
FEBRUARY, MARCH, LAST = "2026-02", "2026-03", "2026-03-30"
KINDS = {"TS": "complaint", "JB": "report", "JY": "suggestion", "YJ": "opinion", "ZX": "inquiry",
         "WT": "question", "BY": "praise"}  # fmt: skip


@pytest.fixture(scope="session")
def figure(truth: Truth) -> Figure:
    def find(cube: str, measure: str, period: str, by: str | None = None, **cuts: str) -> Any:
        found = [
            f["value"]
            for f in truth.figures
            if (f["cube"], f["measure"], f["period"]) == (cube, measure, period)
            and f["by"] == ([by] if by else [])
            and f["cuts"] == {name.replace("__", "."): value for name, value in cuts.items()}
        ]
        assert len(found) == 1
        return found[0]

    return find


def orders_of(landed: Any, prefix: str) -> list[dict[str, Any]]:
    return [r for r in landed.tables["orders"] if r["ordered_at"].startswith(prefix)]


def counted_in(cases: list[Reading], prefix: str) -> list[Reading]:
    """Cases created then that are not taken for spam."""
    return [c for c in cases if c.created.isoformat().startswith(prefix) and not c.is_spam]


def money_by(pairs: Iterable[tuple[str, Decimal]]) -> dict[str, str]:
    sums: dict[str, Decimal] = defaultdict(lambda: Decimal("0.00"))
    for name, amount in pairs:
        sums[name] += amount
    return {name: f"{amount:.2f}" for name, amount in sums.items()}


def test_each_figure_is_listed_once(truth: Truth) -> None:
    keys = Counter(
        (f["cube"], f["measure"], tuple(f["by"]), tuple(f["cuts"].items()), f["period"])
        for f in truth.figures
    )
    assert [key for key, n in keys.items() if n > 1] == []
    assert {f["as_of"] for f in truth.figures} == {"2026-03-31T09:00:00+08:00"}


def test_revenue_of_the_last_day(landed: Any, figure: Figure) -> None:
    rows = orders_of(landed, LAST)
    assert Decimal(figure("sales", "revenue", LAST)) == sum(Decimal(r["amount"]) for r in rows)
    assert figure("sales", "revenue", LAST, by="org.prefecture") == money_by(
        (landed.prefecture(r["unit_code"]), Decimal(r["amount"])) for r in rows
    )


def test_orders_and_their_kinds_in_march(landed: Any, figure: Figure) -> None:
    rows = orders_of(landed, MARCH)
    assert figure("sales", "orders", MARCH) == len({r["order_no"] for r in rows})
    for measure, kind in (("new_services", "new_service"), ("cancellations", "cancellation")):
        chosen = [r for r in rows if r["order_type"] == kind]
        assert figure("sales", measure, MARCH) == len(chosen)
        # So it does not matter whether a cube counts lines, orders or quantities.
        assert len({r["order_no"] for r in chosen}) == len(chosen)
        assert all(r["quantity"] == 1 for r in chosen)
    assert any(Decimal(r["amount"]) < 0 for r in rows)


def test_cases_and_complaints_in_march(cases: list[Reading], landed: Any, figure: Figure) -> None:
    found = counted_in(cases, MARCH)
    complaints = [c for c in found if c.kind in COMPLAINTS]
    assert figure("cases", "cases", MARCH) == len(found)
    assert figure("cases", "complaints", MARCH) == len(complaints)
    assert figure("cases", "cases", MARCH, by="kind") == Counter(KINDS[c.kind] for c in found)
    assert figure("cases", "cases", MARCH, by="org.prefecture") == Counter(
        landed.prefecture(c.row["unit_code"]) for c in found
    )
    told = figure("cases", "complaints", MARCH, by="org.prefecture")
    assert {k: v for k, v in told.items() if v} == Counter(
        landed.prefecture(c.row["unit_code"]) for c in complaints
    )


def test_the_outage_stands_far_above_the_days_before(
    cases: list[Reading], landed: Any, figure: Figure, truth: Truth
) -> None:
    days: Counter[date] = Counter(
        c.created.date()
        for c in counted_in(cases, "20")
        if c.kind in COMPLAINTS and landed.prefecture(c.row["unit_code"]) == "绵阳"
    )
    story = next(s for s in truth.stories if s["story"] == "outage")
    first = date(2026, 3, 29)
    mean = sum(days[first - timedelta(days=n)] for n in range(1, 29)) / 28
    assert story["mean_of_28_days_before"] == mean
    for day in (first, date(2026, 3, 30)):
        told = figure("cases", "complaints", day.isoformat(), org__prefecture="#SC06")
        assert told == days[day] == story["complaints"][day.isoformat()]
        assert days[day] > 10 and days[day] > 5 * mean


def test_replies_and_resolutions_of_february(cases: list[Reading], figure: Figure) -> None:
    found = counted_in(cases, FEBRUARY)
    replies = Counter(c.reply_met() for c in found)
    resolutions = Counter(c.resolution_met() for c in found)
    assert figure("cases", "cases", FEBRUARY) == len(found)
    assert figure("cases", "reply_met", FEBRUARY) == replies[True]
    assert figure("cases", "reply_decided", FEBRUARY) == replies[True] + replies[False]
    assert figure("cases", "resolution_met", FEBRUARY) == resolutions[True]
    decided = resolutions[True] + resolutions[False]
    assert figure("cases", "resolution_decided", FEBRUARY) == decided
    assert figure("cases", "resolution_on_time_rate", FEBRUARY) == resolutions[True] / decided
    assert figure("cases", "reopened", FEBRUARY) == sum(bool(c.at("CK")) for c in found)


def test_open_cases(cases: list[Reading], figure: Figure) -> None:
    opened = sum(c.is_open for c in cases)
    assert figure("cases", "open_cases", "2025-01-01..2026-03-30") == opened > 0


def test_customers_and_complaints_per_ten_thousand(
    cases: list[Reading], landed: Any, figure: Figure
) -> None:
    customers = landed.current("customers", "customer_no").values()
    for month, end in ((FEBRUARY, "2026-02-28"), (MARCH, LAST)):
        active = sum(
            r["joined_on"] <= end and (r["left_on"] is None or r["left_on"] > end)
            for r in customers
        )
        assert figure("customers", "active", month) == active
        for measure, column in (("joined", "joined_on"), ("left", "left_on")):
            told = figure("customers", measure, month)
            assert told == sum((r[column] or "").startswith(month) for r in customers)
    complaints = sum(c.kind in COMPLAINTS for c in counted_in(cases, MARCH))
    told = figure("cases", "complaints_per_10k", MARCH)
    assert told == pytest.approx(complaints / active * 10_000, rel=1e-12)


def test_arrears_of_march(landed: Any, figure: Figure) -> None:
    zero = Decimal(0)
    due: dict[str, list[tuple[str, Decimal]]] = defaultdict(list)
    paid: dict[str, list[tuple[str, Decimal]]] = defaultdict(list)
    for row in landed.rows["bills"]:
        due[row["customer_no"]].append((row["due_on"], row["amount"]))
    for row in landed.rows["payments"]:
        paid[row["customer_no"]].append((row["paid_at"].strftime("%Y%m%d"), row["amount"]))
    unit = {r["customer_no"]: r["unit_code"] for r in landed.tables["customers"]}
    opening = newly = recovered = zero
    balances: dict[str, Decimal] = {}
    for customer, bills in due.items():
        payments = paid[customer]

        def at(day: int, bills: Any = bills, payments: Any = payments) -> tuple[Decimal, Decimal]:
            text = f"202603{day:02d}" if day else "20260228"
            owed = sum((a for d, a in bills if d < text), zero)
            return owed, sum((a for d, a in payments if d <= text), zero)

        d0, p0 = at(0)
        opening += max(zero, d0 - p0)
        for day in range(1, 31):
            d1, p1 = at(day)
            newly += max(zero, d1 - p0) - max(zero, d0 - p0)
            recovered += max(zero, d1 - p0) - max(zero, d1 - p1)
            d0, p0 = d1, p1
        balances[customer] = max(zero, d0 - p0)
    assert Decimal(figure("arrears", "opening", MARCH)) == opening > 0
    assert Decimal(figure("arrears", "newly_due", MARCH)) == newly > 0
    assert Decimal(figure("arrears", "recovered", MARCH)) == recovered > 0
    total = sum(balances.values())
    assert Decimal(figure("arrears", "balance", LAST)) == total == opening + newly - recovered
    assert figure("arrears", "debtors", LAST) == sum(b > 0 for b in balances.values())
    told = figure("arrears", "balance", LAST, by="org.prefecture")
    counted = money_by((landed.prefecture(unit[c]), b) for c, b in balances.items() if b)
    assert {k: v for k, v in told.items() if v != "0.00"} == counted
    rate = figure("arrears", "recovery_rate", MARCH)
    assert rate == pytest.approx(float(recovered / (opening + newly)), rel=1e-12)


def test_about_one_bill_in_twelve_is_paid_late(landed: Any) -> None:
    first: dict[str, str] = {}
    for row in landed.rows["payments"]:
        first.setdefault(row["payment_no"][1:-1], row["paid_at"].strftime("%Y%m%d"))
    bills = [r for r in landed.rows["bills"] if r["due_on"] < "20260101"]
    late = sum(first.get(r["bill_no"], "99999999") > r["due_on"] for r in bills)
    assert 0.06 < late / len(bills) < 0.11


@pytest.mark.parametrize(
    ("period", "first", "last"),
    [
        ("2026-03-25", "2026-03-25", "2026-03-25"),
        ("2026-03-01..2026-03-30", "2026-03-01", "2026-03-30"),
    ],
)
def test_usage_without_the_refused_and_the_unread_day(
    landed: Any, figure: Figure, period: str, first: str, last: str
) -> None:
    rows = [r for r in landed.rows["usage"] if first <= r["started_at"].date().isoformat() <= last]
    days = {r["started_at"].day for r in rows}
    assert not days & {26, 27}
    assert figure("usage", "sessions", period) == len(rows)
    assert figure("usage", "minutes", period) == sum(r["duration_s"] for r in rows) / 60
    assert Decimal(figure("usage", "charge", period)) == sum(r["charge"] for r in rows)


def test_services_are_mostly_in_time(cases: list[Reading]) -> None:
    met = Counter(c.resolution_met() for c in counted_in(cases, "2025"))
    assert 0.75 < met[True] / (met[True] + met[False]) < 0.95
