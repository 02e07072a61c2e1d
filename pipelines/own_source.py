"""The source `huiyin`: what the product itself did, read from its operational store like any other.

Its contract names the store by its place in the home. Reading makes nobody wait and writes nothing;
but a store that is not there yet is made before, and one of an earlier version gets its columns.
"""

from __future__ import annotations

from connectors.errors import SourceUnreachable
from pipelines.installation import Installation

OWN_SOURCE = "huiyin"


def prepare_own_source(installation: Installation) -> None:
    """Bring the operational store to the present version; raises SourceUnreachable."""
    from notifications.errors import StoreError
    from pipelines.telling import operations

    try:
        with operations(installation):
            pass
    except StoreError as error:
        raise SourceUnreachable(str(error)) from error
