"""Ten accounts through every door that authenticates: no row and no total outside their units.

What an account may see is worked out by plain SQL over the facts and the tree (`accounts.Oracle`),
never by the product's own predicate or row rule.
"""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from connectors.service.answer_stream import CSV
from cubes.cube import Cube
from cubes.label import LANGUAGES
from cubes.view import NOBODY
from dashboards.dataset import Dataset, datasets
from notifications.portal.session import open_session
from notifications.portal.shown import value_text
from notifications.schema import account, credential, role_assignment, threshold
from pipelines.portal import portal_application
from pipelines.superset import names_of
from pipelines.telling import operations, synchronise_accounts
from tests.connectors.service import server as service
from tests.connectors.service.test_streams import arrow_rows, opened
from tests.superset.accounts import (
    ADDED,
    ASTRAY,
    LEFT,
    Account,
    Oracle,
    oracle_of,
    simple_measures,
    ten_accounts,
    unit_column,
)
from tests.superset.conftest import LAST, PASSWORD, Served
from tests.superset.server import Client

DAY = LAST.isoformat()
PLACES = range(10)


@pytest.fixture(scope="module")
def accounts(served: Served) -> list[Account]:
    with served.snapshot() as connection:
        found = ten_accounts(connection)
    assert len(found) == len(PLACES) and len({one.units for one in found}) == len(PLACES)
    return found


@contextmanager
def oracle(served: Served, units: tuple[str, ...]) -> Iterator[Oracle]:
    with served.snapshot() as connection, oracle_of(connection, units) as found:
        yield found


def same(found: Any, expected: Any) -> bool:
    """Whether two figures are equal, none and nought being told apart."""
    if found is None or expected is None:
        return found is expected
    if isinstance(expected, int | float | Decimal):
        return float(found) == pytest.approx(float(expected), rel=1e-9)
    return str(found).replace("T", " ") == str(expected)


def cubes_of(served: Served) -> list[Cube]:
    """The cubes whose rows belong to units."""
    return [cube for cube in served.installation.catalogue.cubes.values() if "org" in cube.joins]


# The service


@pytest.fixture(scope="module")
def partner(served: Served) -> Iterator[service.ServiceServer]:
    with service.ServiceServer(served.home) as server:
        yield server


def keys_of(server: service.ServiceServer, one: Account) -> Iterator[tuple[service.Client, str]]:
    """A key for each unit of an account: a key has one, or none for all."""
    for unit in one.units:
        label = f"{one.account_id}-{unit.replace('*', 'all')}"
        key = service.add_client(server.home, label, unit=None if unit == "*" else unit)
        yield service.Client(server, key), unit


def answer(client: service.Client, operation: str, /, **params: Any) -> Any:
    told = client.send(operation, **params)
    assert told.json["code"] == "ok", (operation, params, told.text)
    return told.json["data"]


@pytest.mark.parametrize("place", PLACES)
def test_the_service_gives_a_key_the_rows_and_totals_of_its_units(
    served: Served, accounts: list[Account], partner: service.ServiceServer, place: int
) -> None:
    for client, unit in keys_of(partner, accounts[place]):
        with oracle(served, (unit,)) as own:
            for cube in cubes_of(served):
                _cube_is_bounded(client, own, cube)
            _rows_are_bounded(client, own)
            _named_queries_are_bounded(served, client, own)


def _cube_is_bounded(client: service.Client, own: Oracle, cube: Cube) -> None:
    measures = simple_measures(cube)
    listed = list(measures)
    for start in range(0, len(listed), 20):
        names = listed[start : start + 20]
        some = {name: measures[name] for name in names}
        asked: dict[str, Any] = {"cube": cube.cube, "measures": names}
        (whole,) = own.figures(cube, some)
        expected = {
            None if row[0] is None else str(row[0]): row[1:]
            for row in own.figures(cube, some, unit_column(cube))
        }
        (bare,) = answer(client, "query_cube", **asked)["rows"]
        assert _all_same([bare[name] for name in names], whole), (cube.cube, bare, whole)
        told = answer(
            client, "query_cube", **asked, by=["org.unit"], keys=True, totals="all", limit=10_000
        )
        found = {row["org.unit__id"]: [row[name] for name in names] for row in told["rows"]}
        assert found.keys() == expected.keys(), cube.cube
        for unit, figures in expected.items():
            assert _all_same(found[unit], figures), (cube.cube, unit)
        for total in told["totals"]:
            if "org.unit" not in total:
                assert _all_same([total[name] for name in names], whole), (cube.cube, total)
        if start:
            continue
        # A total beside few rows is that of all visible rows, not of all there are.
        few = answer(
            client, "query_cube", **asked, by=["org.l2"], totals="grand", limit=1,
            order=[f"-{names[0]}"],
        )  # fmt: skip
        for total in few["totals"]:
            assert _all_same([total[name] for name in names], whole), (cube.cube, total)
        was = answer(client, "query_cube", **asked, as_was=True)["rows"]
        assert _all_same([was[0][name] for name in names], whole), cube.cube
    if own.foreign:
        _foreign_members_are_unknown(client, own, cube)


