"""Dagster sensors: look for what came or became due, and drain, launch or plan.

Nothing is sent from here. What a sensor has seen is derived from our own stores, so that a tick
that failed is repeated and does no harm.
Annotations are not postponed in this module: Dagster reads those of a sensor's body as types.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from pipelines.assets.checks import EXPORTS_CHECK, result_of
from pipelines.assets.failure import not_before
from pipelines.assets.keys import SNAPSHOT, partition_of, raw_key
from pipelines.assets.landing import landed_metadata
from pipelines.resources import InstallationResource

if TYPE_CHECKING:
    from connectors.landing import Delivery
    from pipelines.installation import Installation

INTAKE = "intake"
_LONGEST_REASON = 300
# Dagster gives up a tick after a minute; exports are written by then, and brought to partners.
_EXCHANGE_SECONDS = 50
NEWS_TAG = "huiyin/news"
_UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def sensors(
    job_name: str,
    *,
    days: dg.DailyPartitionsDefinition,
    intake: Sequence[str],
    service: Mapping[str, Sequence[str]],
) -> list[dg.SensorDefinition]:
    """The sensors; `job_name` publishes, `intake` are the streams of the inbox, if there is one,
    `service` those of each source that delivers by packets of the service.
    """
    inbox = [_intake_inbox(intake, days)] if intake else []
    if service:
        inbox.append(_service_inbox(service, days))
    return [
        *inbox,
        _arrivals(job_name, days),
        _delivery_calendar(),
        _alerts_on_publish(),
        _digests_due(),
        _partners(),
    ]


def _intake_inbox(
    streams: Sequence[str], days: dg.DailyPartitionsDefinition
) -> dg.SensorDefinition:
    @dg.sensor(
        name="intake_inbox",
        minimum_interval_seconds=3,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "把反馈入口新收到的工单落地，几秒之内完成，不另起运行。\n\n"
            "Lands what came in through the intake within seconds, without a run of its own."
        ),
    )
    def intake_inbox(
        context: dg.SensorEvaluationContext, installation: InstallationResource
    ) -> dg.SkipReason:
        from connectors.errors import LandingBusy
        from pipelines.workflow import ingest

        opened = installation.open()
        landed = ingest(opened, say=context.log.debug, source=INTAKE)
        for error in landed.failures.values():
            if isinstance(error, LandingBusy):
                return dg.SkipReason(
                    "另一个运行正在读收件箱 / another run is draining the inbox at the moment"
                )
            raise error
        if not landed.deliveries:
            return dg.SkipReason("收件箱没有新内容 / nothing new in the inbox")
        _report(context, opened, INTAKE, streams, landed.deliveries, days)
        rows = sum(one.loaded for one in landed.deliveries)
        return dg.SkipReason(
            f"已落地 {rows} 行，下次发布时可见 / {rows} rows landed, visible with the next publish"
        )

    return intake_inbox


def _service_inbox(
    service: Mapping[str, Sequence[str]], days: dg.DailyPartitionsDefinition
) -> dg.SensorDefinition:
    @dg.sensor(
        name="service_inbox",
        minimum_interval_seconds=3,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "把服务接口收下的批次落地，几秒之内完成，不另起运行。\n\n"
            "Lands the batches that came in through the service within seconds, without a run of "
            "its own."
        ),
    )
    def service_inbox(
        context: dg.SensorEvaluationContext, installation: InstallationResource
    ) -> dg.SkipReason:
        from connectors.errors import LandingBusy
        from pipelines.workflow import ingest

        opened = installation.open()
        rows = batches = 0
        failed: Exception | None = None
        for source, streams in service.items():
            landed = ingest(opened, say=context.log.debug, source=source)
            for error in landed.failures.values():
                # One source that cannot be drained holds up no other.
                failed = failed if isinstance(error, LandingBusy) else error
            _report(context, opened, source, streams, landed.deliveries, days)
            batches += len(landed.deliveries)
            rows += sum(one.loaded for one in landed.deliveries)
        if failed is not None:
            raise failed
        if not batches:
            return dg.SkipReason("服务接口没有新批次 / no new batch of the service")
        return dg.SkipReason(
            f"已落地 {batches} 批 {rows} 行，下次构建会读 / {batches} batches of {rows} rows "
            "landed, read by the next build"
        )

    return service_inbox


def _report(
    context: dg.SensorEvaluationContext,
    opened: "Installation",
    source: str,
    streams: Sequence[str],
    deliveries: "Sequence[Delivery]",
    days: dg.DailyPartitionsDefinition,
) -> None:
    """Tell Dagster which assets were materialised by what was landed here."""
    from pipelines.stream_findings import landed_in_all

    if not deliveries:
        return
    in_all = landed_in_all(opened, source)
    for stream in streams:
        own = [one for one in deliveries if one.stream == stream]
        if own:
            metadata = landed_metadata(source, stream, own, in_all.get(stream))
            context.instance.report_runless_asset_event(
                _materialised(source, stream, own, metadata, days)
            )


def _materialised(
    source: str,
    stream: str,
    deliveries: "Sequence[Delivery]",
    metadata: Mapping[str, Any],
    days: dg.DailyPartitionsDefinition,
) -> dg.AssetMaterialization:
    last = max((one.business_date for one in deliveries if one.business_date), default=None)
    return dg.AssetMaterialization(
        raw_key(source, stream),
        metadata=metadata,
        partition=partition_of(last, days) if last else None,
    )


def _arrivals(job_name: str, days: dg.DailyPartitionsDefinition) -> dg.SensorDefinition:
    @dg.sensor(
        name="arrivals",
        job_name=job_name,
        minimum_interval_seconds=15,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "看各来源有没有新送达、有没有已落地还没发布的批次；有就启动一次落地、构建、发布。\n\n"
            "Looks whether a source offers something new or landed batches are not published yet, "
            "and launches one run that lands, builds and publishes."
        ),
    )
    def arrivals(
        context: dg.SensorEvaluationContext, installation: InstallationResource
    ) -> dg.RunRequest | dg.SkipReason:
        from pipelines.news import business_date, news_of

        opened = installation.open()
        runs = context.instance
        if runs.get_runs(dg.RunsFilter(statuses=_UNDER_WAY), limit=1):
            return dg.SkipReason("一次运行正在排队或进行 / a run is queued or under way")
        pause = timedelta(minutes=opened.settings.publish_every_minutes)
        last = next(
            iter(
                runs.get_run_records(
                    dg.RunsFilter(job_name=job_name, tags={"dagster/sensor_name": "arrivals"}),
                    limit=1,
                )
            ),
            None,
        )
        if last is not None:
            wait = last.create_timestamp.astimezone(UTC) + pause - datetime.now(UTC)
            if wait > timedelta(0):
                seconds = int(wait.total_seconds()) + 1
                return dg.SkipReason(
                    f"最多每 {pause.seconds // 60} 分钟发布一次，{seconds} 秒后再看 / at most one "
                    f"publish in {pause.seconds // 60} minutes; looking again in {seconds} s"
                )
        news = news_of(opened)
        for source, reason in news.unreachable.items():
            context.log.warning(f"{source}: {reason}")
        if not news:
            return dg.SkipReason("没有新送达，也没有待发布的批次 / nothing new to land or publish")
        tags = {"dagster/sensor_name": "arrivals", NEWS_TAG: news.fingerprint}
        again = not_before(runs, dg.RunsFilter(job_name=job_name, tags=tags))
        if again is None:
            return dg.SkipReason(
                "同样的数据上次运行失败，再试无用：先修好，再手动启动；有新数据或定义改了会自动再来"
                " / the last run over the same data failed and would fail again: mend the cause "
                "and launch it by hand; new data and changed definitions start one by themselves"
            )
        if again > datetime.now(UTC):
            minutes = int((again - datetime.now(UTC)).total_seconds() / 60) + 1
            return dg.SkipReason(
                f"上次运行没成，可能会好，{minutes} 分钟后再试 / the last run failed, which may "
                f"pass; trying again in {minutes} min"
            )
        return dg.RunRequest(
            partition_key=partition_of(business_date(opened), days),
            tags={NEWS_TAG: news.fingerprint},
        )

    return arrivals


def _delivery_calendar() -> dg.SensorDefinition:
    @dg.sensor(
        name="delivery_calendar",
        minimum_interval_seconds=300,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "按送达日历看哪些送达晚了、缺了，哪个分支没有声音，记为交换事件。\n\n"
            "Notes deliveries that are late or missing and branches that fell silent as exchange "
            "events."
        ),
    )
    def delivery_calendar(
        context: dg.SensorEvaluationContext, installation: InstallationResource
    ) -> dg.SkipReason:
        from pipelines.workflow import watch

        opened = installation.open()
        with opened.ledger() as ledger:
            new = watch(opened, ledger)
        if not new:
            return dg.SkipReason("没有新的晚到或缺失 / nothing new is late or missing")
        return dg.SkipReason(f"新记下 {new} 件 / {new} new exchange events")

    return delivery_calendar


def _alerts_on_publish() -> dg.SensorDefinition:
    @dg.sensor(
        name="alerts_on_publish",
        minimum_interval_seconds=10,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "发现新快照就判断告警和短信包，只写进发件箱；用来补上没走完的发布。\n\n"
            "Plans alerts and digests for a snapshot that nobody planned for yet, such as one of a "
            "publish that was cut short. Only writes into the outbox."
        ),
    )
    def alerts_on_publish(
        context: dg.SensorEvaluationContext, installation: InstallationResource
    ) -> dg.SkipReason:
        from pipelines.news import tell_and_note, untold_tag

        opened = installation.open()
        tag = untold_tag(opened)
        if tag is None:
            return dg.SkipReason("没有新快照 / no new snapshot")
        told = tell_and_note(opened, warn=context.log.warning)
        return dg.SkipReason(
            f"快照 {tag}：排好 {told.messages} 条短信 / snapshot {tag}: {told.messages} messages "
            "queued"
        )

    return alerts_on_publish


def _digests_due() -> dg.SensorDefinition:
    @dg.sensor(
        name="digests_due",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "到点的短信包和告警，每 30 秒看一次；只写进发件箱。\n\n"
            "Plans the digests and alerts that time makes due, every 30 seconds. "
            "Only writes into the outbox."
        ),
    )
    def digests_due(
        context: dg.SensorEvaluationContext, installation: InstallationResource
    ) -> dg.SkipReason:
        from cubes.errors import SnapshotError
        from cubes.snapshot import current_tag
        from pipelines.news import tell_and_note

        opened = installation.open()
        try:
            current_tag(opened.home.published)
        except SnapshotError:
            return dg.SkipReason("还没有发布过快照 / nothing is published yet")
        told = tell_and_note(opened, warn=context.log.warning)
        if not told.messages:
            return dg.SkipReason("现在没有到点的 / nothing is due now")
        return dg.SkipReason(f"排好 {told.messages} 条短信 / {told.messages} messages queued")

    return digests_due


def _partners() -> dg.SensorDefinition:
    @dg.sensor(
        name="partners",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "到期的导出送给伙伴，读取对方的确认，逾期未确认的记为交换事件。\n\n"
            "Delivers the exports that are due to partners, reads their confirmations and notes "
            "those that are late as exchange events."
        ),
    )
    def partners(
        context: dg.SensorEvaluationContext, installation: InstallationResource
    ) -> dg.SkipReason:
        from pipelines.exchange import exchange

        opened = installation.open()
        report = exchange(opened, say=context.log.debug, seconds=_EXCHANGE_SECONDS)
        _show_exports(context, opened)
        for failure in report.failures:
            context.log.warning(failure)
        failed = ""
        if report.failures:
            first = " ".join(report.failures[0].split())[:_LONGEST_REASON]
            failed = f"；失败 {len(report.failures)} 件 / {len(report.failures)} failed: {first}"
        if not report.delivered and not report.answered:
            return dg.SkipReason(
                f"没有到期的导出，也没有新的确认 / nothing is due or answered{failed}"
            )
        return dg.SkipReason(
            f"送出 {len(report.delivered)} 份，收到 {len(report.answered)} 份确认 / "
            f"{len(report.delivered)} delivered, {len(report.answered)} answers read{failed}"
        )

    return partners


def _show_exports(context: dg.SensorEvaluationContext, opened: "Installation") -> None:
    """Bring the check of exports up to date, if what it tells has changed since."""
    from pipelines.export_checks import open_exports

    told = result_of(SNAPSHOT, EXPORTS_CHECK, open_exports(opened))
    key = dg.AssetCheckKey(SNAPSHOT, EXPORTS_CHECK)
    last = context.instance.get_latest_asset_check_evaluation_record(key)
    shown = last.event.asset_check_evaluation if last and last.event else None
    if shown is not None and (shown.passed, shown.description) == (told.passed, told.description):
        return
    context.instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            SNAPSHOT,
            EXPORTS_CHECK,
            told.passed,
            metadata=told.metadata,
            severity=told.severity,
            description=told.description,
        )
    )
