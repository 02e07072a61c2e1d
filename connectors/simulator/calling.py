"""Partners who call the service over HTTP: the franchise delivers, the city's cockpit fetches.

They know the address, a key and the agreed form of packets, and nothing else.
"""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from .errors import PacketNotTaken
from .franchise import FOLDER
from .sending import replace_file

_ANSWER = ".answer.json"
_SECONDS = 60
_AT_ONCE = 1000


@dataclass(frozen=True)
class Service:
    """Where the service is and the key under which a partner calls it."""

    address: str
    key: str

    def ask(self, packet: dict[str, Any]) -> Any:
        """Send a packet and return the data of the answer; raises PacketNotTaken."""
        request = urllib.request.Request(
            f"{self.address}/v1/packets",
            data=json.dumps(packet, ensure_ascii=False).encode(),
            headers={
                "Authorization": f"Bearer {self.key}",
                "Content-Type": "application/json",
            },
            method="POST",
        )
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
                told = json.load(answer)
        except urllib.error.HTTPError as error:
            raise PacketNotTaken(
                f"sending the packet {packet['id']} to {self.address} failed: it was refused with "
                f"{error.code}: {error.read(2000).decode(errors='replace')}; trying again helps "
                "only if that is a passing trouble of the service",
            ) from error
        except (OSError, ValueError) as error:
            raise PacketNotTaken(
                f"sending the packet {packet['id']} to {self.address} failed: {error}; nothing is "
                "lost, the same call sends it again once the service answers"
            ) from error
        if told["code"] not in ("ok", "accepted") or told["id"] != packet["id"]:
            raise PacketNotTaken(
                f"sending the packet {packet['id']} to {self.address} failed: the answer is "
                f"{told['code']}; trying again does not help"
            )
        return told["data"]


def waiting_packets(home: Path) -> list[Path]:
    """What the franchise keeps and the service has not accepted yet, oldest first."""
    kept = sorted((home / FOLDER).glob("*.json"))
    return [path for path in kept if not path.name.endswith(_ANSWER) and not _answer(path).exists()]


def send_packets(home: Path, service: Service) -> int:
    """Send what waits; returns how many packets.

    Sent again after a lost answer, a packet has the same id. Raises PacketNotTaken.
    """
    waiting = waiting_packets(home)
    for path in waiting:
        data = service.ask(json.loads(path.read_text(encoding="utf-8")))
        replace_file(_answer(path), (json.dumps(data, ensure_ascii=False) + "\n").encode())
    return len(waiting)


def _answer(path: Path) -> Path:
    return path.with_name(path.stem + _ANSWER)


def take_exports(service: Service, *, now: datetime) -> int:
    """Fetch and confirm what waits for the cockpit; returns how many exports it took.

    It counts rows and adds up the columns of the declared sums itself. Raises PacketNotTaken.
    """
    taken = 0
    for export in _ask(service, "list_deliveries", "list", now, {})["exports"]:
        if export["status"] != "delivered":
            continue
        name = export["export_id"]
        rows: list[dict[str, Any]] = []
        while len(rows) < export["rows"]:
            part = {"export_id": name, "offset": len(rows), "limit": _AT_ONCE}
            found = _ask(service, "fetch_delivery", f"fetch-{len(rows)}-{name}", now, part)
            if not found["records"]:
                break
            rows += found["records"]
        sums = {
            column: str(sum((Decimal(row[column] or 0) for row in rows), Decimal(0)))
            for column in export["sums"]
        }
        said = {"export_id": name, "result": "ok", "rows": len(rows), "sums": sums}
        _ask(service, "confirm_delivery", f"confirm-{name}", now, said)
        taken += 1
    return taken


def _ask(
    service: Service, operation: str, packet_id: str, now: datetime, params: dict[str, Any]
) -> Any:
    packet = {"id": packet_id, "operation": operation, "params": params, "sent_at": now.isoformat()}
    return service.ask(packet)
