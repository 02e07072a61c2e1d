"""The demonstration's page: what came in, what was set aside, a slice, the messages, the alert."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from rich.box import ROUNDED, SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from connectors.codes import sentence
from connectors.exporting.told import in_language
from cubes.label import Language
from notifications.account import WHOLE
from pipelines.home import read_home
from pipelines.installation import Installation
from pipelines.settings import PROJECT_ROOT
from pipelines.story_words import Words, words
from pipelines.telling import alert_events_of, messages_of, read_sent_messages, sent_messages
from pipelines.thread import Outcome

_WIDTH = 100


def tell_story(installation: Installation, outcome: Outcome, *, language: Language) -> None:
    """Print the page."""
    say = words(language)
    console = Console(width=_WIDTH if not sys.stdout.isatty() else None, highlight=False)
    flat = read_home(installation.home).get("demonstrates") != "province"
    sections = [
        _opening(installation, outcome, say),
        _deliveries(installation, say, language),
        _events(installation, say, language),
        _quarantine(installation, say, language),
        _slice(installation, outcome, say, language, flat=flat),
        _messages(installation, outcome, say, language),
        _alerts(installation, outcome, say, language),
        _sending(installation, outcome, say, language),
        _partners(installation, outcome, say, language),
        _next(installation, say, flat=flat),
    ]
    for section in sections:
        if section is not None:
            console.print(section, crop=False)
            console.print()


def _heading(text: str) -> Text:
    return Text(text, style="bold")


def _literally(command: str) -> Text:
    """A command to copy: never wrapped or cut."""
    return Text(f"   {command}", no_wrap=True, overflow="ignore")


def _table(headings: Sequence[str], rows: Iterable[Sequence[Any]], *, right: int) -> Table:
    """A plain table whose last `right` columns are numbers."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for index, heading in enumerate(headings):
        numeric = index >= len(headings) - right
        table.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(f"{cell:,}" if isinstance(cell, int) else str(cell)) for cell in row))
    return table


def _opening(installation: Installation, outcome: Outcome, say: Words) -> Group:
    information = outcome.published.information
    lines = say.opening.format(
        home=_shown(installation),
        now=installation.now().strftime("%Y-%m-%d %H:%M"),
        zone=information["zone"],
        business_date=information["business_date"],
        snapshot=outcome.published.tag,
    )
    return Group(_heading(say.title), Text(lines))


def _deliveries(installation: Installation, say: Words, language: Language) -> Group:
    labels = {name: getattr(c.label, language) for name, c in installation.contracts.items()}
    counts: dict[tuple[str, str], Counter[str]] = {}
    with installation.ledger() as ledger:
        for batch in ledger.batches():
            count = counts.setdefault((batch.source, batch.stream), Counter())
            count["batches"] += 1
            count["rows"] += batch.rows
            count["loaded"] += batch.rows_loaded if batch.status == "loaded" else 0
            count["superseded"] += batch.rows_loaded if batch.status == "superseded" else 0
            count["rejected"] += batch.rejected if batch.status == "loaded" else 0
            count["refused"] += batch.status == "refused"
    rows = [
        [
            labels.get(source, source),
            stream,
            count["batches"],
            count["rows"],
            count["loaded"],
            count["superseded"],
            count["rejected"],
            count["refused"],
        ]
        for (source, stream), count in sorted(counts.items())
    ]
    return Group(_heading(say.deliveries), _table(say.delivery_columns, rows, right=6))


def _events(installation: Installation, say: Words, language: Language) -> Group | None:
    with installation.ledger() as ledger:
        refused = [
            [b.code or "", f"{b.source}.{b.stream}", str(b.business_date), b.place]
            for b in ledger.batches(status="refused")
        ]
        events = [
            [e.code, f"{e.source}.{e.stream}", str(e.business_date or ""), e.file or ""]
            for e in ledger.exchange_events()
        ]
    seen = {tuple(row) for row in refused}
    rows = refused + [row for row in events if tuple(row) not in seen]
    if not rows:
        return None
    shown = [[row[0], sentence(row[0], language), *row[1:]] for row in rows]
    return Group(_heading(say.events), _table(say.event_columns, shown, right=0))


def _quarantine(installation: Installation, say: Words, language: Language) -> Group:
    with installation.ledger() as ledger:
        batches = {batch.batch_id: batch for batch in ledger.batches()}
        records = ledger.quarantine()
    if not records:
        return Group(_heading(say.quarantine), Text(say.quarantine_empty))
    rows = [
        [
            f"{batches[record.batch_id].source}.{batches[record.batch_id].stream}",
            batches[record.batch_id].place,
            record.line if record.line is not None else "",
            record.column_name or "",
            record.masked_value or "",
            sentence(record.reason, language),
        ]
        for record in records[:_SHOWN]
    ]
    parts: list[Any] = [
        _heading(say.quarantine),
        _table(say.quarantine_columns, rows, right=0),
    ]
    if len(records) > _SHOWN:
        parts.append(Text(say.more.format(count=len(records) - _SHOWN)))
    return Group(*parts)


