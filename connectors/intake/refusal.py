"""Why the intake does not do what it was asked: one value that becomes an answer or a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from connectors.intake.submission import FieldFault
from connectors.intake.words import both

_STATUS = {
    "invalid": 422,
    "malformed": 400,
    "bad_key": 400,
    "too_large": 413,
    "too_slow": 408,
    "unauthorised": 401,
    "forbidden": 403,
    "not_found": 404,
    "no_route": 404,
    "no_method": 405,
    "conflict": 409,
    "illegal": 409,
    "too_many": 429,
    "too_many_keys": 429,
    "failed": 500,
    "unavailable": 503,
}


class Refusal(Exception):
    """A request that is not done. `code` is a key of the words; trying again helps where
    `retry_after` (seconds) is set."""

    def __init__(
        self, code: str, *, faults: Sequence[FieldFault] = (), retry_after: int | None = None
    ) -> None:
        self.code = code
        self.faults = tuple(faults)
        self.retry_after = retry_after
        super().__init__(both(f"code.{code}")["en"])

    @property
    def status(self) -> int:
        """The HTTP status."""
        return _STATUS[self.code]

    @property
    def retryable(self) -> bool:
        """Whether the same request can succeed later."""
        return self.retry_after is not None

    def body(self) -> dict[str, Any]:
        """The answer as JSON."""
        told: dict[str, Any] = {"code": self.code, "message": both(f"code.{self.code}")}
        if self.faults:
            told["faults"] = [
                {"field": fault.field, "message": dict(fault.message)} for fault in self.faults
            ]
        return told

    def headers(self) -> dict[str, str]:
        """Headers that belong to the answer."""
        headers = {}
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        if self.code == "unauthorised":
            headers["WWW-Authenticate"] = "Bearer"
        return headers
