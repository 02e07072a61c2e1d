"""From the door to the marts: submitted, drained, built, and told again on the page."""

from __future__ import annotations

from typing import Any

import pytest

from cubes.rule_table import RULE_TABLES, append_rule_rows
from pipelines.installation import Installation
from tests.connectors.intake.server import Server
from tests.journeys.product import Product, clean_environment

pytestmark = pytest.mark.xdist_group("province")


def case_of(product: Product, case_no: str) -> dict[str, Any]:
    with product.snapshot() as connection:
        found = connection.execute(
            "select org_unit_id, holder_unit_id, kind, channel_id, status, reporter_key, "
            "created_precision, strftime(promised_due_at, '%Y-%m-%dT%H:%M:%S') as promised, "
            "strftime(resolution_due_at, '%Y-%m-%dT%H:%M:%S') as due "
            "from marts.fct_case where source = 'intake' and case_no = ?",
            [case_no],
        )
        names = [column[0] for column in found.description]
        row = found.fetchone()
        assert row is not None
        return dict(zip(names, row, strict=True))


def add_policies(product: Product, *rows: dict[str, str]) -> None:
    """Add rows of the operator to the policies of the home."""
    shared = {"version": "1", "clock": "resolution", "target_kind": "each", "is_active": "true"}
    empty = dict.fromkeys(RULE_TABLES["sla_policy"], "")
    added = [
        {**empty, **shared, "name": row["policy_id"], "name_en": row["policy_id"], **row}
        for row in rows
    ]
    path = product.home / "site/dbt_project/seeds/sla_policy.csv"
    append_rule_rows(path, "sla_policy", added)


def test_what_comes_in_reaches_the_marts_with_the_promise_the_model_counts(
    published: Product,
) -> None:
    key = published.run("client", "add", "desk").strip()
    staff = {"Authorization": f"Bearer {key}"}
    with Server(published.home) as server:
        web = server.submit(unit="SC0601", category="宽带/断网", contact={"phone": "139 1234 5678"})
        nowhere = server.submit(kind="praise")
        letter = server.submit(channel="letter", received_on="2026-03-27", headers=staff)
        for data in ({"type": "acknowledge"}, {"type": "assign", "unit": "SC06"}):
            answer = server.request("POST", f"{nowhere['status_url']}/events", data=data, **staff)
            assert answer.status == 202
        landed = {
            (one["stream"], one["loaded"]) for one in published.json("ingest", "--source", "intake")
        }
        assert landed == {("cases", 3), ("events", 2)}
        # Drained, but in no snapshot yet.
        secret = {"X_Case_Secret": web["secret"]}
        assert server.request("GET", web["status_url"], **secret).json["is_pending"]
        published.run("build", HUIYIN_CLOCK="fixed:2026-03-31T09:30:00+08:00")
        for receipt in (web, nowhere, letter):
            case = case_of(published, receipt["case_no"])
            assert f"{case['due']}+00:00" == receipt["promised_due_at"]
            assert case["promised"] == case["due"]
        told = case_of(published, web["case_no"])
        assert (told["org_unit_id"], told["kind"], told["channel_id"], told["status"]) == (
            "SC0601",
            "complaint",
            "web",
            "new",
        )
        # A phone has the pseudonym it has in every other source, however it was written.
        with Installation.open(clean_environment(published.home)).pii_store() as pii:
            assert told["reporter_key"] == pii.pseudonym("phone", "13912345678")
            assert pii.reveal(told["reporter_key"], "test") == "139 1234 5678"
        moved = case_of(published, nowhere["case_no"])
        assert (moved["org_unit_id"], moved["holder_unit_id"]) == ("SC06", "SC06")
        assert moved["status"] == "in_progress"
        assert case_of(published, letter["case_no"])["created_precision"] == "day"
        assert case_of(published, letter["case_no"])["org_unit_id"] == "SC"
        while server.request("GET", "/health").json["snapshot"] == "20260330-0001":
            pass
        found = server.request("GET", web["status_url"], **secret).json
        assert not found["is_pending"] and found["status"]["id"] == "new"
        answer = server.request(
            "POST", f"{web['status_url']}/events", data={"type": "reply", "text": "好"}, **staff
        )
        assert answer.status == 202
        found = server.request("GET", web["status_url"], **secret).json
        assert [step["state"] for step in found["milestones"]] == ["published", "received"]
        assert found["last_reply"]["text"] == "好"
        with published.snapshot() as connection:
            numbers = connection.execute(
                "select count(*) from marts.fct_feedback_event where source = 'intake'"
            ).fetchone()
        assert numbers == (5,)


