"""The OpenAPI description of the service, derived from its operations and codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from connectors.service.answer_stream import ARROW, CSV
from connectors.service.operation import OPERATIONS, STREAMED
from connectors.service.refusal import load_codes

_BOTH = {
    "type": "object",
    "properties": {"zh": {"type": "string"}, "en": {"type": "string"}},
    "required": ["zh", "en"],
}
_SENT_AT = "2026-03-31T09:00:00+08:00"


def packet_operation(names: Sequence[str] = tuple(OPERATIONS)) -> dict[str, Any]:
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
                    "schema": {"oneOf": [_packet(name) for name in names]},
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
                        if name in names
                    },
                }
            },
        },
    }


def stream_operation() -> dict[str, Any]:
    """The request of POST /v1/streams: a packet that queries, and the form of its answer."""
    told = packet_operation(STREAMED)
    accept = {
        "name": "Accept",
        "in": "header",
        "required": False,
        "description": f"{ARROW} (an Arrow IPC stream, also where nothing is said) or {CSV}.",
        "schema": {"type": "string"},
    }
    return {**told, "parameters": [*told["parameters"], accept]}


def stream_responses() -> dict[int | str, dict[str, Any]]:
    """The answers of a stream: its parts, or a refusal as of a packet.

    A stream that fails after it began ends without its last chunk.
    """
    refusals = {status: told for status, told in packet_responses().items() if status != 200}
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {
        200: {
            "description": "The rows, without totals, in parts.",
            "headers": {
                name: {"schema": {"type": "string"}}
                for name in ("x-huiyin-snapshot", "x-huiyin-business-date")
            },
            "content": {ARROW: binary, CSV: binary},
        },
        **refusals,
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
