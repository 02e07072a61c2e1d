"""Batches of the channels besides the hotline, of calls, mentions, surveys and staffing."""

# ruff: noqa: DTZ001  (raw tables hold instants as naive UTC)

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from tests.dbt_project.raw_home import RawHome

UNIT = "51010701"
DAY = datetime(2026, 3, 18, 2)


def mail(number: str, thread: str, at: datetime, **values: Any) -> dict[str, Any]:
    return {
        "message_id": number,
        "thread_id": thread,
        "received_at": at,
        "sender": "ps-mail",
        "recipient": "box@example.com",
        "subject": "关于宽带的投诉",
        "content": f"text {number}",
        "attachment_count": 0,
        "is_automatic": False,
        **values,
    }


def letter(number: str, **values: Any) -> dict[str, Any]:
    return {
        "letter_no": number,
        "received_on": date(2026, 3, 12),
        "registered_on": date(2026, 3, 16),
        "kind_word": "举报",
        "category_path": "服务/态度",
        "unit_code": UNIT,
        "registrar_no": "R1",
        "content": f"text {number}",
        **values,
    }


def submission(number: str, at: datetime, **values: Any) -> dict[str, Any]:
    return {
        "submission_no": number,
        "open_id": "ps-open",
        "submitted_at": at,
        "kind_code": "WT",
        "unit_code": UNIT,
        "content": f"text {number}",
        **values,
    }


def reply(number: str, of: str, code: str, at: datetime, **values: Any) -> dict[str, Any]:
    return {
        "reply_no": number,
        "submission_no": of,
        "reply_code": code,
        "replied_at": at,
        "actor_no": "a1",
        **values,
    }


def chat(number: str, session: str, role: str, at: datetime, **values: Any) -> dict[str, Any]:
    return {
        "message_no": number,
        "session_no": session,
        "sent_at": at,
        "sender_role": role,
        "visitor": "ps-visitor",
        "unit_code": UNIT,
        "is_last": False,
        "content": f"text {number}",
        **values,
    }


def call(number: str, branch: str, at: datetime, **values: Any) -> dict[str, Any]:
    return {
        "call_no": number,
        "_branch": branch,
        "started_at": at,
        "unit_code": UNIT,
        "queue_code": "02",
        "outcome_code": "A",
        "waited_seconds": 10,
        "talked_seconds": 60,
        **values,
    }


def mention(number: str, at: datetime, **values: Any) -> dict[str, Any]:
    return {
        "mention_no": number,
        "site": "weibo",
        "published_at": at,
        "seen_at": datetime(2026, 3, 18, 3),
        "unit_code": UNIT,
        "category_path": "网络/中断",
        "sentiment": "negative",
        "reach": 100,
        **values,
    }


def answer(respondent: str, question: str, score: str | None, at: datetime) -> dict[str, Any]:
    return {
        "survey_code": "S",
        "round_no": 1,
        "respondent_no": respondent,
        "customer_no": "K1",
        "unit_code": UNIT,
        "question_code": question,
        "score": None if score is None else Decimal(score),
        "answered_at": at,
    }


def staffing(day: date, headcount: int, **values: Any) -> dict[str, Any]:
    return {
        "unit_code": UNIT,
        "day": day,
        "_business_date": day,
        "headcount": headcount,
        "on_leave": 1,
        "state": "valid",
        **values,
    }


