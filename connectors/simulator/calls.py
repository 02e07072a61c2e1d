"""Calls to the 10000 hotline as the three sites of the call centre record them."""

from dataclasses import dataclass
from datetime import date

import numpy as np

from .case import Case
from .chance import CALLER_PHONES, CALLS, PLANTED_PHONES, Floats, Ints, generator, phone, pick
from .customers import Customers
from .days import DAY_S, clock_texts, compact, day_no, hotline_season
from .organisation import OUTAGE_PREFECTURE, PREFECTURES, Staff, tree
from .outage import OUTAGE_DAYS

BRANCHES = ("chengdu", "mianyang", "nanchong")
SILENT_BRANCH, SILENT_FROM = 2, day_no(date(2026, 3, 28))
OUTCOMES = "ABC"
ANSWERED, ABANDONED, BUSY = range(3)
_SITE_OF = {"绵阳": 1, "德阳": 1, "广元": 1, "遂宁": 1, "南充": 2, "广安": 2, "达州": 2, "巴中": 2}
_HOURS = (2, 1, 1, 1, 1, 1, 3, 8, 14, 18, 17, 14, 11, 12, 14, 15, 14, 13, 12, 12, 11, 9, 6, 3)
_REMARKS = ("", "用户要求回拨", "催办", "情绪激动", "重复来电", "建议升级处理")
_REMARK_WEIGHTS = (70, 8, 10, 4, 6, 2)
_STRANGERS = 500_000
# Fields of a record with their width in bytes; a remark is cut to what fits.
_REMARK_BYTES = 40


@dataclass(frozen=True)
class Calls:
    """One entry a call in order of time; `case` is an index into the hotline's cases or -1."""

    day: Ints
    second: Ints
    ordinal: Ints
    customer: Ints
    sub: Ints
    branch: Ints
    queue: Ints
    outcome: Ints
    waited: Ints
    talked: Ints
    agent: Ints
    case: Ints
    score: Ints
    remark: Ints


def answer_phones(
    seed: int, scale: float, through: int, customers: Customers, staff: Staff, cases: list[Case]
) -> Calls:
    """All calls up to day `through`: those that became a case, and many that did not."""
    days, owners, draws = _stray_calls(seed, scale, through, customers)
    linked = [(n, c) for n, c in enumerate(cases) if c.channel == "phone" and c.customer >= 0]
    rng_rows: Floats = np.empty((len(linked), 8))
    for place, (n, _) in enumerate(linked):
        # A case has its own chances whatever else happens on its day.
        rng_rows[place] = (np.arange(1, 9) * 0.6180339887498949 * (n + 1)) % 1.0
    case = np.concatenate([np.full(len(days), -1), np.array([n for n, _ in linked], np.int64)])
    u: Floats = np.concatenate([draws, rng_rows])
    customer = np.concatenate([owners, np.array([c.customer for _, c in linked], np.int64)])
    day = np.concatenate([days, np.array([c.day for _, c in linked], np.int64)])
    at = np.array([c.at % DAY_S for _, c in linked], np.int64)
    stray_second = pick(u[: len(days), 0], _HOURS) * 3600 + (u[: len(days), 1] * 3600).astype(
        np.int64
    )
    second = np.concatenate([stray_second, at])
    sub = customers.unit[customer]
    prefecture = tree().sub_prefecture[sub]
    jammed = (prefecture == OUTAGE_PREFECTURE) & np.isin(day, OUTAGE_DAYS)
    waited = (-np.log1p(-u[:, 2]) * np.where(jammed, 260.0, 24.0)).astype(np.int64)
    patience = 45 + (u[:, 3] * 400).astype(np.int64)
    stray = case < 0
    outcome = np.where(stray & (waited > patience), ABANDONED, ANSWERED)
    outcome = np.where(stray & (u[:, 4] < np.where(jammed, 0.18, 0.015)), BUSY, outcome)
    waited = np.where(outcome == BUSY, 0, np.minimum(waited, np.where(stray, patience, waited)))
    answered = outcome == ANSWERED
    talked = np.where(answered, 20 + (-np.log1p(-u[:, 5]) * 170).astype(np.int64), 0)
    scored = answered & (u[:, 6] < 0.35)
    agents = len(staff.agents)
    order = np.lexsort((case, second, day))
    starts = np.searchsorted(day[order], day[order], side="left")
    sites = np.array([_SITE_OF.get(p[0], 0) for p in PREFECTURES], dtype=np.int64)
    queue = np.where(stray, pick(u[:, 7], (62, 26, 12)), 2)
    return Calls(
        day=day[order],
        second=second[order],
        ordinal=np.arange(len(order), dtype=np.int64) - starts + 1,
        customer=np.where(stray & (u[:, 4] > 0.9), -1, customer)[order],
        sub=sub[order],
        branch=sites[prefecture][order],
        queue=queue[order],
        outcome=outcome[order],
        waited=waited[order],
        talked=talked[order],
        agent=np.where(answered, (u[:, 6] * 1e6).astype(np.int64) % agents, -1)[order],
        case=case[order],
        score=np.where(scored, 1 + pick(u[:, 7], (4, 6, 14, 32, 44)), 0)[order],
        remark=np.where(answered, pick((u[:, 3] * 7.3) % 1.0, _REMARK_WEIGHTS), 0)[order],
    )


