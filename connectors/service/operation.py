"""The operations of the service: what each needs and does, with an example of its parameters."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from connectors.contract import Label
from connectors.intake.event import STAFF_EVENTS
from cubes.drill_through import MOST_ROWS
from cubes.named_query import PERMISSION
from cubes.period import COMPARISONS

MOST_RECORDS = 50_000
MOST_LISTED = 200

_TEXT = {"type": "string", "maxLength": 200}
_NAMES = {"type": "array", "items": _TEXT, "maxItems": 20}


@dataclass(frozen=True)
class Operation:
    """One operation.

    `permissions` are what a key must be good for, any one of them; none asks for nothing. A writing
    operation is done once per client and id.
    `params` are the JSON schemas of its parameters by name, `required` those that must be there.
    """

    name: str
    label: Label
    permissions: tuple[str, ...]
    writes: bool
    params: Mapping[str, Any]
    required: tuple[str, ...]
    example: Mapping[str, Any]

    def is_open_to(self, permissions: Collection[str]) -> bool:
        """Whether a key with these permissions may ask for it."""
        return not self.permissions or any(name in permissions for name in self.permissions)

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of its parameters."""
        found = {"type": "object", "properties": dict(self.params), "additionalProperties": False}
        return {**found, "required": list(self.required)} if self.required else found


