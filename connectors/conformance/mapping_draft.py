"""A first draft of a contract of `shape: cases` from a data set, with a reason for every choice.

The draft is YAML for a person to read and correct. Values of columns stand in it only where they
are choices (status, channel, kind), never texts that people wrote.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import yaml

from connectors.conformance.column_roles import Choice, Roles, Sureness, find_roles
from connectors.conformance.file_profile import FileProfile, profile_file
from connectors.scrubbing import scrub

_STATUS_WORDS = (
    (r"withdraw|cancel|撤", "withdrawn"),
    (r"reject|invalid|duplicate|驳回|不受理", "rejected"),
    (r"clos|办结|归档|关闭|结案", "closed"),
    (r"resolv|complet|done|finish|完成|解决", "resolved"),
    (r"progress|assign|start|pending|working|sent|review|处理中|办理|转办|待", "in_progress"),
    (r"untimely|waiting on|partner|第三方", "waiting_on_partner"),
    (r"open|new|draft|unassigned|unspecified|未处理|新建|待受理", "new"),
)
_CHANNEL_WORDS = (
    (r"wechat|微信|公众号", "wechat"),
    (r"e-?mail|邮件|邮箱", "email"),
    (r"phone|call|voice|电话|热线|来电", "phone"),
    (r"web|online|internet|portal|网站|网页|网上", "web"),
    (r"app|mobile|手机|客户端", "app"),
    (r"mail|letter|post|来信|信件", "letter"),
    (r"fax|传真", "fax"),
    (r"referral|transfer|转办|转交", "referral"),
    (r"counter|walk|office|branch|in person|营业厅|来访|柜", "counter"),
    (r"sms|短信", "sms"),
    (r"unknown|未知", "unknown"),
    (r"other|其他", "other"),
)
_KIND_WORDS = (
    (r"complain|投诉", "complaint"),
    (r"report|举报", "report"),
    (r"suggest|建议", "suggestion"),
    (r"opinion|意见", "opinion"),
    (r"inquir|enquir|咨询|查询", "inquiry"),
    (r"question|疑问|提问", "question"),
    (r"prais|complim|thank|表扬|感谢", "praise"),
)
ESSENTIAL = ("case_no", "created", "category", "org")

_SURE: dict[str, dict[Sureness, str]] = {
    "zh": {"high": "把握大", "middle": "把握中等", "low": "把握小，请核对"},
    "en": {"high": "fairly sure", "middle": "less sure", "low": "a guess, check it"},
}


@dataclass(frozen=True)
class MappingDraft:
    """The YAML, the essential parts that no column was found for, and how much was looked at."""

    text: str
    missing: tuple[str, ...]
    profile: FileProfile
    roles: Roles


def draft_mapping(
    path: Path, *, source: str, zone: str, calendar: str, currency: str, language: str
) -> MappingDraft:
    """Draft the contract of a data set; raises UnknownGrammar if the file is no table of text."""
    profile = profile_file(path)
    roles = find_roles(profile)
    found = {*roles.single, *(["category"] if roles.category else [])}
    found |= {"org"} if roles.org else set()
    missing = tuple(part for part in ESSENTIAL if part not in found)
    writer = _Draft(profile, roles, source, language)
    text = writer.text(zone=zone, calendar=calendar, currency=currency, missing=missing)
    return MappingDraft(text, missing, profile, roles)


def source_name(path: Path) -> str:
    """A source name made of a file's name."""
    name = re.sub(r"[^a-z0-9]+", "_", path.name.partition(".")[0].lower()).strip("_")
    return name if re.match(r"[a-z]", name) else f"data_{name}".rstrip("_")


