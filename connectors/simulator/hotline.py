"""Cases of the 10000 hotline and what usually happens on them; `case_life` tells what else does.

A case draws all its chances when it is created, so that its later events are the same however far
the simulation runs; events after the simulated day are not delivered.
"""

from dataclasses import dataclass, field
from typing import Any

from . import wording
from .case import COMPLAINT_KINDS, Case, Event
from .case_life import LIFE_DRAWS, Circumstances, Earlier, live
from .chance import (
    CALLER_PHONES,
    CASE_LIFE,
    HOTLINE,
    OUTAGE,
    PLANTED_PHONES,
    Draws,
    Floats,
    Ints,
    generator,
    identity_number,
    phone,
)
from .customers import Customers
from .days import DAY_S, compact, hotline_season, nth_working_day
from .life_stories import story_cases
from .organisation import OUTAGE_PREFECTURE, Staff, holder_on, tree
from .outage import outage_cases
from .rules import REMAP_DAY, REMAPPED_FROM, REMAPPED_TO

KINDS = (("TS", 46), ("JB", 3), ("JY", 7), ("YJ", 5), ("ZX", 26), ("WT", 10), ("BY", 3))
CHANNELS = (("phone", 52), ("app", 18), ("wechat", 14), ("web", 8), ("counter", 6), ("letter", 2))
_DRAWS = 60
_Who = dict[str, Any]


@dataclass
class Hotline:
    """All cases in order of creation and the personal values planted in their texts."""

    cases: list[Case] = field(default_factory=list)
    planted: list[tuple[int, str]] = field(default_factory=list)


def answer_calls(
    seed: int, scale: float, through: int, customers: Customers, staff: Staff
) -> Hotline:
    """All cases created up to day `through`."""
    hotline = Hotline()
    desk = _Desk(seed, customers, staff, hotline)
    for day in range(through + 1):
        rng = generator(seed, HOTLINE, day)
        n = int(rng.poisson(6.3 * scale * hotline_season(day)))
        uniforms: Floats = rng.random((n, _DRAWS))
        extra = outage_cases(day, scale)
        more: Floats = generator(seed, OUTAGE, day).random((extra, _DRAWS))
        lives: Floats = generator(seed, CASE_LIFE, day).random((n + extra, LIFE_DRAWS))
        calls = [(_time_of_day(float(row[0])), False, row, n) for n, row in enumerate(uniforms)]
        calls += [
            (_time_of_day(0.12 + 0.85 * float(row[0])), True, row, n + place)
            for place, row in enumerate(more)
        ]
        calls.sort(key=lambda call: call[0])
        active = customers.active_on(day)
        local = active[tree().sub_prefecture[customers.unit[active]] == OUTAGE_PREFECTURE]
        for ordinal, (second, outage, row, place) in enumerate(calls, start=1):
            pool = local if outage else active
            desk.take(day, ordinal, second, outage, row.tolist(), pool, lives[place].tolist())
        hotline.cases += story_cases(day, staff)
    return hotline


def _time_of_day(u: float) -> int:
    # Most calls come between 08:00 and 22:00; one in twenty at night.
    if u < 0.05:
        return int(u / 0.05 * 8 * 3600)
    return int(8 * 3600 + (u - 0.05) / 0.95 * (14 * 3600 - 1))


def _written(number: str, u: float) -> str:
    """A number as people write it: mostly plain, now and then in groups."""
    if u < 0.7:
        return number
    mark = "-" if u < 0.85 else " "
    return mark.join((number[:3], number[3:7], number[7:]))