def _all_same(found: Any, expected: Any) -> bool:
    return all(same(one, other) for one, other in zip(found, expected, strict=True))


def _foreign_members_are_unknown(client: service.Client, own: Oracle, cube: Cube) -> None:
    measure = next(iter(cube.measures))
    asked: dict[str, Any] = {"cube": cube.cube, "measures": [measure], "totals": "grand"}
    said = set()
    for cut in (f"#{own.foreign[-1]}", "#ZZ98"):
        for cuts in ({"org": cut}, {"org.unit": [f"#{min(own.units)}", cut]}):
            refused = client.send("query_cube", **asked, cuts=cuts)
            assert refused.json["code"] == "invalid", (cube.cube, cuts, refused.text)
            (fault,) = refused.json["data"]["faults"]
            said.add(fault["message"]["en"].split("'")[0])
            told = fault["message"]["en"].replace(cut.lstrip("#"), "")
            assert not any(name in told for name in own.foreign_names), (cube.cube, told)
    assert len(said) == 1, (cube.cube, said)


def _rows_are_bounded(client: service.Client, own: Oracle) -> None:
    visible = own.one("select count(*) from marts.fct_case where {where}")
    told = answer(
        client, "query_rows", cube="cases", measures=["cases"], columns=["case_no", "org_unit"],
        limit=10_000,
    )  # fmt: skip
    names = {own.names[unit][0] for unit in own.inside} | {None}
    assert len(told["rows"]) == min(visible, 10_000)
    assert own.is_whole or {row["org_unit"] for row in told["rows"]} <= names
    if not own.is_whole:
        listed = own.rows("select case_no from marts.fct_case where {where}")
        assert sorted(row["case_no"] for row in told["rows"]) == sorted(n for (n,) in listed)


FIGURES = {
    ("complaints", "complaints"): (
        "select count(*) from marts.fct_case where {where} and kind in ('complaint', 'report') "
        f"and created_on = date '{DAY}'"
    ),
    ("complaints", "complaints__previous"): (
        "select count(*) from marts.fct_case where {where} and kind in ('complaint', 'report') "
        f"and created_on = date '{DAY}' - 7"
    ),
    ("overdue_cases", "open_cases"): (
        "select count(*) from marts.fct_case where {where} and is_open"
    ),
    ("overdue_cases", "overdue_cases"): (
        "select count(*) from marts.fct_case where {where} and is_overdue"
    ),
    ("daily_sales", "revenue"): (
        f"select sum(amount) from marts.fct_sale where {{where}} and sold_on = date '{DAY}'"
    ),
    ("monthly_arrears", "balance"): (
        f"select sum(balance) from marts.fct_arrears_daily where {{where}} and "
        f"balance_on = (select max(balance_on) from marts.fct_arrears_daily "
        f"where balance_on <= date '{DAY}')"
    ),
    ("monthly_arrears", "recovered"): (
        "select sum(recovered) from marts.fct_arrears_daily where {where} and "
        f"balance_on between date_trunc('month', date '{DAY}') and date '{DAY}'"
    ),
}
"""Figures of named queries by hand."""

LISTS = {
    "overdue_case_list": "select case_no from marts.fct_case where {where} and is_overdue",
    "sla_due_ahead": (
        "select case_no from marts.fct_sla_clock where {where} and evaluation = 'as_was' "
        "and state = 'running' and due_at is not null"
    ),
}


