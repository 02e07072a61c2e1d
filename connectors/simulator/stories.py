"""What happens in the simulated province, told for the demo: stories and the managers it shows."""

from typing import Any

from .case import Case
from .days import iso
from .feedback import Feedback
from .organisation import OUTAGE_PREFECTURE, PREFECTURES, tree
from .outage import OUTAGE_DATES, OUTAGE_DAYS
from .world import World


def outage_code() -> str:
    """The code of the prefecture that the outage hits."""
    units = tree()
    return units.units[units.prefectures[OUTAGE_PREFECTURE]].code


def in_outage_place(case: Case) -> bool:
    """Whether a case belongs to that prefecture."""
    return tree().prefecture_of_code.get(case.unit_code) == OUTAGE_PREFECTURE


def tell_stories(world: World, feedback: Feedback) -> list[dict[str, Any]]:
    """The outage, a leaver, all leavers and a change of phone, with their figures."""
    units, staff = tree(), world.staff
    complaints = [
        c.day for c in feedback.counted() if feedback.state(c).is_complaint and in_outage_place(c)
    ]
    first = OUTAGE_DAYS[0]
    before = sum(first - 28 <= day < first for day in complaints)
    leaver, changer = staff.employees[staff.leaver_story], staff.employees[staff.phone_story]
    successor = staff.employees[staff.successors[staff.leaver_story]]
    return [
        {
            "story": "outage",
            "unit_code": outage_code(),
            "unit_name": PREFECTURES[OUTAGE_PREFECTURE][0],
            "sub_branch_code": units.sub_codes[units.outage_sub],
            "dates": [d.isoformat() for d in OUTAGE_DATES],
            "complaints": {iso(day): complaints.count(day) for day in OUTAGE_DAYS},
            "mean_of_28_days_before": before / 28,
        },
        {
            "story": "leaver",
            "staff_no": leaver.staff_no,
            "unit_code": units.units[leaver.unit].code,
            "left_on": iso(leaver.left),
            "successor_staff_no": successor.staff_no,
            "successor_joined_on": iso(successor.joined),
        },
        {
            "story": "leavers",
            "count": sum(e.left <= world.through for e in staff.employees),
            "of_staff": sum(e.joined <= world.through for e in staff.employees),
        },
        {
            "story": "phone_change",
            "staff_no": changer.staff_no,
            "unit_code": units.units[changer.unit].code,
            "changed_on": iso(changer.phone_changed),
            "phone_before": changer.phone,
            "phone_after": changer.new_phone,
        },
    ]


def tell_managers(world: World) -> list[dict[str, Any]]:
    """The managers of the province, of the prefecture with the outage and of its sub-branch."""
    units = tree()
    wanted = (0, units.prefectures[OUTAGE_PREFECTURE], units.sub_branches[units.outage_sub])
    found = []
    for unit in wanted:
        employee = next(
            e for e in world.staff.employees if e.unit == unit and e.position.endswith("manager")
        )
        found.append(
            {
                "staff_no": employee.staff_no,
                "unit_code": units.units[unit].code,
                "position": employee.position,
            }
        )
    return found
