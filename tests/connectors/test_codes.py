"""Every code that the sources use has its words, and no other has."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from connectors.codes import hint, known_codes, sentence

ROOT = Path(__file__).resolve().parents[2]
_CODE = re.compile(r"[a-z][a-z_]{3,40}")
# A reason made from the type of a column.
_MADE = {f"not_a_{kind}" for kind in ("boolean", "date", "timestamp")}


def sources() -> Iterator[Path]:
    for folder in ("connectors", "pipelines"):
        for path in (ROOT / folder).rglob("*.py"):
            if "simulator" not in path.parts and "intake" not in path.parts:
                yield path


def told(tree: ast.Module) -> Iterator[str]:
    """First arguments of refusals, notes and flaws, and every `code=` given as a text."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else None
        name = node.func.id if isinstance(node.func, ast.Name) else name
        if name in {"RefusedDelivery", "note_event", "Absence", "ColumnFinding"} and node.args:
            yield from texts(node.args[0])
        if name in {"Batch", "Delivery", "replace", "Rejected", "note_event"}:
            for keyword in node.keywords:
                if keyword.arg == "code":
                    yield from texts(keyword.value)
        for keyword in node.keywords:
            if keyword.arg == "flaw":
                yield from texts(keyword.value)


def texts(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value


def test_every_code_that_is_told_has_its_words() -> None:
    used = {
        code: path.name
        for path in sources()
        for code in told(ast.parse(path.read_text(encoding="utf-8")))
        if _CODE.fullmatch(code)
    }
    assert len(used) > 20
    missing = {code: name for code, name in used.items() if code not in known_codes()}
    assert missing == {}


def test_every_reason_of_a_rejected_record_has_its_words() -> None:
    rules = [
        "not_an_integer",
        "not_a_decimal",
        "ambiguous_date",
        "missing_value",
        "below_minimum",
        "above_maximum",
        "value_not_allowed",
        "too_long",
        "wrong_field_count",
        "duplicate_key",
        "unparsable",
        "out_of_window",
        *_MADE,
    ]
    assert [rule for rule in rules if rule not in known_codes()] == []


def test_no_code_has_words_that_nothing_tells() -> None:
    everything = "\n".join(path.read_text(encoding="utf-8") for path in sources())
    unused = [
        code
        for code in known_codes()
        if code not in _MADE and not re.search(rf"""["'|]{code}["'|:]""", everything)
    ]
    assert unused == []


def test_words_are_there_in_both_languages_and_in_order() -> None:
    codes = known_codes()
    assert list(codes) == sorted(codes)
    for code in codes.values():
        assert set(code.says) == set(code.hint) == {"zh", "en"}
        assert all(text.strip() for text in (*code.says.values(), *code.hint.values()))
        assert re.search("[一-鿿]", code.says["zh"]), code.name


def test_a_code_that_is_not_known_stands_for_itself() -> None:
    assert sentence("of_a_newer_program", "zh") == "of_a_newer_program"
    assert sentence(None, "en") == "" and hint("of_a_newer_program", "en") == ""
    assert sentence("wrong_sum", "zh") == "申报的合计与清点不符"
