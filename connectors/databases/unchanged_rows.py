"""Rows that an extract reads again: those that raw has in this form already are left out."""

from __future__ import annotations

import pyarrow as pa

from connectors.contract import Stream
from connectors.landing import Landing
from connectors.ledger_rows import Batch
from connectors.quarantining.kept_records import as_json, spellings
from connectors.scrubbing import scrub
from connectors.sql_text import quoted


def leave_out_unchanged(landing: Landing, name: str, told: Stream, *, window: str) -> int:
    """Take rows that landed before out of `typed` and return how many are left.

    A row is left out when the latest version of its key among the landed rows of `window` (SQL over
    raw columns) is the same in every column, and a faulty one when it waits in quarantine as it is.
    `told` is the stream in the spellings in which its values came.
    """
    batches = _loaded(landing, name)
    _leave_out_landed(landing, name, batches, window)
    _leave_out_quarantined(landing, name, told, batches)
    row = landing.connection.execute("select count(*) from typed").fetchone()
    assert row is not None
    return int(row[0])


def _loaded(landing: Landing, name: str) -> list[Batch]:
    """The loaded batches of a stream in the order in which they were loaded."""
    return landing.ledger.rows.select(
        Batch,
        "select * from batch where source = ? and stream = ? and status = 'loaded' "
        "order by loaded_at, rowid",
        [landing.contract.source, name],
    )


def _leave_out_landed(landing: Landing, name: str, batches: list[Batch], window: str) -> None:
    paths = sorted({str(landing.home / batch.path) for batch in batches if batch.path})
    if not paths:
        return
    connection, stream = landing.connection, landing.contract.streams[name]
    columns = [quoted(column) for column in stream.columns]
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
        select {", ".join(columns)}, _op
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
    _make_shown(landing, stream)
    same = " and ".join(
        f"shown.{column} is not distinct from landed.{column}" for column in columns
    )
    connection.execute(
        f"delete from typed where _fault is null and _record_no in ("
        f"select shown._record_no from shown join landed on {same} and shown._op = landed._op)"
    )
    connection.execute("drop view shown")
    connection.execute("drop table landed")


def _make_shown(landing: Landing, stream: Stream) -> None:
    """Make the view `shown` of good rows of `typed` as raw would have them, without persons."""
    connection = landing.connection
    columns, joins = [], []
    for number, (name, column) in enumerate(stream.columns.items()):
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


def _leave_out_quarantined(landing: Landing, name: str, told: Stream, batches: list[Batch]) -> None:
    """Leave out faulty rows that wait in quarantine, byte for byte as they are kept."""
    connection, stream = landing.connection, landing.contract.streams[name]
    faulty = connection.execute(
        "select record_no, fields, op, flaw from record where record_no in "
        "(select _record_no from typed where _fault is not null)"
    ).fetchall()
    if not faulty:
        return
    kept = {
        landing.pii.quarantined_record(batch.batch_id, row.record_no)
        for batch in batches
        if batch.rejected
        for row in landing.ledger.quarantine(batch_id=batch.batch_id)
        if row.state != "replayed"
    }
    spelt = spellings(stream, told)
    known = [
        number
        for number, texts, op, flaw in faulty
        if as_json(texts, list(stream.columns), op=op, flaw=flaw, spellings=spelt) in kept
    ]
    connection.execute(
        "delete from typed where _record_no in (select unnest(?::bigint[]))", [known]
    )
