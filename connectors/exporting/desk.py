"""The exports that a client of the service fetches and confirms itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from connectors.exporting.confirmation import Answer, settle
from connectors.exporting.declaration import ExportDeclaration
from connectors.exporting.ledger import AWAITED, ExportLedger
from connectors.exporting.making import kept_content
from connectors.ledger import Ledger
from connectors.ledger_rows import Export

SERVICE = "service"


@dataclass(frozen=True)
class ExportDesk:
    """What the service needs to hand out exports; a client sees those declared for its label."""

    declarations: Mapping[str, ExportDeclaration]
    home: Path
    open_ledger: Callable[[], AbstractContextManager[Ledger]]

    def deliveries(self, client: str) -> list[Export]:
        """The exports of a client, oldest first, whatever became of them."""
        names = {
            name
            for name, declaration in self.declarations.items()
            if (declaration.interface.type, declaration.interface.location) == (SERVICE, client)
        }
        with self.open_ledger() as ledger:
            return [made for made in ExportLedger(ledger.rows).exports() if made.export in names]

    def fetch(self, client: str, export_id: str) -> list[dict[str, Any]] | None:
        """The rows of one of a client's exports; None if it has no such export.

        Raises ExportMismatch when the kept content is gone.
        """
        made = self._own(client, export_id)
        if made is None or made.status == "announced":
            return None
        kept = kept_content(self.home, self.declarations[made.export], made)
        with kept.open(encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def confirm(
        self, client: str, export_id: str, answer: Answer, *, now: datetime
    ) -> Export | None:
        """Note a client's answer to one of its exports; None if it has no such export.

        A second answer to a settled export changes nothing.
        """
        made = self._own(client, export_id)
        if made is None:
            return None
        if made.status != AWAITED:
            return made
        with self.open_ledger() as ledger:
            return settle(ledger, made, answer, now=now)

    def _own(self, client: str, export_id: str) -> Export | None:
        found = [made for made in self.deliveries(client) if made.export_id == export_id]
        return found[0] if found else None
