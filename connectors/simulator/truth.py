"""What the warehouse must find, computed from the simulator's own state.

Left out are rows that cannot be landed: malformed rows, the refused and the unread usage file; a
file sent twice counts once. Money is whole cents inside and a decimal text in the figures.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np

from .chance import Ints
from .days import DAY_S, OFFSET, day_no, day_of, iso, month_bounds, nth_working_day, previous_month
from .defects import UNREAD_USAGE_DAYS, Plan
from .delivery import defect_list
from .hotline import Case, Event
from .organisation import OUTAGE_PREFECTURE, PREFECTURES, tree
from .outage import OUTAGE_DATES, OUTAGE_DAYS
from .sales import CANCELLATION, NEW_SERVICE, money
from .world import World

KIND_OF_CODE = {
    "TS": "complaint",
    "JB": "report",
    "JY": "suggestion",
    "YJ": "opinion",
    "ZX": "inquiry",
    "WT": "question",
    "BY": "praise",
}
USAGE_FIGURE_DAY = date(2026, 3, 25)
Value = int | float | str | dict[str, int | float | str]


@dataclass(frozen=True)
class Truth:
    """The content of truth.json."""

    seed: int
    scale: float
    business_date: str
    as_of: str
    defects: list[dict[str, Any]]
    figures: list[dict[str, Any]]
    stories: list[dict[str, Any]]
    managers: list[dict[str, Any]]
    planted_personal_values: list[str]

    def to_json(self) -> dict[str, Any]:
        """A plain mapping for JSON."""
        return asdict(self)


class _Figures:
    """Collects figures of one state."""

    def __init__(self, as_of: str) -> None:
        self.as_of = as_of
        self.rows: list[dict[str, Any]] = []

    def add(
        self,
        cube: str,
        measure: str,
        period: str,
        value: Value,
        by: str | None = None,
        cuts: dict[str, str] | None = None,
    ) -> None:
        self.rows.append(
            {
                "cube": cube,
                "measure": measure,
                "by": [by] if by else [],
                "cuts": cuts or {},
                "period": period,
                "as_of": self.as_of,
                "value": value,
            }
        )


def _by_prefecture(
    prefecture: Ints, amount: Ints, text: Callable[[int], int | str]
) -> dict[str, int | float | str]:
    """Sums by the name of the prefecture; prefectures without rows do not appear."""
    return {
        PREFECTURES[p][0]: text(int(amount[prefecture == p].sum()))
        for p in np.unique(prefecture).tolist()
    }


def tell_truth(world: World, plan: Plan) -> Truth:
    """The truth at the end of the world's day, seen at 09:00 of the day after."""
    today = day_of(world.through)
    as_of = f"{iso(world.through + 1)}T09:00:00{OFFSET}"
    figures = _Figures(as_of)
    active = _customer_figures(world, today, figures)
    _sales_figures(world, today, figures)
    _case_figures(world, plan, today, figures, active)
    _arrears_figures(world, plan, today, figures)
    _usage_figures(world, today, figures)
    return Truth(
        seed=world.seed,
        scale=world.scale,
        business_date=today.isoformat(),
        as_of=as_of,
        defects=defect_list(world, plan),
        figures=figures.rows,
        stories=_stories(world),
        managers=_managers(world),
        planted_personal_values=world.planted,
    )


def _month(day: date) -> tuple[str, int, int]:
    first, last = month_bounds(day)
    return f"{day:%Y-%m}", first, last


def _customer_figures(world: World, today: date, figures: _Figures) -> int:
    customers = world.customers
    active = 0
    for month in (previous_month(today), today):
        text, first, last = _month(month)
        last = min(last, world.through)
        active = len(customers.active_on(last))
        figures.add("customers", "active", text, active)
        for name, days in (("joined", customers.joined), ("left", customers.left)):
            figures.add("customers", name, text, int(((days >= first) & (days <= last)).sum()))
    return active


def _sales_figures(world: World, today: date, figures: _Figures) -> None:
    orders, customers = world.orders, world.customers
    prefecture = tree().sub_prefecture[customers.unit[orders.customer]]
    day = orders.day == world.through
    text = today.isoformat()
    figures.add("sales", "revenue", text, money(int(orders.amount[day].sum())))
    figures.add(
        "sales",
        "revenue",
        text,
        _by_prefecture(prefecture[day], orders.amount[day], money),
        by="org.prefecture",
    )
    for month in (today, previous_month(today), date(today.year - 1, today.month, 1)):
        period, first, last = _month(month)
        inside = (orders.day >= first) & (orders.day <= last)
        figures.add("sales", "revenue", period, money(int(orders.amount[inside].sum())))
        figures.add("sales", "orders", period, int((inside & (orders.line == 1)).sum()))
        figures.add("sales", "order_lines", period, int(inside.sum()))
        for name, kind in (("new_services", NEW_SERVICE), ("cancellations", CANCELLATION)):
            figures.add("sales", name, period, int((inside & (orders.kind == kind)).sum()))


