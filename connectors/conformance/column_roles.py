"""Which column of an unknown data set may play which part of a case, with the reason.

Names and values are looked at together; what is found is a proposal for a person to confirm.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from connectors.conformance.file_profile import ColumnProfile, FileProfile

Sureness = Literal["high", "middle", "low"]

_WORDS = {
    "case_no": (
        r"(case|ticket|complaint|request|incident)?\s*(id|key|no|number|#)|工单|编号|单号|流水号"
    ),
    "created": r"creat|receiv|open|submit|report|filed|logged|受理|创建|登记|提交|投诉时间|来电",
    "first_reply": r"first (reply|response)|首次(回复|响应|答复)",
    "resolved": r"resol(ved|ution date)|解决时间|处理完成",
    "closed": r"clos|complet|finish|办结|结案|关闭|归档|完成",
    "due": r"\bdue\b|deadline|target|期限|截止|限办|应办",
    "status": r"status|company response|处理结果|状态|办理情况",
    "channel": r"channel|submitted via|\bvia\b|source|渠道|来源|受理方式",
    "kind": r"^(kind|nature|request type|case type)$|诉求类型|性质",
    "category": (
        r"(complaint|issue|problem|service)[ _]?(type|category)|^(sub[- _]?)?(product|issue)$|"
        r"categor|descriptor|topic|类别|分类|业务类型|问题|事项"
    ),
    "org": (
        r"^(agency|company|department|dept|branch|unit|office|bureau)\b|borough|region|district|"
        r"\bstate\b|province|机构|部门|单位|分公司|支局|地市|区县|区域"
    ),
    "text": r"narrative|descri(ption|be)|comment|content|text|remark|detail|内容|描述|诉求|备注",
    "score": r"score|rating|satisf|满意|评分|打分",
}
_NOT = {
    "case_no": r"phone|zip|account|customer|code|电话|客户|身份",
    "created": r"updat|更新|修改",
    "closed": r"public|解释",
    "category": r"\bid$|code|address|location",
    "org": r"name$|public|response|park|taxi|school|bridge|consent|地址",
    "text": r"public response|\bid\b|type$|地址",
    "status": r"\bid$",
    "channel": r"\bid$",
}
PERSONAL = {
    "name": r"(customer|consumer|complainant|caller|contact|user|client|full)[ _]?name|姓名|联系人",
    "phone": r"phone|mobile|\btel\b|电话|手机|联系方式",
    "email": r"e-?mail|邮箱",
    "address": r"(incident|home|street|mailing) ?address|住址|地址",
    "id_card": r"id[ _]?card|passport|身份证|证件",
    "account": r"account[ _]?(no|number)|账号|卡号",
}
_MOST_CATEGORIES = 400
_FEW = 40
_LONG_TEXT = 40


@dataclass(frozen=True)
class Choice:
    """One column proposed for a part, with what speaks for it; `word` says that its name does."""

    column: ColumnProfile
    sureness: Sureness
    named: bool
    rivals: tuple[str, ...] = ()


@dataclass(frozen=True)
class Roles:
    """What was found; a part that nothing fits is missing. Lists are in the order of levels."""

    single: dict[str, Choice]
    category: tuple[Choice, ...]
    org: tuple[Choice, ...]
    personal: dict[str, str]
    updates: tuple[str, ...]


def find_roles(profile: FileProfile) -> Roles:
    """Propose a column for every part of a case that one fits."""
    used: set[str] = set()
    single: dict[str, Choice] = {}
    personal = _personal(profile)

    def choose(part: str, fits: Callable[[ColumnProfile], bool], *, by_name: bool = False) -> None:
        found = [
            column
            for column in profile.columns
            if column.name not in used and column.name not in personal and fits(column)
        ]
        named = [column for column in found if speaks_for(part, column.name)]
        if not named and (by_name or not found):
            return
        ranked = sorted(named or found, key=_better(part))
        best = ranked[0]
        sureness: Sureness = "low"
        if named:
            sureness = "high" if len(named) == 1 else "middle"
        single[part] = Choice(
            best, sureness, bool(named), tuple(column.name for column in ranked[1:3])
        )
        used.add(best.name)

    choose("case_no", lambda one: one.unique and one.filled == 1 and one.kind != "date")
    choose("created", lambda one: one.kind == "date" and one.filled > 0.95)
    same = single["created"].column.formats[:1] if "created" in single else ()
    for part in ("first_reply", "resolved", "closed", "due"):
        choose(part, lambda one: bool(same) and one.formats[:1] == same, by_name=True)
    choose("text", lambda one: one.kind == "text" and one.mean_length > _LONG_TEXT)
    choose("status", lambda one: _is_choice(one, _FEW), by_name=True)
    choose("channel", lambda one: _is_choice(one, _FEW), by_name=True)
    choose("kind", lambda one: _is_choice(one, _FEW), by_name=True)
    choose("score", lambda one: one.kind == "integer" and one.distinct <= 11, by_name=True)
    left = [
        column
        for column in profile.columns
        if column.name not in used and column.name not in personal
    ]
    category = _levels("category", left, most=_MOST_CATEGORIES, levels=4)
    taken = {choice.column.name for choice in category}
    org = _levels("org", [one for one in left if one.name not in taken], most=2000, levels=2)
    updates = [
        one.name for one in profile.columns if re.search(_NOT["created"], one.name, re.IGNORECASE)
    ]
    return Roles(single, category, org, personal, tuple(updates))


def speaks_for(part: str, name: str) -> bool:
    """Whether a name says that its column plays a part."""
    against = _NOT.get(part)
    if against and re.search(against, name, re.IGNORECASE):
        return False
    return re.search(_WORDS[part], name.replace("_", " "), re.IGNORECASE) is not None


def _better(part: str) -> Callable[[ColumnProfile], tuple[object, ...]]:
    def rank(column: ColumnProfile) -> tuple[object, ...]:
        if part == "created" and column.first is not None and column.last is not None:
            # Of several dates the creation is the one that is always there and the earliest.
            return (-round(column.filled, 2), column.first, column.place)
        if part == "text":
            return (-column.mean_length, column.place)
        return (-round(column.filled, 1), column.place)

    return rank


def _is_choice(column: ColumnProfile, most: int) -> bool:
    return column.kind in {"text", "integer"} and 1 < column.distinct <= most


def _levels(
    part: str, columns: Sequence[ColumnProfile], *, most: int, levels: int
) -> tuple[Choice, ...]:
    named = [
        column
        for column in columns
        if column.kind == "text"
        and speaks_for(part, column.name)
        and 1 < column.distinct <= most
        and column.filled > 0.5
    ]
    picked: list[ColumnProfile] = []
    for column in named:
        # Levels go from the general to the special, in the order of the file.
        if part == "org" or not picked or column.distinct >= picked[-1].distinct:
            picked.append(column)
    sure: Sureness = "high" if len(named) <= levels else "middle"
    return tuple(Choice(column, sure, named=True) for column in picked[:levels])


def _personal(profile: FileProfile) -> dict[str, str]:
    """Columns that seem to hold personal values, with their kind."""
    found = {}
    for column in profile.columns:
        if column.kind in {"phone", "email", "id_card", "bank_card"}:
            found[column.name] = column.kind
            continue
        for kind, words in PERSONAL.items():
            # A column with one or two values is a flag about such a thing, not the thing.
            if re.search(words, column.name, re.IGNORECASE) and column.distinct > 2:
                found[column.name] = kind
                break
    return found
