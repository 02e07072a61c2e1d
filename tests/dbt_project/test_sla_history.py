"""Cases delivered late, out of order, corrected and withdrawn: the same marts, and no row more
written than must be."""

# ruff: noqa: DTZ001  (raw tables and marts hold instants as naive UTC)

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.dbt_project import sla_sample as sample
from tests.dbt_project.deliveries import case, event
from tests.dbt_project.raw_home import RawHome
from tests.dbt_project.sla_reference import STATUS_OF_CODE, STATUS_OF_STATUS_CODE, Policy
from tests.soak import examples

# All tests here share one home, so one worker runs them.
pytestmark = [
    pytest.mark.xdist_group("sla history"),
    pytest.mark.soak,
    pytest.mark.timeout(7200),
]

# The last second of a local day, so that a build says how the day ended.
BUILDS = (
    (datetime(2026, 6, 12, 15, 59, 59), date(2026, 6, 12)),
    (datetime(2026, 6, 27, 15, 59, 59), date(2026, 6, 27)),
    (datetime(2026, 7, 10, 15, 59, 59), date(2026, 7, 10)),
)
FIRST = datetime(2026, 4, 20)
CASES = max(150, examples(150, most=2000))
# Each mart by case, with a column that no build reads.
MARTS = {
    "fct_sla_clock": "state",
    "fct_sla_segment": "clock",
    "fct_case": "case_key",
    "fct_case_status": "status",
    "fct_case_assignment": "holder_kind",
    "fct_case_cycle": "state",
    "fct_vote": "vote_key",
    "fct_backlog_daily": "status",
}
OPEN = ("new", "accepted", "in_progress", "waiting_on_reporter", "waiting_on_partner")
ENDED = ("resolved", "closed", "rejected", "withdrawn")
CODES = ("SL", "PD", "HF", "NB", "DD", "JJ", "MY", "CK", "BJ", "DJ", "FL", "ZB", "TH", "YH", "BA",
         "SR", "JS", "ZG", "YS", "CX")  # fmt: skip
LIKELY = (4, 8, 8, 2, 12, 14, 6, 6, 6, 6, 4, 5, 4, 6, 1, 4, 4, 2, 4, 1)
# Priority, working seconds, and what is left at least after a change.
LIMITS = (("P1", 14_400, None), ("P2", 90_000, 3600), ("P3", 200_000, 0))
# A unit of a few cases, which a reorganisation told with the last build moves from A to B; that A
# is renamed before touches nothing.
MOVED_UNIT, MOVED_ON, RENAMED_ON = "U9", date(2026, 6, 25), date(2026, 6, 15)
Row = dict[str, Any]
CaseName = tuple[str, str]


def may_follow(code: str, before: str, after: str) -> bool:
    """Whether an event may bring a case from one status to another, by hand (D.1)."""
    if before == after and code not in ("JJ", "CK"):
        return True
    if code == "DD":
        return {
            "new": after in (*OPEN, *ENDED),
            "accepted": after in (*OPEN[2:], *ENDED),
            "in_progress": after in (*OPEN[3:], *ENDED),
            "waiting_on_reporter": after in ("in_progress", "waiting_on_partner", *ENDED),
            "waiting_on_partner": after in ("in_progress", "waiting_on_reporter", *ENDED),
        }.get(before, after == "closed")
    sources: dict[str, tuple[str, ...]] = {
        "SL": ("new",),
        "PD": OPEN,
        "ZB": OPEN[:4],
        "TH": OPEN[3:],
        "JJ": OPEN,
        "CK": ENDED,
        "BJ": (*OPEN, *ENDED),
        "CX": OPEN,
        # A case that was told of before its creation begins anew with it.
        "created": (),
    }
    return before in sources[code]