def _counts(names: Iterable[str]) -> dict[str, int | float | str]:
    found: dict[str, int | float | str] = {}
    for name in names:
        found[name] = int(found.get(name, 0)) + 1
    return dict(sorted(found.items()))


def _place(case: Case) -> str:
    return PREFECTURES[tree().prefecture_of_code[case.unit_code]][0]


def _case_figures(world: World, plan: Plan, today: date, figures: _Figures, active: int) -> None:
    events: dict[str, list[Event]] = {}
    for event in world.events:
        if event.event_no not in plan.events:
            events.setdefault(event.case_no, []).append(event)
    period, first, _ = _month(today)
    month = [c for c in world.cases if c.day >= first]
    complaints = [c for c in month if c.is_complaint]
    figures.add("cases", "cases", period, len(month))
    figures.add("cases", "complaints", period, len(complaints))
    figures.add("cases", "cases", period, _counts(KIND_OF_CODE[c.kind] for c in month), by="kind")
    for measure, chosen in (("cases", month), ("complaints", complaints)):
        # A prefecture with cases but no complaint appears with 0, as the sum over its rows.
        value = dict.fromkeys(sorted({_place(c) for c in month}), 0) | _counts(
            _place(c) for c in chosen
        )
        figures.add("cases", measure, period, value, by="org.prefecture")
    figures.add("cases", "complaints_per_10k", period, len(complaints) * 10_000 / active)
    cut = {"org.prefecture": f"#{_outage_code()}"}
    for day in OUTAGE_DAYS:
        hits = sum(_in_outage_place(c) and c.day == day for c in world.cases if c.is_complaint)
        figures.add("cases", "complaints", iso(day), hits, cuts=cut)
    _open_figure(world, events, figures)

    month_before = previous_month(today)
    period, first, last = _month(month_before)
    chosen = [c for c in world.cases if first <= c.day <= last]
    now = (world.through + 1) * DAY_S + 9 * 3600
    replies = [_reply_state(c, events.get(c.case_no, []), now) for c in chosen]
    resolutions = [_resolution_state(c, events.get(c.case_no, []), now) for c in chosen]
    for name, states in (("reply", replies), ("resolution", resolutions)):
        met, decided = states.count(True), len(states) - states.count(None)
        figures.add("cases", f"{name}_met", period, met)
        figures.add("cases", f"{name}_decided", period, decided)
        if decided:
            figures.add("cases", f"{name}_on_time_rate", period, met / decided)
    reopened = sum(any(e.code == "CK" for e in events.get(c.case_no, [])) for c in chosen)
    figures.add("cases", "cases", period, len(chosen))
    figures.add("cases", "reopened", period, reopened)


def _open_figure(world: World, events: dict[str, list[Event]], figures: _Figures) -> None:
    opened = 0
    for case in world.cases:
        state = "new"
        for event in events.get(case.case_no, []):
            state = {
                "SL": "accepted",
                "PD": "in_progress",
                "DD": event.status,
                "JJ": "resolved",
                "CK": "in_progress",
                "BJ": "closed",
            }.get(event.code, state)
        opened += state not in ("resolved", "closed")
    figures.add("cases", "open_cases", f"{iso(0)}..{iso(world.through)}", opened)


def _first(events: list[Event], wanted: Callable[[Event], bool]) -> int | None:
    return next((e.at for e in events if wanted(e)), None)


def _decide(reached: int | None, due: int, now: int) -> bool | None:
    """Met, breached, or None while the clock runs."""
    if reached is not None:
        return reached <= due
    return False if now > due else None


def _reply_state(case: Case, events: list[Event], now: int) -> bool | None:
    """First public reply by a person of ours (or the resolution, if earlier) within 24 hours."""
    reply = _first(
        events,
        lambda e: (
            e.code == "JJ"
            or (e.code == "HF" and not e.automatic and e.role in ("agent", "handler"))
        ),
    )
    return _decide(reply, case.at + DAY_S, now)


def _resolution_state(case: Case, events: list[Event], now: int) -> bool | None:
    """First resolved by the end of the fifth working day after the day of creation."""
    due = (nth_working_day(case.day, 5) + 1) * DAY_S
    return _decide(_first(events, lambda e: e.code == "JJ"), due, now)


