"""Histories from deliveries in any order: units move, staff transfer, categories are remapped."""

# ruff: noqa: DTZ001  (raw tables and marts hold instants as naive UTC)

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.dbt_project.deliveries import case, customer, event
from tests.dbt_project.raw_home import RawHome

# All tests here share one home, so one worker runs them.
pytestmark = pytest.mark.xdist_group("histories")

FIRST, LAST = date(1900, 1, 1), date(9999, 12, 31)
DAYS = [date(2026, 3, 1) + timedelta(days=n) for n in range(8)]
Row = dict[str, Any]
Version = tuple[Any, ...]


def unit(code: str, parent: str | None, level: int, **values: Any) -> Row:
    return {
        "unit_code": code,
        "unit_name": code.lower(),
        "parent_code": parent,
        "level_no": level,
        "unit_type": "company",
        **values,
    }


def staff(number: str, unit_code: str, **values: Any) -> Row:
    return {
        "staff_no": number,
        "unit_code": unit_code,
        "position": "agent",
        "status": "active",
        "joined_on": date(2020, 5, 1),
        **values,
    }


def first_units() -> list[Row]:
    rows = [unit("P", None, 1), unit("A", "P", 2), unit("B", "P", 2)]
    rows += [unit("U", "A", 3, opened_on=date(2010, 1, 1)), unit("V", "A", 3)]
    return [*rows, unit("C", "A", 3, opened_on=date(2010, 1, 1))]


# What each day's files told, by table; those of a day may come in any order of days.
TOLD: dict[date, dict[str, list[Row]]] = {
    DAYS[0]: {
        "crm__units": first_units(),
        "crm__staff": [staff("S1", "U"), staff("S2", "V")],
        "crm__customers": [customer("K1", "U"), customer("K2", "V"), customer("K3", "V")],
    },
    # U moves below B; K1 gets a new phone, which nothing is sliced by.
    DAYS[2]: {
        "crm__units": [unit("U", "B", 3, opened_on=date(2010, 1, 1), _op="U")],
        "crm__customers": [customer("K1", "U", phone="p9", _op="U")],
    },
    # B gets another name; S2 transfers twice in one day, C closes, K3 is removed.
    DAYS[4]: {
        "crm__units": [
            unit("B", "P", 2, unit_name="bb", _op="U"),
            unit("C", "A", 3, opened_on=date(2010, 1, 1), closed_on=DAYS[4], _op="U"),
        ],
        "crm__staff": [staff("S2", "A", _op="U"), staff("S2", "U", _op="U")],
        "crm__customers": [
            customer("K2", "V", segment="business", _op="U"),
            customer("K3", _op="D"),
        ],
    },
}
UNITS = [
    ("A", FIRST, LAST, "p/a"),
    ("B", FIRST, DAYS[4], "p/b"),
    ("B", DAYS[4], LAST, "p/bb"),
    ("C", date(2010, 1, 1), LAST, "p/a/c"),
    ("P", FIRST, LAST, "p"),
    ("U", date(2010, 1, 1), DAYS[2], "p/a/u"),
    ("U", DAYS[2], DAYS[4], "p/b/u"),
    ("U", DAYS[4], LAST, "p/bb/u"),
    ("V", FIRST, LAST, "p/a/v"),
]
STAFF = [
    ("S1", date(2020, 5, 1), LAST, "U"),
    ("S2", date(2020, 5, 1), DAYS[4], "V"),
    ("S2", DAYS[4], LAST, "U"),
]
CUSTOMERS = [
    ("K1", FIRST, LAST, "U", "mass", False),
    ("K2", FIRST, DAYS[4], "V", "mass", False),
    ("K2", DAYS[4], LAST, "V", "business", False),
    ("K3", FIRST, DAYS[4], "V", "mass", False),
    ("K3", DAYS[4], LAST, "V", "mass", True),
]


