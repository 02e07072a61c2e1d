"""The partners who answer our exports: honest where nothing is planted, strict where we lie."""

import hashlib
import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.simulator import answer_exports
from connectors.simulator.partner import DATABASE, FOLDER, TABLE

NOW = datetime(2026, 3, 31, 1, 30, tzinfo=UTC)
ROWS = (("20260330", "SC01", 12, 5, 3, 1), ("20260330", "SC06", 40, 31, 20, 0))


def deliver(home: Path, sequence: int = 1, **lies: Any) -> str:
    """Two rows by the agreed layout, with a log that may lie."""
    lines = ["\x05".join(map(str, row)) for row in ROWS] + [f"999999\x05{len(ROWS)}"]
    data = "".join(f"{line}\n" for line in lines).encode("gb18030")
    name = f"case_figures_20260330_{sequence:04d}.txt"
    log = {
        "file": name,
        "sequence": sequence,
        "rows": 2,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "sums": {"cases": "52", "complaints": "36"},
    }
    folder = home / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    (folder / f"{name}.send.log").write_text(json.dumps(log | lies))
    return name


def read_log(home: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((home / FOLDER / f"{name}.read.log").read_text("utf-8"))
    return found


def test_a_right_delivery_is_confirmed_with_its_rows_sums_and_hash(tmp_path: Path) -> None:
    name = deliver(tmp_path)
    assert answer_exports(tmp_path, now=NOW).read_logs == {name: "ok"}
    told = read_log(tmp_path, name)
    assert (told["rows_read"], told["rows_loaded"], told["rows_rejected"]) == (2, 2, 0)
    assert told["sums"] == {"cases": "52", "complaints": "36"}
    assert told["sha256"] == hashlib.sha256((tmp_path / FOLDER / name).read_bytes()).hexdigest()
    assert told["read_at"] == "2026-03-31T01:30:00+00:00"
    assert answer_exports(tmp_path, now=NOW).read_logs == {}


@pytest.mark.parametrize(
    ("lies", "reason"),
    [
        ({"rows": 3}, "the log says 3 rows, the file has 2"),
        ({"bytes": 1}, "the log says 1 bytes"),
        ({"sha256": "0" * 64}, "the SHA-256 of the log is not that of the file"),
        ({"sums": {"cases": "53"}}, "the log says 53 for cases, the file has 52"),
        ({"sums": {"votes": "1"}}, "votes, which is no column"),
        ({"file": "other.txt"}, "the log names another file"),
    ],
)
def test_a_delivery_that_disagrees_is_refused_with_the_reason(
    tmp_path: Path, lies: dict[str, Any], reason: str
) -> None:
    name = deliver(tmp_path, **lies)
    assert answer_exports(tmp_path, now=NOW).read_logs == {name: "refused"}
    told = read_log(tmp_path, name)
    assert reason in told["reason"]
    assert told["rows_loaded"] == 0


def test_a_file_cut_short_and_one_that_is_gone_are_refused(tmp_path: Path) -> None:
    name, gone = deliver(tmp_path), deliver(tmp_path, sequence=4)
    path = tmp_path / FOLDER / name
    path.write_bytes(path.read_bytes()[:-12])
    (tmp_path / FOLDER / gone).unlink()
    assert answer_exports(tmp_path, now=NOW).read_logs == {name: "refused", gone: "refused"}
    assert "the last line does not tell" in read_log(tmp_path, name)["reason"]


def test_the_second_export_is_never_answered_and_the_third_with_a_wrong_count(
    tmp_path: Path,
) -> None:
    names = [deliver(tmp_path, sequence=n) for n in (1, 2, 3, 4)]
    answered = answer_exports(tmp_path, now=NOW).read_logs
    assert sorted(answered) == [names[0], names[2], names[3]]
    assert [read_log(tmp_path, n)["rows_read"] for n in sorted(answered)] == [2, 1, 2]


def flag_table(home: Path, exports: list[str]) -> sqlite3.Connection:
    (home / DATABASE).parent.mkdir(parents=True)
    connection = sqlite3.connect(home / DATABASE)
    connection.execute(
        f"create table {TABLE} (reported_on text, prefecture_code text, cases integer, "
        "complaints integer, open_cases integer, overdue_cases integer, ifc_seq integer primary "
        "key, ifc_status integer default 0, ifc_op text, ifc_batch text, ifc_claimed_at text, "
        "ifc_processed_at text, ifc_error text, ifc_export text)"
    )
    columns = "reported_on, prefecture_code, cases, complaints, open_cases, overdue_cases"
    for export in exports:
        connection.executemany(
            f"insert into {TABLE} ({columns}, ifc_export) values (?, ?, ?, ?, ?, ?, ?)",
            [(*row, export) for row in ROWS],
        )
    connection.commit()
    return connection


def test_rows_are_marked_done_and_those_not_accepted_as_errors(tmp_path: Path) -> None:
    connection = flag_table(tmp_path, ["a", "b", "c"])
    connection.execute(f"update {TABLE} set complaints = 99 where ifc_seq = 2")
    connection.commit()
    answered = answer_exports(tmp_path, now=NOW)
    assert (answered.rows_done, answered.rows_refused) == (4, 2)
    rows = connection.execute(
        f"select ifc_status, ifc_error, ifc_batch is not null from {TABLE} order by ifc_seq"
    ).fetchall()
    assert [row[0] for row in rows] == [2, 9, 2, 2, 9, 2]
    assert rows[1][1] == "more complaints than cases" and "closed" in rows[4][1]
    assert all(row[2] for row in rows)
    again = answer_exports(tmp_path, now=NOW)
    assert (again.rows_done, again.rows_refused) == (0, 0)
    connection.close()


def test_without_exports_nothing_happens(tmp_path: Path) -> None:
    answered = answer_exports(tmp_path, now=NOW)
    assert (answered.read_logs, answered.rows_done, answered.rows_refused) == ({}, 0, 0)
    assert list(tmp_path.iterdir()) == []
