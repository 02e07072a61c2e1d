"""What else happens to a case: it is passed on, raised, reclassified, merged, withdrawn, and so on.

`live` takes the usual steps of a case and its own row of chances, so that the usual steps stay what
they are. Steps are events without numbers.
"""

from dataclasses import dataclass, field, replace

from . import wording
from .case import COMPLAINT_KINDS, Event
from .chance import Draws
from .days import DAY_S
from .organisation import Staff, holder_on, tree

LIFE_DRAWS = 48
SLOW_PARTNER = "P07"
_PARTNERS = ("P01", "P02", "P03", "P04", "P05", SLOW_PARTNER)
_PARTNER_WEIGHTS = [20, 20, 15, 15, 10, 20]
_HOUR = 3600
# Bounds of one chance that decides how a case comes to its end, or which oddity it carries.
_MERGED, _SPAM, _WITHDRAWN = 0.022, 0.032, 0.047
_ENDLESS_PAUSE, _RESOLVED_TWICE, _REOPENED_OPEN, _BEFORE_CREATION = 0.053, 0.059, 0.065, 0.071
_RECTIFICATION_DAYS = 10
_MERGED_WITHIN_DAYS = 30
_RECLASSIFIED = {
    "TS": ("ZX", "JY", "WT"),
    "JB": ("TS",),
    "JY": ("YJ",),
    "YJ": ("TS", "JY"),
    "ZX": ("TS", "WT"),
    "WT": ("TS",),
    "BY": ("ZX",),
}


@dataclass(frozen=True)
class Circumstances:
    """What a case is about; `unit` is an index into the tree, `other_case` an earlier case."""

    case_no: str
    at: int
    unit: int
    kind: str
    urgency: int
    category: str
    other_case: str
    staff: Staff


@dataclass
class Earlier:
    """The latest cases of customers and units that another case can be merged into."""

    of_customer: dict[int, tuple[int, str]] = field(default_factory=dict)
    of_unit: dict[int, tuple[int, str]] = field(default_factory=dict)

    def case_of(self, customer: int, unit: int, day: int) -> str:
        """The latest case of the customer, of the unit or its parent, "" if none is of late."""
        places = (unit, tree().units[unit].parent)
        for found in (self.of_customer.get(customer), *map(self.of_unit.get, places)):
            if found is not None and found[0] >= day - _MERGED_WITHIN_DAYS:
                return found[1]
        return ""

    def note(
        self, customer: int, unit: int, day: int, case_no: str, events: tuple[Event, ...]
    ) -> None:
        """Remember a case, unless it was merged itself or taken for spam."""
        if not any(event.code in ("BA", "SR") for event in events):
            self.of_customer[customer] = self.of_unit[unit] = (day, case_no)
            self.of_unit[tree().units[unit].parent] = (day, case_no)


def live(draw: Draws, usual: list[Event], around: Circumstances) -> list[Event]:
    """The usual steps of a case with all that else happens on it."""
    life = _Life(draw, sorted(usual, key=lambda step: step.at), around)
    # Chances are taken in a fixed order, whatever becomes of them.
    life.forward()
    life.misroute()
    life.transfer()
    life.raise_priority()
    life.reclassify()
    life.hear_reporter()
    life.order_rectification()
    life.meet_fate()
    return life.steps


