"""Tables of `inbox.db`; a change is one more script at the end."""

MIGRATIONS = (
    """
    create table submission (
        seq integer primary key autoincrement,
        case_no text not null unique,
        secret_hash text not null,
        client text not null,
        idempotency_key text,
        body_hash text not null,
        received_at text not null,
        created_at text not null,
        created_precision text not null check (created_precision in ('second', 'day')),
        kind text not null,
        category_path text,
        channel text not null,
        org_unit_id text,
        text text not null,
        answers text not null,
        language text not null,
        entry_point text,
        form text not null,
        reporter_key text,
        contacts text not null,
        promised_due_at text,
        promise text not null,
        is_flood integer not null
    );
    create unique index submission_by_key on submission (client, idempotency_key)
        where idempotency_key is not null;
    create table event (
        seq integer primary key autoincrement,
        event_no text not null unique,
        case_no text not null,
        client text not null,
        idempotency_key text,
        body_hash text not null,
        received_at text not null,
        event_type text not null,
        event_at text not null,
        actor_id text,
        actor_role text not null,
        unit_id text,
        text text
    );
    create unique index event_by_key on event (client, idempotency_key)
        where idempotency_key is not null;
    create index event_by_case on event (case_no);
    create table api_client (
        client_id text primary key,
        key_hash text not null unique,
        label text not null unique,
        unit_id text,
        permissions text not null,
        created_at text not null,
        disabled_at text
    )
    """,
    """
    drop index submission_by_key;
    create unique index submission_by_key on submission (client, idempotency_key, body_hash)
        where idempotency_key is not null;
    drop index event_by_key;
    create unique index event_by_key on event (client, idempotency_key, body_hash)
        where idempotency_key is not null
    """,
    """
    alter table api_client add column sources text not null default '[]';
    alter table api_client add column is_test integer not null default 0;
    create table packet (
        client text not null,
        packet_id text not null,
        operation text not null,
        content_hash text not null,
        received_at text not null,
        status integer not null,
        answer blob not null,
        primary key (client, packet_id)
    );
    create table delivered_batch (
        seq integer primary key autoincrement,
        batch_id text not null unique,
        client text not null,
        source text not null,
        stream text not null,
        rows integer not null,
        sums text not null,
        content_sha256 text not null,
        received_at text not null,
        payload blob not null
    );
    create index delivered_batch_by_stream on delivered_batch (source, stream, seq)
    """,
)
