"""Links from a row to the dashboard that is the page of one of its details."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from cubes.label import LANGUAGES, Language
from dashboards.identity import filter_id


@dataclass(frozen=True)
class Page:
    """The dashboard that a detail links to, in the dataset's language."""

    slug: str
    title: str


_OPEN: Mapping[str, str] = {"zh": "查看", "en": "Open"}

_LINKED = re.compile(r"/superset/dashboard/([a-z][a-z0-9-]*)/")


def link_column(detail: str) -> str:
    """The name of the column that links to a detail's page."""
    return f"{detail}_link"


def link_sql(detail: str, slug: str, language: Language) -> str:
    """A link to a dashboard with the row's detail chosen in its filter, as the SQL of a column.

    The value is written as Superset reads it in an address (rison), then made safe for one.
    """
    rison = f"replace(replace(cast({detail} as varchar), '!', '!!'), '''', '!''')"
    value = f"url_encode({rison})"
    key = filter_id(detail)
    before = (
        f'<a href="/superset/dashboard/{slug}/?native_filters=({key}:(id:{key},'
        f"extraFormData:(filters:!((col:{detail},op:IN,val:!(%27"
    )
    between = "%27)))),filterState:(label:%27"
    last = "%27,value:!(%27"
    after = f'%27)),ownState:()))">{_OPEN[language]}</a>'
    parts = [f"'{before}'", value, f"'{between}'", value, f"'{last}'", value, f"'{after}'"]
    return f"case when {detail} is not null then concat({', '.join(parts)}) end"


def is_link(column: str, expression: str) -> bool:
    """Whether a column's SQL is nothing but a link to the page of one of its dataset's details."""
    found = _LINKED.search(expression)
    detail = column.removesuffix("_link")
    return found is not None and any(
        expression == link_sql(detail, found.group(1), language) for language in LANGUAGES
    )
