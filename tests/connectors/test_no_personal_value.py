"""No planted personal value appears in ledger, logs, listings, messages, raw or any other file.

Every shipped contract of files, flag tables and extracts delivers rows whose personal columns and
free texts hold planted values, and one bad row a column, with a planted value in the wrong place.
Only the encrypted part of the PII store may know them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from email.message import EmailMessage
from pathlib import Path

import duckdb
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from connectors.conformance.invention import Invention, Row
from connectors.contract import SOURCES, Column, Contract, load_contracts
from connectors.errors import UnwritableValue
from connectors.files.exchange import SEND_LOG, announce
from connectors.formats import suffix_of, write_file
from pipelines.command_line.application import application
from pipelines.installation import Installation
from tests.connectors.conftest import NOW

pytestmark = pytest.mark.xdist_group("planted")

PHONE, OTHER_PHONE = "13987654321", "13912348765"
NAME = "欧阳慕白"
CARD = "51010719870605432X"
EMAIL = "muyu.secret@example.org"
BANK = "6222021234567890128"
PLANTED = {
    "phone": PHONE,
    "name": NAME,
    "id_card": CARD,
    "email": EMAIL,
    "bank_card": BANK,
    "account": "acc99887766",
}
TEXT = f"请回电 {OTHER_PHONE}，证件 {CARD}，邮箱 {EMAIL}，卡 {BANK}"
DAY = date(2026, 3, 30)
DASHED_PHONE = "139-8765-4321"
FORBIDDEN = [*PLANTED.values(), OTHER_PHONE, DASHED_PHONE]

CONTRACTS = load_contracts([SOURCES])
FILES = [name for name, one in CONTRACTS.items() if one.interface.type == "files"]
# The product's own store is no partner's: tests/connectors/test_own_source.py fills it.
TABLES = [
    name
    for name, one in CONTRACTS.items()
    if one.interface.type in {"table", "extract"} and name != "huiyin"
]


def with_personal_values(row: Row, columns: dict[str, Column]) -> dict[str, str | None]:
    """The row with a planted value in each personal column and each free text that has room."""
    planted: dict[str, str | None] = dict(row)
    for name, column in columns.items():
        room = min(column.length or 10_000, column.at[1] if column.at else 10_000)
        value = PLANTED[column.pii] if column.pii else TEXT if column.scrub else None
        if value is not None and len(value.encode("gb18030")) <= room:
            planted[name] = value
        elif column.scrub and room >= 20:
            planted[name] = f"电 {OTHER_PHONE}"
    return planted


def bad_rows(
    row: dict[str, str | None], columns: dict[str, Column]
) -> Iterator[dict[str, str | None]]:
    """A row for each column that cannot hold a person's value, holding one."""
    for name, column in columns.items():
        if column.pii or column.scrub:
            continue
        if column.type != "string" or column.values is not None:
            # A number takes a phone written without a break: it cannot know whose it is.
            yield row | {name: DASHED_PHONE}
            yield row | {name: NAME}
        elif column.length is not None and column.at is None:
            yield row | {name: (f"{NAME} {PHONE} {EMAIL} " * column.length)[: column.length + 9]}


@dataclass
class Planted:
    home: Path
    told: list[str] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "HUIYIN_HOME": str(self.home),
            "HUIYIN_SOURCES": ",".join([*FILES, *TABLES]),
            "HUIYIN_CLOCK": f"fixed:{NOW.isoformat()}",
        }

    def run(self, *arguments: str) -> None:
        """Run a command and keep everything it says."""
        result = CliRunner().invoke(application, list(arguments), env=self.environment)
        self.told.append(result.output)
        self.told.append(repr(result.exception))
        assert not isinstance(result.exception, AssertionError)


def rows_of(contract: Contract, stream: str, first: int = 0) -> list[dict[str, str | None]]:
    columns = dict(contract.streams[stream].columns)
    made = Invention(contract, stream, DAY, "Asia/Shanghai", random.Random(5)).rows(60)
    good = [with_personal_values(row, columns) for row in made]
    bad = list(bad_rows(good[-1], columns))
    keys = [name for name in contract.streams[stream].key]
    spare = made[len(made) - 1 - len(bad) : -1]
    # Every bad row has a key of its own, so that it is the planted value that is wrong.
    told = [
        row | {name: other[name] for name in keys if row[name] == good[-1][name]}
        for row, other in zip(bad, spare, strict=False)
    ]
    return [*good[: 60 - 1 - len(bad)], *told]


