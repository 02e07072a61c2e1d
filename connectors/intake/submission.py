"""What somebody submits: every field checked against the form, all faults told at once."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from connectors.intake.form import Form, Question
from connectors.intake.published import Unit
from connectors.intake.words import both
from connectors.scrubbing import scrub
from cubes.label import LANGUAGES

PUBLIC_CHANNEL = "web"
STAFF_CHANNELS = ("phone", "counter", "letter")
_PHONE = re.compile(r"(?:\+|00)?[\d][\d\s()-]{4,24}(?:\s?(?:转|ext\.?|x)\s?\d{1,6})?", re.I)
_EMAIL = re.compile(r"[^\s@<>\"',;:()\[\]\\]{1,64}@[^\s@<>\"',;:()\[\]\\]{1,190}\.[A-Za-z]{2,24}")
_ENTRY_POINT = re.compile(r"[A-Za-z0-9_-]{1,40}")
_OLDEST = timedelta(days=3653)
_COMMON = {"kind", "category", "text", "unit", "contact", "language", "entry_point", "answers"}
_STAFF = {"channel", "received_on"}


@dataclass(frozen=True)
class FieldFault:
    """One fault of one field, such as `contact.phone`; the message has both languages."""

    field: str
    message: Mapping[str, str]


@dataclass(frozen=True)
class Checked:
    """A submission that may be stored. Texts are scrubbed; `contacts` are still plain values."""

    kind: str
    category_path: str | None
    text: str
    unit_id: str | None
    contacts: Mapping[str, str]
    language: str
    entry_point: str | None
    answers: Mapping[str, str]
    channel: str
    received_on: date | None
    content: str
    """What was said, in one fixed spelling, to tell a repeat from another submission."""


def clean(value: Any) -> Any:
    """Take out of decoded JSON what no text may hold: lone surrogates and control characters."""
    if isinstance(value, str):
        text = value.encode("utf-8", "replace").decode().replace("\r\n", "\n").replace("\r", "\n")
        return "".join(
            one for one in text if one in "\n\t" or unicodedata.category(one) not in {"Cc", "Cs"}
        ).strip()
    if isinstance(value, list):
        return [clean(item) for item in value]
    if isinstance(value, dict):
        return {clean(key): clean(item) for key, item in value.items()}
    return value


class Reading:
    """Reads fields of one submission and collects faults."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data = data
        self.faults: list[FieldFault] = []

    def fault(self, field: str, word: str, **values: object) -> None:
        self.faults.append(FieldFault(field, both(f"fault.{word}", **values)))

    def text(
        self, data: Mapping[str, Any], name: str, longest: int, *, field: str | None = None
    ) -> str | None:
        """A text, or None where there is none or it is faulty."""
        value = data.get(name)
        if value is None or value == "":
            return None
        field = field or name
        if not isinstance(value, str):
            self.fault(field, "text")
            return None
        if len(value) > longest:
            self.fault(field, "too_long", most=longest, count=len(value))
            return None
        return value

    def part(self, name: str) -> Mapping[str, Any]:
        """A nested object; empty where there is none or it is faulty."""
        value = self.data.get(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.fault(name, "object")
            return {}
        return value

    def unknown(self, data: Mapping[str, Any], known: set[str], above: str = "") -> None:
        for name in sorted(set(data) - known)[:20]:
            self.fault(f"{above}{name[:60]}", "unknown")

    def day(self, data: Mapping[str, Any], name: str, *, field: str | None = None) -> date | None:
        text = self.text(data, name, 10, field=field)
        if text is None:
            return None
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.A):
            try:
                return date.fromisoformat(text)
            except ValueError:
                pass
        self.fault(field or name, "date")
        return None


