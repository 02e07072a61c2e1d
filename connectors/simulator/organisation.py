"""The operator's tree of units and its staff, with leavers, successors and phone changes."""

import heapq
from dataclasses import dataclass
from datetime import date
from functools import cache

import numpy as np

from .chance import STAFF, STAFF_PHONES, SUCCESSOR, Ints, generator, phone
from .days import NEVER, day_no, iso, iso_or_none

PREFECTURES = (
    # name, pinyin, counties, share of customers
    ("成都", "Chengdu", 20, 25.0),
    ("自贡", "Zigong", 6, 3.0),
    ("攀枝花", "Panzhihua", 5, 1.5),
    ("泸州", "Luzhou", 7, 5.0),
    ("德阳", "Deyang", 6, 4.5),
    ("绵阳", "Mianyang", 9, 6.5),
    ("广元", "Guangyuan", 7, 3.0),
    ("遂宁", "Suining", 5, 3.5),
    ("内江", "Neijiang", 5, 4.0),
    ("乐山", "Leshan", 11, 4.0),
    ("南充", "Nanchong", 9, 7.0),
    ("眉山", "Meishan", 6, 3.7),
    ("宜宾", "Yibin", 10, 5.7),
    ("广安", "Guang'an", 6, 4.0),
    ("达州", "Dazhou", 7, 6.0),
    ("雅安", "Ya'an", 8, 1.8),
    ("巴中", "Bazhong", 5, 3.3),
    ("资阳", "Ziyang", 3, 2.8),
    ("阿坝", "Aba", 12, 1.0),
    ("甘孜", "Ganzi", 17, 1.3),
    ("凉山", "Liangshan", 16, 6.0),
)
SUB_BRANCHES = 600
OUTAGE_PREFECTURE = 5
ACCOUNT_MANAGERS, AGENTS = 300, 98

_FIRST = (
    "龙Long 清Qing 金Jin 石Shi 白Bai 云Yun 安An 永Yong 宁Ning 高Gao "
    "平Ping 双Shuang 大Da 新Xin 东Dong 南Nan 兴Xing 富Fu 太Tai 江Jiang "
    "天Tian 文Wen 长Chang 三San 红Hong 凤Feng 梅Mei 松Song 望Wang 仁Ren"
)
_SECOND = (
    "溪xi 泉quan 山shan 河he 桥qiao 坪ping 林lin 湖hu 岭ling 川chuan "
    "城cheng 台tai 沟gou 坝ba 塘tang 门men 关guan 场chang 寺si 湾wan "
    "坡po 井jing 渡du 口kou 峰feng 坎kan"
)
SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许邓冯韩曹"
GIVEN = "伟敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英文华建国春梅雪峰晓东海燕志远思雨佳宁"


@dataclass(frozen=True)
class Unit:
    """One unit; `parent` is an index into the tuple of units, -1 for the root."""

    code: str
    name: str
    name_en: str
    parent: int
    level: int
    opened_on: str


@dataclass(frozen=True)
class Tree:
    """All units with what other parts look up by sub-branch index (0-based)."""

    units: tuple[Unit, ...]
    prefectures: tuple[int, ...]
    sub_branches: tuple[int, ...]
    sub_codes: tuple[str, ...]
    sub_prefecture: Ints
    weights: tuple[float, ...]
    outage_sub: int
    prefecture_of_code: dict[str, int]


@dataclass(frozen=True)
class Employee:
    """One member of staff; days are day numbers, NEVER when not in sight."""

    staff_no: str
    name: str
    position: str
    unit: int
    joined: int
    left: int
    phone: str
    new_phone: str
    phone_changed: int


@dataclass(frozen=True)
class Staff:
    """Everyone, successors after the initial roster in order of the leaving they follow.

    A successor may join after the simulated day. `successors` maps an index to the one who follows.
    """

    employees: tuple[Employee, ...]
    initial: int
    holders: dict[int, tuple[tuple[int, str], ...]]
    agents: tuple[str, ...]
    successors: dict[int, int]
    leaver_story: int
    phone_story: int


