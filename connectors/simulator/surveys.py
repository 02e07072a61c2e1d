"""Satisfaction surveys: one round a quarter, some questions to some customers."""

from dataclasses import dataclass

import numpy as np

from .chance import SURVEYS, generator, pick
from .customers import Customers
from .days import DAY_S, day_of, instant_text
from .organisation import tree
from .schedule import ROUND_DAYS, round_end, round_of
from .wording import SURVEY_TEXTS

SURVEY_COLUMNS = (
    "survey_code", "round_no", "respondent_no", "respondent_phone", "customer_no", "unit_code",
    "question_code", "score", "content", "answered_at",
)  # fmt: skip
QUESTIONS = ("overall", "network", "service")
CHANGED_ROUND = 2
_WORDS = "comment"


@dataclass(frozen=True)
class Answer:
    """One answer; `tenths` is the score times ten, None where the question asks for words."""

    round_no: int
    respondent: int
    customer: int
    question: str
    tenths: int | None
    content: str
    answered: int


def ask(seed: int, scale: float, through: int, customers: Customers) -> list[Answer]:
    """All answers of the rounds that ended up to day `through`."""
    found: list[Answer] = []
    for number in range(1, round_of(day_of(through)) + 1):
        end = round_end(number)
        if end > through:
            break
        rng = generator(seed, SURVEYS, number)
        active = customers.active_on(end - ROUND_DAYS)
        n = max(8, round(240 * scale))
        chosen = active[np.sort(rng.permutation(len(active))[: min(n, len(active))])].tolist()
        u = rng.random((len(chosen), 8))
        base = pick(u[:, 0], (3, 3, 6, 10, 22, 34, 22)) + 4
        for respondent, (customer, level, draw) in enumerate(
            zip(chosen, base.tolist(), u.tolist(), strict=True), start=1
        ):
            at = (end - ROUND_DAYS + 1 + int(draw[1] * ROUND_DAYS)) * DAY_S
            at += 9 * 3600 + int(draw[2] * 11 * 3600)
            for place, question in enumerate(QUESTIONS):
                tenths = min(100, max(0, level * 10 + int((draw[3 + place] - 0.5) * 8) * 5))
                found.append(Answer(number, respondent, customer, question, tenths, "", at + place))
            if draw[6] < 0.3:
                words = SURVEY_TEXTS[int(draw[7] * len(SURVEY_TEXTS))]
                found.append(Answer(number, respondent, customer, _WORDS, None, words, at + 5))
    return found


def answer_rows(answers: list[Answer], customers: Customers) -> list[tuple[str, ...]]:
    """The fields of answers, with a decimal comma."""
    codes = tree().sub_codes
    return [
        (
            "SAT", str(a.round_no), f"R{a.round_no:02d}{a.respondent:06d}",
            customers.phones[a.customer],
            customers.numbers[a.customer], codes[int(customers.unit[a.customer])], a.question,
            "" if a.tenths is None else f"{a.tenths // 10},{a.tenths % 10}", a.content,
            instant_text(a.answered),
        )
        for a in answers
    ]  # fmt: skip
