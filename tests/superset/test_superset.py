"""The analysts' tool over its API: figures, rows, rights, publishes."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from cubes.label import LANGUAGES, Language
from cubes.query import CubeQuery, run_query
from cubes.scope import Scope
from dashboards.chart import DrawnChart, chart_id
from dashboards.dataset import DURATIONS
from pipelines.superset import ENVIRONMENT
from tests.dashboards.metrics import (
    Figures,
    ask_cube_for,
    ask_view_for,
    assert_equal,
    plain,
)
from tests.journeys.product import Product
from tests.superset.conftest import CLIENTS, FIRST, LAST, PASSWORD, PERIOD, Served, context_of
from tests.superset.server import Client, serving_portal

# The days of each period that charts keep for themselves, for the business date of this data.
OWN_PERIODS = {
    "Last 28 days": (date(2026, 3, 3), LAST),
    "12 months to date": (date(2025, 4, 1), LAST),
    "26 weeks to date": (date(2025, 10, 6), LAST),
}


def _rows(client: Client, chart: dict[str, Any]) -> list[dict[str, Any]]:
    status, answer = client.data(context_of(chart))
    assert status == 200, answer
    rows: list[dict[str, Any]] = answer["result"][0]["data"]
    return rows


def _key(drawn: DrawnChart, row: dict[str, Any]) -> tuple[Any, ...]:
    assert drawn.dataset is not None
    times = {drawn.dataset.time_column(role) for role in drawn.dataset.cube.time}
    return tuple(
        datetime.fromtimestamp(row[name] / 1000, tz=UTC).date()
        if name in times and row[name] is not None
        else row[name]
        for name in (*drawn.by, *drawn.across)
    )


def _period(drawn: DrawnChart) -> tuple[date, date] | None:
    if drawn.time is None:
        return None
    own = drawn.declared.period
    return (FIRST, LAST) if own is None else OWN_PERIODS[own]


def _found(drawn: DrawnChart, rows: list[dict[str, Any]]) -> dict[str, Figures]:
    return {
        measure: {_key(drawn, row): plain(row[metric]) for row in rows}
        for measure, metric in zip(drawn.declared.measures, drawn.metrics, strict=True)
    }


def _expected(
    served: Served, drawn: DrawnChart, scope: Scope, by: tuple[str, ...] | None = None
) -> dict[str, Figures]:
    """The cube's answer to a chart's question, durations in the chart's unit."""
    dataset, declared = drawn.dataset, drawn.declared
    assert dataset is not None
    with served.snapshot() as connection:
        figures = ask_cube_for(
            connection,
            dataset,
            declared.measures,
            (*declared.by, *declared.across) if by is None else by,
            _period(drawn),
            scope,
            time=None if declared.time == "none" else declared.time,
            cuts=declared.cuts,
        )
    found: dict[str, Figures] = {}
    for measure, values in figures.items():
        is_duration = dataset.cube.measures[measure].shown_as == "duration"
        size = DURATIONS[declared.durations] if is_duration else 1
        found[measure] = {
            key: value / size if isinstance(value, float) else value
            for key, value in values.items()
        }
    return found


def _assert_shows(served: Served, client: Client, drawn: DrawnChart, scope: Scope) -> None:
    """The chart shows an account what the cube answers within the account's scope."""
    _assert_shows_rows(served, _rows(client, served.charts[drawn.id]), drawn, scope)


def _assert_shows_rows(
    served: Served, rows: list[dict[str, Any]], drawn: DrawnChart, scope: Scope
) -> None:
    assert drawn.dataset is not None
    if drawn.declared.viz == "detail":
        assert len(rows) == min(drawn.limit, _row_count(served, drawn, scope)), drawn.name
        return
    cube = drawn.dataset.cube
    if drawn.dataset.unit_column is None and not scope.is_all:
        # What belongs to no unit is not shown to accounts of some.
        assert all(not value for row in rows for value in row.values()), (cube.cube, drawn.name)
        return
    expected = _expected(served, drawn, scope)
    for measure, figures in _found(drawn, rows).items():
        wanted = expected[measure]
        if len(rows) == drawn.limit:
            wanted = {key: wanted[key] for key in figures}
        what = f"{cube.cube}: {drawn.name} {measure} {drawn.language}"
        assert_equal(figures, wanted, what)


