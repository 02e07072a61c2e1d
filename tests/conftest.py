"""What holds for all tests: a property that states no number of examples has that of the run."""

from __future__ import annotations

from hypothesis import settings

from tests.soak import examples

settings.register_profile("run", settings(max_examples=examples(settings().max_examples)))
settings.load_profile("run")
