"""The builds that the tests of the models look at, made once."""

from __future__ import annotations

import pytest

from tests.dbt_project.builds import Builds, make_builds


@pytest.fixture(scope="session")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Builds:
    """One home after several builds in turn; see make_builds."""
    return make_builds(tmp_path_factory.mktemp("built"))