def _row_count(served: Served, drawn: DrawnChart, scope: Scope) -> int:
    """How many rows of the view a detail lists, counted beside Superset."""
    assert drawn.dataset is not None
    conditions: list[str] = ["true"]
    values: list[Any] = []
    for column, members in drawn.cuts.items():
        conditions.append(f"{column} in ({', '.join('?' for _ in members)})")
        values += members
    if drawn.time is not None:
        conditions.append(f"{drawn.time} between ? and ?")
        values += [str(day) for day in _period(drawn) or ()]
    if not scope.is_all:
        unit = drawn.dataset.unit_column
        conditions.append(
            "false"
            if unit is None
            else f"{unit} in (select descendant_id from "
            "marts.bridge_org_closure where list_contains(?, ancestor_id))"
        )
        values += [] if unit is None else [list(scope.unit_ids or ())]
    with served.snapshot() as connection:
        row = connection.execute(
            f"select count(*) from cube.{drawn.dataset.view} where {' and '.join(conditions)}",
            values,
        ).fetchone()
    assert row is not None
    return int(row[0])


def _chart(served: Served, slug: str, name: str) -> DrawnChart:
    return next(found for found in served.drawn() if found.id == chart_id(slug, name))


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


@pytest.mark.parametrize(("level", "languages"), [(None, LANGUAGES), (1, ("zh",)), (3, ("en",))])
def test_every_chart_of_every_dashboard_shows_what_the_cube_answers(
    served: Served, level: int | None, languages: Sequence[Language]
) -> None:
    """To the administrator, to the whole organisation's manager and to one of a lower unit.

    The views of both languages have the same rows, so a manager's charts are asked in one.
    """
    client, scope = served.admin, Scope.all()
    if level is not None:
        account, unit = _manager(served, level)
        client = _signed_in(served, account, f"1390000003{level}")
        scope = Scope.units([unit])
    everything = [drawn for drawn in served.drawn() if drawn.dataset is not None]
    drawn_charts = [drawn for drawn in everything if drawn.language in languages]
    assert len(everything) == len(served.charts) - sum(
        drawn.dataset is None for drawn in served.drawn()
    )
    assert len(drawn_charts) * len(LANGUAGES) == len(everything) * len(languages)
    with ThreadPoolExecutor(CLIENTS) as pool:
        # Superset answers the next questions while the cube is asked about the last.
        answers = pool.map(lambda drawn: _rows(client, served.charts[drawn.id]), drawn_charts)
        for drawn, rows in zip(drawn_charts, answers, strict=True):
            _assert_shows_rows(served, rows, drawn, scope)


def test_a_number_stands_beside_that_of_the_period_it_is_compared_with(served: Served) -> None:
    compared = [
        drawn
        for drawn in served.drawn()
        if drawn.declared.viz == "number" and drawn.offsets and drawn.language == "zh"
    ]
    assert {drawn.declared.compare for drawn in compared} == {"previous", "same_weekday"}
    for drawn in compared:
        assert drawn.dataset is not None
        days = (FIRST, LAST) if drawn.declared.compare == "previous" else (LAST, LAST)
        context = context_of(served.charts[drawn.id])
        text = json.dumps(context).replace(PERIOD, f"{days[0]} : {days[1] + timedelta(days=1)}")
        status, answer = served.admin.data(json.loads(text))
        assert status == 200, answer
        (row,) = answer["result"][0]["data"]
        query = CubeQuery(
            cube=drawn.dataset.cube.cube,
            measures=drawn.declared.measures,
            period=f"{days[0]}..{days[1]}",
            compare=drawn.declared.compare,
            time=drawn.declared.time,
        )
        with served.snapshot() as connection:
            result = run_query(
                served.installation.catalogue,
                connection,
                query,
                scope=Scope.all(),
                business_date=LAST,
            )
        before = plain(result.rows[0][f"{drawn.declared.measures[0]}__previous"])
        shown = plain(row[f"{drawn.metrics[0]}__{drawn.offsets[0]}"])
        assert (shown or 0) == pytest.approx(before or 0), drawn.name


@pytest.mark.parametrize(("slug", "label"), [("sales", "上期"), ("sales-en", "Period before")])
def test_the_line_of_the_period_before_has_a_label(served: Served, slug: str, label: str) -> None:
    status, answer = served.admin.call("GET", f"/api/v1/dashboard/{slug}/datasets")
    assert status == 200, answer
    (sales,) = (one for one in answer["result"] if one["table_name"].startswith("sales"))
    # So is the series called that Superset compares with.
    assert sales["verbose_map"]["inherit"] == label


def test_each_page_brings_the_script_of_words_under_its_nonce(served: Served) -> None:
    page = served.admin.page("/superset/dashboard/overview/")
    found = re.search(r'<script nonce="([^"]{8,})">\s*// Words that Superset writes', page)
    assert found is not None


