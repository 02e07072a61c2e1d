"""What is delivered, when, and that delivering again changes nothing."""

import json
import re
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.simulator import (
    DamagedState,
    NotSimulated,
    OtherSimulation,
    Truth,
    WrongSetting,
    simulate,
    simulate_next_day,
)
from tests.connectors.simulator.channel_reading import Channels, body_of

SEED, SCALE = 11, 0.05


def contents(home: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(home)): p.read_bytes() for p in sorted(home.rglob("*")) if p.is_file()
    }


def test_the_same_seed_gives_the_same_bytes(home: Path, tmp_path: Path) -> None:
    simulate(tmp_path, seed=SEED, scale=SCALE)
    assert contents(tmp_path) == contents(home)


def test_another_seed_gives_other_bytes(home: Path, tmp_path: Path) -> None:
    simulate(tmp_path, seed=SEED + 1, scale=SCALE)
    name = "exchange/hotline/cases_20260228_0014.txt"
    assert contents(tmp_path)[name] != contents(home)[name]


def test_files_agree_with_their_logs_except_the_planted_ones(landed: Any, truth: Truth) -> None:
    wrong = {f.path.name for f in landed.files if not f.agrees()}
    planted = {d["batch"] for d in truth.defects if d["code"] in ("wrong_sum", "missing_log")}
    assert wrong == planted == {"usage_20260326_0004.txt", "usage_20260327_0005.txt"}


def test_every_day_of_every_stream_is_covered_once(landed: Any) -> None:
    first = {"usage": "2026-03-01"}
    for stream in ("bills", "payments", "cases", "events"):
        logs = [f.log for f in landed.files if f.stream == stream and "_R" not in f.path.name]
        logs.sort(key=lambda log: log["sequence"])
        assert [log["sequence"] for log in logs] == list(range(1, 23))
        assert logs[0]["covers_from"] == first.get(stream, "2025-01-01")
        assert logs[14]["covers_from"] == "2026-03-01"
        assert [log["business_date"] for log in logs[14:]] == [
            f"2026-03-{day}" for day in range(23, 31)
        ]
        assert all(log["covers_from"] == log["business_date"] for log in logs[15:])


def test_rows_lie_on_the_days_their_log_covers(landed: Any) -> None:
    columns = {"bills": "billed_at", "payments": "paid_at", "cases": "created_at",
               "events": "event_at", "usage": "started_at"}  # fmt: skip
    for file in landed.files:
        if file.log is not None and file.stream in columns:
            days = {row[columns[file.stream]].date().isoformat() for row in file.good_rows()}
            assert all(file.log["covers_from"] <= d <= file.log["business_date"] for d in days)


def test_malformed_rows_are_the_listed_ones(landed: Any, truth: Truth) -> None:
    listed = {d["batch"]: d["records"] for d in truth.defects if d["code"] == "malformed_row"}
    assert {name.split("_")[0] for name in listed} == {"payments", "events", "calls"}
    for file in landed.files:
        good = {tuple(map(str, r.values())) for r in file.good_rows()}
        bad = len(file.records) - len(good)
        assert bad == len(listed.get(file.path.name, [])), file.path.name
    for records in listed.values():
        assert [r["fault"] for r in sorted(records, key=lambda r: r["record_no"])] == [
            "bad_number",
            "impossible_date",
            "too_few_fields",
            "missing_required",
        ]


def test_a_listed_record_is_found_at_its_line(home: Path, truth: Truth) -> None:
    defect = next(d for d in truth.defects if d["stream"] == "payments")
    lines = (home / "exchange/billing" / defect["batch"]).read_text("gb18030").split("\n")
    by_fault = {r["fault"]: lines[r["line"] - 1] for r in defect["records"]}
    assert "贰佰元整" in by_fault["bad_number"]
    assert "20260230" in by_fault["impossible_date"]
    assert by_fault["too_few_fields"].count("|") == 2
    assert by_fault["missing_required"].split("|")[3] == ""


def test_the_duplicate_has_the_same_content_and_sequence_under_another_name(
    home: Path, truth: Truth
) -> None:
    folder = home / "exchange/billing"
    defect = next(d for d in truth.defects if d["code"] == "duplicate_batch")
    first, second = defect["original"], defect["batch"]
    assert first != second
    assert (folder / first).read_bytes() == (folder / second).read_bytes()
    logs = [json.loads((folder / f"{name}.send.log").read_text()) for name in (first, second)]
    assert logs[0]["sequence"] == logs[1]["sequence"] == 17
    assert [log["file"] for log in logs] == [first, second]