_ALL = (
    Operation(
        "submit_feedback",
        Label(zh="提交反馈", en="Submit a matter"),
        ("submit",),
        True,
        {
            "kind": _TEXT,
            "category": _TEXT,
            "text": {"type": "string", "minLength": 1},
            "unit": {"type": "string", "maxLength": 64},
            "contact": {"type": "object"},
            "language": {"enum": ["zh", "en"]},
            "entry_point": _TEXT,
            "answers": {"type": "object"},
            "channel": _TEXT,
            "received_on": {"type": "string", "format": "date"},
        },
        ("kind", "text"),
        {"kind": "complaint", "text": "宽带断了两天", "channel": "counter"},
    ),
    Operation(
        "append_event",
        Label(zh="追加事件", en="Append an event"),
        ("event",),
        True,
        {
            "case_no": _TEXT,
            "type": {"enum": list(STAFF_EVENTS)},
            "text": {"type": "string", "maxLength": 4000},
            "unit": {"type": "string", "maxLength": 64},
            "at": {"type": "string", "format": "date-time"},
        },
        ("case_no", "type"),
        {"case_no": "HY260331-ABCDEFG", "type": "reply", "text": "已修复"},
    ),
    Operation(
        "deliver_batch",
        Label(zh="送达一批记录", en="Deliver a batch of records"),
        ("deliver",),
        True,
        {
            "source": _TEXT,
            "stream": _TEXT,
            "rows": {"type": "integer", "minimum": 0, "maximum": MOST_RECORDS},
            "sums": {"type": "object", "additionalProperties": {"type": "string"}},
            "records": {"type": "array", "items": {"type": "object"}, "maxItems": MOST_RECORDS},
        },
        ("source", "stream", "rows", "records"),
        {
            "source": "partner_feedback",
            "stream": "cases",
            "rows": 1,
            "records": [
                {
                    "case_no": "P-1",
                    "created_at": "2026-03-30 09:15:00",
                    "kind_code": "complaint",
                    "content": "宽带断了",
                }
            ],
        },
    ),
    Operation(
        "confirm_delivery",
        Label(zh="确认收到我方数据", en="Confirm one of our exports"),
        ("confirm",),
        True,
        {
            "export_id": _TEXT,
            "result": {"enum": ["ok", "partial", "refused"]},
            "rows": {"type": "integer", "minimum": 0},
            "sums": {"type": "object", "additionalProperties": {"type": "string"}},
            "sha256": {"type": "string", "maxLength": 64},
            "reason": {"type": "string", "maxLength": 500},
        },
        ("export_id", "result"),
        {"export_id": "4f1c0a5d9be84c27a1f0d2c3b4a59687", "result": "ok", "rows": 21},
    ),
    Operation(
        "query_status",
        Label(zh="查询工单进度", en="Where a case stands"),
        ("status",),
        False,
        {"case_no": _TEXT, "secret": {"type": "string", "maxLength": 40}},
        ("case_no",),
        {"case_no": "HY260331-ABCDEFG"},
    ),
    Operation(
        "run_named_query",
        Label(zh="执行命名查询", en="Run a named query"),
        (),
        False,
        {"query": _TEXT, "params": {"type": "object"}, "language": {"enum": ["zh", "en"]}},
        ("query",),
        {"query": "arrears_by_unit", "params": {"business_date": "2026-03-30"}},
    ),
    Operation(
        "query_cube",
        Label(zh="查询立方体", en="Ask a cube"),
        ("cube",),
        False,
        {
            "cube": _TEXT,
            "measures": _NAMES,
            "by": _NAMES,
            "cuts": {"type": "object"},
            "time": _TEXT,
            "period": _TEXT,
            "compare": {"enum": list(COMPARISONS)},
            "fill": {"enum": ["zero"]},
            "totals": {"enum": ["grand", "all"]},
            "order": _NAMES,
            "limit": {"type": "integer", "minimum": 1, "maximum": 10_000},
            "keys": {"type": "boolean"},
            "as_was": {"type": "boolean"},
            "language": {"enum": ["zh", "en"]},
        },
        ("cube", "measures"),
        {"cube": "cases", "measures": ["complaints"], "by": ["org.l2"], "period": "2026-03"},
    ),
    Operation(
        "query_rows",
        Label(zh="查询数字背后的明细", en="The rows behind a figure"),
        ("cube",),
        False,
        {
            "cube": _TEXT,
            "measures": _NAMES,
            "columns": _NAMES,
            "cuts": {"type": "object"},
            "time": _TEXT,
            "period": _TEXT,
            "order": _NAMES,
            "limit": {"type": "integer", "minimum": 1, "maximum": 10_000, "default": MOST_ROWS},
            "language": {"enum": ["zh", "en"]},
        },
        ("cube", "measures"),
        {"cube": "cases", "measures": ["overdue_cases"], "order": ["due_on"], "limit": 20},
    ),
    Operation(
        "list_operations",
        Label(zh="列出可用操作", en="List what this key may do"),
        (),
        False,
        {"language": {"enum": ["zh", "en"]}},
        (),
        {},
    ),
    Operation(
        "list_deliveries",
        Label(zh="列出送达与结果", en="List deliveries and their results"),
        ("deliver", "confirm"),
        False,
        {
            "batch_id": _TEXT,
            "limit": {"type": "integer", "minimum": 1, "maximum": MOST_LISTED},
        },
        (),
        {"limit": 20},
    ),
    Operation(
        "fetch_delivery",
        Label(zh="取我方数据", en="Fetch one of our exports"),
        ("confirm",),
        False,
        {
            "export_id": _TEXT,
            "offset": {"type": "integer", "minimum": 0, "maximum": 1_000_000_000},
            "limit": {"type": "integer", "minimum": 1, "maximum": MOST_RECORDS},
        },
        ("export_id",),
        {"export_id": "4f1c0a5d9be84c27a1f0d2c3b4a59687"},
    ),
)

OPERATIONS: Mapping[str, Operation] = {operation.name: operation for operation in _ALL}
"""Every operation by name; the list is closed."""

STREAMED = ("run_named_query", "query_cube")
"""The operations whose answers can be read in parts."""

PERMISSIONS = tuple(
    dict.fromkeys([*(name for one in _ALL for name in one.permissions), PERMISSION])
)
"""What a key may be good for, besides permissions that single named queries ask.

A named query asks its own permission, so the operation that runs one asks none.
"""
