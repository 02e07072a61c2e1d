"""Writing of delimited text: what `formats.delimited` reads back as it was given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from connectors.contract import Contract
from connectors.errors import UnwritableValue
from connectors.file_layout import FileLayout
from connectors.formats.file_columns import (
    HALF_CHARACTER,
    encoded,
    file_columns,
    text_rules,
    trailer_fields,
)
from connectors.formats.packing import packed

_FEFF = "\ufeff"


def write_delimited(
    rows: Iterable[Mapping[str, str | None]],
    path: Path,
    contract: Contract,
    stream_name: str,
    *,
    sums: Mapping[str, str],
) -> int:
    """Write rows as a delimited file with header and trailer of the layout; return their number.

    Raises UnwritableValue for a value that the layout cannot carry, before the file is there.
    """
    layout = contract.layout
    names = file_columns(contract, stream_name)
    rules = text_rules(contract, stream_name)
    line = _Line(layout, len(names))
    count = 0
    with packed(path, layout.compression) as file:
        if layout.encoding == "utf-16":
            file.write(b"\xff\xfe")
        if layout.header:
            texts = list(names.values())
            file.write(encoded(line.of(texts, 0, texts), layout.encoding, 0, "header"))
        for count, row in enumerate(rows, 1):
            texts = [rule.text(row.get(rule.column), count) for rule in rules]
            text = line.of(texts, count, list(names))
            if count == 1 and not layout.header and text.startswith(_FEFF):
                raise UnwritableValue(count, rules[0].column, "begins with a byte order mark")
            if layout.trailer is not None and texts[0] == layout.trailer.mark:
                raise UnwritableValue(count, rules[0].column, "is the mark of the trailer")
            try:
                body = encoded(text, layout.encoding, count, "")
            except UnwritableValue as error:
                raise UnwritableValue(count, line.broken(texts, names), error.why) from error
            file.write(body)
        if layout.trailer is not None:
            fields = trailer_fields(contract, count, sums)
            file.write(encoded(line.of(fields, count + 1, fields), layout.encoding, 0, "trailer"))
    return count


class _Line:
    """Puts fields together by a grammar."""

    def __init__(self, layout: FileLayout, width: int) -> None:
        self._delimiter = layout.delimiter
        self._quote = layout.quote
        self._escape = layout.escape or layout.quote
        self._alone = width == 1
        special = {layout.delimiter, "\r", "\n", layout.quote or "\r", layout.escape or "\r"}
        self._special = tuple(special)

    def of(self, texts: list[str], record_no: int, names: list[str]) -> str:
        """One line with its end; raises UnwritableValue where quotes would be needed."""
        if self._quote is not None:
            return self._delimiter.join(map(self._quoted, texts)) + "\n"
        for name, text in zip(names, texts, strict=True):
            if any(one in text for one in self._special):
                what = "holds the delimiter or a line end, and this layout has no quotes"
                raise UnwritableValue(record_no, name, what)
        line = self._delimiter.join(texts)
        # Texts beside a delimiter of many characters can together make another one.
        if line.split(self._delimiter) != texts:
            raise UnwritableValue(record_no, names[0], "makes a delimiter with its neighbour")
        if not line:
            raise UnwritableValue(record_no, names[0], "is null, and an empty line is no record")
        return line + "\n"

    def _quoted(self, text: str) -> str:
        quote, escape = self._quote, self._escape
        assert quote is not None and escape is not None
        if any(one in text for one in self._special) or (self._alone and not text):
            if escape != quote:
                text = text.replace(escape, escape * 2)
            return quote + text.replace(quote, escape + quote) + quote
        return text

    @staticmethod
    def broken(texts: list[str], names: Mapping[str, str]) -> str:
        """The first column with half a character, for a message; otherwise the first column."""
        for name, text in zip(names, texts, strict=True):
            if HALF_CHARACTER.search(text):
                return name
        return next(iter(names))
