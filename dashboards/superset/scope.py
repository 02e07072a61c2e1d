"""Who is an account now: those that the snapshot being read names in `account_scope`."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import duckdb

from dashboards.superset.snapshot_file import snapshot_file


def is_in_scope(home: Path, account_id: str) -> bool:
    """Whether the account has any unit in the published snapshot; nobody has before the first."""
    return account_id in _accounts(snapshot_file(home))


# A snapshot never changes, so it is asked once; the empty warehouse holds nobody.
@lru_cache(maxsize=4)
def _accounts(file: Path) -> frozenset[str]:
    quoted = str(file).replace("'", "''")
    # Attached: one process may not open a file twice with different settings, and Superset has it.
    with duckdb.connect() as connection:
        connection.execute(f"attach '{quoted}' as warehouse (read_only)")
        rows = connection.execute(
            "select distinct account_id from warehouse.marts.account_scope"
        ).fetchall()
    return frozenset(str(account_id) for (account_id,) in rows)
