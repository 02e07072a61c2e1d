"""Measure the SLA models: so many clocks over so many cases, under both evaluations.

Run as `python -m tests.benchmarks.sla [--cases 300000,3000000] [--peer 30000] [--memory 6GB]`. The
events of the cases are made outside what is timed; timed are the models from the events to
fct_sla_clock, as dbt runs them: the fold of the events, then what begins and ends clocks and judges
them, and fct_case; then all of it once more after one day's cases were touched. `--peer` times
beside it, over so many cases, what other warehouses do: the calendar exploded into minutes and
joined with every clock.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb

from pipelines.dbt_run import run_dbt
from tests.dbt_project.raw_home import RawHome

CLOCKS = ("acknowledge", "first_response", "next_response", "resolution")
FOLD = (
    "int_time__local_day",
    "int_feedback__case_scope",
    "int_feedback__case_event",
    "int_feedback__case_transition",
    "int_feedback__case_status",
    "int_feedback__case_assignment",
    "int_feedback__case_fold",
    "int_feedback__category_place",
)
JUDGEMENT = (
    "int_sla__signal",
    "int_sla__span",
    "int_sla__policy",
    "int_sla__policy_unit",
    "int_sla__judged_unit",
    "int_sla__epoch",
    "int_sla__priority",
    "int_feedback__case_attribute",
    "int_sla__attribute",
    "int_sla__setting",
    "int_sla__policy_match",
    "int_sla__segment",
    "int_sla__stop",
    "int_sla__pause",
    "int_sla__target",
    "int_sla__paused",
    "int_sla__segment_due",
    "int_sla__reading",
    "int_sla__prospect",
    "int_sla__holding",
    "fct_sla_clock",
)
PARTS = {"fold": FOLD, "judgement": JUDGEMENT, "case": ("fct_case",)}
# The joins of the macro join_position, on a calendar numbered here so that its cost is counted.
_BY_POSITIONS = """
with interval_of_calendar as (
    select
        starts_at,
        seconds,
        cumulative_s,
        lead(starts_at) over (order by starts_at) as next_at
    from marts.calendar_interval
    where calendar_id = 'china' and evaluation = 'as_is'
),
piece as (
    select
        starts_at,
        seconds,
        cumulative_s,
        next_at,
        unnest(generate_series(
            cast(starts_at as date), cast(next_at - interval 1 second as date), interval 1 day
        ))::date as bucket_on
    from interval_of_calendar
    where next_at is not null
),
worked as (
    select
        stop.cumulative_s
        + least(stop.seconds, date_diff('second', stop.starts_at, clock.stopped_at))
        - start.cumulative_s
        - least(start.seconds, date_diff('second', start.starts_at, clock.started_at))
            as seconds
    from clock
    inner join piece as start
        on
            cast(clock.started_at as date) = start.bucket_on
            and clock.started_at >= start.starts_at
            and clock.started_at < start.next_at
    inner join piece as stop
        on
            cast(clock.stopped_at as date) = stop.bucket_on
            and clock.stopped_at >= stop.starts_at
            and clock.stopped_at < stop.next_at
)
select count(*), sum(seconds) from worked
"""
_AS_OF = datetime.fromisoformat("2026-03-31T01:00:00")


def make_home(folder: Path, cases: int) -> RawHome:
    """A built, empty home with the events of `cases` cases in fct_feedback_event.

    A third of the cases wait for the reporter for a day or more, a third exchange another message;
    one in twenty is passed on to another unit, one in fifty is still open.
    """
    home = RawHome(folder)
    home.set_build(_AS_OF, date(2026, 3, 30))
    home.execute(
        "insert into raw.source_setting values "
        "('hotline', '热线', 'Hotline', 'streams', 'Asia/Shanghai', 'china', 'CNY')"
    )
    home.dbt("build", "--exclude-resource-type", "unit_test", "--exclude-resource-type", "test")
    with duckdb.connect(str(home.work)) as work:
        kept = ", ".join(f"'{clock}'" for clock in CLOCKS)
        work.execute(f"delete from seeds.sla_clock where clock not in ({kept})")
    with duckdb.connect(str(home.warehouse)) as warehouse:
        warehouse.execute("set preserve_insertion_order = false")
        warehouse.execute("delete from marts.fct_feedback_event")
        warehouse.execute(
            f"""
            create temp table matter as
            select
                i,
                'H' || lpad(cast(i as varchar), 9, '0') as case_no,
                timestamp '2024-01-01' + to_seconds((i * 7919) % 70000000) as raised_at,
                i % 3 = 0 as waits,
                i % 3 = 1 as asks,
                i % 20 = 0 as moves,
                i % 50 <> 0 as ends,
                (i * 31) % 86400 as jitter
            from range({cases}) as numbers (i)
            """
        )
        steps = [
            ("0", "created", "0", "true", "'reporter'"),
            ("1", "accepted", "600 + jitter % 3600", "true", "'agent'"),
            ("1", "assigned", "4000 + jitter % 7200", "true", "'agent'"),
            ("1", "public_reply", "12000 + jitter", "true", "'handler'"),
            ("1", "status_set", "100000 + jitter % 5000", "waits", "'handler'"),
            ("2", "status_set", "190000 + jitter", "waits", "'handler'"),
            ("1", "reporter_message", "110000 + jitter", "asks", "'reporter'"),
            ("1", "public_reply", "150000 + jitter * 2", "asks", "'handler'"),
            ("2", "assigned", "120000 + jitter", "moves", "'agent'"),
            ("1", "resolved", "300000 + jitter * 5", "ends", "'handler'"),
            ("1", "closed", "480000 + jitter * 5", "ends", "'system'"),
        ]
        for number, (seq, kind, after, chosen, role) in enumerate(steps):
            status = "null"
            if kind == "status_set":
                status = "'waiting_on_reporter'" if seq == "1" else "'in_progress'"
            first = "i < 0" if kind != "created" else "true"
            warehouse.execute(
                f"""
                insert into marts.fct_feedback_event by name
                select
                    md5(case_no || '{number}') as event_key,
                    case_no || '{number:02d}' as event_id,
                    'hotline' as source,
                    {seq} as source_seq,
                    case_no,
                    '{kind}' as event_type,
                    raised_at + to_seconds({after}) as event_at,
                    'second' as event_precision,
                    {role} as actor_role,
                    false as is_automatic,
                    'U' || (i % 800) as org_unit_id,
                    case when '{kind}' = 'assigned' then 'U' || ((i + {seq}) % 800) end
                        as holder_unit_id,
                    case when {first} then 'phone' end as channel,
                    case when {first} then case when i % 2 = 0 then 'complaint' else 'inquiry' end
                        end as kind,
                    case when {first} then 'network/coverage/' || (i % 40) end as category_path,
                    case when {first} then cast(1 + i % 3 as varchar) end as urgency,
                    {status} as status
                from matter
                where {chosen}
                """
            )
        warehouse.execute("checkpoint")
    return home


def measure(cases: int, memory: str) -> dict[str, float]:
    """Seconds by model, clocks, and the peak of resident memory in MB, of one run."""
    with tempfile.TemporaryDirectory(prefix="sla") as name:
        folder = Path(name)
        home = make_home(folder, cases)
        figures = run(folder, memory, "--full-refresh")
        figures["peak MB"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        counted = home.rows("select count(*) as n, avg(elapsed_s) as s from marts.fct_sla_clock")[0]
        figures["clocks (both evaluations)"] = counted["n"]
        figures["mean elapsed s"] = counted["s"]
        home.set_build(_AS_OF + timedelta(days=1), date(2026, 3, 31))
        with duckdb.connect(str(home.work)) as work:
            work.execute(f"attach '{home.warehouse}' as warehouse (read_only)")
            work.execute(
                """
                insert into raw.touched_case
                select source, case_no
                from warehouse.marts.fct_feedback_event
                where event_type = 'created' and cast(event_at as date) = date '2025-11-03'
                """
            )
        changed = run(folder, memory)
        figures |= {f"one changed day, {name}": seconds for name, seconds in changed.items()}
        with duckdb.connect(str(home.work), read_only=True) as work:
            for name, table in (
                ("cases touched", "raw.touched_case"),
                ("cases computed anew", "intermediate.int_feedback__case_scope"),
            ):
                counts = work.execute(f"select count(*) from {table}").fetchone()
                figures[name] = counts[0] if counts else 0
        return figures


def run(folder: Path, memory: str, *arguments: str) -> dict[str, float]:
    """Seconds of folding events, judging clocks and telling cases, each a process of its own."""
    figures = {}
    for part in PARTS:
        command = [sys.executable, "-m", "tests.benchmarks.sla", "--run", str(folder)]
        command += ["--memory", memory, "--part", part, *arguments]
        begun = time.perf_counter()
        subprocess.run(command, check=True)
        figures[f"{part} s"] = time.perf_counter() - begun
    return figures


def run_models(folder: Path, memory: str, part: str, *, full: bool) -> None:
    """Run the models of one half over a made home, and print what each took."""
    nodes = run_dbt(
        ["run", *(["--full-refresh"] if full else []), "--select", *PARTS[part]],
        warehouse=folder / "warehouse.duckdb",
        work=folder / "work.duckdb",
        target=folder / "target",
        site_models=folder / "site_models",
        memory_limit=memory,
        threads=2,
    )
    for node in sorted(nodes, key=lambda node: -node.seconds):
        if node.seconds >= 0.5:
            print(f"  {node.name:<36}{node.seconds:8.1f} s")
    print(f"  {'all models':<36}{sum(node.seconds for node in nodes):8.1f} s")


def measure_peer(cases: int) -> dict[str, float]:
    """Working time by minutes, every minute of the calendar joined with every clock, and by ours.

    The first is what warehouses without numbered working seconds do. Both answer one question, how
    long the resolution clocks ran, alike to the minute; each includes making its calendar.
    """
    with tempfile.TemporaryDirectory(prefix="sla") as name:
        home = make_home(Path(name), cases)
        with duckdb.connect(str(home.warehouse)) as warehouse:
            warehouse.execute(f"attach '{home.work}' as work (read_only)")
            warehouse.execute(
                """
                create temp table clock as
                select
                    case_no,
                    min(event_at) filter (where event_type = 'created') as started_at,
                    min(event_at) filter (where event_type = 'resolved') as stopped_at
                from marts.fct_feedback_event
                group by case_no
                having stopped_at is not null
                """
            )
            begun = time.perf_counter()
            warehouse.execute(
                """
                create temp table minute as
                select unnest(generate_series(starts_at, ends_at - interval 1 minute,
                    interval 1 minute)) as minute_at
                from marts.calendar_interval
                where
                    calendar_id = 'china' and evaluation = 'as_is'
                    and starts_at between timestamp '2023-12-25' and timestamp '2026-06-01'
                """
            )
            counted = warehouse.execute(
                """
                select count(*), sum(minutes)
                from (
                    select clock.case_no, count(*) as minutes
                    from clock
                    inner join minute
                        on
                            minute.minute_at >= clock.started_at
                            and minute.minute_at < clock.stopped_at
                    group by clock.case_no
                )
                """
            ).fetchone()
            exploded = time.perf_counter() - begun
            begun = time.perf_counter()
            ours = warehouse.execute(_BY_POSITIONS).fetchone()
            positions = time.perf_counter() - begun
            assert counted is not None and ours is not None
            return {
                "minutes exploded s": exploded,
                "positions s": positions,
                "times faster": exploded / positions,
                "clocks": counted[0],
                "minutes, exploded": counted[1],
                "minutes, positions": ours[1] / 60,
            }


def main() -> None:
    """Print the figures of each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", default="300000")
    parser.add_argument("--peer", type=int, default=0)
    parser.add_argument("--memory", default="6GB")
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--part", help=argparse.SUPPRESS)
    parser.add_argument("--full-refresh", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        full = arguments.full_refresh
        run_models(arguments.run, arguments.memory, arguments.part, full=full)
        return
    for cases in (int(size) for size in arguments.cases.split(",")):
        print(f"{cases:,} cases")
        for name, value in measure(cases, arguments.memory).items():
            print(f"  {name:<36}{value:14,.1f}")
    if arguments.peer:
        print(f"minutes exploded, {arguments.peer:,} cases")
        for name, value in measure_peer(arguments.peer).items():
            print(f"  {name:<36}{value:14,.1f}")


if __name__ == "__main__":
    main()