class _Draft:
    def __init__(self, profile: FileProfile, roles: Roles, source: str, language: str) -> None:
        self._profile = profile
        self._roles = roles
        self._source = source
        self._zh = language == "zh"
        self._language = "zh" if self._zh else "en"

    def _say(self, zh: str, en: str) -> str:
        return zh if self._zh else en

    def text(self, *, zone: str, calendar: str, currency: str, missing: tuple[str, ...]) -> str:
        lines = [*self._head(missing), *self._file(), ""]
        zone_note = self._say("数据里没有时区，请核对", "no time zone stands in the data, check it")
        lines += [f"zone: {zone}  # {zone_note}", f"calendar: {calendar}", f"currency: {currency}"]
        lines += self._org_levels() + self._dates() + ["map:"]
        for part in ("case_no", "created", "first_reply", "resolved", "closed", "due"):
            lines += self._single(part)
        lines += self._kind() + self._list("category", self._roles.category)
        lines += self._mapped("channel", _CHANNEL_WORDS)
        lines += self._list("org", self._roles.org)
        lines += self._mapped("status", _STATUS_WORDS)
        lines += self._single("score")
        text = self._roles.single.get("text")
        if text is not None:
            lines.append(f"  # {self._why(text)}")
            lines.append(f"  text: {{column: {_scalar(text.column.name)}, scrub: true}}")
        lines += self._drop()
        return "\n".join(lines) + "\n"

    def _head(self, missing: tuple[str, ...]) -> list[str]:
        looked = f"{self._profile.rows:,}"
        lines = [
            self._say(
                f"# 草稿：由 {looked} 行数据推断，逐行核对后再使用。",
                f"# A draft made from {looked} rows: check every line before it is used.",
            )
        ]
        if missing:
            lines.append(
                self._say(
                    f"# 没有找到必需的列：{'、'.join(missing)}；补上后合同才能使用。",
                    f"# No column was found for {', '.join(missing)}; name one, or the contract "
                    "cannot be used.",
                )
            )
        name = self._source
        return [
            *lines,
            f"source: {name}",
            f"label: {{zh: {_scalar(name)}, en: {_scalar(name)}}}",
            f"owner: {self._say('待填', 'to be named')}",
            "shape: cases",
            f"interface: {{type: files, format: delimited, location: exchange/{name}}}",
        ]

    def _file(self) -> list[str]:
        profile = self._profile
        parts = [f"delimiter: {_quoted(profile.delimiter)}", f"encoding: {profile.encoding}"]
        parts.append("header: true")
        if profile.quote is not None:
            parts.append("quote: '\"'")
        if profile.nulls:
            parts.append(f"nulls: {_flow(list(profile.nulls))}")
        return [f"file: {{{', '.join(parts)}}}"]

    def _org_levels(self) -> list[str]:
        if not self._roles.org:
            return []
        lines = ["org:", "  levels:"]
        used: set[str] = set()
        for number, choice in enumerate(self._roles.org, 1):
            key = re.sub(r"[^a-z0-9]+", "_", choice.column.name.lower()).strip("_")
            key = key if re.match(r"[a-z]", key) and key not in used else f"level_{number}"
            used.add(key)
            name = _scalar(choice.column.name)
            lines.append(f"    {key}: {{zh: {name}, en: {name}}}")
        return lines

    def _dates(self) -> list[str]:
        created = self._roles.single.get("created")
        if created is None:
            return []
        formats = created.column.formats
        lines = ["dates:", f"  format: {_quoted(formats[0])}"]
        if len(formats) > 1:
            others = ", ".join(formats[1:])
            lines[-1] += self._say(
                f"  # 这些也能读：{others}；请核对日月顺序",
                f"  # {others} read all values too: check the order of day and month",
            )
        precise = any(code in formats[0] for code in ("%H", "%I"))
        lines.append(f"  precision: {'second' if precise else 'day'}")
        dates = [
            choice.column
            for part, choice in self._roles.single.items()
            if part in {"created", "first_reply", "resolved", "closed", "due"}
        ]
        first = min(one.first for one in dates if one.first is not None)
        last = max(one.last for one in dates if one.last is not None)
        window = f"{{from: {date(first.year, 1, 1)}, to: {date(last.year, 12, 31)}}}"
        seen = self._say(
            f"实际 {first.date()} 至 {last.date()}", f"seen from {first.date()} to {last.date()}"
        )
        return [*lines, f"  plausible: {window}  # {seen}"]

    def _single(self, part: str) -> list[str]:
        choice = self._roles.single.get(part)
        if choice is None:
            closed = self._roles.single.get("closed")
            if part == "resolved" and closed is not None:
                why = self._say("没有另外的解决时间，用关闭时间", "no other column, so the close")
                return [f"  resolved: {_scalar(closed.column.name)}  # {why}"]
            if part in ESSENTIAL:
                return [f"  # {part}: " + self._say("没有找到", "nothing was found")]
            return []
        return [f"  {part}: {_scalar(choice.column.name)}  # {self._why(choice)}"]

    def _kind(self) -> list[str]:
        if "kind" in self._roles.single:
            return self._mapped("kind", _KIND_WORDS, default="complaint")
        why = self._say("没有说明诉求类型的列", "no column tells the kind of feedback")
        return [f"  kind: {{constant: complaint}}  # {why}"]

    def _mapped(
        self, part: str, words: tuple[tuple[str, str], ...], default: str | None = None
    ) -> list[str]:
        choice = self._roles.single.get(part)
        if choice is None:
            return []
        lines = [f"  {part}:  # {self._why(choice)}"]
        lines += [f"    column: {_scalar(choice.column.name)}", "    values:"]
        unknown = 0
        for value, count in choice.column.common:
            if scrub(value) != value:
                continue
            target = _target(value, words)
            if target is None:
                unknown += count
                lines.append(
                    f"      # {_scalar(value)}: "
                    + self._say(f"？（{count} 行）", f"? ({count} rows)")
                )
            else:
                lines.append(f"      {_scalar(value)}: {target}")
        if not any(not line.lstrip().startswith("#") for line in lines[3:]):
            return [f"  # {line.strip()}" for line in lines]
        if default is not None:
            lines.append(f"    default: {default}")
        return lines

    def _list(self, part: str, choices: tuple[Choice, ...]) -> list[str]:
        if not choices:
            return [f"  # {part}: " + self._say("没有找到", "nothing was found")]
        names = _flow([choice.column.name for choice in choices])
        return [f"  {part}: {names}  # {self._why(choices[0])}"]

    def _drop(self) -> list[str]:
        lines = []
        if self._roles.personal:
            told = self._say("疑似个人信息，不落地", "seem personal and never land")
            kinds = ", ".join(f"{name} ({kind})" for name, kind in self._roles.personal.items())
            lines = [f"  # {told}: {kinds}", f"  drop: {_flow(list(self._roles.personal))}"]
        if self._roles.updates:
            names = ", ".join(self._roles.updates)
            told = self._say(
                f"{names} 是最近更新时间，不是答复时间", f"{names}: a last update is no reply"
            )
            lines.append(f"  # {told}")
        return lines

    def _why(self, choice: Choice) -> str:
        column = choice.column
        reasons = [_SURE[self._language][choice.sureness]]
        if choice.named:
            reasons.append(self._say("列名符合", "its name says so"))
        else:
            reasons.append(self._say("仅凭内容推断", "by its values alone"))
        if column.unique:
            reasons.append(self._say("每行不同", "every row has another"))
        else:
            reasons.append(self._say(f"{column.distinct} 种值", f"{column.distinct} values"))
        if column.filled < 1:
            reasons.append(
                self._say(f"{column.filled:.0%} 有值", f"filled in {column.filled:.0%} of rows")
            )
        if choice.rivals:
            rivals = ", ".join(choice.rivals)
            reasons.append(self._say(f"也可能是 {rivals}", f"could also be {rivals}"))
        return self._say("，", ", ").join(reasons)


def _target(value: str, words: tuple[tuple[str, str], ...]) -> str | None:
    for pattern, target in words:
        if re.search(pattern, value, re.IGNORECASE):
            return target
    return None


def _flow(values: list[str]) -> str:
    return "[" + ", ".join(_scalar(value) for value in values) + "]"


def _scalar(value: str) -> str:
    """A text as YAML writes it, safe inside flow collections too."""
    dumped = yaml.safe_dump([value], allow_unicode=True, default_flow_style=True, width=10**6)
    return str(dumped).strip()[1:-1]


def _quoted(value: str) -> str:
    escaped = "".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in value)
    return f'"{escaped}"'