def _shares(total: int, weights: list[float]) -> list[int]:
    raw = [total * w / sum(weights) for w in weights]
    counts = [int(x) for x in raw]
    order = sorted(range(len(raw)), key=lambda i: (counts[i] - raw[i], i))
    for i in order[: total - sum(counts)]:
        counts[i] += 1
    return counts


@cache
def tree() -> Tree:
    """The same tree for every seed, so that unit codes can be quoted."""
    rng = np.random.default_rng(510000)
    names = [(a[0] + b[0], a[1:] + b[1:]) for a in _FIRST.split() for b in _SECOND.split()]
    names = [names[int(i)] for i in rng.permutation(len(names))]
    units = [Unit("SC", "四川", "Sichuan", -1, 1, "2000-01-01")]
    extra = _shares(SUB_BRANCHES - 2 * sum(p[2] for p in PREFECTURES), [p[3] for p in PREFECTURES])
    prefectures: list[int] = []
    subs: list[int] = []
    sub_prefecture: list[int] = []
    weights: list[float] = []
    for p, (name, pinyin, counties, share) in enumerate(PREFECTURES):
        prefecture = len(units)
        prefectures.append(prefecture)
        units.append(Unit(f"SC{p + 1:02d}", name, pinyin, 0, 2, "2000-01-01"))
        sizes = [2 + s for s in _shares(extra[p], [1.0] * counties)]
        draws = rng.random(sum(sizes)) + 0.4
        # The first sub-branch of a prefecture is its town office and the busiest.
        draws[0] = 4.0
        draws *= share / draws.sum()
        weights.extend(float(w) for w in draws)
        for c in range(counties):
            county = len(units)
            zh, en = names.pop()
            code = f"SC{p + 1:02d}{c + 1:02d}"
            units.append(Unit(code, f"{zh}县", f"{en} County", prefecture, 3, "2000-06-01"))
            for s in range(sizes[c]):
                zh, en = names.pop()
                opened = f"{2001 + int(rng.integers(0, 20))}-0{int(rng.integers(1, 10))}-01"
                subs.append(len(units))
                sub_prefecture.append(p)
                units.append(
                    Unit(f"{code}{s + 1:02d}", f"{zh}支局", f"{en} Sub-branch", county, 4, opened)
                )
    by_code = {u.code: int(u.code[2:4]) - 1 for u in units if len(u.code) > 2}
    return Tree(
        units=tuple(units),
        prefectures=tuple(prefectures),
        sub_branches=tuple(subs),
        sub_codes=tuple(units[i].code for i in subs),
        sub_prefecture=np.array(sub_prefecture, dtype=np.int64),
        weights=tuple(weights),
        outage_sub=sub_prefecture.index(OUTAGE_PREFECTURE),
        prefecture_of_code=by_code,
    )


def _person_name(rng: np.random.Generator) -> str:
    given = "".join(GIVEN[int(i)] for i in rng.integers(0, len(GIVEN), int(rng.integers(1, 3))))
    return SURNAMES[int(rng.integers(0, len(SURNAMES)))] + given


def _new_employee(
    seed: int, number: int, position: str, unit: int, joined: int, rng: np.random.Generator
) -> Employee:
    from_day = max(joined, 0)
    left = from_day + 20 + int(rng.exponential(365 / 0.08))
    changed = from_day + 10 + int(rng.exponential(365 / 0.04))
    return Employee(
        staff_no=f"T{10001 + number}",
        name=_person_name(rng),
        position=position,
        unit=unit,
        joined=joined,
        left=left,
        phone=phone(seed, STAFF_PHONES + 2 * number),
        new_phone=phone(seed, STAFF_PHONES + 2 * number + 1),
        phone_changed=changed if changed < left else NEVER,
    )


