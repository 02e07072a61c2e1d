"""Invented rows that keep every rule of a contract, for sample deliveries and tests.

Nothing in them is anyone's: phone numbers have a prefix that is not given out, addresses lie under
`example.com`, names are of the kind that forms print as an example.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from connectors.contract import Column, Contract, Stream
from connectors.errors import ConnectorError

Row = dict[str, str | None]

_NAMES = ("张三", "李四", "王五", "赵六")
_LARGEST = {"integer": 2**31 - 1, "bigint": 2**63 - 1}
_ORDINARY = 1_000
_FIRST, _LAST = time(8), time(20)
_SHARE_OF_NULLS = 0.1


class NoSuchRows(ConnectorError):
    """The rules of a contract leave no room for as many different rows as were asked for."""


@dataclass(frozen=True)
class Invention:
    """Makes rows of one stream whose dated columns lie on one day."""

    contract: Contract
    stream_name: str
    day: date
    zone: str
    rng: random.Random

    @property
    def _stream(self) -> Stream:
        return self.contract.streams[self.stream_name]

    def rows(self, count: int) -> list[Row]:
        """`count` different rows by column of the file; raises NoSuchRows when rules forbid it."""
        if self.contract.map is not None:
            return [self._case(number) for number in range(1, count + 1)]
        found: list[Row] = []
        seen: set[tuple[str | None, ...]] = set()
        for number in range(1, count * 20 + 1):
            if len(found) == count:
                break
            row = self._row(number)
            key = tuple(row[name] for name in self._stream.key)
            if key not in seen:
                seen.add(key)
                found.append(row)
        if len(found) < count:
            raise NoSuchRows(
                f"Inventing {count} rows of {self.contract.source}.{self.stream_name} failed: the "
                f"rules of its key allow only about {len(found)} different ones. Trying again does "
                "not help; ask for fewer rows."
            )
        return found

    def _row(self, number: int) -> Row:
        stream = self._stream
        row: Row = {}
        for name, column in stream.columns.items():
            dated = name == stream.business_date_from
            needed = column.required or dated or name in stream.key
            if not needed and self.rng.random() < _SHARE_OF_NULLS:
                row[name] = None
            else:
                row[name] = self._value(name, column, number, unique=name in stream.key)
        return row

    def _value(self, name: str, column: Column, number: int, *, unique: bool) -> str:
        if column.values is not None:
            return self._one_of(column, unique=unique, number=number)
        if column.type == "string":
            return self._text(name, column, number, unique=unique)
        if column.is_numeric:
            return self._number(column, number, unique=unique)
        if column.type == "boolean":
            return self.rng.choice(("0", "1") if column.at else ("false", "true"))
        return self._moment(column, number, unique=unique)

    def _one_of(self, column: Column, *, unique: bool, number: int) -> str:
        assert column.values is not None
        fitting = [value for value in column.values if _fits(value, column, self.contract)]
        fitting = fitting or list(column.values)
        return fitting[(number - 1) % len(fitting)] if unique else self.rng.choice(fitting)

    def _text(self, name: str, column: Column, number: int, *, unique: bool) -> str:
        makers: Mapping[str, Callable[[], str]] = {
            "phone": lambda: f"1000000{number % 10_000:04d}",
            "name": lambda: self.rng.choice(_NAMES),
            "id_card": lambda: f"11010119000101{number % 10_000:04d}",
            "bank_card": lambda: f"622202000000{number % 10_000:04d}",
            "email": lambda: f"person{number}@example.com",
            "account": lambda: f"A{number:08d}",
        }
        if unique:
            text = f"{name[:1].upper()}{self.day:%y%m%d}{number:05d}"
            return _short(f"{number:0{_room(column, self.contract, 5)}d}", text, column, self)
        if column.pii:
            return _short(str(number), makers[column.pii](), column, self)
        if column.scrub:
            return _short("示例", f"示例内容 {number}", column, self)
        return _short(str(number % 10), f"示例{number % 10}", column, self)

    def _number(self, column: Column, number: int, *, unique: bool) -> str:
        scale = column.scale or 0
        step = Decimal(1).scaleb(-scale)
        least = column.min if column.min is not None else Decimal(0)
        most = column.max if column.max is not None else max(least, Decimal(0)) + _ORDINARY
        most = min(most, Decimal(_LARGEST.get(column.type, _largest_decimal(column))))
        room = _room(column, self.contract, 20)
        while len(str(most.quantize(step))) > room and most > least:
            most = max(least, (most / 10).quantize(step))
        steps = int((most - least) / step)
        chosen = number % (steps + 1) if unique else self.rng.randint(0, steps)
        if chosen > 1_000_000 and not unique and column.max is None:
            chosen %= 1_000_000
        low = (least / step).to_integral_value(rounding="ROUND_CEILING") * step
        return format((low + chosen * step).quantize(step), "f")

    def _moment(self, column: Column, number: int, *, unique: bool) -> str:
        if column.type == "date":
            day = self.day - timedelta(days=number - 1) if unique else self.day
            return day.strftime((column.format or ("%Y-%m-%d",))[0])
        seconds = (_LAST.hour - _FIRST.hour) * 3600
        at = number % seconds if unique else self.rng.randrange(seconds)
        zone = ZoneInfo(column.tz or self.contract.zone or self.zone)
        noon = datetime.combine(self.day, _FIRST, ZoneInfo(self.contract.zone or self.zone))
        moment = (noon + timedelta(seconds=at)).astimezone(zone)
        return moment.strftime((column.format or ("%Y-%m-%d %H:%M:%S",))[0])

    def _case(self, number: int) -> Row:
        """One row of a flat data set, by the columns that its mapping names."""
        mapping, dates = self.contract.map, self.contract.dates
        assert mapping is not None and dates is not None
        day = min(max(self.day, dates.plausible.first), dates.plausible.last)
        row: Row = {name: f"示例{number % 5}" for name in mapping.columns()}
        for part in (mapping.kind, mapping.channel, mapping.status):
            if part is not None and part.column is not None:
                row[part.column] = self.rng.choice(list(part.values))
        if mapping.score:
            row[mapping.score] = str(self.rng.randint(1, 5))
        for place, column in enumerate(mapping.dates().values()):
            moment = datetime.combine(day, _FIRST) + timedelta(minutes=number % 600 + place)
            row[column] = moment.strftime(dates.format)
        row[mapping.case_no] = f"{self.day:%y%m%d}{number:05d}"
        return row


def _room(column: Column, contract: Contract, otherwise: int) -> int:
    """How many ASCII letters a value may have, at most `otherwise`."""
    limits = [otherwise]
    if column.length is not None:
        limits.append(column.length)
    if column.at is not None:
        limits.append(column.at[1] // (2 if contract.layout.encoding == "utf-16" else 1))
    return max(1, min(limits))


def _fits(text: str, column: Column, contract: Contract) -> bool:
    if column.length is not None and len(text) > column.length:
        return False
    if column.at is None:
        return True
    codec = "utf-16-le" if contract.layout.encoding == "utf-16" else contract.layout.encoding
    return len(text.encode(codec)) <= column.at[1]


def _short(short: str, text: str, column: Column, invention: Invention) -> str:
    """The text if it fits into its column, else the short one, else its end."""
    for one in (text, short):
        if _fits(one, column, invention.contract):
            return one
    return short[-_room(column, invention.contract, len(short)) :]


def _largest_decimal(column: Column) -> int:
    inner = column.type.partition("(")[2].rstrip(")").split(",")
    return int(10 ** (int(inner[0]) - int(inner[1])) - 1) if len(inner) == 2 else 10**18
