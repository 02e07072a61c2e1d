"""The portal of a home: what it says of a snapshot that is missing and of one that is damaged."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from fastapi.testclient import TestClient

from notifications.credential import initial_hash
from notifications.schema import account, credential, role_assignment, session
from pipelines.installation import Installation
from pipelines.portal import Serving, phone_pseudonyms, portal_application
from pipelines.telling import operations


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    made = Installation.open({}, home=tmp_path / "home")
    made.home.ensure()
    return made


def publish(installation: Installation, tag: str, *, info: Any, content: bytes | None) -> None:
    """Make a folder the current snapshot; without `content` its database has no tables."""
    folder = installation.home.published / tag
    folder.mkdir(parents=True)
    (folder / "published.json").write_text(json.dumps(info))
    file = folder / "warehouse.duckdb"
    if content is None:
        duckdb.connect(str(file)).close()
    else:
        file.write_bytes(content)
    link = installation.home.published / "current"
    link.unlink(missing_ok=True)
    link.symlink_to(tag)


def test_before_the_first_publish_the_portal_is_well_and_has_nothing(
    installation: Installation, caplog: Any
) -> None:
    with TestClient(portal_application(installation)) as client:
        answer = client.get("/health")
    assert answer.json() == {"name": "portal", "status": "ok", "snapshot": None}
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("info", "content"),
    [
        ({"business_date": "2026-03-30"}, b"not a database" * 1000),
        ({"business_date": "2026-03-30"}, None),
        ({}, None),
    ],
)
def test_a_damaged_snapshot_degrades_the_portal_and_is_logged_once(
    installation: Installation, caplog: Any, info: Any, content: bytes | None
) -> None:
    publish(installation, "s1", info=info, content=content)
    with TestClient(portal_application(installation)) as client:
        answers = [client.get("/health") for _ in range(3)]
        page = client.get("/sign-in")
    assert {answer.status_code for answer in answers} == {200}
    assert answers[-1].json() == {"name": "portal", "status": "degraded", "snapshot": None}
    assert page.status_code == 200
    assert caplog.text.count("Opening the published snapshot failed: ") == 1


def test_a_link_to_a_snapshot_that_is_gone_is_damage_and_ends_with_the_link(
    installation: Installation,
) -> None:
    link = installation.home.published / "current"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to("gone")
    serving = Serving(installation)
    assert serving() is None and serving.is_unreadable()
    link.unlink()
    assert serving() is None and not serving.is_unreadable()


def test_locks_and_sessions_of_a_home_whose_clock_stands_still_end_in_real_time(
    tmp_path: Path,
) -> None:
    still = {"HUIYIN_CLOCK": "fixed:2000-01-01T09:00+08:00"}
    installation = Installation.open(still, home=tmp_path / "home")
    installation.home.ensure()
    number, initial = "13800000001", "abcdefgh23"
    key = installation.secrets.derive("initial password")
    before, after = (datetime.now(UTC) + timedelta(hours=hours) for hours in (-1, 1))
    with operations(installation) as engine, engine.begin() as connection:
        at = {"created_at": installation.now(), "updated_at": installation.now()}
        pseudonym = phone_pseudonyms(installation)(number)
        connection.execute(
            account.insert().values(
                account_id="A", phone_key=pseudonym, position="manager", status="active", **at
            )
        )
        connection.execute(
            role_assignment.insert().values(
                account_id="A", role="manager", unit_id="*", granted_at=installation.now()
            )
        )
        connection.execute(
            credential.insert().values(
                account_id="A",
                kind="initial",
                hash=initial_hash(key, "A", 1, initial),
                password_version=1,
                must_change=True,
                failed_count=5,
                locked_until=before,
                changed_at=installation.now(),
            )
        )
    with TestClient(portal_application(installation), base_url="http://portal.test") as client:
        token = re.findall(r'name="csrf" value="([^"]*)"', client.get("/sign-in").text)[-1]
        data = {"csrf": token, "phone": number, "password": initial}
        assert client.post("/sign-in", data=data).url.path == "/password"
        with operations(installation) as engine, engine.begin() as connection:
            opened = connection.execute(session.select()).one()
            assert before < opened.created_at < after
            connection.execute(session.update().values(expires_at=before))
        assert client.get("/password").url.path == "/sign-in"
