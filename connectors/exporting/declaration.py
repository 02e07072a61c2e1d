"""Exports: what we deliver to partners, one YAML file each; a named query and its columns.

An export is described to the partner as a contract of a source `huiyin`, so that the same formats
write it, the same kit describes it and the same send log goes with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from connectors.contract import (
    Column,
    Contract,
    Control,
    Interface,
    Label,
    Part,
    Stream,
)
from connectors.file_layout import FileLayout
from cubes.declaration import list_files, load_file, suggest
from cubes.errors import DeclarationError, Fault
from cubes.limits import Limits
from cubes.named_query import NamedQuery

EXPORTS = Path(__file__).parents[1] / "exports"
SOURCE = "huiyin"
"""The source that our own deliveries name in their send logs."""

MOST_SECONDS = 45
"""The most seconds in which an export must be written: it is made within one tick of a sensor."""

_MOST_IN_WORKBOOK = 100_000
_UNITS = {"minutes": "minutes", "hours": "hours", "days": "days"}
_PLAIN = re.compile(r"[a-z][a-z0-9_]*")


class ExportColumn(Part):
    """One column of an export.

    `from` is the column of the named query (default: the same name); `business_date` stands for the
    day the export is about.
    """

    type: str
    from_: str | None = Field(default=None, alias="from", min_length=1)
    required: bool = True
    format: str | None = None
    length: int | None = Field(default=None, gt=0)
    at: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] | None = None


class ExportSchedule(Part):
    """When an export is made: for each business date or month end, from `at` on the next local day
    that the calendar allows.
    """

    every: Literal["day", "month"] = "day"
    calendar: Literal["daily", "working"] = "daily"
    at: str = Field(default="07:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")


class ExportInterface(Part):
    """How an export reaches its partner: a folder, a flag table, or fetched from the service.

    For the service `location` is the label of the API client that fetches it.
    """

    type: Literal["files", "table", "service"]
    format: (
        Literal["delimited", "national_centre", "fixed_width", "json_lines", "spreadsheet"] | None
    ) = None
    location: str = Field(min_length=1)
    table: str | None = Field(default=None, min_length=1)


def _declared_names(columns: dict[str, ExportColumn]) -> dict[str, ExportColumn]:
    for name in columns:
        if not _PLAIN.fullmatch(name):
            raise ValueError(f"column '{name}' must be lower case letters, digits and _")
    return columns


class ExportDeclaration(Part):
    """One export with everything agreed about it.

    `partner_label` is what people call the partner; one is enough where it has several exports.
    `unit` bounds the rows to a unit and those below it, null is everything. `example: true` belongs
    to the demo. `confirm_within` is how long after the delivery the partner's confirmation is late,
    `keep` how long its content stays here after the confirmation or, without one, after that time.
    `limits` are the most rows it may have and the seconds in which it must be written, 45 at most.
    """

    export: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    label: Label
    partner: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    partner_label: Label | None = None
    owner: str
    example: bool = False
    query: str
    parameters: Mapping[str, str | int] = Field(default_factory=dict)
    unit: str | None = None
    interface: ExportInterface
    file: FileLayout | None = None
    schedule: ExportSchedule = ExportSchedule()
    confirm_within: str = Field(default="1 days", pattern=r"^\d+ (minutes|hours|days)$")
    keep: str | None = Field(default=None, pattern=r"^\d+ days$")
    limits: Limits = Limits(rows=1_000_000, seconds=30)
    grain: str
    key: tuple[str, ...] = Field(min_length=1)
    columns: Annotated[dict[str, ExportColumn], AfterValidator(_declared_names)] = Field(
        min_length=1
    )
    control: Control = Control()

    @model_validator(mode="after")
    def _names_fit(self) -> ExportDeclaration:
        faults = [
            f"unknown column '{name}'{suggest(name, self.columns)}"
            for name in (*self.key, *self.control.sums)
            if name not in self.columns
        ]
        if self.interface.type == "files" and self.interface.format is None:
            faults.append("a file interface needs 'format', such as 'delimited'")
        if self.interface.type != "files" and (self.interface.format or self.file):
            faults.append("'format' and 'file' belong only to a file interface")
        if (self.interface.type == "table") != (self.interface.table is not None):
            faults.append("'table' belongs to a table interface, which needs it")
        if self.limits.seconds > MOST_SECONDS:
            faults.append(
                f"'limits.seconds' is {self.limits.seconds:g}, at most {MOST_SECONDS} are possible:"
                " an export is written within one look of its sensor; deliver less in one export"
            )
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @property
    def patience(self) -> timedelta:
        """How long the partner may take to confirm."""
        number, unit = self.confirm_within.split(" ")
        return timedelta(**{_UNITS[unit]: int(number)})

    @property
    def bounds(self) -> Limits:
        """Its limits; a workbook is made in memory, so it holds 100,000 rows at most."""
        if self.interface.format != "spreadsheet":
            return self.limits
        return Limits(rows=min(self.limits.rows, _MOST_IN_WORKBOOK), seconds=self.limits.seconds)

    @property
    def contract(self) -> Contract:
        """The export as a contract of ours, for formats, send logs and the partner's document.

        What goes by a table or the service is kept as JSON lines until it is delivered.
        """
        interface = Interface(
            type="files",
            format=self.interface.format or "json_lines",
            location=self.interface.location,
        )
        stream = Stream(
            label=self.label,
            grain=self.grain,
            key=self.key,
            columns={name: _as_contract(column) for name, column in self.columns.items()},
            control=self.control,
        )
        return Contract(
            source=SOURCE,
            label=Label(zh="回音", en="Huiyin"),
            owner=self.owner,
            interface=interface,
            file=self.file,
            streams={self.export: stream},
        )


def _as_contract(column: ExportColumn) -> Column:
    given: dict[str, Any] = {"type": column.type, "required": column.required}
    if column.format is not None:
        given["format"] = column.format
    for name in ("length", "at"):
        if getattr(column, name) is not None:
            given[name] = getattr(column, name)
    return Column.model_validate(given)


def load_exports(
    folders: Sequence[Path],
    *,
    examples: bool,
    queries: Mapping[str, NamedQuery] | None = None,
) -> dict[str, ExportDeclaration]:
    """Load the exports of a search path, keyed and sorted by id; the demo's only if `examples`.

    With `queries` each must name one of them and only parameters that it has. Raises
    DeclarationError with the faults of all files at once.
    """
    faults: list[Fault] = []
    found: dict[str, ExportDeclaration] = {}
    for path in list_files(folders):
        declared = load_file(path, ExportDeclaration, id_field="export", faults=faults, found=found)
        if declared is not None:
            try:
                _ = declared.contract
            except ValueError as error:
                faults.append(Fault(str(path), 0, str(error).replace("\n", " ")))
            found[path.stem] = declared
            if queries is not None and (examples or not declared.example):
                faults += [Fault(str(path), 0, said) for said in _query_faults(declared, queries)]
    if faults:
        raise DeclarationError("export", faults)
    return {
        name: declared
        for name, declared in sorted(found.items())
        if examples or not declared.example
    }


def _query_faults(declared: ExportDeclaration, queries: Mapping[str, NamedQuery]) -> Iterator[str]:
    named = queries.get(declared.query)
    if named is None:
        yield f"unknown query '{declared.query}'{suggest(declared.query, queries)}"
        return
    for name in declared.parameters:
        if name not in named.parameters:
            near = suggest(name, named.parameters)
            yield f"query '{named.query}' has no parameter '{name}'{near}"