_SHOWN = 10


def _slice(
    installation: Installation, outcome: Outcome, say: Words, language: Language, *, flat: bool
) -> Group:
    from cubes.query import CubeQuery, run_query
    from cubes.scope import Scope
    from cubes.table import render_table

    day = date.fromisoformat(outcome.published.information["business_date"])
    if flat:
        asked: dict[str, Any] = {
            "cube": "cases",
            "measures": [
                "cases",
                "open_cases",
                "overdue_cases",
                "resolution_decided",
                "resolution_on_time_rate",
                "impossible_dates",
            ],
            "by": ["org.l1"],
            "order": ["-cases"],
            "limit": _SHOWN,
            "totals": "grand",
        }
    else:
        asked = {
            "cube": "cases",
            "measures": [
                "cases",
                "complaints",
                "reply_on_time_rate",
                "resolution_on_time_rate",
                "complaints_per_10k",
            ],
            "by": ["org.l2"],
            "period": f"{day:%Y-%m}",
            "order": ["-complaints"],
            "limit": _SHOWN,
            "totals": "grand",
        }
    with installation.snapshot() as snapshot:
        result = run_query(
            installation.catalogue,
            snapshot.cursor(),
            CubeQuery.from_mapping(asked),
            scope=Scope.all(),
            business_date=day,
            language=language,
            snapshot=snapshot.tag,
        )
    parts: list[Any] = [
        _heading(say.slice),
        _literally(_command(asked)),
        render_table(result, language=language),
    ]
    if flat:
        parts.append(Text(_accounted(installation, say)))
    return Group(*parts)


def _accounted(installation: Installation, say: Words) -> str:
    """Rows in = cases + quarantined, and the impossible dates by reason."""
    with installation.ledger() as ledger:
        loaded = ledger.batches(status="loaded")
        rows = sum(batch.rows for batch in loaded)
        rejected = sum(batch.rejected for batch in loaded)
    with installation.snapshot() as snapshot:
        cursor = snapshot.cursor()
        found = cursor.execute("select count(*) from marts.fct_case").fetchone()
        flags = cursor.execute(
            "select flag, count(*) from (select unnest(string_split(date_flag, ',')) as flag "
            "from marts.fct_case where date_flag is not null) group by flag order by flag"
        ).fetchall()
    cases = found[0] if found else 0
    text = say.accounted.format(rows=rows, cases=cases, rejected=rejected)
    shown = "; ".join(f"{flag} {count:,}" for flag, count in flags)
    return text + "\n" + say.impossible.format(flags=shown or "0")


def _messages(
    installation: Installation, outcome: Outcome, say: Words, language: Language
) -> Group:
    managers = {manager.account_id: manager for manager in outcome.managers}
    names = _unit_names(installation, language)
    panels: list[Any] = [_heading(say.messages)]
    digests = _digest_labels(installation, language)
    order = list(managers)
    told = [
        message
        for message in messages_of(installation)
        if message["kind"] == "digest" and message["account_id"] in managers
    ]
    for message in sorted(told, key=lambda m: (m["subject_id"], order.index(m["account_id"]))):
        unit = managers[message["account_id"]].unit_id
        panels.append(
            Panel(
                Text(message["text"]),
                title=f"{names.get(unit, say.whole)} · "
                f"{digests.get(message['subject_id'], message['subject_id'])}",
                subtitle=say.segments.format(
                    segments=message["segments"],
                    characters=len(message["text"]),
                    encoding=message["encoding"],
                ),
                title_align="left",
                subtitle_align="right",
                box=ROUNDED,
            )
        )
    if len(panels) == 1:
        reasons = ", ".join(f"{k} {v}" for k, v in outcome.planned.reasons().items())
        panels.append(Text(say.no_messages.format(reasons=reasons or "-")))
    return Group(*panels)


def _alerts(installation: Installation, outcome: Outcome, say: Words, language: Language) -> Group:
    names = _unit_names(installation, language)
    levels = _unit_levels(installation)
    events = sorted(
        alert_events_of(installation),
        key=lambda event: (event["period"], event["rule_id"], levels.get(event["unit_id"], 0)),
    )
    parts: list[Any] = [_heading(say.alerts)]
    if not events:
        reasons = "; ".join(
            f"{one.rule}: "
            + ", ".join(f"{say.outcomes.get(k, k)} {v}" for k, v in sorted(one.reasons.items()))
            for one in outcome.planned.alerts
        )
        parts.append(Text(say.no_alerts.format(reasons=reasons or "-")))
        return Group(*parts)
    rows = [
        [
            event["rule_id"],
            say.whole
            if event["unit_id"] == WHOLE
            else names.get(event["unit_id"], event["unit_id"]),
            event["period"],
            say.kinds.get(event["kind"], event["kind"]),
            _why(event["figures"], say),
            event["recipients"],
        ]
        for event in events
    ]
    parts.append(_table(say.alert_columns, rows, right=1))
    texts = [m["text"] for m in messages_of(installation) if m["kind"] == "alert"]
    shown = list(dict.fromkeys(texts))[:_TEXTS]
    parts.extend(Panel(Text(text), box=ROUNDED) for text in shown)
    return Group(*parts)


