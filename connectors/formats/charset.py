"""Bytes of mails to text, when their charset is declared wrongly or not at all."""

from __future__ import annotations

import codecs

_WIDER = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "cp936": "gb18030",
    "gb_2312-80": "gb18030",
    "big5": "big5hkscs",
    "big5-hkscs": "big5hkscs",
    "x-big5": "big5hkscs",
    "utf8": "utf-8",
    "unicode-1-1-utf-8": "utf-8",
    "ascii": "us-ascii",
    "ansi_x3.4-1968": "us-ascii",
    "latin1": "iso-8859-1",
    "cp1252": "windows-1252",
}
# Declared by programs that do not know what they send; nearly any byte is legal in them.
_SAYS_NOTHING = {"us-ascii", "iso-8859-1", "windows-1252", "unknown-8bit", "8bit", ""}
_MOSTLY = 0.9
_LONGEST_NAME = 40


def decoded(raw: bytes, declared: str | None) -> tuple[str, str]:
    """The text of some bytes and the charset that it was read in, never failing.

    The declared charset holds when the bytes are legal in it and the text is plausible; otherwise
    UTF-8 is tried, then GB18030 or Big5, whichever gives more characters of daily use, and at
    last bytes that fit nothing are replaced.
    """
    named = (declared or "").strip().strip("\"'").lower()[:_LONGEST_NAME]
    if raw.isascii() and not named.startswith(("utf-7", "utf-16", "utf-32", "hz", "iso-2022")):
        return _clean(raw.decode("ascii")), named if _codec(named) else "us-ascii"
    if named not in _SAYS_NOTHING:
        text = _strict(raw, named)
        if text is not None and _plausible(text, named, raw):
            return _clean(text), named
    text = _strict(raw, "utf-8")
    if text is not None and (_in_daily_use(text) or _strict(raw, "gb2312") is None):
        return _clean(text), "utf-8"
    chinese, guess, share = max(
        ((text, guess, _common(text, guess)) for guess, text in _chinese(raw)),
        key=lambda found: found[2],
        default=("", "", 0.0),
    )
    if share >= _MOSTLY or (share > 0.5 and named in {"", "unknown-8bit", "8bit"}):
        return _clean(chinese), guess
    for name in (named, "windows-1252", "iso-8859-1"):
        text = _strict(raw, name) if name else None
        if text is not None:
            return _clean(text), name
    return _clean(raw.decode("utf-8", errors="replace")), "utf-8"


def _in_daily_use(text: str) -> bool:
    """Whether a text read as UTF-8 is of letters that people write: short GBK can be legal too."""
    wide = [one for one in text if not one.isascii()]
    usual = sum(
        "\xa0" <= one <= "\xff" or "\u0391" <= one <= "\u0451" or one >= "\u2000" for one in wide
    )
    return usual >= _MOSTLY * len(wide)


def _chinese(raw: bytes) -> list[tuple[str, str]]:
    found = [(guess, _strict(raw, guess)) for guess in ("gb18030", "big5")]
    return [(guess, text) for guess, text in found if text is not None]


def _common(text: str, guess: str) -> float:
    """Share of the characters that are in daily use: the first levels of both standards."""
    if guess == "gb18030":
        return _share_in(text, "gb2312")
    wide = [one.encode("big5") for one in text if not one.isascii()]
    return sum(0xA1 <= one[0] <= 0xC6 for one in wide) / len(wide) if wide else 1.0


def _codec(name: str) -> str | None:
    wider = _WIDER.get(name, name)
    try:
        found = codecs.lookup(wider)
        b"".decode(wider)
    except (LookupError, ValueError):
        return None
    return found.name


def _strict(raw: bytes, name: str) -> str | None:
    codec = _codec(name)
    if codec is None:
        return None
    try:
        return raw.decode(codec)
    except (UnicodeError, ValueError):
        return None


def _plausible(text: str, named: str, raw: bytes) -> bool:
    """Whether a text read as declared is no accident: UTF-8 bytes are often legal GBK."""
    if _WIDER.get(named) != "gb18030":
        return True
    if _share_in(text, "gb2312") == 1:
        return True
    # Characters of private use are other bytes; UTF-8 is seldom legal by accident.
    return _strict(raw, "utf-8") is None and not any("\ue000" <= one <= "\uf8ff" for one in text)


def _share_in(text: str, codec: str) -> float:
    """Share of the characters beyond ASCII that a narrow charset knows."""
    wide = [one for one in text if not one.isascii()]
    return sum(_knows(codec, one) for one in wide) / len(wide) if wide else 1.0


def _knows(codec: str, character: str) -> bool:
    try:
        character.encode(codec)
    except UnicodeEncodeError:
        return False
    return True


def _clean(text: str) -> str:
    """Without halves of characters and NUL, which no store can hold."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
