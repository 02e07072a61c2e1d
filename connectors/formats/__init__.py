"""File formats: the module of a format has its name.

`read` turns a file into the table `record` (columns in
`formats.delimited`), `write` writes rows as `read` reads them, and `SUFFIX` is how its files end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, cast

import duckdb

if TYPE_CHECKING:
    from connectors.contract import Contract
    from connectors.formats.delimited import Reading

# The national centre system fixes a layout, not a grammar of its own.
_SAME_GRAMMAR = {"national_centre": "delimited"}

Row = Mapping[str, str | None]


def read_records(
    path: Path, contract: Contract, stream_name: str, connection: duckdb.DuckDBPyConnection
) -> Reading:
    """Read a file into the table `record` of `connection` by the format of its contract.

    Raises RefusedDelivery when records can no longer be found in the file.
    """
    if _grammar(contract) == "delimited":
        from connectors.formats.delimited import read_delimited

        return read_delimited(path, contract.layout, connection)
    reading = _module(contract).read(path, contract, stream_name, connection)
    return cast("Reading", reading)


def write_file(
    rows: Iterable[Row],
    path: Path,
    contract: Contract,
    stream_name: str,
    *,
    sums: Mapping[str, str] | None = None,
) -> int:
    """Write rows (column of the contract -> text, None for null) as a file; return their number.

    The texts are written as they are, in the layout of the contract; `sums` go into its trailer and
    are read after the last row, so they may be counted meanwhile.
    Raises UnwritableValue when the layout cannot carry a value; the file is then not there.
    """
    if _grammar(contract) == "delimited":
        from connectors.formats.delimited_writing import write_delimited

        return write_delimited(rows, path, contract, stream_name, sums=sums or {})
    return cast(int, _module(contract).write(rows, path, contract, stream_name, sums=sums or {}))


def suffix_of(contract: Contract) -> str:
    """How a file of this contract ends by convention, such as `.txt`; any other end is read too."""
    if _grammar(contract) == "delimited":
        return ".csv" if contract.layout.quote else ".txt"
    return cast(str, _module(contract).SUFFIX)


def _grammar(contract: Contract) -> str:
    name = contract.interface.format or "delimited"
    return _SAME_GRAMMAR.get(name, name)


def _module(contract: Contract) -> ModuleType:
    return import_module(f"{__name__}.{_grammar(contract)}")
