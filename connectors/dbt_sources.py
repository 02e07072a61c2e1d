"""dbt's source definitions, generated from the contracts: the same text for the same contract."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from connectors.contract import Contract, raw_columns


def dbt_source_text(contract: Contract) -> str:
    """Write the dbt source YAML of one contract."""
    lines = [
        "# Generated from the contract of this source; do not edit by hand.",
        "version: 2",
        "sources:",
        f"  - name: {contract.source}",
        f"    description: {_text(f'{contract.label.en} ({contract.label.zh})')}",
        "    database: work",
        "    schema: raw",
        "    tables:",
    ]
    for name, stream in contract.streams.items():
        label = f"{stream.label.en} ({stream.label.zh}): {stream.grain}"
        lines += [
            f"      - name: {name}",
            f"        identifier: {contract.source}__{name}",
            f"        description: {_text(label)}",
            "        columns:",
        ]
        for column, duckdb_type in raw_columns(stream).items():
            lines += [
                f"          - name: {column}",
                f"            data_type: {_text(duckdb_type.lower())}",
            ]
    return "\n".join(lines) + "\n"


def dbt_source_path(contract: Contract, dbt_models_dir: Path) -> Path:
    """Where the source YAML of a contract belongs in the models folder of the dbt project."""
    folder = dbt_models_dir / "staging" / contract.source
    return folder / f"_{contract.source}__sources.yml"


def write_dbt_sources(contracts: Mapping[str, Contract], dbt_models_dir: Path) -> list[Path]:
    """Write the source YAML of every contract but flat data sets; return the files that changed.

    Rows of flat data sets reach dbt through `raw.flat_case`, which is no source of one system.
    """
    stale = stale_dbt_sources(contracts, dbt_models_dir)
    for contract in contracts.values():
        path = dbt_source_path(contract, dbt_models_dir)
        if path in stale:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dbt_source_text(contract), encoding="utf-8")
    return stale


def stale_dbt_sources(contracts: Mapping[str, Contract], dbt_models_dir: Path) -> list[Path]:
    """List source YAMLs that are missing or differ from what the contracts say."""
    stale = []
    for contract in contracts.values():
        if contract.shape == "cases":
            continue
        path = dbt_source_path(contract, dbt_models_dir)
        if not path.is_file() or path.read_text(encoding="utf-8") != dbt_source_text(contract):
            stale.append(path)
    return stale


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
