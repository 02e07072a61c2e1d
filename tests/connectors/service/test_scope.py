"""A key sees its own unit in every operation, and no text given for a parameter is SQL."""

from __future__ import annotations

from typing import Any

import pytest

from cubes.catalogue import load_catalogue, shipped_folder
from tests.connectors.service.conftest import TAG, Served
from tests.connectors.service.server import SOURCE, record
from tests.connectors.service.test_packet import told

# Names and ids of city B and below; nothing of them may reach a key of city A.
OF_B = ("绵阳", "Mianyang", "5102")
CATALOGUE = load_catalogue([shipped_folder()])
# Their rows belong to no unit, so a bounded key may not ask for them at all.
OF_NO_UNIT = ("deliveries", "exchange_events")
INJECTIONS = (
    "' or '1'='1",
    "5101' union select * from marts.dim_org --",
    "'; drop table marts.fct_case; --",
    "5101) or (1=1",
    "{unit}",
    "$unit",
    "#5102",
    "四川/绵阳",
    "%",
    "..",
    "5101..5102",
    "\\",
)


def _leaks(text: str) -> list[str]:
    return [word for word in OF_B if word in text]


def test_named_queries_of_a_bounded_key_have_its_rows_only(served: Served) -> None:
    for number, name in enumerate(CATALOGUE.queries):
        answer = served.city_a.send("run_named_query", f"q-{number}", query=name)
        if CATALOGUE.queries[name].cube in OF_NO_UNIT:
            assert "a restricted account may not see it" in answer.text
            assert told(answer)["code"] == "invalid" and not _leaks(answer.text)
            continue
        assert told(answer)["code"] == "ok", answer.text
        assert answer.json["snapshot"] == TAG
        assert not _leaks(answer.text), (name, answer.text)
    rows = served.city_a.send("run_named_query", query="arrears_by_unit").json["data"]["rows"]
    assert [(row["org.l2__id"], row["balance"]) for row in rows] == [("5101", "60.00")]
    whole = served.whole.send("run_named_query", query="arrears_by_unit").json["data"]["rows"]
    assert {row["org.l2__id"] for row in whole} == {"5101", "5102"}


def test_cubes_of_a_bounded_key_have_its_rows_only(served: Served) -> None:
    for cube in CATALOGUE.cubes.values():
        if cube.cube in OF_NO_UNIT:
            measure = next(iter(cube.measures))
            refused = served.city_a.send("query_cube", cube=cube.cube, measures=[measure])
            assert "a restricted account may not see it" in refused.text
            assert told(refused)["code"] == "invalid"
            continue
        for by in ("org", "org.l2", "org.l3"):
            for totals in ("grand", "all"):
                answer = served.city_a.send(
                    "query_cube",
                    cube=cube.cube,
                    measures=[name for name, one in cube.measures.items() if one.ratio is None][:8],
                    by=[by],
                    keys=True,
                    totals=totals,
                )
                assert told(answer)["code"] == "ok", answer.text
                assert not _leaks(answer.text), (cube.cube, by, answer.text)


@pytest.mark.parametrize("as_was", [False, True])
@pytest.mark.parametrize("cut", ["#5102", "绵阳", "四川/绵阳", "#510201", ["#5101", "#5102"]])
def test_a_cut_on_a_foreign_unit_is_answered_like_one_that_does_not_exist(
    served: Served, cut: Any, as_was: bool
) -> None:
    foreign = served.city_a.send(
        "query_cube", cube="cases", measures=["cases"], cuts={"org": cut}, as_was=as_was
    )
    assert told(foreign)["code"] == "invalid"
    said = foreign.json["data"]["faults"][0]["message"]["en"]
    assert "no member" in said
    unknown = served.city_a.send(
        "query_cube", cube="cases", measures=["cases"], cuts={"org": "#9999"}
    )
    assert said.split("'")[0] == unknown.json["data"]["faults"][0]["message"]["en"].split("'")[0]
    # The unit asked for is echoed; nothing else of its neighbourhood is suggested.
    assert "did you mean '绵阳" not in said and "did you mean '510" not in said.replace("5101", "")


