"""Landing in processes that may be killed: `python -m tests.connectors.landing_process HOME YML`.

It says `ready` when everything is loaded. For each line it is given it forks a process that lands,
says its number and then how it ended. With `claim WORKER` behind, it claims once instead and says
the number of every row that it got.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from connectors.contract import Contract, load_contract
from connectors.databases.database import open_database
from connectors.databases.extract_landing import land_extract
from connectors.databases.flag_tables import FlagTable
from connectors.databases.table_landing import land_tables
from connectors.landing import land_source
from connectors.ledger import Ledger
from connectors.pii_store import PiiStore
from tests.connectors.conftest import ENCRYPTION_KEY, NOW, PSEUDONYM_KEY

# A child that is forked has all of them at hand.
_USED_BY_CHILDREN = (land_extract, land_tables)


def main(home: Path, declaration: Path, *rest: str) -> None:
    """Fork a landing for each line, or claim once somebody says so."""
    contract = load_contract(declaration)
    print("ready", flush=True)
    for _line in sys.stdin:
        if rest:
            claim(home, contract, rest[1])
            return
        child = os.fork()
        if child == 0:
            code = 1
            try:
                land(home, contract)
                code = 0
            finally:
                os._exit(code)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def land(home: Path, contract: Contract) -> None:
    """Land everything that the source offers."""
    with (
        Ledger(home / "ledger.db") as ledger,
        PiiStore(
            home / "pii.db", pseudonym_key=PSEUDONYM_KEY, encryption_key=ENCRYPTION_KEY
        ) as pii,
    ):
        land_source(contract, home=home, ledger=ledger, pii=pii, now=NOW, zone="Asia/Shanghai")


def claim(home: Path, contract: Contract, worker: str) -> None:
    """Claim small slices until there is nothing left, and say the number of every row."""
    import duckdb

    engine = open_database(contract.interface.location, home)
    table = FlagTable(engine, "sales", contract.streams["sales"], worker=worker)
    with duckdb.connect() as connection:
        ordinal = 0
        while token := table.claim(limit=20, ordinal=ordinal, now=NOW):
            ordinal += 1
            table.load(connection, token, fetch_size=7, rows_per_second=None)
            for (number,) in connection.execute("select number from told").fetchall():
                print(number, flush=True)
    engine.dispose()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
