"""Tables of `ledger.db`; a change is one more script at the end."""

MIGRATIONS = (
    """
    create table batch (
        batch_id text primary key,
        source text not null,
        stream text not null,
        branch text not null,
        business_date text not null,
        covers_from text not null,
        sequence integer,
        interface text not null check (interface in ('files', 'table')),
        place text not null,
        content_sha256 text not null,
        log_sha256 text not null,
        declared_rows integer,
        declared_sums text not null,
        rows integer not null,
        rows_loaded integer not null,
        rejected integer not null,
        sums text not null,
        status text not null check (status in ('announced', 'loaded', 'refused', 'superseded')),
        code text,
        reason text,
        supersedes text,
        path text,
        received_at text not null,
        loaded_at text
    );
    create index batch_by_stream on batch (source, stream, branch, business_date);
    create table exchange_event (
        event_id integer primary key,
        fingerprint text not null unique,
        code text not null,
        source text not null,
        stream text not null,
        branch text not null,
        business_date text,
        batch_id text,
        file text,
        detail text not null,
        at text not null,
        resolved_at text
    );
    create table quarantine (
        batch_id text not null,
        record_no integer not null,
        line integer,
        byte_offset integer,
        column_name text,
        code text not null,
        reason text not null,
        masked_value text,
        state text not null check (state in ('waiting', 'replayed', 'discarded')),
        primary key (batch_id, record_no)
    );
    create table confirmation (
        batch_id text primary key,
        kind text not null,
        place text not null,
        result text not null,
        at text not null
    );
    create table reconciliation (
        batch_id text not null,
        measure text not null,
        declared text,
        counted text,
        primary key (batch_id, measure)
    );
    create table check_result (
        check_id integer primary key,
        build_id text not null,
        name text not null,
        status text not null,
        severity text not null,
        detail text not null,
        at text not null
    );
    create table snapshot_log (
        tag text primary key,
        build_id text not null,
        published_at text not null,
        batches integer not null,
        code_version text not null,
        detail text not null
    );
    create table command (
        command_id integer primary key,
        name text not null,
        arguments text not null,
        requested_by text not null,
        requested_at text not null,
        state text not null check (state in ('waiting', 'done', 'failed')),
        done_at text,
        outcome text
    )
    """,
    """
    create table interface_read (
        source text not null,
        stream text not null,
        read_at text not null,
        primary key (source, stream)
    )
    """,
    """
    create table batch_of_any_interface (
        batch_id text primary key,
        source text not null,
        stream text not null,
        branch text not null,
        business_date text not null,
        covers_from text not null,
        sequence integer,
        interface text not null check (interface in ('files', 'table', 'inbox')),
        place text not null,
        content_sha256 text not null,
        log_sha256 text not null,
        declared_rows integer,
        declared_sums text not null,
        rows integer not null,
        rows_loaded integer not null,
        rejected integer not null,
        sums text not null,
        status text not null check (status in ('announced', 'loaded', 'refused', 'superseded')),
        code text,
        reason text,
        supersedes text,
        path text,
        received_at text not null,
        loaded_at text
    );
    insert into batch_of_any_interface select * from batch;
    drop table batch;
    alter table batch_of_any_interface rename to batch;
    create index batch_by_stream on batch (source, stream, branch, business_date)
    """,
    """
    create index batch_settled on batch (source, stream, sequence) where status <> 'announced';
    create index batch_announced on batch (source, stream, sequence) where status = 'announced';
    create index batch_loaded on batch (source, stream, batch_id, status)
        where status = 'loaded'
    """,
    """
    create table batch_of_every_interface (
        batch_id text primary key,
        source text not null,
        stream text not null,
        branch text not null,
        business_date text not null,
        covers_from text not null,
        sequence integer,
        interface text not null,
        place text not null,
        content_sha256 text not null,
        log_sha256 text not null,
        declared_rows integer,
        declared_sums text not null,
        rows integer not null,
        rows_loaded integer not null,
        rejected integer not null,
        sums text not null,
        status text not null check (status in ('announced', 'loaded', 'refused', 'superseded')),
        code text,
        reason text,
        supersedes text,
        path text,
        received_at text not null,
        loaded_at text,
        replays text
    );
    insert into batch_of_every_interface select *, null from batch;
    drop table batch;
    alter table batch_of_every_interface rename to batch;
    create index batch_by_stream on batch (source, stream, branch, business_date);
    create index batch_settled on batch (source, stream, sequence) where status <> 'announced';
    create index batch_announced on batch (source, stream, sequence) where status = 'announced';
    create index batch_loaded on batch (source, stream, batch_id, status)
        where status = 'loaded';
    create index batch_replays on batch (replays) where replays is not null;
    create table export (
        export_id text primary key,
        export text not null,
        partner text not null,
        interface text not null,
        place text not null,
        business_date text not null,
        sequence integer not null,
        snapshot text not null,
        rows integer not null,
        bytes integer not null,
        sha256 text not null,
        sums text not null,
        status text not null
            check (status in (
                'announced', 'delivered', 'confirmed', 'refused', 'disagrees', 'superseded'
            )),
        code text,
        reason text,
        announced_at text not null,
        delivered_at text,
        due_at text not null,
        confirmed_at text,
        unique (export, sequence)
    );
    create table extract_cursor (
        source text not null,
        stream text not null,
        value text not null,
        batch_id text not null,
        primary key (source, stream)
    );
    create table allowed_shrink (
        source text not null,
        stream text not null,
        branch text not null,
        rows integer not null,
        allowed_by text not null,
        allowed_at text not null,
        primary key (source, stream, branch, rows)
    )
    """,
    """
    alter table quarantine add column note text;
    alter table quarantine add column settled_at text;
    create index quarantine_waiting on quarantine (batch_id) where state = 'waiting';
    create index exchange_event_open on exchange_event (source, stream) where resolved_at is null;
    create table replaced_file (path text primary key, replaced_at text not null)
    """,
    """
    create table home (home_id text not null);
    insert into home values (lower(hex(randomblob(16))))
    """,
    """
    alter table batch add column sent_at text;
    create table event (
        event_id integer primary key,
        fingerprint text not null,
        code text not null,
        source text not null,
        stream text not null,
        branch text not null,
        business_date text,
        batch_id text,
        file text,
        detail text not null,
        at text not null,
        resolved_at text
    );
    insert into event select * from exchange_event;
    drop table exchange_event;
    alter table event rename to exchange_event;
    create unique index exchange_event_once on exchange_event (fingerprint)
        where resolved_at is null;
    create index exchange_event_open on exchange_event (source, stream) where resolved_at is null;
    create index batch_by_sequence on batch (source, stream, branch, sequence);
    create index batch_by_place on batch (source, place);
    create index batch_refused on batch (source, code) where status = 'refused';
    create index exchange_event_by_file on exchange_event (source, file)
        where resolved_at is null;
    create index exchange_event_by_detail on exchange_event (source, code, detail)
        where resolved_at is null;
    create index batch_by_arrival on batch (source, stream, received_at);
    create index export_by_day on export (export, business_date, sequence);
    create index export_open on export (status, export)
        where status in ('announced', 'delivered');
    create index exchange_event_by_batch on exchange_event (batch_id)
        where resolved_at is null;
    create table awaiting_confirmation (
        source text not null,
        batch_id text not null,
        primary key (source, batch_id)
    );
    insert into awaiting_confirmation select source, batch_id from batch
        where status in ('loaded', 'superseded') and replays is null
        and interface not in ('inbox', 'extract')
        and batch_id not in (select batch_id from confirmation);
    create table extract_look (
        source text not null,
        stream text not null,
        looked_at text not null,
        primary key (source, stream)
    );
    create table extract_reach (
        batch_id text primary key,
        source text not null,
        stream text not null,
        highest text not null
    );
    create index extract_reach_by_stream on extract_reach (source, stream);
    create table seen_file (
        source text not null,
        name text not null,
        size integer not null,
        mtime_ns integer not null,
        inode integer not null,
        sha256 text not null,
        primary key (source, name)
    )
    """,
    """
    alter table batch add column superseded_at text;
    alter table batch add column expired_at text;
    update batch set expired_at = max(
        loaded_at,
        date(business_date, '+' || (cast(substr(reason, 17) as integer) + 1) || ' days')
        || 'T00:00:00.000000+00:00'
    ) where code = 'expired' and reason like 'it was kept for %';
    update batch set superseded_at = coalesce(
        (
            select max(batch.loaded_at, min(later.loaded_at)) from batch as later
            where later.source = batch.source and later.stream = batch.stream
            and later.supersedes = batch.batch_id and later.loaded_at is not null
        ),
        (
            select max(batch.loaded_at, min(later.loaded_at)) from batch as later
            where later.source = batch.source and later.stream = batch.stream
            and later.branch = batch.branch and later.sequence = batch.sequence
            and later.business_date = batch.business_date and later.replays is null
            and later.loaded_at is not null and later.sent_at > batch.sent_at
        ),
        expired_at,
        (
            select max(batch.loaded_at, min(later.loaded_at)) from batch as later
            where later.source = batch.source and later.stream = batch.stream
            and later.branch = batch.branch and later.replays is null
            and later.loaded_at is not null
            and (
                later.business_date, coalesce(later.sequence, 0),
                coalesce(later.sent_at, later.received_at), later.loaded_at
            ) > (
                batch.business_date, coalesce(batch.sequence, 0),
                coalesce(batch.sent_at, batch.received_at), batch.loaded_at
            )
        ),
        loaded_at
    ) where status = 'superseded' and replays is null;
    update batch set superseded_at = max(
        loaded_at,
        coalesce(
            (select one.superseded_at from batch as one where one.batch_id = batch.replays),
            loaded_at
        )
    ) where status = 'superseded' and replays is not null
    """,
    """
    create table operator_row (
        rule_table text not null,
        row_no integer not null,
        content text not null,
        recorded_at text not null,
        primary key (rule_table, row_no)
    )
    """,
)
