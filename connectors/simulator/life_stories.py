"""Three lives of cases written by hand, delivered among the others, and their clocks by hand.

`STORIES` are rows to be read by a person: local times, and for each clock what must come out, found
with pencil and calendar from the rules. A role names the unit whose manager acts, or is one of
agent, reporter, system.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .case import Case, Event
from .days import DAY_S, START, instant_of
from .organisation import Staff, holder_on, tree


@dataclass(frozen=True)
class Story:
    """One case: (at, code, who, fields) for each event, and the clocks and states to come out.

    Clocks: (clock, ordinal, policy, version, started, due, stopped, elapsed seconds, state,
    how).
    States: (at, status, priority, holding unit).
    """

    case_no: str
    name: str
    created: str
    kind: str
    category: str
    channel: str
    unit: str
    urgency: int
    content: str
    events: tuple[tuple[str, str, str, dict[str, str]], ...]
    clocks: tuple[tuple[str, int, str, int, str, str, str, int, str, str], ...]
    states: tuple[tuple[str, str, str, str | None], ...]


STORIES = (
    Story(
        "H2026030290001", "simple", "2026-03-02 09:20:00", "ZX", "资费/套餐咨询", "web", "SC060102",
        3, "请问流量用完以后怎么计费，能不能设置每月封顶。",
        events=(
            ("2026-03-02 09:25:00", "SL", "agent", {}),
            ("2026-03-02 09:40:00", "PD", "agent", {"holder": "SC060102"}),
            ("2026-03-02 10:50:00", "HF", "SC060102", {}),
            ("2026-03-03 11:20:00", "JJ", "SC060102", {}),
            ("2026-03-05 12:00:00", "BJ", "system", {}),
        ),
        clocks=(
            ("first_response", 1, "default_first_response", 1, "2026-03-02 09:20:00",
             "2026-03-03 09:20:00", "2026-03-02 10:50:00", 5_400, "met",
             "1:30 by the clock."),
            ("resolution", 1, "default_resolution", 1, "2026-03-02 09:20:00",
             "2026-03-10 00:00:00", "2026-03-03 11:20:00", 34_200, "met",
             "Fifth working day Mon 9 March. Mon 2:40 and 4:30, Tue 2:20."),
        ),
        states=(
            ("2026-03-02 09:30:00", "accepted", "P3", None),
            ("2026-03-02 12:00:00", "in_progress", "P3", "SC060102"),
            ("2026-03-04 00:00:00", "resolved", "P3", "SC060102"),
            ("2026-03-06 00:00:00", "closed", "P3", "SC060102"),
        ),
    ),
    Story(
        "H2026030690001", "lunch_night_and_weekend", "2026-03-06 11:30:00", "TS", "宽带/断网",
        "app", "SC060101", 2, "家里宽带从早上开始断网，光猫红灯闪烁，重启多次无效。",
        events=(
            ("2026-03-06 11:30:30", "HF", "system", {}),
            ("2026-03-06 11:35:00", "SL", "agent", {}),
            ("2026-03-06 11:50:00", "PD", "agent", {"holder": "SC060101"}),
            ("2026-03-06 12:30:00", "NB", "SC060101", {}),
            ("2026-03-06 19:00:00", "DD", "SC060101", {"status": "DU"}),
            ("2026-03-09 09:30:00", "HF", "SC060101", {}),
            ("2026-03-10 08:00:00", "DD", "SC060101", {"status": "CL"}),
            ("2026-03-15 20:00:00", "JJ", "SC060101", {}),
            ("2026-03-18 12:00:00", "BJ", "system", {}),
        ),
        clocks=(
            ("first_response", 1, "sim_first_response_app", 1, "2026-03-06 11:30:00",
             "2026-03-06 17:00:00", "2026-03-09 09:30:00", 19_800, "breached",
             "4 h: Fri 0:30 before lunch, 3:30 after it, due at 17:00. Taken: 0:30, 4:30, Mon "
             "0:30."),
            ("resolution", 1, "default_resolution", 1, "2026-03-06 11:30:00",
             "2026-03-18 00:00:00", "2026-03-15 20:00:00", 126_000, "met",
             "Fifth working day Fri 13; the pause of Mon 9 and Tue 10 moves it to Tue 17 "
             "March. Fri 5:00; Mon paused; Tue to Fri 7:30 each; the weekend counts nothing."),
        ),
        states=(
            ("2026-03-06 11:34:00", "new", "P2", None),
            ("2026-03-08 12:00:00", "waiting_on_reporter", "P2", "SC060101"),
            ("2026-03-10 12:00:00", "in_progress", "P2", "SC060101"),
        ),
    ),
    Story(
        "H2026021090001", "everything", "2026-02-10 16:30:00", "ZX", "资费/套餐咨询", "web",
        "SC060101", 3, "咨询宽带上网慢和减免的办法，已经好几天了。",
        events=(
            ("2026-02-10 16:40:00", "SL", "agent", {}),
            ("2026-02-10 17:00:00", "PD", "agent", {"holder": "SC060101"}),
            ("2026-02-11 09:30:00", "HF", "SC060101", {}),
            ("2026-02-11 10:00:00", "ZB", "SC060101", {"partner": "P07"}),
            ("2026-02-12 10:00:00", "FL", "SC060101", {"kind": "TS", "category": "宽带/断网"}),
            ("2026-02-13 10:00:00", "TH", "SC060101", {"partner": "P07"}),
            ("2026-02-13 11:00:00", "DJ", "SC060101", {"priority": "P1"}),
            ("2026-02-13 11:30:00", "HF", "SC060101", {}),
            ("2026-02-13 15:00:00", "PD", "SC060101", {"holder": "SC060102"}),
            ("2026-02-14 10:00:00", "DD", "SC060102", {"status": "DU"}),
            ("2026-02-24 10:30:00", "DD", "SC060102", {"status": "CL"}),
            ("2026-02-24 13:45:00", "JJ", "SC060102", {}),
            ("2026-02-25 09:00:00", "DJ", "SC060102", {"priority": "P3"}),
            ("2026-02-26 16:00:00", "CK", "reporter", {}),
            ("2026-02-28 09:00:00", "YH", "reporter", {}),
            ("2026-02-28 10:00:00", "HF", "SC060102", {}),
            ("2026-03-03 09:30:00", "JJ", "SC060102", {}),
            ("2026-03-04 10:00:00", "ZG", "SC060102", {"limit": "2026-03-14 18:00:00"}),
            ("2026-03-06 12:00:00", "BJ", "system", {}),
            ("2026-03-12 15:00:00", "YS", "SC060102", {}),
        ),
        clocks=(
            ("first_response", 1, "default_first_response", 1, "2026-02-10 16:30:00",
             "2026-02-11 16:30:00", "2026-02-11 09:30:00", 61_200, "met",
             "17 h by the clock."),
            ("resolution", 1, "sim_urgent_resolution", 2, "2026-02-10 16:30:00",
             "2026-02-24 14:00:00", "2026-02-24 13:45:00", 42_300, "met",
             "An inquiry, then a complaint: until the priority the limit is the fifth working "
             "day, Tue 24 February. By P1 12 h, partner and reporter paused from the start: "
             "Tue 1:30, Wed 1:00, Fri 1:00 to the priority; 1:00 and 4:30 more on Fri, Sat 14 "
             "(make-up) 1:00: 10 h at the pause. After the festival 2 h from Tue 24 10:30: "
             "1:30 and, after lunch, 0:30. It took 1:30 and 0:15 of them."),
            ("resolution", 2, "sim_reopened_resolution", 1, "2026-02-26 16:00:00",
             "2026-03-03 00:00:00", "2026-03-03 09:30:00", 90_000, "breached",
             "P3 again: Fri 27, Sat 28 (make-up), Mon 2 March. Thu 2:00, three times 7:30, Tue "
             "0:30."),
            ("partner", 1, "sim_partner", 1, "2026-02-11 10:00:00",
             "2026-02-15 00:00:00", "2026-02-13 10:00:00", 54_000, "met",
             "Thu 12, Fri 13, Sat 14. Wed 2:00 and 4:30, Thu 7:30, Fri 1:00."),
            ("next_response", 1, "sim_next_response", 1, "2026-02-28 09:00:00",
             "2026-03-02 09:30:00", "2026-02-28 10:00:00", 3_600, "met",
             "8 h: Sat 28 (make-up) 7:30, Mon 0:30."),
            ("rectification", 1, "sim_rectification", 1, "2026-03-04 10:00:00",
             "2026-03-14 18:00:00", "2026-03-12 15:00:00", 174_600, "met",
             "Wed 6:30, Thu, Fri, Mon, Tue, Wed 7:30 each, Thu 3:00 and 1:30."),
        ),
        states=(
            ("2026-02-11 12:00:00", "waiting_on_partner", "P3", "SC060101"),
            ("2026-02-13 12:00:00", "in_progress", "P1", "SC060101"),
            ("2026-02-13 16:00:00", "in_progress", "P1", "SC060102"),
            ("2026-02-18 00:00:00", "waiting_on_reporter", "P1", "SC060102"),
            ("2026-02-25 12:00:00", "resolved", "P3", "SC060102"),
            ("2026-02-27 12:00:00", "in_progress", "P3", "SC060102"),
            ("2026-03-07 00:00:00", "closed", "P3", "SC060102"),
        ),
    ),
)  # fmt: skip


def seconds_of(text: str) -> int:
    """A local time as seconds from day 0."""
    start = datetime.combine(START, datetime.min.time())
    return int((datetime.fromisoformat(text) - start).total_seconds())


def story_cases(day: int, staff: Staff) -> list[Case]:
    """The cases of the stories that were created on a day."""
    return [_case(story, staff) for story in STORIES if seconds_of(story.created) // DAY_S == day]


def _case(story: Story, staff: Staff) -> Case:
    units = {unit.code: place for place, unit in enumerate(tree().units)}
    at = seconds_of(story.created)

    def manager(unit: str) -> str:
        return holder_on(staff, units[unit], at // DAY_S)

    events = []
    for n, (when, code, who, fields) in enumerate(story.events, start=1):
        role = "handler" if who in units else who
        actor = manager(who) if who in units else staff.agents[0] if who == "agent" else ""
        more: dict[str, Any] = dict(fields)
        if "holder" in more:
            more["holder_no"] = manager(more["holder"])
        if "limit" in more:
            more["limit"] = seconds_of(more["limit"])
        events.append(
            Event(f"{story.case_no}{n:02d}", story.case_no, code, seconds_of(when), actor, role,
                  automatic=who == "system", **more)
        )  # fmt: skip
    return Case(
        case_no=story.case_no, at=at, customer=-1, phone="", kind=story.kind,
        category=story.category, channel=story.channel, unit_code=story.unit,
        urgency=story.urgency, content=story.content, events=tuple(events),
    )  # fmt: skip


def tell_lives() -> list[dict[str, Any]]:
    """The stories as data: events, clocks and states, with instants in local time and offset."""

    def told(text: str) -> str:
        return instant_of(seconds_of(text)).isoformat()

    names = ("clock", "ordinal", "policy_id", "policy_version", "started_at", "due_at",
             "stopped_at", "elapsed_s", "state", "how")  # fmt: skip
    return [
        {
            "source": "hotline",
            "case_no": story.case_no,
            "story": story.name,
            "created_at": told(story.created),
            "kind": story.kind,
            "channel": story.channel,
            "unit": story.unit,
            "urgency": story.urgency,
            "events": [
                {"at": told(when), "code": code, "who": who, **fields}
                for when, code, who, fields in story.events
            ],
            "clocks": [
                {
                    name: told(str(cell)) if name.endswith("_at") else cell
                    for name, cell in zip(names, row, strict=True)
                }
                for row in story.clocks
            ],
            "states": [
                {"at": told(when), "status": status, "priority": priority, "unit": unit}
                for when, status, priority, unit in story.states
            ],
        }
        for story in STORIES
    ]
