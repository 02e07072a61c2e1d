"""Well-formed files that something happened to on their way: bytes flipped, cut, doubled, added."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from hypothesis import strategies as st


class Edit(NamedTuple):
    """One harm: what happens at a place, counted from the end and around, to how many bytes."""

    kind: str
    place: int
    length: int
    added: bytes


EDITS = st.lists(
    st.builds(
        Edit,
        st.sampled_from(["flip", "cut", "double", "insert", "end"]),
        st.integers(0, 2**14),
        st.integers(1, 60),
        st.binary(min_size=1, max_size=4)
        | st.sampled_from([b"\n", b"\r", b"\r\n", b"\0", b"|", b'"', b" ", b"\xff", "好".encode()]),
    ),
    max_size=4,
)


def harmed(body: bytes, edits: Iterable[Edit]) -> bytes:
    """The bytes after all edits."""
    for edit in edits:
        at = len(body) - edit.place % (len(body) + 1)
        behind = min(at + edit.length, len(body))
        if edit.kind == "flip" and at < len(body):
            body = body[:at] + bytes([body[at] ^ (edit.length or 1)]) + body[at + 1 :]
        elif edit.kind == "cut":
            body = body[:at] + body[behind:]
        elif edit.kind == "double":
            body = body[:behind] + body[at:]
        elif edit.kind == "insert":
            body = body[:at] + edit.added + body[at:]
        elif edit.kind == "end":
            body = body[:at]
    return body
