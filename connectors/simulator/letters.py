"""Letters: registered by hand in a workbook, answered on paper, sent again when answered."""

from dataclasses import dataclass
from datetime import date

from . import wording
from .case import Case, Event
from .chance import LETTERS, PLANTED_PHONES, generator, phone
from .customers import Customers
from .days import DAY_S, day_no, day_of, hotline_season, nth_working_day
from .organisation import Staff, tree

SHEET = "来信"
LETTER_COLUMNS = (
    "来信编号", "收到日期", "登记日期", "来信人", "联系电话", "类型", "类别", "归属单位", "登记人",
    "内容", "答复日期",
)  # fmt: skip
REWIND_DAY = day_no(date(2026, 3, 26))
_KINDS = (("投诉", "TS"), ("举报", "JB"), ("建议", "JY"), ("感谢", "BY"))


@dataclass(frozen=True)
class Letter:
    """One letter; days are day numbers, `answered` may lie after the simulated day."""

    letter_no: str
    received: int
    registered: int
    customer: int
    kind_word: str
    kind: str
    category: str
    unit_code: str
    registrar: str
    content: str
    answered: int
    is_dated_by_hand: bool


def open_letters(
    seed: int, scale: float, through: int, customers: Customers, staff: Staff
) -> tuple[list[Letter], list[tuple[int, str]]]:
    """All letters registered up to day `through`, and the phones planted in them by day."""
    units = tree()
    found: list[Letter] = []
    planted: list[tuple[int, str]] = []
    for day in range(through + 1):
        rng = generator(seed, LETTERS, day)
        n = int(rng.poisson(0.56 * scale * hotline_season(day)))
        if not n:
            continue
        active = customers.active_on(day)
        for ordinal, u in enumerate(rng.random((n, 10)).tolist(), start=1):
            # Letters come on any day and are registered on a working day.
            registered = nth_working_day(day, 1)
            if registered > through:
                continue
            customer = int(active[int(u[0] * len(active))])
            topic = int(u[1] * len(wording.CATEGORIES))
            kind_word, kind = _KINDS[
                0 if u[2] < 0.6 else 1 if u[2] < 0.72 else 2 if u[2] < 0.9 else 3
            ]
            texts = wording.COMPLAINTS[topic] if kind in ("TS", "JB") else (wording.OTHERS[topic],)
            content = texts[int(u[3] * len(texts))].format(
                area=wording.AREAS[int(u[4] * 10)], days=2 + int(u[5] * 6),
                hour=3 + int(u[5] * 7), amount=(9, 15, 19, 29, 59, 129)[int(u[4] * 6)],
            )  # fmt: skip
            if u[6] < 0.12:
                value = phone(seed, PLANTED_PHONES + 60_000 + day * 10 + ordinal % 10)
                content += wording.PHONE_TAILS[int(u[6] * 25)].format(v=value)
                planted.append((registered, value))
            found.append(
                Letter(
                    letter_no=f"L{day_of(day):%Y%m%d}{ordinal:03d}",
                    received=day,
                    registered=registered,
                    customer=customer,
                    kind_word=kind_word,
                    kind=kind,
                    category=wording.CATEGORIES[topic][0],
                    unit_code=units.sub_codes[int(customers.unit[customer])],
                    registrar=staff.agents[int(u[7] * 3)],
                    content=content,
                    answered=nth_working_day(registered, 1 + int(u[8] ** 2 * 12)),
                    is_dated_by_hand=u[9] < 0.4,
                )
            )
    return found, planted


def delivered(letters: list[Letter], first: int, last: int) -> list[Letter]:
    """Letters registered or answered in a delivery."""
    return [
        x for x in letters if first <= x.registered <= last or
        (first <= x.answered <= last and x.registered <= last)
    ]  # fmt: skip


def letter_rows(letters: list[Letter], customers: Customers, last: int) -> list[list[object]]:
    """Cells of letters as they stand at the end of a day: dates as dates or as people type them."""
    persons = customers.persons
    return [
        [
            x.letter_no, _cell(x.received, x), _cell(x.registered, x),
            persons.names[x.customer], persons.phones[x.customer] or None, x.kind_word,
            x.category, x.unit_code, x.registrar, x.content,
            _cell(x.answered, x) if x.answered <= last else None,
        ]
        for x in letters
    ]  # fmt: skip


def _cell(day: int, letter: Letter) -> date | str:
    written = day_of(day)
    if not letter.is_dated_by_hand:
        return written
    return f"{written:%Y年%m月%d日}" if letter.customer % 2 else f"{written:%Y/%m/%d}"


def letter_cases(letters: list[Letter]) -> list[Case]:
    """Letters as cases: raised on the day the letter came, resolved on the day of the answer."""
    return [
        Case(
            case_no=x.letter_no,
            at=x.received * DAY_S,
            customer=x.customer,
            phone="",
            kind=x.kind,
            category=x.category,
            channel="letter",
            unit_code=x.unit_code,
            urgency=3,
            content=x.content,
            events=(
                Event(
                    f"{x.letter_no}:answered", x.letter_no, "JJ", x.answered * DAY_S, x.registrar,
                    "handler",
                ),
            ),
            source="letters",
        )
        for x in letters
    ]  # fmt: skip