_TEXTS = 4


def _why(figures: Mapping[str, Any], say: Words) -> str:
    known = [
        f"{label} {_short(figures[name])}"
        for name, label in say.figures.items()
        if figures.get(name) is not None
    ]
    return ", ".join(known)


def _short(figure: Any) -> str:
    """A figure with as many decimals as a reader compares; what is no number stays as it is."""
    try:
        number = Decimal(str(figure))
    except InvalidOperation:
        return str(figure)
    shown = f"{number:,.3f}"
    return shown.rstrip("0").rstrip(".")


def _sending(installation: Installation, outcome: Outcome, say: Words, language: Language) -> Group:
    messages = messages_of(installation)
    states = Counter(message["state"] for message in messages)
    passwords = sum(message["kind"] == "account" for message in messages)
    shown = ", ".join(f"{say.states.get(state, state)} {count}" for state, count in states.items())
    if passwords:
        shown += say.passwords.format(count=passwords)
    path = sent_messages(installation)
    parts: list[RenderableType] = [
        _heading(say.sending),
        Text(say.sent.format(states=shown or "0", path=_near(path))),
    ]
    sent = read_sent_messages(installation)
    names = _unit_names(installation, language)
    units = {manager.account_id: manager.unit_id for manager in outcome.managers}
    rows = [
        (names.get(units[one["account_id"]], units[one["account_id"]]), text["to"], text["text"])
        for one in messages
        if one["kind"] == "account" and one["account_id"] in units
        for text in [sent.get(one["message_id"])]
        if text is not None
    ]
    if rows:
        parts += [Text(say.sign_in), _table(say.sign_in_columns, rows, right=0)]
    return Group(*parts)


def _partners(
    installation: Installation, outcome: Outcome, say: Words, language: Language
) -> Group | None:
    """What went to partners and what they answered."""
    if not outcome.exports:
        return None
    zone = ZoneInfo(installation.settings.timezone)
    rows = [
        [
            made.export,
            str(made.business_date),
            made.rows,
            say.export_states[made.status],
            in_language(made.reason or "", language)
            or say.due.format(at=made.due_at.astimezone(zone).strftime("%m-%d %H:%M"))
            if made.status != "confirmed"
            else "",
        ]
        for made in outcome.exports
    ]
    return Group(_heading(say.partners), _table(say.partner_columns, rows, right=0))


def _next(installation: Installation, say: Words, *, flat: bool) -> Group:
    commands = list(say.next_flat if flat else say.next_province)
    if installation.home.path != PROJECT_ROOT / "var":
        commands.insert(0, f"export HUIYIN_HOME={_shown(installation)}")
    return Group(_heading(say.next), *map(_literally, commands))


def _command(asked: Mapping[str, Any]) -> str:
    parts = [f"huiyin cube query {asked['cube']}", f"--measures {','.join(asked['measures'])}"]
    parts.append(f"--by {','.join(asked['by'])}")
    parts.extend(f"--{key} {asked[key]}" for key in ("period", "totals", "limit") if key in asked)
    parts.append(f"--order={','.join(asked['order'])}")
    return " \\\n     ".join(parts)


def _shown(installation: Installation) -> str:
    return _near(installation.home.path)


def _near(path: Any) -> str:
    """A path as short as it can be said from the project's root."""
    try:
        return str(path.relative_to(PROJECT_ROOT))
    except ValueError:
        return str(path)


def _unit_names(installation: Installation, language: Language) -> dict[str, str]:
    column = "name" if language == "zh" else "coalesce(name_en, name)"
    with installation.snapshot() as snapshot:
        rows = snapshot.cursor().execute(f"select org_unit_id, {column} from marts.dim_org")
        return dict(rows.fetchall())


def _unit_levels(installation: Installation) -> dict[str, int]:
    with installation.snapshot() as snapshot:
        rows = snapshot.cursor().execute("select org_unit_id, level from marts.dim_org")
        return dict(rows.fetchall())


def _digest_labels(installation: Installation, language: Language) -> dict[str, str]:
    from pipelines.telling import digests_of

    return {name: digest.label.text(language) for name, digest in digests_of(installation).items()}
