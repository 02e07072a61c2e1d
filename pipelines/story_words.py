"""The words of the demonstration's page, in Chinese and English."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cubes.label import Language


@dataclass(frozen=True)
class Words:
    """Everything the page says in one language."""

    title: str
    opening: str
    deliveries: str
    delivery_columns: tuple[str, ...]
    events: str
    event_columns: tuple[str, ...]
    quarantine: str
    quarantine_columns: tuple[str, ...]
    quarantine_empty: str
    more: str
    slice: str
    accounted: str
    impossible: str
    messages: str
    whole: str
    segments: str
    no_messages: str
    alerts: str
    alert_columns: tuple[str, ...]
    figures: Mapping[str, str]
    kinds: Mapping[str, str]
    no_alerts: str
    outcomes: Mapping[str, str]
    sending: str
    sent: str
    passwords: str
    sign_in: str
    sign_in_columns: tuple[str, ...]
    states: Mapping[str, str]
    partners: str
    partner_columns: tuple[str, ...]
    export_states: Mapping[str, str]
    due: str
    next: str
    next_province: tuple[str, ...]
    next_flat: tuple[str, ...]


_PROVINCE = (
    "huiyin deliveries --problems",
    "huiyin quarantine list",
    "huiyin cube list",
    "huiyin cube query cases --measures complaints --by org.l3 --cut org=四川/绵阳 "
    "--period 2026-03-30",
    "huiyin query run daily_sales --param business_date=2026-03-30 --scope SC06",
    "huiyin message list",
    "huiyin exchange status",
    "huiyin simulate --next-day && huiyin run && huiyin dispatch --until-empty",
    "make bi && make up",
)
_FLAT = (
    "huiyin cube describe cases",
    "huiyin cube query cases --measures cases,overdue_rate --by org.l2 --totals grand",
    "huiyin quarantine list",
    "huiyin message list",
)

_WORDS: Mapping[str, Words] = {
    "zh": Words(
        title="回音：从原始数据到管理者的短信",
        opening="主目录 {home}，时钟 {now}（{zone}），业务日期 {business_date}，快照 {snapshot}",
        deliveries="1. 交付：各来源送来什么，落地多少，隔离多少",
        delivery_columns=("来源", "数据流", "批次", "行数", "落地", "被取代", "隔离", "拒收批"),
        events="   有问题的交付",
        event_columns=("代码", "含义", "数据流", "业务日期", "文件"),
        quarantine="2. 隔离区：哪些记录为什么没有落地（值已掩码）",
        quarantine_columns=("数据流", "文件", "行", "列", "值", "原因"),
        quarantine_empty="   隔离区是空的：每一行都落了地。",
        more="   另有 {count} 条：huiyin quarantine list",
        slice="3. 立方体切片，合计由数据库算出",
        accounted="   行数 {rows:,} = 工单 {cases:,} + 隔离 {rejected:,}",
        impossible="   不可能的日期（置空并打标，不进入相关度量）：{flags}",
        messages="4. 短信包：同一短信包，各看各的管辖",
        whole="全部",
        segments="{segments} 段，{characters} 字，{encoding}",
        no_messages="   没有到时的短信包：{reasons}",
        alerts="5. 告警：什么触发了，为什么",
        figures={
            "value": "本值",
            "comparison": "对比",
            "threshold": "预警线",
            "volume": "基数",
            "contributor": "主要来自",
        },
        alert_columns=("规则", "单位", "日期", "状态", "数值", "收信人"),
        kinds={"fired": "触发", "resolved": "恢复"},
        no_alerts="   没有告警触发：{reasons}",
        outcomes={
            "decided": "已判定单位数",
            "not_good": "数据不足不判定",
            "nobody_to_tell": "无收信人",
            "source_not_here": "没有所需来源",
            "no_complete_period": "无完整日期",
        },
        sending="6. 发送",
        sent="   {states}；文件通道写在 {path}",
        passwords="（其中初始密码 {count}）",
        sign_in="   首次登录门户（make up 之后），这三位管理者收到的短信：",
        sign_in_columns=("单位", "手机号", "短信"),
        states={
            "delivered": "已送达",
            "accepted": "已接收",
            "queued": "排队",
            "suppressed": "已抑制",
            "expired": "已过期",
            "dead": "失败",
            "in_doubt": "存疑",
            "undelivered": "未送达",
        },
        partners="7. 与伙伴交换：发出的数据和对方的确认",
        partner_columns=("导出", "业务日期", "行数", "状态", "说明"),
        export_states={
            "announced": "未送达",
            "delivered": "待确认",
            "confirmed": "已确认",
            "refused": "被拒收",
            "disagrees": "确认不符",
            "superseded": "已重发",
        },
        due="{at} 前应确认",
        next="接下来可以试",
        next_province=_PROVINCE,
        next_flat=_FLAT,
    ),
    "en": Words(
        title="Huiyin: from raw extracts to a manager's SMS",
        opening=(
            "Home {home}, clock {now} ({zone}), business date {business_date}, snapshot {snapshot}"
        ),
        deliveries="1. Deliveries: what each source sent, what landed, what was set aside",
        delivery_columns=(
            "source",
            "stream",
            "batches",
            "rows",
            "loaded",
            "superseded",
            "quarantined",
            "refused",
        ),
        events="   Deliveries with a problem",
        event_columns=("code", "meaning", "stream", "business date", "file"),
        quarantine="2. Quarantine: which records did not land, and why (values masked)",
        quarantine_columns=("stream", "file", "line", "column", "value", "reason"),
        quarantine_empty="   Nothing is in quarantine: every row landed.",
        more="   {count} more: huiyin quarantine list",
        slice="3. A cube slice with totals computed by the database",
        accounted="   rows {rows:,} = cases {cases:,} + quarantined {rejected:,}",
        impossible="   impossible dates (null with a flag, kept out of the measures): {flags}",
        messages="4. Digests: one digest, each manager's own jurisdiction",
        whole="All",
        segments="{segments} segments, {characters} characters, {encoding}",
        no_messages="   No digest was due: {reasons}",
        alerts="5. Alerts: what fired, and why",
        figures={
            "value": "value",
            "comparison": "against",
            "threshold": "limit",
            "volume": "of",
            "contributor": "mostly",
        },
        alert_columns=("rule", "unit", "date", "state", "figures", "recipients"),
        kinds={"fired": "fired", "resolved": "resolved"},
        no_alerts="   No alert fired: {reasons}",
        outcomes={
            "decided": "units judged",
            "not_good": "not judged for want of data",
            "nobody_to_tell": "nobody to tell",
            "source_not_here": "no such source here",
            "no_complete_period": "no complete day",
        },
        sending="6. Sending",
        sent="   {states}; the file transport wrote {path}",
        passwords=" (of these {count} initial passwords)",
        sign_in="   First sign-in at the portal (after make up), the SMS these managers got:",
        sign_in_columns=("Unit", "Number", "SMS"),
        states={},
        partners="7. Exchange with partners: what went out and how they confirmed it",
        partner_columns=("export", "business date", "rows", "status", "note"),
        export_states={
            "announced": "not there yet",
            "delivered": "awaited",
            "confirmed": "confirmed",
            "refused": "refused",
            "disagrees": "disagrees",
            "superseded": "sent again",
        },
        due="due by {at}",
        next="What to try next",
        next_province=_PROVINCE,
        next_flat=_FLAT,
    ),
}


def words(language: Language) -> Words:
    """The words of a language."""
    return _WORDS[language]
