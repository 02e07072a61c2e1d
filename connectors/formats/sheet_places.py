"""Sheets of a workbook looked at before they are read: whole, and each cell in a place of its own.

The reader of workbooks is lenient: it passes over what it does not understand, and of two cells
with one place it keeps the later. Either would lose a value without a word.
"""

from __future__ import annotations

import zipfile
from typing import IO
from xml.parsers import expat

from connectors.formats.packing import refusing_damage

_PARTS = ("xl/worksheets/", "xl/sharedstrings", "xl/styles", "xl/workbook")


def check_sheets(archive: zipfile.ZipFile) -> None:
    """Raise RefusedDelivery (`broken_workbook`) for sheets that would not be read as they stand."""
    for info in archive.infolist():
        name = info.filename.lower()
        if name.startswith(_PARTS) and name.endswith(".xml"):
            reason = f"its part {info.filename!r} is damaged"
            with refusing_damage("broken_workbook", reason), archive.open(info) as sheet:
                try:
                    _Places().check(sheet)
                except expat.ExpatError as error:
                    raise ValueError("it is no XML") from error


class _Places:
    """The places of one sheet; raises ValueError for one that is taken or lies in another row."""

    def __init__(self) -> None:
        self._rows: set[str] = set()
        self._row: str | None = None
        self._cells: set[str] = set()

    def check(self, sheet: IO[bytes]) -> None:
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.ParseFile(sheet)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        # Either may stand without its place, and follows the one before it then.
        place = attributes.get("r")
        if name == "row":
            if place in self._rows:
                raise ValueError("two rows have one number")
            self._row = place
            self._cells.clear()
            if place is not None:
                self._rows.add(place)
        elif name == "c" and place is not None:
            if self._row is not None and not place.removesuffix(self._row).isalpha():
                raise ValueError("a cell lies in another row")
            if place in self._cells:
                raise ValueError("two cells have one place")
            self._cells.add(place)
