"""The 13 queries of `tests.benchmarks.star_schema` by two other semantic layers, beside ours.

`python -m tests.benchmarks.star_schema_peers --python PEERS/bin/python [--rows 6000000]
[--file FILE]`. PEERS is an environment with boring-semantic-layer, metricflow, pyarrow, pandas and
the DuckDB, sqlglot, pydantic and PyYAML of this project: all sides run there in one process, by
turns on one connection, so that only the statements and their making differ. A peer's answer is
compared with the one by hand before it is timed. Then come the questions of
`tests.benchmarks.peer_answers`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb

from tests.benchmarks.peer_answers import print_answers
from tests.benchmarks.semantic_peers import Peer, boring, metricflow
from tests.benchmarks.star_schema import (
    LINES_A_SCALE,
    PAIRS,
    Cubes,
    Pair,
    geometric_mean,
    in_turn,
    median_ms,
    star,
)


def statement(peer: Peer, pair: Pair) -> str:
    """The peer's statement for a query of the benchmark."""
    query = pair.query
    order = [*query.order, *(name for name in query.by if name not in query.order)]
    return peer.sql(query.measures, query.by, query.cuts, ",".join(order))


def answer(
    connection: duckdb.DuckDBPyConnection, peer: Peer, pair: Pair, sql: str
) -> list[tuple[Any, ...]]:
    """The rows of the statement with the columns as we have them."""
    cursor = connection.execute(sql)
    found = [item[0] for item in cursor.description or ()]
    query = pair.query
    places = [found.index(peer.column(name)) for name in (*query.by, *query.measures)]
    return [tuple(row[place] for place in places) for row in cursor.fetchall()]


def print_peer(cubes: Cubes, peer: Peer, runs: int) -> None:
    """The table of one peer: making the text, and running it, against ours."""
    connection = cubes.connection
    print(f"\n{peer.name} {version(peer.name)}")
    print("| query | text ms: ours | theirs | statement ms: ours | theirs | ours / theirs |")
    print("|---|---|---|---|---|---|")
    made, ran = [], []
    for pair in PAIRS:
        query = pair.query
        try:
            sql = statement(peer, pair)
            theirs = answer(connection, peer, pair, sql)
        except Exception as error:
            print(f"| {pair.name} | cannot: {next(iter(str(error).splitlines()), '')} |")
            continue
        by_hand = connection.execute(pair.by_hand).fetchall()
        if repr(theirs) != repr(by_hand):
            print(f"| {pair.name} | wrong: {theirs[:2]} and not {by_hand[:2]} |")
            continue
        text = in_turn(
            lambda query=query: cubes.compiled_anew(query),  # type: ignore[misc]
            lambda pair=pair: statement(peer, pair),  # type: ignore[misc]
            runs,
        )

        def run_theirs(sql: str = sql) -> None:
            connection.execute(sql).fetchall()

        times = in_turn(lambda query=query: cubes.executed(query), run_theirs, runs)  # type: ignore[misc]
        made.append(text.ratio)
        ran.append(times.ratio)
        print(
            f"| {pair.name} | {text.one:.2f} | {text.other:.1f} | {times.one:.1f} "
            f"| {times.other:.1f} | {times.ratio:.2f} |"
        )
    print(
        f"geometric means: text {geometric_mean(made):.4f}, statement {geometric_mean(ran):.3f}; "
        f"most: text {max(made):.4f}, statement {max(ran):.2f}"
    )


def measure(rows: int, file: Path | None, runs: int) -> None:
    """What runs in the peers' environment."""
    with star(rows, file) as connection:
        connection.execute("set threads = 2")
        cubes = Cubes.over(connection)
        cached = median_ms(lambda: [cubes.compiled(pair.query) for pair in PAIRS], runs)
        print(f"our 13 texts from the cache: {cached / len(PAIRS):.4f} ms each")
        peers: tuple[Peer, ...] = (
            boring(connection, "star", "lineorder"),
            metricflow("star", "line"),
        )
        for peer in peers:
            print_peer(cubes, peer, runs)
    print_answers()


def main() -> None:
    """Start the interpreter of the peers' environment, or measure in it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", type=Path, help="the interpreter of the peers' environment")
    parser.add_argument("--rows", type=int, default=LINES_A_SCALE)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--file", type=Path, help="keep the data there, or use what is there")
    arguments = parser.parse_args()
    if arguments.python is None:
        measure(arguments.rows, arguments.file, arguments.runs)
        return
    command = [arguments.python, "-m", "tests.benchmarks.star_schema_peers"]
    command += ["--rows", str(arguments.rows), "--runs", str(arguments.runs)]
    if arguments.file is not None:
        command += ["--file", arguments.file]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(root)})
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
