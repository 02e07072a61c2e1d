"""Tidying of a home: retention, compaction, removal of files that nothing needs any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from pipelines.build import built_batches
from pipelines.installation import Installation
from pipelines.lock import build_lock

if TYPE_CHECKING:
    from connectors.compaction import Compacted
    from connectors.contract import Contract
    from connectors.ledger import Ledger

_FEWEST_FILES = 8
# The name under which the ledger keeps when an archive was tidied after a landing.
_ARCHIVE_OF = "archive of "
_PAYLOADS_KEPT = timedelta(days=30)
_ANSWERS_KEPT = timedelta(days=90)


@dataclass(frozen=True)
class TidyReport:
    """What was done, or would be: `expired` batch ids, `compacted` days, files `removed`.

    `given_up` are files that no build needs any more and that go after their grace, `records` how
    many kept records were deleted, `emptied` batches of the service whose records the inbox gave
    up, `forgotten` answers of its that nobody asks for any more, `archived` how many files were
    deleted from the archives of partners' folders, `exported` how many contents of our exports,
    `outside_hours` the sources whose archive was left alone because they may not be reached now,
    `busy` the sources that were being landed meanwhile, `failures` those whose files could not be
    compacted or deleted, with the reason.
    """

    expired: tuple[str, ...]
    given_up: tuple[str, ...]
    records: int
    compacted: tuple[Compacted, ...]
    removed: tuple[str, ...]
    emptied: int
    forgotten: int
    archived: int
    exported: int
    outside_hours: tuple[str, ...]
    busy: tuple[str, ...]
    failures: Mapping[str, str]

    def lines(self) -> Iterator[str]:
        """What to tell a person, in both languages."""
        yield f"过期批次 expired batches: {len(self.expired)}"
        yield f"隔离原文删除 kept records deleted: {self.records}"
        for one in self.compacted:
            yield (
                f"合并 compacted {one.source}.{one.stream} {one.business_date}: "
                f"{one.files} -> 1 ({one.batches} 批 batches)"
            )
        yield f"不再需要的文件 files no longer needed: {len(self.given_up)}"
        yield f"删除文件 files removed: {len(self.removed)}"
        yield f"收件箱清空的批次 batches emptied in the inbox: {self.emptied}"
        yield f"收件箱忘记的应答 answers forgotten in the inbox: {self.forgotten}"
        yield f"从归档删除的文件 files deleted from archives: {self.archived}"
        yield f"删除的导出留底 kept contents of exports deleted: {self.exported}"
        for source in self.outside_hours:
            yield (
                f"{source}: 现在不在约定的读取时段，归档没有动，时段内落地之后再删 / "
                "outside the hours in which it may be read, its archive was left alone until a "
                "landing within them"
            )
        for source in self.busy:
            yield f"{source}: 正在落地，下次再整理 / being landed, tidied next time"
        yield from self.failures.values()


def tidy(
    installation: Installation, *, say: Callable[[str], None], dry_run: bool = False
) -> TidyReport:
    """Do all that is due; repeating it, or being killed in it, harms nothing.

    A source whose files and ledger disagree does not stop the others. Raises BuildLockedError when
    a build does not end in time.
    """
    from connectors.compaction import CompactionFailed, compact, remove_replaced_files
    from connectors.errors import LandingBusy, LandingFailed
    from connectors.retention import expire
    from cubes.errors import DeclarationError

    home, settings = installation.home, installation.settings
    real_now = datetime.now(UTC)
    zone = ZoneInfo(settings.timezone)
    yesterday = installation.now().astimezone(zone).date() - timedelta(days=1)
    compacted: list[Compacted] = []
    busy: list[str] = []
    outside: list[str] = []
    failures: dict[str, str] = {}
    with installation.ledger() as ledger, installation.pii_store() as pii:
        wait = settings.build_wait_minutes * 60
        with build_lock(home.build_lock, wait_seconds=wait, say=say):
            expiry = expire(
                ledger,
                pii,
                installation.contracts,
                now=installation.now(),
                real_now=real_now,
                zone=settings.timezone,
                built=built_batches(home.warehouse),
                dry_run=dry_run,
            )
            removed = remove_replaced_files(ledger, home.path, now=real_now, dry_run=dry_run)
        emptied, forgotten = _tidy_inbox(installation, ledger, dry_run=dry_run)
        # A build that starts now reads the files that are replaced: they stay for their grace.
        for source, contract in installation.contracts.items():
            say(source)
            try:
                compacted += compact(
                    ledger,
                    {source: contract},
                    home=home.path,
                    before=yesterday,
                    now=real_now,
                    fewest=_FEWEST_FILES,
                    dry_run=dry_run,
                    memory_limit=settings.memory_limit,
                )
            except LandingBusy:
                busy.append(source)
            except CompactionFailed as error:
                compacted += error.compacted
                failures[source] = str(error)
            except LandingFailed as error:
                failures[source] = str(error)
        archived = _tidy_archives(installation, ledger, outside, busy, failures, dry_run=dry_run)
        try:
            exported = _tidy_exports(installation, ledger, dry_run=dry_run)
        except (DeclarationError, OSError) as error:
            exported, failures["exports"] = 0, str(error)
    return TidyReport(
        expired=tuple(batch.batch_id for batch in expiry.batches),
        given_up=expiry.files,
        records=expiry.records,
        compacted=tuple(compacted),
        removed=tuple(removed),
        emptied=emptied,
        forgotten=forgotten,
        archived=archived,
        exported=exported,
        outside_hours=tuple(outside),
        busy=tuple(busy),
        failures=failures,
    )


def _tidy_archives(
    installation: Installation,
    ledger: Ledger,
    outside: list[str],
    busy: list[str],
    failures: dict[str, str],
    *,
    dry_run: bool,
) -> int:
    """Delete partners' files that are kept no longer; one place out of reach stops no other.

    Outside its hours a source is left alone: its archive is tidied after a landing within them,
    and what that failed of is told here.
    """
    from connectors.errors import ConnectorError, LandingBusy

    gone = 0
    for source, contract in installation.contracts.items():
        if _is_left_alone(installation, contract):
            outside.append(source)
            last = ledger.last_check_result(f"{_ARCHIVE_OF}{source}")
            if last is not None and last.status == "failed":
                failures.setdefault(source, last.detail)
            continue
        try:
            gone += len(_expire_archive(installation, ledger, contract, dry_run=dry_run))
        except LandingBusy:
            if source not in busy:
                busy.append(source)
        except (ConnectorError, OSError) as error:
            failures.setdefault(source, str(error))
    return gone


def _is_left_alone(installation: Installation, contract: Contract) -> bool:
    """Whether a source has an archive to tidy and may not be reached at this moment."""
    from connectors.files.archive_keeping import archive_days
    from connectors.reading_hours import outside_hours

    closed = outside_hours(contract, installation.now(), installation.settings.timezone)
    return closed is not None and any(
        archive_days(contract, stream) is not None for stream in contract.streams
    )


def _expire_archive(
    installation: Installation, ledger: Ledger, contract: Contract, *, dry_run: bool = False
) -> list[str]:
    from connectors.files.archive_keeping import expire_archive

    return expire_archive(
        contract,
        home=installation.home.path,
        ledger=ledger,
        now=installation.now(),
        zone=installation.settings.timezone,
        secret=installation.secret,
        dry_run=dry_run,
    )


def tidy_archive_within_hours(
    installation: Installation, ledger: Ledger, contract: Contract
) -> None:
    """After a landing tidy the archive of a source with hours, which the night may not reach.

    Once a local day; a failure is kept for the nightly tidying to tell, so that it stops no build.
    """
    from connectors.errors import ConnectorError, LandingBusy
    from connectors.files.archive_keeping import archive_days
    from connectors.ledger_rows import CheckResult

    bounded = any(archive_days(contract, stream) is not None for stream in contract.streams)
    if contract.interface.hours is None or not bounded or _is_left_alone(installation, contract):
        return
    now, zone = installation.now(), ZoneInfo(installation.settings.timezone)
    name = f"{_ARCHIVE_OF}{contract.source}"
    last = ledger.last_check_result(name)
    if last is not None and last.at.astimezone(zone).date() == now.astimezone(zone).date():
        return
    try:
        gone = _expire_archive(installation, ledger, contract)
    except LandingBusy:
        return
    except (ConnectorError, OSError) as error:
        result = CheckResult("", name, "failed", "warn", str(error), now)
    else:
        result = CheckResult("", name, "passed", "warn", f"{len(gone)} files", now)
    ledger.append_check_results([result])


def _tidy_exports(installation: Installation, ledger: Ledger, *, dry_run: bool) -> int:
    from connectors.exporting.keeping import expire_contents
    from connectors.exporting.ledger import ExportLedger
    from pipelines.exchange import exports_of

    return len(
        expire_contents(
            exports_of(installation),
            ExportLedger(ledger.rows),
            home=installation.home.path,
            now=installation.now(),
            dry_run=dry_run,
        )
    )


def _tidy_inbox(installation: Installation, ledger: Ledger, *, dry_run: bool) -> tuple[int, int]:
    """Give up the records of batches settled long ago, and answers nobody asks for any more."""
    from connectors.inbox import Inbox

    if not installation.home.inbox.exists():
        return 0, 0
    now = installation.now()
    emptied = 0
    with Inbox(installation.home.inbox) as inbox, inbox.writing():
        for source, contract in installation.contracts.items():
            if contract.interface.type != "service":
                continue
            for stream in contract.streams:
                settled = ledger.last_sequence(source, stream)
                begun = ledger.announced_sequence(source, stream)
                emptied += inbox.packets.empty_payloads(
                    source,
                    stream,
                    settled if begun is None else min(settled, begun - 1),
                    before=now - _PAYLOADS_KEPT,
                    dry_run=dry_run,
                )
        forgotten = inbox.packets.forget_answers(before=now - _ANSWERS_KEPT, dry_run=dry_run)
    return emptied, forgotten
