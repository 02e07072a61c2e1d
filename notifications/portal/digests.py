"""My digests: what there is, what I get and when, and how it reads with my own figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal, cast

from fastapi import Depends, FastAPI, Request
from fastapi.responses import Response
from pydantic import ValidationError

from cubes.errors import CubeError
from cubes.label import LANGUAGES, Label, Language, named
from notifications.account import WHOLE
from notifications.digest import Digest, DigestText, preview
from notifications.errors import NotificationError
from notifications.portal.desk import Desk, Refused, fields, posted
from notifications.portal.failure import log_failure
from notifications.portal.page import Pages, goto, unit_names
from notifications.portal.session import Person
from notifications.portal.words import say
from notifications.publication import Publication
from notifications.store import reading
from notifications.subscription import TimeCondition, subscribe, subscriptions_of, unsubscribe

Days = Literal["daily", "working_days", "weekdays", "month_days", "nth_working_day"]
CHOICES: tuple[Days, ...] = ("daily", "working_days", "weekdays", "month_days", "nth_working_day")
_MOST_TIMES = 3
_DEADLINE = timedelta(hours=2)
_USUAL = TimeCondition.model_validate({"times": ["08:30"]})


@dataclass(frozen=True)
class Freshness:
    """Up to which day each needed source is complete."""

    source: Label
    complete_through: date | None

    def label(self, language: Language) -> str:
        """The source's name."""
        return self.source.text(language)


def in_words(condition: TimeCondition, language: Language) -> str:
    """A time condition as people say it."""
    glue = "、" if language == "zh" else ", "
    times = glue.join(moment.strftime("%H:%M") for moment in condition.times)
    numbers = glue.join(
        say(f"weekday.{number}", language)
        if condition.days == "weekdays"
        else _counted(number, language)
        for number in condition.numbers
    )
    return say(f"when.{condition.days}", language, numbers=numbers, times=times)


def _counted(number: int, language: Language) -> str:
    if number > 0:
        return str(number)
    return say("when.last", language) if number == -1 else say("when.back", language, n=-number)


@dataclass(frozen=True)
class Preview:
    """The text as it would be sent now, and what it was made from."""

    text: DigestText | None
    business_date: date | None
    sources: tuple[Freshness, ...]


def preview_of(
    desk: Desk, person: Person, publication: Publication, digest: Digest, language: Language
) -> Preview:
    """Write the real text with the person's own figures; raises FigureError, QueryError."""
    needed = publication.needed(digest.freshness)
    sources = tuple(
        Freshness(
            publication.sources[name].label or named(name),
            publication.sources[name].complete_through,
        )
        for name in needed
    )
    newest = publication.newest_complete(digest.freshness, publication.business_date)
    if newest is None:
        return Preview(None, None, sources)
    units = frozenset({WHOLE}) if WHOLE in person.units else person.units
    text = preview(
        digest, units, publication, language=language, signature=desk.signatures[language]
    )
    return Preview(text, newest, sources)


def read_condition(request: Request, form: Mapping[str, str]) -> TimeCondition:
    """The time condition of a form; raises ValueError with the key of what is wrong."""
    times = [moment for moment in fields(request, "time") if moment.strip()]
    if not times:
        raise ValueError("digest.no_time")
    if len(times) > _MOST_TIMES:
        raise ValueError("digest.wrong_time")
    days = form.get("days", "")
    if days not in CHOICES:
        raise ValueError("digest.no_days")
    numbers: list[int] = []
    if days == "weekdays":
        numbers = _whole_numbers(fields(request, "weekday"))
    elif days in ("month_days", "nth_working_day"):
        text = form.get(days, "").replace("，", ",").replace("、", ",").replace(" ", ",")
        numbers = _whole_numbers([part for part in text.split(",") if part])
    if not numbers and days not in ("daily", "working_days"):
        raise ValueError("digest.no_numbers")
    try:
        return TimeCondition.model_validate({"times": times, "days": days, "numbers": numbers})
    except ValidationError as error:
        wrong_time = any("times" in map(str, fault["loc"]) for fault in error.errors())
        raise ValueError("digest.wrong_time" if wrong_time else "digest.wrong_numbers") from error


def _whole_numbers(texts: list[str]) -> list[int]:
    try:
        return sorted({int(text) for text in texts if len(text) <= 4})
    except ValueError as error:
        raise ValueError("digest.wrong_numbers") from error


