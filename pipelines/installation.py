"""One installation opened for work: settings, home, clock, secrets, contracts, catalogue, stores.

Everything is opened when first used, so that a command pays only for what it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.clock import Clock, parse_clock
from pipelines.home import Home, read_home, started_at
from pipelines.secrets import Secrets, find_secret, load_secrets
from pipelines.settings import PROJECT_ROOT, Settings, read_settings

if TYPE_CHECKING:
    from connectors.contract import Contract
    from connectors.ledger import Ledger
    from connectors.pii_store import PiiStore
    from cubes.catalogue import Catalogue
    from cubes.snapshot import Snapshot


class Installation:
    """The composition root: what each part needs is made here and passed in."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.home = Home(settings.home)
        self._clock: tuple[float | None, Clock] | None = None
        self._clock_of_home: str | None = read_home(self.home).get("clock")

    @classmethod
    def open(cls, environment: Mapping[str, str], home: Path | None = None) -> Installation:
        """Read the settings and return the installation; raises SettingsError."""
        return cls(read_settings(environment, home=home))

    @property
    def clock(self) -> Clock:
        """The clock all processes of the home agree on.

        A process that lives on follows a home whose clock is moved, unless the environment set it.
        """
        version = self.home.version()
        if self._clock is None or self._clock[0] != version:
            chosen = self.settings.clock
            if version is not None and chosen == self._clock_of_home:
                chosen = self._clock_of_home = read_home(self.home).get("clock")
            self._clock = (version, parse_clock(chosen or "system", started_at(self.home)))
        return self._clock[1]

    def now(self) -> datetime:
        """The present moment of the home, aware."""
        return self.clock.now()

    @cached_property
    def secrets(self) -> Secrets:
        """Keys of the PII store, generated on first use."""
        self.home.ensure()
        return load_secrets(self.settings, self.home)

    def secret(self, name: str) -> str | None:
        """A credential of a source or partner by its name, such as HUIYIN_BILLING_PASSWORD."""
        return find_secret(self.settings, self.home, name)

    def search_path(self, folder: str) -> list[Path]:
        """The declaration folders of one kind: the product's, then the installation's."""
        return [PROJECT_ROOT / folder, self.home.site(folder)]

    @cached_property
    def contracts(self) -> dict[str, Contract]:
        """Contracts of the sources this installation reads."""
        from connectors.contract import load_contracts

        return load_contracts(self.search_path("connectors/sources"), chosen=self.settings.sources)

    @cached_property
    def declared_contracts(self) -> dict[str, Contract]:
        """All contracts, also those not read here, whose raw tables exist empty."""
        from connectors.contract import load_contracts
        from cubes.declaration import list_files

        folders = self.search_path("connectors/sources")
        return load_contracts(folders, chosen=sorted({path.stem for path in list_files(folders)}))

    @cached_property
    def catalogue(self) -> Catalogue:
        """Dimensions, cubes and named queries."""
        from cubes.catalogue import load_catalogue

        return load_catalogue(self.search_path("cubes"))

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """The ledger, open."""
        from connectors.ledger import Ledger

        self.home.ensure()
        self.home.require_store(self.home.ledger)
        ledger = Ledger(self.home.ledger)
        try:
            yield ledger
        finally:
            ledger.close()

    @contextmanager
    def pii_store(self) -> Iterator[PiiStore]:
        """The PII store, open."""
        from connectors.pii_store import PiiStore

        keys = self.secrets
        self.home.require_store(self.home.pii)
        store = PiiStore(
            self.home.pii, pseudonym_key=keys.pseudonym, encryption_key=keys.encryption
        )
        try:
            yield store
        finally:
            store.close()

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """The published snapshot, open for reading; raises SnapshotError if there is none."""
        from cubes.snapshot import open_snapshot

        snapshot = open_snapshot(
            self.home.published,
            memory_limit=self.settings.memory_limit,
            threads=self.settings.threads,
        )
        try:
            yield snapshot
        finally:
            snapshot.close()

    def signature(self, language: str) -> str:
        """What every SMS in `language` begins with."""
        return self.settings.signature_en if language == "en" else self.settings.signature_zh


Progress = Callable[[str], None]
