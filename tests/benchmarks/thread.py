"""Measure the thread at scale 1 and 5: landing, build, publish, cube query.

Run as `python -m tests.benchmarks.thread [--scales 1,5]`. Prints rates and the ratios between the
scales; nothing here is a test, since absolute times belong to one machine.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pipelines.installation import Installation


def timed(work: Callable[[], object]) -> tuple[float, object]:
    """Seconds of wall time and the result."""
    begun = time.perf_counter()
    result = work()
    return time.perf_counter() - begun, result


def measure(scale: float, folder: Path) -> dict[str, float]:
    """Run every stage once in a fresh home; seconds, rows and megabytes."""
    from cubes.query import CubeQuery, run_query
    from cubes.scope import Scope
    from pipelines.demonstration import SEED, prepare_home, simulate_sources
    from pipelines.workflow import build_and_publish, ingest

    environment = {**os.environ, "HUIYIN_HOME": str(folder)}
    os.environ["HUIYIN_HOME"] = str(folder)
    installation = prepare_home(Installation.open(environment))

    def quiet(text: str) -> None:
        """Progress is not part of what is measured."""

    figures: dict[str, float] = {}
    figures["simulate s"], _ = timed(
        lambda: simulate_sources(installation, scale=scale, seed=SEED, say=quiet)
    )
    figures["landing s"], landed = timed(lambda: ingest(installation, say=quiet))
    rows = sum(delivery.loaded for delivery in landed.deliveries)  # type: ignore[attr-defined]
    figures["rows"] = rows
    figures["landing rows/s"] = rows / figures["landing s"]
    figures["build and publish s"], _ = timed(lambda: build_and_publish(installation, say=quiet))
    figures["build rows/s"] = rows / figures["build and publish s"]
    figures["rebuild of one day s"], _ = timed(
        lambda: build_and_publish(installation, say=quiet, forced_days=[installation.now().date()])
    )
    query = CubeQuery.from_mapping(
        {
            "cube": "cases",
            "measures": ["cases", "complaints", "reply_on_time_rate", "reply_p90"],
            "by": ["org.l2"],
            "period": "2026-03",
            "totals": "grand",
        }
    )
    with installation.snapshot() as snapshot:
        cursor = snapshot.cursor()
        runs = [
            timed(
                lambda: run_query(
                    installation.catalogue,
                    cursor,
                    query,
                    scope=Scope.all(),
                    business_date=installation.now().date(),
                )
            )[0]
            for _ in range(21)
        ]
    figures["cube query ms (median of 20 warm)"] = statistics.median(runs[1:]) * 1000
    figures["snapshot MB"] = (folder / "published/current/warehouse.duckdb").stat().st_size / 1e6
    figures["peak memory MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return figures


def main() -> None:
    """Measure each scale in a process of its own and print a table with ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scales", default="1,5")
    scales = [float(text) for text in parser.parse_args().scales.split(",")]
    results = []
    for scale in scales:
        with tempfile.TemporaryDirectory() as folder:
            read, write = os.pipe()
            child = os.fork()
            if child == 0:
                os.close(read)
                figures = measure(scale, Path(folder))
                with os.fdopen(write, "w") as pipe:
                    pipe.writelines(f"{name}\t{value}\n" for name, value in figures.items())
                os._exit(0)
            os.close(write)
            with os.fdopen(read) as pipe:
                pairs = (line.rstrip("\n").split("\t") for line in pipe)
                results.append({name: float(value) for name, value in pairs})
            os.waitpid(child, 0)
    heading = " | ".join(f"scale {scale:g}" for scale in scales)
    sys.stdout.write(f"| figure | {heading} | last / first |\n|---|{'---|' * (len(scales) + 1)}\n")
    for name in results[0]:
        values = [result[name] for result in results]
        shown = " | ".join(f"{value:,.1f}" for value in values)
        sys.stdout.write(f"| {name} | {shown} | {values[-1] / values[0]:.2f} |\n")


if __name__ == "__main__":
    main()