def add_to(app: FastAPI, desk: Desk, pages: Pages) -> None:
    """Add the pages of this module."""

    @app.get("/digests")
    def list_page(request: Request) -> Response:
        person = desk.require(request, "subscribe")
        language = pages.language(request)
        with reading(desk.engine) as connection:
            mine = subscriptions_of(connection, person.account_id)
        publication = desk.publication()
        listed = [
            {
                "digest": digest,
                "condition": in_words(mine[name].condition, language) if name in mine else None,
                "language": mine[name].language if name in mine else None,
                "is_here": publication is None or bool(publication.needed(digest.freshness)),
            }
            for name, digest in sorted(
                desk.digests.items(), key=lambda item: (item[0] not in mine, item[0])
            )
        ]
        return pages.show(
            request,
            "digests",
            person,
            listed=listed,
            units=unit_names(publication, person.units, language),
        )

    def one_page(
        request: Request,
        person: Person,
        digest: Digest,
        *,
        given: Mapping[str, Any] | None = None,
        error: str | None = None,
    ) -> Response:
        with reading(desk.engine) as connection:
            mine = subscriptions_of(connection, person.account_id).get(digest.digest)
        language = pages.language(request)
        asked = request.query_params.get("text")
        reads = asked if asked in LANGUAGES else mine.language if mine else language
        publication = desk.publication()
        shown: Preview | None = None
        failed = False
        if publication is not None:
            try:
                shown = preview_of(desk, person, publication, digest, cast(Language, reads))
            except (NotificationError, CubeError) as fault:
                log_failure(f"The preview of '{digest.digest}'", fault)
                failed = True
        return pages.show(
            request,
            "digest",
            person,
            status=422 if error else 200,
            digest=digest,
            mine=mine,
            condition=in_words(mine.condition, language) if mine else None,
            form=given or _form_of(mine.condition if mine else _USUAL, reads),
            choices=CHOICES,
            preview=shown,
            failed=failed,
            publication=publication,
            reads=reads,
            error=error,
        )

    @app.get("/digests/{digest_id}")
    def digest_page(request: Request, digest_id: str) -> Response:
        person = desk.require(request, "subscribe")
        return one_page(request, person, _known(desk, digest_id))

    @app.post("/digests/{digest_id}")
    def save(
        request: Request, digest_id: str, form: Mapping[str, str] = Depends(posted)
    ) -> Response:
        person = desk.require_form(request, form, "subscribe")
        digest = _known(desk, digest_id)
        language = form.get("language", "")
        try:
            condition = read_condition(request, form)
            if language not in LANGUAGES:
                raise ValueError("digest.no_language")
        except ValueError as error:
            given = {
                "times": [*fields(request, "time"), "", "", ""][:_MOST_TIMES],
                "days": form.get("days", ""),
                "weekdays": fields(request, "weekday"),
                "month_days": form.get("month_days", ""),
                "nth_working_day": form.get("nth_working_day", ""),
                "language": language,
            }
            return one_page(request, person, digest, given=given, error=str(error))
        now = desk.now()
        with desk.engine.begin() as connection:
            mine = subscriptions_of(connection, person.account_id).get(digest.digest)
            subscribe(
                connection,
                person.account_id,
                digest.digest,
                condition,
                now=now,
                language=cast(Language, language),
                starts_at=now,
                deadline=mine.deadline if mine else _DEADLINE,
            )
        return goto("/digests", "saved")

    @app.post("/digests/{digest_id}/stop")
    def stop(
        request: Request, digest_id: str, form: Mapping[str, str] = Depends(posted)
    ) -> Response:
        person = desk.require_form(request, form, "subscribe")
        digest = _known(desk, digest_id)
        with desk.engine.begin() as connection:
            mine = subscriptions_of(connection, person.account_id).get(digest.digest)
            if mine is not None:
                unsubscribe(connection, mine.subscription_id, now=desk.now())
        return goto("/digests", "stopped")


def _known(desk: Desk, digest_id: str) -> Digest:
    digest = desk.digests.get(digest_id)
    if digest is None:
        raise Refused(404, "refused.page")
    return digest


def _form_of(condition: TimeCondition, language: str) -> dict[str, Any]:
    """A condition as the fields of the form."""
    numbers = ", ".join(map(str, condition.numbers))
    return {
        "times": [*(m.strftime("%H:%M") for m in condition.times), "", "", ""][:_MOST_TIMES],
        "days": condition.days,
        "weekdays": [str(n) for n in condition.numbers] if condition.days == "weekdays" else [],
        "month_days": numbers if condition.days == "month_days" else "",
        "nth_working_day": numbers if condition.days == "nth_working_day" else "",
        "language": language,
    }
