"""Scrubbing of free text: personal numbers and addresses become tokens such as [phone].

Recall goes before precision: a number that only looks like a phone is lost rather than a phone
kept. Order matters: longer shapes are taken first, so that no part of an ID-card number or bank
card is left over as a phone.
"""

from __future__ import annotations

import re
import unicodedata

_GAP = r"[\s\-‐-―−·.,]{0,3}"
_WIDE_DIGITS = {ord("０") + n: str(n) for n in range(10)}
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")

_EMAIL = re.compile(
    r"[\w.+%-]{1,64}\s?(?:@|＠|\(at\)|\[at\])\s?[\w-]+(?:\s?[.。．]\s?[\w-]+){0,3}[.。．][a-z]{2,24}",
    re.I | re.A,
)
_ID_CARD = re.compile(
    rf"(?<!\d)[1-9](?:{_GAP}\d){{5}}{_GAP}(?:18|19|20)(?:{_GAP}\d){{2}}"
    rf"{_GAP}(?:0{_GAP}[1-9]|1{_GAP}[0-2])(?:{_GAP}\d){{5}}{_GAP}[\dxX](?![\da-zA-Z])"
)
_OLD_ID_CARD = re.compile(
    r"(?<!\d)[1-9]\d{5}\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}(?!\d)"
)
_SOCIAL = re.compile(r"(?<!\d)(?!000|666)\d{3}[- ]\d{2}[- ]\d{4}(?!\d)")
_CARD = re.compile(
    r"(?<![\d.+])(?!86[\s\-]{0,3}1[3-9](?:[\s\-]?\d){9}(?!\d))"
    r"[1-9](?:[\s\-‐-―−]{0,2}\d){12,18}(?!\d)"
)
_PHONES = (
    # Chinese mobile numbers, with or without country code, separated in any way.
    re.compile(
        rf"(?<!\d)(?:[(（]?(?:\+|00){_GAP}86[)）]?{_GAP}|86{_GAP})?1{_GAP}[3-9](?:{_GAP}\d){{9}}(?!\d)"
    ),
    # Chinese land lines with area code and optional extension.
    re.compile(
        r"(?<!\d)[(（]?0(?:10|2\d|[3-9]\d{2})[)）]?[\s\-‐-―−]{0,3}[2-9]\d{2,3}[\s\-]?\d{4}"
        r"(?:\s?(?:转|ext\.?|-)\s?\d{1,6})?(?!\d)",
        re.I,
    ),
    # International numbers with a plus sign.
    re.compile(r"(?<![\d\w])(?:\+|＋)[1-9](?:[\s\-().‐-―]{0,2}\d){7,14}(?!\d)"),
    # North American numbers: separators are needed, bare ten digits may be any number.
    re.compile(r"(?<![\d.])(?:1[\s.-])?(?:\(\d{3}\)\s?|\d{3}[\s.\-‐-―])\d{3}[\s.\-‐-―]\d{4}(?!\d)"),
    # Service lines such as 400-810-0000.
    re.compile(r"(?<!\d)[48]00[\s\-]?\d{3}[\s\-]?\d{4}(?!\d)"),
)
_WORDS = re.compile(
    r"(?P<label>(?:电话|手机|联系方式|号码|微信|telephone|phone|mobile|cell)[号码是为: :：]{0,4})"
    r"(?P<digits>\d{7,12})(?!\d)",
    re.I,
)
_CHINESE_DIGITS = re.compile(r"[一幺][三四五六七八九](?:[\s、,，-]?[〇零一幺二三四五六七八九]){9}")


def scrub(text: str) -> str:
    """Replace phones, ID-card numbers, bank cards and e-mail addresses by tokens.

    Full-width digits and invisible characters are normalised first, since both hide numbers.
    """
    plain = _INVISIBLE.sub("", text).translate(_WIDE_DIGITS)
    plain = "".join(
        str(unicodedata.digit(character))
        if character.isdigit() and not character.isascii() and character.isdecimal()
        else character
        for character in plain
    )
    plain = _EMAIL.sub("[email]", plain)
    plain = _ID_CARD.sub("[id_card]", plain)
    plain = _OLD_ID_CARD.sub("[id_card]", plain)
    plain = _SOCIAL.sub("[id_card]", plain)
    plain = _CARD.sub(_card_or_same, plain)
    for pattern in _PHONES:
        plain = pattern.sub("[phone]", plain)
    plain = _CHINESE_DIGITS.sub("[phone]", plain)
    return _WORDS.sub(r"\g<label>[phone]", plain)


def _card_or_same(match: re.Match[str]) -> str:
    digits = re.sub(r"\D", "", match[0])
    if len(digits) >= 16 or _luhn(digits):
        return "[bank_card]"
    return match[0]


def _luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = int(digit) * (1 + place % 2)
        total += number - 9 if number > 9 else number
    return total % 10 == 0
