"""The words people see at the intake, each in Chinese and English."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import yaml

from cubes.label import Label, Language

WORDS = Path(__file__).parent / "words.yml"
_MONTHS = "January February March April May June July August September October November December"


@cache
def load_words() -> dict[str, Label]:
    """Every word by its key."""
    declared = yaml.safe_load(WORDS.read_text(encoding="utf-8"))
    return {key: Label.model_validate(value) for key, value in declared.items()}


def word(key: str, language: Language, **values: object) -> str:
    """One word in a language with its values filled in."""
    text = load_words()[key].text(language)
    return text.format(**values) if values else text


def both(key: str, **values: object) -> dict[str, str]:
    """One word in both languages, as programs get it."""
    return {"zh": word(key, "zh", **values), "en": word(key, "en", **values)}


def day_text(day: date, language: Language) -> str:
    """A date as people write it."""
    if language == "zh":
        weekday = "一二三四五六日"[day.weekday()]
        return f"{day.year}年{day.month}月{day.day}日（周{weekday}）"
    return f"{day:%A}, {day.day} {_MONTHS.split()[day.month - 1]} {day.year}"


def due_text(due_at: datetime, zone: str, language: Language) -> str:
    """By when: the end of a date where it ends one, else the time of day."""
    local = due_at.astimezone(ZoneInfo(zone))
    if local.time() == time(0):
        # The due instant is the first one after the last day.
        last = (local - timedelta(days=1)).date()
        return word("due.day", language, date=day_text(last, language))
    return word("due.time", language, date=day_text(local.date(), language), time=f"{local:%H:%M}")


def time_text(instant: datetime, zone: str, language: Language) -> str:
    """A local date and time of day as people write them."""
    local = instant.astimezone(ZoneInfo(zone))
    if language == "zh":
        return f"{local.year}年{local.month}月{local.day}日 {local:%H:%M}"
    return f"{local.day} {_MONTHS.split()[local.month - 1]} {local.year}, {local:%H:%M}"
