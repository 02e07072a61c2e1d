"""What the columns of a stream are called in its files, and the rules every written text keeps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from connectors.contract import Contract
from connectors.errors import UnwritableValue

HALF_CHARACTER = re.compile("[\ud800-\udfff]")


def file_columns(contract: Contract, stream_name: str) -> dict[str, str]:
    """Names in the file by column of the contract; a flat data set keeps its own names."""
    if contract.map is not None:
        return {name: name for name in contract.map.columns()}
    return {
        name: column.from_ or name for name, column in contract.streams[stream_name].columns.items()
    }


@dataclass(frozen=True)
class TextRule:
    """Turns the text of one column into what stands in the file.

    Empty texts are null, and null is written as an empty text. A number is given with `.` and gets
    the decimal mark of the layout.
    """

    column: str
    nulls: frozenset[str]
    decimal_mark: str | None

    def text(self, value: str | None, record_no: int) -> str:
        """The text to write; raises UnwritableValue for one that would be read as null."""
        if value is None or value == "":
            return ""
        if self.decimal_mark is not None:
            value = value.replace(".", self.decimal_mark)
        if value in self.nulls:
            raise UnwritableValue(record_no, self.column, "is a spelling of null in this layout")
        if "\0" in value:
            raise UnwritableValue(record_no, self.column, "holds a NUL character")
        return value


def text_rules(contract: Contract, stream_name: str) -> list[TextRule]:
    """One rule per column of the file, in order."""
    columns = contract.streams[stream_name].columns
    layout = contract.layout
    rules = []
    for name in file_columns(contract, stream_name):
        decimal = name in columns and columns[name].scale is not None
        mark = layout.decimal_mark if decimal and layout.decimal_mark != "." else None
        rules.append(TextRule(name, frozenset(layout.nulls), mark))
    return rules


def encoded(text: str, encoding: str, record_no: int, column: str) -> bytes:
    """The bytes of a text; raises UnwritableValue for half a character."""
    try:
        return text.encode("utf-16-le" if encoding == "utf-16" else encoding)
    except UnicodeEncodeError as error:
        raise UnwritableValue(record_no, column, f"has no bytes in {encoding}") from error


def trailer_fields(contract: Contract, rows: int, sums: Mapping[str, str]) -> list[str]:
    """The fields of the trailer line; raises UnwritableValue when one of its sums is missing."""
    trailer = contract.layout.trailer
    assert trailer is not None, "only a layout with a trailer has trailer fields"
    places = [trailer.rows or 1, *trailer.sums.values()]
    fields = [""] * max(places)
    fields[0] = trailer.mark
    if trailer.rows is not None:
        fields[trailer.rows - 1] = str(rows)
    for name, place in trailer.sums.items():
        if name not in sums:
            raise UnwritableValue(rows + 1, name, "has no total for the trailer")
        fields[place - 1] = sums[name].replace(".", contract.layout.decimal_mark)
    return fields