def _named_queries_are_bounded(served: Served, client: service.Client, own: Oracle) -> None:
    catalogue = served.installation.catalogue
    level_ids = own.inside | own.above | {None}
    for number, (name, query) in enumerate(catalogue.queries.items()):
        told = client.send("run_named_query", query=name)
        if query.cube in ("deliveries", "exchange_events") and not own.is_whole:
            assert told.json["code"] == "invalid" and "may not see it" in told.text
            continue
        assert told.json["code"] == "ok", (name, told.text)
        rows = told.json["data"]["rows"]
        for row in rows:
            for column, value in row.items():
                if re.fullmatch(r"org\.\w+__id|org_unit_id", column):
                    assert value in level_ids, (name, column, value)
        for (asked, measure), sql in FIGURES.items():
            if asked == name:
                expected = own.one(sql)
                assert same(rows[0][measure] or 0, expected or 0), (name, measure, rows, expected)
        if name in LISTS:
            expected = sorted(case_no for (case_no,) in own.rows(LISTS[name]))
            limit = query.limit or query.limits.rows
            assert len(rows) == min(len(expected), limit), name
            if len(expected) <= limit:
                assert sorted(row["case_no"] for row in rows) == expected, name
        if number % 2:
            assert len(arrow_rows(client, "run_named_query", query=name)) == len(rows), name
        else:
            connection, response = opened(client, "run_named_query", CSV, query=name)
            lines = list(csv.reader(io.StringIO(response.read().decode())))
            connection.close()
            assert len(lines) == len(rows) + 1, name
    streamed = arrow_rows(
        client, "query_cube", cube="cases", measures=["cases"], by=["org.unit"], keys=True
    )
    counted = own.rows("select org_unit_id, count(*) from marts.fct_case where {where} group by 1")
    assert {row["org.unit__id"]: row["cases"] for row in streamed} == dict(counted)


def test_a_key_of_a_unit_that_does_not_exist_sees_nothing(
    served: Served, partner: service.ServiceServer
) -> None:
    ((client, _),) = keys_of(partner, Account(ASTRAY, ADDED[ASTRAY]))
    for cube in cubes_of(served):
        counts = [name for name, one in cube.measures.items() if one.agg == "count"][:5]
        if counts:
            (row,) = answer(client, "query_cube", cube=cube.cube, measures=counts)["rows"]
            assert not any(row.values()), (cube.cube, row)
    for name in LISTS:
        assert answer(client, "run_named_query", query=name)["rows"] == []


# The portal


@pytest.fixture(scope="module")
def door(served: Served) -> Any:
    """The real portal as an application, its accounts those of the roster."""
    installation = served.installation
    application = portal_application(installation)
    with installation.snapshot() as snapshot, operations(installation) as engine:
        synchronise_accounts(installation, snapshot, engine)
    return application


def signed_in(served: Served, door: Any, account_id: str) -> TestClient:
    """A browser with a session of the account at the portal."""
    with operations(served.installation) as engine, engine.begin() as connection:
        now = datetime.now(UTC)
        known = sa.select(credential.c.account_id).where(credential.c.account_id == account_id)
        if connection.execute(known).first() is None:
            connection.execute(
                credential.insert().values(
                    account_id=account_id, kind="chosen", hash="none", password_version=1,
                    must_change=False, failed_count=0, changed_at=now,
                )
            )  # fmt: skip
        connection.execute(
            credential.update()
            .where(credential.c.account_id == account_id)
            .values(must_change=False)
        )
        token = open_session(connection, account_id, now)
    return TestClient(door, base_url="http://portal.test", cookies={"huiyin_session": token})


def said(page: str) -> str:
    """What a page says, without its marks."""
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)))


def portal_pages(served: Served) -> list[str]:
    """Every page of the portal that shows something of units."""
    digests = sorted(load_digest_ids(served))
    return [
        "/", "/digests", "/thresholds", "/people", "/audit", "/audit?person=all", "/password",
        *(f"/digests/{name}" for name in digests), *(f"/reports/{name}" for name in digests),
        *(f"/digests/{name}?text=en&lang=en" for name in digests),
    ]  # fmt: skip


def load_digest_ids(served: Served) -> list[str]:
    from pipelines.telling import digests_of

    return list(digests_of(served.installation))


