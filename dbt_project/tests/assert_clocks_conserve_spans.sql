-- Every span of the cases of this build is one clock under each evaluation, and no other.
with

spans as (
    select * from {{ ref('int_sla__span') }}
),

scope as (
    select * from {{ ref('int_feedback__case_scope') }}
),

clocks as (
    select * from {{ ref('fct_sla_clock') }}
),

evaluations as (
    select 'as_was' as evaluation
    union all
    select 'as_is'
),

expected as (
    select
        scope.source,
        scope.case_no,
        spans.clock,
        spans.ordinal,
        evaluations.evaluation,
        spans.started_at
    from spans
    inner join scope
        on spans.case_id = scope.case_id
    cross join evaluations
),

found as (
    select
        clocks.source,
        clocks.case_no,
        clocks.clock,
        clocks.ordinal,
        clocks.evaluation,
        clocks.started_at
    from clocks
    semi join scope
        on clocks.source = scope.source and clocks.case_no = scope.case_no
),

final as (
    (
        select * from expected
        except all
        select * from found
    )
    union all
    (
        select * from found
        except all
        select * from expected
    )
)

select * from final