class _Desk:
    """Takes calls and writes the life of each case."""

    def __init__(self, seed: int, customers: Customers, staff: Staff, hotline: Hotline) -> None:
        self.seed, self.customers, self.staff, self.hotline = seed, customers, staff, hotline
        self.units = tree()
        self.taken = 0
        self.earlier = Earlier()

    def take(
        self, day: int, ordinal: int, second: int, outage: bool, row: list[float],
        pool: Ints, life: list[float],
    ) -> None:  # fmt: skip
        draw = Draws(row[1:])
        count = self.taken
        self.taken += 1
        case_no = f"H{compact(day)}{ordinal:05d}"
        customer = int(pool[draw.below(len(pool))])
        sub = int(self.customers.unit[customer])
        stray = draw()
        if outage and draw() < 0.42:
            sub = self.units.outage_sub
        unit = self.units.sub_branches[sub]
        if not outage and stray > 0.90:
            unit = self.units.units[unit].parent if stray < 0.97 else self.units.prefectures[
                int(self.units.sub_prefecture[sub])
            ]  # fmt: skip
        anonymous = draw() < 0.10
        own_phone = self.customers.phones[customer]
        caller = phone(self.seed, CALLER_PHONES + count) if anonymous else own_phone
        kind = "TS" if outage and draw() < 0.94 else KINDS[draw.weighted([w for _, w in KINDS])][0]
        if outage and kind not in COMPLAINT_KINDS:
            kind = "WT"
        category, content = self._text(draw, kind, outage)
        content += self._planted(draw, count, day, outage, ordinal)
        channel = CHANNELS[draw.weighted([w for _, w in CHANNELS])][0]
        urgency = 1 if outage or draw() < 0.06 else 2 if draw() < 0.3 else 3
        if category == REMAPPED_FROM and day >= REMAP_DAY:
            category = REMAPPED_TO
        at = day * DAY_S + second
        usual = self._life(draw, at, unit, kind, channel, day, count)
        around = Circumstances(
            case_no=case_no,
            at=at,
            unit=unit,
            kind=kind,
            urgency=urgency,
            category=category,
            other_case=self.earlier.case_of(customer, unit, day),
            staff=self.staff,
        )
        events = _number(case_no, live(Draws(life), usual, around))
        self.earlier.note(customer, unit, day, case_no, events)
        self.hotline.cases.append(
            Case(
                case_no=case_no,
                at=at,
                customer=-1 if anonymous else customer,
                phone=caller,
                kind=kind,
                category=category,
                channel=channel,
                unit_code=self.units.units[unit].code,
                urgency=urgency,
                content=content,
                events=events,
            )
        )

    def _text(self, draw: Draws, kind: str, outage: bool) -> tuple[str, str]:
        if outage:
            path = wording.OUTAGE_CATEGORIES[
                draw.weighted([w for _, w in wording.OUTAGE_CATEGORIES])
            ]
            template, category = wording.OUTAGE[draw.below(len(wording.OUTAGE))], path[0]
        elif kind in COMPLAINT_KINDS:
            n = draw.weighted([c[1] for c in wording.CATEGORIES])
            choices = wording.COMPLAINTS[n]
            template, category = choices[draw.below(len(choices))], wording.CATEGORIES[n][0]
        else:
            n = draw.weighted([c[2] for c in wording.CATEGORIES])
            draw()
            template, category = wording.OTHERS[n], wording.CATEGORIES[n][0]
        text = template.format(
            area=wording.AREAS[draw.below(len(wording.AREAS))],
            days=2 + draw.below(6),
            hour=3 + draw.below(7),
            amount=(9, 15, 19, 29, 59, 129)[draw.below(6)],
        )
        return category, text

    def _planted(self, draw: Draws, count: int, day: int, outage: bool, ordinal: int) -> str:
        with_phone, with_identity, which = draw(), draw(), draw()
        tail = ""
        if with_phone < 0.05 or (outage and ordinal % 6 == 1):
            value = _written(phone(self.seed, PLANTED_PHONES + count), which * 7 % 1)
            tail += wording.PHONE_TAILS[int(which * 3)].format(v=value)
            self.hotline.planted.append((day, value))
        if with_identity < 0.015 or (outage and ordinal % 11 == 2):
            value = identity_number(count)
            tail += wording.IDENTITY_TAILS[int(which * 2)].format(v=value)
            self.hotline.planted.append((day, value))
        return tail

    def _life(
        self, draw: Draws, at: int, unit: int, kind: str, channel: str, day: int, count: int
    ) -> list[Event]:
        steps: list[Event] = []
        handler: _Who = {"actor_no": holder_on(self.staff, unit, day), "role": "handler"}
        agent: _Who = {
            "actor_no": self.staff.agents[draw.below(len(self.staff.agents))],
            "role": "agent",
        }
        reporter: _Who = {"actor_no": "", "role": "reporter"}
        system: _Who = {"actor_no": "", "role": "system", "automatic": True}

        def step(when: int, code: str, who: _Who, **more: Any) -> None:
            steps.append(Event("", "", code, when, **who, **more))

        if channel != "counter" and draw() < 0.7:
            step(at + 20 + draw.below(60), "HF", system, content=wording.AUTOMATIC)
        accepted = at + 120 + draw.below(1500)
        step(accepted, "SL", agent)
        answered_at_once = kind in ("ZX", "BY", "WT") and draw() < 0.45
        if answered_at_once:
            resolved = accepted + 300 + draw.below(3600)
        else:
            assigned = accepted + 200 + draw.below(3000)
            step(assigned, "PD", agent, holder=self.units.units[unit].code,
                 holder_no=str(handler["actor_no"]))  # fmt: skip
            reply = self._first_reply(draw, at, assigned)
            if draw() < 0.45:
                note = wording.NOTES[draw.below(len(wording.NOTES))]
                if draw() < 0.04:
                    value = phone(self.seed, PLANTED_PHONES + 50_000 + count)
                    note += wording.NOTE_TAILS[draw.below(2)].format(v=value)
                    self.hotline.planted.append(((assigned + 90) // DAY_S, value))
                step(assigned + 90, "NB", handler, content=note)
            step(reply, "HF", handler, content=wording.REPLIES[draw.below(len(wording.REPLIES))])
            resolved = max(self._resolution(draw, day), reply + 600 + draw.below(16_000))
            if draw() < 0.12 and resolved - reply > 10_000:
                paused = reply + 600 + draw.below(2000)
                step(paused, "DD", handler, status="DU")
                step(paused + (resolved - paused) // 2, "DD", handler, status="CL")
        if draw() < 0.015:
            return steps
        step(resolved, "JJ", handler if not answered_at_once else agent,
             content=wording.RESOLUTIONS[draw.below(len(wording.RESOLUTIONS))])  # fmt: skip
        last = resolved
        if draw() < (0.09 if kind in COMPLAINT_KINDS else 0.02):
            reopened = resolved + 14_400 + draw.below(4 * DAY_S)
            step(reopened, "CK", reporter,
                 content=wording.REOPENINGS[draw.below(len(wording.REOPENINGS))])  # fmt: skip
            last = reopened + 10_000 + draw.below(5 * DAY_S)
            step(last, "JJ", handler, content=wording.RESOLUTIONS[0])
        if draw() < 0.45:
            score = 1 + draw.weighted([8, 7, 15, 30, 40])
            voted = last + 1800 + draw.below(2 * DAY_S)
            text = wording.VOTES[draw.below(len(wording.VOTES))]
            step(voted, "MY", reporter, score=score, content=text)
        step(last + 2 * DAY_S + 5400 + draw.below(2 * DAY_S), "BJ", system)
        return steps

    @staticmethod
    def _first_reply(draw: Draws, at: int, assigned: int) -> int:
        u, v = draw(), draw()
        if u < 0.905:
            # Mostly within the morning or afternoon, never past the 24 hours.
            return min(assigned + 300 + int(80_000 * v**3), at + DAY_S - 60)
        return at + DAY_S + 600 + int(v * 2 * DAY_S)

    @staticmethod
    def _resolution(draw: Draws, day: int) -> int:
        u, v, second = draw(), draw(), 9 * 3600 + draw.below(9 * 3600)
        ahead = int(6 * v**1.3) if u < 0.86 else 6 + int(9 * v)
        return nth_working_day(day, ahead) * DAY_S + second


def _number(case_no: str, steps: list[Event]) -> tuple[Event, ...]:
    steps = sorted(steps, key=lambda step: step.at)
    events: list[Event] = []
    previous = 0
    for n, step in enumerate(steps, start=1):
        # Two events of a case never share a second, so their order needs no tie-break.
        previous = max(step.at, previous + 1)
        numbered = {"event_no": f"{case_no}{n:02d}", "case_no": case_no, "at": previous}
        events.append(Event(**(vars(step) | numbered)))
    return tuple(events)


CASE_COLUMNS = ("case_no", "created_at", "customer_no", "caller_phone", "kind_code",
                "category_path", "channel_code", "unit_code", "urgency_code",
                "content")  # fmt: skip
EVENT_COLUMNS = ("event_no", "case_no", "event_code", "event_at", "actor_no", "actor_role",
                 "is_automatic", "holder_unit_code", "status_code", "score", "content",
                 "priority_code", "partner_no", "other_case_no", "limit_at", "kind_code",
                 "category_path", "holder_no")  # fmt: skip