@pytest.mark.parametrize("place", PLACES)
def test_the_portal_shows_an_account_its_own_units_and_their_figures(
    served: Served, accounts: list[Account], door: Any, place: int
) -> None:
    one = accounts[place]
    client = signed_in(served, door, one.account_id)
    with oracle(served, one.units) as own:
        hidden = own.foreign_names
        for path in portal_pages(served):
            page = client.get(path)
            assert page.status_code == 200, (path, page.status_code)
            text = said(page.text)
            assert [name for name in hidden if name in text] == [], (one, path)
        roots = [unit for unit in one.units if unit != "*"] or ["*"]
        below = own.rows(
            "select org_unit_id from marts.dim_org where {where} order by hash(org_unit_id) limit 2"
        )
        for unit in [*roots, *(unit for (unit,) in below)]:
            with oracle(served, (unit,)) as part:
                _reports_tell(client, part, unit)
        for unit in [*own.foreign[:2], *own.foreign[-1:], *sorted(own.above)[:1], "ZZ98"]:
            _unit_is_unknown(client, unit, hidden)
        _others_are_unknown(served, client, one, own)


REPORTED = {
    "daily_sales": ("revenue", "money"),
    "complaints": ("complaints", "number"),
    "monthly_arrears": ("balance", "money"),
}


def _reports_tell(client: TestClient, part: Oracle, unit: str) -> None:
    for digest, (measure, form) in REPORTED.items():
        value = Decimal(str(part.one(FIGURES[digest, measure]) or 0))
        words = value_text(value, form, "zh", "CNY")
        page = client.get(f"/reports/{digest}", params={"unit": unit, "lang": "zh"})
        assert page.status_code == 200
        tiles = said(page.text)
        assert words in tiles, (digest, unit, words)


def _unit_is_unknown(client: TestClient, unit: str, hidden: set[str]) -> None:
    """A unit that is not theirs is answered as one that does not exist, in every place."""
    page = client.get("/thresholds").text
    form = {
        "csrf": re.findall(r'name="csrf" value="([^"]*)"', page)[-1],
        "figure": "complaints", "unit": unit, "direction": "above", "limit": "1",
    }  # fmt: skip
    answers = [client.get(f"/reports/{name}", params={"unit": unit}) for name in REPORTED]
    answers += [client.post("/thresholds", data={**form, "action": do}) for do in ("try", "save")]
    for refused in answers:
        assert refused.status_code == 404, (unit, refused.status_code)
        assert not any(name in said(refused.text) for name in hidden)


def _others_are_unknown(served: Served, client: TestClient, one: Account, own: Oracle) -> None:
    """People and thresholds outside the account's units are not found under their ids."""
    with operations(served.installation) as engine, engine.begin() as connection:
        rows = connection.execute(
            sa.select(role_assignment.c.account_id, role_assignment.c.unit_id)
        ).all()
        theirs = sorted({row.account_id for row in rows if row.unit_id in own.foreign})
        connection.execute(threshold.delete().where(threshold.c.threshold_id == "theirs"))
        if theirs:
            now = datetime.now(UTC)
            connection.execute(
                threshold.insert().values(
                    threshold_id="theirs", account_id=theirs[0], figure="complaints",
                    unit_id=own.foreign[0], direction="above", limit_value="1",
                    is_enabled=True, created_at=now, updated_at=now,
                )
            )  # fmt: skip
    if not theirs:
        return
    page = client.get("/thresholds").text
    form = {"csrf": re.findall(r'name="csrf" value="([^"]*)"', page)[-1]}
    for what in ("on", "off", "delete"):
        assert client.post(f"/thresholds/theirs/{what}", data=form).status_code == 404
    for other in (theirs[0], theirs[-1]):
        assert client.get("/audit", params={"person": other}).status_code == 404
        assert client.post(f"/people/{other}/reset", data=form).status_code == 404
        assert other not in said(client.get("/people").text)


def test_the_portal_has_nothing_for_an_account_without_a_known_unit_or_a_disabled_one(
    served: Served, door: Any
) -> None:
    client = signed_in(served, door, ASTRAY)
    with oracle(served, ADDED[ASTRAY]) as own:
        assert not own.inside
        for path in portal_pages(served):
            text = said(client.get(path).text)
            assert [name for name in own.foreign_names if name in text] == [], path
        for digest in REPORTED:
            assert client.get(f"/reports/{digest}").status_code == 404
            assert client.get(f"/reports/{digest}", params={"unit": "SC"}).status_code == 404
    _disabled(served)
    client = signed_in(served, door, LEFT)
    for path in portal_pages(served):
        answered = client.get(path, follow_redirects=False)
        assert answered.status_code == 303, path
        assert answered.headers["location"].startswith("/sign-in"), path


