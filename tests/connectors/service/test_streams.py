"""Answers read in parts over the service: the packet's figures, one snapshot, limits, leaving."""

from __future__ import annotations

import csv
import http.client
import io
import json
import select
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pytest

from connectors.service.answer_stream import ARROW, CSV, media_type
from tests.connectors.service.conftest import TAG, endless_query, publish_marts
from tests.connectors.service.server import SENT_AT, Client, ServiceServer, add_client

ROWS = 1_000_000
SITE = {
    "grid": f"""\
query: grid
label: {{zh: 网格, en: Grid}}
columns: {{a: {{type: integer}}, b: {{type: integer}}}}
scope: open
limits: {{rows: {ROWS}, seconds: 120}}
parameters: {{times: {{type: integer, default: 1}}}}
sql: |
  select a.n as a, b.n as b
  from (select row_number() over (order by date_on) as n from marts.dim_date) a
  cross join (select row_number() over (order by date_on) as n from marts.dim_date) b
  cross join (select row_number() over (order by date_on) as n from marts.dim_date) c
  where a.n <= 500 and b.n <= 500 and c.n <= 4 * $times
""",
    "endless": endless_query("endless", seconds=120),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceServer]:
    home = tmp_path_factory.mktemp("streams") / "home"
    publish_marts(home)
    folder = home / "site/cubes/queries"
    folder.mkdir(parents=True)
    for name, text in SITE.items():
        (folder / f"{name}.yml").write_text(text, encoding="utf-8")
    with ServiceServer(home) as server:
        yield server


@pytest.fixture(scope="module")
def whole(server: ServiceServer) -> Client:
    return Client(server, add_client(server.home, "whole"))


@pytest.fixture(scope="module")
def city(server: ServiceServer) -> Client:
    return Client(server, add_client(server.home, "city", unit="5101"))


def opened(
    client: Client, operation: str, accept: str = ARROW, **params: Any
) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    """The response to a packet sent to the address of streams, its body still to be read."""
    connection = http.client.HTTPConnection("127.0.0.1", client.server.port, timeout=60)
    packet = {"id": "s-1", "operation": operation, "params": params, "sent_at": SENT_AT}
    connection.request(
        "POST",
        "/v1/streams",
        json.dumps(packet).encode(),
        {"Authorization": f"Bearer {client.key}", "Accept": accept},
    )
    return connection, connection.getresponse()


def arrow_rows(client: Client, operation: str, **params: Any) -> list[dict[str, Any]]:
    connection, response = opened(client, operation, **params)
    assert response.status == 200 and response.headers["content-type"] == ARROW
    rows: list[dict[str, Any]] = pyarrow.ipc.open_stream(response.read()).read_all().to_pylist()
    connection.close()
    return rows


ASKED: list[tuple[str, dict[str, Any]]] = [
    ("query_cube", {"cube": "cases", "measures": ["cases", "reopen_rate"], "by": ["org.unit"]}),
    ("query_cube", {"cube": "sales", "measures": ["revenue"], "by": ["org.l2"], "totals": "all"}),
    ("run_named_query", {"query": "arrears_by_unit"}),
    ("run_named_query", {"query": "sla_due_ahead"}),
    ("run_named_query", {"query": "overdue_case_list"}),
]


@pytest.mark.parametrize("index", range(len(ASKED)))
def test_a_stream_holds_the_rows_of_the_packets_answer_and_no_others(
    whole: Client, city: Client, index: int
) -> None:
    operation, params = ASKED[index]
    for client in (whole, city):
        expected = client.send(operation, **params).json["data"]["rows"]
        found = arrow_rows(client, operation, **params)
        assert [{k: _plain(v) for k, v in row.items()} for row in found] == [
            {k: _plain(v) for k, v in row.items() if k in found[0]} for row in expected
        ]
        _, response = opened(client, operation, CSV, **params)
        assert response.headers["content-type"].startswith(CSV)
        lines = list(csv.reader(io.StringIO(response.read().decode())))
        assert len(lines) == len(expected) + 1


def _plain(value: Any) -> str:
    return "" if value is None else str(value).replace("T", " ")


def test_a_stream_says_what_it_is_of_and_stays_of_one_snapshot(
    server: ServiceServer, whole: Client
) -> None:
    _, response = opened(whole, "run_named_query", query="grid", language="en")
    before = response.headers["x-huiyin-snapshot"]
    assert response.headers["x-huiyin-business-date"] == "2026-03-30"
    begin = response.read(1000)
    publish_marts(server.home, "20260402-test")
    assert whole.send("run_named_query", query="overdue_cases").json["snapshot"] == "20260402-test"
    table = pyarrow.ipc.open_stream(begin + response.read()).read_all()
    assert table.num_rows == ROWS and before == TAG


def test_more_rows_than_the_limit_end_the_answer_without_its_end(whole: Client) -> None:
    _, response = opened(whole, "run_named_query", query="grid", params={"times": 2})
    assert response.status == 200
    with pytest.raises(http.client.IncompleteRead):
        response.read()


def test_callers_that_leave_stop_what_is_computed_for_them(whole: Client) -> None:
    for query in ("endless", "grid"):
        for _ in range(12):
            connection = http.client.HTTPConnection("127.0.0.1", whole.server.port, timeout=0.2)
            packet = {"id": "s-1", "operation": "run_named_query", "params": {"query": query},
                      "sent_at": SENT_AT}  # fmt: skip
            connection.request(
                "POST", "/v1/streams", json.dumps(packet).encode(),
                {"Authorization": f"Bearer {whole.key}"},
            )  # fmt: skip
            if query == "grid":
                connection.getresponse().read(1000)
            else:
                time.sleep(0.2)
            connection.close()
    # A client may have two under way, so answers say that the others are gone.
    first, second = (free_stream(whole, "grid") for _ in range(2))
    for connection, response in (first, second):
        assert response.status == 200
        connection.close()


