"""Contracts: one YAML per source says how its streams reach us and what they must look like."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from connectors.case_mapping import FLAT_CASE_STREAM, CaseDates, CaseMap
from cubes.declaration import line_of, list_files, load_file, read_yaml, suggest
from cubes.errors import DeclarationError, Fault

SOURCES = Path(__file__).parent / "sources"

_DECIMAL = re.compile(r"decimal\((\d{1,2}),(\d{1,2})\)")
_DUCKDB_TYPES = {
    "string": "VARCHAR",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "boolean": "BOOLEAN",
}
TECHNICAL_COLUMNS = {
    "_batch_id": "VARCHAR",
    "_record_no": "BIGINT",
    "_business_date": "DATE",
    "_recorded_at": "TIMESTAMP",
    "_op": "VARCHAR",
}


class Part(BaseModel):
    """Base of all parts of a contract: frozen, unknown keys are faults."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Label(Part):
    """A name for people in both languages."""

    zh: str = Field(min_length=1)
    en: str = Field(min_length=1)


class Column(Part):
    """One column: its type and every rule a value must keep."""

    type: str
    required: bool = False
    min: Decimal | None = None
    max: Decimal | None = None
    values: tuple[str, ...] | None = None
    length: int | None = Field(default=None, gt=0)
    format: str | None = None
    tz: str | None = None
    pii: Literal["phone", "name", "id_card", "bank_card", "email", "account"] | None = None
    reveal: bool | None = None
    scrub: bool = False

    @field_validator("type")
    @classmethod
    def _known_type(cls, value: str) -> str:
        text = value.replace(" ", "")
        match = _DECIMAL.fullmatch(text)
        if match and 0 < int(match[1]) <= 38 and int(match[2]) <= int(match[1]):
            return text
        if text not in _DUCKDB_TYPES:
            known = [*_DUCKDB_TYPES, "decimal(18,2)"]
            raise ValueError(f"unknown type '{value}'{suggest(text, known)}")
        return text

    @property
    def duckdb_type(self) -> str:
        """The DuckDB type in which the column lands."""
        return _DUCKDB_TYPES.get(self.type) or self.type.upper()

    @property
    def scale(self) -> int | None:
        """Decimal places of a decimal column, otherwise None."""
        match = _DECIMAL.fullmatch(self.type)
        return int(match[2]) if match else None

    @property
    def is_numeric(self) -> bool:
        """Whether the column holds integers or decimals."""
        return self.type in {"integer", "bigint"} or self.scale is not None


class DeliverySchedule(Part):
    """When a delivery is due: local time of day and the days on which one is expected."""

    by: str = Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    calendar: Literal["daily", "working"] = "daily"


class Control(Part):
    """Control totals that a send log must state and that are counted again here."""

    rows: bool = True
    sums: tuple[str, ...] = ()


class RejectLimit(Part):
    """A batch is refused whole when more than max(rows, share of all rows) are rejected."""

    rows: int = Field(default=20, ge=0)
    share: Decimal = Field(default=Decimal("0.001"), ge=0, le=1)

    def allows(self, rejected: int, total: int) -> bool:
        """Say whether `rejected` of `total` records may be left out."""
        return rejected <= max(Decimal(self.rows), self.share * total)


class Stream(Part):
    """One table or kind of file of a source."""

    label: Label
    grain: str
    key: tuple[str, ...] = Field(min_length=1)
    mode: Literal["append", "full", "changes"] = "append"
    business_date_from: str | None = None
    case_key: str | None = None
    delivery: DeliverySchedule | None = None
    columns: dict[str, Column] = Field(min_length=1)
    control: Control = Control()
    schema_change: Literal["freeze", "discard"] = "freeze"
    reject_limit: RejectLimit = RejectLimit()
    keep: str | None = Field(default=None, pattern=r"^\d+ days$")

    @field_validator("columns")
    @classmethod
    def _plain_names(cls, value: dict[str, Column]) -> dict[str, Column]:
        for name in value:
            if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
                raise ValueError(f"column '{name}' must be lower case letters, digits and _")
        return value