class Histories:
    """One home whose organisation, staff and customers are delivered anew by each test."""

    def __init__(self, folder: Path) -> None:
        self.home = RawHome(folder)
        self.home.set_build(datetime(2026, 3, 31, 1), date(2026, 3, 30))
        self.home.execute("insert into raw.org_level values (1, 'province', '省', 'Province')")
        self.batches = 0
        assert self.home.dbt("seed") == []

    def clear(self) -> None:
        for table in ("crm__units", "crm__staff", "crm__customers", "batch"):
            self.home.execute(f"delete from raw.{table}")

    def deliver(
        self,
        table: str,
        rows: list[Row],
        arrived: datetime,
        *,
        business_date: date | None = None,
        sequence: int = 1,
    ) -> None:
        """One batch: a file of a business date, or without one a claim of a table."""
        self.batches += 1
        batch = f"b{self.batches}"
        self.home.add(table, rows, batch=batch, recorded=arrived)
        source, stream = table.split("__")
        day = business_date or arrived.date() - timedelta(days=1)
        self.home.execute(
            "insert into raw.batch (batch_id, source, stream, business_date, sequence, change) "
            "values (?, ?, ?, ?, ?, 'new')",
            [batch, source, stream, day, sequence if business_date else None],
        )

    def run(self) -> None:
        faults = self.home.dbt(
            "build",
            "--exclude-resource-type",
            "unit_test",
            "--indirect-selection",
            "cautious",
            "--select",
            "+dim_org_history",
            "+dim_org",
            "+bridge_org_closure",
            "+dim_staff",
            "+dim_staff_history",
            "+dim_customer_history",
            "+dim_customer",
            "assert_histories_end_today",
            "assert_org_tree_is_whole",
        )
        assert [fault for fault in faults if "warn" not in fault[1]] == []

    def versions(self) -> dict[str, list[Version]]:
        asked = {
            "units": "select org_unit_id, valid_from, valid_to, path from marts.dim_org_history",
            "staff": "select staff_id, valid_from, valid_to, org_unit_id "
            "from marts.dim_staff_history",
            "customers": "select customer_id, valid_from, valid_to, org_unit_id, segment, "
            "is_removed from marts.dim_customer_history",
            "tree": "select ancestor_id, descendant_id, valid_from, valid_to, is_current "
            "from marts.bridge_org_closure where depth > 0",
        }
        return {
            name: sorted(tuple(row.values()) for row in self.home.rows(sql))
            for name, sql in asked.items()
        }


@pytest.fixture(scope="module")
def histories(tmp_path_factory: pytest.TempPathFactory) -> Histories:
    return Histories(tmp_path_factory.mktemp("histories"))


@pytest.mark.parametrize("seed", [0, 1])
def test_files_in_any_order_make_the_same_history(histories: Histories, seed: int) -> None:
    histories.clear()
    # A correction of 5 March sent U to A for good; the one that follows takes it back.
    files: list[tuple[date, int, str, list[Row]]] = [
        (day, 3, table, rows) for day, tables in TOLD.items() for table, rows in tables.items()
    ]
    files.append((DAYS[2], 1, "crm__units", [unit("U", "P", 2, opened_on=date(2010, 1, 1))]))
    files.append((DAYS[2], 2, "crm__units", [unit("U", "A", 3, opened_on=date(2010, 1, 1))]))
    random.Random(seed).shuffle(files)
    for place, (day, sequence, table, rows) in enumerate(files):
        arrived = datetime(2026, 3, 20, 1) + timedelta(hours=place)
        histories.deliver(table, rows, arrived, business_date=day, sequence=sequence)
    histories.run()
    found = histories.versions()
    assert found["units"] == UNITS
    assert found["staff"] == STAFF
    assert found["customers"] == CUSTOMERS
    # What the tree held, and what it holds: of U both, of the closed C its last place.
    assert [row for row in found["tree"] if row[1] in ("U", "C")] == [
        ("A", "C", date(2010, 1, 1), DAYS[4], True),
        ("A", "U", date(2010, 1, 1), DAYS[2], False),
        ("B", "U", DAYS[2], DAYS[4], False),
        ("B", "U", DAYS[4], LAST, True),
        ("P", "C", date(2010, 1, 1), DAYS[4], True),
        ("P", "U", date(2010, 1, 1), DAYS[2], False),
        ("P", "U", DAYS[2], DAYS[4], False),
        ("P", "U", DAYS[4], LAST, True),
    ]


