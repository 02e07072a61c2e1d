"""The body of a text message."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from notifications.sms import TextLine, fit, sanitise, segments

GSM_EXTENDED = "^{}\\[~]|€"


def test_160_latin_characters_are_one_segment_and_161_are_two() -> None:
    assert [len(part) for part in segments("a" * 160).parts] == [160]
    assert [len(part) for part in segments("a" * 161).parts] == [153, 8]


def test_70_chinese_characters_are_one_segment_and_71_are_two() -> None:
    assert [len(part) for part in segments("中" * 70).parts] == [70]
    assert [len(part) for part in segments("中" * 71).parts] == [67, 4]
    assert segments("中" * 134).count == 2
    assert segments("中" * 135).count == 3


def test_a_character_of_the_extension_table_counts_twice() -> None:
    assert segments("€" * 80).count == 1
    assert [len(part) for part in segments("€" * 81).parts] == [76, 5]


def test_an_emoji_is_never_cut_in_two() -> None:
    parts = segments("中" * 66 + "😀" * 3).parts
    assert [len(part) for part in parts] == [66, 3]


@settings(max_examples=60)
@given(st.text(alphabet="abc €[中文😀\n1", min_size=1, max_size=400))
def test_parts_join_to_the_text_and_hold_what_a_part_can_hold(text: str) -> None:
    found = segments(text)
    assert "".join(found.parts) == text
    if found.encoding == "gsm7":
        sizes = [sum(2 if c in GSM_EXTENDED else 1 for c in part) for part in found.parts]
        single, several = 160, 153
    else:
        sizes = [len(part.encode("utf-16-be")) // 2 for part in found.parts]
        single, several = 70, 67
    limit = single if found.count == 1 else several
    assert all(size <= limit for size in sizes)
    assert found.count == 1 or sum(sizes) > single


def test_a_typographic_character_does_not_double_the_price() -> None:
    text = "\u201cUp\u201d 5\u202f% \u2013 Mary\u2019s\u00a0team\u2026"
    assert sanitise(text) == '"Up" 5 % - Mary\'s team...'
    assert segments(sanitise(text)).encoding == "gsm7"


def test_chinese_quotation_marks_stay_where_they_cost_nothing() -> None:
    assert sanitise("“宽带”投诉——增5%…") == "“宽带”投诉——增5%…"


def test_invisible_and_control_characters_are_removed() -> None:
    assert sanitise("a\u200bb\ufeffc\x1bd\re\tf") == "abcd\ne f"


@settings(max_examples=60)
@given(st.text(max_size=80))
def test_sanitising_twice_is_the_same_as_once(text: str) -> None:
    assert sanitise(sanitise(text)) == sanitise(text)


def test_the_least_important_lines_are_dropped_whole() -> None:
    lines = [TextLine(1, "甲" * 30), TextLine(3, "丙" * 30), TextLine(2, "乙" * 30)]
    body = fit("【回音】", lines, 1)
    assert body.text == "【回音】" + "甲" * 30 + "\n" + "乙" * 30
    assert body.dropped == (3,)
    assert body.segments.count == 1


def test_the_most_important_line_is_never_cut_even_if_it_is_too_long() -> None:
    body = fit("【回音】", [TextLine(1, "甲" * 80), TextLine(2, "乙")], 1)
    assert body.text == "【回音】" + "甲" * 80
    assert (body.segments.count, body.dropped) == (2, (2,))


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(1, 5), st.text("甲1a", min_size=1, max_size=40)), max_size=6),
    st.integers(1, 3),
)
def test_what_is_kept_are_whole_lines_in_order_and_no_dropped_line_matters_more(
    rows: list[tuple[int, str]], limit: int
) -> None:
    lines = [TextLine(priority, text) for priority, text in rows]
    body = fit("【回音】", lines, limit)
    kept = body.text.removeprefix("【回音】").split("\n") if lines else []
    kept = [text for text in kept if text]
    assert len(kept) + len(body.dropped) == len(lines)
    remaining = iter(line.text for line in lines)
    assert all(text in remaining for text in kept)
    assert 1 not in body.dropped
    only_first = all(line.priority == 1 for line in lines if line.text in kept)
    assert body.segments.count <= limit or only_first


def test_a_latin_signature_is_set_off_by_a_space() -> None:
    assert fit("[Huiyin]", [TextLine(1, "Chengdu")], 1).text == "[Huiyin] Chengdu"
    assert fit("【回音】", [TextLine(1, "成都")], 1).text == "【回音】成都"
