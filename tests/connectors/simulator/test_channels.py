"""The files of the channels: formats, planted defects, and the facts recounted from them."""

import hashlib
import json
import sqlite3
import zipfile
from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.simulator import Truth, simulate_next_day
from tests.connectors.simulator.channel_reading import (
    Channels,
    Sent,
    body_of,
    read_channels,
    received,
    tenths,
)

OUTAGE = ("2026-03-29", "2026-03-30")


def defect(truth: Truth, code: str, source: str) -> dict[str, Any]:
    (found,) = (d for d in truth.defects if (d["code"], d["source"]) == (code, source))
    return found


def facts(truth: Truth, mart: str) -> dict[tuple[str, str], Any]:
    return {(f["measure"], f["where"]): f["value"] for f in truth.facts if f["mart"] == mart}


def file_of(channels: Channels, name: str) -> Sent:
    (found,) = (f for f in channels.files if f.path.name == name)
    return found


def test_files_of_the_channels_agree_with_their_logs_except_the_planted_ones(
    channels: Channels, truth: Truth
) -> None:
    wrong = {f.path.name for f in channels.files if not f.agrees()}
    planted = {d["batch"] for d in truth.defects if d["code"] in ("lying_log", "changed_file")}
    assert wrong == planted == {"messages_20260325_0007.jsonl", "responses_20250625_0002.zip"}


def test_control_sums_are_those_of_the_rows(channels: Channels) -> None:
    for file in channels.files:
        if file.log["stream"] == "calls":
            assert int(file.log["sums"]["talked_seconds"]) == sum(
                r["talked_seconds"] for r in file.rows
            )
        if file.log["stream"] == "responses" and file.agrees():
            scores = [tenths(r["score"]) for r in file.rows]
            assert Decimal(file.log["sums"]["score"]) == sum(s for s in scores if s is not None)


def test_the_changed_file_is_younger_than_its_log(channels: Channels, truth: Truth) -> None:
    path = file_of(channels, defect(truth, "changed_file", "survey")["batch"]).path
    log = path.with_name(f"{path.name}.send.log")
    assert path.stat().st_mtime > log.stat().st_mtime


def test_the_lying_log_counts_too_many_rows(channels: Channels, truth: Truth) -> None:
    file = file_of(channels, defect(truth, "lying_log", "chat")["batch"])
    assert file.log["rows"] == file.records + 3
    assert file.log["sha256"] == hashlib.sha256(file.path.read_bytes()).hexdigest()


def test_one_number_of_the_replies_never_comes(channels: Channels, truth: Truth) -> None:
    gap = defect(truth, "sequence_gap", "wechat")
    numbers = [f.log["sequence"] for f in channels.files if f.log["stream"] == "replies"]
    missing = sorted(set(range(1, max(numbers) + 1)) - set(numbers))
    assert [str(n) for n in missing] == gap["records"]
    assert file_of(channels, gap["batch"]).log["sequence"] == missing[0] + 1


def test_a_letter_book_comes_with_the_number_of_an_earlier_day(
    channels: Channels, truth: Truth
) -> None:
    file = file_of(channels, defect(truth, "sequence_rewind", "letters")["batch"])
    others = [f for f in channels.files if f.log["source"] == "letters" and f is not file]
    (used,) = (f for f in others if f.log["sequence"] == file.log["sequence"])
    assert used.log["business_date"] < file.log["business_date"]
    (right,) = (f for f in others if f.log["business_date"] == file.log["business_date"])
    letters = {row["来信编号"] for row in file.rows}
    assert letters > {row["来信编号"] for row in right.rows}


def test_the_correction_replaces_a_day_and_differs_from_it(
    channels: Channels, truth: Truth
) -> None:
    found = defect(truth, "late_correction", "monitoring")
    first, second = (file_of(channels, found[name]) for name in ("original", "batch"))
    for name in ("stream", "branch", "business_date", "sequence"):
        assert first.log[name] == second.log[name]
    assert first.log["sent_at"] < second.log["sent_at"]
    assert first.rows[0]["sentiment"] != second.rows[0]["sentiment"]
    assert int(second.rows[1]["reach"]) == int(first.rows[1]["reach"]) + 1000
    assert len(second.rows) == len(first.rows) - 1


def test_one_site_falls_silent_and_the_others_go_on(channels: Channels, truth: Truth) -> None:
    silent = defect(truth, "silent_branch", "call_centre")
    last = {
        f.log["branch"]: f.log["business_date"]
        for f in channels.files
        if f.log["source"] == "call_centre"
    }
    assert last == {"chengdu": "2026-03-30", "mianyang": "2026-03-30", "nanchong": "2026-03-27"}
    assert (silent["branch"], silent["business_date"]) == ("nanchong", "2026-03-28")


