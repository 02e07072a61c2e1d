"""Drafts of mappings, tried on public data and on a table made here."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from connectors.conformance.file_profile import UnknownGrammar, profile_file
from connectors.conformance.mapping_draft import MappingDraft, draft_mapping, source_name
from connectors.contract import SOURCES, Contract, load_contract
from connectors.files.reading import read_typed


def draft(path: Path, source: str, language: str = "en") -> MappingDraft:
    return draft_mapping(
        path,
        source=source,
        zone="America/New_York",
        calendar="weekdays",
        currency="USD",
        language=language,
    )


def loaded(found: MappingDraft, folder: Path, source: str) -> Contract:
    path = folder / f"{source}.yml"
    path.write_text(found.text, encoding="utf-8")
    return load_contract(path)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_draft_of_the_bureau_is_close_to_the_shipped_contract(
    real_data: Path, tmp_path: Path, language: str
) -> None:
    path = real_data / "cfpb-sample/complaints_sample.csv"
    ours = loaded(draft(path, "cfpb", language), tmp_path, "cfpb")
    shipped = load_contract(SOURCES / "cfpb.yml")
    assert ours.map is not None and shipped.map is not None
    assert ours.dates is not None and shipped.dates is not None
    for part in ("case_no", "created", "kind", "org", "text"):
        assert getattr(ours.map, part) == getattr(shipped.map, part)
    assert set(shipped.map.category) <= set(ours.map.category)
    assert ours.map.channel is not None and shipped.map.channel is not None
    assert ours.map.channel.values.items() <= shipped.map.channel.values.items()
    assert ours.map.status is not None and shipped.map.status is not None
    assert ours.map.status.values.items() <= shipped.map.status.values.items()
    assert (ours.dates.format, ours.dates.precision) == ("%Y-%m-%d", "day")
    assert (ours.layout.delimiter, ours.layout.quote) == (",", '"')


def test_the_draft_of_the_city_is_close_to_the_shipped_contract(
    real_data: Path, tmp_path: Path
) -> None:
    path = real_data / "nyc311-tuplex/311_subset.micro.csv"
    ours = loaded(draft(path, "nyc311"), tmp_path, "nyc311")
    shipped = load_contract(SOURCES / "nyc311.yml")
    assert ours.map is not None and shipped.map is not None
    assert ours.dates is not None and shipped.dates is not None
    same = ("case_no", "created", "resolved", "closed", "due", "category", "org", "text")
    for part in same:
        assert getattr(ours.map, part) == getattr(shipped.map, part)
    assert ours.map.channel is not None and shipped.map.channel is not None
    assert ours.map.channel.values.items() <= shipped.map.channel.values.items()
    assert ours.dates.format == shipped.dates.format
    assert ours.map.drop == ("Incident Address",)
    with duckdb.connect() as connection:
        typed = read_typed(path, ours, "cases", connection, zone="America/New_York")
        row = connection.execute("select count(*) from typed where _fault is null").fetchone()
    assert (typed.reading.records, row) == (2000, (2000,))


def test_a_table_without_cases_says_what_is_missing(real_data: Path) -> None:
    found = draft(real_data / "modeldata-churn/wa_churn.csv", "wa_churn")
    assert set(found.missing) == {"case_no", "created", "category", "org"}
    assert "No column was found for case_no" in found.text


CHINESE = (
    "工单编号|受理时间|办结时间|诉求类型|问题类别|受理渠道|办理情况|责任部门|联系电话|客户姓名|诉求内容\n"
    + "".join(
        f"GD{number:04d}|2026/3/{number % 28 + 1} 08:{number % 60:02d}|"
        f"2026/3/{number % 28 + 2} 09:00|{'投诉' if number % 2 else '咨询'}|网络质量{number % 5}|"
        f"{'微信' if number % 3 else '热线电话'}|{'已办结' if number % 4 else '处理中'}|"
        f"分公司{number % 7}|138{number:08d}|张三{number}|"
        f"用户反映家里宽带从昨天晚上开始经常断线，已经重启过光猫，仍然没有恢复，请尽快派人上门处理{number}\n"
        for number in range(60)
    )
)


def test_a_chinese_export_is_understood(tmp_path: Path) -> None:
    path = tmp_path / "工单.txt"
    path.write_bytes(CHINESE.encode("gb18030"))
    found = draft(path, "orders", "zh")
    contract = loaded(found, tmp_path, "orders")
    assert (contract.layout.encoding, contract.layout.delimiter) == ("gb18030", "|")
    mapping = contract.map
    assert mapping is not None and contract.dates is not None
    assert (mapping.case_no, mapping.created, mapping.closed) == (
        "工单编号",
        "受理时间",
        "办结时间",
    )
    assert contract.dates.format == "%Y/%m/%d %H:%M"
    assert mapping.kind.values == {"投诉": "complaint", "咨询": "inquiry"}
    assert mapping.channel is not None
    assert mapping.channel.values == {"微信": "wechat", "热线电话": "phone"}
    assert mapping.status is not None
    assert mapping.status.values == {"已办结": "closed", "处理中": "in_progress"}
    assert mapping.category == ("问题类别",) and mapping.org == ("责任部门",)
    assert set(mapping.drop) == {"联系电话", "客户姓名"}
    assert mapping.text is not None and mapping.text.column == "诉求内容"


def test_no_value_of_a_person_stands_in_a_draft(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(CHINESE.encode())
    text = draft(path, "orders").text
    assert "13800000001" not in text and "张三1" not in text and "宽带从昨天" not in text


def test_days_before_months_are_not_guessed_in_silence(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = "".join(f"{n},{n % 9 + 1:02d}/03/2026,Network,North,open\n" for n in range(1, 30))
    path.write_text("case id,created,category,region,status\n" + rows)
    assert "check the order of day and month" in draft(path, "a").text


def test_odd_delimiters_and_values_survive_yaml(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    rows = "".join(
        f"{n}\x052026-03-{n % 28 + 1:02d}\x05Net: [a], {{b}} {n % 4}\x05'x' # {n % 3}\x05- open\n"
        for n in range(1, 40)
    )
    path.write_text("case: id\x05created\x05category\x05branch #1\x05status\n" + rows)
    contract = loaded(draft(path, "a"), tmp_path, "a")
    assert contract.layout.delimiter == "\x05"
    assert contract.map is not None and contract.map.org == ("branch #1",)


@pytest.mark.parametrize("content", [b"", b"one line", b"\0\1\2", b"a\nb\nc\n"])
def test_what_is_no_table_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(UnknownGrammar):
        profile_file(path)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("My Data.csv", "my_data"), ("311_subset.csv", "data_311_subset"), ("工单.csv", "data")],
)
def test_a_source_is_named_after_its_file(name: str, expected: str) -> None:
    assert source_name(Path(name)) == expected