def random_event(rng: random.Random, number: str, case_no: str, around: datetime) -> Row:
    """An event of any code, whether it may come then or not, sometimes before its case."""
    at = around + timedelta(seconds=rng.randrange(-86_400, 16 * 86_400))
    if rng.random() < 0.1:
        # A local midnight, where days meet.
        at = datetime(at.year, at.month, at.day, 16)
    code = rng.choices(CODES, LIKELY)[0]
    values: dict[str, Row] = {
        "DD": {"status_code": rng.choice(("SL", "CL", "DU", "DP", "JJ", "BJ", None))},
        "DJ": {"priority_code": rng.choice(("P1", "P2", "P3", "P4"))},
        "FL": {"category_path": rng.choice(("H/a", "H/b")), "kind_code": rng.choice(("TS", "JB"))},
        "PD": {"holder_unit_code": rng.choice(("U1", "U2")), "holder_no": rng.choice((None, "S1"))},
        "ZB": {"partner_no": "X1"},
        "BA": {"other_case_no": "H0000"},
        "ZG": {"limit_at": at + timedelta(days=4)},
        "MY": {"score": rng.randint(1, 5), "actor_role": "reporter"},
        "HF": {"is_automatic": rng.random() < 0.2},
        "YH": {"actor_role": "reporter"},
    }
    return event(number, case_no, code, at, **values.get(code, {}))


def random_case(rng: random.Random, number: str) -> Row:
    """A case that is created at any time of some weeks."""
    at = FIRST + timedelta(seconds=rng.randrange(80 * 86_400))
    urgency = rng.choice((None, "1", "2", "3"))
    return case(
        number,
        at,
        category_path=rng.choice(("H/a", "H/b")),
        urgency_code=urgency,
        unit_code=MOVED_UNIT if rng.random() < 0.1 else "U1",
    )


@dataclass
class Batch:
    """What one file delivers, and in which build it arrives."""

    batch_id: str
    arrives: int
    table: str
    rows: list[Row] = field(default_factory=list)
    withdrawn: int | None = None


