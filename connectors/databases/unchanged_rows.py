"""Rows that an extract reads again: those that raw has in this form already are left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from connectors.contract import Column, Stream
from connectors.landing import Landing
from connectors.quarantining.kept_records import as_json, kept_names, spellings
from connectors.scrubbing import scrub
from connectors.sql_text import quoted
from connectors.validation import MOST_REJECTED, count_rejected

_AT_ONCE = 10_000


def leave_out_unchanged(
    landing: Landing,
    name: str,
    told: Stream,
    *,
    extra: Mapping[str, str],
    window: str,
    beyond: str = "false",
) -> int:
    """Take rows that landed before out of `typed` and return how many are left.

    A row is left out when the latest version of its key among the landed rows of `window` (SQL over
    raw columns) is the same in every column, and a faulty one when it waits in quarantine as it is.
    `beyond` is SQL over the `highest` of a batch: whether none of its rows is of the window.
    `told` is the stream in the spellings in which its values came, `extra` are columns that land
    beside its own: the table's names by ours.
    """
    _leave_out_landed(landing, name, _loaded(landing, name, beyond), window, list(extra))
    _leave_out_quarantined(landing, name, told, extra)
    row = landing.connection.execute("select count(*) from typed").fetchone()
    assert row is not None
    return int(row[0])


@dataclass(frozen=True)
class _Landed:
    """A loaded batch and its file."""

    batch_id: str
    path: str


def _loaded(landing: Landing, name: str, beyond: str) -> list[_Landed]:
    """The loaded batches that reach into the window, in the order in which they were loaded."""
    about = [landing.contract.source, name]
    reaches = landing.ledger.rows.execute(
        "select batch_id, highest from extract_reach where source = ? and stream = ?", about
    ).fetchall()
    table = pa.table(
        {
            "batch_id": pa.array([row[0] for row in reaches], pa.string()),
            "highest": pa.array([row[1] for row in reaches], pa.string()),
        }
    )
    connection = landing.connection
    connection.register("_reach", table)
    outdated = {
        row[0]
        for row in connection.execute(f"select batch_id from _reach where {beyond}").fetchall()
    }
    connection.unregister("_reach")
    landed = landing.ledger.rows.select(
        _Landed,
        "select batch_id, path from batch where source = ? and stream = ? and status = 'loaded' "
        "and path is not null order by loaded_at, rowid",
        about,
    )
    return [one for one in landed if one.batch_id not in outdated]


def _leave_out_landed(
    landing: Landing, name: str, batches: list[_Landed], window: str, extra: list[str]
) -> None:
    paths = sorted({str(landing.home / batch.path) for batch in batches})
    if not paths:
        return
    connection, stream = landing.connection, landing.contract.streams[name]
    columns = [quoted(column) for column in (*stream.columns, *extra)]
    known = {
        row[0]
        for row in connection.execute(
            "describe select * from read_parquet(?, union_by_name = true)", [paths]
        ).fetchall()
    }
    landed = [
        quoted(column) if column in known else f"cast(null as varchar) as {quoted(column)}"
        for column in (*stream.columns, *extra)
    ]
    order = pa.table(
        {
            "batch_id": pa.array([batch.batch_id for batch in batches], pa.string()),
            "place": pa.array(range(len(batches)), pa.int64()),
        }
    )
    connection.register("_loaded_order", order)
    key = ", ".join(quoted(column) for column in stream.key)
    connection.execute(
        f"""
        create or replace temp table landed as
        select {", ".join(landed)}, _op
        from read_parquet(?, union_by_name = true) raw
        join _loaded_order on _loaded_order.batch_id = raw._batch_id
        where {window}
        qualify row_number() over (
            partition by {key} order by _recorded_at desc, place desc, _record_no desc
        ) = 1
        """,
        [paths],
    )
    connection.unregister("_loaded_order")
    _make_shown(landing, stream, extra)
    same = " and ".join(
        f"shown.{column} is not distinct from landed.{column}" for column in columns
    )
    connection.execute(
        f"delete from typed where _fault is null and _record_no in ("
        f"select shown._record_no from shown join landed on {same} and shown._op = landed._op)"
    )
    connection.execute("drop view shown")
    connection.execute("drop table landed")


def _make_shown(landing: Landing, stream: Stream, extra: list[str]) -> None:
    """Make the view `shown` of good rows of `typed` as raw would have them, without persons."""
    connection = landing.connection
    columns, joins = [], []
    beside = {name: Column(type="string", scrub=True) for name in extra}
    for number, (name, column) in enumerate({**stream.columns, **beside}.items()):
        if not column.pii and not column.scrub:
            columns.append(f"typed.{quoted(name)}")
            continue
        found = connection.execute(
            f"select distinct {quoted(name)} from typed "
            f"where _fault is null and {quoted(name)} is not null"
        ).fetchall()
        texts = [row[0] for row in found]
        if column.pii:
            pseudonyms = landing.pii.pseudonyms(column.pii, texts)
            new = [pseudonyms[text] for text in texts]
        else:
            new = [scrub(text) for text in texts]
        pairs = pa.table({"old": pa.array(texts, pa.string()), "new": pa.array(new, pa.string())})
        connection.register("_pairs", pairs)
        connection.execute(f"create or replace temp table shown_{number} as select * from _pairs")
        connection.unregister("_pairs")
        columns.append(f"shown_{number}.new as {quoted(name)}")
        joins.append(f"left join shown_{number} on shown_{number}.old = typed.{quoted(name)}")
    connection.execute(
        f"create or replace temp view shown as select {', '.join(columns)}, typed._op, "
        f"typed._record_no from typed {' '.join(joins)} where typed._fault is null"
    )


def _leave_out_quarantined(
    landing: Landing, name: str, told: Stream, extra: Mapping[str, str]
) -> None:
    """Leave out faulty rows that wait in quarantine, byte for byte as they are kept."""
    connection, stream = landing.connection, landing.contract.streams[name]
    if not 0 < count_rejected(connection) <= MOST_REJECTED:
        return
    faulty = connection.execute(
        "select record_no, fields, op, flaw from record where record_no in "
        "(select _record_no from typed where _fault is not null)"
    )
    spelt, columns = spellings(stream, told), kept_names(stream, extra)
    known: list[int] = []
    while some := faulty.fetchmany(_AT_ONCE):
        records = [
            (number, as_json(texts, columns, op=op, flaw=flaw, spellings=spelt))
            for number, texts, op, flaw in some
        ]
        alike = landing.pii.records_alike(record for _, record in records)
        known += [
            number
            for number, record in records
            if any(_waits(landing, name, *one) for one in alike[record])
        ]
    connection.execute(
        "delete from typed where _record_no in (select unnest(?::bigint[]))", [known]
    )


def _waits(landing: Landing, name: str, batch_id: str, record_no: int) -> bool:
    """Whether a rejected record is of a loaded batch of this stream and was not replayed."""
    found = landing.ledger.rows.execute(
        "select 1 from quarantine join batch using (batch_id) where batch_id = ? "
        "and record_no = ? and state <> 'replayed' and source = ? and stream = ? "
        "and status = 'loaded'",
        [batch_id, record_no, landing.contract.source, name],
    ).fetchone()
    return found is not None
