"""What an answer is of: the days, the members and the units that were asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cubes.axis import Axis
from cubes.binding import Binding
from cubes.cube import Cube
from cubes.label import label_text
from cubes.member import parse_member, split_range
from cubes.period import Period
from cubes.plan import Plan
from cubes.question import CutValues
from cubes.view import NOBODY


@dataclass(frozen=True)
class AskedTime:
    """The days of one time, whose label is for people; without a period its empty dates."""

    role: str
    label: str
    period: Period | None
    is_by_month: bool

    def text(self, language: str) -> str:
        """For people: its days, months where a fact knows no days."""
        if self.period is None:
            return NOBODY.get(language, NOBODY["en"])
        return period_text(self.period, language, is_by_month=self.is_by_month)


@dataclass(frozen=True)
class AskedMembers:
    """The members or ranges one name was cut to, as they were written; None is the null member.

    `texts` are those people read; `key` is the axis whose members' keys they may be.
    """

    name: str
    label: str
    values: CutValues
    texts: tuple[str | None, ...]
    key: Axis | None = None


@dataclass(frozen=True)
class Asked:
    """What an answer is of; `is_possible` is false where the times asked for have no day in common.

    `units` are the ids of the units whose rows and those below count; None where all do.
    """

    times: tuple[AskedTime, ...]
    members: tuple[AskedMembers, ...]
    units: tuple[str, ...] | None
    is_possible: bool

    @property
    def is_by_month(self) -> bool:
        """Whether its facts know months only."""
        return any(one.is_by_month for one in self.times)

    def to_mapping(self) -> dict[str, Any]:
        """The JSON form: the times with their days, members by name, units.

        A time has `days` where its period is not every day from `start` to `end`, and no bound
        where facts without a date are asked for.
        """
        return {
            "times": [{"time": one.role, **_bounds(one.period)} for one in self.times],
            "cuts": {one.name: list(one.values) for one in self.members},
            "units": None if self.units is None else list(self.units),
            "is_possible": self.is_possible,
        }

    def sentences(self, language: str) -> list[str]:
        """Lines for people, one for each time, all cuts and the units; none where all was asked."""
        chinese = language == "zh"
        colon, comma = ("：", "、") if chinese else (": ", ", ")
        told = [f"{one.label}{colon}{one.text(language)}" for one in self.times]
        if not self.is_possible:
            told.append(
                "时期与时间切片没有共同的日子" if chinese else "the period and cuts share no day"
            )
        nobody = NOBODY.get(language, NOBODY["en"])
        for one in self.members:
            texts = comma.join(nobody if text is None else text for text in one.texts)
            told.append(f"{one.label}{colon}{texts}")
        if self.units is not None:
            units = comma.join(self.units) or ("无" if chinese else "none")
            told.append(f"管辖范围：{units} 及其下级" if chinese else f"scope: {units} and below")
        return told


def asked_by(binding: Binding, plan: Plan) -> Asked:
    """What a plan asks for."""
    selection, language = plan.selection, binding.language
    times = [
        _time(plan.cube, role, period, language)
        for role, period in (selection.periods or {}).items()
    ]
    times += [_time(plan.cube, role, None, language) for role in selection.null_times]
    members = tuple(
        AskedMembers(
            axis.name,
            axis.label.text(language),
            values,
            tuple(_text(axis, value, language) for value in values),
            axis if axis.kind == "key" else None,
        )
        for axis, values in selection.members
    )
    return Asked(tuple(times), members, binding.scope.unit_ids, selection.periods is not None)


def _time(cube: Cube, role: str, period: Period | None, language: str) -> AskedTime:
    time = cube.time[role]
    return AskedTime(role, label_text(time.label, language, role), period, time.grain == "month")


def _text(axis: Axis, value: str | None, language: str) -> str | None:
    if value is None or not axis.values or split_range(value) is not None:
        return value
    member = parse_member(value)
    label = dict(axis.values).get(member.code or member.literal)
    return value if label is None else label.text(language)


def _bounds(period: Period | None) -> dict[str, Any]:
    if period is None:
        return {"is_null": True}
    found: dict[str, Any] = {
        name: None if day is None else day.isoformat()
        for name, day in (("start", period.start), ("end", period.end))
    }
    if period.days is not None:
        found["days"] = [day.isoformat() for day in period.days]
    return found


def period_text(period: Period, language: str, *, is_by_month: bool) -> str:
    """A period for people: its ends, and how many days if it is not all between them."""
    length = 7 if is_by_month else 10
    start, end = (
        None if day is None else day.isoformat()[:length] for day in (period.start, period.end)
    )
    if start == end:
        return str(start)
    if end is None:
        return f"{start} 起" if language == "zh" else f"from {start}"
    if start is None:
        return f"至 {end}" if language == "zh" else f"to {end}"
    told = f"{start} 至 {end}" if language == "zh" else f"{start} to {end}"
    if period.days is not None:
        count = len(period.days)
        unit = ("个月", "months") if is_by_month else ("天", "days")
        told += (
            f"（其中 {count} {unit[0]}）" if language == "zh" else f" ({count} of these {unit[1]})"
        )
    return told
