"""The OpenAPI description of the service, derived from its operations and codes."""

from __future__ import annotations

from typing import Any

from connectors.service.operation import OPERATIONS
from connectors.service.refusal import load_codes

_BOTH = {
    "type": "object",
    "properties": {"zh": {"type": "string"}, "en": {"type": "string"}},
    "required": ["zh", "en"],
}
_SENT_AT = "2026-03-31T09:00:00+08:00"


def packet_operation() -> dict[str, Any]:
    """The request of POST /v1/packets: one schema and one example for each operation."""
    return {
        "security": [{"key": []}],
        "parameters": [
            {
                "name": "Authorization",
                "in": "header",
                "required": True,
                "description": "Bearer and the client's key.",
                "schema": {"type": "string", "pattern": "^Bearer [!-~]+$"},
            }
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"oneOf": [_packet(name) for name in OPERATIONS]},
                    "examples": {
                        name: {
                            "summary": f"{operation.label.zh} {operation.label.en}",
                            "value": {
                                "id": f"{name}-0001",
                                "operation": name,
                                "params": dict(operation.example),
                                "sent_at": _SENT_AT,
                            },
                        }
                        for name, operation in OPERATIONS.items()
                    },
                }
            },
        },
    }


def _packet(name: str) -> dict[str, Any]:
    operation = OPERATIONS[name]
    kind = "writes, once per client and id" if operation.writes else "reads"
    return {
        "type": "object",
        "title": name,
        "description": f"{operation.label.en} ({kind}; permission "
        f"{' or '.join(operation.permissions) or 'none of its own'})",
        "properties": {
            "id": {"type": "string", "pattern": "^[!-~]{1,100}$"},
            "operation": {"const": name},
            "params": operation.schema,
            "sent_at": {"type": "string", "format": "date-time"},
            "test": {"type": "boolean", "description": "check everything, change nothing"},
        },
        "required": ["id", "operation", "params"],
        "additionalProperties": False,
    }


def packet_responses() -> dict[int | str, dict[str, Any]]:
    """The answers by HTTP status, each with the codes it may carry."""
    statuses: dict[int, list[str]] = {}
    for name, code in load_codes().items():
        statuses.setdefault(code.status, []).append(name)
    return {
        status: {
            "description": "; ".join(
                f"{name}: {load_codes()[name].message['en']}" for name in names
            ),
            "content": {"application/json": {"schema": _answer(names)}},
        }
        for status, names in sorted(statuses.items())
    }


def _answer(codes: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "id": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "code": {"enum": codes},
            "message": _BOTH,
            "data": {},
            "snapshot": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
        "required": ["id", "code", "message", "data", "snapshot"],
        "additionalProperties": False,
    }
