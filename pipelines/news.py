"""News: what a run of ingest and publish would find to do, looked at without doing any of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from pipelines.build import definition_version
from pipelines.build_input import build_id_of
from pipelines.delivery_history import open_matters
from pipelines.installation import Installation
from pipelines.telling import Told, tell
from pipelines.workflow import build_request, published_information

_TOLD = "told"
# The interfaces of which a look reaches the source itself.
_LOOKED_AT = {"files", "table"}


@dataclass(frozen=True)
class News:
    """What waits: names of files or tables by source, sources that cannot be looked at with the
    reason, sources whose trouble began or ended since they were landed last, and whether batches
    are loaded, or events of the exchange noted or settled, that the published snapshot lacks.

    A source that stays unreachable is news once: the landing that follows notes its trouble.
    `fingerprint` is equal for equal news.
    """

    offered: Mapping[str, tuple[str, ...]]
    unreachable: Mapping[str, str]
    troubled: tuple[str, ...]
    unbuilt: bool
    fingerprint: str

    def __bool__(self) -> bool:
        return bool(self.offered) or bool(self.troubled) or self.unbuilt


def news_of(installation: Installation) -> News:
    """Look at every source, the ledger and the published snapshot; takes a few milliseconds."""
    from connectors.arrivals import arrivals
    from connectors.errors import ConnectorError
    from connectors.reading_hours import outside_hours
    from connectors.source_trouble import trouble_has_begun, trouble_has_ended

    offered: dict[str, tuple[str, ...]] = {}
    unreachable: dict[str, str] = {}
    troubled: list[str] = []
    contracts = installation.contracts
    zone = installation.settings.timezone
    with installation.ledger() as ledger:
        for source, contract in contracts.items():
            try:
                names = arrivals(
                    contract,
                    home=installation.home.path,
                    ledger=ledger,
                    now=installation.now(),
                    secret=installation.secret,
                    zone=zone,
                )
            except ConnectorError as error:
                unreachable[source] = str(error)
                if trouble_has_begun(ledger, source, error):
                    troubled.append(source)
            else:
                if names:
                    offered[source] = names
                looked = contract.interface.type in _LOOKED_AT
                if looked and outside_hours(contract, installation.now(), zone) is None:
                    troubled += [source] if trouble_has_ended(ledger, source) else []
        batches = [
            batch
            for batch in ledger.loaded_keys()
            if batch.source in contracts and batch.stream in contracts[batch.source].streams
        ]
        matters = open_matters(ledger)
    published = published_information(installation)
    version = definition_version(installation.home, contracts)
    request = build_request(installation)
    if published:
        # Time that passes is no news: the build is compared as one of the published moment.
        request = replace(request, as_of=datetime.fromisoformat(published["as_of"]))
    build_id = build_id_of(request, batches, matters)
    made_of = (published.get("build_id"), published.get("definition_version"))
    unbuilt = made_of != (build_id, version) if published else bool(batches)
    loaded = sorted(batch.batch_id for batch in batches)
    known = [sorted(offered.items()), sorted(troubled), loaded, version, matters]
    return News(
        offered=offered,
        unreachable=unreachable,
        troubled=tuple(troubled),
        unbuilt=unbuilt,
        fingerprint=hashlib.sha256(json.dumps(known).encode()).hexdigest()[:16],
    )


def business_date(installation: Installation) -> date:
    """The last whole day before the present in the operator's zone."""
    zone = ZoneInfo(installation.settings.timezone)
    return installation.now().astimezone(zone).date() - timedelta(days=1)


def untold_tag(installation: Installation) -> str | None:
    """The tag of the published snapshot if the planner has not been through it, else None."""
    from cubes.errors import SnapshotError
    from cubes.snapshot import current_tag

    try:
        tag = current_tag(installation.home.published)
    except SnapshotError:
        return None
    with installation.ledger() as ledger:
        told = ledger.last_check_result(_TOLD)
    return None if told is not None and told.detail == tag else tag


def tell_and_note(installation: Installation, *, warn: Callable[[str], object]) -> Told:
    """Plan what is due, and note in the ledger which snapshot the planner went through.

    The note is written after the planning and only if it had no errors, so that a failure of the
    whole or of one digest or rule is repeated by the next look. `warn` is told each error.
    """
    from connectors.ledger_rows import CheckResult

    told = tell(installation)
    for error in told.report.errors:
        warn(error)
    if told.report.errors:
        return told
    tag = told.report.snapshot
    with installation.ledger() as ledger:
        last = ledger.last_check_result(_TOLD)
        if last is None or last.detail != tag:
            note = CheckResult("", _TOLD, "passed", "warn", tag, installation.now())
            ledger.append_check_results([note])
    return told
