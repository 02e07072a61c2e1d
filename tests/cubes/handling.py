"""Facts of how cases are handled and of what people say, a few rows each, figures known by hand."""

from __future__ import annotations

import duckdb


def make_handling(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the facts of backlog, assignments, votes, surveys, calls, mentions and orders."""
    run = connection.execute
    # H1 from Chengdu, open on all three days and late from the second on; H2 from Mianyang.
    run(
        "create table fct_backlog_daily as select date_on || '/' || case_no as backlog_key, "
        "date_on, case_no as case_key, 'hotline' as source, case_no, 'in_progress' as status, "
        "1 as cycle, 'unit' as holder_kind, unit as holder_unit_id, unit as org_unit_id, "
        "'complaint' as kind, 'c1' as category_id, 'phone' as channel_id, "
        "age as age_working_days, age as age_days, is_overdue "
        "from (values (date '2026-03-26', 'H1', '510101', 19, false), "
        "(date '2026-03-27', 'H1', '510101', 20, true), "
        "(date '2026-03-27', 'H2', '510201', 1, false), "
        "(date '2026-03-30', 'H1', '510101', 21, true), "
        "(date '2026-03-30', 'H2', '510201', 2, false)) "
        "as t (date_on, case_no, unit, age, is_overdue)"
    )
    # H1 came to Shuangliu by mistake, whose time is Central's; a person of Central took it on.
    run(
        "create table fct_case_assignment as select case_no || '/' || ordinal as assignment_key, "
        "case_no as case_key, 'hotline' as source, case_no, ordinal, 1 as cycle, holder_kind, "
        "holder as holder_unit_id, person as holder_id, cast(null as varchar) as partner_id, "
        "responsible as responsible_unit_id, '510101' as org_unit_id, 'complaint' as kind, "
        "cast(day as timestamp) as valid_from, cast(day + 1 as timestamp) as valid_to, "
        "day as valid_from_on, day + 1 as valid_to_on, is_arrival, is_misrouted, "
        "held * 2 as held_s, held as held_working_s from (values "
        "('H1', 1, 'unassigned', null, null, null, date '2026-03-24', false, false, 600), "
        "('H1', 2, 'unit', '510101', null, '510101', date '2026-03-24', true, false, 3600), "
        "('H1', 3, 'unit', '510102', null, '510101', date '2026-03-25', true, true, 1800), "
        "('H1', 4, 'unit', '510101', null, '510101', date '2026-03-25', true, false, 7200), "
        "('H1', 5, 'person', '510101', 's1', '510101', date '2026-03-26', false, false, 10800), "
        "('H2', 1, 'unit', '510201', null, '510201', date '2026-02-02', true, false, 600)) "
        "as t (case_no, ordinal, holder_kind, holder, person, responsible, day, is_arrival, "
        "is_misrouted, held)"
    )
    run(
        "create table fct_vote as select case_no || score as vote_key, case_no as case_key, "
        "'hotline' as source, case_no, 1 as cycle, cast(day as timestamp) as voted_at, "
        "day as voted_on, score, is_first, is_last, unit as judged_unit_id, unit as org_unit_id, "
        "'complaint' as kind, 'c1' as category_id, 'phone' as channel_id from (values "
        "('H1', 2, date '2026-03-27', true, false, '510101'), "
        "('H1', 5, date '2026-03-30', false, true, '510101'), "
        "('H2', 4, date '2026-03-30', true, true, '510201')) "
        "as t (case_no, score, day, is_first, is_last, unit)"
    )
    run(
        "create table fct_survey_response as select respondent || question as response_id, "
        "cast(null as varchar) as source_branch, 'nps' as survey_id, 1 as round_no, "
        "respondent as respondent_id, respondent as respondent_key, 'k1' as customer_id, "
        "unit as org_unit_id, question as question_id, score, "
        "timestamp '2026-03-20' as answered_at, date '2026-03-20' as answered_on from (values "
        "('r1', 'q1', 10, '510101'), ('r1', 'q2', null, '510101'), ('r2', 'q1', 6, '510102'), "
        "('r3', 'q1', 8, '510201')) as t (respondent, question, score, unit)"
    )
    run(
        "create table fct_call as select call_no as call_id, call_no, 'main' as source_branch, "
        "unit as org_unit_id, cast(null as varchar) as agent_id, "
        "cast(null as varchar) as caller_key, cast(null as varchar) as case_no, "
        "cast(null as varchar) as case_key, 'faults' as queue, outcome, "
        "outcome = 'answered' as is_answered, waited_s, talked_s, score, "
        "timestamp '2026-03-30' as started_at, date '2026-03-30' as started_on from (values "
        "('1', '510101', 'answered', 10, 100, 5), ('2', '510101', 'answered', 30, 300, 2), "
        "('3', '510201', 'abandoned', 80, 0, null), ('4', '510201', 'busy', 0, 0, null)) "
        "as t (call_no, unit, outcome, waited_s, talked_s, score)"
    )
    run(
        "create table fct_mention as select mention_id, cast(null as varchar) as source_branch, "
        "'forum' as site, 'a' as author_key, unit as org_unit_id, '网络/断网' as category_path, "
        "'c1' as category_id, sentiment, reach, timestamp '2026-03-30' as published_at, "
        "date '2026-03-30' as published_on, timestamp '2026-03-30 01:00' as seen_at, "
        "3600 as seen_after_s from (values ('m1', '510101', 'negative', 900), "
        "('m2', '510101', 'positive', 80), ('m3', null, 'negative', 20), "
        "('m4', '510201', 'neutral', 0)) as t (mention_id, unit, sentiment, reach)"
    )
    run(
        "create table fct_rectification as select case_no as rectification_key, "
        "case_no as case_key, 'hotline' as source, case_no, 1 as ordinal, unit as org_unit_id, "
        "'report' as kind, 'c1' as category_id, timestamp '2026-03-20' as ordered_at, "
        "date '2026-03-20' as ordered_on, timestamp '2026-03-27' as limit_at, verified_at, "
        "cast(verified_at as date) as verified_on, state, 3600 as elapsed_s from (values "
        "('H1', '510101', timestamp '2026-03-26', 'met'), "
        "('H2', '510201', timestamp '2026-03-30', 'breached'), "
        "('H3', '510201', null, 'breached'), ('H4', '510201', null, 'running')) "
        "as t (case_no, unit, verified_at, state)"
    )
