"""The rules of the simulated operator, as rows it adds to those the product ships."""

import csv
import io
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from .days import day_no, iso
from .sending import replace_file
from .working_hours import CLOSING_DAYS

POLICY_COLUMNS = (
    "policy_id", "version", "valid_from", "ordinal", "clock", "name", "name_en", "cycle", "source",
    "kind", "category_path", "priority", "complexity", "org_unit_id", "channel", "reporter_type",
    "calendar_id", "target", "unit", "rolls", "ends", "target_kind", "percentile",
    "pause_statuses", "warn_at", "grace", "is_active", "basis", "note",
)  # fmt: skip
_CALENDAR_COLUMNS = ("calendar_id", "label_zh", "label_en", "base_calendar_id", "zone",
                     "needs_notice", "makeup_weekday")  # fmt: skip
_DAY_COLUMNS = ("calendar_id", "date_on", "is_working", "name", "announced", "like_weekday",
                "starts", "ends")  # fmt: skip
_REMAP_COLUMNS = ("source", "path_from", "path_to", "valid_from")
_PARTNER_CALENDAR = "sim_partners"
REMAPPED_FROM, REMAPPED_TO = "业务办理/销户退费", "业务办理/销户与退费"
REMAP_DAY = day_no(date(2025, 10, 1))
WORKING_DAYS, BUSINESS_SECONDS, CALENDAR_SECONDS = (
    "working_days", "business_seconds", "calendar_seconds",
)  # fmt: skip


@dataclass(frozen=True)
class Policy:
    """One version of a policy; an empty condition holds for all, a target of 0 is none."""

    policy_id: str
    version: int
    valid_from: int
    ordinal: int
    clock: str
    name: str
    name_en: str
    target: int
    unit: str
    cycle: str = ""
    sources: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    priorities: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    calendar: str = ""
    pauses: tuple[str, ...] = ()

    def cells(self) -> tuple[str, ...]:
        """The row in the columns of the product's table."""
        known = {
            "policy_id": self.policy_id,
            "version": str(self.version),
            "valid_from": iso(self.valid_from),
            "ordinal": str(self.ordinal),
            "clock": self.clock,
            "name": self.name,
            "name_en": self.name_en,
            "cycle": self.cycle,
            "source": ";".join(self.sources),
            "kind": ";".join(self.kinds),
            "priority": ";".join(self.priorities),
            "channel": ";".join(self.channels),
            "calendar_id": self.calendar,
            "target": str(self.target or ""),
            "unit": self.unit,
            "rolls": "false",
            "ends": "midnight",
            "target_kind": "each",
            "pause_statuses": ";".join(self.pauses),
            "warn_at": "0.8" if self.target else "",
            "is_active": "true",
        }
        return tuple(known.get(column, "") for column in POLICY_COLUMNS)


def _urgent(version: int, valid_from: date, hours: int) -> Policy:
    return Policy(
        "sim_urgent_resolution", version, day_no(valid_from), 10, "resolution",
        f"特急投诉 {hours} 个工作小时办结", f"Very urgent complaints within {hours} working hours",
        hours * 3600, BUSINESS_SECONDS, sources=("hotline", "intake"),
        kinds=("complaint", "report"), priorities=("P1",),
        pauses=("waiting_on_reporter", "waiting_on_partner"),
    )  # fmt: skip


OWN_POLICIES = (
    _urgent(1, date(2025, 1, 1), 16),
    _urgent(2, date(2025, 9, 1), 12),
    Policy(
        "sim_reopened_resolution", 1, 0, 20, "resolution", "重办 3 个工作日办结",
        "Reopened cases within 3 working days", 3, WORKING_DAYS, cycle="again",
        pauses=("waiting_on_reporter",),
    ),
    Policy(
        "sim_first_response_app", 1, day_no(date(2025, 6, 1)), 10, "first_response",
        "线上渠道 4 个工作小时首次答复", "First response online within 4 working hours", 4 * 3600,
        BUSINESS_SECONDS, channels=("app", "wechat"),
    ),
    Policy(
        "sim_partner", 1, 0, 10, "partner", "协办方 3 个工作日办理",
        "Partners within 3 working days", 3, WORKING_DAYS, calendar=_PARTNER_CALENDAR,
    ),
    Policy(
        "sim_rectification", 1, 0, 10, "rectification", "按责令期限整改",
        "Rectification by the ordered limit", 0, BUSINESS_SECONDS,
    ),
    Policy(
        "sim_next_response", 1, 0, 10, "next_response", "后续答复 8 个工作小时",
        "Next response within 8 working hours", 8 * 3600, BUSINESS_SECONDS,
    ),
)  # fmt: skip
# What the product promises where the operator has no rule of its own.
_DEFAULT_POLICIES = (
    Policy(
        "default_first_response", 1, 0, 9000, "first_response", "", "", 86_400, CALENDAR_SECONDS,
        calendar="always",
    ),
    Policy(
        "default_resolution", 1, 0, 9000, "resolution", "", "", 5, WORKING_DAYS,
        pauses=("waiting_on_reporter",),
    ),
)  # fmt: skip
POLICIES = OWN_POLICIES + _DEFAULT_POLICIES


def write_rules(folder: Path) -> None:
    """Writes the operator's own rows, a table a file, in the columns of the product's tables."""
    tables: dict[str, tuple[tuple[str, ...], list[tuple[str, ...]]]] = {
        "sla_policy": (POLICY_COLUMNS, [policy.cells() for policy in OWN_POLICIES]),
        "calendar": (
            _CALENDAR_COLUMNS,
            [(_PARTNER_CALENDAR, "协办方工作日", "Working days of partners", "china", "", "true",
              "1")],
        ),
        "calendar_day": (
            _DAY_COLUMNS,
            [("china", iso(c.day), "false", c.name, c.announced_text, "", "", "")
             for c in CLOSING_DAYS],
        ),
        "category_remap": (
            _REMAP_COLUMNS,
            [("hotline", REMAPPED_FROM, REMAPPED_TO, iso(REMAP_DAY))],
        ),
    }  # fmt: skip
    for name, (columns, rows) in tables.items():
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n").writerows([columns, *rows])
        replace_file(folder / f"{name}.csv", buffer.getvalue().encode())
