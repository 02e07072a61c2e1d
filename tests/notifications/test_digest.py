"""Digests: their texts, their queries and their figures."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from cubes.errors import DeclarationError
from notifications.account import WHOLE
from notifications.digest import collect, load_digests, preview
from notifications.publication import SourceState

GOLDENS = Path(__file__).parent / "goldens"


def text(world: Any, digest: str, units: set[str], language: str = "zh", **changes: Any) -> str:
    """The text of a digest as the units' manager gets it."""
    written = preview(
        world.digests[digest],
        frozenset(units),
        world.publication(**changes),
        language=language,
        signature=world.signatures[language],
    )
    assert written is not None
    return written.body.text


def facts(world: Any) -> None:
    """Arrears and complaints of March 2026, by county."""
    world.warehouse.measures |= {
        "monthly_arrears": ("opening", "recovered", "newly_due", "balance", "debtors"),
        "complaints": ("complaints",),
        "overdue_cases": ("open_cases", "overdue_cases"),
    }
    world.warehouse.ratios["recovery_rate"] = ("recovered", ("opening", "newly_due"))
    arrears = [
        ("CD1", "150000", "48000", "21000", "123000", 310),
        ("MY1", "36500", "12000", "3000", "27500", 90),
    ]
    world.warehouse.facts["monthly_arrears"] = [
        {
            "unit": unit,
            "opening": opening,
            "recovered": recovered,
            "newly_due": due,
            "balance": balance,
            "debtors": debtors,
        }
        for unit, opening, recovered, due, balance, debtors in arrears
    ]
    complaints = [("CD1", "宽带", 9, 6), ("CD2", "资费", 4, 2), ("MY1", "宽带", 2, 4)]
    world.warehouse.facts["complaints"] = [
        {"unit": unit, "category.l1": name, "complaints": now, "complaints__previous": before}
        for unit, name, now, before in complaints
    ]
    world.warehouse.facts["overdue_cases"] = [
        {"unit": "CD1", "open_cases": 20, "overdue_cases": 3},
        {"unit": "MY1", "open_cases": 7, "overdue_cases": 0},
    ]


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("digest", ["complaints", "daily_sales", "monthly_arrears"])
def test_the_text_of_a_shipped_digest_stays_as_it_was_approved(
    world: Any, digest: str, language: str
) -> None:
    facts(world)
    golden = GOLDENS / f"{digest}.{language}.txt"
    written = text(world, digest, {"SC"}, language) + "\n"
    if os.environ.get("UPDATE_GOLDENS") == "1":
        golden.write_text(written, encoding="utf-8")
    assert written == golden.read_text(encoding="utf-8")


def test_a_superior_reads_the_sum_of_what_the_subordinates_read(world: Any) -> None:
    assert "3月30日销售收入¥20万，比上周同日增23.1%" in text(world, "daily_sales", {"SC"})
    assert "3月30日销售收入¥15万，比上周同日增50%" in text(world, "daily_sales", {"CD"})
    assert "3月30日销售收入¥5万，比上周同日降20%" in text(world, "daily_sales", {"MY"})
    assert "3月30日销售收入¥9万，比上周同日增50%" in text(world, "daily_sales", {"CD1"})


def test_all_units_of_a_level_share_one_query_a_table(world: Any) -> None:
    wanted = [frozenset({unit}) for unit in ("SC", "CD", "MY", "CD1", "CD2", "MY1")]
    collect(world.digests["daily_sales"], wanted, world.publication(), world.day)
    tables_by_level = {1: 3, 2: 3, 3: 2}
    assert len(world.warehouse.calls) == sum(tables_by_level.values())
    assert all(units is None for _, units, _ in world.warehouse.calls)


def test_an_account_with_several_units_gets_their_sum_by_a_query_of_its_own(world: Any) -> None:
    assert text(world, "daily_sales", {"CD1", "MY1"}).startswith(
        "【回音】锦江分公司、涪城分公司3月30日销售收入¥14万"
    )
    assert {units for _, units, _ in world.warehouse.calls} == {frozenset({"CD1", "MY1"})}


def test_the_whole_is_told_as_all_units(world: Any) -> None:
    assert text(world, "daily_sales", {WHOLE}, "en").startswith(
        "[Huiyin] All units Mar 30: sales ¥200,000"
    )