def hire(seed: int, through: int) -> Staff:
    """The roster up to day `through`: every leaver is followed by a successor within ten days."""
    units = tree()
    rng = generator(seed, STAFF)
    places = [("province_manager", 0)]
    places += [("prefecture_manager", i) for i in units.prefectures]
    places += [("county_manager", i) for i, u in enumerate(units.units) if u.level == 3]
    places += [("sub_branch_manager", i) for i in units.sub_branches]
    weights = np.cumsum(np.array(units.weights))
    spots = np.searchsorted(weights, rng.random(ACCOUNT_MANAGERS) * weights[-1])
    places += [("account_manager", units.sub_branches[int(s)]) for s in spots]
    places += [("agent", units.prefectures[i % 21] if i % 3 else 0) for i in range(AGENTS)]
    staff = [
        _new_employee(seed, n, position, unit, -int(rng.integers(200, 4000)), rng)
        for n, (position, unit) in enumerate(places)
    ]
    initial = len(staff)

    def place(unit: int) -> int:
        return next(n for n, (_, u) in enumerate(places) if u == unit)

    def settle(n: int, **days: int) -> None:
        calm = {"left": NEVER, "phone_changed": NEVER} | days
        staff[n] = Employee(**{**staff[n].__dict__, **calm})

    outage_sub = units.sub_branches[units.outage_sub]
    for unit in (0, units.prefectures[OUTAGE_PREFECTURE], outage_sub):
        settle(place(unit))
    leaver = place(units.sub_branches[units.outage_sub + 1])
    settle(leaver, left=day_no(date(2026, 3, 13)))
    changer = place(units.units[outage_sub].parent)
    settle(changer, phone_changed=day_no(date(2026, 3, 18)))

    # Leavers are taken in order of time, so that numbers of successors never change.
    queue = [(e.left, n) for n, e in enumerate(staff)]
    heapq.heapify(queue)
    successor_of: dict[int, int] = {}
    while queue and queue[0][0] <= through:
        left, n = heapq.heappop(queue)
        gone, number = staff[n], len(staff)
        own = generator(seed, SUCCESSOR, number)
        joined = left + int(own.integers(1, 11))
        staff.append(_new_employee(seed, number, gone.position, gone.unit, joined, own))
        successor_of[n] = number
        heapq.heappush(queue, (staff[number].left, number))

    holders: dict[int, list[tuple[int, str]]] = {}
    for employee in staff:
        if employee.position.endswith("_manager") and employee.position != "account_manager":
            holders.setdefault(employee.unit, []).append((employee.joined, employee.staff_no))
    return Staff(
        employees=tuple(staff),
        initial=initial,
        holders={unit: tuple(rows) for unit, rows in holders.items()},
        agents=tuple(e.staff_no for e in staff[:initial] if e.position == "agent"),
        successors=successor_of,
        leaver_story=leaver,
        phone_story=changer,
    )


def unit_rows() -> list[tuple[object, ...]]:
    """Business columns of the units, parents before children."""
    units = tree().units
    return [
        (
            u.code,
            u.name,
            u.name_en,
            units[u.parent].code if u.parent >= 0 else None,
            u.level,
            "branch" if u.level == 4 else "company",
            u.opened_on,
            None,
        )
        for u in units
    ]


def staff_changes(staff: Staff, through: int) -> list[tuple[int, str, tuple[object, ...]]]:
    """(day, op, business columns) in business order: the roster of day 0, then each change."""
    units = tree().units
    changes: list[tuple[int, str, tuple[object, ...]]] = []

    def row(e: Employee, number: str, left: int) -> tuple[object, ...]:
        status = "left" if left < NEVER else "active"
        unit = units[e.unit].code
        return (
            e.staff_no, e.name, number, e.position, unit, status, iso(e.joined), iso_or_none(left),
        )  # fmt: skip

    for e in staff.employees:
        if e.joined > through:
            continue
        changes.append((max(e.joined, 0), "I", row(e, e.phone, NEVER)))
        number = e.phone
        if e.phone_changed <= through:
            number = e.new_phone
            changes.append((e.phone_changed, "U", row(e, number, NEVER)))
        if e.left <= through:
            changes.append((e.left, "U", row(e, number, e.left)))
    changes.sort(key=lambda change: change[0])
    return changes


def holder_on(staff: Staff, unit: int, day: int) -> str:
    """Staff number of the manager in charge of a unit (the last one who had joined by `day`)."""
    rows = staff.holders[unit]
    current = rows[0][1]
    for joined, staff_no in rows[1:]:
        if joined <= day:
            current = staff_no
    return current
