"""The grammar of a file: how bytes become records, whatever the records mean."""

from __future__ import annotations

import codecs
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_ESCAPES = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|t|\\)")
_SAME_ENCODING = {"gbk": "gb18030", "gb2312": "gb18030", "utf8": "utf-8", "utf-8-sig": "utf-8"}


def _unescaped(value: Any) -> Any:
    """Read `\\t`, `\\x01` and `\\u20ac` in a declaration as the characters they name."""
    if not isinstance(value, str):
        return value
    return _ESCAPES.sub(lambda found: codecs.decode(found[0], "unicode_escape"), value)


def _one_name(value: Any) -> Any:
    """GB18030 holds all of GBK, and real files that call themselves GBK need it."""
    if not isinstance(value, str):
        return value
    return _SAME_ENCODING.get(value.lower(), value.lower())


class Trailer(BaseModel):
    """The last line of a file that repeats its totals, marked by its first field.

    `rows` and `sums` say in which field (from 1) the count and each total stand.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mark: str = Field(min_length=1)
    rows: int | None = Field(default=None, ge=2)
    sums: dict[str, int] = {}


class FileLayout(BaseModel):
    """How a file is written.

    `delimiter` may name characters by `\\t`, `\\x01` or `\\u20ac`; one longer than four bytes is
    rewritten on reading. `at` of a column replaces the delimiter in a file of fixed width.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    delimiter: Annotated[str, BeforeValidator(_unescaped)] = Field(
        default=",", min_length=1, max_length=16
    )
    encoding: Annotated[Literal["utf-8", "gb18030", "utf-16"], BeforeValidator(_one_name)] = "utf-8"
    header: bool = True
    quote: str | None = Field(default=None, min_length=1, max_length=1)
    escape: str | None = Field(default=None, min_length=1, max_length=1)
    nulls: tuple[str, ...] = ()
    decimal_mark: Literal[".", ","] = "."
    compression: Literal["none", "gz", "zip"] = "none"
    trailer: Trailer | None = None
    sheet: str | None = Field(default=None, min_length=1)


NATIONAL_CENTRE = FileLayout(
    delimiter="\x05",
    encoding="gb18030",
    header=False,
    trailer=Trailer(mark="999999", rows=2),
)
"""The layout that the national centre system fixes: U+0005 between fields, no header, a last line
`999999` with the number of records."""
