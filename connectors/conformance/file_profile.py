"""What the bytes of an unknown data set tell about it: grammar, columns, kinds of values.

Nothing here decides: a profile is what a person who writes a contract would look at first.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from connectors.errors import ConnectorError

_SAMPLE_BYTES = 8 * 1024 * 1024
_MOST_ROWS = 20_000
_TRIED_VALUES = 500
_DELIMITERS = (",", "\t", ";", "|", "^", "\x01", "\x05", "|@|")
_NULL_WORDS = frozenset(
    {"N/A", "n/a", "NA", "NULL", "null", "None", "\\N", "-", "--", "无", "空", "#N/A"}
)
_NEARLY_ALL = 0.98
DATE_FORMATS = (
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%dT%H:%M:%S.%f",
    "%Y-%m-%d %H:%M:%S.%f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d",
    "%Y%m%d%H%M%S",
    "%Y%m%d",
    "%Y年%m月%d日",
    "%Y年%m月%d日 %H:%M:%S",
    "%m/%d/%Y %I:%M:%S %p",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%d/%m/%Y",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y",
)
_KINDS = {
    "email": re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}"),
    "id_card": re.compile(r"\d{17}[\dXx]"),
    "bank_card": re.compile(r"62\d{14,17}"),
    "phone": re.compile(r"(\+?86[- ]?)?1[3-9]\d{9}|\(?\d{3}\)?[- ]\d{3}-\d{4}|0\d{2,3}-\d{7,8}"),
    "integer": re.compile(r"[+-]?\d{1,18}"),
    "number": re.compile(r"[+-]?\d+(\.\d+)?"),
}


class UnknownGrammar(ConnectorError):
    """No encoding or delimiter makes a table of the file."""


@dataclass(frozen=True)
class ColumnProfile:
    """One column: how it is filled, with what. Shares are from 0 to 1, of the rows looked at.

    `kind` is date, phone, email, id_card, bank_card, integer, number or text; `formats` are the
    strptime patterns that read nearly all values, more than one if days and months are ambiguous.
    """

    name: str
    place: int
    filled: float
    distinct: int
    unique: bool
    kind: str
    formats: tuple[str, ...]
    first: datetime | None
    last: datetime | None
    mean_length: float
    common: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class FileProfile:
    """A delimited data set with a header; `rows` are those looked at, `whole` if they are all."""

    encoding: str
    delimiter: str
    quote: str | None
    nulls: tuple[str, ...]
    rows: int
    whole: bool
    columns: tuple[ColumnProfile, ...]


def profile_file(path: Path) -> FileProfile:
    """Look at the first rows of a data set; raises UnknownGrammar if it is no table of text."""
    with path.open("rb") as file:
        raw = file.read(_SAMPLE_BYTES + 1)
    whole = len(raw) <= _SAMPLE_BYTES
    if not whole:
        raw = raw[: raw.rfind(b"\n", 0, _SAMPLE_BYTES) + 1]
    encoding, text = _decode(raw, path)
    delimiter, quote, table = _table(text, path, whole=whole)
    header = [name.strip() for name in table[0]]
    rows = [row for row in table[1:] if len(row) == len(header)]
    nulls = _null_words(rows)
    columns = tuple(
        _column(name, place, [row[place].strip() for row in rows], nulls)
        for place, name in enumerate(header)
    )
    return FileProfile(
        encoding, delimiter, quote, nulls, len(rows), whole and len(rows) < _MOST_ROWS, columns
    )


def _decode(raw: bytes, path: Path) -> tuple[str, str]:
    tried = ["utf-16"] if raw[:2] in {b"\xff\xfe", b"\xfe\xff"} else ["utf-8-sig", "gb18030"]
    if b"\0" not in raw or tried == ["utf-16"]:
        for encoding in tried:
            try:
                return encoding.removesuffix("-sig"), raw.decode(encoding)
            except UnicodeDecodeError:
                continue
    raise UnknownGrammar(
        f"Reading {path.name} failed: its bytes are text in none of UTF-8, GB18030 and UTF-16. "
        "Trying again does not help; save the data set as text, such as CSV in UTF-8."
    )


def _table(text: str, path: Path, *, whole: bool) -> tuple[str, str | None, list[list[str]]]:
    """The delimiter whose rows are most alike; the first row is the header."""
    best: tuple[float, str, str | None, list[list[str]]] | None = None
    quoted = '"' in text
    for delimiter in _DELIMITERS:
        quote = '"' if quoted and len(delimiter) == 1 else None
        rows = _rows(text, delimiter, quote, whole=whole)
        if len(rows) < 2 or len(rows[0]) < 2:
            continue
        width = len(rows[0])
        alike = sum(len(row) == width for row in rows) / len(rows)
        named = sum(bool(name.strip()) for name in rows[0]) / width
        # Many columns that hardly differ beat few that never do.
        score = alike * named * (1 + min(width, 20) / 20)
        if best is None or score > best[0]:
            best = (score, delimiter, quote, rows)
    if best is None:
        raise UnknownGrammar(
            f"Reading {path.name} failed: no delimiter makes a table with a header of at least two "
            "columns of it. Trying again does not help; save the data set as CSV with a header."
        )
    return best[1], best[2], best[3]


def _rows(text: str, delimiter: str, quote: str | None, *, whole: bool) -> list[list[str]]:
    if quote is None:
        lines = text.splitlines()[: _MOST_ROWS + 1]
        return [line.split(delimiter) for line in lines if line]
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quotechar=quote):
            if row:
                rows.append(row)
            if len(rows) > _MOST_ROWS:
                break
    except csv.Error:
        return rows[:-1]
    return rows if whole else rows[:-1]


def _null_words(rows: Sequence[Sequence[str]]) -> tuple[str, ...]:
    found = Counter(value for row in rows for value in row if value in _NULL_WORDS)
    return tuple(sorted(found))


def _column(name: str, place: int, texts: list[str], nulls: tuple[str, ...]) -> ColumnProfile:
    values = [text for text in texts if text and text not in nulls]
    counts = Counter(values)
    kind, formats = _kind(list(counts)[:_TRIED_VALUES])
    moments = [_parsed(value, formats[0]) for value in values] if formats else []
    dates = [moment for moment in moments if moment is not None]
    return ColumnProfile(
        name=name,
        place=place,
        filled=len(values) / len(texts) if texts else 0,
        distinct=len(counts),
        unique=len(values) > 1 and len(counts) == len(values),
        kind=kind,
        formats=formats,
        first=min(dates, default=None),
        last=max(dates, default=None),
        mean_length=sum(map(len, values)) / len(values) if values else 0,
        common=tuple(counts.most_common(60)),
    )


def _kind(values: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    if not values:
        return "text", ()
    formats = tuple(
        pattern
        for pattern in DATE_FORMATS
        if sum(_parsed(value, pattern) is not None for value in values) >= _NEARLY_ALL * len(values)
    )
    if formats:
        return "date", formats
    for kind, pattern in _KINDS.items():
        if sum(bool(pattern.fullmatch(value)) for value in values) >= 0.9 * len(values):
            return kind, ()
    return "text", ()


def _parsed(text: str, pattern: str) -> datetime | None:
    try:
        moment = datetime.strptime(text, pattern)  # noqa: DTZ007
    except ValueError:
        return None
    return moment if 1990 <= moment.year <= 2100 else None
