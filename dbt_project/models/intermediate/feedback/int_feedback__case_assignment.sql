{{ config(materialized='table') }}

with

events as (
    select * from {{ ref('int_feedback__case_event') }}
),

transitions as (
    select * from {{ ref('int_feedback__case_transition') }}
),

cases as (
    select * from {{ ref('int_feedback__case_fold') }}
),

told as (
    select
        events.case_id,
        events.place,
        events.cycle,
        events.event_at,
        events.holder_unit_id,
        events.holder_id,
        events.partner_id,
        events.holder_unit_id is not null or events.holder_id is not null as tells_holder,
        transitions.status
    from events
    left join transitions
        on events.case_id = transitions.case_id and events.place = transitions.place
    where
        transitions.status is not null
        or events.holder_unit_id is not null
        or events.holder_id is not null
        or events.partner_id is not null
),

carried as (
    select
        case_id,
        place,
        cycle,
        event_at,
        last_value(holder_unit_id ignore nulls) over so_far as holder_unit_id,
        -- A unit that is named without a person has taken the case from the person before.
        nullif(
            last_value(case when tells_holder then coalesce(holder_id, '') end ignore nulls)
                over so_far,
            ''
        ) as holder_id,
        last_value(partner_id ignore nulls) over so_far as partner_id,
        last_value(status ignore nulls) over so_far as status
    from told
    window
        so_far as (
            partition by case_id order by place
            rows between unbounded preceding and current row
        )
),

classed as (
    select
        case_id,
        place,
        cycle,
        event_at,
        holder_unit_id,
        holder_id,
        case when status = 'waiting_on_partner' then partner_id end as partner_id,
        case
            when {{ is_ended('status') }} then 'none'
            when status = 'waiting_on_reporter' then 'reporter'
            when status = 'waiting_on_partner' then 'partner'
            when holder_id is not null then 'person'
            when holder_unit_id is not null then 'unit'
            else 'unassigned'
        end as holder_kind
    from carried
),

stays as (
    select * from classed
    window case_events as (partition by case_id order by place)
    qualify
        lag(case_id) over case_events is null
        or lag(holder_kind) over case_events <> holder_kind
        or lag(holder_unit_id) over case_events is distinct from holder_unit_id
        or lag(holder_id) over case_events is distinct from holder_id
        or lag(partner_id) over case_events is distinct from partner_id
),

followed as (
    select
        case_id,
        place,
        cycle,
        event_at as valid_from,
        holder_kind,
        holder_unit_id,
        holder_id,
        partner_id,
        lead(event_at) over case_stays as valid_to,
        place = 1 or lag(holder_unit_id) over case_stays is distinct from holder_unit_id
            as is_arrival
    from stays
    window case_stays as (partition by case_id order by place)
),

-- A unit has a case until another one does, whoever in it has it and whomever it waits for.
visits as (
    select
        case_id,
        place,
        holder_kind,
        holder_unit_id,
        valid_from,
        lead(valid_from) over case_visits as left_at,
        lead(place) over case_visits as next_place,
        lead(holder_unit_id) over case_visits as next_unit_id,
        lag(holder_unit_id) over case_visits as previous_unit_id
    from followed
    where is_arrival
    window case_visits as (partition by case_id order by place)
),

passed_on as (
    select
        case_id,
        place,
        next_place,
        previous_unit_id
    from visits
    where
        holder_kind in ('unit', 'person')
        and next_unit_id <> holder_unit_id
        and {{ seconds_between('valid_from', 'left_at') }} <= {{ misroute_seconds() }}
),

worked as (
    select distinct
        passed_on.case_id,
        passed_on.place
    from passed_on
    inner join events
        on
            passed_on.case_id = events.case_id
            and events.place >= passed_on.place
            and events.place < passed_on.next_place
    where
        events.is_by_staff
        and events.event_type in (
            'public_reply', 'progress_reply', 'internal_note', 'resolved', 'forwarded',
            'status_set', 'accepted', 'rejected'
        )
),

-- Passed on soon, without any work, to another unit: it should not have come here.
misrouted as (
    select passed_on.*
    from passed_on
    anti join worked
        on passed_on.case_id = worked.case_id and passed_on.place = worked.place
),

judged as (
    select
        followed.*,
        misrouted.place is not null as is_of_sender,
        misrouted.previous_unit_id
    from followed
    left join misrouted
        on
            followed.case_id = misrouted.case_id
            and followed.place >= misrouted.place
            and followed.place < misrouted.next_place
),

final as (
    select
        judged.case_id,
        cast(
            row_number() over (partition by judged.case_id order by judged.place) as integer
        ) as ordinal,
        judged.cycle,
        judged.holder_kind,
        judged.holder_unit_id,
        judged.holder_id,
        judged.partner_id,
        judged.valid_from,
        -- Nobody holds a case any more that was merged into another or is spam.
        case
            when cases.left_out_at is null then judged.valid_to
            else least(judged.valid_to, greatest(cases.left_out_at, judged.valid_from))
        end as valid_to,
        judged.is_arrival and judged.holder_kind in ('unit', 'person') as is_arrival,
        judged.is_of_sender and judged.is_arrival as is_misrouted,
        case
            when judged.holder_kind in ('unit', 'person') and judged.is_of_sender
                then judged.previous_unit_id
            when judged.holder_kind in ('unit', 'person') then judged.holder_unit_id
        end as responsible_unit_id
    from judged
    left join cases
        on judged.case_id = cases.case_id
    where judged.holder_kind <> 'none'
)

select * from final
