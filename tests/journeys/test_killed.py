from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from connectors.ledger import Ledger
from pipelines.settings import PROJECT_ROOT
from tests.journeys.product import Product, clean_environment, fingerprints

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("killed")]

IN_LANDING = (
    "landing:billing:announced:2",
    "landing:billing:parquet_temporary:9",
    "landing:billing:read_log:2",
    "landing:crm:claimed:2",
    "landing:hall:loaded:2",
    "landing:hotline:archived:2",
)
IN_BUILD = ("node:1", "node:40", "mark")
IN_PUBLISH = ("copy", "swap:after")
IN_DISPATCH = ("commit:4", "line:3", "record", "acknowledgement")


def start(
    product: Product, moment: str, name: str, *arguments: str, **environment: str
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.journeys.dying", moment, name, *arguments],
        cwd=PROJECT_ROOT,
        env=clean_environment(product.home, **environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill_at(product: Product, moment: str, *arguments: str, **environment: str) -> None:
    """Kill the command at the moment; what is published is then whole or absent."""
    child = start(product, moment, "SIGKILL", *arguments, **environment)
    output = "".join(child.communicate(timeout=600))
    assert child.returncode == -signal.SIGKILL, f"{moment}: {output[-3000:]}"
    serving(product)


@contextmanager
def stopped_at(product: Product, moment: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The command, standing still at the moment; it is killed in the end."""
    child = start(product, moment, "SIGSTOP", *arguments)
    try:
        _, status = os.waitpid(child.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), f"{arguments} ended before {moment}"
        yield child
    finally:
        if child.returncode is None:
            child.kill()
            child.communicate(timeout=300)


def serving(product: Product) -> str | None:
    """The tag of the snapshot that serves, which must be whole; None before the first."""
    current = product.home / "published" / "current"
    if not current.is_symlink():
        return None
    information = json.loads((current / "published.json").read_text(encoding="utf-8"))
    assert current.resolve().name == information["tag"]
    with product.snapshot() as connection:
        (built,) = connection.execute("select build_id from marts.build").fetchall()
        assert built == (information["build_id"],)
        assert fingerprints(connection)["fct_case"][0] > 0
    return str(information["tag"])


def landed(product: Product) -> list[str]:
    """Every batch with its file's rows and checksum, every quarantined record.

    The id of a claimed batch names its reader, which is the home, and is left out.
    """
    with Ledger(product.home / "ledger.db") as ledger:
        batches = {batch.batch_id: batch for batch in ledger.batches()}
        told = {confirmation.batch_id for confirmation in ledger.confirmations()}
        quarantine = ledger.quarantine()
    seen: list[tuple[Any, ...]] = [
        (
            *(b.stream, b.place, b.status, b.code, b.rows, b.rows_loaded, b.rejected),
            b.batch_id in told,
            content(product.home / b.path) if b.status == "loaded" and b.path else None,
        )
        for b in batches.values()
    ]
    seen += [(batches[r.batch_id].place, r.line, r.column_name, r.reason) for r in quarantine]
    return sorted(map(str, seen))


def content(path: Path) -> tuple[Any, ...] | None:
    """Rows and an order-free checksum of a Parquet file."""
    query = (
        "select count(*), sum(hash(t)::hugeint)::varchar "
        "from (select * exclude (_batch_id) from read_parquet(?)) as t"
    )
    return duckdb.execute(query, [str(path)]).fetchone()


def messages(product: Product) -> list[tuple[str, str]]:
    return sorted((m["message_id"], m["text"]) for m in product.json("message", "list"))


def lines(product: Product) -> list[tuple[str, str, str]]:
    """What the file transport wrote, without the number of the attempt and the passwords.

    Passwords are random, so those of two homes differ.
    """
    text = (product.home / "sent" / "messages.jsonl").read_text(encoding="utf-8")
    sent = [json.loads(line) for line in text.splitlines()]
    return sorted(
        (one["message_id"], one["to"], re.sub(r"初始密码：\w{10}", "初始密码", one["text"]))
        for one in sent
    )


@pytest.fixture(scope="module")
def landed_through_kills(simulated: Product, tmp_path_factory: pytest.TempPathFactory) -> Product:
    """Landed by a command that was killed and repeated; each repeat gets past the last moment."""
    product = simulated.copy(tmp_path_factory.mktemp("killed") / "home")
    for moment in IN_LANDING:
        kill_at(product, moment, "ingest")
    product.run("ingest")
    return product


@pytest.fixture(scope="module")
def published_through_kills(
    landed_through_kills: Product, tmp_path_factory: pytest.TempPathFactory
) -> Product:
    """Published by a build that met Ctrl-C, with a second builder beside it, and then kills."""
    product = landed_through_kills.copy(tmp_path_factory.mktemp("killed") / "home")
    with stopped_at(product, "node:8", "run") as child:
        refusal = product.run("build", expect=3, HUIYIN_BUILD_WAIT_MINUTES="0")
        child.send_signal(signal.SIGINT)
        child.send_signal(signal.SIGCONT)
        _, errors = child.communicate(timeout=20)
    assert "is building" in refusal and "Try again when it has finished" in refusal
    assert "Traceback" not in refusal
    assert child.returncode == 130
    told = [line for line in errors.splitlines() if not line.startswith("  ") and line]
    assert told == ["已中断，可以重新执行。 Interrupted; run the same command again."]
    for moment in (*IN_BUILD, *IN_PUBLISH):
        assert serving(product) is None
        kill_at(product, moment, "run")
    assert serving(product) is not None
    assert "没有变化" in product.run("run")
    return product


def test_landing_killed_at_any_moment_lands_the_same_when_repeated(
    landed_through_kills: Product, unharmed: Product
) -> None:
    assert landed(landed_through_kills) == landed(unharmed)
    assert not list(landed_through_kills.home.rglob("*.part"))


def test_a_build_killed_at_any_moment_publishes_the_same_figures_when_repeated(
    published_through_kills: Product, unharmed: Product
) -> None:
    with published_through_kills.snapshot() as killed, unharmed.snapshot() as never_killed:
        assert fingerprints(killed) == fingerprints(never_killed)


def test_a_build_after_one_that_never_finished_makes_every_mart_anew(
    published_through_kills: Product, tmp_path: Path
) -> None:
    product = published_through_kills.copy(tmp_path / "home")
    for day, is_killed in (("01", False), ("02", True)):
        later = {"HUIYIN_CLOCK": f"fixed:2026-04-{day}T09:00:00+08:00"}
        if is_killed:
            kill_at(product, "node:120", "build", **later)
        report = json.loads(product.run("build", "--format", "json", **later))
        assert report["published"] and report["full"] is is_killed


def test_a_publish_killed_at_any_moment_leaves_no_remains_and_a_complete_log(
    published_through_kills: Product,
) -> None:
    snapshots = published_through_kills.home / "published" / "snapshots"
    assert not list(snapshots.glob(".*"))
    with Ledger(published_through_kills.home / "ledger.db") as ledger:
        logged = [row.tag for row in ledger.snapshots()]
    assert logged == [serving(published_through_kills)]


def test_messages_are_told_once_though_planning_and_dispatch_are_killed(
    published_through_kills: Product, unharmed: Product, tmp_path: Path
) -> None:
    product = published_through_kills.copy(tmp_path / "home")
    kill_at(product, "commit:5", "demo", "--scale", "0.05")
    for moment in IN_DISPATCH:
        kill_at(product, moment, "dispatch", "--until-empty")
    product.run("demo", "--scale", "0.05")
    assert messages(product) == messages(unharmed)
    assert lines(product) == lines(unharmed)
    states = {message["state"] for message in product.json("message", "list")}
    assert states == {"delivered"}