def _stray_calls(
    seed: int, scale: float, through: int, customers: Customers
) -> tuple[Ints, Ints, Floats]:
    """Day, customer and chances of the calls that became no case."""
    days, owners, draws = [], [], []
    prefecture = tree().sub_prefecture[customers.unit]
    for day in range(through + 1):
        rng = generator(seed, CALLS, day)
        n = int(rng.poisson(39 * scale * hotline_season(day)))
        extra = max(12, round(420 * scale)) if day in OUTAGE_DAYS else 0
        active = customers.active_on(day)
        owner = active[rng.integers(0, len(active), n)]
        if extra:
            local = active[prefecture[active] == OUTAGE_PREFECTURE]
            owner = np.concatenate([owner, local[rng.integers(0, len(local), extra)]])
        days.append(np.full(len(owner), day, dtype=np.int64))
        owners.append(owner)
        draws.append(rng.random((len(owner), 8)))
    return np.concatenate(days), np.concatenate(owners), np.concatenate(draws)


def planted_values(calls: Calls, seed: int) -> list[tuple[int, str]]:
    """(day, phone) of the numbers that agents wrote into remarks."""
    chosen = np.flatnonzero((calls.remark == 1) & (calls.ordinal % 5 == 2))
    return [(int(calls.day[i]), _planted(calls, seed, i)) for i in chosen.tolist()]


def _planted(calls: Calls, seed: int, index: int) -> str:
    place = int(calls.day[index]) * 97 + int(calls.ordinal[index])
    return phone(seed, PLANTED_PHONES + 70_000 + place % 29_000)


def call_lines(
    calls: Calls, customers: Customers, staff: Staff, cases: list[Case], seed: int, index: Ints
) -> list[str]:
    """Records of fixed width, as text; every field but the remark is ASCII."""
    clock, codes = clock_texts(""), tree().sub_codes
    columns = (
        index, calls.day[index], calls.second[index], calls.ordinal[index], calls.customer[index],
        calls.sub[index], calls.queue[index], calls.outcome[index], calls.waited[index],
        calls.talked[index], calls.agent[index], calls.case[index], calls.score[index],
        calls.remark[index],
    )  # fmt: skip
    phones, agents = customers.phones, staff.agents
    lines = []
    for (
        i, day, second, ordinal, owner, sub, queue, outcome, waited, talked, agent, case, score,
        remark,
    ) in zip(*(c.tolist() for c in columns), strict=True):  # fmt: skip
        text = _REMARKS[remark]
        if remark == 1 and ordinal % 5 == 2:
            text += _planted(calls, seed, i)
        caller = phones[owner] if owner >= 0 else _stranger(seed, day, ordinal)
        number = f"K{compact(day)}{ordinal:06d}"
        lines.append(
            f"{number:<20}{compact(day)}{clock[second]}{caller:<15}{codes[sub]:<12}"
            f"0{queue + 1}{OUTCOMES[outcome]}{waited:06d}{talked:06d}"
            f"{agents[agent] if agent >= 0 else '':<12}"
            f"{cases[case].case_no if case >= 0 else '':<20}{score or ' '}"
            f"{text}{' ' * (_REMARK_BYTES - len(text.encode('gb18030')))}"
        )
    return lines


def _stranger(seed: int, day: int, ordinal: int) -> str:
    return phone(seed, CALLER_PHONES + _STRANGERS + (day * 911 + ordinal) % 400_000)


def is_heard(calls: Calls) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Which calls lie in files that are delivered: a site has fallen silent."""
    heard: np.ndarray[tuple[int], np.dtype[np.bool_]] = ~(
        (calls.branch == SILENT_BRANCH) & (calls.day >= SILENT_FROM)
    )
    return heard
