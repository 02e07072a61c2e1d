"""One home after several builds in turn, with what was seen in between."""

# ruff: noqa: DTZ001  (raw tables and marts hold instants as naive UTC)

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from tests.dbt_project.batches import (
    add_first_batches,
    add_later_batches,
    add_organisation,
    add_settings,
)
from tests.dbt_project.channel_batches import add_first_channels, add_later_channels
from tests.dbt_project.customer_batches import add_first_records, add_later_records
from tests.dbt_project.deliveries import flat
from tests.dbt_project.own_batches import add_first_own, add_later_own
from tests.dbt_project.raw_home import RawHome

AS_OF = datetime(2026, 3, 31, 1)
BUSINESS_DATE = date(2026, 3, 30)


@dataclass
class Builds:
    """One home after several builds, with what was seen in between."""

    home: RawHome
    faults: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    marts: dict[str, dict[str, list[tuple[Any, ...]]]] = field(default_factory=dict)
    cases: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    flat_units: list[dict[str, Any]] = field(default_factory=list)

    def keep(self, build: str, faults: list[tuple[str, str]]) -> None:
        """Remember how a build ended and what it made."""
        self.faults[build] = faults
        self.marts[build] = self.home.marts()
        self.cases[build] = {
            row["case_no"]: row for row in self.home.rows("select * from marts.fct_case")
        }


def make_builds(folder: Path) -> Builds:
    """Builds in turn on one home: empty, flat cases only, everything, then later batches."""
    home = RawHome(folder)
    seen = Builds(home)
    home.set_build(AS_OF, BUSINESS_DATE)
    seen.keep("empty", home.build())

    home.set_build(datetime(2026, 3, 20, 1), date(2026, 3, 19))
    add_settings(home)
    home.add(
        "flat_case",
        [
            flat(
                "1", datetime(2011, 3, 4, 22), resolved_at=datetime(2011, 3, 7, 15), status="closed"
            ),
            flat("2", datetime(2011, 3, 5, 3), status="closed", date_flag="resolved:out_of_window"),
            flat("3", datetime(2011, 3, 5, 3)),
        ],
    )
    seen.keep("flat only", home.dbt("run"))
    seen.flat_units = home.rows("select * from marts.dim_org order by level")

    home.set_build(datetime(2026, 3, 21, 1), date(2026, 3, 20))
    add_organisation(home)
    add_first_batches(home)
    add_first_channels(home)
    add_first_records(home)
    add_first_own(home)
    seen.keep("first", home.dbt("run"))

    home.set_build(AS_OF, BUSINESS_DATE)
    add_later_batches(home)
    add_later_channels(home)
    add_later_records(home)
    add_later_own(home)
    seen.keep("later", home.dbt("run"))

    # Nothing new, and all tests, those of units too, on what the incremental builds left.
    home.set_build(AS_OF, BUSINESS_DATE)
    seen.keep("nothing new", home.dbt("build", "--exclude-resource-type", "seed"))
    seen.keep("full refresh", home.dbt("run", "--full-refresh"))
    return seen
