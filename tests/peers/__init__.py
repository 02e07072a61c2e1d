"""Real servers for the tests: started here, or found by their address.

A test that lacks one is skipped with the reason; with `CI=true` it fails instead.
"""

from __future__ import annotations

import os

import pytest


def needs(found: object, reason: str) -> None:
    """Skip the test with `reason` unless `found`; where `CI=true`, fail it."""
    if found:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