def test_broken_call_records_are_the_listed_ones(channels: Channels, truth: Truth) -> None:
    listed = defect(truth, "malformed_row", "call_centre")
    for file in channels.files:
        lines = [r["line"] for r in listed["records"]] if file.path.name == listed["batch"] else []
        assert file.bad == sorted(lines)
    file = file_of(channels, listed["batch"])
    lines = file.path.read_bytes().split(b"\n")
    by_fault = {r["fault"]: lines[r["line"] - 1] for r in listed["records"]}
    assert len(by_fault["too_few_fields"]) == 60
    assert by_fault["bad_number"][64:70] == b"  12x5"
    assert by_fault["missing_required"][49:61].strip() == b""


def test_calls_are_those_of_the_facts_and_wait_longer_in_the_outage(
    channels: Channels, truth: Truth
) -> None:
    calls = list(channels.rows["calls"].values())
    told = facts(truth, "fct_call")
    assert told["count(*)", "true"] == len(calls)
    assert told["sum(waited_s)", "true"] == sum(c["waited_seconds"] for c in calls)
    assert told["sum(talked_s)", "true"] == sum(c["talked_seconds"] for c in calls)
    outcomes = Counter(c["outcome_code"] for c in calls)
    for name, code in (("answered", "A"), ("abandoned", "B"), ("busy", "C")):
        assert told["count(*)", f"outcome = '{name}'"] == outcomes[code] > 0
    cut = [c for c in calls if f"{c['started_at']:%Y-%m-%d}" in OUTAGE]
    days = " or ".join(f"started_on = date '{day}'" for day in OUTAGE)
    assert told["count(*)", days] == len(cut)
    waits = [c["waited_seconds"] for c in cut if c["unit_code"].startswith("SC06")]
    usual = [c["waited_seconds"] for c in calls if f"{c['started_at']:%Y-%m-%d}" not in OUTAGE]
    assert sum(waits) / len(waits) > 3 * sum(usual) / len(usual)


def test_a_call_that_became_a_case_names_it(channels: Channels, landed: Any) -> None:
    created = {r["case_no"]: r for r in landed.rows["cases"] if r["case_no"].startswith("H")}
    linked = [c for c in channels.rows["calls"].values() if c["case_no"]]
    assert linked
    for call in linked:
        assert created[call["case_no"]]["created_at"] == call["started_at"]
        assert call["outcome_code"] == "A"


def test_mentions_rise_in_the_outage_and_are_read_as_the_latest_delivery_says(
    channels: Channels, truth: Truth
) -> None:
    mentions = list(channels.rows["mentions"].values())
    # A mention left out of the correction stands in no other delivery.
    told = facts(truth, "fct_mention")
    assert told["count(*)", "true"] == len(mentions)
    assert told["sum(reach)", "true"] == sum(int(m["reach"]) for m in mentions)
    for sentiment, count in Counter(m["sentiment"] for m in mentions).items():
        assert told["count(*)", f"sentiment = '{sentiment}'"] == count
    days = Counter(m["published_at"][:10] for m in mentions)
    assert min(days[day] for day in OUTAGE) >= 3
    sent = [r["mention_no"] for f in channels.files if f.log["stream"] == "mentions"
            for r in f.rows]  # fmt: skip
    assert max(Counter(sent).values()) >= 2


def test_survey_answers_are_those_of_the_facts(channels: Channels, truth: Truth) -> None:
    answers = list(channels.rows["responses"].values())
    told = facts(truth, "fct_survey_response")
    scores = [tenths(a["score"]) for a in answers if a["score"]]
    assert {a["round_no"] for a in answers} == {"1", "3", "4", "5"}
    assert told["count(*)", "true"] == len(answers)
    assert told["count(score)", "true"] == len(scores) < len(answers)
    assert Decimal(told["sum(score)", "true"]) == sum(s for s in scores if s is not None)
    assert all("," in a["score"] for a in answers if a["score"])


def test_cases_and_events_of_each_channel_are_those_of_the_facts(
    channels: Channels, truth: Truth
) -> None:
    words = {"HF": "public_reply", "XX": "reporter_message", "JJ": "resolved", "BJ": "closed",
             "MY": "voted"}  # fmt: skip
    cases, events = facts(truth, "fct_case"), facts(truth, "fct_feedback_event")
    for source in ("chat", "letters", "mail", "partner_feedback", "wechat"):
        own = [m for m in channels.matters if m.source == source]
        assert cases["count(*)", f"source = '{source}'"] == len(own) > 0
        types = Counter(words[s.code] for m in own for s in m.steps) | Counter(created=len(own))
        for name, count in types.items():
            assert events["count(*)", f"source = '{source}' and event_type = '{name}'"] == count