def _disabled(served: Served) -> None:
    """Keep the account that left as one that was in use before."""
    with operations(served.installation) as engine, engine.begin() as connection:
        known = sa.select(account.c.account_id).where(account.c.account_id == LEFT)
        if connection.execute(known).first() is None:
            now = datetime.now(UTC)
            connection.execute(
                account.insert().values(
                    account_id=LEFT, phone_key=None, position="manager", status="disabled",
                    created_at=now, updated_at=now,
                )
            )  # fmt: skip
            connection.execute(
                role_assignment.insert().values(
                    account_id=LEFT, role="manager", unit_id="SC01", granted_at=now
                )
            )


# Superset


@pytest.fixture(scope="module")
def sets(served: Served) -> dict[str, tuple[int, Dataset]]:
    """Datasets by the name of their view, with the number Superset gave each."""
    status, found = served.admin.call("GET", "/api/v1/dataset/?q=(page_size:100)")
    assert status == 200
    numbers = {item["table_name"]: item["id"] for item in found["result"]}
    return {drawn.view: (numbers[drawn.view], drawn) for drawn in all_datasets(served)}


def all_datasets(served: Served) -> list[Dataset]:
    return [
        dataset
        for language in LANGUAGES
        for dataset in datasets(
            served.installation.catalogue,
            names_of(served.installation, say=lambda _: None),
            language,
            served.installation.settings.timezone,
        ).values()
    ]


def analyst(served: Served, account_id: str) -> Client:
    """A client signed in as the account, by the portal's word."""
    phone = f"1380000{sum(account_id.encode()) % 10_000:04d}"
    served.portal.accounts[phone] = (
        PASSWORD,
        {"account_id": account_id, "name": account_id, "roles": ["analyst"], "language": "zh"},
    )
    return served.sign_in(phone)


ROWS = {"expressionType": "SQL", "sqlExpression": "COUNT(*)", "label": "COUNT(*)"}


def context(number: int, **query: Any) -> dict[str, Any]:
    """A question to a dataset."""
    asked = {"columns": [], "metrics": [ROWS], "filters": [], "row_limit": 10_000, **query}
    return {"datasource": {"id": number, "type": "table"}, "force": False, "queries": [asked]}


def data(client: Client, number: int, **query: Any) -> list[dict[str, Any]]:
    status, told = client.data(context(number, **query))
    assert status == 200, (query, told)
    rows: list[dict[str, Any]] = told["result"][0]["data"]
    return rows


@pytest.mark.parametrize("place", PLACES)
def test_every_dataset_gives_an_account_the_rows_totals_and_values_of_its_units(
    served: Served, accounts: list[Account], sets: dict[str, tuple[int, Dataset]], place: int
) -> None:
    one = accounts[place]
    client = analyst(served, one.account_id)
    assert client.is_signed_in
    language = LANGUAGES[place % 2]
    with oracle(served, one.units) as own:
        own_language = [found for found in sets.values() if found[1].language == language]
        for turn, (number, dataset) in enumerate(own_language):
            if dataset.unit_column is None:
                (row,) = data(client, number)
                assert bool(row["COUNT(*)"]) == (
                    one.is_whole
                    and bool(own.one(f"select count(*) from marts.{dataset.cube.fact}"))
                )
                continue
            _dataset_is_bounded(client, number, dataset, own)
            # Each dataset with some of the accounts, for the time it takes.
            if (turn + place) % 4 == 0:
                _values_and_samples_are_bounded(client, number, dataset, own)


def _dataset_is_bounded(client: Client, number: int, dataset: Dataset, own: Oracle) -> None:
    """Totals, totals by unit, and totals with and without foreign members, in one question."""
    cube = dataset.cube
    measures = {name: one for name, one in simple_measures(cube).items() if name in dataset.offered}
    column = unit_name_column(dataset)
    hidden = sorted(own.foreign_names)[:100]
    asked: list[dict[str, Any]] = [{"metrics": [*measures, ROWS]}, {"columns": [column]}]
    if hidden:
        asked += [
            {"filters": [{"col": column, "op": op, "val": hidden}]} for op in ("IN", "NOT IN")
        ]
    context_ = context(number)
    context_["queries"] = [{**context_["queries"][0], **one} for one in asked]
    status, told = client.data(context_)
    assert status == 200, told
    (whole,), grouped, *cut = (result["data"] for result in told["result"])
    expected = own.one(f"select count(*) from marts.{cube.fact} where {rows_of(cube, own)}")
    assert whole["COUNT(*)"] == expected, (dataset.view, whole)
    (figures,) = own.figures(cube, measures) if measures else [()]
    for name, figure in zip(measures, figures, strict=True):
        assert same(whole[name] or 0, figure or 0), (dataset.view, name, whole[name], figure)
    assert {row[column] for row in grouped} <= paths(dataset, own), dataset.view
    assert sum(row["COUNT(*)"] for row in grouped) == expected, dataset.view
    if hidden:
        ((foreign,), (left,)) = cut
        known = sum(row["COUNT(*)"] for row in grouped if row[column] is not None)
        assert (foreign["COUNT(*)"], left["COUNT(*)"]) == (0, known), dataset.view


