"""The partners who take our exports: the national centre by files, the group's cockpit by a table.

They check what they get by their own reading of the agreement. Planted by the number of the export:
one is never answered, one is answered with a wrong count, and one has a row that is not accepted.
"""

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from .sending import replace_file

FOLDER = Path("exchange/national_centre/outbound")
DATABASE, TABLE = Path("simulator/partner.db"), "ifc_case_figures"
COLUMNS = (
    "reported_on", "prefecture_code", "cases", "complaints", "open_cases", "overdue_cases",
)  # fmt: skip
# Numbers of exports, from 1: files by the sequence of their log, tables by order of arrival.
UNANSWERED, MISCOUNTED, NOT_ACCEPTED = 2, 3, 3
_DELIMITER, _TRAILER = "\x05", "999999"
_SEND_LOG = ".send.log"


@dataclass(frozen=True)
class Answered:
    """What a partner did: read logs written by name of the file, rows marked done and refused."""

    read_logs: dict[str, str]
    rows_done: int
    rows_refused: int


def answer_exports(home: Path, *, now: datetime) -> Answered:
    """Lets both partners look once at what lies there for them; `now` is an aware instant.

    What was answered is not answered again.
    """
    done, refused = _mark_rows(home / DATABASE, now)
    return Answered(_answer_files(home / FOLDER, now), done, refused)


def _answer_files(folder: Path, now: datetime) -> dict[str, str]:
    results = {}
    for log_path in sorted(folder.glob(f"*{_SEND_LOG}")):
        name = log_path.name.removesuffix(_SEND_LOG)
        answer_path = folder / f"{name}.read.log"
        if answer_path.exists():
            continue
        log = json.loads(log_path.read_text(encoding="utf-8"))
        if log.get("sequence") == UNANSWERED:
            continue
        data = (folder / name).read_bytes() if (folder / name).exists() else b""
        rows, sums, faults = _read(name, data, log)
        if log.get("sequence") == MISCOUNTED:
            rows -= 1
        body = {
            "file": name,
            "rows_read": rows,
            "rows_loaded": 0 if faults else rows,
            "rows_rejected": rows if faults else 0,
            "sums": sums,
            "sha256": hashlib.sha256(data).hexdigest(),
            "result": "refused" if faults else "ok",
            "code": "lying_log" if faults else None,
            "reason": "; ".join(faults) or None,
            "read_at": now.isoformat(),
        }
        replace_file(answer_path, (json.dumps(body, ensure_ascii=False, indent=1) + "\n").encode())
        results[name] = str(body["result"])
    return results


def _read(name: str, data: bytes, log: Mapping[str, Any]) -> tuple[int, dict[str, str], list[str]]:
    """Rows, sums of the agreed columns, and whatever disagrees with the log or with itself."""
    faults = []
    if log.get("file") != name:
        faults.append("the log names another file")
    if log.get("bytes") != len(data):
        faults.append(f"the log says {log.get('bytes')} bytes, the file has {len(data)}")
    if log.get("sha256") != hashlib.sha256(data).hexdigest():
        faults.append("the SHA-256 of the log is not that of the file")
    try:
        lines = data.decode("gb18030").splitlines()
    except UnicodeDecodeError:
        return 0, {}, [*faults, "the file is not GB18030"]
    trailer = lines.pop().split(_DELIMITER) if lines else []
    records = [line.split(_DELIMITER) for line in lines]
    if trailer[:2] != [_TRAILER, str(len(records))]:
        faults.append("the last line does not tell the number of records")
    if log.get("rows") != len(records):
        faults.append(f"the log says {log.get('rows')} rows, the file has {len(records)}")
    if any(len(record) != len(COLUMNS) for record in records):
        return len(records), {}, [*faults, f"a record has not {len(COLUMNS)} fields"]
    sums = {}
    for column, told in dict(log.get("sums") or {}).items():
        if column not in COLUMNS:
            faults.append(f"the log sums {column}, which is no column")
            continue
        place = COLUMNS.index(column)
        try:
            total = sum((Decimal(record[place]) for record in records), Decimal(0))
            agrees = Decimal(told) == total
        except InvalidOperation:
            faults.append(f"{column} is not always a number")
            continue
        sums[column] = str(total)
        if not agrees:
            faults.append(f"the log says {told} for {column}, the file has {total}")
    return len(records), sums, faults


def _mark_rows(path: Path, now: datetime) -> tuple[int, int]:
    """Claims the new rows of the table and marks each 2 (taken) or 9 (not accepted)."""
    if not path.exists():
        return 0, 0
    moment = now.isoformat(sep=" ", timespec="seconds")
    counts = {2: 0, 9: 0}
    with closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as connection:
        connection.execute("begin immediate")
        known = connection.execute(
            "select count(*) from sqlite_master where name = ?", [TABLE]
        ).fetchone()
        if known[0]:
            order = [
                export
                for (export,) in connection.execute(
                    f"select ifc_export from {TABLE} group by ifc_export order by min(ifc_seq)"
                )
            ]
            rows = connection.execute(
                f"select ifc_seq, ifc_export, cases, complaints, open_cases, overdue_cases "
                f"from {TABLE} where ifc_status = 0 order by ifc_seq"
            ).fetchall()
            planted = order[NOT_ACCEPTED - 1] if len(order) >= NOT_ACCEPTED else None
            for seq, export, *numbers in rows:
                reason = _objection(numbers)
                if export == planted:
                    reason, planted = "the month of this prefecture is closed", None
                status = 9 if reason else 2
                counts[status] += 1
                connection.execute(
                    f"update {TABLE} set ifc_status = ?, ifc_batch = ?, ifc_claimed_at = ?, "
                    "ifc_processed_at = ?, ifc_error = ? where ifc_seq = ?",
                    [status, f"cockpit-{seq}", moment, moment, reason, seq],
                )
        connection.execute("commit")
    return counts[2], counts[9]


def _objection(numbers: list[Any]) -> str | None:
    cases, complaints, *others = numbers
    if any(not isinstance(n, int) or n < 0 for n in (cases, complaints, *others)):
        return "a figure is missing or negative"
    return "more complaints than cases" if complaints > cases else None