def deliver_files(home: Path) -> None:
    for source in FILES:
        contract = CONTRACTS[source]
        folder = home / contract.interface.location
        folder.mkdir(parents=True, exist_ok=True)
        for stream in contract.streams:
            if contract.interface.format == "mail":
                deliver_mails(folder)
                continue
            rows = rows_of(contract, stream)
            branches = contract.streams[stream].branches
            path = folder / f"{stream}_20260330_0001{suffix_of(contract)}"
            write_file(
                [row for row in rows if writable(row, contract, stream, home)],
                path,
                contract,
                stream,
            )
            announce(
                path,
                contract,
                stream,
                now=NOW,
                zone="Asia/Shanghai",
                business_date=DAY,
                covers_from=DAY,
                branch=branches[0] if branches else "main",
            )
            # A file without its header, one that is cut off, and a log with a person in it.
            broken = folder / f"{stream}_20260330_0002{suffix_of(contract)}"
            broken.write_bytes(f'{NAME},{PHONE}\n{TEXT}\n"{NAME}'.encode("gb18030"))
            log = (folder / f"{path.name}{SEND_LOG}").read_text(encoding="utf-8")
            (folder / f"{broken.name}{SEND_LOG}").write_text(
                log.replace(f'"{DAY}"', f'"{NAME} {PHONE}"'), encoding="utf-8"
            )


def deliver_mails(folder: Path) -> None:
    """Two mails of a person, one without a date, and one that is none; a name may tell a person."""
    for number in (1, 2):
        mail = EmailMessage()
        mail["From"], mail["To"] = f"{NAME} <{EMAIL}>", "feedback@example.com"
        mail["Subject"], mail["Message-ID"] = f"回电 {OTHER_PHONE}", f"<{number}@example.com>"
        if number == 1:
            mail["Date"] = "Mon, 30 Mar 2026 08:00:00 +0800"
        mail.set_content(TEXT)
        (folder / f"{PHONE}-{number}.eml").write_bytes(mail.as_bytes())
    (folder / "broken.eml").write_bytes(f"{PHONE}\0{NAME}".encode())


def writable(row: Row, contract: Contract, stream: str, home: Path) -> bool:
    """Whether the format can carry the row: a fixed width has no room for everything."""
    try:
        write_file([row], home / "trial", contract, stream)
    except UnwritableValue:
        return False
    return True


def deliver_tables(home: Path) -> None:
    for source in TABLES:
        contract = CONTRACTS[source]
        url = sa.make_url(contract.interface.location)
        path = home / str(url.database)
        path.parent.mkdir(parents=True, exist_ok=True)
        engine = sa.create_engine(f"sqlite:///{path}")
        with engine.begin() as connection:
            for name, stream in contract.streams.items():
                columns = [column.from_ or own for own, column in stream.columns.items()]
                flags = contract.interface.type == "table"
                table = stream.table or f"ifc_{name}"
                declared = [f'"{one}" text' for one in columns]
                if flags:
                    declared += ["ifc_seq integer primary key", "ifc_status integer", "ifc_op text"]
                    declared += [
                        f"{one} text"
                        for one in ("ifc_batch", "ifc_claimed_at", "ifc_processed_at", "ifc_error")
                    ]
                connection.execute(sa.text(f'create table "{table}" ({", ".join(declared)})'))
                for number, row in enumerate(rows_of(contract, name), 1):
                    values = {f"p{place}": row[own] for place, own in enumerate(stream.columns)}
                    names = [f'"{one}"' for one in columns]
                    if flags:
                        names += ["ifc_seq", "ifc_status", "ifc_op"]
                        values |= {"s": number, "z": 0, "o": NAME if number == 1 else "I"}
                    marks = ", ".join(f":{one}" for one in values)
                    connection.execute(
                        sa.text(f'insert into "{table}" ({", ".join(names)}) values ({marks})'),
                        values,
                    )
        engine.dispose()


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    """A home in which everything was landed, listed, replayed, compacted and listed again."""
    made = Planted(tmp_path_factory.mktemp("planted") / "home")
    made.home.mkdir()
    raise_limits(made.home)
    deliver_files(made.home)
    deliver_tables(made.home)
    made.run("ingest")
    for _ in range(2):
        for language in ("zh", "en"):
            made.run("deliveries", "--limit", "0", "--language", language)
            made.run("quarantine", "list", "--limit", "0", "--language", language)
        made.run("deliveries", "--format", "json")
        made.run("quarantine", "list", "--format", "json")
        made.run("deliveries", "--reconcile")
        made.run("quarantine", "replay", "--all", "--format", "json")
        made.run("exchange", "tidy")
        made.run("ingest")
    with Installation.open(made.environment).ledger() as ledger:
        for record in ledger.quarantine()[:40]:
            made.run("quarantine", "show", record.batch_id, str(record.record_no))
    return made