def test_a_late_file_of_an_old_day_and_a_withdrawn_one_rewrite_the_past(
    histories: Histories,
) -> None:
    histories.clear()
    histories.deliver("crm__units", first_units(), datetime(2026, 3, 1), business_date=DAYS[0])
    opened = {"opened_on": date(2010, 1, 1)}
    moved = [unit("U", "B", 3, _op="U", **opened)]
    histories.deliver("crm__units", moved, datetime(2026, 3, 7), business_date=DAYS[6])
    histories.run()
    assert [row for row in histories.versions()["units"] if row[0] == "U"] == [
        ("U", date(2010, 1, 1), DAYS[6], "p/a/u"),
        ("U", DAYS[6], LAST, "p/b/u"),
    ]
    # The file of the day between arrives last: U hung right below P for two days.
    late = [unit("U", "P", 3, _op="U", **opened)]
    histories.deliver("crm__units", late, datetime(2026, 3, 20), business_date=DAYS[4])
    histories.run()
    assert [row for row in histories.versions()["units"] if row[0] == "U"] == [
        ("U", date(2010, 1, 1), DAYS[4], "p/a/u"),
        ("U", DAYS[4], DAYS[6], "p/u"),
        ("U", DAYS[6], LAST, "p/b/u"),
    ]
    histories.home.withdraw("crm__units", f"b{histories.batches}")
    histories.home.withdraw("crm__units", f"b{histories.batches - 1}")
    histories.run()
    assert [row for row in histories.versions()["units"] if row[0] == "U"] == [
        ("U", date(2010, 1, 1), LAST, "p/a/u")
    ]


def test_a_table_that_tells_no_date_is_dated_by_the_local_day_it_was_read(
    histories: Histories,
) -> None:
    histories.clear()
    histories.deliver("crm__units", first_units(), datetime(2026, 3, 1, 1))
    # 16:30 UTC of the 5th is the 6th in Shanghai; of the two of that day the later counts.
    moved = [unit("U", "B", 3, _op="U")]
    histories.deliver("crm__units", moved, datetime(2026, 3, 5, 16, 30))
    histories.deliver("crm__units", [unit("U", "P", 2, _op="U")], datetime(2026, 3, 6, 2))
    histories.run()
    assert [row for row in histories.versions()["units"] if row[0] == "U"] == [
        ("U", FIRST, date(2026, 3, 6), "p/a/u"),
        ("U", date(2026, 3, 6), LAST, "p/u"),
    ]


def test_units_below_each_other_have_a_history_that_ends(histories: Histories) -> None:
    histories.clear()
    rows = [unit("P", None, 1), unit("X", "Y", 2), unit("Y", "X", 2), unit("Z", "Z", 3)]
    histories.deliver("crm__units", rows, datetime(2026, 3, 1, 1))
    histories.deliver("crm__units", [unit("Y", "P", 2, _op="U")], datetime(2026, 3, 4, 1))
    histories.run()
    found = {(row[0], row[1]): row[2] for row in histories.versions()["units"]}
    assert found == {
        ("P", FIRST): LAST,
        ("X", FIRST): date(2026, 3, 4),
        ("X", date(2026, 3, 4)): LAST,
        ("Y", FIRST): date(2026, 3, 4),
        ("Y", date(2026, 3, 4)): LAST,
        ("Z", FIRST): LAST,
    }


def by_hand(told: list[tuple[date, Row]]) -> list[tuple[date, date, Any]]:
    """Versions of one customer's unit by a walk over what was told, last of the day first."""
    versions: list[tuple[date, Any]] = []
    for day in sorted({day for day, _ in told}):
        unit_code = [row["unit_code"] for on, row in told if on == day][-1]
        if not versions or versions[-1][1] != unit_code:
            versions.append((day if versions else FIRST, unit_code))
    ends = [*(begins for begins, _ in versions[1:]), LAST]
    return [(begins, end, code) for (begins, code), end in zip(versions, ends, strict=True)]


def test_random_deliveries_make_the_versions_a_walk_by_hand_makes(histories: Histories) -> None:
    rng = random.Random(20260330)
    histories.clear()
    histories.deliver("crm__units", first_units(), datetime(2026, 3, 1, 1))
    told: dict[str, list[tuple[date, Row]]] = {}
    files = []
    for day in DAYS:
        for sequence in (1, 2):
            chosen = [f"R{n}" for n in range(40) if rng.random() < 0.3]
            rows = [customer(number, rng.choice(["U", "V", "C"])) for number in chosen]
            for row in rows:
                told.setdefault(row["customer_no"], []).append((day, row))
            files.append((day, sequence, rows))
    rng.shuffle(files)
    for place, (day, sequence, rows) in enumerate(files):
        arrived = datetime(2026, 3, 20, 1) + timedelta(hours=place)
        histories.deliver("crm__customers", rows, arrived, business_date=day, sequence=sequence)
    histories.run()
    found: dict[str, list[Version]] = {}
    for number, begins, ends, unit_code, *_ in histories.versions()["customers"]:
        found.setdefault(number, []).append((begins, ends, unit_code))
    assert found == {number: by_hand(rows) for number, rows in told.items()}
    assert sum(len(rows) for rows in found.values()) > 80
    # Any day finds one version of every customer: a join at a date neither doubles nor loses.
    joined = histories.home.rows(
        "select count(*) as n, count(h.customer_id) as found from marts.dim_customer as c "
        "cross join range(date '2026-02-20', date '2026-03-20', interval 1 day) as d(day) "
        "left join marts.dim_customer_history as h on c.customer_id = h.customer_id "
        "and h.valid_from <= d.day and d.day < h.valid_to"
    )
    assert joined == [{"n": 28 * len(told), "found": 28 * len(told)}]


