-- The parts of a clock whose policy changed follow each other from its start to its end, and the
-- policy that judges it is that of one of them.
with

segments as (
    select * from {{ ref('fct_sla_segment') }}
),

clocks as (
    select * from {{ ref('fct_sla_clock') }}
),

build as (
    select * from {{ source('build', 'build') }}
),

followed as (
    select
        *,
        lead(from_at) over (partition by clock_key order by segment_no) as next_from_at,
        row_number() over (partition by clock_key order by from_at) as place
    from segments
),

tiled as (
    select
        clock_key,
        min(from_at) as from_at,
        max(to_at) as to_at,
        count(*) as parts,
        bool_and(
            place = segment_no
            and from_at <= to_at
            and (next_from_at is null or next_from_at = to_at)
        ) as is_tiled
    from followed
    group by clock_key
),

judged as (
    select distinct
        clock_key,
        policy_key
    from segments
),

final as (
    select tiled.clock_key
    from tiled
    left join clocks
        on tiled.clock_key = clocks.clock_key
    left join judged
        on
            clocks.clock_key = judged.clock_key
            and clocks.policy_key is not distinct from judged.policy_key
    cross join build
    where
        clocks.clock_key is null
        or judged.clock_key is null
        or tiled.parts < 2
        or not tiled.is_tiled
        or tiled.from_at <> clocks.started_at
        or tiled.to_at <> case
            when clocks.is_open then build.as_of
            else greatest(
                clocks.started_at, coalesce(clocks.stopped_at, clocks.cancelled_at, tiled.to_at)
            )
        end
)

select * from final
