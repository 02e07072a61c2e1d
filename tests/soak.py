"""How often tests kill and fuzz: a handful of times by default, as often as a long run asks for.

`HUIYIN_TEST_KILLS` is how many kills each test of kills makes, `HUIYIN_TEST_EXAMPLES` how many
examples each property is tried on.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from hypothesis import settings

# A failure is made small for 300 s at most, which must not look like a hang.
_SECONDS = 7200 if os.environ.get("HUIYIN_TEST_EXAMPLES") else 900
_Test = TypeVar("_Test", bound=Callable[..., Any])


def kills(usual: int) -> int:
    """How many kills a test makes, which by default makes `usual`."""
    return int(os.environ.get("HUIYIN_TEST_KILLS") or usual)


def examples(usual: int, *, times: int = 1, most: int | None = None) -> int:
    """How many examples a property is tried on: `usual` by default, `most` at most; in a long run
    `times` as many as it asks for."""
    given = os.environ.get("HUIYIN_TEST_EXAMPLES")
    asked = int(given) * times if given else usual
    return asked if most is None else min(asked, most)


def fuzz(
    usual: int, *, times: int = 1, most: int | None = None, **more: Any
) -> Callable[[_Test], _Test]:
    """Mark a property as one for long runs; `more` are further settings of Hypothesis."""
    number = examples(usual, times=times, most=most)
    bounded = settings(max_examples=number, deadline=None, **more)

    def decorate(test: _Test) -> _Test:
        marked: _Test = pytest.mark.timeout(_SECONDS)(pytest.mark.soak(bounded(test)))
        return marked

    return decorate
