"""The query secret of a case: derived from a key of the home, so that it can be told again.

It is 80 bits of HMAC-SHA-256 over the case number in base 32, in four groups. Only its hash is
stored; an answer that is repeated for an idempotency key derives it anew.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import unicodedata

_BYTES = 10
# Digits that base 32 does not have, read as the letters they look like.
_LOOKALIKES = str.maketrans("018", "OIB")


def case_secret(key: bytes, case_no: str) -> str:
    """The secret of a case, as it is shown: `ABCD-EFGH-2345-WXYZ`."""
    digest = hmac.digest(key, case_no.encode(), "sha256")[:_BYTES]
    text = base64.b32encode(digest).decode()
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))


def secret_hash(case_no: str, secret: str) -> str:
    """What is stored of a secret; spaces, dashes, case, width, look-alike digits do not matter."""
    text = unicodedata.normalize("NFKC", secret)
    plain = re.sub(r"[\s_‐-―-]", "", text).upper().translate(_LOOKALIKES)
    return hashlib.sha256(f"{case_no}\0{plain}".encode("utf-8", "replace")).hexdigest()


def is_secret(stored_hash: str, case_no: str, secret: str) -> bool:
    """Compare in a time that does not depend on where the two differ."""
    return hmac.compare_digest(stored_hash, secret_hash(case_no, secret))


def content_hash(key: bytes, content: str) -> str:
    """A keyed hash that tells whether two requests say the same; not to be guessed from it."""
    return hmac.digest(key, b"content\0" + content.encode("utf-8", "replace"), "sha256").hex()
