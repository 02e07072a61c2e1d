"""Call detail records: voice, SMS and data sessions."""

from dataclasses import dataclass

import numpy as np

from .chance import USAGE, Ints, generator, pick
from .customers import Customers
from .days import USAGE_START, clock_texts, compact, day_no, usage_season
from .organisation import OUTAGE_PREFECTURE, tree
from .outage import OUTAGE_DAYS

USAGE_TYPES = ("voice", "sms", "data")
USAGE_COLUMNS = ("usage_no", "customer_no", "caller_phone", "unit_code", "usage_type",
                 "started_at", "duration_s", "bytes", "charge")  # fmt: skip


@dataclass(frozen=True)
class Usage:
    """One entry a record in order of time; charge in cents."""

    day: Ints
    second: Ints
    ordinal: Ints
    customer: Ints
    kind: Ints
    duration: Ints
    volume: Ints
    charge: Ints


def _day_usage(seed: int, scale: float, day: int, customers: Customers) -> list[Ints]:
    rng = generator(seed, USAGE, day)
    active = customers.active_on(day)
    n = int(rng.poisson(10_000 * scale * usage_season(day)))
    customer = active[rng.integers(0, len(active), n)]
    if day in OUTAGE_DAYS:
        hit = tree().sub_prefecture[customers.unit[customer]] == OUTAGE_PREFECTURE
        customer = customer[~hit | (rng.random(n) < 0.45)]
        n = len(customer)
    u = rng.random((3, n))
    kind = pick(u[0], (0.36, 0.10, 0.54))
    hours = (2, 1, 1, 1, 1, 2, 4, 8, 11, 12, 12, 12, 11, 10, 11, 11, 11, 12, 13, 14, 14, 12, 8, 4)
    second = np.sort(pick(u[1], hours) * 3600 + (u[2] * 3600).astype(np.int64))
    talk = np.maximum(3, rng.exponential(140.0, n)).astype(np.int64)
    session = np.maximum(5, rng.exponential(900.0, n)).astype(np.int64)
    volume = (rng.lognormal(16.0, 1.5, n)).astype(np.int64) + 1024
    beyond = rng.random(n) < 0.18
    minutes = -(-talk // 60)
    megabytes = volume // 1_048_576
    cost = np.choose(kind, [minutes * 15, np.full(n, 10), megabytes * 3]).astype(np.int64)
    return [
        np.full(n, day, dtype=np.int64),
        second,
        np.arange(1, n + 1, dtype=np.int64),
        customer,
        kind,
        np.choose(kind, [talk, np.zeros(n, np.int64), session]).astype(np.int64),
        np.where(kind == 2, volume, 0).astype(np.int64),
        np.where(beyond, cost, 0).astype(np.int64),
    ]


def record_usage(seed: int, scale: float, through: int, customers: Customers) -> Usage:
    """All records from USAGE_START up to day `through`."""
    parts = [
        _day_usage(seed, scale, day, customers) for day in range(day_no(USAGE_START), through + 1)
    ]
    return Usage(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def usage_lines(usage: Usage, customers: Customers, begin: int, end: int) -> list[str]:
    """Lines of the records [begin, end)."""
    codes, clock = tree().sub_codes, clock_texts("")
    owner = usage.customer[begin:end]
    columns = (usage.day, usage.ordinal, usage.kind, usage.second, usage.duration, usage.volume,
               usage.charge)  # fmt: skip
    numbers, phones = customers.numbers, customers.phones
    return [
        f"U{compact(day)}{ordinal:07d},{numbers[c]},{phones[c]},{codes[unit]},{USAGE_TYPES[kind]}"
        f",{compact(day)}{clock[second]},{duration},{volume},{cents // 100}.{cents % 100:02d}"
        for c, unit, day, ordinal, kind, second, duration, volume, cents in zip(
            owner.tolist(),
            customers.unit[owner].tolist(),
            *(c[begin:end].tolist() for c in columns),
            strict=True,
        )
    ]