def unit_name_column(dataset: Dataset) -> str:
    """The column that names the lowest units people read."""
    found = [dataset.member_column(f"org.{level}") for level in ("l2", "l3", "l4", "unit")]
    return [column.name for column in found if column is not None][-1]


def rows_of(cube: Cube, own: Oracle) -> str:
    """The condition on a cube's fact."""
    return f"{own.where(unit_column(cube))} and {cube.where or 'true'}"


def paths(dataset: Dataset, own: Oracle) -> set[str | None]:
    """Names of units that may stand in a visible row."""
    place = LANGUAGES.index(dataset.language)
    names = {own.names[unit][place] for unit in own.inside | own.above}
    return names | {None, NOBODY[dataset.language]}


def _values_and_samples_are_bounded(
    client: Client, number: int, dataset: Dataset, own: Oracle
) -> None:
    """What filters offer and the rows behind a chart."""
    for level in ("l2", "l3", "l4", "unit"):
        column = dataset.member_column(f"org.{level}")
        if column is not None:
            path = f"/api/v1/datasource/table/{number}/column/{column.name}/values/"
            status, told = client.call("GET", path)
            assert status == 200, told
            assert set(told["result"]) <= paths(dataset, own), (dataset.view, column.name)
    status, told = client.call(
        "POST",
        f"/datasource/samples?datasource_type=table&datasource_id={number}&per_page=200&page=1",
        {"filters": [], "extras": {}, "time_range": "No filter"},
    )
    assert status == 200, told
    cube = dataset.cube
    expected = own.one(f"select count(*) from marts.{cube.fact} where {rows_of(cube, own)}")
    assert told["result"]["total_count"] == expected, dataset.view
    column_name = unit_name_column(dataset)
    assert {row[column_name] for row in told["result"]["data"]} <= paths(dataset, own)


def test_an_account_without_a_known_unit_and_a_disabled_one_cannot_sign_in(
    served: Served,
) -> None:
    for name in (ASTRAY, LEFT):
        assert not analyst(served, name).is_signed_in, name


TRICKS: list[dict[str, Any]] = [
    {"extras": {"where": "1 = 1) or (1 = 1"}},
    {"extras": {"where": "1 = 1"}},
    {"extras": {"having": "(select count(*) from marts.fct_case) > 0"}},
    {"extras": {"where": "exists (select 1 from marts.fct_case)"}},
    {"extras": {"where": "'{{ current_username() }}' = 'whole'"}},
    {"metrics": [{**ROWS, "sqlExpression": "(select count(*) from marts.fct_case)"}]},
    {"metrics": [{**ROWS, "sqlExpression": "COUNT(*) -- "}]},
    {"metrics": [{**ROWS, "sqlExpression": "COUNT(*)) from marts.fct_case --"}]},
    {"columns": [{**ROWS, "sqlExpression": "(select max(org_unit_id) from marts.dim_org)"}]},
    {"filters": [{"col": {**ROWS, "sqlExpression": "1 = 1 or 1"}, "op": "==", "val": 1}]},
    {"orderby": [[{**ROWS, "sqlExpression": "(select 1 from marts.fct_case)"}, True]]},
    {"series_columns": [{**ROWS, "sqlExpression": "1"}], "series_limit": 1},
    {"series_limit_metric": {**ROWS, "sqlExpression": "(select 1)"}, "series_limit": 1},
]
"""Questions that bring SQL; each is refused."""

