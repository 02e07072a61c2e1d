"""What is logged of a failure: its kind and its place, never its text.

A text could quote what a person typed, or a figure that only some may see.
"""

from __future__ import annotations

import logging
import traceback

_LOG = logging.getLogger("huiyin.portal")


def log_failure(what: str, error: BaseException) -> None:
    """Log that `what` failed, with the class of the error and the line that raised it."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    _LOG.error("%s failed: %s at %s:%s", what, type(error).__name__, place.filename, place.lineno)
