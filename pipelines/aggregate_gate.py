"""The gate of aggregates: a build whose aggregates differ from their facts is not published."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from cubes.aggregate_check import AggregateDifference, compare_aggregates
from cubes.aggregate_table import build_aggregates
from pipelines.errors import BuildFailedError

if TYPE_CHECKING:
    import duckdb

    from cubes.catalogue import Catalogue

CUTS = 4
"""Random cuts of each aggregate in one build; every build looks at others."""
_MOST_NAMED = 10


def make_aggregates(
    catalogue: Catalogue, connection: duckdb.DuckDBPyConnection, *, rng: random.Random
) -> list[str]:
    """Make the declared aggregates and compare them with the facts; return their tables.

    Raises BuildFailedError naming the cubes, aggregates and figures that differ.
    """
    made = build_aggregates(catalogue, connection)
    differences = compare_aggregates(catalogue, connection, rng=rng, cuts=CUTS)
    if differences:
        named = "\n".join(f"  {_told(one)}" for one in differences[:_MOST_NAMED])
        more = len(differences) - _MOST_NAMED
        rest = f"\n  and {more} more" if more > 0 else ""
        raise BuildFailedError(
            f"Building stopped: {len(differences)} question(s) have another answer from an "
            f"aggregate than from the facts:\n{named}{rest}\nNothing was published; the last good "
            "snapshot serves on. Trying again does not help; take the aggregate out of the cube's "
            "file and report this."
        )
    return made


def _told(difference: AggregateDifference) -> str:
    query = difference.query
    asked = [f"--measures {','.join(query.measures)}"]
    asked += [f"--by {','.join(query.by)}"] if query.by else []
    asked += [f"--time {query.time}"] if query.time else []
    asked += [f"--period {query.period}"] if query.period else []
    asked += [f"--cut '{name}={value}'" for name, values in query.cuts for value in values]
    facts, stored = (
        "no row" if row is None else ", ".join(f"{name} {value}" for name, value in row.items())
        for row in (difference.facts, difference.stored)
    )
    return (
        f"{difference.cube}, aggregate {difference.aggregate}, {' '.join(asked)}: "
        f"facts {facts}; aggregate {stored}"
    )
