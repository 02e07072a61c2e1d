"""The analysts' tool over its API: figures, rows, rights, publishes."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import urlencode

import pytest

from cubes.query import CubeQuery, run_query
from cubes.scope import Scope
from dashboards.chart import DrawnChart
from pipelines.superset import ENVIRONMENT
from tests.dashboards.metrics import ask_cube, ask_view, assert_equal, plain
from tests.superset.conftest import FIRST, LAST, PASSWORD, PERIOD, Served
from tests.superset.server import Client, serving_portal


def _context(chart: dict[str, Any]) -> dict[str, Any]:
    context: dict[str, Any] = json.loads(chart["query_context"])
    for query in context["queries"]:
        query["time_range"] = PERIOD
        for found in query["filters"]:
            found["val"] = PERIOD
    return context


def _rows(client: Client, chart: dict[str, Any]) -> list[dict[str, Any]]:
    status, answer = client.data(_context(chart))
    assert status == 200, answer
    rows: list[dict[str, Any]] = answer["result"][0]["data"]
    return rows


def _key(drawn: DrawnChart, row: dict[str, Any]) -> tuple[Any, ...]:
    from datetime import UTC, datetime

    names = [*drawn.by, *drawn.across]
    values = [row[name] for name in names]
    if drawn.grain is not None:
        values[0] = datetime.fromtimestamp(values[0] / 1000, tz=UTC).date()
    return tuple(values)


def _expected(served: Served, drawn: DrawnChart, scope: Scope, measure: str) -> Any:
    assert drawn.dataset is not None
    period = None if drawn.time is None else (FIRST, LAST)
    by = (*drawn.declared.by, *drawn.declared.across)
    with served.snapshot() as connection:
        return ask_cube(connection, drawn.dataset, measure, by, period, scope)


def _manager(served: Served, level: int, number: int = 0) -> tuple[str, str]:
    """An account of the roster and its unit at a level of the tree, in a stable order."""
    with served.snapshot() as connection:
        rows = connection.execute(
            "select s.staff_id, s.org_unit_id from marts.dim_staff s "
            "join marts.dim_org o using (org_unit_id) "
            "where s.is_active and o.level = ? and s.position like '%manager' "
            "and (o.level = 1 or exists (select 1 from cube.cases c where c.org_l2_id = o.l2_id "
            "and c.created_on >= date '2026-03-01')) order by o.org_unit_id, s.staff_id",
            [level],
        ).fetchall()
    account, unit = rows[number]
    return str(account), str(unit)


def _signed_in(served: Served, account: str, phone: str) -> Client:
    served.portal.accounts[phone] = (
        PASSWORD,
        {"account_id": account, "name": "张三", "roles": ["analyst"], "language": "zh"},
    )
    client = served.sign_in(phone)
    assert client.is_signed_in
    assert client.landed == f"{served.base}/superset/dashboard/overview/"
    return client


def test_before_the_first_publish_the_dashboard_says_so_and_every_chart_answers(
    served: Served,
) -> None:
    for drawn in served.drawn():
        (result,) = served.before[drawn.id]
        if drawn.dataset is None:
            said = {"zh": "尚未发布数据", "en": "Nothing is published yet"}[drawn.language]
            assert [list(row.values()) for row in result["data"]] == [[said]]
        else:
            assert all(not value for row in result["data"] for value in row.values())


def test_a_publish_is_seen_within_a_minute_without_another_import(served: Served) -> None:
    assert served.seconds_until_seen < 60


def test_every_chart_shows_what_the_cube_answers(served: Served) -> None:
    charts = served.charts
    drawn_charts = [drawn for drawn in served.drawn() if drawn.dataset is not None]
    assert len(drawn_charts) >= 2 * 17
    for drawn in drawn_charts:
        rows = _rows(served.admin, charts[drawn.id])
        for measure in drawn.metrics:
            found = {_key(drawn, row): plain(row[measure]) for row in rows}
            expected = _expected(served, drawn, Scope.all(), measure)
            if len(rows) == drawn.declared.limit:
                expected = {key: expected[key] for key in found}
            assert_equal(found, expected, f"{drawn.name} {measure} {drawn.language}")


def test_a_number_stands_beside_that_of_the_previous_period(served: Served) -> None:
    charts = served.charts
    for drawn in served.drawn():
        if drawn.declared.compare is None or drawn.dataset is None:
            continue
        (row,) = _rows(served.admin, charts[drawn.id])
        query = CubeQuery(
            cube=drawn.dataset.cube.cube,
            measures=drawn.metrics,
            period=f"{FIRST}..{LAST}",
            compare="previous",
        )
        with served.snapshot() as connection:
            result = run_query(
                served.installation.catalogue,
                connection,
                query,
                scope=Scope.all(),
                business_date=LAST,
            )
        measure = drawn.metrics[0]
        before = plain(result.rows[0][f"{measure}__previous"])
        assert plain(row[f"{measure}__inherit"]) == pytest.approx(before), drawn.name


def test_totals_of_a_table_are_computed_by_the_database(served: Served) -> None:
    charts = served.charts
    for drawn in served.drawn():
        if drawn.declared.viz != "table" or not drawn.declared.totals:
            continue
        context = _context(charts[drawn.id])
        total = {**context["queries"][0], "columns": [], "orderby": [], "row_limit": 0}
        status, answer = served.admin.data({**context, "queries": [total]})
        assert status == 200, answer
        (row,) = answer["result"][0]["data"]
        assert drawn.dataset is not None
        for measure in drawn.metrics:
            with served.snapshot() as connection:
                period = (FIRST, LAST)
                expected = ask_cube(connection, drawn.dataset, measure, (), period)
            assert plain(row[measure]) == pytest.approx(expected[()]), (drawn.name, measure)


def test_every_metric_over_every_view_is_the_measure_of_the_cube(served: Served) -> None:
    datasets = {
        drawn.dataset.view: drawn.dataset for drawn in served.drawn() if drawn.dataset is not None
    }
    with served.snapshot() as connection:
        for dataset in datasets.values():
            for measure in dataset.metrics:
                time = dataset.cube.default_time
                for by in ((), ("org.l3",), (f"{time}.month", "org.l2")):
                    for period in (None, (FIRST, LAST)):
                        found = ask_view(connection, dataset, measure, by, period)
                        expected = ask_cube(connection, dataset, measure, by, period)
                        assert_equal(found, expected, f"{dataset.view} {measure} {by} {period}")


def test_accounts_of_two_prefectures_see_only_their_own_rows_and_the_province_both(
    served: Served,
) -> None:
    one, two = _manager(served, 2, 0), _manager(served, 2, 1)
    province = _manager(served, 1)
    assert one[1] != two[1]
    clients = [
        (_signed_in(served, account, f"1390000000{number}"), unit)
        for number, (account, unit) in enumerate((one, two, province))
    ]
    for drawn in served.drawn():
        if drawn.dataset is None or drawn.language == "en":
            continue
        # One after the other within the life of the cache, so that nothing cached leaks.
        for client, unit in clients:
            rows = _rows(client, served.charts[drawn.id])
            for measure in drawn.metrics:
                found = {_key(drawn, row): plain(row[measure]) for row in rows}
                expected = _expected(served, drawn, Scope.units([unit]), measure)
                assert_equal(found, expected, f"{drawn.name} {measure} of {unit}")


def test_the_detail_behind_a_chart_holds_only_visible_rows_and_readable_columns(
    served: Served,
) -> None:
    account, unit = _manager(served, 2)
    client = _signed_in(served, account, "13900000010")
    drawn = next(found for found in served.drawn() if found.name == "complaints")
    chart = served.charts[drawn.id]
    dataset = json.loads(chart["query_context"])["datasource"]["id"]
    status, answer = client.call(
        "POST",
        f"/datasource/samples?datasource_type=table&datasource_id={dataset}&per_page=500&page=1",
        {"filters": [], "extras": {}, "time_range": "No filter"},
    )
    assert status == 200, answer
    rows = answer["result"]["data"]
    with served.snapshot() as connection:
        expected = connection.execute(
            "select count(*) from cube.cases where org_unit_id in (select descendant_id from "
            "marts.bridge_org_closure where ancestor_id = ?)",
            [unit],
        ).fetchone()
    assert expected is not None and answer["result"]["total_count"] == expected[0] > 0
    assert not {"reporter_key", "customer_id", "case_key"} & rows[0].keys()


def test_analysts_have_no_sql_lab_and_bring_no_sql_of_their_own(served: Served) -> None:
    account, _ = _manager(served, 2)
    client = _signed_in(served, account, "13900000011")
    status, _ = client.call(
        "POST", "/api/v1/sqllab/execute/", {"database_id": 1, "sql": "select 1", "schema": "marts"}
    )
    assert status in (401, 403)
    drawn = next(found for found in served.drawn() if found.name == "complaints")
    context = _context(served.charts[drawn.id])
    query = context["queries"][0]
    own = {"expressionType": "SQL", "sqlExpression": "max(case_no)", "label": "last"}
    for changed in (
        {**query, "metrics": [own]},
        {**query, "columns": [{**own, "sqlExpression": "lower(case_no)"}]},
        {**query, "extras": {"where": "1 = 1", "having": ""}},
        {**query, "extras": {"where": "", "having": "count(*) > 0"}},
        {**query, "filters": [{"col": {**own, "sqlExpression": "1"}, "op": "==", "val": 1}]},
        {**query, "orderby": [[own, True]]},
    ):
        status, answer = client.data({**context, "queries": [changed]})
        assert status == 403, answer
        assert "不能写 SQL" in json.dumps(answer, ensure_ascii=False), answer
    status, answer = client.call(
        "POST", "/api/v1/dataset/", {"database": 1, "schema": "marts", "table_name": "fct_case"}
    )
    assert status in (403, 422), answer


def test_the_old_door_to_chart_data_is_shut_for_analysts(served: Served) -> None:
    account, _ = _manager(served, 2)
    client = _signed_in(served, account, "13900000018")
    drawn = next(found for found in served.drawn() if found.name == "complaints")
    source = _context(served.charts[drawn.id])["datasource"]["id"]
    plain_form = {"datasource": f"{source}__table", "viz_type": "para", "series": "case_no"}
    sql = {"expressionType": "SQL", "sqlExpression": "max(case_no)", "label": "last"}
    where = {"expressionType": "SQL", "sqlExpression": "case_no > '0'", "clause": "WHERE"}
    for form in (
        plain_form,
        {**plain_form, "metrics": [sql]},
        {**plain_form, "metrics": ["cases"], "adhoc_filters": [where]},
    ):
        path = f"/superset/explore_json/?{urlencode({'form_data': json.dumps(form)})}"
        for method in ("GET", "POST"):
            status, answer = client.call(method, path)
            assert status == 403, answer


def test_a_wrong_password_is_refused_on_the_page_and_over_the_api(served: Served) -> None:
    account, _ = _manager(served, 2)
    _signed_in(served, account, "13900000012")
    assert not served.sign_in("13900000012", "wrong").is_signed_in
    assert not served.sign_in("13900009999").is_signed_in
    assert not served.sign_in("admin", "wrong").is_signed_in
    status, _ = served.admin.call(
        "POST",
        "/api/v1/security/login",
        {"username": "13900000012", "password": "wrong", "provider": "db", "refresh": False},
    )
    assert status == 401


@pytest.mark.parametrize(
    "account",
    ["x' or '1'='1", "admin", "", "a" * 65, "{{ 1 }}", "a b"],
)
def test_an_account_that_is_no_plain_id_or_takes_a_local_name_cannot_sign_in(
    served: Served, account: str
) -> None:
    phone = "13900000013"
    served.portal.accounts[phone] = (
        PASSWORD,
        {"account_id": account, "name": "x", "roles": ["analyst"], "language": "zh"},
    )
    assert not served.sign_in(phone).is_signed_in


def test_an_account_without_the_role_or_with_its_initial_password_cannot_sign_in(
    served: Served,
) -> None:
    account, _ = _manager(served, 2)
    answer = {"account_id": account, "name": "x", "language": "zh"}
    served.portal.accounts["13900000014"] = (PASSWORD, {**answer, "roles": []})
    served.portal.accounts["13900000015"] = (PASSWORD, {**answer, "roles": ["Admin"]})
    served.portal.accounts["13900000016"] = (
        PASSWORD,
        {**answer, "roles": ["analyst"], "must_change": True},
    )
    for phone in ("13900000014", "13900000015", "13900000016"):
        assert not served.sign_in(phone).is_signed_in


def test_an_account_of_the_real_portal_signs_in_with_its_phone_and_password(
    served: Served,
) -> None:
    from argon2 import PasswordHasher

    from notifications.credential import choose
    from pipelines.telling import operations, synchronise_accounts

    installation = served.installation
    account, unit = _manager(served, 2, 1)
    with installation.snapshot() as snapshot, operations(installation) as engine:
        synchronise_accounts(installation, snapshot, engine)
        row = (
            snapshot.cursor()
            .execute("select phone_key from marts.dim_staff where staff_id = ?", [account])
            .fetchone()
        )
        assert row is not None
        with installation.pii_store() as pii:
            phone = pii.reveal(row[0], "test")
        with serving_portal(installation) as real:
            served.portal.real = real
            try:
                # The initial password must be changed in the portal first.
                assert not served.sign_in(phone, "initial").is_signed_in
                with engine.begin() as connection:
                    hashed = PasswordHasher().hash(PASSWORD)
                    choose(connection, account, hashed, installation.now())
                assert not served.sign_in(phone, "wrong").is_signed_in
                client = served.sign_in(phone)
            finally:
                served.portal.real = None
    assert client.is_signed_in
    drawn = next(found for found in served.drawn() if found.name == "cases")
    (found,) = _rows(client, served.charts[drawn.id])
    expected = _expected(served, drawn, Scope.units([unit]), "cases")
    assert found["cases"] == expected[()]


def test_an_account_that_is_not_in_the_scope_cannot_sign_in(served: Served) -> None:
    served.portal.accounts["13900000017"] = (
        PASSWORD,
        {"account_id": "nobody", "name": "x", "roles": ["analyst"], "language": "zh"},
    )
    assert not served.sign_in("13900000017").is_signed_in


def test_a_session_ends_when_its_account_leaves_the_scope(served: Served) -> None:
    account, _ = _manager(served, 2)
    client = _signed_in(served, account, "13900000019")
    assert client.call("GET", "/api/v1/me/")[0] == 200
    with _called(served, account, "gone"):
        assert client.call("GET", "/api/v1/me/")[0] == 401
        drawn = next(found for found in served.drawn() if found.name == "cases")
        assert client.call("GET", f"/api/v1/chart/{served.charts[drawn.id]['id']}")[0] == 401
    assert client.call("GET", "/api/v1/me/")[0] == 200


@contextmanager
def _called(served: Served, account: str, name: str) -> Iterator[None]:
    """Another name for an account that has signed in, as if its own had left the scope."""
    change = "update ab_user set username = ? where username = ?"
    path = served.home / "superset" / "metadata.db"
    with closing(sqlite3.connect(path, timeout=20)) as metadata:
        try:
            with metadata:
                assert metadata.execute(change, [name, account]).rowcount == 1
            yield
        finally:
            with metadata:
                metadata.execute(change, [account, name])


def test_the_portal_is_told_the_address_of_whoever_signs_in(served: Served) -> None:
    _signed_in(served, _manager(served, 2)[0], "13900000020")
    assert served.portal.addresses[-1] == "127.0.0.1"


AGED = """
import hashlib, json, sys
from itsdangerous import TimestampSigner
from itsdangerous.url_safe import URLSafeTimedSerializer

