"""The rule rows of an installation: those shipped and those its operator added.

An operator adds rows to `site/dbt_project/seeds/<rule table>.csv` of the home. They are only ever
added: each row is remembered in the ledger with the instant at which a build first saw it, and a
later row corrects an earlier one.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from cubes.declaration import suggest
from cubes.errors import DeclarationError, Fault
from cubes.rule_check import rule_faults
from cubes.rule_table import RULE_TABLES, RuleRow, RuleTables, in_force, read_rule_tables
from cubes.sla_policy_check import KnownNames, row_faults
from pipelines.errors import OperatorRowsError
from pipelines.home import Home
from pipelines.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from connectors.ledger import Ledger

SHIPPED = PROJECT_ROOT / "dbt_project" / "seeds"
SITE = "dbt_project/seeds"


@dataclass(frozen=True)
class RecordedRow:
    """One row of the operator, and when it was first seen (aware)."""

    row: RuleRow
    recorded_at: datetime


@dataclass(frozen=True)
class Rules:
    """All rule rows by table, the shipped ones first, and of those the operator's as recorded."""

    tables: RuleTables
    recorded: tuple[RecordedRow, ...] = ()

    @property
    def calendars(self) -> frozenset[str]:
        """The ids of the declared calendars."""
        return frozenset(row.values["calendar_id"] for row in self.tables["calendar"])

    def in_force(self, as_of: datetime, zone: str) -> str:
        """A hash over the rows that are announced or valid at `as_of` (aware), local to `zone`.

        It changes on the day on which one comes into force, and on no other.
        """
        moment = as_of.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        digest = hashlib.sha256()
        said = sorted(
            (table, row.is_operator, row.content)
            for table, rows in self.tables.items()
            for row in rows
            if in_force(row, moment)
        )
        for one in said:
            digest.update(repr(one).encode() + b"\0")
        return digest.hexdigest()[:12]


def read_rules(home: Home, seen_at: datetime) -> Rules:
    """Read the shipped rows and the operator's as if first seen at `seen_at`, remembering none.

    Raises DeclarationError with the faults of all files at once.
    """
    faults: list[Fault] = []
    tables = read_rule_files(home, faults)
    if not faults:
        faults.extend(rule_faults(tables))
        faults.extend(row_faults(tables["sla_policy"], shipped_names()))
    if faults:
        raise DeclarationError("rule table", faults)
    added = (row for rows in tables.values() for row in rows if row.is_operator)
    return Rules(tables, tuple(RecordedRow(row, seen_at) for row in added))


def shipped_names() -> KnownNames:
    """The clocks and statuses there are, which policies may name."""
    clocks = _column(SHIPPED / "sla_clock.csv", "clock")
    return KnownNames(clocks, _column(SHIPPED / "status_transition.csv", "to_status") | {"new"})


def _column(path: Path, name: str) -> frozenset[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return frozenset(row[name] for row in csv.DictReader(file))


def read_rule_files(home: Home, faults: list[Fault]) -> dict[str, list[RuleRow]]:
    """Read both folders of rule tables; what is wrong with the form of their files goes to
    `faults`, also a file of the operator that is no rule table."""
    shipped = read_rule_tables(SHIPPED, faults)
    folder = home.site(SITE)
    for path in sorted(folder.glob("*.csv")) if folder.is_dir() else ():
        if path.stem not in RULE_TABLES:
            hint = suggest(path.stem, RULE_TABLES)
            faults.append(Fault(str(path), 0, f"is none of the rule tables{hint}"))
    added = read_rule_tables(folder, faults, is_operator=True)
    return {table: [*shipped[table], *added[table]] for table in RULE_TABLES}


def remember_rules(home: Home, ledger: Ledger, now: datetime) -> Rules:
    """Read the rules and remember in the ledger which of the operator's rows are there since when.

    Raises DeclarationError for faulty files, and OperatorRowsError when a row that was remembered
    says something else or is gone; then nothing is remembered.
    """
    from connectors.sqlite_store import as_text

    with ledger.rows.writing():
        rules = recorded_rules(home, ledger, now)
        for one in rules.recorded:
            ledger.rows.execute(
                "insert or ignore into operator_row (rule_table, row_no, content, recorded_at) "
                "values (?, ?, ?, ?)",
                [one.row.table, one.row.number, one.row.content, as_text(one.recorded_at)],
            )
    return rules


def recorded_rules(home: Home, ledger: Ledger, now: datetime) -> Rules:
    """As `remember_rules`, but the ledger is only read: rows it does not know are there since `now`
    and not remembered."""
    rules = read_rules(home, now)
    present = {(one.row.table, one.row.number): one.row for one in rules.recorded}
    remembered = _remembered(ledger)
    if faults := _changed(home, present, remembered):
        raise OperatorRowsError(faults)
    return Rules(
        rules.tables,
        tuple(
            RecordedRow(row, remembered[key][1] if key in remembered else now)
            for key, row in present.items()
        ),
    )


def changed_rows(home: Home, ledger: Ledger, tables: RuleTables) -> list[Fault]:
    """The operator's rows that the ledger remembers and that say something else or are gone."""
    present = {
        (table, row.number): row
        for table, rows in tables.items()
        for row in rows
        if row.is_operator
    }
    return _changed(home, present, _remembered(ledger))


def _remembered(ledger: Ledger) -> dict[tuple[str, int], tuple[str, datetime]]:
    from connectors.sqlite_store import as_instant

    found = ledger.rows.execute(
        "select rule_table, row_no, content, recorded_at from operator_row "
        "order by rule_table, row_no"
    )
    return {(row[0], row[1]): (row[2], as_instant(row[3])) for row in found}


def _changed(
    home: Home,
    present: Mapping[tuple[str, int], RuleRow],
    remembered: Mapping[tuple[str, int], tuple[str, datetime]],
) -> list[Fault]:
    faults = []
    for (table, number), (content, at) in remembered.items():
        seen = f"since {at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        row = present.get((table, number))
        if row is None:
            path = home.site(SITE) / f"{table}.csv"
            faults.append(Fault(str(path), 0, f"row {number} is gone; {seen} it was {content}"))
        elif row.content != content:
            faults.append(row.fault(f"row {number} says {row.content}; {seen} it was {content}"))
    return faults


def operator_columns(table: str, recorded: Sequence[RecordedRow]) -> dict[str, list[object]]:
    """The columns of `raw.operator_<table>`: cells as text, row_no, recorded_at (naive UTC)."""
    rows = [one for one in recorded if one.row.table == table]
    columns: dict[str, list[object]] = {
        name: [one.row.values[name] for one in rows] for name in RULE_TABLES[table]
    }
    columns["row_no"] = [one.row.number for one in rows]
    columns["recorded_at"] = [one.recorded_at.astimezone(UTC).replace(tzinfo=None) for one in rows]
    return columns
