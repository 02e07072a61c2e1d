"""What is kept of a rejected record, so that it can be read again when its contract is mended.

A record with a place in a file is kept as its bytes; any other (a row of a table or a spreadsheet)
as a JSON object of its texts by column, with `_op`, `_flaw` and `_spellings` where it has them.
Under number 0 stands what the records of a file share: `{"header": [...] or null}`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from connectors.contract import Stream
from connectors.file_layout import FileLayout
from connectors.formats.packing import Source, unpacked
from connectors.validation import Rejected

SHARED = 0
_BLOCK = 1024 * 1024


def kept_records(
    path: Path,
    layout: FileLayout,
    header: Sequence[str] | None,
    rejected: Sequence[Rejected],
    connection: duckdb.DuckDBPyConnection,
) -> dict[int, bytes]:
    """What is kept of the rejected records of a file, whose table `record` is still there."""
    if not rejected:
        return {}
    kept = {SHARED: json.dumps({"header": header and list(header)}, ensure_ascii=False).encode()}
    placed = [
        (one.byte_offset, one.byte_length, one.record_no)
        for one in rejected
        if one.byte_offset is not None and one.byte_length is not None
    ]
    kept |= _bytes_of(path, layout, sorted(placed))
    others = [one.record_no for one in rejected if one.record_no not in kept]
    if others:
        rows = connection.execute(
            "select record_no, fields, op, flaw from record where record_no in "
            "(select unnest(?::bigint[]))",
            [others],
        ).fetchall()
        for number, texts, op, flaw in rows:
            names = list(header) if header else [str(place + 1) for place in range(len(texts))]
            kept[number] = as_json(texts, names, op=op, flaw=flaw)
    return kept


def as_json(
    texts: Sequence[str | None] | None,
    names: Sequence[str],
    *,
    op: str | None = None,
    flaw: str | None = None,
    spellings: Mapping[str, Mapping[str, Any]] | None = None,
) -> bytes:
    """The bytes kept of a record that has columns and no place; texts beyond them stay by place.

    `spellings` are formats and zones of columns that a database wrote its own way.
    """
    given = list(texts or [])
    named = [*names, *(str(place + 1) for place in range(len(names), len(given)))]
    record: dict[str, Any] = dict(zip(named, given, strict=False))
    if op not in {None, "I"}:
        record["_op"] = op
    if flaw is not None:
        record["_flaw"] = flaw
    if spellings:
        record["_spellings"] = spellings
    return json.dumps(record, ensure_ascii=False).encode()


def kept_names(stream: Stream, extra: Mapping[str, str]) -> list[str]:
    """The names under which the values of a table's row are kept.

    `extra` are columns that land beside those of the contract: the table's names by ours.
    """
    own = [name if name not in stream.columns else landed for landed, name in extra.items()]
    return [*stream.columns, *own]


def names_beside(stream: Stream, kept: Iterable[Mapping[str, Any]]) -> list[str]:
    """The names in the kept rows of a table that land though the contract does not know them."""
    if stream.schema_change != "evolve":
        return []
    known = {*stream.columns, *(column.from_ for column in stream.columns.values())}
    found = dict.fromkeys(name for one in kept for name in one)
    return [name for name in found if name not in known and not name.startswith("_")]


def spellings(stream: Stream, told: Stream) -> dict[str, dict[str, Any]]:
    """How the values of `told` are spelt where that is not what the contract's stream says."""
    return {
        name: {"format": list(column.format), "tz": column.tz}
        for name, column in told.columns.items()
        if column != stream.columns[name]
    }


def as_spelt(stream: Stream, kept: Iterable[Mapping[str, Any]]) -> Stream:
    """The stream with the spellings that were kept with the records of one batch."""
    found: Mapping[str, Any] = next((one["_spellings"] for one in kept if "_spellings" in one), {})
    columns = {
        name: column.model_copy(
            update={"format": tuple(found[name]["format"]), "tz": found[name]["tz"]}
        )
        if name in found
        else column
        for name, column in stream.columns.items()
    }
    return stream.model_copy(update={"columns": columns})


def shared_header(kept: bytes | None) -> tuple[bool, list[str] | None]:
    """Whether the records of a batch are those of a file, and the header of that file."""
    if kept is None:
        return False, None
    return True, json.loads(kept)["header"]


def write_records(
    path: Path, layout: FileLayout, header: Sequence[str] | None, records: Iterable[bytes]
) -> None:
    """Write kept bytes as a file of the same grammar, with its header, unpacked, without trailer.

    The header is written as the contract says now; the bytes of the records stay as they came.
    """
    bodies = list(records)
    codec = _codec(layout, bodies)
    end = "\n".encode(codec)
    with path.open("wb") as file:
        if codec.startswith("utf-16"):
            file.write("\ufeff".encode(codec))
        if layout.header and header is not None:
            quote = layout.quote
            names = [
                f"{quote}{name.replace(quote, quote * 2)}{quote}" if quote else name
                for name in header
            ]
            file.write(layout.delimiter.join(names).encode(codec) + end)
        for body in bodies:
            file.write(body if body.endswith(end) else body + end)


def fields_of(kept: bytes) -> Mapping[str, Any]:
    """A record that was kept as JSON; empty if it was not."""
    try:
        found = json.loads(kept)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _bytes_of(
    path: Path, layout: FileLayout, placed: Sequence[tuple[int, int, int]]
) -> dict[int, bytes]:
    """Read records by their place in the unpacked file, from its start to its end."""
    found: dict[int, bytes] = {}
    if not placed:
        return found
    if layout.compression == "none":
        with path.open("rb") as file:
            for offset, length, number in placed:
                file.seek(offset)
                found[number] = file.read(length)
        return found
    position = 0
    with unpacked(path, layout.compression) as source:
        for offset, length, number in placed:
            _take(source, offset - position)
            found[number] = _take(source, length)
            position = offset + length
    return found


def _take(source: Source, count: int) -> bytes:
    taken = bytearray()
    while len(taken) < count:
        block = source.read(min(_BLOCK, count - len(taken)))
        if not block:
            break
        taken += block
    return bytes(taken)


def _codec(layout: FileLayout, bodies: Sequence[bytes]) -> str:
    """The encoding without a mark; in UTF-16 the records themselves tell the order of bytes."""
    if layout.encoding != "utf-16":
        return layout.encoding
    high = sum(body[0::2].count(0) for body in bodies)
    low = sum(body[1::2].count(0) for body in bodies)
    return "utf-16-be" if high > low else "utf-16-le"
