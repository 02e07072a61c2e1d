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

    return [daily_publish, _nightly_tidy(days)]


def _nightly_tidy(days: dg.DailyPartitionsDefinition) -> dg.ScheduleDefinition:
    @dg.op(
        description="合并小文件，清理过保留期的数据 / compact small files, remove what is expired"
    )
    def tidy_home(context: dg.OpExecutionContext, installation: InstallationResource) -> None:
        from pipelines.tidying import tidy

        report = tidy(installation.open(), say=context.log.debug)
        for line in report.lines():
            context.log.info(line)
        if report.failures:
            raise dg.Failure("\n".join(report.failures.values()), allow_retries=False)

    @dg.job(
        description=(
            "合并小文件，清理过保留期的原始数据、隔离原文、归档文件和导出留底。\n\n"
            "Compacts small raw files and removes what is kept no longer: raw data, kept records, "
            "files in archives, contents of exports."
        )
    )
    def tidy() -> None:
        tidy_home()

    return dg.ScheduleDefinition(
        name="nightly_tidy",
        job=tidy,
        cron_schedule="30 2 * * *",
        execution_timezone=days.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=("每天 02:30 整理原始数据。\n\nEvery night at 02:30 tidies what was landed."),
    )
