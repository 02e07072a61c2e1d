"""The body of a text message: clean characters, counted segments, a budget kept by whole lines."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from smsutil import is_valid_gsm, split

Encoding = Literal["gsm7", "ucs2"]

_SPACES = (
    "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f"
)
_ALWAYS = {
    **dict.fromkeys(map(ord, _SPACES), " "),
    ord("\t"): " ",
    ord("\uffe5"): "¥",
    ord("\u2212"): "-",
}
_TYPOGRAPHIC = {
    **dict.fromkeys(map(ord, "\u2018\u2019\u201a\u201b\u2032\u00b4`"), "'"),
    **dict.fromkeys(map(ord, "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb"), '"'),
    **dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2022\u00b7"), "-"),
    ord("\u2026"): "...",
    ord("\u3000"): " ",
    ord("\u00d7"): "x",
    ord("\uff0c"): ",",
    ord("\uff1a"): ":",
    ord("\uff08"): "(",
    ord("\uff09"): ")",
}


def sanitise(text: str) -> str:
    """Return the text without characters that cost money or show as boxes.

    Control and zero-width characters go; unusual spaces become plain ones. Typographic quotes,
    dashes and the like are replaced only where that lets the whole text be sent as GSM-7: in
    Chinese text they are right and cost nothing.
    """
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = text.translate(_ALWAYS)
    text = "".join(
        character
        for character in text
        if character == "\n" or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co")
    )
    plain = text.translate(_TYPOGRAPHIC)
    return plain if plain and is_valid_gsm(plain) else text


@dataclass(frozen=True)
class Segments:
    """How a text travels: its encoding and the parts it is cut into."""

    encoding: Encoding
    parts: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many messages the operator charges."""
        return len(self.parts)


def segments(text: str) -> Segments:
    """Cut a text as a phone does: 160/153 septets of GSM-7, otherwise 70/67 units of UCS-2.

    An escape pair of GSM-7 and a surrogate pair of UCS-2 are never cut apart. Empty text has no
    parts.
    """
    if not text:
        return Segments("gsm7", ())
    result = split(text)
    encoding: Encoding = "gsm7" if result.encoding == "gsm0338" else "ucs2"
    return Segments(encoding, tuple(part.content for part in result.parts))


@dataclass(frozen=True)
class TextLine:
    """One line of a message; priority 1 is the most important and is never dropped."""

    priority: int
    text: str


@dataclass(frozen=True)
class Body:
    """The finished text with its segments and the priorities of the lines left out."""

    text: str
    segments: Segments
    dropped: tuple[int, ...]


def fit(signature: str, lines: Sequence[TextLine], limit: int) -> Body:
    """Join the signature and the lines, leaving out whole lines until `limit` segments hold.

    The least important line goes first, the later one among equals. Lines of priority 1 stay even
    if they alone are longer than the limit: a number is never cut. A signature that ends in a
    plain character is set off by a space.
    """
    glue = " " if signature and signature[-1].isascii() and signature[-1] != " " else ""
    kept = list(enumerate(lines))
    dropped: list[int] = []
    while True:
        text = sanitise(signature + glue + "\n".join(line.text for _, line in kept))
        counted = segments(text)
        last = max(kept, key=lambda item: (item[1].priority, item[0]), default=None)
        if counted.count <= limit or last is None or last[1].priority == 1:
            return Body(text, counted, tuple(dropped))
        kept.remove(last)
        dropped.append(last[1].priority)
