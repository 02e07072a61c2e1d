"""The desk: takes submissions and events, and says where a case stands.

Both doors, JSON and pages, call these functions. What is taken is durable before the answer.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from connectors.errors import InboxUnavailable
from connectors.inbox import ApiClient, Inbox, InboxEvent, Submission
from connectors.inbox_writer import TrialWriter, Writer
from connectors.intake.case_number import is_case_number, new_case_number
from connectors.intake.event import CheckedEvent, check_event, holder_of, is_allowed
from connectors.intake.form import Form
from connectors.intake.limiter import Limiter
from connectors.intake.promise import Promise, no_promise, promise_for
from connectors.intake.published import Published, PublishedFollower
from connectors.intake.refusal import Refusal
from connectors.intake.secret import case_secret, content_hash, is_secret, secret_hash
from connectors.intake.status import CaseStatus, case_status
from connectors.intake.submission import Checked, FieldFault, check_submission
from connectors.intake.words import both

PUBLIC = "public"
RETRY_SECONDS = 5
_KEY = re.compile(r"[\x21-\x7e]{8,200}")
# All people without an API key share one namespace; a key that is made up must not meet another.
SHORTEST_PUBLIC_KEY = 16
_log = logging.getLogger("huiyin.intake")


@dataclass(frozen=True)
class Receipt:
    """What the reporter gets: the stored submission and the secret, which is nowhere else."""

    submission: Submission
    secret: str


@dataclass
class Limits:
    """Bounds of behaviour: wrong secrets per case, submissions per contact and per address."""

    wrong_secrets: Limiter = field(default_factory=lambda: Limiter(10, 600))
    contacts: Limiter = field(default_factory=lambda: Limiter(10, 600))
    addresses: Limiter = field(default_factory=lambda: Limiter(60, 600))
    wrong_keys: Limiter = field(default_factory=lambda: Limiter(50, 600))


@dataclass(frozen=True)
class Desk:
    """Everything the intake needs, passed in by the composition.

    `pseudonym` gives the pseudonym of (kind, value); `seconds` monotonic seconds; `key` the key
    from which secrets are derived; `source` the source under which cases reach the warehouse;
    `unrated_priority` the priority at an instant of a case that tells no urgency, as no form does.
    """

    inbox_path: Path
    writer: Writer
    follower: PublishedFollower
    form: Form
    pseudonym: Callable[[str, str], str]
    key: bytes
    zone: str
    now: Callable[[], datetime]
    seconds: Callable[[], float]
    rng: random.Random
    source: str = "intake"
    unrated_priority: Callable[[datetime], str | None] = lambda at: None
    limits: Limits = field(default_factory=Limits)
    _readers: threading.local = field(default_factory=threading.local)

    # Taking

    async def submit(
        self,
        data: Mapping[str, Any],
        *,
        address: str,
        idempotency_key: str | None = None,
        client: ApiClient | None = None,
        is_form: bool = False,
    ) -> Receipt:
        """Take a submission; raises Refusal. `address` is only counted and never kept.

        A client that is bound to a unit submits for it (the default) and for units below it. The
        same key with another body is a conflict for a client and for a form of the pages
        (`is_form`, whose key is a token made here); else it is another submission.
        """
        faults = _key_faults(idempotency_key, client, is_form=is_form)
        published = self.follower.current
        now = self.now()
        checked = check_submission(
            data,
            self.form,
            units=published.units if published else None,
            is_staff=client is not None,
            today=now.astimezone(ZoneInfo(self.zone)).date(),
        )
        if isinstance(checked, list):
            raise Refusal("invalid", faults=faults + checked)
        unit_id = checked.unit_id
        if client is not None and client.unit_id is not None:
            unit_id = unit_id or client.unit_id
            unit = published.units.get(unit_id) if published else None
            if published and (unit is None or not unit.is_active):
                faults.append(_fault("unit", "unit"))
            elif not _is_within(published, unit_id, client.unit_id):
                faults.append(_fault("unit", "unit_of_others"))
        if faults:
            raise Refusal("invalid", faults=faults)
        checked = replace(checked, unit_id=unit_id)
        values = {
            self.pseudonym(kind, value): (kind, value) for kind, value in checked.contacts.items()
        }
        contacts = {kind: pseudonym for pseudonym, (kind, _) in values.items()}
        created_at = self._created_at(checked, now)
        if checked.received_on is None:
            promise = self.promise(checked, created_at, published)
        else:
            # For an old letter a calendar may be read from the snapshot.
            promise = await asyncio.to_thread(self.promise, checked, created_at, published)
        draft = self._draft(checked, contacts, promise, now, idempotency_key, client, address)
        stored: Submission = await self._written(
            lambda inbox: self._add(inbox, draft, is_form=is_form), now=now, values=values
        )
        return Receipt(stored, case_secret(self.key, stored.case_no))

    def _draft(
        self,
        checked: Checked,
        contacts: Mapping[str, str],
        promise: Promise,
        now: datetime,
        idempotency_key: str | None,
        client: ApiClient | None,
        address: str,
    ) -> Submission:
        reporter = contacts.get("phone") or contacts.get("email")
        at = self.seconds()
        floods = [] if client is not None else [self.limits.addresses.count(address, at)]
        if reporter is not None:
            floods.append(self.limits.contacts.count(reporter, at))
        return Submission(
            case_no="",
            secret_hash="",
            client=client.client_id if client else PUBLIC,
            idempotency_key=idempotency_key,
            body_hash=content_hash(self.key, checked.content),
            received_at=now,
            created_at=self._created_at(checked, now),
            created_precision="second" if checked.received_on is None else "day",
            kind=checked.kind,
            category_path=checked.category_path,
            channel=checked.channel,
            org_unit_id=checked.unit_id,
            text=checked.text,
            answers=checked.answers,
            language=checked.language,
            entry_point=checked.entry_point,
            form=self.form.name,
            reporter_key=reporter,
            contacts=contacts,
            promised_due_at=promise.due_at,
            promise=promise.told(),
            is_flood=any(floods),
        )

    def _created_at(self, checked: Checked, now: datetime) -> datetime:
        """When a matter was raised: now, or at the beginning of the day it was received on."""
        if checked.received_on is None:
            return now
        return datetime.combine(checked.received_on, time(0), ZoneInfo(self.zone)).astimezone(UTC)

    def promise(
        self, checked: Checked, created_at: datetime, published: Published | None
    ) -> Promise:
        """The promise for a matter raised then, by the snapshot that serves."""
        if published is None:
            return no_promise("promise.not_published")
        case = published.attributes(
            kind=checked.kind,
            category_path=checked.category_path,
            channel=checked.channel,
            unit_id=checked.unit_id,
            priority=self.unrated_priority(created_at),
        )
        return promise_for(created_at, case, published.policies, published.calendar_of)

    def _add(self, inbox: Inbox, draft: Submission, *, is_form: bool) -> Submission:
        who, key = draft.client, draft.idempotency_key
        if key is not None:
            known = inbox.submission_by_key(who, key, draft.body_hash)
            if known is not None:
                return known
            if (who != PUBLIC or is_form) and inbox.submission_by_key(who, key) is not None:
                raise Refusal("conflict")
        day = draft.received_at.astimezone(ZoneInfo(self.zone)).date()
        case_no = new_case_number(day, self.rng)
        while inbox.submission(case_no) is not None:
            case_no = new_case_number(day, self.rng)
        hashed = secret_hash(case_no, case_secret(self.key, case_no))
        submission = replace(draft, case_no=case_no, secret_hash=hashed)
        inbox.add_submission(submission)
        return submission

    async def add_staff_event(
        self,
        case_no: str,
        data: Mapping[str, Any],
        client: ApiClient,
        *,
        idempotency_key: str | None = None,
    ) -> InboxEvent:
        """Take an event of staff; raises Refusal.

        A client that is bound to a unit touches only cases that it or a unit below it holds.
        `assign` may name any active unit: so a case that came to the wrong one leaves it, and is
        then no more known to this client.
        """
        published = self.follower.current
        checked = check_event(data, units=published.units if published else None)

        def permit(case: Submission, events: list[InboxEvent]) -> None:
            if client.unit_id is None:
                return
            holder = holder_of(events, case.org_unit_id)
            # A case of another unit is no more known to this client than one that does not exist.
            if not _is_within(published, holder, client.unit_id):
                raise Refusal("not_found")

        return await self._add_event(case_no, checked, client, idempotency_key, permit)

    async def add_reporter_event(
        self,
        case_no: str,
        secret: str,
        action: str,
        data: Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        is_form: bool = False,
    ) -> InboxEvent:
        """Take a withdrawal or a message of the reporter; raises Refusal. `is_form` as above."""
        await asyncio.to_thread(self.require_secret, case_no, secret)
        checked = check_event(data, units=None, action=action)
        return await self._add_event(
            case_no, checked, None, idempotency_key, lambda *_: None, is_form=is_form
        )

    async def _add_event(
        self,
        case_no: str,
        checked: CheckedEvent | list[FieldFault],
        client: ApiClient | None,
        idempotency_key: str | None,
        permit: Callable[[Submission, list[InboxEvent]], None],
        *,
        is_form: bool = False,
    ) -> InboxEvent:
        faults = _key_faults(idempotency_key, client, is_form=is_form)
        if isinstance(checked, list):
            raise Refusal("invalid", faults=faults + checked)
        if faults:
            raise Refusal("invalid", faults=faults)
        now = self.now()
        who = client.client_id if client else PUBLIC
        body_hash = content_hash(self.key, f"{case_no}\0{checked.content}")

        def write(inbox: Inbox) -> InboxEvent:
            if idempotency_key is not None:
                known = inbox.event_by_key(who, idempotency_key, body_hash)
                if known is not None:
                    return known
                is_one = client is not None or is_form
                if is_one and inbox.event_by_key(who, idempotency_key) is not None:
                    raise Refusal("conflict")
            case = inbox.submission(case_no)
            if case is None:
                raise Refusal("not_found")
            events = inbox.events(case_no)
            permit(case, events)
            at = checked.at or now
            if at > now:
                raise Refusal("invalid", faults=[_fault("at", "future")])
            if at < case.created_at:
                raise Refusal("invalid", faults=[_fault("at", "too_early")])
            if not is_allowed(checked.event_type, events):
                raise Refusal("illegal")
            event = InboxEvent(
                event_no=f"{case_no}:{len(events) + 1}",
                case_no=case_no,
                client=who,
                idempotency_key=idempotency_key,
                body_hash=body_hash,
                received_at=now,
                event_type=checked.event_type,
                event_at=at,
                actor_id=client.client_id if client else None,
                actor_role="handler" if client else "reporter",
                unit_id=checked.unit_id,
                text=checked.text,
            )
            inbox.add_event(event)
            return event

        written: InboxEvent = await self._written(write, now=now)
        return written

    async def _written(
        self,
        write: Callable[[Inbox], Any],
        *,
        now: datetime,
        values: Mapping[str, tuple[str, str]] | None = None,
    ) -> Any:
        try:
            return await asyncio.wrap_future(self.writer.submit(write, now=now, values=values))
        except InboxUnavailable as error:
            _log.error("%s", error)
            raise Refusal("unavailable", retry_after=RETRY_SECONDS) from error

    # Telling

    def status(self, case_no: str, secret: str) -> CaseStatus:
        """Where a case stands; raises Refusal. Blocks, so call it in a thread."""
        return self._status_of(self.require_secret(case_no, secret))

    def status_for(self, client: ApiClient, case_no: str) -> CaseStatus:
        """Where a case stands that a client may see; raises Refusal. Blocks as above.

        A client that is bound to a unit sees the cases that it or a unit below it holds; any other
        is not known to it.
        """
        case = self._reader().submission(case_no) if is_case_number(case_no) else None
        if case is None:
            raise Refusal("not_found")
        if client.unit_id is not None:
            holder = holder_of(self._reader().events(case_no), case.org_unit_id)
            if not _is_within(self.follower.current, holder, client.unit_id):
                raise Refusal("not_found")
        return self._status_of(case)

    def _status_of(self, case: Submission) -> CaseStatus:
        case_no = case.case_no
        published = self.follower.current
        known = published.case(self.source, case_no) if published else None
        return case_status(
            case,
            self._reader().events(case_no),
            known,
            self.form,
            units=published.units if published else {},
            as_of=published.as_of if published else None,
            tag=published.tag if published else None,
        )

    def require_secret(self, case_no: str, secret: str) -> Submission:
        """The case of a number and its secret; the same refusal whichever of both is wrong."""
        at = self.seconds()
        shown = case_no[:40]
        wait = self.limits.wrong_secrets.wait(shown, at)
        if wait:
            raise Refusal("too_many", retry_after=wait)
        case = self._reader().submission(case_no) if is_case_number(case_no) else None
        # An unknown case is compared with a hash too, so that both take the same time.
        right = is_secret(case.secret_hash if case else "0" * 64, shown, secret[:200])
        if case is None or not right:
            self.limits.wrong_secrets.count(shown, at)
            raise Refusal("not_found")
        self.limits.wrong_secrets.forget(shown)
        return case

    def client_of(self, key: str) -> ApiClient | None:
        """The API client of a key; None for an unknown or disabled one."""
        return self._reader().client_of(key)

    def trial(self) -> Desk:
        """A desk of the same rules that keeps nothing: all is checked, and rolled back."""
        return replace(
            self, writer=TrialWriter(self.inbox_path), limits=Limits(), _readers=threading.local()
        )

    def _reader(self) -> Inbox:
        """The inbox, opened once per thread for reading."""
        reader: Inbox | None = getattr(self._readers, "inbox", None)
        if reader is None:
            reader = self._readers.inbox = Inbox(self.inbox_path)
        return reader

    def close(self) -> None:
        """Write what was accepted, then close everything."""
        self.writer.close()
        self.follower.close()


def _is_within(published: Published | None, unit_id: str | None, above: str) -> bool:
    """Whether a unit is `above` or below it; before the first publish only itself is known."""
    return published.is_within(unit_id, above) if published else unit_id == above


def _key_faults(key: str | None, client: ApiClient | None, *, is_form: bool) -> list[FieldFault]:
    """Faults of an idempotency key; raises Refusal for one that no request may carry."""
    if key is None:
        return []
    is_short = client is None and len(key) < SHORTEST_PUBLIC_KEY
    if is_short and not is_form:
        return [_fault("Idempotency-Key", "short_key", least=SHORTEST_PUBLIC_KEY)]
    if is_short or not _KEY.fullmatch(key):
        raise Refusal("bad_key")
    return []


def _fault(name: str, word: str, **values: object) -> FieldFault:
    return FieldFault(name, both(f"fault.{word}", **values))