@pytest.fixture(scope="module")
def remapped(histories: Histories) -> tuple[RawHome, list[tuple[str, str]]]:
    """The same home with cases in four categories and rules of the operator; what dbt warned of."""
    home = histories.home
    home.add(
        "hotline__cases",
        [
            case("1", datetime(2026, 3, 1, 2), category_path="宽带/故障"),
            case("2", datetime(2026, 3, 1, 2), category_path="网络/断网"),
            case("3", datetime(2026, 3, 1, 2), category_path="资费"),
            case("4", datetime(2026, 3, 1, 2), category_path="甲"),
        ],
        day="created_at",
    )
    home.add("hotline__events", [event("E1", "1", "JJ", datetime(2026, 3, 2))], day="event_at")
    rules = [
        ("宽带", "网络/宽带", "2026-02-01"),
        ("网络", "业务/网络", "2026-03-01"),
        ("甲", "乙", "2026-01-01"),
        ("乙", "甲", "2026-01-01"),
    ]
    for number, (path_from, path_to, valid_from) in enumerate(rules, start=1):
        home.execute(
            "insert into raw.operator_category_remap "
            "(source, path_from, path_to, valid_from, row_no, recorded_at) "
            "values ('hotline', ?, ?, ?, ?, ?)",
            [path_from, path_to, valid_from, number, datetime(2026, 3, 2)],
        )
    warnings = home.dbt(
        "build",
        "--exclude-resource-type",
        "unit_test",
        "--indirect-selection",
        "cautious",
        "--select",
        "+dim_category",
        "assert_category_remaps_are_sound",
    )
    return home, warnings


def test_a_remap_moves_a_category_and_all_below_it_along_the_chain(
    remapped: tuple[RawHome, list[tuple[str, str]]],
) -> None:
    home, _ = remapped
    rows = home.rows("select told_path, path, l1_name, l2_name, l3_name from marts.dim_category")
    places = {row["told_path"]: row["path"] for row in rows}
    assert places["宽带/故障"] == "业务/网络/宽带/故障"
    assert places["网络/断网"] == "业务/网络/断网"
    assert places["资费"] == "资费"
    # Every place has its own row, so the tree has no hole.
    assert {"业务", "业务/网络", "业务/网络/宽带"} <= set(places)
    (fault,) = [row for row in rows if row["told_path"] == "宽带/故障"]
    assert (fault["l1_name"], fault["l2_name"], fault["l3_name"]) == ("业务", "网络", "宽带")


def test_a_category_has_its_places_of_then_in_its_history(
    remapped: tuple[RawHome, list[tuple[str, str]]],
) -> None:
    home, _ = remapped
    rows = home.rows(
        "select valid_from, valid_to, path from marts.dim_category_history "
        "where told_path = '宽带/故障' order by valid_from"
    )
    assert [tuple(row.values()) for row in rows] == [
        (FIRST, date(2026, 2, 1), "宽带/故障"),
        (date(2026, 2, 1), date(2026, 3, 1), "网络/宽带/故障"),
        (date(2026, 3, 1), LAST, "业务/网络/宽带/故障"),
    ]


def test_rules_that_lead_round_in_a_circle_are_warned_of(
    remapped: tuple[RawHome, list[tuple[str, str]]],
) -> None:
    home, warnings = remapped
    # 甲 and 乙 lead to each other; the rule added later wins, so both stand at 甲.
    rows = home.rows(
        "select told_path, path from marts.dim_category where told_path in ('甲', '乙')"
    )
    assert {row["told_path"]: row["path"] for row in rows} == {"甲": "甲", "乙": "甲"}
    assert warnings == [
        (
            "assert_category_remaps_are_sound",
            "warn: Got 2 results, configured to warn if != 0",
        )
    ]
