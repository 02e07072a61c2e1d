"""Retention of what was exported: the content kept at home goes, its row in the ledger stays."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from connectors.exporting.declaration import ExportDeclaration
from connectors.exporting.ledger import ANNOUNCED, AWAITED, ExportLedger
from connectors.exporting.making import file_name, kept_path
from connectors.ledger_rows import Export
from connectors.places.place import sync_folder


def expire_contents(
    declarations: Mapping[str, ExportDeclaration],
    exports: ExportLedger,
    *,
    home: Path,
    now: datetime,
    dry_run: bool = False,
) -> list[Path]:
    """Delete kept contents that are older than their declaration keeps them; return their paths.

    The time runs from the partner's answer, and without one from when it was due. What has not
    been delivered yet stays.
    """
    gone: list[Path] = []
    for name, declaration in declarations.items():
        if declaration.keep is None:
            continue
        kept_for = timedelta(days=int(declaration.keep.split()[0]))
        paths = [
            kept_path(home, name, file_name(declaration, made.business_date, made.sequence))
            for made in exports.exports(export=name)
            if made.status != ANNOUNCED and _settled_at(made) < now - kept_for
        ]
        there = [path for path in paths if path.is_file()]
        if there and not dry_run:
            for path in there:
                path.unlink(missing_ok=True)
            sync_folder(there[0].parent)
        gone += there
    return gone


def _settled_at(made: Export) -> datetime:
    """From when the content is needed no more: its answer, its replacement, or the time for it."""
    if made.confirmed_at is not None:
        return made.confirmed_at
    return made.due_at if made.status == AWAITED else made.announced_at
