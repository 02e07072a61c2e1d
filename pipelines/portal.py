"""The portal of an installation: the snapshot, keys and declarations its pages work with."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from notifications.portal.failure import log_failure
from notifications.publication import Publication
from pipelines.address import read_addresses
from pipelines.clock import Clock
from pipelines.installation import Installation
from pipelines.telling import (
    digests_of,
    figures_of,
    invitation_of,
    publication_of,
    signatures_of,
)

if TYPE_CHECKING:
    from fastapi import FastAPI

    from cubes.snapshot import Snapshot

_ANSWERS = 4096


def portal_application(installation: Installation) -> FastAPI:
    """The portal as an ASGI application; the operational store is migrated first."""
    from argon2 import PasswordHasher

    from notifications.account import load_roles
    from notifications.alert.rule import load_rules
    from notifications.credential import Passwords
    from notifications.portal.application import portal
    from notifications.portal.desk import Desk
    from notifications.portal.limits import Limits
    from notifications.reference import check_references
    from notifications.store import migrate, open_store

    installation.home.ensure()
    url = f"sqlite:///{installation.home.operations}"
    migrate(url)
    secrets = installation.secrets
    digests, figures = digests_of(installation), figures_of(installation)
    rules = load_rules(installation.search_path("notifications/alerts"))
    check_references(installation.catalogue, digests, rules, figures)
    serving = Serving(installation)
    style = Path(__file__).parent / "look" / "huiyin.css"
    return portal(
        Desk(
            engine=open_store(url),
            now=installation.now,
            wall_clock=Clock("system").now,
            zone=ZoneInfo(installation.settings.timezone),
            publication=serving,
            is_unreadable=serving.is_unreadable,
            pseudonym=phone_pseudonyms(installation),
            catalogue=installation.catalogue,
            digests=digests,
            figures=figures,
            roles=load_roles(installation.search_path("notifications/roles")),
            passwords=Passwords(PasswordHasher(), secrets.derive("initial password")),
            limits=Limits(time.monotonic),
            invitation=lambda: invitation_of(installation),
            dashboards=lambda: (
                installation.settings.public_superset_url
                or read_addresses(installation.home).get("superset")
            ),
            form_key=secrets.derive("portal session"),
            system_key=secrets.derive("superset sign-in").hex(),
            signatures=signatures_of(installation),
            language=installation.settings.language,
            stylesheet=style.read_text(encoding="utf-8"),
            is_secure=installation.settings.secure_cookies,
        )
    )


def phone_pseudonyms(installation: Installation) -> Callable[[str], str]:
    """Make pseudonyms of numbers as the PII store does; the store itself is not opened."""
    from connectors.pii_store import pseudonym_of

    key = installation.secrets.pseudonym
    return lambda number: pseudonym_of(key, "phone", number)


class Serving:
    """The snapshot that serves now, as the portal sees it; one open snapshot for each tag.

    Answers are kept for as long as their snapshot serves: a snapshot never changes. The one before
    stays open for requests that are still reading it.
    """

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._lock = threading.Lock()
        self._open: OrderedDict[str, tuple[Snapshot, Publication]] = OrderedDict()
        self._fault: str | None = None

    def is_unreadable(self) -> bool:
        """Whether a snapshot is published that could not be read when it was asked for last."""
        return self._fault is not None

    def __call__(self) -> Publication | None:
        """The publication of the current snapshot, None before the first or if it is unreadable."""
        import duckdb

        from cubes.errors import SnapshotError

        published = self._installation.home.published
        try:
            found = self._current(published)
        except (SnapshotError, duckdb.Error, OSError, LookupError, TypeError, ValueError) as error:
            if not os.path.lexists(published / "current"):
                self._fault = None
                return None
            # Every page asks: a fault is logged when it appears, not each time.
            fault = f"{os.path.realpath(published / 'current')} {type(error).__name__}"
            if fault != self._fault:
                log_failure("Opening the published snapshot", error)
            self._fault = fault
            return None
        self._fault = None
        return found

    def _current(self, published: Path) -> Publication:
        from cubes.snapshot import current_tag, open_snapshot

        settings = self._installation.settings
        tag = current_tag(published)
        with self._lock:
            if tag not in self._open:
                snapshot = open_snapshot(
                    published, memory_limit=settings.memory_limit, threads=settings.threads
                )
                try:
                    self._open[tag] = (snapshot, self._remembering(snapshot))
                except BaseException:
                    snapshot.close()
                    raise
                while len(self._open) > 2:
                    _, (old, _) = self._open.popitem(last=False)
                    old.close()
            return self._open[tag][1]

    def _remembering(self, snapshot: Snapshot) -> Publication:
        publication = publication_of(self._installation, snapshot)
        answers: OrderedDict[tuple[Any, ...], Any] = OrderedDict()
        lock = threading.Lock()

        def figures(
            query: str,
            parameters: Mapping[str, Any],
            units: frozenset[str] | None,
            by: tuple[str, ...],
        ) -> Any:
            key = (query, tuple(sorted(parameters.items())), units, by)
            with lock:
                if key in answers:
                    answers.move_to_end(key)
                    return answers[key]
            found = publication.figures(query, parameters, units, by)
            with lock:
                answers[key] = found
                while len(answers) > _ANSWERS:
                    answers.popitem(last=False)
            return found

        return replace(publication, figures=figures)
