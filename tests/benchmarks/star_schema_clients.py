"""Ten clients ask while snapshots are published: times, errors, and whether any answer is mixed.

Run as `python -m tests.benchmarks.star_schema_clients [--rows 6000000] [--clients 10]
[--publishes 5] [--aggregates] [--file FILE]`. The clients are threads that ask as the service does:
each request pins the snapshot of now. Each asks 12 of the 13 queries of
`tests.benchmarks.star_schema` one after another, again and again until the last publish is done;
with `--aggregates` the cube has those of `tests.benchmarks.star_schema_aggregates`. A process of
its own adds one to two prices of every line, makes the aggregates, copies and publishes, so that
every snapshot has its own figures; in the end each answer is compared with those by hand, from the
facts, of every snapshot. Unlike a build that process does not give way: beside clients that never
pause it would hardly come to publish.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb

from connectors.service.pins import SnapshotPins
from cubes.aggregate_table import build_aggregates
from cubes.catalogue import Catalogue, load_catalogue
from cubes.query import run_query
from cubes.scope import Scope
from cubes.snapshot import open_snapshot
from pipelines.publish import current_tag, publish
from tests.benchmarks.star_schema import CUBES, LINES_A_SCALE, PAIRS, star
from tests.benchmarks.star_schema_aggregates import catalogue_with_aggregates

QUERIES_OF_A_CLIENT = 12


def digest(rows: list[tuple[Any, ...]]) -> str:
    """Equal for equal rows in equal order, decimals to the last place."""
    return sha256(repr(rows).encode()).hexdigest()


@dataclass(frozen=True)
class Answer:
    """One answer: which query, from which snapshot it says it is, its digest, rows and time."""

    query: int
    tag: str | None
    digest: str
    rows: int
    seconds: float


@dataclass
class Heard:
    """What all clients heard."""

    answers: list[Answer] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def cubes(*, aggregates: bool) -> Catalogue:
    """The cubes of the star, with aggregates or without."""
    return catalogue_with_aggregates() if aggregates else load_catalogue([CUBES])


def ask(catalogue: Catalogue, pins: SnapshotPins, client: int, heard: Heard) -> None:
    """Twelve queries one after another, each client beginning with another one."""
    for step in range(QUERIES_OF_A_CLIENT):
        number = (client + step) % len(PAIRS)
        begun = time.perf_counter()
        try:
            with pins.pinned() as snapshot, snapshot.cursor() as cursor:
                result = run_query(
                    catalogue,
                    cursor,
                    PAIRS[number].query,
                    scope=Scope.all(),
                    business_date=snapshot.business_date,
                    warehouse=snapshot.warehouse,
                    snapshot=snapshot.tag,
                )
        except Exception as error:
            heard.errors.append(f"{PAIRS[number].name}: {error}")
            continue
        took = time.perf_counter() - begun
        rows = [tuple(row.values()) for row in result.rows]
        heard.answers.append(Answer(number, result.snapshot, digest(rows), len(rows), took))


def publish_again(catalogue: Catalogue, work: Path, published: Path, number: int) -> None:
    """Change the warehouse so that every figure of every query is another, and publish it."""
    with duckdb.connect(str(work)) as connection:
        connection.execute("set threads = 2")
        if number:
            connection.execute(
                "update lineorder set lo_revenue = lo_revenue + 1, "
                "lo_extendedprice = lo_extendedprice + 1"
            )
        build_aggregates(catalogue, connection)
        connection.execute("checkpoint")
    tag = f"{number:04d}"
    information = {"tag": tag, "business_date": "1998-12-31"}
    publish(work, published, tag, information, now=datetime.now(UTC), keep=100)


def expected(published: Path) -> dict[str, list[str]]:
    """The digests of the answers by hand, by the tags of all snapshots."""
    found = {}
    for folder in sorted((published / "snapshots").iterdir()):
        with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as connection:
            found[folder.name] = [
                digest(connection.execute(pair.by_hand).fetchall()) for pair in PAIRS
            ]
    return found


def mixed(answers: list[Answer], figures: dict[str, list[str]]) -> Iterator[str]:
    """The answers that are not those of exactly one snapshot, the one they name."""
    for answer in answers:
        tags = [tag for tag, digests in figures.items() if digests[answer.query] == answer.digest]
        # Few lines leave Q3.4 without rows, which is the same answer from every snapshot.
        if tags != [answer.tag] and (answer.rows or answer.tag not in tags):
            name = PAIRS[answer.query].name
            yield f"{name} says {answer.tag} and is of {tags or 'none'}"


def publishing(
    work: Path, published: Path, publishes: int, *, aggregates: bool
) -> subprocess.Popen[bytes]:
    """The process that publishes again and again."""
    command = [sys.executable, "-m", "tests.benchmarks.star_schema_clients"]
    command += ["--publishes", str(publishes), "--publish", str(work), str(published)]
    return subprocess.Popen([*command, *(["--aggregates"] if aggregates else [])])


def measure(
    rows: int, file: Path | None, clients: int, publishes: int, *, aggregates: bool
) -> None:
    """Ask while it is published, then print what was heard."""
    catalogue = cubes(aggregates=aggregates)
    heard = Heard()
    with tempfile.TemporaryDirectory(prefix="star") as name:
        work, published = Path(name) / "warehouse.duckdb", Path(name) / "published"
        with star(rows, file or work):
            pass
        if file is not None:
            shutil.copyfile(file, work)
        publish_again(catalogue, work, published, 0)
        pins = SnapshotPins(lambda: current_tag(published), lambda: open_snapshot(published))
        has_ended = threading.Event()

        def client(number: int) -> None:
            while not has_ended.is_set():
                ask(catalogue, pins, number, heard)

        begun = time.perf_counter()
        with ThreadPoolExecutor(clients) as pool:
            asking = [pool.submit(client, number) for number in range(clients)]
            publisher = publishing(work, published, publishes, aggregates=aggregates)
            failed = publisher.wait()
            has_ended.set()
            for one in asking:
                one.result()
        took = time.perf_counter() - begun
        pins.close()
        assert not failed, "the publisher failed"
        figures = expected(published)
        told = list(mixed(heard.answers, figures))
    times = [answer.seconds for answer in heard.answers]
    p50, p95 = statistics.median(times), statistics.quantiles(times, n=20)[-1]
    print(f"{clients} clients, {publishes} publishes, {took:.0f} s: {len(times):,} answers")
    print(f"seconds of an answer: p50 {p50:.3f}, p95 {p95:.3f}, most {max(times):.3f}")
    by_tag = {tag: sum(one.tag == tag for one in heard.answers) for tag in figures}
    print(f"answers by snapshot: {by_tag}")
    print(f"errors: {len(heard.errors)} {heard.errors[:3]}")
    print(f"answers not of exactly the snapshot they name: {len(told)} {told[:3]}")


def main() -> None:
    """Measure, or publish in the process that `measure` starts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=LINES_A_SCALE)
    parser.add_argument("--file", type=Path, help="keep the data there, or use what is there")
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--publishes", type=int, default=5)
    parser.add_argument("--aggregates", action="store_true")
    parser.add_argument("--publish", type=Path, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    aggregates = arguments.aggregates
    if arguments.publish:
        work, published = arguments.publish
        catalogue = cubes(aggregates=aggregates)
        for number in range(1, arguments.publishes + 1):
            publish_again(catalogue, work, published, number)
        return
    measure(
        arguments.rows,
        arguments.file,
        arguments.clients,
        arguments.publishes,
        aggregates=aggregates,
    )


if __name__ == "__main__":
    main()