def add_first_channels(home: RawHome) -> None:
    home.add(
        "mail__messages",
        [
            mail("m1", "M1", DAY),
            mail("m2", "M1", datetime(2026, 3, 18, 2, 1), is_automatic=True),
            mail("m3", "M2", DAY, is_automatic=True),
        ],
        day="received_at",
    )
    home.add("letters__letters", [letter("L1"), letter("L2", kind_word="怪")], day="registered_on")
    home.add("wechat__submissions", [submission("W1", DAY)], day="submitted_at")
    home.add(
        "wechat__replies",
        [
            reply("R0", "W1", "HF", datetime(2026, 3, 18, 2, 0, 1), actor_no=None),
            reply("R1", "W1", "HF", datetime(2026, 3, 18, 4)),
        ],
        day="replied_at",
    )
    home.add(
        "chat__messages",
        [
            chat("c1", "S1", "robot", datetime(2026, 3, 18, 1, 59, 58)),
            chat("c2", "S1", "customer", DAY),
            chat("c3", "S2", "robot", DAY, is_last=True),
            chat("c6", "S3", "customer", DAY),
        ],
        day="sent_at",
    )
    home.add(
        "call_centre__calls",
        [
            call("1", "chengdu", DAY, case_no="T1"),
            call("1", "mianyang", DAY, outcome_code="B", talked_seconds=0),
            call("2", "chengdu", DAY),
        ],
        day="started_at",
    )
    home.add("call_centre__calls", [call("3", "nanchong", DAY)], day="started_at", batch="gone")
    home.add(
        "monitoring__mentions",
        [mention("N1", DAY), mention("N2", DAY), mention("N3", DAY, sentiment="positive")],
        day="published_at",
    )
    home.add(
        "survey__responses",
        [answer("P1", "q1", "7.5", DAY), answer("P1", "q2", None, DAY)],
        day="answered_at",
    )
    home.add(
        "hr__staffing",
        [staffing(date(2026, 3, day), 8) for day in (17, 18, 19, 20)],
    )


def add_later_channels(home: RawHome) -> None:
    later: dict[str, Any] = {"batch": "b2", "recorded": datetime(2026, 3, 30)}
    home.add(
        "mail__messages",
        [
            # A mail that was late and began the thread, and our answer to the reporter.
            mail("m0", "M1", datetime(2026, 3, 17, 2), subject="请问怎么办理"),
            mail("m4", "M1", datetime(2026, 3, 19, 2), sender="ps-ours", recipient="ps-mail"),
        ],
        day="received_at",
        **later,
    )
    home.add(
        "letters__letters",
        [letter("L1", answered_on=date(2026, 3, 20))],
        day="registered_on",
        **later,
    )
    home.add(
        "wechat__submissions",
        [submission("W2", datetime(2026, 3, 29, 2), kind_code="??")],
        day="submitted_at",
        **later,
    )
    home.add(
        "wechat__replies",
        [
            reply("R2", "W1", "JJ", datetime(2026, 3, 19, 4)),
            reply("R3", "W1", "MY", datetime(2026, 3, 19, 5), actor_no=None, score=4),
            # The first answer's instant is corrected.
            reply("R1", "W1", "HF", datetime(2026, 3, 18, 5)),
        ],
        day="replied_at",
        **later,
    )
    home.add(
        "chat__messages",
        [
            chat("c4", "S1", "agent", datetime(2026, 3, 18, 2, 1), agent_no="a7"),
            chat("c5", "S1", "customer", datetime(2026, 3, 18, 2, 2), is_last=True),
            # The message belongs to another session after all, so S3 is none.
            chat("c6", "S1", "customer", datetime(2026, 3, 18, 2, 0, 30)),
        ],
        day="sent_at",
        **later,
    )
    home.add(
        "call_centre__calls",
        [
            # Sent again by its own site: it was another day, and longer.
            call("1", "chengdu", datetime(2026, 3, 19, 2), case_no="T1", talked_seconds=90),
            call("4", "mianyang", datetime(2026, 3, 29, 2), queue_code="99"),
        ],
        day="started_at",
        **later,
    )
    home.add(
        "monitoring__mentions",
        [
            mention("N1", datetime(2026, 3, 19, 2), sentiment="neutral", _op="U"),
            mention("N2", DAY, _op="D"),
        ],
        day="published_at",
        **later,
    )
    home.add(
        "survey__responses",
        [answer("P1", "q1", "8.0", DAY), answer("P2", "q1", "10", datetime(2026, 3, 29, 2))],
        day="answered_at",
        **later,
    )
    home.add(
        "hr__staffing",
        [
            staffing(date(2026, 3, 17), 9),
            # Void: told by the row's state, and by a tombstone.
            staffing(date(2026, 3, 18), 8, state="void"),
            staffing(date(2026, 3, 19), 8, state="void", _op="D"),
        ],
        **later,
    )
    home.withdraw("call_centre__calls", "gone")
