"""Composition of the service: its desk with the intake's, the queries and the exchange."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from threading import Thread
from typing import TYPE_CHECKING

from pipelines.intake import intake_desk, pii_store, published_tag
from pipelines.processes.ports import base_url, listener

if TYPE_CHECKING:
    from connectors.intake.request import Application
    from cubes.snapshot import Snapshot
    from pipelines.installation import Installation

# One engine serves all queries of the process; a few at once keep the machine answering.
_QUERIES_AT_ONCE = 4
_THIS_MACHINE, _ANY_FREE = "127.0.0.1", 0


def service_application(
    installation: Installation, *, reading_seconds: float | None = None
) -> Application:
    """The service of an installation as an ASGI application.

    `reading_seconds` is how long a caller may take no part of an answer, if not as long as usual.

    Raises what the intake's composition raises, and DeclarationError for a faulty contract or
    query.
    """
    from connectors.service.application import make_application
    from connectors.service.desk import STREAMS_AT_ONCE, ServiceDesk, ServiceLimits
    from connectors.service.exchange import Exchange
    from connectors.service.pins import SnapshotPins
    from connectors.service.reading import Reader
    from pipelines.exchange import export_desk

    settings = installation.settings
    usual = ServiceLimits()
    limits = usual if reading_seconds is None else ServiceLimits(reading_seconds=reading_seconds)

    def open_snapshot() -> Snapshot:
        from cubes.snapshot import open_snapshot

        return open_snapshot(
            installation.home.published,
            memory_limit=settings.memory_limit,
            threads=settings.threads,
        )

    # The intake's part opens the same file in this process, so with the same limits.
    intake = intake_desk(installation, open_snapshot)
    contracts = {
        name: contract
        for name, contract in installation.contracts.items()
        if contract.interface.type == "service"
    }

    def seal(value: bytes, now: datetime) -> bytes:
        return store.seal(value, now=now)

    store = pii_store(installation)
    desk = ServiceDesk(
        intake=intake,
        exchange=Exchange(
            contracts=contracts,
            exports=export_desk(installation),
            open_ledger=installation.ledger,
            seal=seal,
            zone=settings.timezone,
        ),
        reader=Reader(
            installation.catalogue,
            contracts,
            SnapshotPins(lambda: published_tag(installation), open_snapshot),
        ),
        queries=ThreadPoolExecutor(_QUERIES_AT_ONCE, thread_name_prefix="query"),
        streams=ThreadPoolExecutor(STREAMS_AT_ONCE, thread_name_prefix="stream"),
        key=installation.secrets.derive("service content"),
        seal=seal,
        unseal=store.unseal,
        now=installation.now,
        limits=limits,
    )
    return make_application(desk)


def new_key() -> str:
    """A key for a client that nobody has had; it is told once and kept as a hash."""
    return f"hyk_{secrets.token_urlsafe(32)}"


@contextmanager
def open_service(installation: Installation) -> Iterator[str]:
    """Serve on a free port of this machine for the length of a block; gives the address.

    Raises what `service_application` raises.
    """
    import uvicorn

    bound = listener(_THIS_MACHINE, _ANY_FREE)
    server = uvicorn.Server(
        uvicorn.Config(
            service_application(installation),
            log_config=None,
            ws="none",
            access_log=False,
            server_header=False,
        )
    )
    thread = Thread(target=server.run, kwargs={"sockets": [bound]}, name="service")
    thread.start()
    try:
        yield base_url(_THIS_MACHINE, bound.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join()
        bound.close()