class Interface(Part):
    """How a source exchanges: files with logs, flag tables in a database, or our own inbox."""

    type: Literal["files", "table", "inbox"]
    format: Literal["delimited"] | None = None
    location: str = Field(min_length=1)


class FileLayout(Part):
    """Grammar of delimited text."""

    delimiter: str = Field(default=",", min_length=1, max_length=4)
    encoding: Literal["utf-8", "gb18030"] = "utf-8"
    header: bool = True
    quote: str | None = Field(default=None, min_length=1, max_length=1)
    nulls: tuple[str, ...] = ()

    @field_validator("encoding", mode="before")
    @classmethod
    def _lower_case(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value


class OrgTree(Part):
    """The levels of the org tree that this source owns, from the top."""

    levels: dict[str, Label] = Field(min_length=1, max_length=8)


class Contract(Part):
    """One source with everything agreed about it."""

    source: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    label: Label
    owner: str
    example: bool = False
    shape: Literal["streams", "cases"] = "streams"
    interface: Interface
    file: FileLayout | None = None
    zone: str | None = None
    # Null is the operator's own, as for zone and currency.
    calendar: Literal["china", "weekdays", "always"] | None = "china"
    currency: str | None = Field(default=None, pattern=r"^[A-Z]{3}$")
    org: OrgTree | None = None
    dates: CaseDates | None = None
    map: CaseMap | None = None
    streams: dict[str, Stream] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _give_flat_cases_their_stream(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("shape") == "cases":
            if "streams" in data:
                raise ValueError("a contract of shape 'cases' has no 'streams' of its own")
            data["streams"] = {"cases": FLAT_CASE_STREAM}
        return data

    @property
    def layout(self) -> FileLayout:
        """The file grammar, the default one when the contract states none."""
        return self.file or FileLayout()


def raw_columns(stream: Stream) -> dict[str, str]:
    """Columns of the stream's raw Parquet in order, with DuckDB types, technical ones last."""
    columns = {name: column.duckdb_type for name, column in stream.columns.items()}
    return columns | TECHNICAL_COLUMNS


def load_contracts(folders: Sequence[Path], *, chosen: Sequence[str] = ()) -> dict[str, Contract]:
    """Load the contracts of a search path, keyed and sorted by source.

    `chosen` names the sources to use; when it is empty, all but those with `example: true`.
    Raises DeclarationError with the faults of all files at once.
    """
    faults: list[Fault] = []
    found: dict[str, Contract] = {}
    for path in list_files(folders):
        contract = _load(path, faults, found)
        if contract is not None:
            found[path.stem] = contract
    for name in chosen:
        if name not in found and not faults:
            faults.append(
                Fault("HUIYIN_SOURCES", 0, f"unknown source '{name}'{suggest(name, found)}")
            )
    if faults:
        raise DeclarationError("source", faults)
    picked = {
        name: contract
        for name, contract in found.items()
        if (name in chosen if chosen else not contract.example)
    }
    return dict(sorted(picked.items()))


def load_contract(path: Path) -> Contract:
    """Load one contract by its path, wherever it lies; DeclarationError holds every fault."""
    faults: list[Fault] = []
    contract = _load(path, faults, {})
    if contract is None or faults:
        raise DeclarationError("source", faults)
    return contract


def _load(path: Path, faults: list[Fault], found: dict[str, Contract]) -> Contract | None:
    """Load one file with all its faults, those between its fields too."""
    contract = load_file(path, Contract, id_field="source", faults=faults, found=found)
    if contract is None:
        return None
    located = read_yaml(path, [])
    for location, message in _cross_faults(contract):
        where = ".".join(str(part) for part in location)
        faults.append(Fault(str(path), line_of(located, location), f"{where}: {message}"))
    return contract


def _cross_faults(contract: Contract) -> Iterator[tuple[list[str], str]]:
    """Faults that need more than one field: yields (location, message)."""
    if contract.zone is not None and contract.zone not in available_timezones():
        yield ["zone"], f"unknown time zone '{contract.zone}'"
    if contract.interface.type == "files" and contract.interface.format is None:
        yield ["interface"], "a file interface needs 'format: delimited'"
    if contract.interface.type == "files" and contract.file is None:
        yield ["interface"], "a file interface needs 'file' with delimiter, encoding and quote"
    if contract.file and contract.file.quote and len(contract.file.delimiter) > 1:
        yield ["file", "delimiter"], "a file with quotes needs a delimiter of one character"
    if contract.shape == "cases":
        yield from _case_faults(contract)
        return
    for key in ("dates", "map"):
        if getattr(contract, key) is not None:
            yield [key], "belongs only to a contract of 'shape: cases'"
    for name, stream in contract.streams.items():
        yield from _stream_faults(["streams", name], stream)


def _case_faults(contract: Contract) -> Iterator[tuple[list[str], str]]:
    for key in ("dates", "map", "org", "zone"):
        if getattr(contract, key) is None:
            yield [key], "is required by 'shape: cases'"
    if contract.interface.type != "files":
        yield ["interface"], "flat data sets come as files"
    if contract.file is not None and not contract.file.header:
        yield ["file", "header"], "flat data sets are mapped by name and need a header row"
    if contract.map and contract.org and len(contract.map.org) != len(contract.org.levels):
        count = len(contract.org.levels)
        yield ["map", "org"], f"must name one column for each of the {count} org levels"


def _stream_faults(place: list[str], stream: Stream) -> Iterator[tuple[list[str], str]]:
    columns = stream.columns
    if stream.mode == "full":
        yield [*place, "mode"], "'full' is not available in this version; use changes or append"
    if stream.keep is not None:
        yield [*place, "keep"], "retention is not available in this version; leave 'keep' out"
    for key in stream.key:
        if key not in columns:
            yield [*place, "key"], f"unknown column '{key}'{suggest(key, columns)}"
    for field in ("business_date_from", "case_key"):
        name = getattr(stream, field)
        if name is not None and name not in columns:
            yield [*place, field], f"unknown column '{name}'{suggest(name, columns)}"
    dated = stream.business_date_from
    if dated in columns and columns[dated].type not in {"date", "timestamp"}:
        yield [*place, "business_date_from"], f"'{dated}' must be a date or a timestamp"
    for name in stream.control.sums:
        if name not in columns:
            yield [*place, "control", "sums"], f"unknown column '{name}'{suggest(name, columns)}"
        elif not columns[name].is_numeric:
            yield [*place, "control", "sums"], f"'{name}' is not a number"
    for name, column in columns.items():
        for message in _column_faults(column):
            yield [*place, "columns", name], message


def _column_faults(column: Column) -> Iterator[str]:
    if column.format is not None and column.type not in {"date", "timestamp"}:
        yield "'format' belongs only to dates and timestamps"
    if column.tz is not None and column.type != "timestamp":
        yield "'tz' belongs only to timestamps"
    if column.tz is not None and column.tz not in available_timezones():
        yield f"unknown time zone '{column.tz}'"
    if (column.min is not None or column.max is not None) and not column.is_numeric:
        yield "'min' and 'max' belong only to numbers"
    if column.pii and column.type != "string":
        yield "'pii' belongs only to strings"
    if column.pii and column.reveal is None:
        yield "a 'pii' column must say 'reveal: yes' or 'reveal: no'"
    if column.reveal is not None and not column.pii:
        yield "'reveal' belongs only to 'pii' columns"
    if column.scrub and (column.pii or column.type != "string"):
        yield "'scrub' belongs only to strings that are not 'pii'"