key, cookie, minutes = sys.argv[1], sys.argv[2], int(sys.argv[3])

class Signer(TimestampSigner):
    def get_timestamp(self):
        return super().get_timestamp() - 60 * minutes

given = {"key_derivation": "hmac", "digest_method": hashlib.sha1}
serializer = URLSafeTimedSerializer(
    key, salt="cookie-session", signer=Signer, signer_kwargs=given
)
content = serializer.loads(cookie)
content["renewed_at"] -= 60 * minutes
print(serializer.dumps(content))
"""


def test_a_session_lasts_an_hour_and_is_renewed_by_use(served: Served) -> None:
    client = _signed_in(served, _manager(served, 2)[0], "13900000021")
    assert client.call("GET", "/api/v1/me/")[0] == 200
    key = served.installation.secrets.derive("superset secret key").hex()

    def aged(minutes: int) -> str:
        """The client's own cookie as if it had been written some minutes ago."""
        python = str(ENVIRONMENT / "bin" / "python")
        command = [python, "-c", AGED, key, client.cookie("session"), str(minutes)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    young, old = aged(58), aged(62)
    client.set_cookie("session", young)
    assert client.call("GET", "/api/v1/me/")[0] == 200
    assert client.cookie("session") != young, "use renews it"
    client.set_cookie("session", old)
    assert client.call("GET", "/api/v1/me/")[0] == 401