HARMLESS: list[dict[str, Any]] = [
    {"filters": [{"col": "case_no", "op": "!=", "val": "x' or '1'='1"}]},
    {
        "filters": [
            {"col": "case_no", "op": "NOT IN", "val": ["{{ current_username() }}", "') or ("]}
        ]
    },
    {"filters": [{"col": "case_no", "op": "!=", "val": "{{ url_param('account_id') }}"}]},
    {"url_params": {"current_username": "whole", "account_id": "whole"}},
    {"applied_time_extras": {"__time_range": "No filter"}, "is_rowcount": False},
    {"metrics": [ROWS], "time_offsets": [], "apply_fetch_values_predicate": True},
    {"extras": {"time_grain_sqla": "P1Y"}},
]
"""Questions that are answered, and with the account's own rows only."""


@pytest.fixture
def county(
    served: Served, accounts: list[Account], sets: dict[str, tuple[int, Dataset]]
) -> Iterator[tuple[Client, Oracle, int]]:
    """A narrow account at Superset, what it may see, and the number of the cases' dataset."""
    one = next(one for one in accounts if len(one.units[0]) == 6 and len(one.units) == 1)
    with oracle(served, one.units) as own:
        yield analyst(served, one.account_id), own, sets["cases"][0]


def test_sql_of_ones_own_is_refused_and_text_in_filters_stays_text(
    county: tuple[Client, Oracle, int],
) -> None:
    client, own, number = county
    visible = own.one("select count(*) from marts.fct_case where {where}")
    assert visible > 0
    for trick in TRICKS:
        status, told = client.data(context(number, **trick))
        assert status in (400, 403), (trick, told)
        body = {key: value for key, value in trick.items() if key in ("filters", "extras")}
        if body:
            status, told = client.call(
                "POST",
                f"/datasource/samples?datasource_type=table&datasource_id={number}",
                body,
            )
            assert status in (400, 403), (trick, told)
    for question in HARMLESS:
        (row,) = data(client, number, **question)
        assert row["COUNT(*)"] == visible, question
    asked = {**context(number, columns=["case_no"]), "result_format": "csv"}
    status, told = client.call("POST", "/api/v1/chart/data?current_username=whole", asked)
    assert status == 200 and len(told["text"].splitlines()) == visible + 1
    for kind in ("samples", "drill_detail", "full", "results"):
        asked = {**context(number, columns=["case_no"], metrics=None), "result_type": kind}
        status, told = client.data(asked)
        assert status == 200, told
        assert len(told["result"][0]["data"]) == min(visible, 1000), kind


def test_shifted_ranked_and_annotated_questions_stay_within_the_units(
    served: Served, county: tuple[Client, Oracle, int], sets: dict[str, tuple[int, Dataset]]
) -> None:
    client, own, number = county
    shift = {
        "filters": [{"col": "created_on", "op": "TEMPORAL_RANGE", "val": f"{DAY} : 2026-03-31"}],
        "time_offsets": ["1 week ago"],
    }
    status, told = client.data(context(number, metrics=["cases"], **shift))
    assert status == 200, told
    (row,) = told["result"][0]["data"]
    for name, day in (("cases", DAY), ("cases__1 week ago", "2026-03-23")):
        sql = f"select count(*) from marts.fct_case where {{where}} and created_on = date '{day}'"
        assert (row[name] or 0) == own.one(sql), (name, row)
    unit = sets["cases"][1].member_column("org.l4")
    assert unit is not None
    ranked = data(
        client, number, columns=[unit.name], series_columns=[unit.name], series_limit=3,
        series_limit_metric="cases", group_others_when_limit_reached=True,
    )  # fmt: skip
    visible = own.one("select count(*) from marts.fct_case where {where}")
    assert sum(row["COUNT(*)"] for row in ranked) == visible
    _, listed = served.admin.call("GET", "/api/v1/chart/?q=(page_size:100)")
    charts = [chart for chart in listed["result"] if chart["viz_type"] == "table"]
    layers = [
        {
            "name": "foreign", "sourceType": kind, "annotationType": "EVENT", "show": True,
            "style": "solid", "value": charts[0]["id"], "overrides": {"time_range": "No filter"},
        }
        for kind in ("table", "line")
    ]  # fmt: skip
    for layer in layers:
        status, told = client.data(context(number, annotation_layers=[layer]))
        text = json.dumps(told, ensure_ascii=False)
        assert not any(name in text for name in own.foreign_names), (status, layer)