class Story:
    """Batches, and what they tell when all is told."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.batches: dict[tuple[int, str], Batch] = {}
        self.told: dict[tuple[str, str], dict[int, Row]] = {}
        self.punctual = [f"B{number:04d}" for number in range(CASES // 2)]
        for place in range(CASES):
            self._add_case(f"H{place:04d}", rng.random() < 0.06)
        for number in self.punctual:
            row = random_case(rng, number)
            self._tell("hotline__cases", number, row, 0)
            for place in range(rng.randint(0, 8)):
                name = f"{number}-{place}"
                happened = random_event(rng, name, number, row["created_at"])
                self._tell("hotline__events", name, happened, 0)
        self._add_withdrawn()

    def _add_case(self, number: str, is_orphan: bool) -> None:
        rng = self.rng
        start = random_case(rng, number)["created_at"]
        if not is_orphan:
            self._tell_on("hotline__cases", number, lambda: _moved(rng, start, number))

        def make(name: str) -> Row:
            case_no = number if rng.random() < 0.97 else f"H{rng.randrange(CASES):04d}"
            return random_event(rng, name, case_no, start)

        for place in range(rng.randint(0, 8)):
            self._tell_on(
                "hotline__events", f"{number}-{place}", partial(make, f"{number}-{place}")
            )
        if rng.random() < 0.6:
            end = start + timedelta(days=16, seconds=rng.randrange(600_000))
            closing = event(f"{number}-end", number, "BJ", end)
            arrives = rng.randint(0, len(BUILDS) - 1)
            self._tell("hotline__events", f"{number}-end", closing, arrives)

    def _tell_on(self, table: str, key: str, make: Callable[[], Row]) -> None:
        """Tell a record once, or correct, repeat or remove it later."""
        rng, last = self.rng, len(BUILDS) - 1
        arrives = rng.randint(0, last)
        row = make()
        self._tell(table, key, row, arrives)
        later = rng.randint(arrives, last)
        if later == arrives:
            return
        chance = rng.random()
        if chance < 0.2:
            self._tell(table, key, make() | {"_op": "U"}, later)
        elif chance < 0.3:
            self._tell(table, key, row, later)
        elif chance < 0.4:
            self._tell(table, key, row | {"_op": "D"}, later)

    def _tell(self, table: str, key: str, row: Row, arrives: int) -> None:
        batch = self.batches.setdefault(
            (arrives, table), Batch(f"{table}-{arrives}", arrives, table)
        )
        batch.rows.append(row)
        self.told.setdefault((table, key), {})[arrives] = row

    def _add_withdrawn(self) -> None:
        """A file of the first build that is taken back before the last one."""
        rng = self.rng
        wrong = [
            random_event(rng, f"W{n}", f"H{rng.randrange(CASES):04d}", FIRST) for n in range(30)
        ]
        again = [
            random_event(rng, key, row[0]["case_no"], row[0]["event_at"])
            for (table, key), row in self.told.items()
            if table == "hotline__events" and key[0] == "H" and 0 in row and rng.random() < 0.1
        ]
        batch = Batch("wrong", 0, "hotline__events", wrong + again, withdrawn=len(BUILDS) - 1)
        self.batches[(-1, "wrong")] = batch

    def touched(self, build: int) -> set[CaseName]:
        """The cases of all known versions of the records that a build's batches told or untold."""
        keys = set()
        for batch in self.batches.values():
            if build in (batch.arrives, batch.withdrawn):
                keys |= {_key(batch.table, row) for row in batch.rows}
        return {
            ("hotline", row["case_no"])
            for batch in self.batches.values()
            if batch.arrives <= build and (batch.withdrawn is None or build <= batch.withdrawn)
            for row in batch.rows
            if _key(batch.table, row) in keys
        }

    def moved(self, build: int) -> set[CaseName]:
        """The cases that were ever of the moved unit, in the build that hears of its move."""
        if build != len(BUILDS) - 1:
            return set()
        return {
            ("hotline", key)
            for (table, key), rows in self.told.items()
            if table == "hotline__cases"
            and (row := rows[max(rows)])["unit_code"] == MOVED_UNIT
            and row.get("_op") != "D"
        }

    def created(self, build: int) -> set[str]:
        """The cases whose creation is told of in a build."""
        found = set()
        for (table, key), rows in self.told.items():
            known = [row for number, row in rows.items() if number <= build]
            if table == "hotline__cases" and known and known[-1].get("_op") != "D":
                found.add(key)
        return found

    def final(self) -> dict[str, list[Row]]:
        """The events of each case that was created, in their order, the creation first."""
        last = {key: rows[max(rows)] for key, rows in self.told.items()}
        last = {key: row for key, row in last.items() if row.get("_op") != "D"}
        found: dict[str, list[Row]] = {}
        for (table, key), row in last.items():
            if table == "hotline__cases":
                created = {"event_code": "created", "event_at": row["created_at"], "event_no": ""}
                found[key] = [row | created]
        for (table, _), row in last.items():
            if table == "hotline__events" and row["case_no"] in found:
                found[row["case_no"]].append(row)
        for rows in found.values():
            rows.sort(
                key=lambda row: (row["event_at"], row["event_code"] != "created", row["event_no"])
            )
        return found


def _moved(rng: random.Random, start: datetime, number: str) -> Row:
    at = start + timedelta(seconds=rng.choice((0, 0, rng.randrange(100_000))))
    return random_case(rng, number) | {"created_at": at}


def _key(table: str, row: Row) -> tuple[str, str]:
    return table, row["case_no"] if table == "hotline__cases" else row["event_no"]


def deliver(home: RawHome, batch: Batch, arrived: datetime) -> None:
    """One file, whose place in the order of files does not depend on when it comes."""
    for first in range(0, len(batch.rows), 1000):
        rows = [
            row | {"_record_no": first + place}
            for place, row in enumerate(batch.rows[first : first + 1000])
        ]
        home.add(batch.table, rows, batch=batch.batch_id, recorded=arrived)
    home.execute(
        "insert into raw.batch (batch_id, source, stream, business_date, sequence, change) "
        "values (?, 'hotline', ?, ?, ?, 'new')",
        [
            batch.batch_id,
            batch.table.split("__")[1],
            date(2026, 6, 1) + timedelta(days=batch.arrives),
            2 if batch.withdrawn else 1,
        ],
    )


