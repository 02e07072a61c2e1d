"""`huiyin sla explain`: the clocks of a case, and row by row why time counted or not."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

from pipelines.case_clocks import read_case_clocks
from pipelines.errors import BuildFailedError
from pipelines.explanation_check import check_explanations, sampled_clocks
from tests.pipelines.clock_snapshot import (
    TAG,
    clock,
    plans,
    policy,
    publish,
    status,
    tables,
    utc,
    write,
)
from tests.pipelines.conftest import Command

# From Friday 13 February 17:00 to the day after the Spring Festival, 10:00: an hour on Friday,
# seven and a half on the make-up Saturday, one on Tuesday.
FESTIVAL = clock("H1", "2026-02-13T17:00", "2026-02-24T10:00", 9 * 3600 + 1800,
                 due_at=utc("2026-02-28T00:00"))  # fmt: skip
# Monday 14:00 to Wednesday 14:00, waiting from Monday 15:00 to Wednesday 10:00: 1 h, 2 h, half.
WAITING = clock("H2", "2026-03-02T14:00", "2026-03-04T14:00", 12_600, paused_s=41_400)
WAITING_STATUSES = [
    status("H2", 1, "new", "2026-03-02T14:00", "2026-03-02T15:00"),
    status("H2", 2, "waiting_on_reporter", "2026-03-02T15:00", "2026-03-04T10:00"),
    status("H2", 3, "in_progress", "2026-03-04T10:00", "2026-03-04T14:00"),
    status("H2", 4, "resolved", "2026-03-04T14:00", None),
]


@pytest.fixture
def command_home(tmp_path: Path) -> Path:
    return tmp_path


def explained(huiyin: Command, *arguments: str) -> dict[str, Any]:
    code, out, err = huiyin("sla", "explain", *arguments, "--format", "json")
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def test_each_stretch_of_time_has_its_reason_and_the_rows_add_up(
    huiyin: Command, tmp_path: Path
) -> None:
    publish(tmp_path, tables([FESTIVAL]))
    found = explained(huiyin, "H1")["explained"]
    assert [(row["from"][5:16], row["seconds"], row["reason"]) for row in found["rows"]] == [
        ("02-13T17:00", 3600, "working"),
        ("02-13T18:00", 0, "night"),
        ("02-14T09:00", 10_800, "make-up day"),
        ("02-14T12:00", 0, "lunch"),
        ("02-14T13:30", 16_200, "make-up day"),
        ("02-14T18:00", 0, "night"),
        ("02-15T00:00", 0, "holiday:春节"),
        ("02-24T00:00", 0, "night"),
        ("02-24T09:00", 3600, "working"),
        ("02-24T10:00", 0, "after stop"),
    ]
    assert all(row["from"].endswith("+08:00") for row in found["rows"])
    assert found["rows"][-1]["to"] == "2026-02-28T00:00:00+08:00"
    assert {row["policy_version"] for row in found["rows"]} == {1}
    assert {row["calendar_version"] for row in found["rows"]} == {"2025-11-04"}
    assert found["counted_seconds"] == found["elapsed_seconds"] == 34_200 and found["adds_up"]


def test_a_pause_is_told_with_its_status_and_counts_nothing(
    huiyin: Command, tmp_path: Path
) -> None:
    publish(tmp_path, tables([WAITING], fct_case_status=WAITING_STATUSES))
    rows = explained(huiyin, "H2")["explained"]["rows"]
    assert [(row["from"][5:16], row["seconds"], row["reason"]) for row in rows] == [
        ("03-02T14:00", 3600, "working"),
        ("03-02T15:00", 0, "paused:waiting_on_reporter"),
        ("03-04T10:00", 7200, "working"),
        ("03-04T12:00", 0, "lunch"),
        ("03-04T13:30", 1800, "working"),
    ]


def test_a_clock_of_certain_statuses_stands_still_in_all_others(
    huiyin: Command, tmp_path: Path
) -> None:
    statuses = [
        status("H3", 1, "new", "2026-03-02T14:00", "2026-03-02T15:00"),
        status("H3", 2, "waiting_on_partner", "2026-03-02T15:00", "2026-03-02T16:00"),
        status("H3", 3, "in_progress", "2026-03-02T16:00", None),
    ]
    work = clock("H3", "2026-03-02T14:00", "2026-03-02T17:00", 7200, clock="agent_work",
                 policy_key=None)  # fmt: skip
    publish(tmp_path, tables([work], fct_case_status=statuses))
    found = explained(huiyin, "H3")
    # The case has no resolution clock, so the first that it has is explained.
    assert found["explained"]["clock"] == "agent_work"
    assert [row["reason"] for row in found["explained"]["rows"]] == [
        "working",
        "paused:waiting_on_partner",
        "working",
    ]
    assert found["clocks"][0]["policy"] is None
    _, out, _ = huiyin("sla", "explain", "H3", "--language", "en")
    assert "no policy is for this case" in out


def test_the_resolution_of_the_last_cycle_is_explained_unless_another_clock_is_asked_for(
    huiyin: Command, tmp_path: Path
) -> None:
    again = clock("H1", "2026-03-02T09:00", "2026-03-02T10:00", 3600, ordinal=2)
    reply = clock("H1", "2026-02-13T17:00", "2026-02-13T17:30", 1800, clock="first_response")
    now = clock("H1", "2026-02-13T17:00", "2026-02-13T17:10", 600, evaluation="as_is")
    publish(tmp_path, tables([again, FESTIVAL, reply, now]))
    found = explained(huiyin, "H1")
    assert [(one["clock"], one["ordinal"]) for one in found["clocks"]] == [
        ("first_response", 1),
        ("resolution", 1),
        ("resolution", 2),
    ]
    assert (found["explained"]["ordinal"], found["explained"]["elapsed_seconds"]) == (2, 3600)
    # The second cycle began later than the case.
    assert found["explained"]["rows"][0]["reason"] == "before start"
    first = explained(huiyin, "H1", "--ordinal", "1")["explained"]
    assert first["elapsed_seconds"] == 34_200
    other = explained(huiyin, "H1", "--clock", "first_response")["explained"]
    assert other["elapsed_seconds"] == 1800
    assert explained(huiyin, "H1", "--as-is")["explained"]["elapsed_seconds"] == 600
    code, _, err = huiyin("sla", "explain", "H1", "--clock", "partner")
    assert code == 2 and "it has first_response, resolution" in err
    code, _, err = huiyin("sla", "explain", "H1", "--ordinal", "3")
    assert code == 2 and "it has 1, 2" in err


def test_why_the_policy_won_and_those_it_was_under_are_told_in_both_languages(
    huiyin: Command, tmp_path: Path
) -> None:
    moved = {**FESTIVAL, "policy_key": "urgent", "is_breached_on_change": True,
             "is_provisional": True}  # fmt: skip
    urgent = policy("urgent", version=2, ordinal=10, name="加急", name_en="Urgent", target=14_400,
                    unit="business_seconds", priority="P1", channel="phone;web")  # fmt: skip
    before = {
        "clock_key": FESTIVAL["clock_key"], "segment_no": 1, "policy_key": "five", "target": 5,
        "from_at": utc("2026-02-13T17:00"), "to_at": utc("2026-02-14T10:00"),
        "unit": "working_days", "due_at": utc("2026-02-28T00:00"),
    }  # fmt: skip
    publish(tmp_path, tables([moved], dim_sla_policy=[urgent], fct_sla_segment=[before]))
    told = explained(huiyin, "H1")["clocks"][0]
    assert told["policy"]["conditions"] == {"priority": "P1", "channel": "phone;web"}
    assert told["segments"][0]["policy"]["id"] == "five"
    assert told["segments"][0]["to"] == "2026-02-14T10:00:00+08:00"
    assert told["unit_at_due"] == {"id": "SC01", "name": {"zh": "成都", "en": "Chengdu"}}
    assert told["is_breached_on_change"] and told["is_provisional"]
    _, english, _ = huiyin("sla", "explain", "H1", "--language", "en")
    for words in ("Urgent [urgent v2] (ordinal 10)", "priority = P1, channel = phone;web",
                  "Five days [five v1], limit 5 working days", "Chengdu / Zigong",
                  "already past the new limit", "provisional", "9 h 30 min (34200 s)"):  # fmt: skip
        assert words in english, words
    _, chinese, _ = huiyin("sla", "explain", "H1", "--language", "zh")
    for words in ("加急 [urgent v2]（次序 10）", "优先级 = P1，渠道 = phone;web", "放假：春节",
                  "时限 5 个工作日", "成都 / 自贡", "合计 9 小时 30 分（34200 秒）"):  # fmt: skip
        assert words in chinese, words


def test_rows_that_do_not_add_up_are_told_loudly_and_exit_1(
    huiyin: Command, tmp_path: Path
) -> None:
    publish(tmp_path, tables([{**FESTIVAL, "elapsed_s": 34_201}]))
    code, out, err = huiyin("sla", "explain", "H1", "--format", "json", "--language", "en")
    assert code == 1 and not json.loads(out)["explained"]["adds_up"]
    assert "add up to 34200 s, but the snapshot says 34201 s" in err
    assert FESTIVAL["clock_key"] in err
    code, _, err = huiyin("sla", "explain", "H1", "--language", "zh")
    assert code == 1 and "34201" in err and "错误" in err


def test_an_unknown_case_is_told_with_the_nearest_numbers(huiyin: Command, tmp_path: Path) -> None:
    numbers = ("H2026030200005", "H2026030200007", "M2026030200009")
    publish(
        tmp_path,
        tables([clock(one, "2026-03-02T09:00", "2026-03-02T10:00", 3600) for one in numbers]),
    )
    code, _, err = huiyin("sla", "explain", "H2026030200006")
    assert code == 2
    assert "H2026030200005 (hotline), H2026030200007 (hotline)" in err
    code, _, err = huiyin("sla", "explain", "H2026030200005", "--source", "mail")
    assert code == 2 and "of source mail" in err


def test_a_number_of_two_sources_needs_its_source(huiyin: Command, tmp_path: Path) -> None:
    other = clock("H1", "2026-03-02T09:00", "2026-03-02T10:00", 3600, source="mail")
    publish(tmp_path, tables([FESTIVAL, other]))
    code, _, err = huiyin("sla", "explain", "H1")
    assert code == 2 and "hotline, mail" in err and "--source" in err
    found = explained(huiyin, "H1", "--source", "mail")
    assert (found["source"], found["explained"]["elapsed_seconds"]) == ("mail", 3600)


def test_a_quote_in_a_number_is_a_part_of_it(huiyin: Command, tmp_path: Path) -> None:
    publish(tmp_path, tables([clock("H'1", "2026-03-02T09:00", "2026-03-02T10:00", 3600)]))
    assert explained(huiyin, "H'1")["case_no"] == "H'1"
    assert huiyin("sla", "explain", "' or true --")[0] == 2


def test_a_clock_that_no_calendar_reaches_is_told_as_such(huiyin: Command, tmp_path: Path) -> None:
    lost = {**clock("H1", "1970-01-01T09:00", "2026-03-02T10:00", 0), "elapsed_s": None}
    publish(tmp_path, tables([lost]))
    code, _, err = huiyin("sla", "explain", "H1")
    assert code == 2 and "no calendar reaches" in err


def test_before_the_first_case_it_is_said_that_there_is_none(
    huiyin: Command, tmp_path: Path
) -> None:
    code, _, err = huiyin("sla", "explain", "H1")
    assert code == 3 and "none yet" in err
    publish(tmp_path, tables([]))
    code, _, err = huiyin("sla", "explain", "H1")
    assert code == 2 and TAG in err and "no clocks" in err


def test_the_clocks_are_read_by_one_scan_that_the_case_number_narrows(tmp_path: Path) -> None:
    connection = duckdb.connect()
    write(connection, tables([WAITING], fct_case_status=WAITING_STATUSES))
    said: list[str] = []

    class Cursor:
        def execute(self, statement: str) -> Any:
            said.append(statement)
            return connection.execute(statement)

    @contextmanager
    def cursor() -> Any:
        yield Cursor()

    snapshot: Any = SimpleNamespace(tag=TAG, cursor=cursor)
    read_case_clocks(snapshot, "H2", source=None, evaluation="as_was")
    reading = [one for one in said if "fct_sla_clock " in one and "limit 1" not in one]
    assert len(reading) == 1
    (plan,) = plans(connection, reading)
    assert plan.count("SEQ_SCAN") == 1 and "Filters" in plan and "case_no='H2'" in plan
    statuses = [one for one in said if "fct_case_status" in one]
    assert [plan.count("SEQ_SCAN") for plan in plans(connection, statuses)] == [1]


def built(*clocks: Any, **more: Any) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    write(connection, tables(clocks, **more))
    return connection


def test_a_build_whose_clocks_are_what_their_rows_add_up_to_goes_on() -> None:
    # What no calendar reaches has no elapsed time, and nothing to compare.
    lost = {**clock("H9", "1970-01-01T09:00", "2026-03-02T10:00", 0), "elapsed_s": None}
    connection = built(FESTIVAL, WAITING, lost, fct_case_status=WAITING_STATUSES)
    assert check_explanations(connection) == 2
    assert check_explanations(built()) == 0


def test_a_build_with_a_clock_that_its_rows_do_not_explain_is_stopped_and_names_it() -> None:
    connection = built(FESTIVAL, WAITING)
    with pytest.raises(BuildFailedError) as caught:
        check_explanations(connection)
    # Without its statuses nothing tells why the second clock stood still so long.
    assert f"{WAITING['clock_key']} (hotline H2, resolution 1, as_was)" in str(caught.value)
    assert "54000 s by its explanation, 12600 s in fct_sla_clock" in str(caught.value)
    assert FESTIVAL["clock_key"] not in str(caught.value)


def test_the_sample_is_of_paused_changed_and_other_clocks_by_their_smallest_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pipelines.explanation_check.BLOCK", 100)
    clocks = [
        clock(f"H{n}", "2026-03-02T09:00", "2026-03-02T10:00", 3600, paused_s=n % 2)
        for n in range(300)
    ]
    keys = [one["clock_key"] for one in clocks]
    changed = max(keys[200:])
    segment = {"clock_key": changed, "segment_no": 1, "from_at": utc("2026-03-02T09:00"),
               "to_at": utc("2026-03-02T09:30")}  # fmt: skip
    found = {one["clock_key"] for one in sampled_clocks(built(*clocks, fct_sla_segment=[segment]))}
    # The oldest and the newest hundred, of each fifty and all that were paused.
    wanted = {changed}
    for block in (range(100), range(200, 300)):
        wanted |= {*sorted(keys[n] for n in block)[:50], *(keys[n] for n in block if n % 2)}
    assert found == wanted
