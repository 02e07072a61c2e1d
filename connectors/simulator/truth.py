"""What the warehouse must find, computed from the simulator's own state.

Left out are rows that cannot be landed: malformed rows, refused and unread files, what a silent
site never sent; a file sent twice counts once, a corrected one as corrected. Money is whole cents
inside and a decimal text in the figures.

`figures` are answers of cubes. The cube `cases` counts the cases of all channels
(`feedback.gather`); a member without a name (a case of the whole province by prefecture) is "".
`sla_figures` are answers of the cube `sla` by due date: 24:00 belongs to the day it ends, a clock
that is paused has no due date, merged cases and spam have no measure. `clocks`, `statuses` and
`backlog` are told by `clock_truth`, `lives` by `life_stories`.
`facts` are rows and sums of marts (`facts` says what they mean). `persons` are groups of entries
that the rules of `identities` find to be one person, `apart` groups that must never be merged.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from .case import Case
from .chance import Ints
from .clock_truth import tell_backlog, tell_clocks, tell_statuses
from .clocks import Clock, clocks_of
from .days import DAY_S, OFFSET, day_no, day_of, iso, month_bounds, previous_month
from .defects import UNREAD_USAGE_DAYS, Plan
from .delivery import defect_list
from .facts import tell_facts
from .feedback import Feedback, gather
from .identities import Entry, tell_apart, tell_persons
from .life_stories import tell_lives
from .organisation import PREFECTURES, tree
from .outage import OUTAGE_DAYS
from .sales import CANCELLATION, NEW_SERVICE, money
from .sending import Parcel
from .stories import in_outage_place, outage_code, tell_managers, tell_stories
from .world import World

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
    sla_figures: list[dict[str, Any]]
    clocks: list[dict[str, Any]]
    statuses: list[dict[str, Any]]
    backlog: list[dict[str, Any]]
    lives: list[dict[str, Any]]
    facts: list[dict[str, Any]]
    persons: list[list[Entry]]
    apart: list[list[Entry]]
    stories: list[dict[str, Any]]
    managers: list[dict[str, Any]]
    planted_personal_values: list[str]

    def to_json(self) -> dict[str, Any]:
        """A plain mapping for JSON."""
        return dict(vars(self))


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


def tell_truth(world: World, plan: Plan, files: list[Parcel]) -> Truth:
    """The truth at the end of the world's day, seen at 09:00 of the day after."""
    today = day_of(world.through)
    as_of = f"{iso(world.through + 1)}T09:00:00{OFFSET}"
    figures = _Figures(as_of)
    active = _customer_figures(world, today, figures)
    _sales_figures(world, today, figures)
    feedback = gather(world, plan)
    now = (world.through + 1) * DAY_S + 9 * 3600
    clocks = [
        clock
        for case in feedback.cases
        for clock in clocks_of(
            case, feedback.events[case.case_no], feedback.states[case.case_no], now
        )
    ]
    _case_figures(world, feedback, clocks, today, figures, active)
    _arrears_figures(world, plan, today, figures)
    _usage_figures(world, today, figures)
    return Truth(
        seed=world.seed,
        scale=world.scale,
        business_date=today.isoformat(),
        as_of=as_of,
        defects=defect_list(world, files),
        figures=figures.rows,
        sla_figures=_sla_figures(clocks, today, as_of),
        clocks=tell_clocks(clocks, today),
        statuses=tell_statuses(feedback, now),
        backlog=tell_backlog(world, feedback),
        lives=tell_lives(),
        facts=tell_facts(world, plan, feedback),
        persons=tell_persons(world),
        apart=tell_apart(world),
        stories=tell_stories(world, feedback),
        managers=tell_managers(world),
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
    place = tree().prefecture_of_code.get(case.unit_code)
    return "" if place is None else PREFECTURES[place][0]


def _case_figures(
    world: World, feedback: Feedback, clocks: list[Clock], today: date, figures: _Figures,
    active: int,
) -> None:  # fmt: skip
    cases = feedback.counted()
    kinds = {c.case_no: feedback.state(c).kind for c in cases}
    complained = {c.case_no for c in cases if feedback.state(c).is_complaint}
    period, first, _ = _month(today)
    month = [c for c in cases if c.day >= first]
    complaints = [c for c in month if c.case_no in complained]
    figures.add("cases", "cases", period, len(month))
    figures.add("cases", "complaints", period, len(complaints))
    figures.add("cases", "cases", period, _counts(kinds[c.case_no] for c in month), by="kind")
    for measure, chosen in (("cases", month), ("complaints", complaints)):
        # A prefecture with cases but no complaint appears with 0, as the sum over its rows.
        value = dict.fromkeys(sorted({_place(c) for c in month}), 0) | _counts(
            _place(c) for c in chosen
        )
        figures.add("cases", measure, period, value, by="org.prefecture")
    figures.add("cases", "complaints_per_10k", period, len(complaints) * 10_000 / active)
    cut = {"org.prefecture": f"#{outage_code()}"}
    for day in OUTAGE_DAYS:
        hits = sum(in_outage_place(c) and c.day == day for c in cases if c.case_no in complained)
        figures.add("cases", "complaints", iso(day), hits, cuts=cut)
    opened = sum(feedback.state(c).is_open for c in feedback.cases)
    figures.add("cases", "open_cases", f"{iso(0)}..{iso(world.through)}", opened)

    month_before = previous_month(today)
    period, first, last = _month(month_before)
    chosen = [c for c in cases if first <= c.day <= last]
    for name, clock in (("reply", "first_response"), ("resolution", "resolution")):
        states = Counter(
            c.state
            for c in clocks
            if c.clock == clock and c.ordinal == 1 and first <= c.case.day <= last
        )
        met, decided = states["met"], states["met"] + states["breached"]
        figures.add("cases", f"{name}_met", period, met)
        figures.add("cases", f"{name}_decided", period, decided)
        if decided:
            figures.add("cases", f"{name}_on_time_rate", period, met / decided)
    reopened = sum(any(e.code == "CK" for e in feedback.events[c.case_no]) for c in chosen)
    figures.add("cases", "cases", period, len(chosen))
    figures.add("cases", "reopened", period, reopened)


def _sla_figures(clocks: list[Clock], today: date, as_of: str) -> list[dict[str, Any]]:
    """Of clocks due in each of the two months before, and what was overdue when it was seen."""
    figures = _Figures(as_of)
    month = previous_month(today)
    for day in (month, previous_month(month)):
        period, first, last = _month(day)
        for name in ("first_response", "resolution"):
            due = [
                c
                for c in clocks
                if c.clock == name and c.due_day is not None and first <= c.due_day <= last
            ]
            cuts = {"clock": name}
            states = Counter(c.state for c in due)
            met, breached = states["met"], states["breached"]
            figures.add("sla", "met", period, met, cuts=cuts)
            figures.add("sla", "breached", period, breached, cuts=cuts)
            if met + breached:
                rate = met / (met + breached)
                figures.add("sla", "on_time_rate", period, rate, cuts=cuts)
            at_once = sum(c.breached_on_change and not c.excluded for c in due)
            figures.add("sla", "breached_on_change", period, at_once, cuts=cuts)
    for name in ("first_response", "resolution"):
        late = sum(c.clock == name and c.stopped is None and c.state == "breached" for c in clocks)
        period = f"{iso(0)}..{today.isoformat()}"
        figures.add("sla", "overdue", period, late, cuts={"clock": name})
    return figures.rows


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