def test_simulating_again_delivers_nothing(home: Path, truth: Truth, tmp_path: Path) -> None:
    copy = tmp_path / "home"
    shutil.copytree(home, copy)
    taken = copy / "exchange/billing/bills_20260228_0014.txt"
    archive = taken.parent / "archive"
    archive.mkdir()
    taken.rename(archive / taken.name)
    before = contents(copy)
    assert simulate(copy, seed=SEED, scale=SCALE) == truth
    assert contents(copy) == before


def test_a_delivery_that_was_cut_off_is_completed(home: Path, truth: Truth, tmp_path: Path) -> None:
    copy = tmp_path / "home"
    shutil.copytree(home, copy)
    state = {"seed": SEED, "scale": SCALE, "through": None}
    (copy / "simulator/state.json").write_text(json.dumps(state))
    (copy / "simulator/truth.json").unlink()
    (copy / "simulator/hall.db").unlink()
    (copy / "exchange/cdr/usage_20260330_0008.txt.send.log").unlink()
    (copy / "exchange/cdr/usage_20260330_0008.txt").write_text("cut off in the mid")
    (copy / "exchange/hotline/cases_20260330_0022.txt").unlink()
    (copy / "exchange/hotline/cases_20260330_0022.txt.send.log").unlink()
    archive = copy / "exchange/billing/archive"
    archive.mkdir()
    for name in ("bills_20250131_0001.txt", "bills_20250131_0001.txt.send.log"):
        (archive.parent / name).rename(archive / name)
    assert simulate(copy, seed=SEED, scale=SCALE) == truth
    expected = contents(home)
    for name in ("bills_20250131_0001.txt", "bills_20250131_0001.txt.send.log"):
        expected[f"exchange/billing/archive/{name}"] = expected.pop(f"exchange/billing/{name}")
    assert contents(copy) == expected


def test_no_temporary_file_is_left(home: Path) -> None:
    assert not [name for name in contents(home) if Path(name).name.startswith(".")]


def test_the_next_day_continues_and_changes_no_earlier_file(
    home: Path, truth: Truth, tmp_path: Path, land_home: Any
) -> None:
    copy = tmp_path / "home"
    shutil.copytree(home, copy)
    before = contents(copy / "exchange")
    orders = len(land_home(copy).tables["orders"])
    second = simulate_next_day(copy)
    third = simulate_next_day(copy)
    after = contents(copy / "exchange")
    assert (second.business_date, third.business_date) == ("2026-03-31", "2026-04-01")
    assert {name: after[name] for name in before} == before
    added = sorted(name for name in after if name not in before and name.endswith(".txt"))
    assert len(added) == 12
    assert "cdr/usage_20260401_0010.txt" in added
    names = {name.split("/")[-1] for name in after if name not in before}
    assert {"letters_20260401_0012.xlsx", "calls_mianyang_20260331_0013.dat"} <= names
    assert not [name for name in names if name.startswith("calls_nanchong")]
    landed = land_home(copy)
    new = landed.tables["orders"][orders:]
    assert {r["ordered_at"][:10] for r in new} == {"2026-03-31", "2026-04-01"}
    sequences = [r["ifc_seq"] for r in landed.tables["orders"]]
    assert sequences == list(range(1, len(sequences) + 1))
    assert len({r["order_line_no"] for r in landed.tables["orders"]}) == len(sequences)
    assert third.defects == truth.defects
    told = {
        (f["measure"], f["period"]): f["value"]
        for f in second.figures
        if not f["by"] and not f["cuts"]
    }
    rows = [r for r in landed.tables["orders"] if r["ordered_at"].startswith("2026-03-31")]
    assert Decimal(told["revenue", "2026-03-31"]) == sum(Decimal(r["amount"]) for r in rows)
    march = [r for r in landed.rows["cases"] if f"{r['created_at']:%Y-%m}" == "2026-03"]
    assert told["cases", "2026-03"] == len(march)
    # Simulating the demo again leaves the later days alone.
    assert simulate(copy, seed=SEED, scale=SCALE) == third


