"""A small organisation, a hand-made publication and a store to tell from."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from notifications.account import Role, SyncReport, load_roles, sync_accounts
from notifications.alert.rule import Rule, load_rules
from notifications.digest import Digest, load_digests
from notifications.dispatcher import DispatchReport, dispatch, file_transport
from notifications.planner import TickReport, tick
from notifications.publication import Org, Publication, SourceState
from notifications.schema import message
from notifications.store import migrate, open_store
from notifications.subscription import TimeCondition, subscribe

SHANGHAI = ZoneInfo("Asia/Shanghai")
PACKAGE = Path(__file__).parents[2] / "notifications"

UNITS = [
    ("SC", "四川省公司", "Sichuan", 1, None),
    ("CD", "成都分公司", "Chengdu", 2, "SC"),
    ("MY", "绵阳分公司", "Mianyang", 2, "SC"),
    ("CD1", "锦江分公司", "Jinjiang", 3, "CD"),
    ("CD2", "武侯分公司", "Wuhou", 3, "CD"),
    ("MY1", "涪城分公司", "Fucheng", 3, "MY"),
]
LEVELS = {1: "province", 2: "prefecture", 3: "county"}
PARENTS = {code: parent for code, _, _, _, parent in UNITS}
LEVEL_OF = {code: level for code, _, _, level, _ in UNITS}

Fact = Mapping[str, Any]


@dataclass
class Answer:
    """Rows as a cube result has them."""

    rows: Sequence[Mapping[str, Any]]


@dataclass
class Warehouse:
    """Answers named queries by adding up facts at county grain.

    A fact has `unit` (a county), the dimensions a query may be split by, and measures;
    `<measure>__previous` gives the comparison. `measures` names what each query adds up, `ratios`
    what is divided by which sum.
    """

    facts: dict[str, list[Fact]] = field(default_factory=dict)
    measures: dict[str, tuple[str, ...]] = field(default_factory=dict)
    ratios: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    calls: list[tuple[str, frozenset[str] | None, tuple[str, ...]]] = field(default_factory=list)

    def __call__(
        self,
        query: str,
        parameters: Mapping[str, Any],
        units: frozenset[str] | None,
        by: tuple[str, ...],
    ) -> Answer:
        self.calls.append((query, units, by))
        groups: dict[tuple[Any, ...], dict[str, Any]] = {}
        for fact in self.facts.get(query, []):
            path = upwards(fact["unit"])
            if units is not None and not units & set(path):
                continue
            if "created.day" in fact and fact["created.day"] > parameters["business_date"]:
                continue
            key: dict[str, Any] = {}
            for name in by:
                if name.startswith("org.l"):
                    members = [unit for unit in path if LEVEL_OF[unit] == int(name[5:])]
                    label = LEVELS[int(name[5:])]
                    key[f"org.{label}"] = key[f"org.{label}__id"] = next(iter(members), None)
                else:
                    key[name] = fact[name]
            row = groups.setdefault(tuple(key.values()), dict(key))
            for name in self.measures[query]:
                row[name] = row.get(name, Decimal(0)) + Decimal(fact[name])
                if f"{name}__previous" in fact:
                    base = row.get(f"{name}__previous", 0) + Decimal(fact[f"{name}__previous"])
                    row[f"{name}__previous"] = base
                    row[f"{name}__change"] = row[name] - base
                    row[f"{name}__change_ratio"] = (row[name] - base) / base if base else None
        for row in groups.values():
            for name, (above, below) in self.ratios.items():
                if above in row:
                    base = sum(row[one] for one in below)
                    row[name] = row[above] / base if base else None
        return Answer(list(groups.values()))


def upwards(unit: str) -> list[str]:
    """The unit and all above it."""
    found: list[str] = []
    current: str | None = unit
    while current:
        found.append(current)
        current = PARENTS[current]
    return found


@dataclass
class World:
    """Everything a test of telling needs; `now` is 09:00 of 31 March 2026 in Shanghai."""

    folder: Path
    engine: Engine
    warehouse: Warehouse
    roles: dict[str, Role]
    digests: dict[str, Digest]
    rules: dict[str, Rule]
    zone: ZoneInfo = SHANGHAI
    now: datetime = datetime(2026, 3, 31, 9, 0, tzinfo=SHANGHAI)
    day: date = date(2026, 3, 30)
    signatures: Mapping[Any, str] = field(
        default_factory=lambda: {"zh": "【回音】", "en": "[Huiyin]"}
    )
    phones: dict[str, str] = field(
        default_factory=lambda: {f"key-{name}": f"1380000000{name[1]}" for name in MANAGERS}
    )

    def roster_row(
        self, staff_id: str, unit: str, position: str, *, phone_key: str | None, active: bool = True
    ) -> dict[str, Any]:
        """One row as marts.dim_staff has it."""
        return {
            "staff_id": staff_id,
            "org_unit_id": unit,
            "position": position,
            "is_active": active,
            "phone_key": phone_key,
        }

    def roster(self) -> list[dict[str, Any]]:
        """A manager of the province, of each prefecture, of Jinjiang; and one account manager."""
        return [
            self.roster_row(name, unit, position, phone_key=f"key-{name}")
            for name, (unit, position) in MANAGERS.items()
        ]

    def sync(self, rows: Sequence[Mapping[str, Any]] | None = None) -> SyncReport:
        """Sync the accounts with the roster."""
        with self.engine.begin() as connection:
            return sync_accounts(
                connection, self.roster() if rows is None else rows, self.now, roles=self.roles
            )

    def publication(self, **changes: Any) -> Publication:
        """A snapshot of 30 March in which every source is complete."""
        base = Publication(
            tag="s1",
            business_date=self.day,
            zone=self.zone,
            currency="CNY",
            sources={name: SourceState(self.day) for name in ("hall", "billing", "hotline")},
            org=Org.from_rows(
                [
                    {
                        "org_unit_id": code,
                        "name": zh,
                        "name_en": en,
                        "level": level,
                        "parent_id": parent,
                    }
                    for code, zh, en, level, parent in UNITS
                ],
                [{"level": level, "name": name} for level, name in LEVELS.items()],
            ),
            figures=self.warehouse,
            is_working_day=lambda day: day.isoweekday() < 6,
        )
        return replace(base, **changes)

    def subscribe(self, account: str, digest: str = "daily_sales", **terms: Any) -> str:
        """Subscribe for 08:30 every day, from the evening before `now` on."""
        condition = TimeCondition(times=(terms.pop("at", "08:30"),))
        with self.engine.begin() as connection:
            return subscribe(
                connection,
                account,
                digest,
                condition,
                now=self.now,
                starts_at=terms.pop("starts_at", self.now - timedelta(hours=12)),
                **terms,
            )

    def tick(self, now: datetime | None = None, **changes: Any) -> TickReport:
        """Tick without rules unless they are given."""
        rules = changes.pop("rules", {})
        return tick(
            now or self.now,
            changes.pop("publication", None) or self.publication(**changes),
            self.engine,
            digests=self.digests,
            rules=rules,
            signatures=self.signatures,
        )

    @property
    def sent_path(self) -> Path:
        """The file transport's file."""
        return self.folder / "sent" / "messages.jsonl"

    def dispatch(self, now: datetime | None = None, **changes: Any) -> DispatchReport:
        """Dispatch through the file transport, or the one given."""
        transport = changes.pop("transport", None) or file_transport(self.sent_path)
        try:
            return dispatch(
                self.engine,
                transport,
                changes.pop("reveal", self.phones.get),
                now or self.now,
                owner="test",
                rng=random.Random(1),
                **changes,
            )
        finally:
            transport.close()

    def sent(self) -> list[dict[str, Any]]:
        """What the file transport has sent."""
        return [json.loads(line) for line in self.sent_path.read_text("utf-8").splitlines()]

    def messages(self) -> list[Any]:
        """All rows of the outbox, in the order of their keys."""
        with self.engine.begin() as connection:
            return list(connection.execute(sa.select(message).order_by(message.c.dedupe_key)))


