"""The commands for partners, as a person types them."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from connectors.contract import load_contract
from tests.connectors.conftest import SHOP, load_one
from tests.pipelines.conftest import Command


def test_a_sample_is_checked_without_a_finding_and_without_a_home(
    huiyin: Command, tmp_path: Path
) -> None:
    code, out, _ = huiyin("contract", "sample", "billing.payments", "--into", tmp_path / "out")
    assert code == 0
    path = tmp_path / "out/payments_20260330_0001.txt"
    assert out.splitlines() == [str(path), f"{path}.send.log"]
    # The log names the source, so it need not be said.
    code, out, _ = huiyin("contract", "check", path, "--language", "en")
    assert code == 0 and "No findings: it can be delivered." in out
    code, out, _ = huiyin("contract", "check", tmp_path / "out", "--language", "zh")
    assert code == 0 and "没有问题，可以交付。" in out
    assert not (tmp_path / "home").exists()


def test_the_same_seed_writes_the_same_delivery(huiyin: Command, tmp_path: Path) -> None:
    for name in ("a", "b"):
        huiyin("contract", "sample", "letters", "--seed", "3", "--into", tmp_path / name)
    bodies = [(tmp_path / name / "letters_20260330_0001.xlsx").read_bytes() for name in ("a", "b")]
    assert bodies[0] == bodies[1]


def broken(huiyin: Command, folder: Path) -> Path:
    huiyin("contract", "sample", "billing.payments", "--into", folder)
    path = folder / "payments_20260330_0001.txt"
    lines = path.read_bytes().split(b"\n")
    lines[2] = b"P9|C1|13800009999|1,5|20260330080000|cash"
    path.write_bytes(b"\n".join(lines))
    return path


def test_findings_are_told_in_both_languages_and_end_with_1(
    huiyin: Command, tmp_path: Path
) -> None:
    path = broken(huiyin, tmp_path)
    code, out, _ = huiyin("contract", "check", path, "--language", "zh")
    assert code == 1
    assert "malformed_row" in out and "不是金额或小数" in out and "不在允许值之内" in out
    assert "13800009999" not in out
    code, out, _ = huiyin("contract", "check", path, "--language", "en")
    assert code == 1 and "not an amount or decimal" in out and "findings." in out
    code, out, _ = huiyin("contract", "check", path, "--format", "json")
    found = json.loads(out)["findings"]
    assert code == 1
    assert [(one["code"], one["line"], one["column"]) for one in found] == [
        ("lying_log", None, None),
        ("malformed_row", 3, "amount"),
        ("malformed_row", 3, "method"),
    ]
    assert all(one["hint"] and one["says"] for one in found)


def test_a_log_can_be_written_for_a_file_made_by_hand(huiyin: Command, tmp_path: Path) -> None:
    huiyin("contract", "sample", "billing.payments", "--into", tmp_path)
    path = tmp_path / "payments_20260330_0001.txt"
    log = path.with_name(f"{path.name}.send.log")
    first = json.loads(log.read_text())
    log.unlink()
    renamed = path.rename(tmp_path / "payments_20260330_0012.txt")
    code, out, _ = huiyin(
        "contract", "announce", renamed, "--source", "billing", "--language", "en"
    )
    assert code == 0 and "sequence 12, 10 records" in out
    again = json.loads(renamed.with_name(f"{renamed.name}.send.log").read_text())
    assert again == first | {"file": renamed.name, "sequence": 12}


def test_a_file_with_findings_is_announced_and_told(huiyin: Command, tmp_path: Path) -> None:
    path = broken(huiyin, tmp_path)
    code, out, _ = huiyin("contract", "announce", path, "--source", "billing", "--language", "en")
    assert code == 1 and "2 findings." in out


def test_a_file_that_cannot_be_announced_is_told_in_both_languages(
    huiyin: Command, tmp_path: Path
) -> None:
    path = broken(huiyin, tmp_path)
    path.write_bytes(b"payment_no\xff\xff\n")
    code, _, err = huiyin("contract", "announce", path, "--source", "billing")
    assert code == 2
    first, advice, error = err.splitlines()
    assert (
        first == "字节不是约定的编码 / the bytes are not in the agreed encoding (broken_encoding)"
    )
    assert advice.startswith("  整批拒收；") and "/ refused whole: " in advice
    assert error.startswith("  The delivery is refused (broken_encoding)")


def test_the_document_comes_in_both_languages_and_for_programs(huiyin: Command) -> None:
    code, out, _ = huiyin("contract", "describe", "letters", "--language", "zh")
    assert code == 0 and out.startswith("# 数据交换约定: 来信登记") and "`来信编号`" in out
    code, out, _ = huiyin("contract", "describe", "letters", "--language", "en")
    assert code == 0 and "## Codes" in out
    code, out, _ = huiyin("contract", "describe", "letters", "--format", "json")
    assert code == 0 and json.loads(out)["interface"]["format"] == "spreadsheet"
    code, _, err = huiyin("contract", "describe", "letters", "--format", "pdf")
    assert code == 2 and "markdown | json" in err


def test_the_version_and_the_branches_of_a_contract_reach_the_partner(
    huiyin: Command, tmp_path: Path
) -> None:
    agreed = copy.deepcopy(SHOP) | {"version": "2026-04"}
    agreed["streams"]["sales"] |= {"branches": ["east", "west"]}
    load_one(tmp_path / "home" / "site" / "connectors" / "sources", agreed)
    _, chinese, _ = huiyin("contract", "describe", "shop", "--language", "zh")
    assert "- 版本: 2026-04\n" in chinese and "- 分支: `east`, `west`\n" in chinese
    assert '"contract_version": "2026-04"' in chinese and '"branch": "east"' in chinese
    _, english, _ = huiyin("contract", "describe", "shop", "--language", "en")
    assert "- Version: 2026-04\n" in english and "- Branches: `east`, `west`\n" in english
    huiyin("contract", "sample", "shop", "--into", tmp_path / "out")
    path = tmp_path / "out/sales_20260330_0001.txt"
    log = Path(f"{path}.send.log")
    body = json.loads(log.read_text())
    assert (body["contract_version"], body["branch"]) == ("2026-04", "east")
    assert huiyin("contract", "check", path)[0] == 0
    log.write_text(json.dumps(body | {"contract_version": "2025-11", "branch": "estt"}))
    code, out, _ = huiyin("contract", "check", path, "--format", "json")
    found = {one["code"]: one["detail_zh"] for one in json.loads(out)["findings"]}
    assert code == 1 and found == {
        "contract_version_differs": "日志说的版本是 2025-11，合同是 2026-04",
        "unknown_branch": "日志的 branch 是“estt”，合同只有 east, west",
    }


@pytest.mark.parametrize(
    "arguments",
    [
        ("sample", "nobody.rows"),
        ("sample", "billing"),
        ("sample", "billing.nothing"),
        ("sample", "billing.payments", "--date", "30.3.2026"),
        ("check", "nowhere.txt"),
        ("announce", "nowhere.txt", "--source", "billing"),
        ("describe", "nobody"),
    ],
)
def test_wrong_words_are_told_with_the_right_ones(
    huiyin: Command, arguments: tuple[str, ...]
) -> None:
    code, _, err = huiyin("contract", *arguments)
    assert code == 2 and "Error" in err and "Traceback" not in err


def test_a_source_of_tables_has_no_files_to_check(huiyin: Command, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    code, _, err = huiyin("contract", "check", tmp_path / "a.txt", "--contract", "hall")
    assert code == 2 and "does not deliver files" in err


def test_a_partner_can_check_by_a_contract_file(huiyin: Command, tmp_path: Path) -> None:
    huiyin("contract", "sample", "billing.payments", "--into", tmp_path)
    source = Path(__file__).resolve().parents[2] / "connectors/sources/billing.yml"
    contract = tmp_path / "billing.yml"
    contract.write_bytes(source.read_bytes())
    path = tmp_path / "payments_20260330_0001.txt"
    code, _, _ = huiyin("contract", "check", path, "--contract", contract)
    assert code == 0


def test_a_mapping_is_suggested_and_loads(huiyin: Command, tmp_path: Path) -> None:
    path = tmp_path / "cases.csv"
    rows = "".join(
        f"{n},2026-03-{n % 28 + 1:02d},Network {n % 4},North {n % 3},open\n" for n in range(50)
    )
    path.write_text("case id,created,category,region,status\n" + rows)
    code, out, err = huiyin("mapping", "suggest", path, "--source", "ours", "--language", "en")
    assert code == 0 and "50 of 50 rows would land" in err
    (tmp_path / "ours.yml").write_text(out, encoding="utf-8")
    assert load_contract(tmp_path / "ours.yml").source == "ours"


def test_a_data_set_without_cases_ends_with_1(huiyin: Command, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x,y\n1,2\n3,4\n")
    code, out, err = huiyin("mapping", "suggest", path, "--language", "zh")
    assert code == 1 and "没有找到必需的列" in err and out.startswith("# 草稿")
    code, _, err = huiyin("mapping", "suggest", path, "--source", "No Name")
    assert code == 2