def test_the_promise_by_the_operators_policies_is_the_due_time_of_the_clock(
    published: Product,
) -> None:
    hours, days = "business_seconds", "calendar_days"
    add_policies(
        published,
        # At nine on Tuesday 31 March: over lunch and the night, 4 h on 1 April end at 14:30.
        {"policy_id": "mianyang", "ordinal": "10", "kind": "complaint;report",
         "category_path": "宽带", "org_unit_id": "SC06", "unit": hours, "target": "41400"},
        # A letter of 27 March and 8 days: 4 April begins the Qingming holiday, over on the 7th.
        {"policy_id": "letters", "ordinal": "20", "channel": "letter;fax", "unit": days,
         "rolls": "true", "target": "8"},
        {"policy_id": "praise", "ordinal": "30", "kind": "praise", "unit": "calendar_seconds",
         "target": "5400"},
        {"policy_id": "urgent", "ordinal": "40", "priority": "P4", "kind": "inquiry",
         "unit": "working_days", "target": "1", "ends": "business"},
    )  # fmt: skip
    path = published.home / "site/dbt_project/seeds/sla_priority.csv"
    path.write_text("ordinal,valid_from,urgency,importance,complexity,priority\n9,,,,,P4\n")
    key = published.run("client", "add", "desk").strip()
    staff = {"Authorization": f"Bearer {key}"}
    published.run("build", HUIYIN_CLOCK="fixed:2026-03-31T09:00:00+08:00")
    with Server(published.home) as server:
        receipts = {
            "mianyang": server.submit(unit="SC0601", category="宽带/断网"),
            "letters": server.submit(channel="letter", received_on="2026-03-27", headers=staff),
            "praise": server.submit(kind="praise"),
            "urgent": server.submit(kind="inquiry"),
            "default_resolution": server.submit(unit="SC01", category="宽带/断网"),
        }
        page = server.request(
            "POST", "/", fields={"kind": "praise", "text": "好", "token": "t" * 32, "lang": "zh"}
        ).text
    assert "2026年3月31日（周二）10:30前" in page
    promised = {name: receipt["promised_due_at"] for name, receipt in receipts.items()}
    assert promised == {
        "mianyang": "2026-04-01T06:30:00+00:00",
        "letters": "2026-04-07T16:00:00+00:00",
        "praise": "2026-03-31T02:30:00+00:00",
        "urgent": "2026-04-01T10:00:00+00:00",
        "default_resolution": "2026-04-08T16:00:00+00:00",
    }
    published.run("ingest", "--source", "intake")
    published.run("build", HUIYIN_CLOCK="fixed:2026-03-31T09:30:00+08:00")
    with published.snapshot() as connection:
        clocks = dict(
            connection.execute(
                "select case_no, policy_id || ' ' || strftime(due_at, '%Y-%m-%dT%H:%M:%S+00:00') "
                "from marts.fct_sla_clock where source = 'intake' and clock = 'resolution' "
                "and evaluation = 'as_was'"
            ).fetchall()
        )
    for name, receipt in receipts.items():
        assert clocks[receipt["case_no"]] == f"{name} {promised[name]}"
        assert receipt["policy"]["id"] == name