MANAGERS = {
    "P1": ("SC", "province_manager"),
    "C2": ("CD", "prefecture_manager"),
    "M3": ("MY", "prefecture_manager"),
    "J4": ("CD1", "county_manager"),
    "A5": ("CD1", "account_manager"),
}


@pytest.fixture(scope="session")
def declared() -> tuple[dict[str, Role], dict[str, Digest], dict[str, Rule]]:
    """The shipped roles, digests and rules."""
    return (
        load_roles([PACKAGE / "roles"]),
        load_digests([PACKAGE / "digests"]),
        load_rules([PACKAGE / "alerts"]),
    )


def sale(unit: str, amount: str, before: str, family: str) -> Fact:
    """One sales fact; every fact is one order."""
    return {
        "unit": unit,
        "product.family": family,
        "revenue": amount,
        "revenue__previous": before,
        "orders": 1,
        "new_services": 0,
    }


@pytest.fixture
def world(tmp_path: Path, declared: Any) -> World:
    """Sales of 30 March: Chengdu 150,000 (100,000 before), Mianyang 50,000 (62,500 before)."""
    url = f"sqlite:///{tmp_path / 'ops.db'}"
    migrate(url)
    warehouse = Warehouse(
        facts={
            "daily_sales": [
                sale("CD1", "90000", "60000", "mobile"),
                sale("CD2", "60000", "40000", "broadband"),
                sale("MY1", "50000", "62500", "mobile"),
            ]
        },
        measures={"daily_sales": ("revenue", "orders", "new_services")},
    )
    made = World(tmp_path, open_store(url), warehouse, *declared)
    made.sync()
    return made
