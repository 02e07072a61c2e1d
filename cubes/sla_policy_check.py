"""What is wrong with the policies of time limits taken together, and what an operator should know.

A fault makes a policy say something else than it seems to say. Only what is valid now or later
counts: rows are only ever added, so what is over cannot be put right.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from cubes.declaration import suggest
from cubes.errors import Fault
from cubes.rule_table import RuleRow
from cubes.sla_policy import LISTS, SlaPolicy, parts, ruled_policies

_LISTS = (*LISTS, "pause_statuses")


@dataclass(frozen=True)
class PolicyReport:
    """Faults, warnings (what the snapshot does not know) and notes: what is not active, and shipped
    policies that an operator's take the place of."""

    faults: tuple[Fault, ...]
    warnings: tuple[Fault, ...]
    notes: tuple[Fault, ...]


@dataclass(frozen=True)
class KnownNames:
    """What policies may name: clocks and statuses, and as far as a snapshot tells them sources,
    kinds, channels, units with the one above each, and category paths."""

    clocks: frozenset[str]
    statuses: frozenset[str]
    values: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By condition (source, kind, channel): what there is; a condition that is absent is not
    looked at."""
    parents: Mapping[str, str | None] | None = None
    category_paths: frozenset[str] | None = None

    def above(self, unit_id: str) -> frozenset[str]:
        """A unit and all units above it."""
        found: dict[str, None] = {}
        unit: str | None = unit_id
        while unit is not None and unit not in found:
            found[unit] = None
            unit = (self.parents or {}).get(unit)
        return frozenset(found)


def check_policies(
    rows: Sequence[RuleRow], known: KnownNames, *, now: datetime, zone: ZoneInfo
) -> PolicyReport:
    """Look at well-formed rows of the rule table, in the order they were written.

    `now` is aware; `zone` is that of valid_from. What `rule_faults` tells is not told again.
    """
    policies = ruled_policies(rows, zone)
    present = [
        (policy, row)
        for policy, row in policies
        if policy.valid_to is None or policy.valid_to > max(now, policy.valid_from)
    ]
    active = [(policy, row) for policy, row in present if policy.is_active]
    faults = [fault for _, row in present for fault in _row_faults(row, known)]
    faults += _version_faults(policies)
    shadows = list(_shadows(active, known.above, now))
    faults += [fault for fault, is_meant in shadows if not is_meant]
    faults += _gap_faults(active, known.clocks, now, rows)
    warnings = [fault for policy, row in active for fault in _unknown(policy, row, known)]
    notes = [
        row.fault(
            f"{policy.policy_id} is not active: an operator must confirm its text and add a "
            f"version with is_active true ({policy.name})"
        )
        for policy, row in present
        if not policy.is_active
    ]
    notes += [fault for fault, is_meant in shadows if is_meant]
    return PolicyReport(tuple(sorted(faults)), tuple(sorted(warnings)), tuple(sorted(notes)))


def row_faults(rows: Sequence[RuleRow], known: KnownNames) -> list[Fault]:
    """What is wrong with rows by themselves: names that are none, blanks, shares, whole numbers.

    Of a version that is told again the last row counts, so a wrong one can be corrected.
    """
    last = {(row.values["policy_id"], row.values["version"] or "1"): row for row in rows}
    return sorted(fault for row in last.values() for fault in _row_faults(row, known))


def _row_faults(row: RuleRow, known: KnownNames) -> Iterable[Fault]:
    policy = row.values
    if policy["clock"] not in known.clocks:
        hint = suggest(policy["clock"], known.clocks)
        yield row.fault(
            f"the clock {policy['clock']!r} is unknown{hint}; known: "
            f"{', '.join(sorted(known.clocks))}"
        )
    for name in _LISTS:
        listed = policy[name].split(";") if policy[name] else ()
        if any(part != part.strip() or not part for part in listed):
            yield row.fault(
                f"{name} {policy[name]!r} has a blank or nothing beside a ';', which matches no "
                "value"
            )
    for part in policy["pause_statuses"].split(";") if policy["pause_statuses"] else ():
        status = part.strip()
        if status and status not in known.statuses:
            hint = suggest(status, known.statuses)
            yield row.fault(f"pause_statuses: there is no status {status!r}{hint}")
    if len(policy["valid_from"]) == len("YYYY-MM"):
        yield row.fault(f"valid_from {policy['valid_from']!r} names no day")
    if policy["is_active"] == "false":
        return
    if not policy["unit"] and not policy["target"]:
        # A target without a unit is told by rule_faults.
        yield row.fault("unit is empty: a clock that is measured only needs the unit it counts in")
    warned = bool(policy["warn_at"])
    if warned and not policy["target"] and policy["target_kind"] in ("", "each"):
        yield row.fault("has warn_at, but no target of which it would be a share")
    for share in policy["warn_at"].split(";") if warned else ():
        if not _is_share(share):
            yield row.fault(f"warn_at: {share!r} is no share of the target such as 0.8")
    if policy["grace"] and not policy["grace"].isdecimal():
        yield row.fault(f"grace: {policy['grace']!r} is no number of seconds")
    if policy["unit"].endswith("_days") and policy["target"] and "." in policy["target"]:
        yield row.fault(f"target: {policy['target']} is no whole number of days")


def _is_share(text: str) -> bool:
    try:
        return 0 < float(text) <= 1
    except ValueError:
        return False


def _version_faults(policies: Iterable[tuple[SlaPolicy, RuleRow]]) -> Iterable[Fault]:
    """Versions that begin before one with a smaller number."""
    of_policy: dict[str, list[tuple[SlaPolicy, RuleRow]]] = defaultdict(list)
    for policy, row in policies:
        of_policy[policy.policy_id].append((policy, row))
    for versions in of_policy.values():
        versions.sort(key=lambda one: one[0].version)
        latest = versions[0][0]
        for policy, row in versions[1:]:
            if policy.valid_from < latest.valid_from:
                yield row.fault(
                    f"version {policy.version} of {policy.policy_id} begins before version "
                    f"{latest.version}, so the older number is in force after it"
                )
            else:
                latest = policy


def _shadows(
    active: Sequence[tuple[SlaPolicy, RuleRow]],
    above: Callable[[str], frozenset[str]],
    now: datetime,
) -> Iterable[tuple[Fault, bool]]:
    """Policies that no case reaches, with the one that takes them all.

    True is meant: an operator's policy takes the place of a shipped one by standing before it.
    """
    for policy, row in active:
        since = max(now, policy.valid_from)
        shadow = min(
            (
                (other, theirs)
                for other, theirs in active
                if other.clock == policy.clock
                and other.place < policy.place
                and other.valid_from <= since
                and (
                    other.valid_to is None
                    or (policy.valid_to is not None and policy.valid_to <= other.valid_to)
                )
                and other.covers(policy, above)
            ),
            key=lambda one: one[0].place,
            default=None,
        )
        if shadow is not None:
            other, theirs = shadow
            fault = row.fault(
                f"{policy.policy_id} (ordinal {policy.ordinal}) can never win: "
                f"{other.policy_id} (ordinal {other.ordinal}, {theirs.file}:{theirs.line}) stands "
                f"before it and takes every {policy.clock} clock that this one is for; if that is "
                f"meant, add a version of {policy.policy_id} with is_active false"
            )
            yield fault, theirs.is_operator and not row.is_operator


def _gap_faults(
    active: Sequence[tuple[SlaPolicy, RuleRow]],
    clocks: Iterable[str],
    now: datetime,
    rows: Sequence[RuleRow],
) -> Iterable[Fault]:
    """Clocks that at some time from now on have no policy for every case."""
    moments = {now}
    for policy, _ in active:
        moments |= {at for at in (policy.valid_from, policy.valid_to) if at and at > now}
    file = rows[-1].file if rows else "sla_policy.csv"
    for clock in sorted(clocks):
        for moment in sorted(moments):
            cycles = {
                policy.conditions.get("cycle")
                for policy, _ in active
                if policy.clock == clock
                and policy.is_in_force(moment)
                and set(policy.conditions) <= {"cycle"}
            }
            if None not in cycles and not {"first", "again"} <= cycles:
                since = "" if moment == now else f" from {moment:%Y-%m-%d %H:%M} UTC on"
                yield Fault(
                    file,
                    0,
                    f"the clock {clock} has no active policy without conditions{since}, so some "
                    "cases are measured without one",
                )
                break


def _unknown(policy: SlaPolicy, row: RuleRow, known: KnownNames) -> Iterable[Fault]:
    """Names that the snapshot does not have, so that no case of it meets the condition."""
    for name, there in known.values.items():
        asked = policy.conditions.get(name)
        for part in sorted(parts(asked) - there) if asked else ():
            yield row.fault(f"{name} {part!r} is in no row of the snapshot{suggest(part, there)}")
    unit, path = policy.org_unit_id, policy.category_path
    if unit and known.parents is not None and unit not in known.parents:
        yield row.fault(f"org_unit_id {unit!r} is no unit of the snapshot")
    if path and known.category_paths is not None and path not in known.category_paths:
        hint = suggest(path, known.category_paths)
        yield row.fault(f"category_path {path!r} is no category of the snapshot{hint}")
