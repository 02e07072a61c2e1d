"""The exports that a client of the service fetches and confirms itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from connectors.exporting.confirmation import Answer, settle
from connectors.exporting.declaration import ExportDeclaration
from connectors.exporting.ledger import ANNOUNCED, ExportLedger
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

    def deliveries(self, client: str, limit: int) -> list[Export]:
        """The last `limit` exports of a client, oldest first, whatever became of them."""
        names = [name for name in self.declarations if self._is_for(client, name)]
        with self.open_ledger() as ledger:
            return ExportLedger(ledger.rows).last(names, limit)

    def delivery(self, client: str, export_id: str) -> Export | None:
        """One of a client's exports; None if it has no such export."""
        with self.open_ledger() as ledger:
            made = ExportLedger(ledger.rows).export(export_id)
        return made if made is not None and self._is_for(client, made.export) else None

    def fetch(self, made: Export, offset: int, limit: int) -> list[dict[str, Any]] | None:
        """Rows of an export from `offset`, at most `limit`; None before it is ready.

        Raises ExportMismatch when the kept content is gone or was changed, which a part that does
        not begin at the first row tells only by its size.
        """
        if made.status == ANNOUNCED:
            return None
        declaration = self.declarations[made.export]
        kept = kept_content(self.home, declaration, made, by_size=offset > 0)
        with kept.open(encoding="utf-8") as file:
            return [json.loads(line) for line in islice(file, offset, offset + limit)]

    def confirm(
        self, client: str, export_id: str, answer: Answer, *, now: datetime
    ) -> Export | None:
        """Note a client's answer to one of its exports; None if it has no such export.

        A second answer to a settled export changes nothing.
        """
        made = self.delivery(client, export_id)
        if made is None:
            return None
        with self.open_ledger() as ledger:
            return settle(ledger, made, answer, now=now) or ExportLedger(ledger.rows).export(
                export_id
            )

    def _is_for(self, client: str, name: str) -> bool:
        declaration = self.declarations.get(name)
        if declaration is None:
            return False
        interface = declaration.interface
        return (interface.type, interface.location) == (SERVICE, client)
