"""The real application over a store and a hand-made publication, met as a browser meets it."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from fastapi.testclient import TestClient
from httpx import Response

from cubes.catalogue import Catalogue, load_catalogue
from notifications.credential import Invitation, Passwords, choose, invite
from notifications.portal.application import portal
from notifications.portal.desk import Desk
from notifications.portal.limits import Limits
from notifications.threshold import load_figures

PACKAGE = Path(__file__).parents[3] / "notifications"
KEY = b"k" * 32
SYSTEM_KEY = "5" * 64
PASSWORD = "horse battery staple"
# Real argon2, made cheap: what it costs is tested where it matters, by counting.
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
NUMBERS = {"P1": "13800000001", "C2": "13800000002", "M3": "13800000003", "J4": "13800000004"}


@dataclass
class Counting(Passwords):
    """Counts how many passwords were judged."""

    judged: int = 0

    def __init__(self) -> None:
        super().__init__(CHEAP, KEY)
        self.judged = 0

    def fits(self, stored: Any, password: str) -> bool:
        self.judged += 1
        return super().fits(stored, password)


@dataclass
class Visitor:
    """One browser: its cookies, and the forms of the pages it has seen."""

    client: TestClient
    address: str = "10.0.0.1"

    def get(self, path: str, **more: Any) -> Response:
        return self.client.get(path, **more)

    def token(self, path: str) -> str:
        """The token of the last form of a page, the page's own after the frame's."""
        found = re.findall(r'name="csrf" value="([^"]*)"', self.get(path).text)
        return str(found[-1]) if found else ""

    def post(self, path: str, page: str | None = None, **fields: Any) -> Response:
        """Send a form as the page it stands on would."""
        data = {"csrf": self.token(page or path), **fields}
        return self.client.post(path, data=data)

    def sign_in(self, number: str, password: str = PASSWORD) -> Response:
        return self.post("/sign-in", phone=number, password=password)


@dataclass
class Office:
    """The portal of a small organisation; every account has chosen PASSWORD."""

    world: Any
    desk: Desk
    passwords: Counting
    app: Any
    visitors: list[TestClient] = field(default_factory=list)

    def visitor(self, address: str = "10.0.0.1") -> Visitor:
        client = TestClient(
            self.app,
            base_url="http://portal.test",
            client=(address, 40000),
            raise_server_exceptions=False,
        )
        self.visitors.append(client)
        return Visitor(client, address)

    def signed_in(self, account: str) -> Visitor:
        visitor = self.visitor()
        response = visitor.sign_in(NUMBERS[account])
        assert response.status_code == 200 and "/sign-in" not in str(response.url)
        return visitor


def text_of(response: Response) -> str:
    """What a page says, without its marks."""
    body = re.sub(r"<svg.*?</svg>", "", response.text, flags=re.S)
    return html.unescape(re.sub(r"<[^>]+>", " ", body))


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return load_catalogue([PACKAGE.parent / "cubes"])


@pytest.fixture
def bare(world: Any, catalogue: Catalogue) -> Iterator[Office]:
    """The portal before anybody was invited."""
    sales(world)
    invitation = Invitation(KEY, str.encode, "http://portal.test", world.signatures, "zh")
    passwords = Counting()
    by_number = {number: f"key-{account}" for account, number in NUMBERS.items()}
    world.publications = [world.publication()]
    # Real time goes on while the home's clock stands still.
    world.passed = timedelta(0)
    world.is_unreadable = False
    desk = Desk(
        engine=world.engine,
        now=lambda: world.now,
        wall_clock=lambda: world.now + world.passed,
        zone=world.zone,
        publication=lambda: world.publications[-1],
        is_unreadable=lambda: world.is_unreadable,
        pseudonym=lambda number: by_number.get(re.sub(r"\D", "", number), f"unknown-{number}"),
        catalogue=catalogue,
        digests=world.digests,
        figures=load_figures([PACKAGE / "thresholds"]),
        roles=world.roles,
        passwords=passwords,
        limits=Limits(lambda: (world.now + world.passed).timestamp()),
        invitation=lambda: invitation,
        dashboards=lambda: None,
        form_key=b"f" * 32,
        system_key=SYSTEM_KEY,
        signatures=world.signatures,
        language="zh",
        stylesheet="body {}",
        is_secure=False,
    )
    office = Office(world, desk, passwords, portal(desk))
    yield office
    for client in office.visitors:
        client.close()


@pytest.fixture
def office(bare: Office) -> Office:
    """The portal in use."""
    with bare.world.engine.begin() as connection:
        invite(connection, bare.desk.invitation(), bare.world.now)
        for account in NUMBERS:
            choose(connection, account, bare.passwords.hash(PASSWORD), bare.world.now)
    return bare


def sales(world: Any) -> None:
    """A hundred days of sales in each county; Jinjiang sells 1,000 a day and 300 each tenth day."""
    facts = []
    for back in range(100):
        for unit in ("CD1", "CD2", "MY1"):
            amount = 300 if unit == "CD1" and back % 10 == 4 else 1000
            facts.append(
                {
                    "unit": unit,
                    "sold.day": world.day - timedelta(days=back),
                    "revenue": Decimal(amount),
                    "orders": Decimal(1),
                    "new_services": Decimal(0),
                }
            )
    world.warehouse.facts["sales_by_day"] = facts
    world.warehouse.measures["sales_by_day"] = ("revenue", "orders", "new_services")