def deliver_units(
    home: RawHome,
    batch: str,
    build: tuple[datetime, date],
    units: list[tuple[str, str | None]],
    name: str | None = None,
) -> None:
    """One file of units (code, parent) of a business date, named by their codes by default."""
    arrived, business_date = build
    rows = [
        {"unit_code": code, "parent_code": parent, "unit_name": name or code, "level_no": 1}
        for code, parent in units
    ]
    home.add("crm__units", rows, batch=batch, recorded=arrived)
    home.execute(
        "insert into raw.batch (batch_id, source, stream, business_date, sequence, change) "
        "values (?, 'crm', 'units', ?, 1, 'new')",
        [batch, business_date],
    )


@dataclass
class History:
    """What was seen after each build of one story."""

    story: Story
    home: RawHome
    scopes: list[set[CaseName]] = field(default_factory=list)
    unsettled: list[set[CaseName]] = field(default_factory=list)
    kept: list[dict[str, set[CaseName]]] = field(default_factory=list)
    written: list[dict[str, set[CaseName]]] = field(default_factory=list)
    open_cases: list[dict[str, bool]] = field(default_factory=list)
    by_builds: dict[str, list[Any]] = field(default_factory=dict)
    at_once: dict[str, list[Any]] = field(default_factory=dict)


def marts(home: RawHome) -> dict[str, list[Any]]:
    """Every row of the marts, as tuples of (column, value) in order."""
    selected = {name: "*" for name in MARTS} | {"fct_feedback_event": "* exclude (recorded_at)"}
    return {
        name: [
            tuple(row.items())
            for row in home.rows(f"select {columns} from marts.{name} order by all")
        ]
        for name, columns in selected.items()
    }


def run(home: RawHome, *arguments: str) -> None:
    assert home.dbt("run", "--select", *(f"+{name}" for name in MARTS), *arguments) == []


def mark(home: RawHome) -> None:
    """Mark every row, so that a row that is written anew can be told from one that is not."""
    _change(home, "concat({column}, '~')")


def unmark(home: RawHome) -> None:
    _change(home, "rtrim({column}, '~')")


def _change(home: RawHome, expression: str) -> None:
    with duckdb.connect(str(home.warehouse)) as connection:
        for name, column in MARTS.items():
            changed = expression.format(column=column)
            connection.execute(f"update marts.{name} set {column} = {changed}")


def cases_of(home: RawHome, name: str, condition: str) -> set[CaseName]:
    rows = home.rows(f"select distinct source, case_no from marts.{name} where {condition}")
    return {(row["source"], row["case_no"]) for row in rows}


