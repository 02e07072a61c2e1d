"""Composition of the intake: the desk with the stores, keys, clock and snapshot of a home."""

from __future__ import annotations

import os
import random
import signal
import time
from typing import TYPE_CHECKING

from pipelines.errors import HomeError
from pipelines.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from connectors.intake.desk import Desk
    from connectors.intake.request import Application
    from connectors.pii_store import PiiStore
    from cubes.errors import Fault
    from cubes.snapshot import Snapshot
    from pipelines.installation import Installation

SOURCE = "intake"
# The intake reads single cases and small lists; the engine's caches stay small.
_ENGINE_MEMORY = "64MB"


def intake_application(installation: Installation) -> Application:
    """The intake of an installation as an ASGI application; raises what `intake_desk` raises."""
    from connectors.intake.application import make_application

    def open_snapshot() -> Snapshot:
        from cubes.snapshot import open_snapshot

        return open_snapshot(installation.home.published, memory_limit=_ENGINE_MEMORY, threads=1)

    stylesheet = (PROJECT_ROOT / "pipelines/look/huiyin.css").read_text(encoding="utf-8")
    return make_application(intake_desk(installation, open_snapshot), stylesheet=stylesheet)


def intake_desk(installation: Installation, open_snapshot: Callable[[], Snapshot]) -> Desk:
    """The desk of an installation, whose rules are those of every door it stands behind.

    Raises HomeError if its inbox is gone though cases of it were landed, SettingsError or
    StoreError if a key or store cannot be used, DeclarationError for a faulty form.
    """
    from connectors.inbox_writer import InboxWriter
    from connectors.intake.desk import Desk
    from connectors.intake.form import load_form
    from connectors.intake.published import IntakeSource, PublishedFollower

    home, settings = installation.home, installation.settings
    home.ensure()
    require_inbox(installation)
    contract = installation.declared_contracts[SOURCE]
    hasher = pii_store(installation)
    zone = contract.zone or settings.timezone
    return Desk(
        inbox_path=home.inbox,
        writer=InboxWriter(home.inbox, lambda: pii_store(installation), on_death=_end_process),
        follower=PublishedFollower(
            lambda: published_tag(installation),
            open_snapshot,
            IntakeSource(SOURCE, contract.calendar or settings.calendar, zone),
        ),
        form=load_form(installation.search_path("connectors/forms")),
        pseudonym=hasher.pseudonym,
        key=installation.secrets.derive("intake secret"),
        zone=zone,
        now=installation.now,
        seconds=time.monotonic,
        rng=random.SystemRandom(),
        source=SOURCE,
        unrated_priority=lambda at: _unrated_priority(installation, at),
    )


def _unrated_priority(installation: Installation, at: datetime) -> str | None:
    """The priority that the rule rows give a case that tells nothing of it. Faulty rows of the
    operator, which every build tells of, keep nobody from raising a matter: the shipped ones count.
    """
    from cubes.local_clock import zone_of
    from cubes.rule_table import read_rule_rows
    from cubes.sla_policy import unrated_priority
    from pipelines.operator_rows import SHIPPED, SITE

    table = "sla_priority"
    shipped = read_rule_rows(SHIPPED / f"{table}.csv", table, [])
    faults: list[Fault] = []
    path = installation.home.site(SITE) / f"{table}.csv"
    added = read_rule_rows(path, table, faults, is_operator=True)
    rows = shipped if faults else [*shipped, *added]
    return unrated_priority(rows, at, zone_of(installation.settings.timezone))


def pii_store(installation: Installation) -> PiiStore:
    """The PII store, opened for the thread that asks; it stays open as long as the process."""
    from connectors.pii_store import PiiStore

    home, keys = installation.home, installation.secrets
    home.require_store(home.pii)
    return PiiStore(home.pii, pseudonym_key=keys.pseudonym, encryption_key=keys.encryption)


def require_inbox(installation: Installation) -> None:
    """Raise HomeError if the inbox is gone but cases of it were landed.

    A new one would count from the start, and what it holds would never be drained.
    """
    home = installation.home
    landed = home.raw / SOURCE
    if home.inbox.exists() or not landed.is_dir():
        return
    raise HomeError(
        f"Opening {home.inbox} failed: it is gone, but {landed} holds cases that came from it. "
        "Nothing was changed. Trying again helps once the file is restored from a backup."
    )


def _end_process() -> None:
    """End the server as its supervisor would, who starts it again; what waits is answered first."""
    os.kill(os.getpid(), signal.SIGTERM)


def published_tag(installation: Installation) -> str | None:
    """The tag that serves, or None before the first publish."""
    from pipelines.publish import current_tag

    return current_tag(installation.home.published)
