"""A real server of the service in a process of its own, and clients of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors.inbox import ApiClient, Inbox, key_hash
from connectors.service.operation import PERMISSIONS
from tests.connectors.intake.server import Answer, Server

SENT_AT = "2026-03-31T09:00:00+08:00"
SOURCE = "partner_feedback"


class ServiceServer(Server):
    """The service of a home, with the example source switched on."""

    module = "tests.connectors.service.serving"

    def __init__(self, home: Path, **environment: str) -> None:
        super().__init__(home, **{"HUIYIN_SOURCES": f"intake,{SOURCE}", **environment})


def add_client(
    home: Path,
    label: str,
    *,
    unit: str | None = None,
    permissions: tuple[str, ...] = PERMISSIONS,
    sources: tuple[str, ...] = (SOURCE,),
    is_test: bool = False,
) -> str:
    """Add a client to the inbox of a home and return its key."""
    home.mkdir(parents=True, exist_ok=True)
    key = f"hyk_{label}_{'k' * 30}"
    client = ApiClient(
        client_id=f"client-{label}",
        key_hash=key_hash(key),
        label=label,
        unit_id=unit,
        permissions=permissions,
        created_at=datetime(2026, 3, 1, tzinfo=UTC),
        disabled_at=None,
        sources=sources,
        is_test=is_test,
    )
    with Inbox(home / "inbox.db") as inbox:
        assert inbox.add_client(client)
    return key


@dataclass(frozen=True)
class Client:
    """One partner: its key and the server it talks to."""

    server: Server
    key: str

    def send(self, operation: str, packet_id: str = "p-1", /, **params: Any) -> Answer:
        """Send a packet with the parameters."""
        packet = {"id": packet_id, "operation": operation, "params": params, "sent_at": SENT_AT}
        return self.packet(packet)

    def packet(self, packet: Any) -> Answer:
        """Send a packet as it is."""
        return self.raw(json.dumps(packet, ensure_ascii=False).encode())

    def raw(self, body: bytes) -> Answer:
        """Send any bytes."""
        return self.server.request(
            "POST",
            "/v1/packets",
            body=body,
            Authorization=f"Bearer {self.key}",
            Content_Type="application/json",
        )


def record(number: int, **more: Any) -> dict[str, Any]:
    """A right record of the example source."""
    return {
        "case_no": f"P-{number:06d}",
        "created_at": "2026-03-30 09:15:00",
        "kind_code": "complaint",
        "phone": "13912345678",
        "content": f"宽带断了，请回电 13912345678，第{number}次",
        **more,
    }