def tell(folder: Path, seed: int) -> History:
    """Build after each delivery, then once from all deliveries in another order."""
    rng = random.Random(seed)
    history = History(Story(rng), RawHome(folder))
    home, batches = history.home, list(history.story.batches.values())
    home.set_build(*BUILDS[0])
    home.execute("insert into raw.source_setting (source) values ('hotline')")
    home.execute("insert into raw.org_level values (1, 'province', '省', 'Province')")
    limits = [
        Policy(
            f"h_{priority.lower()}",
            "resolution",
            "china",
            target,
            "business_seconds",
            category_path="H",
            priority=priority,
            grace=grace,
            pause_statuses=("waiting_on_reporter",),
        )
        for priority, target, grace in LIMITS
    ]
    limits += [
        Policy(
            f"unit_{unit}",
            "resolution",
            "china",
            target,
            "business_seconds",
            ordinal=5,
            org_unit_id=unit,
        )
        for unit, target in (("A", 50_000), ("B", 100_000))
    ]
    sample.add_rules(home, {"sla_policy": sample.policy_rows(limits)})
    deliver_units(home, "units", BUILDS[0], [("A", None), ("B", None), (MOVED_UNIT, "A")])
    assert home.dbt("seed") == []
    for number, (as_of, business_date) in enumerate(BUILDS):
        home.set_build(as_of, business_date)
        arriving = [one for one in batches if one.arrives == number]
        for batch in rng.sample(arriving, len(arriving)):
            deliver(home, batch, as_of)
        for batch in batches:
            if batch.withdrawn == number:
                home.withdraw(batch.table, batch.batch_id)
        if number:
            history.unsettled.append(cases_of(home, "fct_case", "not is_settled"))
            mark(home)
        if number == 1:
            deliver_units(home, "renamed", (as_of, RENAMED_ON), [("A", None)], name="甲")
        if number == len(BUILDS) - 1:
            deliver_units(home, "moved", (as_of, MOVED_ON), [(MOVED_UNIT, "B")])
        run(home)
        if number:
            marked = {name: f"{column} like '%~'" for name, column in MARTS.items()}
            history.kept.append({name: cases_of(home, name, marked[name]) for name in MARTS})
            history.written.append(
                {name: cases_of(home, name, f"not {marked[name]}") for name in MARTS}
            )
            unmark(home)
            history.scopes.append(scope_of(home))
        history.open_cases.append(
            {row["case_no"]: row["is_open"] for row in home.rows("select * from marts.fct_case")}
        )
    history.by_builds = marts(home)

    for table in ("hotline__cases", "hotline__events"):
        home.execute(f"delete from raw.{table}")
    home.execute("delete from raw.batch where source = 'hotline'")
    home.set_build(*BUILDS[-1])
    for batch in rng.sample(batches, len(batches)):
        if batch.withdrawn is None:
            deliver(home, batch, BUILDS[-1][0] + timedelta(minutes=rng.randrange(1000)))
    run(home, "--full-refresh")
    history.at_once = marts(home)
    return history


def scope_of(home: RawHome) -> set[CaseName]:
    with duckdb.connect(str(home.work), read_only=True) as connection:
        rows = connection.execute(
            "select source, case_no from intermediate.int_feedback__case_scope"
        ).fetchall()
    return {(source, case_no) for source, case_no in rows}


