"""Pages: templates, the language of the visitor, and the frame around every page."""

from __future__ import annotations

from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any, cast

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from cubes.label import LANGUAGES, Label, Language
from notifications.portal.desk import Desk
from notifications.portal.session import Person
from notifications.portal.words import has_words, say
from notifications.publication import Publication

_YEAR_S = 365 * 24 * 3600
LANGUAGE_COOKIE = "lang"


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


class Pages:
    """Renders the portal's pages for one desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._templates = _environment()

    def language(self, request: Request) -> Language:
        """What the visitor reads: asked for in the address, remembered, or the default."""
        asked = request.query_params.get("lang") or request.cookies.get(LANGUAGE_COOKIE)
        return cast(Language, asked) if asked in LANGUAGES else self._desk.language

    def show(
        self,
        request: Request,
        name: str,
        person: Person | None,
        *,
        status: int = 200,
        **values: Any,
    ) -> Response:
        """Render `pages/<name>.html`."""
        language = self.language(request)
        frame = {
            "t": partial(_say, language),
            "known": has_words,
            "language": language,
            "text": partial(_text, language),
            "person": person,
            "csrf": person.csrf if person else "",
            "path": request.url.path,
            "other_language": _other(request, language),
            "dashboard": dashboard(self._desk, person, language),
            "when": partial(_when, self._desk),
            "notice": _notice(request),
            "is_unreadable": self._desk.is_unreadable(),
        }
        html = self._templates.get_template(f"{name}.html").render(**frame, **values)
        response = HTMLResponse(html, status_code=status)
        if request.query_params.get("lang") in LANGUAGES:
            response.set_cookie(
                LANGUAGE_COOKIE,
                language,
                max_age=_YEAR_S,
                httponly=True,
                samesite="lax",
                secure=self._desk.is_secure,
            )
        return response


def _say(language: Language, key: str, /, **values: object) -> str:
    return say(key, language, **values)


def _text(language: Language, label: Label) -> str:
    return label.text(language)


def _other(request: Request, language: Language) -> str:
    """The same page in the other language."""
    other = "en" if language == "zh" else "zh"
    return "?" + str(request.url.include_query_params(lang=other).query)


def _notice(request: Request) -> str | None:
    key = f"done.{request.query_params.get('done', '')}"
    return key if has_words(key) else None


def _when(desk: Desk, moment: datetime | date) -> str:
    if isinstance(moment, datetime):
        return moment.astimezone(desk.zone).strftime("%Y-%m-%d %H:%M")
    return moment.isoformat()


def dashboard(desk: Desk, person: Person | None, language: Language) -> str | None:
    """Superset's overview, for those who may analyse and while it runs."""
    base = desk.dashboards()
    if base is None or person is None or not person.may("analyse"):
        return None
    slug = "overview" if language == "zh" else "overview-en"
    return f"{base.rstrip('/')}/superset/dashboard/{slug}/"


def goto(path: str, done: str | None = None) -> RedirectResponse:
    """Send the browser to one of our own pages after a form."""
    mark = "" if done is None else f"{'&' if '?' in path else '?'}done={done}"
    return RedirectResponse(path + mark, status_code=303)


def unit_names(
    publication: Publication | None, units: frozenset[str] | tuple[str, ...], language: Language
) -> str:
    """Names of units in one text."""
    glue = "、" if language == "zh" else ", "
    if publication is None:
        return glue.join(sorted(units))
    return glue.join(publication.org.name(unit, language) for unit in sorted(units))
