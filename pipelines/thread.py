"""The thread of the demonstration: landing, build, publish, planning, sending, in one go."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cubes.label import Language
from pipelines.demonstration import (
    DemoManager,
    demo_managers,
    exchange_with_partners,
    subscribe_demo_managers,
)
from pipelines.errors import PipelineError
from pipelines.home import read_home
from pipelines.installation import Installation
from pipelines.settings import PROJECT_ROOT
from pipelines.telling import tell
from pipelines.workflow import PublishReport, build_and_publish, ingest

if TYPE_CHECKING:
    from connectors.landing import Delivery
    from connectors.ledger_rows import Export
    from notifications.planner import TickReport
    from pipelines.progress import Steps


@dataclass(frozen=True)
class Outcome:
    """What the thread did: deliveries landed now, the snapshot, the plan, the demo managers, and
    what went to partners."""

    deliveries: Sequence[Delivery]
    published: PublishReport
    planned: TickReport
    managers: Sequence[DemoManager]
    exports: Sequence[Export]


def thread(installation: Installation, steps: Steps, *, language: Language) -> Outcome:
    """Run the main job from landing to sending; the dispatcher is a process of its own."""
    with steps.step("ingest"):
        landed = ingest(installation, say=steps.say)
    for error in landed.failures.values():
        raise error
    with steps.step("build + publish"):
        published = build_and_publish(installation, say=steps.say, progress=steps.count)
    with steps.step("plan messages"):
        managers = demo_managers(installation)
        subscribe_demo_managers(installation, managers, language=language)
        told = tell(installation)
    with steps.step("dispatch"):
        dispatch_process(installation)
    exports: Sequence[Export] = ()
    if read_home(installation.home).get("demonstrates") == "province":
        with steps.step("exchange with partners"):
            exports = exchange_with_partners(installation, say=steps.say)
    return Outcome(landed.deliveries, published, told.report, managers, exports)


def dispatch_process(installation: Installation) -> None:
    """Run the dispatcher until the outbox is empty; raises PipelineError if it fails."""
    command = [
        sys.executable,
        "-m",
        "pipelines.command_line",
        "--home",
        str(installation.home.path),
    ]
    finished = subprocess.run(
        [*command, "dispatch", "--until-empty"], cwd=PROJECT_ROOT, capture_output=True, text=True
    )
    if finished.returncode:
        raise PipelineError(
            f"Sending the messages failed: {finished.stderr.strip()} Nothing is lost: they stay in "
            "the outbox. Try `huiyin dispatch --until-empty` again."
        )
