from __future__ import annotations

import random
import string
from datetime import UTC, date, datetime

import pytest

from connectors.inbox import InboxEvent
from connectors.intake.case_number import (
    ALPHABET,
    is_case_number,
    new_case_number,
    normalise_case_number,
)
from connectors.intake.event import check_event, is_allowed
from connectors.intake.form import FORMS, Form, load_form
from connectors.intake.limiter import Limiter
from connectors.intake.secret import case_secret, is_secret, secret_hash
from connectors.intake.submission import Checked, check_submission, clean
from connectors.intake.words import load_words

DAY = date(2026, 3, 31)


@pytest.fixture(scope="module")
def form() -> Form:
    return load_form([FORMS])


def test_every_wrong_character_and_every_swap_of_neighbours_is_told() -> None:
    rng = random.Random(1)
    for _ in range(50):
        number = new_case_number(DAY, rng)
        assert is_case_number(number)
        for place in range(2, len(number)):
            if number[place] == "-":
                continue
            others = string.digits if place < 8 else ALPHABET
            for other in set(others) - {number[place]}:
                assert not is_case_number(number[:place] + other + number[place + 1 :])
        for place in [*range(2, 7), *range(9, len(number) - 1)]:
            one, two = number[place], number[place + 1]
            if one != two:
                assert not is_case_number(number[:place] + two + one + number[place + 2 :])


def test_a_case_number_is_understood_however_it_is_typed() -> None:
    number = new_case_number(DAY, random.Random(2))
    typed = f" {number.lower().replace('-', ' ')} "
    assert normalise_case_number(typed) == number
    assert normalise_case_number(number.replace("-", "－")) == number
    assert normalise_case_number(_wide(number)) == number
    # Capitals of these are longer than the letters themselves.
    assert not is_case_number(normalise_case_number("HY260331-ßŉǰΐ"))


def _wide(text: str) -> str:
    """A text as an input method in full-width mode gives it."""
    return "".join(chr(ord(one) + 0xFEE0) for one in text)


def test_a_secret_is_repeatable_and_understood_with_look_alike_digits() -> None:
    key = b"k" * 32
    secret = case_secret(key, "HY1")
    assert secret == case_secret(key, "HY1") != case_secret(key, "HY2")
    stored = secret_hash("HY1", secret)
    assert is_secret(stored, "HY1", secret.lower().replace("-", " ").replace("o", "0"))
    assert is_secret(stored, "HY1", _wide(secret))
    assert not is_secret(stored, "HY2", secret)
    assert not is_secret(stored, "HY1", "\ud800")


def test_all_faults_are_told_at_once_in_both_languages(form: Form) -> None:
    found = check_submission(
        {
            "kind": "rant",
            "category": "宽带/没有",
            "unit": "SC01",
            "contact": {"phone": "call me", "email": "a@b", "fax": "1"},
            "answers": {"happened_on": "2026-02-30", "wish": 7},
            "channel": "letter",
            "language": "fr",
            "entry_point": "a b",
            "surprise": 1,
        },
        form,
        units=None,
        is_staff=False,
        today=DAY,
    )
    assert isinstance(found, list)
    assert {fault.field for fault in found} == {
        "kind",
        "category",
        "unit",
        "text",
        "contact.phone",
        "contact.email",
        "contact.fax",
        "answers.happened_on",
        "answers.wish",
        "channel",
        "language",
        "entry_point",
        "surprise",
    }
    assert all(fault.message["zh"] and fault.message["en"] for fault in found)


@pytest.mark.parametrize(
    "phone", ["13800001111", "+86 138-0000-1111", "010-88886666", "１３８００００１１１１"]
)
def test_phones_are_taken_as_people_write_them(form: Form, phone: str) -> None:
    found = check_submission(
        {"kind": "praise", "text": "好", "contact": {"phone": phone}},
        form,
        units=None,
        is_staff=False,
        today=DAY,
    )
    assert isinstance(found, Checked)


def test_text_is_scrubbed_and_cleaned_of_what_no_store_takes(form: Form) -> None:
    data = clean({"kind": "praise", "text": "电话\x0013800001111\ud800\r\n好 "})
    found = check_submission(data, form, units=None, is_staff=False, today=DAY)
    assert isinstance(found, Checked)
    assert "13800001111" not in found.text and "[phone]" in found.text
    assert "\x00" not in found.text and "\r" not in found.text and found.text.endswith("\n好")


def event(event_type: str) -> InboxEvent:
    at = datetime(2026, 3, 31, tzinfo=UTC)
    return InboxEvent("e", "c", "k", None, "", at, event_type, at, None, "handler", None, None)


def test_transitions_that_make_no_sense_are_refused() -> None:
    assert is_allowed("accepted", []) and not is_allowed("accepted", [event("accepted")])
    ended = [event("accepted"), event("resolved")]
    assert not any(is_allowed(one, ended) for one in ("assigned", "resolved", "withdrawn"))
    assert is_allowed("public_reply", ended) and is_allowed("reporter_message", ended)
    gone = [event("withdrawn")]
    assert not any(
        is_allowed(one, gone) for one in ("accepted", "assigned", "public_reply", "resolved")
    )


def test_an_event_needs_what_belongs_to_it() -> None:
    faults = check_event({"type": "assign", "at": "yesterday", "x": 1}, units={})
    assert isinstance(faults, list)
    assert {fault.field for fault in faults} == {"unit", "at", "x"}
    faults = check_event({"type": "reply", "unit": "U"}, units={})
    assert isinstance(faults, list)
    assert {fault.field for fault in faults} == {"text", "unit"}
    assert isinstance(check_event({"type": ["assign"]}, units={}), list)


def test_a_limiter_counts_within_its_window_and_stays_small() -> None:
    limiter = Limiter(2, 60, most_keys=3)
    assert [limiter.count("a", 0.0) for _ in range(3)] == [False, False, True]
    assert limiter.wait("a", 10.0) == 50 and limiter.wait("a", 60.0) == 0
    for key in range(1000):
        limiter.count(key, 0.0)
    assert len(limiter._counts) == 3


def test_every_word_of_the_intake_is_there_in_both_languages(form: Form) -> None:
    words = load_words()
    assert all(label.zh != label.en or key.startswith("brand") for key, label in words.items())
    assert form.kinds and form.category_paths