def test_status_events_and_deliveries_of_others_are_not_known(served: Served) -> None:
    mine = served.city_b.send(
        "submit_feedback", "b-1", kind="complaint", text="绵阳断网", unit="510201"
    ).json["data"]
    for name, params in (
        ("query_status", {"case_no": mine["case_no"]}),
        ("append_event", {"case_no": mine["case_no"], "type": "reply", "text": "x"}),
    ):
        foreign = served.city_a.send(name, f"a-{name}", **params)
        unknown = served.city_a.send(
            name, f"a2-{name}", **{**params, "case_no": "HY260331-2222222"}
        )
        assert told(foreign)["code"] == told(unknown)["code"] == "not_found"
    assert told(served.city_b.send("query_status", case_no=mine["case_no"]))["code"] == "ok"
    # Its secret opens a case for whoever holds it, as at the intake.
    opened = served.city_a.send("query_status", case_no=mine["case_no"], secret=mine["secret"])
    assert told(opened)["code"] == "ok"
    outside = served.city_a.send("submit_feedback", "a-out", kind="praise", text="x", unit="510201")
    assert told(outside)["code"] == "invalid"
    delivered = served.city_a.send(
        "deliver_batch", "a-b", source=SOURCE, stream="cases", rows=1, records=[record(1)]
    ).json["data"]["batch_id"]
    assert served.city_b.send("list_deliveries").json["data"] == {"deliveries": [], "exports": []}
    hidden = served.city_b.send("list_deliveries", batch_id=delivered)
    assert told(hidden)["code"] == "not_found"
    refused = served.city_b.send(
        "deliver_batch", "b-b", source=SOURCE, stream="cases", rows=1, records=[record(1)]
    )
    assert told(refused)["code"] == "invalid" and "must be one of: " in refused.text
    for name in ("fetch_delivery", "confirm_delivery"):
        more = {"result": "ok"} if name == "confirm_delivery" else {}
        nothing = served.city_b.send(name, f"b-{name}", export_id="any", **more)
        assert told(nothing)["code"] == "not_found"


@pytest.mark.parametrize("text", INJECTIONS)
def test_sql_in_any_parameter_finds_nothing_and_changes_nothing(served: Served, text: str) -> None:
    """Every textual parameter of every reading operation, for a key of city A."""
    answers = [
        served.city_a.send("run_named_query", query=text),
        served.city_a.send("run_named_query", query="arrears_by_unit", params={"unit": text}),
        served.city_a.send("run_named_query", query="arrears_by_unit", params={text: "x"}),
        served.city_a.send(
            "run_named_query", query="arrears_by_unit", params={"business_date": text}
        ),
        served.city_a.send("run_named_query", query="cases_by_day", params={"days": text}),
        served.city_a.send("query_status", case_no=text, secret=text),
        served.city_a.send("list_deliveries", batch_id=text),
        served.city_a.send("fetch_delivery", export_id=text),
    ]
    base: dict[str, Any] = {"cube": "cases", "measures": ["cases"]}
    for key in ("cube", "time", "period", "compare", "fill", "totals"):
        answers.append(served.city_a.send("query_cube", **{**base, key: text}))
    for key in ("measures", "by", "order"):
        answers.append(served.city_a.send("query_cube", **{**base, key: [text]}))
    for name in ("org", "org.l2", "kind", "created", text):
        answers.append(served.city_a.send("query_cube", **base, cuts={name: text}))
        answers.append(served.city_a.send("query_cube", **base, cuts={name: [text, None]}))
    for answer in answers:
        body = told(answer)
        assert body["code"] in {"invalid", "not_found", "ok", "malformed"}, answer.text
        if body["code"] == "ok":
            # What was asked is echoed: a period may be a year whose digits are a unit's.
            assert not _leaks(str({**body["data"], "asked": None})), answer.text
            assert all(row["cases"] <= 3 for row in body["data"]["rows"])
    count = served.whole.send("query_cube", **base).json["data"]["rows"]
    assert count == [{"cases": 6}]


def test_a_key_does_only_what_it_is_good_for(served: Served) -> None:
    from tests.connectors.service.server import Client, add_client

    key = add_client(served.server.home, "submitter", permissions=("submit",))
    narrow = Client(served.server, key)
    for name, params in (
        ("append_event", {"case_no": "x", "type": "reply"}),
        ("deliver_batch", {}),
        ("confirm_delivery", {}),
        ("query_status", {}),
        ("query_cube", {}),
        ("list_deliveries", {}),
        ("fetch_delivery", {}),
    ):
        assert told(narrow.send(name, **params))["code"] == "forbidden"
    assert told(narrow.send("run_named_query", query="arrears_by_unit"))["code"] == "not_found"
    listed = narrow.send("list_operations").json["data"]
    names = {one["operation"] for one in listed["operations"]}
    assert names == {"submit_feedback", "list_operations", "run_named_query"}
    assert listed["queries"] == [] and listed["streams"] == []


def test_list_operations_tells_signatures_columns_and_streams(served: Served) -> None:
    data = served.city_a.send("list_operations", language="en").json["data"]
    found = {one["query"]: one for one in data["queries"]}["arrears_by_unit"]
    assert found["signature"] == "arrears_by_unit(business_date date?, unit unit?)"
    assert [column["name"] for column in found["columns"]] == [
        *("org.l2", "org.l2__id", "balance", "debtors", "recovered"),
    ]
    (stream,) = data["streams"]
    assert stream["stream"] == "cases" and stream["columns"]["case_no"]["required"]
    assert data["unit"] == "5101"


def test_the_statement_is_never_told(served: Served) -> None:
    answer = served.whole.send("query_cube", cube="cases", measures=["cases"])
    assert "fct_case" not in answer.text and "select" not in answer.text.lower()