def test_a_letter_is_sent_again_when_it_was_answered(channels: Channels) -> None:
    sent: dict[str, list[Any]] = {}
    for file in channels.files:
        if file.log["stream"] == "letters" and file.path.name != "letters_20260326_0007.xlsx":
            for row in file.rows:
                sent.setdefault(row["来信编号"], []).append(row["答复日期"])
    twice = [days for days in sent.values() if len(days) == 2]
    assert twice and all(days[0] is None and days[1] is not None for days in twice)


def test_workbooks_have_no_moment_of_writing(channels: Channels) -> None:
    file = next(f for f in channels.files if f.log["source"] == "letters")
    with zipfile.ZipFile(file.path) as archive:
        assert {e.date_time for e in archive.infolist()} == {(2026, 1, 1, 0, 0, 0)}
        assert archive.read("docProps/core.xml").count(b"2026-01-01T00:00:00Z") == 2


def test_mails_come_in_many_charsets_with_threads_and_automatic_replies(
    home: Path, channels: Channels
) -> None:
    mails = channels.mails
    assert not list((home / "exchange/mail").glob("*.log"))
    charsets = {str(m.get_body(("plain",)).get_content_charset()) for m in mails}  # type: ignore[union-attr]
    assert len(charsets & {"utf-8", "gb18030", "gbk", "gb2312", "big5"}) >= 4
    assert all(any("\u4e00" <= c <= "\u9fff" for c in body_of(m)) for m in mails)
    ids = {m["Message-ID"] for m in mails}
    assert len(ids) == len(mails)
    answers = [m for m in mails if m["In-Reply-To"]]
    assert answers and all(m["In-Reply-To"] in ids for m in answers)
    assert all(m["References"].split()[-1] == m["In-Reply-To"] for m in answers)
    assert any(m.is_multipart() for m in mails)
    assert max(received(m) for m in mails) < datetime(2026, 3, 31)  # noqa: DTZ001


def test_sessions_have_four_to_twelve_messages_of_one_day(channels: Channels) -> None:
    sessions: dict[str, list[str]] = {}
    for row in channels.rows["messages"].values():
        sessions.setdefault(row["session_no"], []).append(row["sent_at"])
    assert all(4 <= len(times) <= 12 for times in sessions.values())
    assert all(len({t[:10] for t in times}) == 1 and times == sorted(times)
               for times in sessions.values())  # fmt: skip


def team_days(home: Path) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(home / "simulator/hr.db")
    rows = connection.execute("select * from team_day order by unit_code, day").fetchall()
    connection.close()
    return rows


def test_team_days_are_those_of_the_facts(home: Path, truth: Truth) -> None:
    rows = team_days(home)
    valid = [r for r in rows if r[4] == "valid"]
    told = facts(truth, "fct_staffing")
    assert 0 < len(rows) - len(valid) < len(rows) * 0.02
    assert told["count(*)", "true"] == len(valid)
    assert told["sum(headcount)", "true"] == sum(r[2] for r in valid)
    assert told["sum(on_leave)", "true"] == sum(r[3] for r in valid)
    assert all(r[3] <= r[2] and r[5] <= "2026-03-31 02:00:00" for r in rows)


def test_the_next_day_changes_what_the_table_says_changed(
    home: Path, tmp_path: Path, truth: Truth
) -> None:
    import shutil

    copy = tmp_path / "home"
    shutil.copytree(home, copy)
    before = {r[:2]: r for r in team_days(copy)}
    told = simulate_next_day(copy)
    after = {r[:2]: r for r in team_days(copy)}
    added = [r for key, r in after.items() if key not in before]
    assert len(added) == 22
    # Whatever differs says so by its moment of change: a reader by cursor sees it.
    assert all(
        after[key] == row or after[key][5] > "2026-03-31 02:00:00" for key, row in before.items()
    )
    valid = sum(r[4] == "valid" for r in after.values())
    assert facts(told, "fct_staffing")["count(*)", "true"] == valid
    channels = read_channels(copy)
    own = [m for m in channels.matters if m.source == "wechat"]
    assert facts(told, "fct_case")["count(*)", "source = 'wechat'"] == len(own)
    days = {r["submitted_at"][:10] for r in channels.rows["submissions"].values()}
    assert max(days) <= "2026-03-31"


@pytest.mark.parametrize("code", ["lying_log", "sequence_gap", "sequence_rewind", "deletion",
                                  "late_correction", "changed_file", "silent_branch",
                                  "malformed_row", "wrong_sum", "missing_log",
                                  "duplicate_batch"])  # fmt: skip
def test_every_planted_code_is_there(truth: Truth, code: str) -> None:
    assert code in {d["code"] for d in truth.defects}


def test_logs_are_sent_after_their_business_date(channels: Channels) -> None:
    for file in channels.files:
        sent = datetime.fromisoformat(file.log["sent_at"])
        day = datetime.fromisoformat(f"{file.log['business_date']}T00:00:00+08:00")
        assert timedelta(days=1) < sent - day < timedelta(days=2)
        assert json.dumps(file.log, ensure_ascii=False)
