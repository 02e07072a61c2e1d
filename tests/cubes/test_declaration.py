"""Declarations that are no YAML, or are YAML only to do harm."""

from __future__ import annotations

from pathlib import Path

import pytest

from cubes.declaration import read_yaml
from cubes.errors import Fault


def read(folder: Path, text: str) -> list[Fault]:
    path = folder / "mine.yml"
    path.write_text(text, encoding="utf-8")
    faults: list[Fault] = []
    read_yaml(path, faults)
    return faults


def bomb() -> str:
    """Nine names, each ten times the one before: a billion values in a few hundred bytes."""
    lines = ["a0: &a0 [" + ",".join("x" * 10) + "]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &a [*a]\n", "an alias stands inside the value it names"),
        # So many brackets end the process when they are composed.
        ("a: " + "[" * 200_000, "values nest deeper than 50 levels"),
        (bomb(), "more than 100000 values, aliases included"),
    ],
)
def test_a_file_that_would_hold_up_the_process_is_one_fault_with_its_line(
    tmp_path: Path, text: str, message: str
) -> None:
    (fault,) = read(tmp_path, text)
    assert message in fault.message and fault.line >= 1


def test_an_impossible_date_is_told_with_its_line_and_the_rest_is_read(tmp_path: Path) -> None:
    (fault,) = read(tmp_path, "a: 1\nb: 2026-02-30\n")
    assert fault.line == 2 and "'2026-02-30' cannot be read" in fault.message


def test_an_alias_repeats_a_value(tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    path.write_text("a: &a [1, 2]\nb: *a\n", encoding="utf-8")
    assert read_yaml(path, []) == {"a": [1, 2], "b": [1, 2]}
