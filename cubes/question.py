"""Questions to a cube, the same for Python, command line, named queries, digests, alerts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any, Literal, cast

from cubes.declaration import suggest
from cubes.errors import QueryError
from cubes.period import COMPARISONS, Comparison

Totals = Literal["none", "grand", "all"]
CutValues = tuple[str | None, ...]


@dataclass(frozen=True)
class CubeQuery:
    """One question to one cube.

    `measures` and `by` are names; `cuts` pairs a name with the members, ranges or periods that may
    pass (None is the null member); `period` limits the time role `time` (default: the cube's
    first). `compare` adds `<measure>__previous`, `__change`, `__change_ratio`; `fill="zero"` fills
    gaps in time; `keys` adds `<level>__id` columns; `order` lists names, `-name` descending.
    `as_was` shows dimensions that have a history as they were at the date `time` of each fact.
    """

    cube: str
    measures: tuple[str, ...]
    by: tuple[str, ...] = ()
    cuts: tuple[tuple[str, CutValues], ...] = ()
    time: str | None = None
    period: str | None = None
    compare: Comparison | None = None
    fill: Literal["zero"] | None = None
    totals: Totals = "none"
    as_was: bool = False
    order: tuple[str, ...] = ()
    limit: int | None = None
    keys: bool = False

    def __post_init__(self) -> None:
        if not self.measures:
            raise QueryError(
                zh="查询的“measures”里至少要有一个度量。",
                en="A query needs at least one measure in 'measures'.",
            )
        for noun, names in (("measures", self.measures), ("by", self.by)):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise QueryError(
                    zh=f"“{noun}”里重复写了 {'、'.join(twice)}；每个名称只写一次。",
                    en=f"'{noun}' names {', '.join(twice)} twice; name each once.",
                )
        both = [name for name in self.by if name in self.measures]
        if both:
            raise QueryError(
                zh=f"“{both[0]}”既是度量，又写在“by”里；时间要写明粒度，例如“{both[0]}.day”。",
                en=f"'{both[0]}' is a measure and a name in 'by' at once; write a time with its "
                f"grain, for example '{both[0]}.day'.",
            )
        if self.limit is not None and self.limit < 0:
            raise QueryError(zh="“limit”不能是负数。", en="'limit' must not be negative.")

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> CubeQuery:
        """Build a query from YAML, JSON or command-line values; raises QueryError."""
        known = {item.name for item in fields(cls)}
        for key in mapping:
            if key not in known:
                raise QueryError(
                    zh=f"查询没有“{key}”这一项{suggest(key, known, 'zh')}。",
                    en=f"A query has no key '{key}'{suggest(key, known)}.",
                )
        if not mapping.get("cube"):
            raise QueryError(zh="查询缺少“cube”（立方体）。", en="A query needs 'cube'.")
        cuts = mapping.get("cuts") or {}
        if not isinstance(cuts, Mapping):
            raise QueryError(
                zh="“cuts”（切片）必须是名称到成员的映射。",
                en="'cuts' must be a mapping of names to members.",
            )
        limit = mapping.get("limit")
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int)):
            raise QueryError(
                zh=f"“limit”必须是整数，不能是 {limit!r}。",
                en=f"'limit' must be a whole number, not {limit!r}.",
            )
        return cls(
            cube=str(mapping["cube"]),
            measures=_names(mapping.get("measures"), "measures"),
            by=_names(mapping.get("by"), "by"),
            cuts=tuple((str(name), _values(value)) for name, value in cuts.items()),
            time=_text(mapping.get("time")),
            period=_text(mapping.get("period")),
            compare=cast(
                "Comparison | None",
                _choice(mapping, "compare", COMPARISONS),
            ),
            fill=cast('Literal["zero"] | None', _choice(mapping, "fill", ("zero",))),
            totals=cast("Totals", _choice(mapping, "totals", ("grand", "all")) or "none"),
            as_was=_flag(mapping, "as_was"),
            order=_names(mapping.get("order"), "order"),
            limit=limit,
            keys=_flag(mapping, "keys"),
        )


def _names(value: Any, key: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if not isinstance(value, Sequence):
        raise QueryError(
            zh=f"“{key}”必须是名称的列表，不能是 {value!r}。",
            en=f"'{key}' must be a list of names, not {value!r}.",
        )
    return tuple(str(item) for item in value)


def _values(value: Any) -> CutValues:
    if isinstance(value, str | bytes) or not isinstance(value, Sequence | set | frozenset):
        return (_text(value),)
    if not value:
        raise QueryError(
            zh="切片至少要有一个成员；要全部成员，就去掉这个切片。",
            en="A cut needs at least one member; leave the cut out to mean all.",
        )
    items = sorted(value, key=str) if isinstance(value, set | frozenset) else value
    return tuple(_text(item) for item in items)


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime | date):
        return value.isoformat()
    text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise QueryError(
            zh=f"{text!r} 不是文本：含有半个字符，或不是 UTF-8 的字节。请重新填写。",
            en=f"{text!r} is no text: it holds half a sign or bytes that are not UTF-8. "
            "Write it anew.",
        ) from error
    return text


def _choice(mapping: Mapping[str, Any], key: str, allowed: Sequence[str]) -> str | None:
    value = mapping.get(key)
    if value is None or value == "none":
        return None
    if value not in allowed:
        raise QueryError(
            zh=f"“{key}”不能是 {value!r}{suggest(str(value), allowed, 'zh')}；"
            f"可以是：none、{'、'.join(allowed)}。",
            en=f"'{key}' cannot be {value!r}{suggest(str(value), allowed)}; "
            f"expected one of: none, {', '.join(allowed)}.",
        )
    return str(value)


def _flag(mapping: Mapping[str, Any], key: str) -> bool:
    value = mapping.get(key, False)
    if not isinstance(value, bool):
        raise QueryError(
            zh=f"“{key}”必须是 true 或 false，不能是 {value!r}。",
            en=f"'{key}' must be true or false, not {value!r}.",
        )
    return value