def test_the_next_day_cut_off_before_its_end_is_repeated(home: Path, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    shutil.copytree(home, whole)
    simulate_next_day(whole)
    shutil.copytree(whole, cut)
    shutil.copy(home / "simulator/state.json", cut / "simulator/state.json")
    shutil.copy(home / "simulator/hall.db", cut / "simulator/hall.db")
    (cut / "exchange/billing/payments_20260331_0023.txt.send.log").unlink()
    simulate_next_day(cut)
    files = {n: c for n, c in contents(whole).items() if not n.endswith(".db")}
    assert {n: c for n, c in contents(cut).items() if not n.endswith(".db")} == files


def test_nothing_happens_after_the_business_date(landed: Any) -> None:
    last = max(row["event_at"] for row in landed.rows["events"])
    assert last.date().isoformat() == "2026-03-30"
    assert max(r["ordered_at"] for r in landed.tables["orders"])[:10] == "2026-03-30"
    for row in landed.tables["customers"] + landed.tables["staff"]:
        assert max(row["joined_on"], row["left_on"] or "") <= "2026-03-30"


def test_the_tree_has_21_prefectures_and_every_unit_a_parent(landed: Any) -> None:
    levels = [r["level_no"] for r in landed.tables["units"]]
    assert [levels.count(n) for n in (1, 2, 3, 4)] == [1, 21, 180, 600]
    codes = {r["unit_code"] for r in landed.tables["units"]}
    assert all(r["parent_code"] in codes for r in landed.tables["units"][1:])
    names = [(r["parent_code"], r["unit_name"]) for r in landed.tables["units"]]
    assert len(set(names)) == len(names)
    english = [(r["parent_code"], r["unit_name_en"]) for r in landed.tables["units"]]
    assert len(set(english)) == len(english)


def test_phones_are_invented_and_those_of_staff_belong_to_one_person(landed: Any) -> None:
    owners: dict[str, str] = {}
    for row in landed.tables["customers"]:
        if row["phone"] is not None:
            owners[row["phone"]] = row["customer_no"]
    for row in landed.tables["staff"]:
        assert owners.setdefault(row["phone"], row["staff_no"]) == row["staff_no"]
    assert all(re.fullmatch(r"1349\d{7}", number) for number in owners)


def test_leavers_have_successors_and_changes_come_as_updates(landed: Any, truth: Truth) -> None:
    staff = landed.current("staff", "staff_no")
    leaver = next(s for s in truth.stories if s["story"] == "leaver")
    gone, successor = staff[leaver["staff_no"]], staff[leaver["successor_staff_no"]]
    assert (gone["status"], gone["left_on"], gone["ifc_op"]) == ("left", "2026-03-13", "U")
    assert successor["unit_code"] == gone["unit_code"]
    assert successor["joined_on"] > gone["left_on"]
    change = next(s for s in truth.stories if s["story"] == "phone_change")
    numbers = [r["phone"] for r in landed.tables["staff"] if r["staff_no"] == change["staff_no"]]
    assert numbers == [change["phone_before"], change["phone_after"]]
    assert len([r for r in staff.values() if r["status"] == "left"]) > 50


def test_the_demo_managers_are_active_at_their_levels(landed: Any, truth: Truth) -> None:
    staff = landed.current("staff", "staff_no")
    assert [m["unit_code"] for m in truth.managers] == ["SC", "SC06", "SC060101"]
    for manager in truth.managers:
        row = staff[manager["staff_no"]]
        assert (row["unit_code"], row["position"]) == (manager["unit_code"], manager["position"])
        assert row["status"] == "active"


def test_planted_values_stand_in_texts_and_columns(
    home: Path, truth: Truth, channels: Channels, landed: Any
) -> None:
    text = "".join(p.read_text("utf-8") for p in (home / "exchange/hotline").glob("*.txt"))
    text += "".join(p.read_text("utf-8") for p in (home / "exchange/wechat").glob("*.jsonl"))
    text += "".join(p.read_text("gb18030") for p in (home / "exchange/call_centre").glob("*.dat"))
    text += "".join(str(row["内容"]) for row in channels.rows["letters"].values())
    for mail in channels.mails:
        text += str(mail["From"]) + str(mail["Auto-Submitted"]) + body_of(mail)
    text += str([(r["id_card"], r["phone"]) for r in landed.tables["customers"]])
    assert len(truth.planted_personal_values) > 8
    assert [value for value in truth.planted_personal_values if value not in text] == []
    assert any(len(value) == 18 for value in truth.planted_personal_values)


def test_a_wrong_scale_a_second_simulation_and_a_missing_first_one_are_refused(
    home: Path, tmp_path: Path
) -> None:
    with pytest.raises(WrongSetting, match="scale 0"):
        simulate(tmp_path, seed=1, scale=0)
    with pytest.raises(OtherSimulation, match="another home"):
        simulate(home, seed=SEED + 1, scale=SCALE)
    with pytest.raises(NotSimulated, match="simulate it first"):
        simulate_next_day(tmp_path)


def test_a_damaged_state_is_told_and_not_overwritten(tmp_path: Path) -> None:
    state = tmp_path / "simulator/state.json"
    state.parent.mkdir()
    state.write_text('{"seed": 1}')
    with pytest.raises(DamagedState, match=r"state\.json"):
        simulate(tmp_path, seed=1, scale=0.05)
    assert state.read_text() == '{"seed": 1}'
