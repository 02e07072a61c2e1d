"""The `huiyin` command in a process that stops or kills itself at a moment, for the tests.

`python -m tests.journeys.dying MOMENT SIGNAL ARGUMENTS...`; the moments are the keys of `MOMENTS`
with their parameters behind colons, such as `landing:billing:parquet:3` or `node:20`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

End = Callable[[], None]


def in_landing(end: End, source: str, step: str, count: str) -> None:
    """End when `step` of landing `source` is reached for the `count`-th time."""
    from connectors import landing

    land_source = landing.land_source
    left = int(count)

    def at(name: str) -> None:
        nonlocal left
        left -= name == step
        if name == step and left == 0:
            end()

    def dying(contract: Any, **arguments: Any) -> Any:
        if contract.source == source:
            arguments["at"] = at
        return land_source(contract, **arguments)

    landing.land_source = dying


def after_node(end: End, count: str) -> None:
    """End when dbt has finished `count` nodes, while others are being written."""
    from pipelines import build

    run_dbt = build.run_dbt

    def progress(done: int, total: int) -> None:
        if done == int(count):
            end()

    def dying(arguments: Any, **more: Any) -> Any:
        return run_dbt(arguments, **{**more, "progress": progress})

    build.run_dbt = dying


def before_mark(end: End) -> None:
    """End when every model is built and no batch is marked as built."""
    from pipelines import build

    build.create_views  # noqa: B018 - fails when the build no longer calls it by this name
    build.create_views = lambda *_, **__: end()


def in_copy(end: End) -> None:
    """End when half of the warehouse is copied into the snapshot."""
    run = subprocess.run

    def dying(command: Any, *arguments: Any, **more: Any) -> Any:
        if command[0] != "cp":
            return run(command, *arguments, **more)
        whole = Path(command[-2]).read_bytes()
        Path(command[-1]).write_bytes(whole[: len(whole) // 2])
        end()
        raise AssertionError("the process goes on after its end")

    subprocess.run = dying  # type: ignore[assignment]


def around_swap(end: End, side: str) -> None:
    """End `before` or `after` the link `current` is swapped."""
    from pipelines import publish

    swap = publish._swap

    def dying(published: Path, tag: str) -> None:
        if side == "after":
            swap(published, tag)
        end()

    publish._swap = dying


def in_line(end: End, count: str) -> None:
    """End when half of the `count`-th message is written by the file transport."""
    from notifications.transports.file import FileTransport

    write = FileTransport._write
    left = int(count)

    def dying(transport: Any, data: bytes) -> None:
        nonlocal left
        left -= 1
        write(transport, data[: len(data) // 2] if left == 0 else data)
        if left == 0:
            end()

    FileTransport._write = dying  # type: ignore[method-assign]


def before_record(end: End) -> None:
    """End when the file transport has written a group whose answers are not recorded yet."""
    from notifications.transports.file import FileTransport

    submit = FileTransport.submit

    def dying(*arguments: Any) -> Any:
        submit(*arguments)
        end()

    FileTransport.submit = dying  # type: ignore[method-assign]


def before_acknowledgement(end: End) -> None:
    """End when receipts are stored and not acknowledged yet."""
    from notifications.transports.file import FileTransport

    FileTransport.acknowledge = lambda *_: end()  # type: ignore[method-assign]


def before_commit(end: End, count: str) -> None:
    """End right before the `count`-th commit to the operational store."""
    import sqlalchemy as sa
    from sqlalchemy.engine import Engine

    left = int(count)

    def dying(connection: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            end()

    sa.event.listen(Engine, "commit", dying)


MOMENTS: dict[str, Callable[..., None]] = {
    "landing": in_landing,
    "node": after_node,
    "mark": before_mark,
    "copy": in_copy,
    "swap": around_swap,
    "line": in_line,
    "record": before_record,
    "acknowledgement": before_acknowledgement,
    "commit": before_commit,
}


def main(moment: str, name: str, *arguments: str) -> None:
    """Run the command with `arguments` and end it by signal `name` at `moment`."""
    from pipelines.command_line import main as huiyin

    # A test run that was started in the background of a script hands down an ignored Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    kind, *parameters = moment.split(":")
    MOMENTS[kind](lambda: os.kill(os.getpid(), signal.Signals[name]), *parameters)
    sys.argv = ["huiyin", *arguments]
    huiyin()


if __name__ == "__main__":
    main(*sys.argv[1:])
