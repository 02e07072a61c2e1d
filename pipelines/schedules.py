"""Dagster schedules: the daily publish, which needs no arrival to happen.

Annotations are not postponed in this module: Dagster reads those of a schedule's body as types.
"""

import dagster as dg

from pipelines.assets.keys import partition_of
from pipelines.resources import InstallationResource


def schedules(job_name: str, *, days: dg.DailyPartitionsDefinition) -> list[dg.ScheduleDefinition]:
    """The schedules of the job that publishes, in the operator's zone."""

    @dg.schedule(
        name="daily_publish",
        job_name=job_name,
        cron_schedule="45 6 * * *",
        execution_timezone=days.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=(
            "每天 06:45 落地、构建并发布昨天的业务日，没有新送达也照样发布。\n\n"
            "Every day at 06:45 lands, builds and publishes yesterday's business date, also when "
            "nothing has come."
        ),
    )
    def daily_publish(
        context: dg.ScheduleEvaluationContext, installation: InstallationResource
    ) -> dg.RunRequest:
        from pipelines.news import business_date

        return dg.RunRequest(partition_key=partition_of(business_date(installation.open()), days))

    return [daily_publish]
