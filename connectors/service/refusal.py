"""Why a packet is not done: one value that becomes an answer in the packet's own form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from connectors.intake.submission import FieldFault

_FOLDER = Path(__file__).parent
RETRY_SECONDS = 5


@dataclass(frozen=True)
class Code:
    """One code of an answer: HTTP status, whether trying again helps, and its sentences."""

    name: str
    status: int
    retry: bool
    message: Mapping[str, str]


@cache
def load_codes() -> dict[str, Code]:
    """Every code by name."""
    declared = yaml.safe_load((_FOLDER / "codes.yml").read_text(encoding="utf-8"))
    return {
        name: Code(name, item["status"], item["retry"], {"zh": item["zh"], "en": item["en"]})
        for name, item in declared.items()
    }


@cache
def _fault_words() -> dict[str, dict[str, str]]:
    declared: dict[str, dict[str, str]] = yaml.safe_load(
        (_FOLDER / "faults.yml").read_text(encoding="utf-8")
    )
    return declared


def field_fault(field: str, word: str, **values: object) -> FieldFault:
    """One fault of one field in both languages; a value may be a mapping of its texts."""
    message = {}
    for language, text in _fault_words()[word].items():
        own = {name: v[language] if isinstance(v, Mapping) else v for name, v in values.items()}
        message[language] = text.format(**own)
    return FieldFault(field, message)


class PacketRefused(Exception):
    """A packet that is not done; `code` is one of the table, `faults` all that is wrong."""

    def __init__(
        self,
        code: str,
        *,
        faults: Sequence[FieldFault] = (),
        retry_after: int | None = None,
        packet_id: str | None = None,
    ) -> None:
        self.code = load_codes()[code]
        self.faults = tuple(faults)
        self.packet_id = packet_id
        self.retry_after = retry_after or (RETRY_SECONDS if self.code.retry else None)
        super().__init__(self.code.message["en"])

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.code.status

    @property
    def retryable(self) -> bool:
        """Whether the same packet can succeed later."""
        return self.code.retry

    def body(self, packet_id: str | None = None) -> dict[str, Any]:
        """The answer as JSON."""
        faults = [{"field": one.field, "message": dict(one.message)} for one in self.faults]
        return {
            "id": packet_id or self.packet_id,
            "code": self.code.name,
            "message": dict(self.code.message),
            "data": {"faults": faults} if faults else None,
            "snapshot": None,
        }

    def headers(self) -> dict[str, str]:
        """Headers that belong to the answer."""
        headers = {}
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        if self.code.name == "unauthorised":
            headers["WWW-Authenticate"] = "Bearer"
        return headers