def free_stream(
    client: Client, query: str
) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    """A stream as soon as the client has room for one."""
    for _ in range(300):
        connection, response = opened(client, "run_named_query", query=query)
        if response.status == 200:
            return connection, response
        assert json.loads(response.read())["code"] == "busy"
        time.sleep(0.2)
    raise AssertionError("the client's streams did not end")


def test_a_caller_that_stops_reading_loses_its_place(tmp_path: Path) -> None:
    home = tmp_path / "home"
    publish_marts(home)
    folder = home / "site/cubes/queries"
    folder.mkdir(parents=True)
    (folder / "grid.yml").write_text(SITE["grid"], encoding="utf-8")
    with ServiceServer(home, HUIYIN_TEST_READING_SECONDS="0.5") as server:
        silent = Client(server, add_client(home, "silent"))
        held = [opened(silent, "run_named_query", query="grid") for _ in range(2)]
        assert [response.status for _, response in held] == [200, 200]
        connection, response = free_stream(silent, "grid")
        assert response.status == 200
        connection.close()
        # What was begun ends without its end, so that nobody takes it for the whole.
        for _, response in held:
            with pytest.raises(http.client.IncompleteRead):
                response.read()


def test_long_streams_of_one_client_take_a_share_and_hold_up_nobody(
    server: ServiceServer, city: Client
) -> None:
    greedy = Client(server, add_client(server.home, "greedy"))

    def begun() -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        packet = {"id": "s-1", "operation": "run_named_query", "params": {"query": "endless"},
                  "sent_at": SENT_AT}  # fmt: skip
        connection.request(
            "POST", "/v1/streams", json.dumps(packet).encode(),
            {"Authorization": f"Bearer {greedy.key}"},
        )  # fmt: skip
        return connection

    connections = [begun(), begun()]
    is_refused = False
    while not is_refused:
        _, response = opened(greedy, "query_cube", **ASKED[0][1])
        is_refused = response.status != 200
        told = response.read()
        assert not is_refused or json.loads(told)["code"] == "busy"
        for index, connection in enumerate(connections):
            if _is_answered(connection):
                # The other question had its place before it came.
                connections[index], is_refused = begun(), False
    assert greedy.send("run_named_query", query="overdue_cases").json["code"] == "ok"
    assert city.send("run_named_query", query="overdue_cases").json["code"] == "ok"
    assert arrow_rows(city, "query_cube", **ASKED[0][1])
    # They were computing all the while.
    for connection in connections:
        assert not _is_answered(connection)
        connection.close()


def _is_answered(connection: http.client.HTTPConnection) -> bool:
    assert connection.sock is not None
    return bool(select.select([connection.sock], [], [], 0)[0])


@pytest.mark.parametrize(
    ("operation", "params", "code"),
    [
        ("list_operations", {}, "invalid"),
        ("submit_feedback", {}, "invalid"),
        ("no_such", {}, "unknown_operation"),
        ("run_named_query", {"query": "no_such"}, "not_found"),
        ("run_named_query", {"query": "grid", "params": {"mst": 1}}, "invalid"),
        ("query_cube", {"cube": "cases", "measures": ["case"]}, "invalid"),
        ("query_cube", {"cube": "cases", "measures": ["cases"], "by": "org.l2"}, "invalid"),
        ("query_cube", {"cube": "cases", "measures": ["cases"], "cuts": {"org": "x"}}, "invalid"),
    ],
)
def test_what_cannot_be_streamed_is_refused_as_a_packet_is(
    whole: Client, operation: str, params: dict[str, Any], code: str
) -> None:
    _, response = opened(whole, operation, **params)
    told = json.loads(response.read())
    assert told["code"] == code and set(told) == {"id", "code", "message", "data", "snapshot"}


def test_a_key_streams_only_what_it_is_good_for(server: ServiceServer) -> None:
    nothing = Client(server, add_client(server.home, "nothing", permissions=("status",)))
    for operation, params in (ASKED[0], ASKED[2]):
        _, response = opened(nothing, operation, **params)
        assert json.loads(response.read())["code"] in {"forbidden", "not_found"}
    stranger = Client(server, "hyk_nobody")
    _, response = opened(stranger, *ASKED[0][:1], **ASKED[0][1])
    assert response.status == 401


def test_rows_behind_a_figure_are_those_it_counts(whole: Client, city: Client) -> None:
    for client in (whole, city):
        (figure,) = client.send("query_cube", cube="cases", measures=["complaints"]).json["data"][
            "rows"
        ]
        told = client.send(
            "query_rows", cube="cases", measures=["complaints"], columns=["case_no", "org_unit"],
            order=["case_no"],
        ).json  # fmt: skip
        assert len(told["data"]["rows"]) == figure["complaints"]
        assert [column["name"] for column in told["data"]["columns"]] == ["case_no", "org_unit"]
    wrong = city.send("query_rows", cube="cases", measures=["cases"], columns=["reporter_key"])
    assert wrong.json["code"] == "invalid" and "no column 'reporter_key'" in wrong.text
    grouped = city.send("query_rows", cube="cases", measures=["cases"], by=["org.l2"]).json
    assert grouped["data"]["faults"][0]["field"] == "by"


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("", ARROW), ("*/*", ARROW), ("text/csv", CSV), ("TEXT/CSV; q=0.9, */*", CSV),
        (f"text/csv, {ARROW}", ARROW), ("application/json", ARROW),
    ],
)  # fmt: skip
def test_the_form_is_the_one_the_caller_accepts(accept: str, media: str) -> None:
    assert media_type(accept) == media
