"""External mentions: what a monitoring service finds about the operator on public sites."""

from dataclasses import dataclass, replace
from datetime import date

from .chance import MENTIONS, generator
from .days import DAY_S, SPRING_FESTIVALS, compact, day_no, day_of, instant_text
from .organisation import OUTAGE_PREFECTURE, Staff, tree
from .outage import OUTAGE_DAYS
from .wording import AREAS, CATEGORIES, MENTION_TEXTS, OUTAGE

SITES = ("微博", "抖音", "小红书", "黑猫投诉", "贴吧", "本地论坛")
SENTIMENTS = ("positive", "neutral", "negative")
MENTION_COLUMNS = (
    "mention_no", "site", "author", "published_at", "seen_at", "unit_code", "category_path",
    "sentiment", "reach", "content",
)  # fmt: skip
CORRECTED_DAY = day_no(date(2026, 3, 26))


@dataclass(frozen=True)
class Mention:
    """One mention; `judged` holds (day, sentiment) of the first reading and of later ones."""

    mention_no: str
    day: int
    site: str
    author: str
    published: int
    seen: int
    unit_code: str
    category: str
    judged: tuple[tuple[int, str], ...]
    reach: int
    content: str

    def sentiment_on(self, day: int) -> str:
        """How it was read at the end of a day."""
        return [sentiment for judged, sentiment in self.judged if judged <= day][-1]


def _volume(day: int, scale: float) -> float:
    factor = 1.0
    if day in OUTAGE_DAYS:
        factor = 14.0
    elif any(-14 <= (day_of(day) - festival).days <= -1 for festival in SPRING_FESTIVALS):
        factor = 2.6
    return 2.9 * scale * factor


def hear(seed: int, scale: float, through: int, staff: Staff) -> list[Mention]:
    """All mentions published up to day `through`, in order of time."""
    units = tree()
    outage_unit = units.units[units.prefectures[OUTAGE_PREFECTURE]].code
    found: list[Mention] = []
    for day in range(through + 1):
        rng = generator(seed, MENTIONS, day)
        outage = day in OUTAGE_DAYS
        n = max(int(rng.poisson(_volume(day, scale))), 3 if outage or day == CORRECTED_DAY else 0)
        rows = sorted(rng.random((n, 10)).tolist())
        for ordinal, u in enumerate(rows, start=1):
            published = day * DAY_S + int(u[0] * (DAY_S - 1))
            topic = int(u[1] * len(CATEGORIES))
            if outage and u[2] < 0.8:
                unit, category = outage_unit, "移动网络/信号中断"
                first = "negative"
                text = OUTAGE[int(u[3] * len(OUTAGE))]
            else:
                unit = units.units[units.prefectures[int(u[2] * 21)]].code if u[4] < 0.8 else ""
                category = CATEGORIES[topic][0]
                first = SENTIMENTS[0 if u[5] < 0.18 else 1 if u[5] < 0.5 else 2]
                text = MENTION_TEXTS[SENTIMENTS.index(first)][int(u[3] * 4)]
            judged = [(day, first)]
            if u[6] < 0.07:
                # Somebody reads it again some days later and sees it otherwise.
                other = SENTIMENTS[(SENTIMENTS.index(first) + 1 + int(u[7] * 2)) % 3]
                judged.append((day + 1 + int(u[8] * 6), other))
            found.append(
                Mention(
                    mention_no=f"M{compact(day)}{ordinal:05d}",
                    day=day,
                    site=SITES[int(u[8] * len(SITES))],
                    author=f"user{int(u[9] * 1e9):09d}",
                    published=published,
                    seen=published + 600 + int(u[7] * 20_000),
                    unit_code=unit,
                    category=category,
                    judged=tuple(judged),
                    reach=int(20 * (1 / (1.0001 - u[9])) ** 0.9 * (1 + 9 * outage)),
                    content=text.format(
                        area=AREAS[int(u[4] * len(AREAS))], days=2 + int(u[5] * 5),
                        hour=3 + int(u[6] * 6), amount=(9, 19, 29, 59)[int(u[7] * 4)],
                    ),
                )
            )  # fmt: skip
    return found


def delivered(mentions: list[Mention], first: int, last: int) -> list[tuple[Mention, str]]:
    """The mentions of a delivery with their reading: the new ones, and those read otherwise."""
    rows = []
    for mention in mentions:
        if mention.day > last:
            continue
        changed = any(first <= day <= last for day, _ in mention.judged)
        if changed:
            rows.append((mention, mention.sentiment_on(last)))
    return rows


def corrected(rows: list[tuple[Mention, str]]) -> list[tuple[Mention, str]]:
    """The same delivery as it is sent again: the first is read otherwise, the second reaches more.

    The last one, an invention, is left out.
    """
    (first, sentiment), (second, kept) = rows[:2]
    other = SENTIMENTS[(SENTIMENTS.index(sentiment) + 1) % 3]
    return [(first, other), (replace(second, reach=second.reach + 1000), kept), *rows[2:-1]]


def mention_rows(rows: list[tuple[Mention, str]]) -> list[tuple[str, ...]]:
    """The fields of a delivery's rows."""
    return [
        (
            m.mention_no, m.site, m.author, instant_text(m.published), instant_text(m.seen),
            m.unit_code, m.category, sentiment, str(m.reach), m.content,
        )
        for m, sentiment in rows
    ]  # fmt: skip