CLOSED = (
    ("POST", "/api/v1/sqllab/execute/", {"database_id": 1, "sql": "select 1", "schema": "marts"}),
    ("POST", "/api/v1/sqllab/estimate/", {"database_id": 1, "sql": "select 1"}),
    ("GET", "/api/v1/sqllab/", None),
    ("GET", "/api/v1/sqllab/results/?q=(key:x)", None),
    ("GET", "/api/v1/saved_query/", None),
    ("POST", "/api/v1/saved_query/", {"db_id": 1, "label": "x", "sql": "select 1"}),
    ("GET", "/api/v1/query/", None),
    ("GET", "/api/v1/database/", None),
    ("GET", "/api/v1/database/1/tables/?q=(schema_name:marts)", None),
    ("GET", "/api/v1/database/1/select_star/fct_case/marts/", None),
    ("GET", "/api/v1/database/1/table_metadata/?name=fct_case&schema=marts", None),
    ("GET", "/api/v1/rowlevelsecurity/", None),
    ("POST", "/api/v1/rowlevelsecurity/", {"name": "x", "clause": "1 = 1", "tables": [1]}),
    ("GET", "/api/v1/security/users/", None),
    ("GET", "/api/v1/log/", None),
    ("GET", "/api/v1/annotation_layer/", None),
    ("POST", "/api/v1/dataset/", {"database": 1, "schema": "marts", "table_name": "fct_case"}),
    (
        "POST", "/api/v1/dataset/",
        {"database": 1, "schema": "marts", "table_name": "v", "sql": "select 1"},
    ),
    ("POST", "/api/v1/dataset/get_or_create/", {"database_id": 1, "table_name": "fct_case"}),
    ("POST", "/api/v1/dataset/duplicate", {"base_model_id": 1, "table_name": "v"}),
    ("PUT", "/api/v1/dataset/1", {"sql": "select * from marts.fct_case"}),
    ("PUT", "/api/v1/dataset/1/refresh", None),
    (
        "POST", "/api/v1/datasource/table/1/validate_expression/",
        {"expression": "(select count(*) from marts.fct_case) > 0", "expression_type": "where"},
    ),
    ("GET", "/api/v1/chart/export/?q=!(1)", None),
    ("GET", "/api/v1/dataset/export/?q=!(1)", None),
    ("GET", "/datasource/external_metadata/table/1/", None),
)  # fmt: skip
"""Doors that are shut for analysts."""


def test_sql_lab_databases_and_definitions_are_shut(county: tuple[Client, Oracle, int]) -> None:
    client, _, _ = county
    for method, path, body in CLOSED:
        status, told = client.call(method, path, body)
        assert status in (401, 403, 404, 405), (method, path, status, told)
    for kind, number in (("query", 1), ("saved_query", 1), ("view", 1), ("semantic_view", 1)):
        asked = context(number)
        status, told = client.data({**asked, "datasource": {"id": number, "type": kind}})
        assert status in (400, 403, 404, 500) and "result" not in told, (kind, status, told)


def test_a_chart_saved_with_sql_or_by_another_account_opens_nothing(
    served: Served, accounts: list[Account], county: tuple[Client, Oracle, int]
) -> None:
    client, own, number = county
    other = analyst(served, next(one.account_id for one in accounts if one.is_whole))
    (seen,) = data(other, number)
    assert seen["COUNT(*)"] > own.one("select count(*) from marts.fct_case where {where}")
    plain = context(number)
    brought = context(
        number, metrics=[{**ROWS, "sqlExpression": "(select count(*) from marts.fct_case)"}]
    )
    for author, asked in ((client, brought), (other, brought), (other, plain)):
        status, made = author.call(
            "POST",
            "/api/v1/chart/",
            {
                "slice_name": "own", "viz_type": "table", "datasource_id": number,
                "datasource_type": "table", "params": "{}", "query_context": json.dumps(asked),
            },
        )  # fmt: skip
        assert status == 201, made
        try:
            status, told = client.call("GET", f"/api/v1/chart/{made['id']}/data/")
            if status == 200:
                (row,) = told["result"][0]["data"]
                visible = own.one("select count(*) from marts.fct_case where {where}")
                assert asked is plain and row["COUNT(*)"] == visible, row
            else:
                assert asked is brought and status in (400, 403), told
            status, told = client.call(
                "GET", f"/api/v1/explore/?slice_id={made['id']}&datasource_type=table"
            )
            text = json.dumps(told, ensure_ascii=False)
            assert not any(name in text for name in own.foreign_names)
        finally:
            author.call("DELETE", f"/api/v1/chart/{made['id']}")