def test_a_unit_without_rows_is_told_zero_and_no_change(world: Any) -> None:
    world.warehouse.facts["daily_sales"] = world.warehouse.facts["daily_sales"][:2]
    assert text(world, "daily_sales", {"MY"}) == (
        "【回音】绵阳分公司3月30日销售收入¥0\n订单0笔，新装0笔"
    )


def test_figures_of_a_month_name_the_days_that_are_missing_in_them(world: Any) -> None:
    facts(world)
    days = [date(2026, 2, 27), *(date(2026, 3, number) for number in (24, 26, 27, 28))]
    sources = {"billing": SourceState(date(2026, 2, 26), frozenset(days))}
    written = text(world, "monthly_arrears", {"MY"}, sources=sources).splitlines()
    assert written[1] == "未含3月24日、3月26日、3月27日等4天未到数据"
    english = text(world, "monthly_arrears", {"MY"}, "en", sources=sources).splitlines()
    assert english[1] == "Without data of Mar 24, Mar 26, Mar 27 and 1 more"
    complete = text(world, "monthly_arrears", {"MY"})
    assert "未到" not in complete


def test_a_stock_is_not_told_under_an_older_date(world: Any) -> None:
    facts(world)
    stale = {"hotline": SourceState(date(2026, 3, 29))}
    written = preview(
        world.digests["complaints"],
        frozenset({"SC"}),
        world.publication(sources=stale),
        language="zh",
        signature="【回音】",
    )
    assert written is not None
    assert "截至3月29日，3月30日数据未到" in written.body.text
    assert "在途" not in written.body.text
    assert (written.figures["open_cases"], written.figures["complaints"]) == (None, "15")
    assert "在途工单27件，其中超期3件" in text(world, "complaints", {"SC"})


def test_a_digest_of_stocks_alone_cannot_be_stamped(tmp_path: Path) -> None:
    good = (Path(__file__).parents[2] / "notifications/digests/complaints.yml").read_text("utf-8")
    bad = good.replace("unit: {query: complaints}", "unit: {query: complaints, stock: true}")
    (tmp_path / "complaints.yml").write_text(bad, encoding="utf-8")
    with pytest.raises(DeclarationError, match="line of priority 1 that uses no stock"):
        load_digests([tmp_path])


def test_the_names_of_shipped_digests_rules_and_roles_stand_in_both_languages() -> None:
    package = Path(__file__).parents[2] / "notifications"
    files = [path for part in ("digests", "alerts", "roles") for path in package.glob(f"{part}/*")]
    assert len(files) >= 6
    for path in files:
        declared = yaml.safe_load(path.read_text("utf-8"))
        for key in ("label", "category", "description"):
            if key in declared:
                assert set(declared[key]) == {"zh", "en"}, (path.name, key)


def test_a_unit_the_snapshot_does_not_know_has_no_text(world: Any) -> None:
    digest = world.digests["daily_sales"]
    options: Any = {"language": "zh", "signature": "【回音】"}
    assert preview(digest, frozenset({"XX"}), world.publication(), **options) is None


def test_a_digest_keeps_its_budget_of_segments(world: Any) -> None:
    facts(world)
    for name, digest in world.digests.items():
        for language in ("zh", "en"):
            for unit in ("SC", "CD", "MY1"):
                written = preview(
                    digest,
                    frozenset({unit}),
                    world.publication(),
                    language=language,
                    signature=world.signatures[language],
                )
                assert written is not None
                assert written.body.segments.count <= digest.segments, (name, language, unit)


def test_all_faults_of_a_digest_file_are_told_with_their_lines(tmp_path: Path) -> None:
    good = (Path(__file__).parents[2] / "notifications/digests/daily_sales.yml").read_text("utf-8")
    bad = good.replace("digest: daily_sales", "digest: other").replace("segments: 2", "segments: 9")
    (tmp_path / "daily_sales.yml").write_text(bad, encoding="utf-8")
    with pytest.raises(DeclarationError) as caught:
        load_digests([tmp_path])
    assert {fault.line for fault in caught.value.faults} == {1, 10}


def test_a_template_that_names_an_unknown_value_fails_to_load(tmp_path: Path) -> None:
    good = (Path(__file__).parents[2] / "notifications/digests/daily_sales.yml").read_text("utf-8")
    bad = good.replace("{{ orders|number }}笔", "{{ order|number }}笔")
    (tmp_path / "daily_sales.yml").write_text(bad, encoding="utf-8")
    with pytest.raises(DeclarationError, match="did you mean 'orders'"):
        load_digests([tmp_path])
