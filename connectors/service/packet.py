"""Packets: the one form of every request, read strictly; all faults told at once."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from connectors.intake.secret import content_hash
from connectors.intake.submission import FieldFault
from connectors.service.refusal import PacketRefused, field_fault

_ID = re.compile(r"[!-~]{1,100}")
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_KEYS = ("id", "operation", "params", "sent_at", "test")
_DEEPEST = 12
_MOST_SKEW = timedelta(days=1)
_MOST_FAULTS = 50


@dataclass(frozen=True)
class Packet:
    """One request; `content` is what it says in one fixed spelling, whenever it was sent."""

    packet_id: str
    operation: str
    params: Mapping[str, Any]
    sent_at: datetime | None
    is_test: bool
    content: str

    def content_hash(self, key: bytes) -> str:
        """A keyed hash that tells a repeat from another packet."""
        return content_hash(key, self.content)


class _Fault(ValueError):
    def __init__(self, word: str) -> None:
        self.word = word
        super().__init__(word)


def parse_packet(body: bytes, *, now: datetime) -> Packet:
    """Read a packet; raises PacketRefused with everything that is wrong with its form.

    `now` is the aware instant of the arrival, against which the sender's clock is compared.
    """
    data = _read(body)
    reading = Params(data)
    reading.unknown(_KEYS)
    packet_id = data.get("id")
    if not isinstance(packet_id, str) or not _ID.fullmatch(packet_id):
        reading.fault("id", "id" if "id" in data else "required")
        packet_id = None
    operation = reading.text("operation", 60, required=True)
    params = data.get("params", {})
    if not isinstance(params, dict):
        reading.fault("params", "object")
        params = {}
    sent_at = reading.instant("sent_at")
    is_test = reading.flag("test")
    if not reading.faults and _depth(params) > _DEEPEST:
        reading.fault("params", "deep")
    content = ""
    if not reading.faults:
        content = json.dumps(
            [operation, params, is_test], ensure_ascii=False, sort_keys=True, default=str
        )
        try:
            content.encode()
            is_text = not _NUL.search(content)
        except UnicodeEncodeError:
            is_text = False
        if not is_text:
            reading.fault("params", "surrogate")
    if reading.faults or packet_id is None or operation is None:
        raise PacketRefused("malformed", faults=reading.faults, packet_id=packet_id)
    if sent_at is not None and sent_at > now + _MOST_SKEW:
        raise PacketRefused("clock_skew", packet_id=packet_id)
    return Packet(packet_id, operation, params, sent_at, is_test, content)


def _read(body: bytes) -> dict[str, Any]:
    word = "body"
    try:
        data = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_once,
            parse_constant=_no_constant,
            parse_float=Decimal,
        )
        if isinstance(data, dict):
            return data
    except _Fault as fault:
        word = fault.word
    except RecursionError:
        word = "deep"
    except (ValueError, ArithmeticError):
        pass
    raise PacketRefused("malformed", faults=[field_fault("", word)])


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Fault("duplicate")
    return found


def _no_constant(_: str) -> Any:
    raise _Fault("constant")


def _depth(value: Any) -> int:
    """How deep lists and objects nest; never deeper than one beyond what is allowed."""
    depth, level = 0, [value]
    while level and depth <= _DEEPEST:
        depth += 1
        level = [
            item
            for one in level
            for item in (one.values() if isinstance(one, dict) else one)
            if isinstance(item, dict | list)
        ]
    return depth


class Params:
    """Reads the keys of an object and collects faults."""

    def __init__(self, data: Mapping[str, Any], above: str = "") -> None:
        self.data = data
        self.faults: list[FieldFault] = []
        self._above = above

    def fault(self, name: str, word: str, **values: object) -> None:
        """Note a fault; beyond fifty nobody reads them."""
        if len(self.faults) < _MOST_FAULTS:
            self.faults.append(field_fault(f"{self._above}{name}", word, **values))

    def unknown(self, known: Sequence[str]) -> None:
        """Note every key that is not known."""
        for name in sorted(set(self.data) - set(known))[:20]:
            # What somebody wrote into a wrong place is shown only where it looks like a key.
            shown = name if re.fullmatch(r"[A-Za-z_]{1,40}", name) else "?"
            self.fault(shown, "unknown")

    def text(self, name: str, longest: int, *, required: bool = False) -> str | None:
        """A text; None where there is none or it is faulty."""
        value = self.data.get(name)
        if value is None or value == "":
            if required:
                self.fault(name, "required")
            return None
        if not isinstance(value, str) or len(value) > longest:
            self.fault(name, "text", most=longest)
            return None
        return value

    def integer(self, name: str, least: int, most: int, *, required: bool = False) -> int | None:
        """A whole number within bounds; None where there is none or it is faulty."""
        value: Any = self.data.get(name)
        if value is None:
            if required:
                self.fault(name, "required")
            return None
        if type(value) is not int or not least <= value <= most:
            self.fault(name, "integer", least=least, most=most)
            return None
        return int(value)

    def flag(self, name: str) -> bool:
        """True or false; false where there is none."""
        value = self.data.get(name, False)
        if not isinstance(value, bool):
            self.fault(name, "true_false")
            return False
        return value

    def part(self, name: str) -> Mapping[str, Any]:
        """A nested object; empty where there is none or it is faulty."""
        value = self.data.get(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.fault(name, "object")
            return {}
        return value

    def one_of(self, name: str, known: Sequence[str], *, required: bool = False) -> str | None:
        """One of the known words."""
        value = self.text(name, 200, required=required)
        if value is not None and value not in known:
            self.fault(name, "choice", known=", ".join(known))
            return None
        return value

    def instant(self, name: str) -> datetime | None:
        """An aware instant; None where there is none or it is faulty."""
        text = self.text(name, 40)
        if text is None:
            return None
        try:
            at = datetime.fromisoformat(text)
            if at.tzinfo is not None and 2000 <= at.year <= 2200:
                return at.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        self.fault(name, "instant")
        return None

    def require(self) -> None:
        """Raise PacketRefused if anything is wrong."""
        if self.faults:
            raise PacketRefused("invalid", faults=self.faults)