def check_submission(
    data: Mapping[str, Any],
    form: Form,
    *,
    units: Mapping[str, Unit] | None,
    is_staff: bool,
    today: date,
) -> Checked | list[FieldFault]:
    """Check decoded and cleaned JSON; `units` is None before the first publish.

    `today` is the local date: nothing may have been received after it.
    """
    reading = Reading(data)
    reading.unknown(data, _COMMON | _STAFF)
    if not is_staff:
        for name in sorted(_STAFF & set(data)):
            reading.fault(name, "staff_only")
    text = reading.text(data, "text", form.text.longest)
    if text is None and not any(fault.field == "text" for fault in reading.faults):
        reading.fault("text", "required")
    kind = _one_of(reading, "kind", {choice.id for choice in form.kinds}, required=True)
    category = _one_of(reading, "category", form.category_paths)
    language = _one_of(reading, "language", LANGUAGES) or LANGUAGES[0]
    entry_point = reading.text(data, "entry_point", 40)
    if entry_point is not None and not _ENTRY_POINT.fullmatch(entry_point):
        reading.fault("entry_point", "choice")
    unit_id = read_unit(reading, units)
    contacts = _contacts(reading, form)
    answers = _answers(reading, form, today)
    channel, received_on = PUBLIC_CHANNEL, None
    if is_staff:
        channel = _one_of(reading, "channel", STAFF_CHANNELS) or PUBLIC_CHANNEL
        received_on = reading.day(data, "received_on")
        if received_on is not None and received_on > today:
            reading.fault("received_on", "future")
        elif received_on is not None and received_on < today - _OLDEST:
            reading.fault("received_on", "too_old")
    if reading.faults or kind is None or text is None:
        return reading.faults
    said = {
        "kind": kind,
        "category": category,
        "text": text,
        "unit": unit_id,
        "contact": contacts,
        "language": language,
        "entry_point": entry_point,
        "answers": answers,
        "channel": channel,
        "received_on": received_on and received_on.isoformat(),
    }
    return Checked(
        kind=kind,
        category_path=category,
        text=scrub(text),
        unit_id=unit_id,
        contacts=contacts,
        language=language,
        entry_point=entry_point,
        answers={name: scrub(answer) for name, answer in answers.items()},
        channel=channel,
        received_on=received_on,
        content=json.dumps(said, ensure_ascii=False, sort_keys=True),
    )


def read_unit(
    reading: Reading, units: Mapping[str, Unit] | None, *, required: bool = False
) -> str | None:
    """The id of an active unit of the snapshot."""
    unit_id = reading.text(reading.data, "unit", 64)
    if unit_id is None:
        if required and not any(fault.field == "unit" for fault in reading.faults):
            reading.fault("unit", "required")
        return None
    if units is None:
        reading.fault("unit", "units_unknown")
        return None
    unit = units.get(unit_id)
    if unit is None or not unit.is_active:
        reading.fault("unit", "unit")
        return None
    return unit_id


def _one_of(reading: Reading, name: str, known: Any, *, required: bool = False) -> str | None:
    value = reading.data.get(name)
    if value is None or value == "":
        if required:
            reading.fault(name, "required")
        return None
    if not isinstance(value, str) or value not in known:
        reading.fault(name, "choice")
        return None
    return value


def _contacts(reading: Reading, form: Form) -> dict[str, str]:
    given = reading.part("contact")
    reading.unknown(given, {"name", "phone", "email"}, "contact.")
    name = reading.text(given, "name", form.contact.name_longest, field="contact.name")
    phone = reading.text(given, "phone", 40, field="contact.phone")
    email = reading.text(given, "email", 254, field="contact.email")
    if phone is not None:
        # Phones typed with full-width digits are phones too.
        phone = unicodedata.normalize("NFKC", phone)
        if not _PHONE.fullmatch(phone) or len(re.sub(r"\D", "", phone)) < 5:
            reading.fault("contact.phone", "phone")
            phone = None
    if email is not None:
        email = unicodedata.normalize("NFKC", email)
        if not _EMAIL.fullmatch(email):
            reading.fault("contact.email", "email")
            email = None
    found = {"name": name, "phone": phone, "email": email}
    return {kind: value for kind, value in found.items() if value}


def _answers(reading: Reading, form: Form, today: date) -> dict[str, str]:
    given = reading.part("answers")
    questions = {question.id: question for question in form.questions}
    reading.unknown(given, set(questions), "answers.")
    read: dict[str, Callable[[Question, str], str | None]] = {
        "text": lambda question, field: reading.text(
            given, question.id, question.longest, field=field
        ),
        "date": lambda question, field: _past_day(reading, given, question.id, field, today),
        "choice": lambda question, field: _choice(reading, given, question, field),
    }
    found = {}
    for question in form.questions:
        field = f"answers.{question.id}"
        answer = read[question.type](question, field)
        if answer is not None:
            found[question.id] = answer
        elif question.required and not any(fault.field == field for fault in reading.faults):
            reading.fault(field, "required")
    return found


def _past_day(
    reading: Reading, given: Mapping[str, Any], name: str, field: str, today: date
) -> str | None:
    day = reading.day(given, name, field=field)
    if day is not None and day > today:
        reading.fault(field, "future")
        return None
    return day.isoformat() if day is not None else None


def _choice(
    reading: Reading, given: Mapping[str, Any], question: Question, field: str
) -> str | None:
    answer = reading.text(given, question.id, 60, field=field)
    if answer is not None and answer not in {choice.id for choice in question.choices}:
        reading.fault(field, "choice")
        return None
    return answer
