from __future__ import annotations

from pathlib import Path

from pipelines.processes.record import Process, ours, parse_stat


def process(pid: int, *, group: int | None = None, start: int = 100, state: str = "S") -> Process:
    return Process(pid, state, pid if group is None else group, start)


def pids(found: list[Process]) -> list[int]:
    return [one.pid for one in found]


def unmarked(_: Process) -> bool:
    return False


def test_the_own_line_of_a_process_is_read() -> None:
    parsed = parse_stat(Path("/proc/self/stat").read_text(encoding="utf-8"))
    assert parsed is not None and parsed.is_alive and parsed.start > 0


def test_a_name_with_brackets_and_spaces_does_not_confuse() -> None:
    rest = " ".join(str(number) for number in range(1, 22))
    assert parse_stat(f"7 (a) b (c) S {rest}") == Process(7, "S", 2, 19)


def test_a_torn_line_is_nothing() -> None:
    assert parse_stat("7 (intake) S 1 2") is None
    assert parse_stat("") is None


def test_a_recorded_process_and_its_children_are_ours() -> None:
    running = [process(10), process(11, group=10, start=120), process(12)]
    assert pids(ours([process(10)], running, unmarked)) == [10, 11]


def test_a_stranger_under_a_recorded_number_is_left_alone() -> None:
    running = [process(10, start=999), process(11, group=10, start=1000)]
    assert ours([process(10)], running, unmarked) == []


def test_children_of_a_leader_that_ended_are_known_by_their_mark() -> None:
    running = [process(11, group=10), process(12, group=10)]
    assert pids(ours([process(10)], running, lambda one: one.pid == 12)) == [12]


def test_a_zombie_has_ended_but_its_children_have_not() -> None:
    running = [process(10, state="Z"), process(11, group=10)]
    assert pids(ours([process(10)], running, unmarked)) == [11]
