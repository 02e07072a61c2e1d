"""Keys, groups, partitions and texts that all assets share."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta

import dagster as dg

SNAPSHOT = dg.AssetKey(["published", "snapshot"])
PUBLISHED_GROUP = "published"
_DAY = timedelta(days=1)


def daily_partitions(first_day: date, zone: str, now: datetime) -> dg.DailyPartitionsDefinition:
    """One partition a business date in the operator's zone, from `first_day` to the present day.

    `now` is the home's present. Dagster counts by the system's clock; a home whose clock stands
    elsewhere moves the end by the days between.
    """
    apart = now - datetime.now(UTC)
    return dg.DailyPartitionsDefinition(
        start_date=first_day.isoformat(),
        timezone=zone,
        end_offset=-(-round(apart / timedelta(minutes=1)) * timedelta(minutes=1) // _DAY),
    )


def partition_of(day: date, days: dg.DailyPartitionsDefinition) -> str:
    """The partition of a business date; the last one for a day behind it.

    There is such a day when the clock of a demonstration was moved after these were loaded.
    """
    key = day.isoformat()
    last = days.get_last_partition_key()
    return key if last is None or key <= last else last


def raw_key(source: str, stream: str) -> dg.AssetKey:
    """The asset of a stream as it landed."""
    return dg.AssetKey(["raw", source, stream])


def mart_key(model: str) -> dg.AssetKey:
    """The asset of a mart."""
    return dg.AssetKey(["marts", model])


def raw_group(source: str) -> str:
    """The group of a source's streams."""
    return f"source_{source}"


def mart_group(domain: str) -> str:
    """The group of a domain's marts."""
    return f"marts_{domain}"


def team(owner: str) -> str:
    """The owner of a contract as Dagster writes a team."""
    return "team:" + re.sub(r"\W+", "-", owner.strip().lower())


def both(zh: str, en: str) -> str:
    """A text in both languages, Chinese first; equal ones once."""
    return zh if zh == en else f"{zh}\n\n{en}"


def days_of(context: dg.AssetExecutionContext) -> Sequence[date]:
    """The business dates a run was asked for; none for a run without partitions."""
    if not context.has_partition_key and not context.has_partition_key_range:
        return []
    return [date.fromisoformat(key) for key in context.partition_keys]


def say(context: dg.AssetExecutionContext) -> Callable[[str], None]:
    """Write what the product says into the log of the run."""
    return lambda text: context.log.info(text)
