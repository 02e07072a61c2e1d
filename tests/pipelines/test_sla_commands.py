"""The commands about time limits, as a person types them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.pipelines.conftest import Command

OFFICE = {
    "zone": "Asia/Shanghai",
    "week": {"mon": [["09:00", "12:00"], ["13:30", "18:00"]]},
    "workdays": {"2026-02-14": "mon"},
}
CASE = {"id": "A1", "calendar": "office", "start": "2026-02-14T17:00", "target": "2h"}


def written(path: Path, *cases: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"calendars": {"office": OFFICE}, "cases": cases}), "utf-8")
    return path


def test_cases_of_a_file_are_answered_as_json_met_or_not(huiyin: Command, tmp_path: Path) -> None:
    late = {**CASE, "end": "2026-02-16T10:00:01"}
    code, out, _ = huiyin("sla", "eval", written(tmp_path / "cases.json", CASE, {**late, "id": 2}))
    assert code == 0
    first, second = json.loads(out)
    assert (first["id"], first["due"]) == ("A1", "2026-02-16T10:00:00+08:00")
    assert (second["id"], second["met"], second["elapsed_seconds"]) == (2, False, 7201)
    assert not (tmp_path / "home").exists()


def test_cases_are_read_from_the_standard_input(
    huiyin: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = written(tmp_path / "cases.json", CASE).read_text("utf-8")
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    code, out, _ = huiyin("sla", "eval", "-")
    assert code == 0 and json.loads(out)[0]["met"] is None


def test_a_faulty_file_is_told_whole_and_exits_2(huiyin: Command, tmp_path: Path) -> None:
    wrong = [{**CASE, "start": "x"}, {**CASE, "id": "A2", "target": "2d"}]
    path = written(tmp_path / "cases.json", *wrong)
    code, out, err = huiyin("sla", "eval", path)
    assert code == 2
    assert "cases[0].start" in err and "cases[1].target" in err
    assert [fault.split(": ")[1] for fault in json.loads(out)["faults"]] == [
        "cases[0].start",
        "cases[1].target",
    ]
    assert huiyin("sla", "eval", tmp_path / "none.json")[0] == 2
    path.write_bytes(b'{"a": "\xff"}')
    assert huiyin("sla", "eval", path)[0] == 2


def due(huiyin: Command, *more: str) -> Any:
    code, out, err = huiyin("sla", "due", "--calendar", "china", *more, "--format", "json")
    assert code == 0, err
    return json.loads(out)


def test_a_due_time_before_the_first_snapshot_is_by_the_rule_tables(huiyin: Command) -> None:
    # The golden vectors V1, V10 and V11.
    answer = due(huiyin, "--start", "2026-02-13T17:00", "--target", "8h")
    assert answer == {
        "calendar": "china",
        "zone": "Asia/Shanghai",
        "start": "2026-02-13T17:00:00+08:00",
        "target": "8h",
        "due": "2026-02-14T17:30:00+08:00",
        "due_on": None,
        "is_provisional": False,
        "snapshot": None,
    }
    answer = due(huiyin, "--start", "2026-02-12", "--target", "10wd", "--ends", "business")
    assert (answer["due_on"], answer["due"]) == ("2026-03-04", "2026-03-04T18:00:00+08:00")
    answer = due(huiyin, "--start", "2026-02-03", "--target", "15cd")
    assert answer["due_on"] == "2026-02-24"
    assert due(huiyin, "--start", "2026-02-03", "--target", "15cd", "--no-roll")["due_on"] == (
        "2026-02-18"
    )


def test_a_due_time_in_a_year_without_a_notice_says_so(huiyin: Command) -> None:
    asked = ("sla", "due", "--calendar", "china", "--start", "2039-06-01T09:00", "--target", "1h")
    code, out, _ = huiyin(*asked, "--language", "zh")
    assert code == 0 and "2039-06-01 10:00+08:00" in out and "暂定" in out
    assert "provisional" in huiyin(*asked, "--language", "en")[1]


def test_an_operators_rows_count_beside_the_shipped_ones(huiyin: Command, tmp_path: Path) -> None:
    folder = tmp_path / "home/site/dbt_project/seeds"
    folder.mkdir(parents=True)
    (folder / "calendar_day.csv").write_text(
        "calendar_id,date_on,is_working,name,announced,like_weekday,starts,ends\n"
        "china,2026-02-14,false,停电,2026-02-13T16:00,,,\n",
        "utf-8",
    )
    answer = due(huiyin, "--start", "2026-02-13T17:00", "--target", "8h")
    assert answer["due"] == "2026-02-24T17:30:00+08:00"


def publish(home: Path, zone: str | None = None) -> None:
    """A snapshot whose calendar `china` opens on Mon 2026-03-02 from 08:00 to 10:00 in Shanghai;
    `zone` is the one it declares."""
    import duckdb

    folder = home / "published" / "s1"
    folder.mkdir(parents=True)
    (folder / "published.json").write_text(
        json.dumps({"tag": "s1", "business_date": "2026-03-30"}), "utf-8"
    )
    (home / "published" / "current").symlink_to("s1")
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.execute(
            """
            create schema marts;
            create table marts.dim_calendar (calendar_id varchar, zone varchar);
            create table marts.calendar_interval as
            select
                'china' as calendar_id, 'Asia/Shanghai' as zone, evaluation,
                timestamp '2026-03-02 00:00' + wait as starts_at,
                timestamp '2026-03-02 02:00' + wait as ends_at
            from (values ('as_is', interval 0 hour), ('as_was', interval 1 hour))
                as t (evaluation, wait);
            create table marts.calendar_date as
            select
                'china' as calendar_id, evaluation, cast(date_on as date) as date_on,
                date_on = date '2026-03-02' as is_working, false as is_holiday,
                false as is_makeup, cast(null as varchar) as holiday_name,
                evaluation = 'as_is' as is_provisional,
                date '2025-11-04' as calendar_version
            from (values ('as_is'), ('as_was')) as t (evaluation)
            cross join generate_series(
                timestamp '2026-03-01', timestamp '2026-03-05', interval 1 day
            ) as s (date_on);
            """
        )
        connection.execute("insert into marts.dim_calendar values ('china', ?)", [zone])


def test_a_due_time_is_by_the_calendar_as_it_is_of_the_published_snapshot(
    huiyin: Command, tmp_path: Path
) -> None:
    publish(tmp_path / "home")
    answer = due(huiyin, "--start", "2026-03-01T12:00", "--target", "90m")
    assert answer["due"] == "2026-03-02T09:30:00+08:00"
    assert (answer["snapshot"], answer["is_provisional"]) == ("s1", True)
    # What the snapshot does not reach is said, and a zone it lacks is counted by the rule tables.
    asked = ("sla", "due", "--calendar", "china", "--start", "2026-03-01T12:00")
    code, _, err = huiyin(*asked, "--target", "3h")
    assert code == 2 and "holds 2026-03-01 to 2026-03-05" in err
    answer = due(huiyin, "--start", "2026-03-01T12:00", "--target", "3h", "--zone", "Asia/Tokyo")
    assert (answer["snapshot"], answer["due"]) == (None, "2026-03-02T12:00:00+09:00")


def test_a_calendar_without_a_zone_of_its_own_is_counted_in_that_of_the_operator(
    huiyin: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path / "home")
    monkeypatch.setenv("HUIYIN_TIMEZONE", "Asia/Tokyo")
    answer = due(huiyin, "--start", "2026-03-01T12:00", "--target", "3h")
    assert (answer["zone"], answer["snapshot"]) == ("Asia/Tokyo", None)
    assert answer["due"] == "2026-03-02T12:00:00+09:00"


def test_a_calendar_with_a_zone_of_its_own_is_counted_in_that_one(
    huiyin: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path / "home", zone="Asia/Shanghai")
    monkeypatch.setenv("HUIYIN_TIMEZONE", "Asia/Tokyo")
    answer = due(huiyin, "--start", "2026-03-01T12:00", "--target", "90m")
    assert (answer["zone"], answer["snapshot"]) == ("Asia/Shanghai", "s1")
    assert answer["due"] == "2026-03-02T09:30:00+08:00"


def test_what_is_typed_wrong_is_said_with_what_would_be_right(huiyin: Command) -> None:
    for wrong, said in (
        (
            ("--calendar", "chnia", "--start", "2026-02-13", "--target", "8h"),
            "did you mean 'china'",
        ),
        (("--calendar", "china", "--start", "soon", "--target", "8h"), "--start"),
        (("--calendar", "china", "--start", "2026-02-13", "--target", "2d"), "10wd"),
        (
            ("--calendar", "china", "--start", "2026-02-13", "--target", "8h", "--ends", "noon"),
            "midnight | business",
        ),
        (
            ("--calendar", "china", "--start", "2026-02-13", "--target", "8h", "--zone", "Mars"),
            "IANA",
        ),
    ):
        code, _, err = huiyin("sla", "due", *wrong)
        assert code == 2 and said in err, (wrong, err)