def raise_limits(home: Path) -> None:
    """Let bad rows into quarantine: the contracts as they are, with another reject limit."""
    import yaml

    folder = home / "site" / "connectors" / "sources"
    folder.mkdir(parents=True)
    for source in [*FILES, *TABLES]:
        given = yaml.safe_load((SOURCES / f"{source}.yml").read_text(encoding="utf-8"))
        given["replaces"] = True
        for stream in given["streams"].values():
            stream["reject_limit"] = {"rows": 1000, "share": 1}
            if given["interface"]["type"] == "files":
                stream["schema_change"] = "evolve"
        (folder / f"{source}.yml").write_text(yaml.safe_dump(given, allow_unicode=True))


def test_the_rows_were_landed_and_the_bad_ones_quarantined(planted: Planted) -> None:
    with Installation.open(planted.environment).ledger() as ledger:
        loaded = {(one.source, one.stream) for one in ledger.loaded_batches()}
        rejected = {
            source: sum(b.rejected for b in ledger.batches(source=source))
            for source in [*FILES, *TABLES]
        }
    wanted = {(name, stream) for name in [*FILES, *TABLES] for stream in CONTRACTS[name].streams}
    assert loaded == wanted, planted.told[:2]
    assert all(count > 0 for count in rejected.values()), rejected


def test_nothing_that_was_said_names_a_person(planted: Planted) -> None:
    said = "\n".join(planted.told)
    assert len(said) > 10_000
    assert [value for value in FORBIDDEN if value in said] == []


def test_no_file_of_the_home_holds_a_personal_value(planted: Planted) -> None:
    """The sources' own folders and databases are theirs; everything else is ours."""
    found = []
    seen = 0
    for path in planted.home.rglob("*"):
        inside = path.relative_to(planted.home).parts[0]
        if not path.is_file() or inside in {"exchange", "simulator", "trial"}:
            continue
        seen += 1
        content = path.read_bytes()
        for value in FORBIDDEN:
            for codec in ("utf-8", "gb18030", "utf-16-le"):
                if value.encode(codec) in content:
                    found.append((path.name, value, codec))
    assert seen > 10
    assert found == []


def test_no_column_of_raw_holds_a_personal_value(planted: Planted) -> None:
    files = [str(path) for path in (planted.home / "raw").rglob("*.parquet")]
    assert files
    found = []
    for path in files:
        rows = duckdb.execute(
            "select cast(t as varchar) from read_parquet(?) as t", [path]
        ).fetchall()
        said = "\n".join(row[0] for row in rows)
        found += [(path, value) for value in FORBIDDEN if value in said]
    assert found == []


def test_what_we_wrote_to_the_sources_names_nobody(planted: Planted) -> None:
    """Read logs, flags and errors in the partners' own places."""
    said = "".join(
        path.read_text(encoding="utf-8") for path in (planted.home / "exchange").rglob("*.read.log")
    )
    for source in TABLES:
        contract = CONTRACTS[source]
        if contract.interface.type != "table":
            continue
        url = sa.make_url(contract.interface.location)
        engine = sa.create_engine(f"sqlite:///{planted.home / str(url.database)}")
        with engine.connect() as connection:
            for name in contract.streams:
                errors = connection.execute(sa.text(f"select ifc_error from ifc_{name}"))
                said += "".join(str(row[0]) for row in errors)
        engine.dispose()
    assert len(said) > 1_000
    assert [value for value in FORBIDDEN if value in said] == []


def test_the_scan_would_find_a_value_that_is_there(planted: Planted) -> None:
    delivered = b"".join(
        path.read_bytes() for path in (planted.home / "exchange").rglob("*") if path.is_file()
    )
    assert PHONE.encode() in delivered and NAME.encode() in delivered
