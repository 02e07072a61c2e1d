"""Products and the order lines of the business halls."""

from dataclasses import dataclass

import numpy as np

from .chance import ORDERS, Ints, generator, pick
from .customers import Customers
from .days import clock_texts, compact, iso, sales_season
from .organisation import Staff, holder_on, tree

PRODUCTS = (
    # code, name, English name, family, price in yuan
    ("V01", "市话通", "City Talk", "voice", 29),
    ("V02", "固话包月", "Fixed Line Monthly", "voice", 39),
    ("B01", "光宽带300M", "Fibre 300M", "broadband", 89),
    ("B02", "光宽带1000M", "Fibre 1000M", "broadband", 169),
    ("B03", "商务专线", "Business Line", "broadband", 599),
    ("M01", "畅享59套餐", "Easy Plan 59", "mobile", 59),
    ("M02", "畅享129套餐", "Easy Plan 129", "mobile", 129),
    ("M03", "5G尊享199", "5G Prime 199", "mobile", 199),
    ("T01", "智能手机", "Smartphone", "terminal", 1699),
    ("T02", "光猫路由器", "Fibre Router", "terminal", 199),
    ("A01", "天翼云盘", "Cloud Drive", "value_added", 15),
    ("A02", "高清电视", "HD Television", "value_added", 20),
)
NEW_SERVICE, RECHARGE, CHANGE, CANCELLATION = range(4)
ORDER_TYPES = ("new_service", "recharge", "change", "cancellation")
_RECHARGES = np.array([3000, 5000, 10000, 20000, 30000], dtype=np.int64)


@dataclass(frozen=True)
class Orders:
    """One entry an order line, in business order; amounts in cents, refunds negative."""

    day: Ints
    second: Ints
    ordinal: Ints
    line: Ints
    customer: Ints
    product: Ints
    kind: Ints
    quantity: Ints
    amount: Ints
    at_counter: Ints


def _day_orders(seed: int, scale: float, day: int, customers: Customers) -> list[Ints]:
    rng = generator(seed, ORDERS, day)
    active = customers.active_on(day)
    n = int(rng.poisson(130 * scale * sales_season(day)))
    joiners = np.flatnonzero(customers.joined == day)
    leavers = np.flatnonzero(customers.left == day)
    customer = np.concatenate([active[rng.integers(0, len(active), n)], joiners, leavers])
    kind = np.concatenate(
        [
            pick(rng.random(n), (0.13, 0.61, 0.21, 0.05)),
            np.full(len(joiners), NEW_SERVICE, dtype=np.int64),
            np.full(len(leavers), CANCELLATION, dtype=np.int64),
        ]
    )
    total = len(customer)
    u = rng.random((6, total))
    product = pick(u[0], (4, 3, 14, 9, 3, 24, 17, 9, 4, 6, 4, 3))
    price = np.array([p[4] * 100 for p in PRODUCTS], dtype=np.int64)[product]
    recharge = _RECHARGES[pick(u[1], (30, 34, 24, 9, 3))]
    quantity = np.where((kind == RECHARGE) & (u[2] < 0.08), 2, 1).astype(np.int64)
    refund = np.where(u[3] < 0.55, -(3000 + (u[4] * 17).astype(np.int64) * 1000), 0)
    fee = np.where(u[3] < 0.25, 1000, 0)
    amount = np.choose(kind, [price, recharge * quantity, fee, refund]).astype(np.int64)
    second = (8.5 * 3600 + np.minimum(rng.random(total), rng.random(total)) * 11.5 * 3600).astype(
        np.int64
    )
    order = np.argsort(second, kind="stable")
    second, customer, kind, product = second[order], customer[order], kind[order], product[order]
    quantity, amount = quantity[order], amount[order]
    counter = (u[5][order] < 0.6).astype(np.int64)
    ordinal = np.arange(1, total + 1, dtype=np.int64)
    # A new service is often topped up in the same order: the second line.
    topped = np.flatnonzero((kind == NEW_SERVICE) & (u[2][order] < 0.4))
    at = np.concatenate([np.arange(total), topped])
    is_top = np.concatenate([np.zeros(total, np.int64), np.ones(len(topped), np.int64)])
    keep = np.lexsort((is_top, at))
    at, is_top = at[keep], is_top[keep]
    return [
        np.full(len(at), day, dtype=np.int64),
        second[at],
        ordinal[at],
        is_top + 1,
        customer[at],
        product[at],
        np.where(is_top == 1, RECHARGE, kind[at]),
        np.where(is_top == 1, 1, quantity[at]),
        np.where(is_top == 1, recharge[order][at], amount[at]),
        counter[at],
    ]


def take_orders(seed: int, scale: float, through: int, customers: Customers) -> Orders:
    """All order lines up to day `through`."""
    parts = [_day_orders(seed, scale, day, customers) for day in range(through + 1)]
    return Orders(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def product_rows() -> list[tuple[object, ...]]:
    """Business columns of the products."""
    return [product[:4] for product in PRODUCTS]


def money(cents: int) -> str:
    """Cents as a decimal text with two places."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def order_rows(
    orders: Orders, customers: Customers, staff: Staff, skip: int
) -> list[tuple[object, ...]]:
    """Business columns of the order lines after the first `skip`, in business order."""
    units = tree()
    subs = customers.unit[orders.customer]
    clock = clock_texts(":")
    in_charge: dict[tuple[int, int], str] = {}

    def manager(sub: int, day: int) -> str:
        if (sub, day) not in in_charge:
            in_charge[sub, day] = holder_on(staff, units.sub_branches[sub], day)
        return in_charge[sub, day]

    columns = (
        orders.day, orders.second, orders.ordinal, orders.line, orders.customer, orders.product,
        orders.kind, orders.quantity, orders.amount, orders.at_counter, subs,
    )  # fmt: skip
    rows: list[tuple[object, ...]] = []
    for day, second, ordinal, line, customer, product, kind, quantity, cents, counter, sub in zip(
        *(c[skip:].tolist() for c in columns), strict=True
    ):
        order_no = f"O{compact(day)}{ordinal:06d}"
        rows.append(
            (
                f"{order_no}-{line}",
                order_no,
                customers.numbers[customer],
                units.sub_codes[sub],
                PRODUCTS[product][0],
                manager(sub, day) if counter else None,
                ORDER_TYPES[kind],
                quantity,
                money(cents),
                f"{iso(day)} {clock[second]}",
            )
        )
    return rows