def _arrears_figures(world: World, plan: Plan, today: date, figures: _Figures) -> None:
    bills, payments, customers = world.bills, world.payments, world.customers
    period, first, _ = _month(today)
    n = len(customers.numbers)
    landed = np.ones(len(payments.day), dtype=bool)
    landed[list(plan.payments)] = False

    def total(owner: Ints, amount: Ints, chosen: "np.ndarray[Any, Any]") -> Ints:
        sums = np.zeros(n, dtype=np.int64)
        np.add.at(sums, owner[chosen], amount[chosen])
        return sums

    due = total(bills.customer, bills.amount, bills.due < first - 1)
    paid = total(payments.customer, payments.amount, landed & (payments.day < first))
    balance = np.maximum(0, due - paid)
    opening = int(balance.sum())
    newly = recovered = 0
    seen = np.zeros(n, dtype=bool)
    for day in range(first, world.through + 1):
        before = np.maximum(0, due - paid)
        due = due + total(bills.customer, bills.amount, bills.due == day - 1)
        charged = np.maximum(0, due - paid)
        paid = paid + total(payments.customer, payments.amount, landed & (payments.day == day))
        balance = np.maximum(0, due - paid)
        newly += int((charged - before).sum())
        recovered += int((charged - balance).sum())
        seen = (before != 0) | (charged != before) | (balance != 0)
    text = today.isoformat()
    figures.add("arrears", "balance", text, money(int(balance.sum())))
    prefecture = tree().sub_prefecture[customers.unit]
    figures.add(
        "arrears",
        "balance",
        text,
        _by_prefecture(prefecture[seen], balance[seen], money),
        by="org.prefecture",
    )
    figures.add("arrears", "debtors", text, int((balance > 0).sum()))
    figures.add("arrears", "opening", period, money(opening))
    figures.add("arrears", "newly_due", period, money(newly))
    figures.add("arrears", "recovered", period, money(recovered))
    if opening + newly:
        figures.add("arrears", "recovery_rate", period, recovered / (opening + newly))


def _usage_figures(world: World, today: date, figures: _Figures) -> None:
    usage = world.usage
    landed = ~np.isin(usage.day, UNREAD_USAGE_DAYS)
    whole = f"{iso(int(usage.day[0]))}..{iso(world.through)}"
    periods = {
        USAGE_FIGURE_DAY.isoformat(): usage.day == day_no(USAGE_FIGURE_DAY),
        today.isoformat(): usage.day == world.through,
        whole: landed,
    }
    for period, chosen in periods.items():
        figures.add("usage", "sessions", period, int(chosen.sum()))
        figures.add("usage", "minutes", period, int(usage.duration[chosen].sum()) / 60)
        figures.add("usage", "charge", period, money(int(usage.charge[chosen].sum())))


def _outage_code() -> str:
    units = tree()
    return units.units[units.prefectures[OUTAGE_PREFECTURE]].code


def _in_outage_place(case: Case) -> bool:
    return tree().prefecture_of_code[case.unit_code] == OUTAGE_PREFECTURE


def _stories(world: World) -> list[dict[str, Any]]:
    units, staff = tree(), world.staff
    complaints = [c.day for c in world.cases if c.is_complaint and _in_outage_place(c)]
    first = OUTAGE_DAYS[0]
    before = sum(first - 28 <= day < first for day in complaints)
    leaver, changer = staff.employees[staff.leaver_story], staff.employees[staff.phone_story]
    successor = staff.employees[staff.successors[staff.leaver_story]]
    return [
        {
            "story": "outage",
            "unit_code": _outage_code(),
            "unit_name": PREFECTURES[OUTAGE_PREFECTURE][0],
            "sub_branch_code": units.sub_codes[units.outage_sub],
            "dates": [d.isoformat() for d in OUTAGE_DATES],
            "complaints": {iso(day): complaints.count(day) for day in OUTAGE_DAYS},
            "mean_of_28_days_before": before / 28,
        },
        {
            "story": "leaver",
            "staff_no": leaver.staff_no,
            "unit_code": units.units[leaver.unit].code,
            "left_on": iso(leaver.left),
            "successor_staff_no": successor.staff_no,
            "successor_joined_on": iso(successor.joined),
        },
        {
            "story": "leavers",
            "count": sum(e.left <= world.through for e in staff.employees),
            "of_staff": sum(e.joined <= world.through for e in staff.employees),
        },
        {
            "story": "phone_change",
            "staff_no": changer.staff_no,
            "unit_code": units.units[changer.unit].code,
            "changed_on": iso(changer.phone_changed),
            "phone_before": changer.phone,
            "phone_after": changer.new_phone,
        },
    ]


def _managers(world: World) -> list[dict[str, Any]]:
    units = tree()
    wanted = (0, units.prefectures[OUTAGE_PREFECTURE], units.sub_branches[units.outage_sub])
    found = []
    for unit in wanted:
        employee = next(
            e for e in world.staff.employees if e.unit == unit and e.position.endswith("manager")
        )
        found.append(
            {
                "staff_no": employee.staff_no,
                "unit_code": units.units[unit].code,
                "position": employee.position,
            }
        )
    return found
