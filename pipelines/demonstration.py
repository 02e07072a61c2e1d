"""The demonstration: a home of its own, simulated sources or one public data set, demo managers."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from cubes.label import Language
from notifications.account import WHOLE
from pipelines.errors import HomeError, PipelineError
from pipelines.home import Home, read_home, started_at, write_home
from pipelines.installation import Installation
from pipelines.operator_rows import SITE as RULES_OF_SITE
from pipelines.own_source import OWN_SOURCE
from pipelines.settings import PROJECT_ROOT, Settings

if TYPE_CHECKING:
    from connectors.ledger_rows import Export

CLOCK = datetime.fromisoformat("2026-03-31T09:00:00+08:00")
SEED = 20260331
_PACKETS = "partner_feedback"
_SOURCES = (
    *("billing", "call_centre", "cdr", "chat", "crm", "hall", "hotline", "hr", "intake"),
    *("letters", "mail", "monitoring", _PACKETS, "survey", "wechat", OWN_SOURCE),
)
_MORNING = time(9, 0)
DEMO_MANAGER = "demo-manager"
# Partners who call the service: the second is where the shipped export is to be fetched.
_FRANCHISE, _COCKPIT = "franchise", "city_cockpit"
_DEMO_PHONE = "13900000000"

Say = Callable[[str], None]


def prepare_home(installation: Installation) -> Installation:
    """Mark the home as a demonstration of the simulated province.

    Repeating it in such a home is allowed. Raises HomeError in a home with other data.
    """
    from connectors.simulator.days import START

    _refuse_other_data(installation.home, "province")
    write_home(
        installation.home,
        {
            "demo": True,
            "demonstrates": "province",
            "clock": _clock(installation.home),
            "first_day": START.isoformat(),
            "sources": list(_SOURCES),
        },
    )
    return _reopened(installation)


def simulate_sources(installation: Installation, *, scale: float, seed: int, say: Say) -> None:
    """Let the simulator write every source's interface and its truth into the home.

    The one that delivers by packets sends them to the service, which runs for that time.
    """
    from connectors.simulator import simulate

    simulate(installation.home.path, seed=seed, scale=scale, progress=say)
    _add_rules(installation.home)
    _send_packets(installation, say=say)


def _add_rules(home: Home) -> None:
    """Add the simulated operator's rule rows to the home's own, those that are not there yet."""
    folder = home.site(RULES_OF_SITE)
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted((home.simulator / "rules").glob("*.csv")):
        target = folder / path.name
        written = target.read_text(encoding="utf-8") if target.exists() else ""
        known = set(written.splitlines())
        added = [row for row in path.read_text(encoding="utf-8").splitlines() if row not in known]
        if added:
            parts = [written.rstrip("\n"), *added] if written else added
            temporary = folder / f".{path.name}"
            temporary.write_text("\n".join(parts) + "\n", encoding="utf-8")
            temporary.replace(target)


def deliver_next_day(installation: Installation, *, say: Say) -> datetime:
    """Deliver one more simulated day and move the home's clock to 09:00 of the day after it."""
    from connectors.simulator import simulate_next_day

    description = read_home(installation.home)
    if description.get("demonstrates") != "province":
        raise HomeError(
            f"Delivering a simulated day into {installation.home.path} was refused: it is not a "
            "demonstration home. Nothing was changed. Run `huiyin demo` or `huiyin simulate` in an "
            "empty home first."
        )
    day = date.fromisoformat(simulate_next_day(installation.home.path).business_date)
    zone = ZoneInfo(installation.settings.timezone)
    moment = datetime.combine(day + timedelta(days=1), _MORNING, tzinfo=zone)
    # A clock that runs runs on from there; one that stands keeps standing.
    is_running = started_at(installation.home) is not None
    write_home(
        installation.home,
        {
            "clock": f"from:{moment.isoformat()}",
            "started_at": datetime.now(UTC).isoformat() if is_running else None,
        },
    )
    _send_packets(_reopened(installation), say=say)
    return moment


def _send_packets(installation: Installation, *, say: Say) -> None:
    """Let the simulated franchise send what it keeps, if there is something."""
    from connectors.simulator import Service, send_packets, waiting_packets
    from pipelines.service import open_service

    home = installation.home.path
    if not waiting_packets(home):
        return
    if _PACKETS not in installation.contracts:
        say(f"{_FRANCHISE}: {_PACKETS} is not read in this home, its packets wait")
        return
    key = _partner_key(installation, _FRANCHISE, ("deliver",), (_PACKETS,))
    if key is None:
        say(f"{_FRANCHISE}: its key was given to somebody else, its packets wait")
        return
    with open_service(installation) as address:
        sent = send_packets(home, Service(address, key))
    say(f"{_FRANCHISE}: {sent} packets accepted by the service")


