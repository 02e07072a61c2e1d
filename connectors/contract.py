"""Contracts: one YAML per source says how its streams reach us and what they must look like."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from connectors.case_mapping import FLAT_CASE_STREAM, CaseDates, CaseMap
from connectors.contract_faults import cross_faults
from connectors.file_layout import NATIONAL_CENTRE, FileLayout
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
    "_branch": "VARCHAR",
}


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class Part(BaseModel):
    """Base of all parts of a contract: frozen, unknown keys are faults."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Label(Part):
    """A name for people in both languages."""

    zh: str = Field(min_length=1)
    en: str = Field(min_length=1)


class Column(Part):
    """One column: its type and every rule a value must keep.

    `from` is its name in the file or table where that differs, `at` its place in a record of fixed
    width as (first byte from 1, bytes).
    """

    type: str
    from_: str | None = Field(default=None, alias="from", min_length=1)
    at: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] | None = None
    required: bool = False
    min: Decimal | None = None
    max: Decimal | None = None
    values: tuple[str, ...] | None = None
    length: int | None = Field(default=None, gt=0)
    format: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)] = ()
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


class Cursor(Part):
    """The column by which an extract takes only what changed, read again for `look_back`."""

    column: str
    look_back: str = Field(default="0 minutes", pattern=r"^\d+ (minutes|hours|days)$")


class DeletionMark(Part):
    """The column and its values by which a source tells that a row is deleted."""

    column: str
    values: tuple[str, ...] = Field(min_length=1)


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
    """One table or kind of file of a source.

    `branches` are those that must deliver, and no other may; without them, those that ever did.
    `branch_column` is the column of the key that tells branches apart, or `_branch` where models
    put that column of raw beside the key. `table`, `cursor` and `deleted` belong to an extract, and
    so does `every`, which is how often it is read: minutes, hours or local days. A full delivery
    with fewer rows than `shrink_limit` of the last one waits for a confirmation.
    """

    label: Label
    grain: str
    key: tuple[str, ...] = Field(min_length=1)
    mode: Literal["append", "full", "changes"] = "append"
    business_date_from: str | None = None
    case_key: str | None = None
    delivery: DeliverySchedule | None = None
    columns: dict[str, Column] = Field(min_length=1)
    control: Control = Control()
    schema_change: Literal["evolve", "freeze", "discard"] = "freeze"
    reject_limit: RejectLimit = RejectLimit()
    shrink_limit: Decimal = Field(default=Decimal("0.8"), ge=0, le=1)
    branches: tuple[str, ...] = ()
    branch_column: str | None = None
    table: str | None = Field(default=None, min_length=1)
    cursor: Cursor | None = None
    deleted: DeletionMark | None = None
    every: str | None = Field(default=None, pattern=r"^[1-9]\d{0,3}[mhd]$")
    keep: str | None = Field(default=None, pattern=r"^\d+ days$")

    @field_validator("columns")
    @classmethod
    def _plain_names(cls, value: dict[str, Column]) -> dict[str, Column]:
        for name in value:
            if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
                raise ValueError(f"column '{name}' must be lower case letters, digits and _")
        return value


class Interface(Part):
    """How a source exchanges: files with logs, flag tables or ordinary tables of a database, the
    service, or our own inbox.

    `location` is a folder or database URL; a relative one starts at the home. `hours` are the local
    hours in which a source may be read, `rows_per_second` how fast at most, `fetch_size` the rows
    taken from a database at a time. `keep_archive` is how long landed files stay in the archive.
    """

    type: Literal["files", "table", "extract", "service", "inbox"]
    format: (
        Literal["delimited", "national_centre", "fixed_width", "json_lines", "spreadsheet", "mail"]
        | None
    ) = None
    location: str = Field(min_length=1)
    hours: str | None = Field(
        default=None, pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$"
    )
    rows_per_second: int | None = Field(default=None, ge=1)
    fetch_size: int = Field(default=10_000, ge=1)
    keep_archive: str | None = Field(default=None, pattern=r"^\d+ days$")


class OrgTree(Part):
    """The levels of the org tree that this source owns, from the top."""

    levels: dict[str, Label] = Field(min_length=1, max_length=8)


class Contract(Part):
    """One source with everything agreed about it.

    `version` is what the two sides call this state of their agreement; a send log may state it.
    """

    source: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    version: str | None = Field(default=None, pattern=r"^[^\x00-\x1f\x7f]{1,64}$")
    label: Label
    owner: str
    example: bool = False
    shape: Literal["streams", "cases"] = "streams"
    interface: Interface
    file: FileLayout | None = None
    zone: str | None = None
    # Null is the operator's own, as for zone and currency.
    calendar: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")] | None = "china"
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
            interface = data.get("interface")
            by_packets = isinstance(interface, dict) and interface.get("type") == "service"
            # A partner tells a case again when it changes; a data set has each once.
            mode = {"mode": "changes"} if by_packets else {}
            data["streams"] = {"cases": FLAT_CASE_STREAM | mode}
        return data

    @property
    def layout(self) -> FileLayout:
        """The file grammar: the national centre's own, the contract's, or the default one."""
        if self.interface.format == "national_centre":
            return NATIONAL_CENTRE
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
    for location, message in cross_faults(contract):
        where = ".".join(str(part) for part in location)
        faults.append(Fault(str(path), line_of(located, location), f"{where}: {message}"))
    return contract
