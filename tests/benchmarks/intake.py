"""Measures the intake: `python -m tests.benchmarks.intake [--rate 200] [--seconds 60] [--quiet]`.

An open-loop client sends submissions at fixed moments, whether or not earlier ones were answered;
a latency counts from the moment a request was due. A build runs beside it unless `--quiet`.
`--kills N` instead kills the server N times under load and counts what was lost or doubled.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.connectors.intake.killing import kill_under_load
from tests.connectors.intake.server import Server
from tests.journeys.product import Product

CONNECTIONS = 64


async def send_all(port: int, rate: int, seconds: int) -> tuple[list[float], int]:
    """Send `rate` submissions a second; returns latencies in seconds and the number of failures."""
    latencies: list[float] = []
    failures = 0
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await asyncio.open_connection("127.0.0.1", port))

    async def send(number: int, due: float) -> None:
        nonlocal failures
        reader, writer = await free.get()
        body = json.dumps(
            {
                "kind": "complaint",
                "category": "宽带/断网",
                "text": f"宽带断网三天，请尽快处理。第 {number} 件，电话 13800001111。",
                "contact": {"name": "王女士", "phone": f"139{number:08d}"},
            }
        ).encode()
        writer.write(
            b"POST /v1/feedback HTTP/1.1\r\nHost: intake\r\nContent-Type: application/json\r\n"
            b"Idempotency-Key: benchmark-%08d\r\nContent-Length: %d\r\n\r\n"
            % (number, len(body))
            + body
        )
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        )
        await reader.readexactly(length)
        latencies.append(time.perf_counter() - due)
        failures += not head.startswith(b"HTTP/1.1 202")
        free.put_nowait((reader, writer))

    started = time.perf_counter()
    tasks = []
    for number in range(rate * seconds):
        due = started + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(send(number, due)))
    await asyncio.gather(*tasks)
    return latencies, failures


def measure(rate: int, seconds: int, *, is_quiet: bool, nice: int) -> None:
    """Measure one run in a home of its own and print it."""
    with tempfile.TemporaryDirectory(prefix="huiyin-intake-") as folder:
        product = Product(Path(folder) / "home")
        product.run("demo", "--scale", "0.2")
        builds = 0
        with Server(product.home) as server:
            server.request("GET", "/health")
            client = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "tests.benchmarks.intake",
                    "--client",
                    str(server.port),
                    "--rate",
                    str(rate),
                    "--seconds",
                    str(seconds),
                ],
                stdout=subprocess.PIPE,
                text=True,
            )
            while client.poll() is None:
                if is_quiet:
                    time.sleep(0.2)
                    continue
                build = subprocess.Popen(
                    [
                        sys.executable,
                        "-m",
                        "pipelines.command_line",
                        "build",
                        "--days",
                        "2026-03-01..2026-03-30",
                    ],
                    env={**os.environ, "HUIYIN_HOME": str(product.home)},
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    preexec_fn=(lambda: os.nice(nice)) if nice else None,
                )
                build.wait()
                builds += 1
            told = client.stdout.read() if client.stdout else ""
            peak = server.peak_kb()
        print(
            f"{told.strip()}, {builds} builds beside it, peak RSS of the server {peak // 1024} MB"
        )


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--quiet", action="store_true", help="no build beside it")
    parser.add_argument("--nice", type=int, default=0, help="niceness of the build")
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--client", type=int, help="run as the client against this port")
    chosen = parser.parse_args()
    if chosen.client:
        latencies, failures = asyncio.run(send_all(chosen.client, chosen.rate, chosen.seconds))
        ordered = sorted(latencies)
        p50, p99 = (1000 * ordered[int(len(ordered) * part)] for part in (0.5, 0.99))
        print(
            f"{len(ordered)} submissions, {len(ordered) / chosen.seconds:.0f}/s asked "
            f"{chosen.rate}/s, {failures} failed, p50 {p50:.1f} ms, p99 {p99:.1f} ms, "
            f"worst {1000 * ordered[-1]:.0f} ms"
        )
    elif chosen.kills:
        with tempfile.TemporaryDirectory(prefix="huiyin-intake-") as folder:
            print(kill_under_load(Path(folder) / "home", kills=chosen.kills))
    else:
        measure(chosen.rate, chosen.seconds, is_quiet=chosen.quiet, nice=chosen.nice)


if __name__ == "__main__":
    main()
