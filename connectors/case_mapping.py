"""How a flat data set (one row one complaint) maps to cases: values of `shape: cases`."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from cubes.declaration import suggest

KINDS = ("complaint", "report", "suggestion", "opinion", "inquiry", "question", "praise")
STATUSES = (
    "new",
    "accepted",
    "in_progress",
    "waiting_on_reporter",
    "waiting_on_partner",
    "resolved",
    "closed",
    "rejected",
    "withdrawn",
)
DATE_FIELDS = ("created", "first_reply", "resolved", "closed", "due")

FLAT_CASE_STREAM: dict[str, Any] = {
    "label": {"zh": "工单", "en": "Cases"},
    "grain": "one row per case",
    "key": ["case_no"],
    "mode": "append",
    "business_date_from": "created_at",
    "case_key": "case_no",
    "reject_limit": {"rows": 20, "share": "0.1"},
    "columns": {
        "case_no": {"type": "string", "required": True},
        "created_at": {"type": "timestamp", "required": True},
        "created_precision": {"type": "string", "required": True},
        "first_reply_at": {"type": "timestamp"},
        "resolved_at": {"type": "timestamp"},
        "closed_at": {"type": "timestamp"},
        "due_at": {"type": "timestamp"},
        "kind": {"type": "string"},
        "category_path": {"type": "string"},
        "channel": {"type": "string"},
        "org_path": {"type": "string"},
        "unit_code": {"type": "string"},
        "reporter_phone": {"type": "string", "pii": "phone", "reveal": True},
        "status": {"type": "string"},
        "score": {"type": "integer"},
        "text": {"type": "string", "scrub": True},
        "attributes": {"type": "string"},
        "date_flag": {"type": "string"},
    },
}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Window(_Part):
    """Local dates, both included, outside which a date cannot be true."""

    first: date = Field(alias="from")
    last: date = Field(alias="to")

    @model_validator(mode="after")
    def _in_order(self) -> Window:
        if self.first > self.last:
            raise ValueError("'from' lies after 'to'")
        return self


class CaseDates(_Part):
    """How dates are written (strptime), how exact they are, and which can be true."""

    format: str
    precision: Literal["second", "day"] = "second"
    plausible: Window


class Mapped(_Part):
    """A value taken from a column through a value map, or one constant for all rows.

    A row whose value the map does not know is rejected where one is `required`.
    """

    constant: str | None = None
    column: str | None = None
    values: dict[str, str] = Field(default_factory=dict)
    default: str | None = None
    required: bool = False

    @model_validator(mode="after")
    def _one_origin(self) -> Mapped:
        if (self.constant is None) == (self.column is None):
            raise ValueError("say either 'constant' or 'column'")
        if self.constant is not None and (self.values or self.default):
            raise ValueError("'values' and 'default' belong to 'column'")
        if self.column is not None and not self.values:
            raise ValueError("'column' needs 'values'")
        if self.required and (self.column is None or self.default):
            raise ValueError("'required' belongs to a 'column' without 'default'")
        return self

    def targets(self) -> list[str]:
        """Every value that this mapping can produce."""
        given = [self.constant, self.default, *self.values.values()]
        return [value for value in given if value is not None]


class MappedText(_Part):
    """Free text: it lands scrubbed."""

    column: str
    scrub: Literal[True] = True


class CaseMap(_Part):
    """Which column of the data set plays which part of a case.

    The unit is either a path of names, from which the data set makes units of its own (`org`), or
    the code of a unit that another source brings (`unit`). Columns that no part names become
    attributes, but for those in `drop`, which never land; where `attributes` is given, and in
    packets always, only those it names do.
    """

    case_no: str
    created: str
    first_reply: str | None = None
    resolved: str | None = None
    closed: str | None = None
    due: str | None = None
    kind: Mapped
    category: tuple[str, ...] = Field(min_length=1, max_length=8)
    channel: Mapped | None = None
    org: tuple[str, ...] = Field(default=(), max_length=8)
    unit: str | None = None
    phone: str | None = None
    status: Mapped | None = None
    score: str | None = None
    text: MappedText | None = None
    attributes: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_place(self) -> CaseMap:
        if bool(self.org) == (self.unit is not None):
            raise ValueError("say either 'org' or 'unit'")
        return self

    @field_validator("kind")
    @classmethod
    def _known_kinds(cls, value: Mapped) -> Mapped:
        return _only(value, KINDS, "kind")

    @field_validator("status")
    @classmethod
    def _known_statuses(cls, value: Mapped | None) -> Mapped | None:
        return value and _only(value, STATUSES, "status")

    def dates(self) -> dict[str, str]:
        """The date fields that are mapped, with their columns."""
        pairs = {field: getattr(self, field) for field in DATE_FIELDS}
        return {field: column for field, column in pairs.items() if column is not None}

    def columns(self) -> list[str]:
        """Every column of the data set that the mapping names, once each, in order."""
        mapped = [self.kind, self.channel, self.status]
        named = [
            self.case_no,
            *self.dates().values(),
            *(part.column for part in mapped if part and part.column),
            *self.category,
            *self.org,
            *(column for column in (self.unit, self.phone, self.score) if column),
            *([self.text.column] if self.text else []),
        ]
        return list(dict.fromkeys(named))

    def agreed(self) -> tuple[str, ...]:
        """Every column that a record of a packet may have, once each, in order."""
        return tuple(dict.fromkeys([*self.columns(), *(self.attributes or ()), *self.drop]))


def _only(value: Mapped, known: tuple[str, ...], noun: str) -> Mapped:
    for target in value.targets():
        if target not in known:
            raise ValueError(f"unknown {noun} '{target}'{suggest(target, known)}")
    return value