def test_totals_of_a_table_are_computed_by_the_database(served: Served) -> None:
    for drawn in served.drawn():
        if drawn.declared.viz != "table" or not drawn.declared.totals:
            continue
        context = context_of(served.charts[drawn.id])
        total = {**context["queries"][0], "columns": [], "orderby": [], "row_limit": 0}
        status, answer = served.admin.data({**context, "queries": [total]})
        assert status == 200, answer
        rows = answer["result"][0]["data"]
        expected = _expected(served, drawn, Scope.all(), by=())
        for measure, metric in zip(drawn.declared.measures, drawn.metrics, strict=True):
            (row,) = rows
            shown: Figures = {(): plain(row[metric])}
            assert_equal(shown, expected[measure], f"{drawn.name} {measure}")


def test_every_metric_over_every_view_is_the_measure_of_the_cube(served: Served) -> None:
    datasets = {
        drawn.dataset.view: drawn.dataset
        for drawn in served.drawn()
        if drawn.dataset is not None and drawn.language == "zh"
    }
    with served.snapshot() as connection:
        for dataset in datasets.values():
            measures, time = list(dataset.metrics), dataset.cube.default_time
            high, low = ("org.l2", "org.l3") if "org" in dataset.cube.joins else ("source", "code")
            for by in ((), (low,), (f"{time}.month", high)):
                for period in (None, (FIRST, LAST)):
                    found = ask_view_for(connection, dataset, measures, by, period)
                    expected = ask_cube_for(connection, dataset, measures, by, period)
                    for measure in measures:
                        what = f"{dataset.view} {measure} {by} {period}"
                        assert_equal(found[measure], expected[measure], what)


def test_accounts_of_two_prefectures_see_only_their_own_rows_one_after_the_other(
    served: Served,
) -> None:
    one, two = _manager(served, 2, 0), _manager(served, 2, 1)
    assert one[1] != two[1]
    clients = [
        (_signed_in(served, account, f"1390000000{number}"), Scope.units([unit]))
        for number, (account, unit) in enumerate((one, two))
    ]
    overview = {
        chart_id("overview", name)
        for name in ("cases", "complaints_by_unit", "kinds", "quality", "recovery", "revenue")
    }
    drawn_charts = [drawn for drawn in served.drawn() if drawn.id in overview]
    assert len(drawn_charts) == len(overview)
    for drawn in drawn_charts:
        # Within the life of the cache, so that nothing cached leaks.
        for client, scope in clients:
            _assert_shows(served, client, drawn, scope)


def test_the_detail_behind_a_chart_holds_only_visible_rows_and_readable_columns(
    served: Served,
) -> None:
    account, unit = _manager(served, 2)
    client = _signed_in(served, account, "13900000010")
    drawn = _chart(served, "overview", "complaints")
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
    drawn = _chart(served, "overview", "complaints")
    context = context_of(served.charts[drawn.id])
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
    drawn = _chart(served, "overview", "complaints")
    source = context_of(served.charts[drawn.id])["datasource"]["id"]
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
    drawn = _chart(served, "overview", "cases")
    (found,) = _rows(client, served.charts[drawn.id])
    expected = _expected(served, drawn, Scope.units([unit]))
    assert found["cases"] == expected["cases"][()]


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
        drawn = _chart(served, "overview", "cases")
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


KEPT = (
    "select uuid, slice_name, viz_type, params, query_context from slices",
    "select uuid, slug, dashboard_title, position_json, json_metadata, css from dashboards",
    "select uuid, table_name, main_dttm_col from tables",
    "select t.uuid, c.column_name, c.verbose_name, c.expression from table_columns c "
    "join tables t on t.id = c.table_id",
    "select t.uuid, m.metric_name, m.verbose_name, m.expression, m.d3format from sql_metrics m "
    "join tables t on t.id = m.table_id",
    "select name, clause, filter_type from row_level_security_filters",
    "select r.name, p.name, v.name from ab_permission_view_role pr "
    "join ab_role r on r.id = pr.role_id "
    "join ab_permission_view pv on pv.id = pr.permission_view_id "
    "join ab_permission p on p.id = pv.permission_id join ab_view_menu v on v.id = pv.view_menu_id",
)


def test_building_again_changes_nothing_and_brings_back_what_was_bent(served: Served) -> None:
    path = served.home / "superset" / "metadata.db"

    def kept() -> list[list[tuple[Any, ...]]]:
        with closing(sqlite3.connect(path, timeout=20)) as metadata:
            return [sorted(metadata.execute(sql).fetchall(), key=repr) for sql in KEPT]

    before = kept()
    assert all(before)
    with closing(sqlite3.connect(path, timeout=20)) as metadata, metadata:
        metadata.execute("update row_level_security_filters set clause = '1 = 1'")
        metadata.execute("update slices set params = '{}' where slice_name = '投诉数'")
        metadata.execute("update sql_metrics set expression = 'count(*)'")
    assert kept() != before
    Product(served.home).run("superset", "build")
    after = kept()
    for sql, old, new in zip(KEPT, before, after, strict=True):
        assert new == old, sql
