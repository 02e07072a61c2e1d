"""Rows and sums of the marts that no figure of a cube checks, for `truth.json`.

A fact is `{"mart", "measure", "where", "value"}`: `select <measure> from marts.<mart> where
<where>` gives the value; money and scores are decimal texts. What the marts must mean:

- `fct_call`: calls of the sites that delivered, without the malformed ones.
- `fct_mention`: the reading of the latest delivery counts; a corrected day replaces the first one.
- `fct_survey_response`: without the round whose file was changed after its log.
- `fct_staffing`: rows that are not void, in their latest version.
- `fct_case`, `fct_feedback_event`, by source. A WeChat submission, a letter, a chat session and a
  mail thread are a case each; `created` is its first event. Letters: received_on decides (precision
  day), the answer resolves. Chat: further words of the customer are `reporter_message`, those of
  robot (automatic) and agent `public_reply`, the last message resolves and closes. Mails: automatic
  ones make no event, our own are `public_reply` or, with 办结 in the subject, `resolved`, those of
  others `reporter_message`. A case of the franchise has at most one event of each kind. Of the
  hotline the events are told, as its codes name them.
"""

from collections import Counter
from typing import Any

import numpy as np

from .calls import ABANDONED, ANSWERED, BUSY, is_heard
from .days import iso
from .defects import Plan
from .feedback import Feedback
from .mentions import CORRECTED_DAY, SENTIMENTS, corrected, delivered
from .outage import OUTAGE_DAYS
from .schedule import slots_of
from .surveys import CHANGED_ROUND
from .world import World

Fact = dict[str, Any]
_CHANNELS = ("chat", "letters", "mail", "partner_feedback", "wechat")
_EVENT_TYPES = {
    "HF": "public_reply",
    "XX": "reporter_message",
    "JJ": "resolved",
    "BJ": "closed",
    "MY": "voted",
    "SL": "accepted",
    "PD": "assigned",
    "NB": "internal_note",
    "DD": "status_set",
    "CK": "reopened",
    "DJ": "priority_set",
    "FL": "classified",
    "ZB": "forwarded",
    "TH": "partner_returned",
    "YH": "reporter_message",
    "BA": "merged_into",
    "SR": "spam_flagged",
    "JS": "spam_cleared",
    "ZG": "rectification_ordered",
    "YS": "rectification_verified",
    "CX": "withdrawn",
}


def tell_facts(world: World, plan: Plan, feedback: Feedback) -> list[Fact]:
    """All facts at the end of the world's day."""
    return [
        *_call_facts(world, plan),
        *_mention_facts(world),
        *_survey_facts(world),
        *_staffing_facts(world),
        *_feedback_facts(feedback),
    ]


def _fact(mart: str, measure: str, where: str, value: int | str) -> Fact:
    return {"mart": mart, "measure": measure, "where": where, "value": value}


def _call_facts(world: World, plan: Plan) -> list[Fact]:
    calls = world.calls
    landed = is_heard(calls)
    landed[list(plan.calls)] = False
    outage = landed & np.isin(calls.day, OUTAGE_DAYS)
    days = " or ".join(f"started_on = date '{iso(day)}'" for day in OUTAGE_DAYS)
    found = [
        _fact("fct_call", "count(*)", "true", int(landed.sum())),
        _fact("fct_call", "sum(waited_s)", "true", int(calls.waited[landed].sum())),
        _fact("fct_call", "sum(talked_s)", "true", int(calls.talked[landed].sum())),
        _fact("fct_call", "count(*)", days, int(outage.sum())),
        _fact("fct_call", "count(case_no)", "true", int((landed & (calls.case >= 0)).sum())),
    ]
    for name, outcome in (("answered", ANSWERED), ("abandoned", ABANDONED), ("busy", BUSY)):
        count = int((landed & (calls.outcome == outcome)).sum())
        found.append(_fact("fct_call", "count(*)", f"outcome = '{name}'", count))
    return found


def _mention_facts(world: World) -> list[Fact]:
    latest: dict[str, tuple[str, int]] = {}
    for slot in slots_of("monitoring", "mentions", world.through):
        rows = delivered(world.mentions, slot.covers_from, slot.business_day)
        if slot.business_day == CORRECTED_DAY:
            rows = corrected(rows)
        latest |= {m.mention_no: (sentiment, m.reach) for m, sentiment in rows}
    counts = Counter(sentiment for sentiment, _ in latest.values())
    return [
        _fact("fct_mention", "count(*)", "true", len(latest)),
        _fact("fct_mention", "sum(reach)", "true", sum(reach for _, reach in latest.values())),
        *(_fact("fct_mention", "count(*)", f"sentiment = '{s}'", counts[s]) for s in SENTIMENTS),
    ]


def _survey_facts(world: World) -> list[Fact]:
    landed = [a for a in world.answers if a.round_no != CHANGED_ROUND]
    scores = [a.tenths for a in landed if a.tenths is not None]
    total = sum(scores)
    last = max((a.round_no for a in landed), default=0)
    return [
        _fact("fct_survey_response", "count(*)", "true", len(landed)),
        _fact("fct_survey_response", "count(score)", "true", len(scores)),
        _fact("fct_survey_response", "sum(score)", "true", f"{total // 10}.{total % 10}"),
        _fact(
            "fct_survey_response",
            "count(*)",
            f"round_no = {last}",
            sum(a.round_no == last for a in landed),
        ),
    ]  # fmt: skip


def _staffing_facts(world: World) -> list[Fact]:
    valid = [r for r in world.team_days if not r.is_void]
    return [
        _fact("fct_staffing", "count(*)", "true", len(valid)),
        _fact("fct_staffing", "sum(headcount)", "true", sum(r.headcount for r in valid)),
        _fact("fct_staffing", "sum(on_leave)", "true", sum(r.on_leave for r in valid)),
    ]


def _feedback_facts(feedback: Feedback) -> list[Fact]:
    found = []
    for source in ("hotline", *_CHANNELS):
        cases = [c for c in feedback.cases if c.source == source]
        if source != "hotline":
            found.append(_fact("fct_case", "count(*)", f"source = '{source}'", len(cases)))
        types = Counter(_EVENT_TYPES[e.code] for c in cases for e in feedback.events[c.case_no])
        types["created"] = len(cases)
        for event_type, count in sorted(types.items()):
            where = f"source = '{source}' and event_type = '{event_type}'"
            found.append(_fact("fct_feedback_event", "count(*)", where, count))
    return found
