"""The OpenAPI description of the intake's interface, derived from the form."""

from __future__ import annotations

from typing import Any

from connectors.intake.desk import SHORTEST_PUBLIC_KEY
from connectors.intake.event import STAFF_EVENTS
from connectors.intake.form import Form
from connectors.intake.submission import STAFF_CHANNELS

_BOTH = {
    "type": "object",
    "properties": {"zh": {"type": "string"}, "en": {"type": "string"}},
    "required": ["zh", "en"],
}
_REFUSAL = {
    "type": "object",
    "properties": {
        "code": {"type": "string"},
        "message": _BOTH,
        "faults": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "message": _BOTH},
                "required": ["field", "message"],
            },
        },
    },
    "required": ["code", "message"],
}
_INSTANT = {"type": "string", "format": "date-time"}
_UNIT = (
    "id of an active unit; for an API key that is bound to a unit, that one (the default) or one "
    "below it"
)
_BY_CLIENT = "With an API key, the same key with another body is a conflict (409)."
_BY_PUBLIC = (
    f"Without an API key, it must have at least {SHORTEST_PUBLIC_KEY} characters (422 otherwise): "
    "use a random value; the same key with another body is another request."
)
SECRET_HEADER = {
    "name": "X-Case-Secret",
    "in": "header",
    "required": True,
    "description": "The code that came with the case number.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,40}$"},
}


def _idempotency_header(shortest: int, description: str) -> dict[str, Any]:
    return {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": f"The same key with the same body gives the same answer again. "
        f"{description}",
        "schema": {
            "type": "string",
            "minLength": shortest,
            "maxLength": 200,
            "pattern": "^[!-~]+$",
        },
    }


def _json(schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def refusals(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The answers to a request that is not done."""
    return {code: _json(_REFUSAL, "not done; the code and both messages say why") for code in codes}


def submission_operation(form: Form) -> dict[str, Any]:
    """Request and answers of POST /v1/feedback."""
    text = {"type": "string"}
    properties: dict[str, Any] = {
        "kind": {"enum": [choice.id for choice in form.kinds]},
        "category": {"enum": sorted(form.category_paths)},
        "text": {"type": "string", "minLength": 1, "maxLength": form.text.longest},
        "unit": {"type": "string", "maxLength": 64, "description": _UNIT},
        "contact": {
            "type": "object",
            "properties": {
                "name": {"type": "string", "maxLength": form.contact.name_longest},
                "phone": {"type": "string", "maxLength": 40},
                "email": {"type": "string", "maxLength": 254},
            },
            "additionalProperties": False,
        },
        "language": {"enum": ["zh", "en"]},
        "entry_point": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,40}$"},
        "answers": {
            "type": "object",
            "properties": {
                question.id: {"enum": [choice.id for choice in question.choices]}
                if question.type == "choice"
                else {**text, "format": "date"}
                if question.type == "date"
                else {**text, "maxLength": question.longest}
                for question in form.questions
            },
            "additionalProperties": False,
        },
        "channel": {"enum": list(STAFF_CHANNELS), "description": "staff only"},
        "received_on": {"type": "string", "format": "date", "description": "staff only"},
    }
    receipt = {
        "type": "object",
        "properties": {
            "case_no": text,
            "secret": text,
            "promised_due_at": {"anyOf": [_INSTANT, {"type": "null"}]},
            "policy": {
                "anyOf": [
                    {
                        "type": "object",
                        "properties": {"id": text, "name": _BOTH},
                        "required": ["id", "name"],
                    },
                    {"type": "null"},
                ]
            },
            "reason": {"anyOf": [_BOTH, {"type": "null"}]},
            "status_url": text,
            "next_steps": {"type": "array", "items": _BOTH},
        },
        "required": ["case_no", "secret", "promised_due_at", "policy", "status_url", "next_steps"],
    }
    return {
        "parameters": [_idempotency_header(8, f"{_BY_CLIENT} {_BY_PUBLIC}")],
        "requestBody": _body(
            {
                "type": "object",
                "properties": properties,
                "required": ["kind", "text"],
                "additionalProperties": False,
            }
        ),
        "responses": {"202": _json(receipt, "accepted and durable")},
    }


def status_operation() -> dict[str, Any]:
    """Request and answer of GET /v1/feedback/{case_no}."""
    schema = {
        "type": "object",
        "properties": {
            "case_no": {"type": "string"},
            "is_pending": {"type": "boolean"},
            "due_at": {"anyOf": [_INSTANT, {"type": "null"}]},
            "milestones": {"type": "array", "items": {"type": "object"}},
        },
        "required": ["case_no", "status", "milestones"],
    }
    return {
        "parameters": [SECRET_HEADER],
        "responses": {"200": _json(schema, "where the case stands")},
    }


def event_operation(*, is_staff: bool) -> dict[str, Any]:
    """Request and answer of an event of staff or of the reporter."""
    text = {"type": "string", "maxLength": 4000}
    schema: dict[str, Any] = {"type": "object", "properties": {"text": text}}
    if is_staff:
        schema["properties"] |= {
            "type": {"enum": list(STAFF_EVENTS)},
            "unit": {"type": "string", "maxLength": 64},
            "at": _INSTANT,
        }
        schema["required"] = ["type"]
    schema["additionalProperties"] = False
    answer = {
        "type": "object",
        "properties": {"case_no": {"type": "string"}, "event_no": {"type": "string"}},
        "required": ["case_no", "event_no", "event_type", "at"],
    }
    parameters = (
        [_idempotency_header(8, _BY_CLIENT)]
        if is_staff
        else [_idempotency_header(SHORTEST_PUBLIC_KEY, _BY_PUBLIC), SECRET_HEADER]
    )
    return {
        "parameters": parameters,
        "requestBody": _body(schema),
        "responses": {"202": _json(answer, "accepted and durable")},
    }
