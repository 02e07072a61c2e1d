"""JSON lines: a record is one object on one line.

Scalars become texts: true and false, numbers exactly as they are written, null as null. A nested
value becomes its JSON text. A key that is missing is null; keys that the contract does not know
follow its columns in the header, in the order in which they first appear.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import duckdb

from connectors.contract import Column, Contract
from connectors.errors import RefusedDelivery, UnwritableValue
from connectors.formats.delimited import Reading
from connectors.formats.file_columns import HALF_CHARACTER, encoded, file_columns, text_rules
from connectors.formats.lines import Records, lines
from connectors.formats.packing import packed

SUFFIX = ".jsonl"

_MOST_KEYS = 1_000


class _Number(str):
    """A number as it was written."""

    __slots__ = ()


class _DuplicateKey(ValueError):
    pass


class _UnusableText(ValueError):
    pass


def read(
    path: Path, contract: Contract, stream_name: str, connection: duckdb.DuckDBPyConnection
) -> Reading:
    """Read a file into `record`; a line that is not one whole object is a record with a flaw."""
    places = {
        name: place for place, name in enumerate(file_columns(contract, stream_name).values())
    }
    records = Records(connection)
    for line in lines(path, contract.layout):
        text = line.text
        if text.isspace():
            continue
        try:
            fields = _fields(text, places)
        except _DuplicateKey:
            records.add_line(line, None, flaw="duplicate_json_key")
        except _UnusableText:
            records.add_line(line, None, flaw="unusable_text")
        except (ValueError, RecursionError):
            records.add_line(line, None, flaw="broken_json")
        except TypeError:
            records.add_line(line, None, flaw="not_an_object")
        else:
            records.add_line(line, fields)
        if len(places) > _MOST_KEYS:
            raise RefusedDelivery(
                "wrong_header", f"its objects have more than {_MOST_KEYS} keys", offset=line.offset
            )
    reading = records.finish(path, tuple(places))
    # Earlier records do not have the keys that came later.
    connection.execute(
        f"update record set fields = list_resize(fields, {len(places)}) "
        f"where len(fields) < {len(places)}"
    )
    return reading


def _fields(text: str, places: dict[str, int]) -> list[str | None]:
    """The texts of one object by place; unknown keys get new places."""
    found = _DECODER.decode(text)
    if not isinstance(found, dict):
        raise TypeError("a line holds one object")
    texts = {key: _text(value) for key, value in found.items()}
    if "\\u" in text:
        _refuse_unusable(texts)
    for key in texts:
        places.setdefault(key, len(places))
    fields: list[str | None] = [None] * len(places)
    for key, value in texts.items():
        fields[places[key]] = value
    return fields


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _DuplicateKey
    return found


def _refuse_constant(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


_DECODER = json.JSONDecoder(
    parse_float=_Number,
    parse_int=_Number,
    parse_constant=_refuse_constant,
    object_pairs_hook=_object,
)


def _refuse_unusable(texts: Mapping[str, str | None]) -> None:
    """Raise for halves of characters and NUL, which escapes can spell and no text can hold."""
    for part in (*texts, *texts.values()):
        if part is not None and ("\0" in part or HALF_CHARACTER.search(part)):
            raise _UnusableText


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        return str(value)
    return _dump(value)


def _dump(value: Any) -> str:
    """JSON text in which numbers stand as they were written."""
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, dict):
        pairs = (
            f"{json.dumps(key, ensure_ascii=False)}:{_dump(part)}" for key, part in value.items()
        )
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_dump, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def write(
    rows: Iterable[Mapping[str, str | None]],
    path: Path,
    contract: Contract,
    stream_name: str,
    *,
    sums: Mapping[str, str],
) -> int:
    """Write rows as objects of texts and booleans, without nulls; JSON lines carry no totals."""
    columns = contract.streams[stream_name].columns
    layout = contract.layout
    rules = text_rules(contract, stream_name)
    names = list(file_columns(contract, stream_name).values())
    count = 0
    with packed(path, layout.compression) as file:
        if layout.encoding == "utf-16":
            file.write(b"\xff\xfe")
        for count, row in enumerate(rows, 1):
            values: dict[str, str | bool] = {}
            for name, rule in zip(names, rules, strict=True):
                text = rule.text(row.get(rule.column), count)
                if HALF_CHARACTER.search(text):
                    raise UnwritableValue(count, rule.column, "holds half a character")
                if text in {"true", "false"} and _is_boolean(rule.column, columns):
                    values[name] = text == "true"
                elif text:
                    values[name] = text
            line = json.dumps(values, ensure_ascii=False) + "\n"
            file.write(encoded(line, layout.encoding, count, "object"))
    return count


def _is_boolean(name: str, columns: Mapping[str, Column]) -> bool:
    return name in columns and columns[name].type == "boolean"