def _take_exports(installation: Installation, *, say: Say) -> None:
    """Let the simulated cockpit of the city fetch and confirm what waits for it."""
    from connectors.exporting.ledger import AWAITED, ExportLedger
    from connectors.simulator import Service, take_exports
    from pipelines.exchange import exports_of
    from pipelines.service import open_service

    own = {
        name
        for name, one in exports_of(installation).items()
        if (one.interface.type, one.interface.location) == ("service", _COCKPIT)
    }
    with installation.ledger() as ledger:
        waiting = ExportLedger(ledger.rows).exports(status=AWAITED)
    if own.isdisjoint(made.export for made in waiting):
        return
    key = _partner_key(installation, _COCKPIT, ("confirm",), ())
    if key is None:
        say(f"{_COCKPIT}: its key was given to somebody else, its exports wait")
        return
    with open_service(installation) as address:
        taken = take_exports(Service(address, key), now=installation.now())
    say(f"{_COCKPIT}: {taken} exports fetched and confirmed")


def _partner_key(
    installation: Installation,
    label: str,
    permissions: tuple[str, ...],
    sources: tuple[str, ...],
) -> str | None:
    """The key that a simulated partner keeps on its side, given to it when it has none.

    None if somebody else is the client of that label.
    """
    from connectors.inbox import ApiClient, Inbox, key_hash
    from pipelines.intake import require_inbox
    from pipelines.service import new_key

    path = installation.home.simulator / "keys" / label
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(new_key(), encoding="utf-8")
    key = path.read_text(encoding="utf-8")
    client = ApiClient(
        client_id=f"client-{label}",
        key_hash=key_hash(key),
        label=label,
        unit_id=None,
        permissions=permissions,
        created_at=installation.now(),
        disabled_at=None,
        sources=sources,
    )
    require_inbox(installation)
    with Inbox(installation.home.inbox) as inbox:
        is_own = inbox.client_of(key) is not None or inbox.add_client(client)
    return key if is_own else None


@dataclass(frozen=True)
class DemoManager:
    """A recipient of the demonstration: an account and the unit it is about."""

    account_id: str
    unit_id: str


def demo_managers(installation: Installation) -> list[DemoManager]:
    """Three managers of different levels in the province, or the one of a flat data set."""
    if read_home(installation.home).get("demonstrates") == "province":
        return [
            DemoManager(manager["staff_no"], manager["unit_code"])
            for manager in read_truth(installation.home)["managers"]
        ]
    return [DemoManager(DEMO_MANAGER, WHOLE)]


def subscribe_demo_managers(
    installation: Installation, managers: Sequence[DemoManager], *, language: Language
) -> None:
    """Subscribe them to the shipped digests; slots of today are due."""
    from notifications.subscription import TimeCondition, subscribe
    from pipelines.telling import operations, synchronise_accounts

    every_day = TimeCondition(times=(time(8, 30),))
    last_of_month = TimeCondition(times=(time(8, 30),), days="month_days", numbers=(-1,))
    wishes = {"complaints": every_day}
    if read_home(installation.home).get("demonstrates") == "province":
        wishes |= {"daily_sales": every_day, "monthly_arrears": last_of_month}
    now = installation.now()
    midnight = datetime.combine(
        now.astimezone(ZoneInfo(installation.settings.timezone)).date(),
        time(0),
        tzinfo=ZoneInfo(installation.settings.timezone),
    )
    with installation.snapshot() as snapshot, operations(installation) as engine:
        synchronise_accounts(installation, snapshot, engine)
        with engine.begin() as connection:
            for manager in managers:
                for digest, condition in sorted(wishes.items()):
                    subscribe(
                        connection,
                        manager.account_id,
                        digest,
                        condition,
                        now=now,
                        language=language,
                        starts_at=midnight,
                        actor="demo",
                    )


def exchange_with_partners(installation: Installation, *, say: Say) -> list[Export]:
    """Export the last three business dates to the simulated partners and read their answers.

    Returns what went out by now. Repeating it exports and answers nothing twice.
    """
    from connectors.exporting.ledger import ExportLedger
    from connectors.simulator import answer_exports
    from pipelines.exchange import exchange, export_now, exports_of

    with installation.snapshot() as snapshot:
        last = date.fromisoformat(snapshot.info["business_date"])
    names = list(exports_of(installation))
    for days in (2, 1, 0):
        export_now(installation, names, last - timedelta(days=days), again=False)
    answer_exports(installation.home.path, now=installation.now())
    _take_exports(installation, say=say)
    report = exchange(installation, say=say)
    if report.failures:
        raise PipelineError("\n".join(report.failures))
    with installation.ledger() as ledger:
        return ExportLedger(ledger.rows).exports()


def read_truth(home: Home) -> dict[str, Any]:
    """The simulator's own account of what is true; raises HomeError before it ran."""
    path = home.simulator / "truth.json"
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise HomeError(f"Reading {path} failed: nothing was simulated in this home.") from error
    return data