@pytest.fixture(scope="module", params=range(examples(1, most=5)))
def history(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> History:  # fmt: skip
    return tell(tmp_path_factory.mktemp("history"), 20261130 + int(request.param))


def test_builds_of_late_corrected_and_withdrawn_deliveries_end_as_one_build_of_all(
    history: History,
) -> None:
    for name, rows in history.by_builds.items():
        once = history.at_once[name]
        assert set(rows) - set(once) == set(), name
        assert rows == once, name
        assert rows, name


def test_a_build_works_on_the_touched_cases_and_those_not_settled_alone(history: History) -> None:
    for number, scope in enumerate(history.scopes, start=1):
        touched = history.story.touched(number)
        unsettled = history.unsettled[number - 1]
        # A case whose creation is still to come is none yet, and is looked at until it is one.
        to_come = {
            ("hotline", name)
            for name in history.story.created(number)
            if name not in history.open_cases[number - 1]
        }
        assert scope == touched | unsettled | to_come | history.story.moved(number)
        assert len(history.open_cases[number - 1]) > len(unsettled)
        still_open = {
            ("hotline", name) for name, is_open in history.open_cases[number - 1].items() if is_open
        }
        assert still_open <= unsettled


def test_a_clock_goes_by_where_its_unit_stood_when_it_started_and_by_todays_tree(
    history: History,
) -> None:
    units = {row["case_no"]: row["org_unit_id"] for row in map(dict, history.by_builds["fct_case"])}
    moved_at = datetime.combine(MOVED_ON, datetime.min.time()) - timedelta(hours=8)
    seen = set()
    for row in map(dict, history.by_builds["fct_sla_clock"]):
        if row["clock"] != "resolution" or units[row["case_no"]] != MOVED_UNIT:
            continue
        is_before = row["evaluation"] == "as_was" and row["started_at"] < moved_at
        assert row["policy_id"] == ("unit_A" if is_before else "unit_B"), row
        seen.add((row["evaluation"], row["started_at"] < moved_at))
    assert len(seen) == 4


def test_rows_of_settled_cases_that_nothing_touched_are_not_written_again(
    history: History,
) -> None:
    for scope, kept, written in zip(history.scopes, history.kept, history.written, strict=True):
        for name in MARTS:
            assert not kept[name] & scope, name
            assert written[name] <= scope, name
        assert len(kept["fct_case"]) > 5
        assert kept["fct_sla_clock"] == kept["fct_case"]


def statuses(rows: list[Row], until: datetime) -> list[tuple[datetime, str, str]]:
    """Each status that was told until then, with its instant and code."""
    found = []
    for row in rows:
        code = row["event_code"]
        status = "new" if code == "created" else STATUS_OF_CODE.get(code)
        if code == "DD":
            status = STATUS_OF_STATUS_CODE.get(row["status_code"] or "")
        if status and row["event_at"] <= until:
            found.append((row["event_at"], status, code))
    return found


def test_the_status_at_any_moment_is_the_last_one_told_until_then(history: History) -> None:
    rng = random.Random(7)
    as_of = BUILDS[-1][0]
    by_case: dict[str, list[Row]] = {}
    for row in map(dict, history.by_builds["fct_case_status"]):
        by_case.setdefault(row["case_no"], []).append(row)
    final = history.story.final()
    created = {name: rows for name, rows in final.items() if rows_created(rows) <= as_of}
    assert set(by_case) == set(created)
    for name, rows in created.items():
        moments = [row["event_at"] for row in rows if row["event_at"] <= as_of]
        span = int((as_of - moments[0]).total_seconds()) + 1
        moments += [moments[0] + timedelta(seconds=rng.randrange(span)) for _ in range(5)]
        for moment in moments:
            told = statuses(rows, moment)
            stood = [
                row["status"]
                for row in by_case[name]
                if row["valid_from"] <= moment
                and (row["valid_to"] is None or row["valid_to"] > moment)
            ]
            assert stood == [status for _, status, _ in told[-1:]], (name, moment)


def rows_created(rows: list[Row]) -> datetime:
    at = next(row["event_at"] for row in rows if row["event_code"] == "created")
    assert isinstance(at, datetime)
    return at


def test_steps_that_may_not_follow_are_counted_and_merges_and_spam_are_folded(
    history: History,
) -> None:
    as_of = BUILDS[-1][0]
    found = {row["case_no"]: row for row in map(dict, history.by_builds["fct_case"])}
    final = history.story.final()
    seen = {"illegal": 0, "merged": 0, "spam": 0, "cleared": 0}
    for name, row in found.items():
        rows = [one for one in final[name] if one["event_at"] <= as_of]
        told = statuses(rows, as_of)
        illegal = sum(
            not may_follow(code, before, after)
            for (_, before, _), (_, after, code) in pairwise(told)
        )
        merges = [one for one in rows if one["event_code"] == "BA"]
        flags = [one["event_code"] for one in rows if one["event_code"] in ("SR", "JS")]
        is_spam = flags[-1:] == ["SR"]
        assert row["illegal_transitions"] == illegal, name
        assert row["is_merged"] == bool(merges), name
        assert row["merged_into_case_no"] == (merges[-1]["other_case_no"] if merges else None)
        assert row["is_spam"] == is_spam, name
        is_open = told[-1][1] not in ENDED and not merges and not is_spam
        assert row["is_open"] == is_open, name
        seen["illegal"] += illegal
        seen["merged"] += bool(merges)
        seen["spam"] += is_spam
        seen["cleared"] += "SR" in flags and not is_spam
    assert all(seen.values()), seen


def test_the_backlog_of_a_past_day_is_what_a_build_at_its_end_said_is_open(
    history: History,
) -> None:
    for number, (_, day) in enumerate(BUILDS):
        said = {
            name
            for name in history.story.punctual
            if history.open_cases[number].get(name)
        }  # fmt: skip
        found = {
            row["case_no"]
            for row in map(dict, history.by_builds["fct_backlog_daily"])
            if row["date_on"] == day and row["case_no"].startswith("B")
        }
        assert found == said
        assert said
