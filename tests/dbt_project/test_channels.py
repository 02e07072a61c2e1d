"""The channels besides the hotline become cases; calls, mentions and answers become facts."""

# ruff: noqa: DTZ001  (marts hold instants as naive UTC)

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.dbt_project.builds import Builds

# All tests here share one home, so one worker runs them.
pytestmark = pytest.mark.xdist_group("dbt")


def case(builds: Builds, source: str, number: str) -> dict[str, Any]:
    (row,) = builds.home.rows(
        f"select * from marts.fct_case where source = '{source}' and case_no = '{number}'"
    )
    return row


def events(builds: Builds, source: str, number: str) -> list[tuple[Any, ...]]:
    rows = builds.home.rows(
        "select event_type, event_at, actor_role, is_automatic from marts.fct_feedback_event "
        f"where source = '{source}' and case_no = '{number}' "
        "order by event_at, source_seq, event_id"
    )
    return [tuple(row.values()) for row in rows]


def test_a_thread_is_one_case_that_a_mail_which_came_late_may_begin(builds: Builds) -> None:
    assert events(builds, "mail", "M1") == [
        ("created", datetime(2026, 3, 17, 2), "reporter", False),
        ("reporter_message", datetime(2026, 3, 18, 2), "reporter", False),
        ("public_reply", datetime(2026, 3, 19, 2), "agent", False),
    ]
    thread = case(builds, "mail", "M1")
    # The late mail's subject tells an inquiry where the other told a complaint. Of several trees
    # in one home nobody knows the top that a mail belongs to.
    assert (thread["kind"], thread["channel_id"], thread["org_unit_id"]) == (
        "inquiry",
        "email",
        None,
    )
    assert (thread["first_reply_at"], thread["is_open"]) == (datetime(2026, 3, 19, 2), True)
    assert events(builds, "mail", "M2") == []
    assert builds.home.rows("select text from marts.case_text where source = 'mail'") == [
        {"text": "请问怎么办理 | text m0"}
    ]


def test_a_letter_is_due_from_the_day_it_came_in(builds: Builds) -> None:
    answered = case(builds, "letters", "L1")
    # Thursday the 12th; the fifth working day after it is Thursday the 19th.
    assert answered["created_at"] == datetime(2026, 3, 11, 16)
    assert (answered["created_precision"], answered["due_on"]) == ("day", date(2026, 3, 19))
    assert (answered["kind"], answered["status"], answered["resolution_met"]) == (
        "report",
        "resolved",
        False,
    )
    registered = builds.home.rows(
        "select source_recorded_at from marts.fct_feedback_event where event_id = 'L1:created'"
    )
    assert registered == [{"source_recorded_at": datetime(2026, 3, 15, 16)}]
    unknown = case(builds, "letters", "L2")
    assert (unknown["kind"], unknown["channel_id"]) == ("unrecognised", "letter")


def test_a_wechat_case_is_answered_by_whom_signed_and_corrected_later(builds: Builds) -> None:
    answered = case(builds, "wechat", "W1")
    assert answered["first_reply_at"] == datetime(2026, 3, 18, 5)
    assert (answered["status"], answered["score"], answered["kind"]) == ("resolved", 4, "question")
    assert events(builds, "wechat", "W1")[1] == (
        "public_reply",
        datetime(2026, 3, 18, 2, 0, 1),
        "system",
        True,
    )


def test_a_session_counts_once_and_follows_a_message_that_moved(builds: Builds) -> None:
    session = case(builds, "chat", "S1")
    assert (session["created_at"], session["first_reply_at"]) == (
        datetime(2026, 3, 18, 2),
        datetime(2026, 3, 18, 2, 1),
    )
    assert (session["status"], session["resolution_met"], session["channel_id"]) == (
        "closed",
        True,
        "chat",
    )
    assert builds.home.rows("select count(*) as n from marts.fct_case where source = 'chat'") == [
        {"n": 1}
    ]
    assert "S3" in builds.cases["first"] and "S3" not in builds.cases["later"]
    assert builds.home.rows("select text from marts.case_text where source = 'chat'") == [
        {"text": "text c2 | text c6 | text c5"}
    ]


def test_each_site_numbers_its_own_calls_and_a_corrected_one_moves(builds: Builds) -> None:
    calls = builds.home.rows(
        "select source_branch, call_no, outcome, queue, talked_s, started_on "
        "from marts.fct_call order by source_branch, call_no"
    )
    assert [tuple(row.values()) for row in calls] == [
        ("chengdu", "1", "answered", "faults", 90, date(2026, 3, 19)),
        ("chengdu", "2", "answered", "faults", 60, date(2026, 3, 18)),
        ("mianyang", "1", "abandoned", "faults", 0, date(2026, 3, 18)),
        ("mianyang", "4", "answered", "unrecognised", 60, date(2026, 3, 29)),
    ]
    about = builds.home.rows(
        "select fct_case.case_no, fct_case.source from marts.fct_call "
        "join marts.fct_case using (case_key)"
    )
    assert about == [{"case_no": "T1", "source": "hotline"}]


def test_a_mention_follows_its_last_version_and_a_withdrawn_one_is_gone(builds: Builds) -> None:
    mentions = builds.home.rows(
        "select mention_id, sentiment, published_on, l1_name from marts.fct_mention "
        "join marts.dim_category using (category_id) order by mention_id"
    )
    assert [tuple(row.values()) for row in mentions] == [
        ("N1", "neutral", date(2026, 3, 19), "网络"),
        ("N3", "positive", date(2026, 3, 18), "网络"),
    ]


def test_an_answer_sent_again_counts_once(builds: Builds) -> None:
    answers = builds.home.rows(
        "select respondent_id, question_id, score from marts.fct_survey_response order by all"
    )
    assert [tuple(row.values()) for row in answers] == [
        ("P1", "q1", Decimal("8.00")),
        ("P1", "q2", None),
        ("P2", "q1", Decimal("10.00")),
    ]


def test_void_days_of_a_team_are_gone(builds: Builds) -> None:
    days = builds.home.rows(
        "select staffed_on, headcount, present from marts.fct_staffing order by staffed_on"
    )
    assert [tuple(row.values()) for row in days] == [
        (date(2026, 3, 17), 9, 8),
        (date(2026, 3, 20), 8, 7),
    ]
