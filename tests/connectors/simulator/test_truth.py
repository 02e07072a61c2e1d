"""The figures of truth.json against a recount of the written files and tables.

The recount reads nothing of the simulator's state and walks day by day, customer by customer.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import chinese_calendar
import pytest

from connectors.simulator import Truth

Figure = Callable[..., Any]
NEVER = datetime(9999, 1, 1)  # noqa: DTZ001
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


def cases_of(landed: Any, prefix: str) -> list[dict[str, Any]]:
    return [r for r in landed.rows["cases"] if r["created_at"].isoformat().startswith(prefix)]


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


def test_cases_and_complaints_in_march(landed: Any, figure: Figure) -> None:
    rows = cases_of(landed, MARCH)
    complaints = [r for r in rows if r["kind_code"] in ("TS", "JB")]
    assert figure("cases", "cases", MARCH) == len(rows)
    assert figure("cases", "complaints", MARCH) == len(complaints)
    assert figure("cases", "cases", MARCH, by="kind") == Counter(
        KINDS[r["kind_code"]] for r in rows
    )
    assert figure("cases", "cases", MARCH, by="org.prefecture") == Counter(
        landed.prefecture(r["unit_code"]) for r in rows
    )
    told = figure("cases", "complaints", MARCH, by="org.prefecture")
    assert {k: v for k, v in told.items() if v} == Counter(
        landed.prefecture(r["unit_code"]) for r in complaints
    )


def test_the_outage_stands_far_above_the_days_before(
    landed: Any, figure: Figure, truth: Truth
) -> None:
    days: Counter[date] = Counter(
        r["created_at"].date()
        for r in landed.rows["cases"]
        if r["kind_code"] in ("TS", "JB") and landed.prefecture(r["unit_code"]) == "绵阳"
    )
    story = next(s for s in truth.stories if s["story"] == "outage")
    first = date(2026, 3, 29)
    mean = sum(days[first - timedelta(days=n)] for n in range(1, 29)) / 28
    assert story["mean_of_28_days_before"] == mean
    for day in (first, date(2026, 3, 30)):
        told = figure("cases", "complaints", day.isoformat(), org__prefecture="#SC06")
        assert told == days[day] == story["complaints"][day.isoformat()]
        assert days[day] > 10 and days[day] > 5 * mean


def events_by_case(landed: Any) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in sorted(landed.rows["events"], key=lambda r: r["event_at"]):
        found[row["case_no"]].append(row)
    return found


def fifth_working_day_end(created: datetime) -> datetime:
    day, left = created.date(), 5
    while left:
        day += timedelta(days=1)
        left -= chinese_calendar.is_workday(day)
    return datetime.combine(day + timedelta(days=1), datetime.min.time())


def test_replies_and_resolutions_of_february(landed: Any, figure: Figure) -> None:
    events = events_by_case(landed)
    cases = cases_of(landed, FEBRUARY)
    replies, resolutions, reopened = [], [], 0
    for case in cases:
        own = events[case["case_no"]]
        resolved = [e["event_at"] for e in own if e["event_code"] == "JJ"]
        public = [
            e["event_at"]
            for e in own
            if e["event_code"] == "HF"
            and e["is_automatic"] == "0"
            and e["actor_role"] in ("agent", "handler")
        ]
        reply = min(public + resolved, default=NEVER)
        replies.append(reply <= case["created_at"] + timedelta(hours=24))
        resolution = min(resolved, default=NEVER)
        resolutions.append(resolution <= fifth_working_day_end(case["created_at"]))
        reopened += any(e["event_code"] == "CK" for e in own)
    assert figure("cases", "cases", FEBRUARY) == len(cases)
    assert figure("cases", "reply_met", FEBRUARY) == sum(replies)
    assert figure("cases", "reply_decided", FEBRUARY) == len(cases)
    assert figure("cases", "reply_on_time_rate", FEBRUARY) == sum(replies) / len(cases)
    assert figure("cases", "resolution_met", FEBRUARY) == sum(resolutions)
    assert figure("cases", "resolution_decided", FEBRUARY) == len(cases)
    assert figure("cases", "reopened", FEBRUARY) == reopened


def test_open_cases(landed: Any, figure: Figure) -> None:
    events = events_by_case(landed)
    opened = 0
    for case in landed.rows["cases"]:
        changes = [
            e
            for e in events[case["case_no"]]
            if e["event_code"] in ("SL", "PD", "DD", "JJ", "CK", "BJ")
        ]
        opened += not changes or changes[-1]["event_code"] not in ("JJ", "BJ")
    assert figure("cases", "open_cases", "2025-01-01..2026-03-30") == opened > 0


def test_customers_and_complaints_per_ten_thousand(landed: Any, figure: Figure) -> None:
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
    complaints = sum(r["kind_code"] in ("TS", "JB") for r in cases_of(landed, MARCH))
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


def test_services_are_mostly_in_time(figure: Figure, landed: Any) -> None:
    year = cases_of(landed, "2025")
    events = events_by_case(landed)
    on_time = sum(
        min((e["event_at"] for e in events[c["case_no"]] if e["event_code"] == "JJ"),
            default=NEVER) <= fifth_working_day_end(c["created_at"])
        for c in year
    )  # fmt: skip
    assert 0.75 < on_time / len(year) < 0.95
