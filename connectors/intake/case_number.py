"""Case numbers: `HY` + local date + `-` + six characters + one that tells typing errors.

The characters leave out those that are taken for one another (0 O, 1 I L). There are 31 of them, a
prime, so the weighted sum finds every single wrong character and every two that were swapped.
"""

from __future__ import annotations

import random
import re
import unicodedata
from datetime import date

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
_RANDOM = 6
_SHAPE = re.compile(rf"HY(\d{{6}})-([{ALPHABET}]{{{_RANDOM + 1}}})")


def new_case_number(day: date, rng: random.Random) -> str:
    """Make a case number of a local date; it is unique only once the inbox has taken it."""
    stamp = f"{day:%y%m%d}"
    body = "".join(rng.choice(ALPHABET) for _ in range(_RANDOM))
    return f"HY{stamp}-{body}{_check(stamp, body)}"


def normalise_case_number(typed: str) -> str:
    """Bring what a person typed to the form of case numbers: capitals, no spaces, one dash.

    Full-width letters and digits, as Chinese keyboards give them, are read as plain ones.
    """
    text = re.sub(r"[\s_‐-―-]", "", unicodedata.normalize("NFKC", typed)).upper()
    return f"{text[:8]}-{text[8:]}" if len(text) > 8 else text


def is_case_number(text: str) -> bool:
    """Whether a text is a well-formed case number with the right check character."""
    match = _SHAPE.fullmatch(text)
    if match is None or not match[0].isascii():
        return False
    return _check(match[1], match[2][:-1]) == match[2][-1]


def _check(stamp: str, body: str) -> str:
    values = [*(int(digit) for digit in stamp), *(ALPHABET.index(one) for one in body)]
    return ALPHABET[sum(weight * value for weight, value in enumerate(values, 2)) % len(ALPHABET)]