class _Life:
    def __init__(self, draw: Draws, steps: list[Event], around: Circumstances) -> None:
        self.draw, self.steps, self.around = draw, steps, around
        self.unit = around.unit
        self.accepted = self.first("SL") or around.at
        self.assigned = self.first("PD")

    def first(self, code: str) -> int | None:
        return next((s.at for s in self.steps if s.code == code and not s.automatic), None)

    @property
    def resolved(self) -> int | None:
        return self.first("JJ")

    def moment(self, fraction: float) -> int:
        """An instant between the acceptance and the first resolution."""
        end = self.resolved or self.around.at + 10 * DAY_S
        return self.accepted + 30 + int((end - self.accepted - 60) * fraction)

    def manager(self, unit: int) -> str:
        # Of the day of creation, as the usual steps: the roster of later days is not known yet.
        return holder_on(self.around.staff, unit, self.around.at // DAY_S)

    def add(self, code: str, at: int, role: str, actor: str = "", **more: str | int) -> None:
        step = Event("", "", code, at, actor, role, **more)  # type: ignore[arg-type]
        self.steps = sorted([*self.steps, step], key=lambda s: s.at)

    def handle(self, code: str, at: int, **more: str | int) -> None:
        """A step of whoever handles the case: the manager of its unit, or the agent."""
        if self.assigned is None or at < self.assigned:
            agent = next(s.actor_no for s in self.steps if s.code == "SL")
            self.add(code, at, "agent", agent, **more)
        else:
            self.add(code, at, "handler", self.manager(self.unit), **more)

    def neighbour(self, chance: float) -> int:
        """Another unit that can handle a case: one of the same parent, or the parent."""
        units = tree().units
        parent = units[self.around.unit].parent
        others = [
            n for n, unit in enumerate(units) if unit.parent == parent and n != self.around.unit
        ]
        if parent > 0 and (chance < 0.25 or not others):
            return parent
        return others[int(chance * len(others))] if others else self.around.unit

    def forward(self) -> None:
        chance, which, when, back, slow = (self.draw() for _ in range(5))
        place = Draws([which]).weighted(_PARTNER_WEIGHTS)
        if chance >= 0.085 or self.assigned is None or self.resolved is None:
            return
        partner = _PARTNERS[place]
        if partner == SLOW_PARTNER:
            # The slow partner makes everything after it late.
            start, delay = self.resolved, int((3 + 5 * slow) * DAY_S)
            self.steps = [replace(s, at=s.at + delay) if s.at >= start else s for s in self.steps]
        earliest = max(
            [self.assigned, *(s.at for s in self.steps if s.code in ("HF", "DD", "NB")
                              and s.at < self.resolved)]
        )  # fmt: skip
        left = self.resolved - earliest
        sent = earliest + 60 + int(left * 0.3 * when)
        returned = sent + 120 + int((self.resolved - sent) * (0.5 + 0.4 * back))
        if left < 2 * _HOUR:
            return
        text = wording.FORWARDINGS[int(when * len(wording.FORWARDINGS))]
        self.handle("ZB", sent, partner=partner, content=text)
        if slow < 0.94:
            text = wording.RETURNS[int(back * len(wording.RETURNS))]
            self.add("TH", returned, "handler", self.manager(self.unit),
                     partner=partner, content=text)  # fmt: skip

    def misroute(self) -> None:
        chance, whither, when = self.draw(), self.draw(), self.draw()
        if chance >= 0.04 or self.assigned is None:
            return
        wrong = self.neighbour(whither)
        if wrong == self.around.unit:
            return
        place = next(n for n, s in enumerate(self.steps) if s.code == "PD")
        right = self.steps[place]
        manager = self.manager(wrong)
        self.steps[place] = replace(right, holder=tree().units[wrong].code, holder_no=manager)
        self.add("PD", right.at + 300 + int(3000 * when), "handler", manager,
                 holder=right.holder, holder_no=right.holder_no,
                 content=wording.TRANSFERS[0])  # fmt: skip

    def transfer(self) -> None:
        chance, whither, when = self.draw(), self.draw(), self.draw()
        if chance >= 0.06 or self.assigned is None or self.resolved is None:
            return
        if self.resolved - self.assigned < 6 * _HOUR:
            return
        target = self.neighbour(whither)
        if target == self.around.unit:
            return
        at = self.assigned + _HOUR + int((self.resolved - self.assigned - 2 * _HOUR) * when)
        self.unit = target
        self.steps = [
            replace(s, actor_no=self.manager(target)) if s.at > at and s.role == "handler"
            else s
            for s in self.steps
        ]  # fmt: skip
        self.add("PD", at, "handler", self.manager(self.around.unit),
                 holder=tree().units[target].code, holder_no=self.manager(target),
                 content=wording.TRANSFERS[int(whither < 0.25)])  # fmt: skip

    def raise_priority(self) -> None:
        chance, which, when, lowered = (self.draw() for _ in range(4))
        share = 0.055 if self.around.kind in COMPLAINT_KINDS else 0.01
        if chance >= share:
            return
        raised = "P1" if which < 0.75 and self.around.urgency > 1 else "P2"
        # Half are raised when much of the time has gone.
        at = self.moment(0.05 + 0.9 * when if when < 0.5 else 0.7 + 0.5 * (when - 0.5))
        self.handle("DJ", at, priority=raised, content=wording.RAISED)
        if lowered < 0.2:
            later = at + 1200 + int(lowered * 5 * max(0, self.moment(0.97) - at - 1200))
            self.handle("DJ", later, priority="P3")

    def reclassify(self) -> None:
        chance, which, topic, when = (self.draw() for _ in range(4))
        if chance >= 0.03:
            return
        choices = _RECLASSIFIED[self.around.kind]
        early = when < 0.6
        fraction = 0.02 + 0.1 * when if early else 0.4 + 0.55 * (when - 0.6) / 0.4
        category = wording.CATEGORIES[int(topic * 10)][0] if topic < 0.5 else self.around.category
        self.handle("FL", self.moment(fraction), kind=choices[int(which * len(choices))],
                    category=category)  # fmt: skip

    def hear_reporter(self) -> None:
        chance, twice = self.draw(), self.draw()
        for place in range(2):
            when, answered, waited = self.draw(), self.draw(), self.draw()
            if chance >= 0.15 or (place and twice >= 0.3):
                continue
            at = self.moment(0.05 + 0.85 * when)
            text = wording.MESSAGES[int(when * len(wording.MESSAGES))]
            self.add("YH", at, "reporter", content=text)
            reply = at + 900 + int(15 * _HOUR * waited**2)
            if answered < 0.85 and (self.resolved is None or reply < self.resolved):
                self.handle("HF", reply, content=wording.REPLIES[int(waited * 4)])
        grateful, when, answered = self.draw(), self.draw(), self.draw()
        resolved = self.resolved
        if grateful < 0.05 and resolved is not None:
            at = resolved + 600 + int(20 * _HOUR * when)
            self.add("YH", at, "reporter", content=wording.THANKS[int(when * 2)])
            if answered < 0.2:
                self.handle("HF", at + 1800, content=wording.REPLIES[3])

    def order_rectification(self) -> None:
        chance, when, verified, late = (self.draw() for _ in range(4))
        resolved = self.resolved
        if chance >= 0.04 or resolved is None or self.around.kind not in COMPLAINT_KINDS:
            return
        at = resolved + _HOUR + int(3 * DAY_S * when)
        limit = (at // DAY_S + _RECTIFICATION_DAYS) * DAY_S + 18 * _HOUR
        self.handle("ZG", at, limit=limit, content=wording.RECTIFICATION)
        if verified < 0.9:
            spent = 0.3 + 0.65 * verified if late < 0.8 else 1.05 + 0.8 * verified
            done = at + int((limit - at) * spent)
            self.handle("YS", done, content=wording.VERIFICATION)

    def cut(self, at: int) -> None:
        """Nothing happens from an instant on."""
        self.steps = [s for s in self.steps if s.at < at]

    def meet_fate(self) -> None:
        fate, when, more = self.draw(), self.draw(), self.draw()
        # Notes stay: what was planted in them must be delivered.
        noted = [s.at + 60 for s in self.steps if s.code == "NB"]
        at = max([self.moment(0.05 + 0.9 * when), *noted])
        if fate < _MERGED:
            if self.around.other_case:
                self.cut(at)
                self.handle("BA", at, other_case=self.around.other_case, content=wording.MERGER)
        elif fate < _SPAM:
            at = max([self.moment(0.1 * when), *noted])
            if more < 0.34:
                self.handle("SR", at, content=wording.SPAM)
                self.handle("JS", at + 1800 + int(more * 20 * _HOUR), content=wording.SPAM_CLEARED)
            else:
                self.cut(at)
                self.handle("SR", at, content=wording.SPAM)
                if more < 0.67:
                    self.add("BJ", at + 2 * DAY_S, "system", automatic=True)
        elif fate < _WITHDRAWN:
            self.cut(at)
            self.add("CX", at, "reporter", content=wording.WITHDRAWAL)
            self.add("BJ", at + 2 * DAY_S + _HOUR, "system", automatic=True)
        else:
            self.plant_oddity(fate, at, more)

    def plant_oddity(self, fate: float, at: int, more: float) -> None:
        resolved = self.resolved
        if fate < _ENDLESS_PAUSE:
            self.cut(at)
            self.handle("DD", at, status="DU")
        elif fate < _RESOLVED_TWICE:
            if resolved is not None:
                again = resolved + 1800 + int(20 * _HOUR * more)
                self.handle("JJ", again, content=wording.RESOLUTIONS[0])
        elif fate < _REOPENED_OPEN:
            self.add("CK", at, "reporter", content=wording.REOPENINGS[0])
        elif fate < _BEFORE_CREATION and self.around.at % DAY_S > 300:
            # The clock of the one who accepted it is slow; the day stays the same.
            self.steps = [
                replace(s, at=self.around.at - 40 - int(200 * more)) if s.code == "SL" else s
                for s in self.steps
            ]
