"""Dagster resources: the installation, opened when a run needs it."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg

from pipelines.installation import Installation


class InstallationResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Opens the installation inside a run; `home` replaces HUIYIN_HOME.

    `retry_after_seconds` lies between two tries of a step whose failure may pass.
    """

    home: str | None = None
    retry_after_seconds: float = 20

    def open(self) -> Installation:
        """The installation with the settings of this moment."""
        return Installation.open(os.environ, home=Path(self.home) if self.home else None)