def prepare_mapping_home(installation: Installation, mapping: Path, data: Path) -> Installation:
    """Make a home that runs one flat data set alone and deliver the file into it.

    The clock is 09:00 on the day after the latest plausible event, in the mapping's zone.
    Raises HomeError for an unusable file, and ContractError for a faulty mapping.
    """
    from connectors.contract import load_contract
    from connectors.errors import RefusedDelivery
    from connectors.files.exchange import announce
    from connectors.flat_cases import latest_event_at

    if not data.is_file():
        raise HomeError(
            f"Reading the data set {data} failed: there is no such file. "
            "Trying again does not help; check the path given with --data."
        )
    contract = load_contract(mapping)
    home = installation.home
    _refuse_other_data(home, contract.source)
    content = content_of(mapping, data)
    if read_home(home).get("content") not in (None, content):
        raise HomeError(
            f"Demonstrating {data.name} in {home.path} was refused: the home holds another file or "
            f"another mapping of {contract.source}. Nothing was changed. Choose another home, for "
            f"example HUIYIN_HOME={home.path}-{content}."
        )
    home.ensure()
    _install_mapping(home, mapping)
    zone = contract.zone or installation.settings.timezone
    try:
        latest = latest_event_at(data, contract)
    except RefusedDelivery as error:
        place = "" if error.offset is None else f" (at byte {error.offset})"
        raise HomeError(
            f"Reading the data set {data} by the mapping {mapping.name} failed: "
            f"{error.reason}{place}. Trying again does not help; check that the file and the "
            "mapping belong together."
        ) from error
    if latest is None:
        raise HomeError(
            f"Reading the data set {data} failed: no row has a usable case number and creation "
            f"date by the mapping {mapping.name}. Trying again does not help; check that the "
            "file and the mapping belong together."
        )
    day = latest.astimezone(ZoneInfo(zone)).date()
    moment = datetime.combine(day + timedelta(days=1), _MORNING, tzinfo=ZoneInfo(zone))
    write_home(
        home,
        {
            "demo": True,
            "demonstrates": contract.source,
            "content": content,
            "clock": f"from:{moment.isoformat()}",
            "timezone": zone,
            "calendar": contract.calendar,
            "currency": contract.currency,
            "sources": [contract.source, OWN_SOURCE],
        },
    )
    reopened = _reopened(installation)
    _employ_demo_manager(reopened)
    folder = home.path / contract.interface.location
    target = folder / data.name
    if not (folder / "archive" / data.name).exists() and not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".{data.name}"
        shutil.copyfile(data, temporary)
        temporary.replace(target)
        announce(target, contract, "cases", now=moment, zone=zone, business_date=day)
    return reopened


def _employ_demo_manager(installation: Installation) -> None:
    """A flat data set has no roster: its one manager of the whole goes into the home's own."""
    with installation.pii_store() as pii:
        key = pii.pseudonym("phone", _DEMO_PHONE)
        pii.keep(
            "demo-roster",
            values={key: ("phone", _DEMO_PHONE)},
            records={},
            now=installation.now(),
        )
    member = {
        "staff_id": DEMO_MANAGER,
        "org_unit_id": WHOLE,
        "position": "manager",
        "is_active": True,
        "phone_key": key,
    }
    write_home(installation.home, {"roster": [member]})


def content_of(mapping: Path, data: Path) -> str:
    """Eight hexadecimal digits that change with the mapping or the data."""
    digest = hashlib.sha256(mapping.read_bytes())
    with data.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()[:8]


def default_mapping_home(
    settings: Settings, mapping: Path, data: Path, *, home_given: bool
) -> Home:
    """Where a data set's demonstration lives: the home that was given, else one of its own.

    The simulated province keeps the default home, and a mended file or mapping gets a fresh one,
    so that no figure of an earlier try is told as if it came from the new file.
    """
    if home_given or not data.is_file():
        return Home(settings.home)
    return Home(PROJECT_ROOT / "var" / "demos" / f"{mapping.stem}-{content_of(mapping, data)}")


def _refuse_other_data(home: Home, wanted: str) -> None:
    found = read_home(home).get("demonstrates")
    if found == wanted or (found is None and not home.has_data()):
        return
    what = f"the demonstration of {found}" if found else "data of its own"
    raise HomeError(
        f"Demonstrating {wanted} in {home.path} was refused: the home holds {what}. "
        "Nothing was changed. Choose another home, for example "
        f"HUIYIN_HOME={home.path}-{wanted}."
    )


def _clock(home: Home) -> str:
    """The clock a repeated demonstration keeps; a new one begins at the demo's moment."""
    kept: str | None = read_home(home).get("clock")
    return kept or f"from:{CLOCK.isoformat()}"


def _install_mapping(home: Home, mapping: Path) -> None:
    """Make a mapping from elsewhere known to the installation; a shipped one already is."""
    shipped = PROJECT_ROOT / "connectors" / "sources" / mapping.name
    if shipped.exists() and shipped.resolve() == mapping.resolve():
        return
    folder = home.site("connectors/sources")
    folder.mkdir(parents=True, exist_ok=True)
    text = mapping.read_text(encoding="utf-8")
    if shipped.exists() and "replaces:" not in text:
        text = f"replaces: true\n{text}"
    (folder / mapping.name).write_text(text, encoding="utf-8")


def _reopened(installation: Installation) -> Installation:
    """The installation read again, because its home now says more."""
    import os

    from pipelines.settings import read_settings

    return Installation(read_settings(os.environ, home=installation.home.path))
