"""Member syntax."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cubes.member import format_member, parse_member, split_range


def test_a_path_is_split_at_unescaped_slashes() -> None:
    assert parse_member("四川/成都").path == ("四川", "成都")
    assert parse_member(r"Street\/Sidewalk/Noise").path == ("Street/Sidewalk", "Noise")


def test_a_number_sign_names_a_code_unless_escaped() -> None:
    assert parse_member("#5101").code == "5101"
    assert parse_member(r"\#5101").code is None
    assert parse_member(r"\#5101").path == ("#5101",)


def test_a_range_is_split_at_unescaped_dots() -> None:
    assert split_range("2026-01..2026-03") == ("2026-01", "2026-03")
    assert split_range(r"a\.\.b") is None
    assert split_range("a.b") is None


@given(st.lists(st.text(st.sampled_from("ab/\\#. 四"), min_size=1), min_size=1, max_size=4))
def test_a_written_path_reads_back(path: list[str]) -> None:
    text = format_member(tuple(path))
    assert split_range(text) is None
    member = parse_member(text)
    assert member.code is None
    assert member.path == tuple(path)
