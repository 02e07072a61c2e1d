"""The PII store (`pii.db`): the only place where a pseudonym meets a person.

A pseudonym is the first 128 bits of HMAC-SHA-256 over kind and normalised value, in hex: the same
phone gives the same pseudonym in every source. A value is kept, encrypted, only when its contract
says `reveal: yes`; the bytes of rejected records are kept encrypted for replay.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import sqlite3
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import islice
from pathlib import Path
from types import TracebackType

from cryptography.fernet import Fernet, InvalidToken

from connectors.errors import PseudonymUnknown, StoreError
from connectors.sqlite_store import as_text, open_store, transaction

_MIGRATIONS = (
    """
    create table person_value (
        pseudonym text primary key,
        kind text not null,
        value blob not null
    );
    create table quarantined_record (
        batch_id text not null,
        record_no integer not null,
        record blob not null,
        primary key (batch_id, record_no)
    );
    create table reveal (
        reveal_id integer primary key,
        pseudonym text not null,
        purpose text not null,
        at text
    )
    """,
    "create table key_check (kind text primary key, value blob not null)",
    """
    alter table quarantined_record add column mark blob;
    create index quarantined_record_by_mark on quarantined_record (mark)
    """,
)


_LOOKED_UP_AT_ONCE = 500


def normalise(kind: str, value: str) -> str:
    """Bring spellings of one personal value to one form, so that they share a pseudonym.

    Phones lose separators and the prefix of mainland China; other values are NFKC, trimmed and,
    but for names, lower case.
    """
    text = unicodedata.normalize("NFKC", value).strip()
    if kind == "phone":
        digits = re.sub(r"\D", "", text)
        for prefix in ("0086", "86"):
            if digits.startswith(prefix) and len(digits) == len(prefix) + 11:
                return digits[len(prefix) :]
        return digits or text
    if kind in {"id_card", "bank_card", "account"}:
        return re.sub(r"[\s-]", "", text).lower()
    return text if kind == "name" else text.lower()


def pseudonym_of(key: bytes, kind: str, value: str) -> str:
    """Compute the pseudonym of one value: 32 hex digits."""
    message = f"{kind}\0{normalise(kind, value)}".encode()
    return hmac.digest(key, message, "sha256")[:16].hex()


class PiiStore:
    """The PII store of one home; use one object per thread.

    `pseudonym_key` is at least 16 bytes, `encryption_key` a Fernet key. Raises StoreError for a
    key that cannot be used or is not the one the store was made with.
    """

    def __init__(self, path: Path, *, pseudonym_key: bytes, encryption_key: bytes) -> None:
        if len(pseudonym_key) < 16:
            raise StoreError(
                "Opening the PII store failed: the pseudonym key has fewer than 16 bytes. Trying "
                "again does not help; set the key that this home was made with."
            )
        try:
            self._cipher = Fernet(encryption_key)
        except ValueError as error:
            raise StoreError(
                "Opening the PII store failed: the encryption key is not a Fernet key (32 bytes "
                "in URL-safe base64). Trying again does not help; set the right key."
            ) from error
        self._key = pseudonym_key
        block = (
            pseudonym_key if len(pseudonym_key) <= 64 else hashlib.sha256(pseudonym_key).digest()
        )
        self._inner, self._outer = (
            bytes(byte ^ pad for byte in block.ljust(64, b"\0")) for pad in (0x36, 0x5C)
        )
        self._connection = open_store(path, _MIGRATIONS)
        try:
            self._check_keys(path)
        except (StoreError, sqlite3.Error):
            self.close()
            raise

    def __enter__(self) -> PiiStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the store."""
        self._connection.close()

    def _check_keys(self, path: Path) -> None:
        """Compare the keys with those the store was made with.

        Under another key the same phone would get a second pseudonym, and nothing would match.
        """
        known = dict(self._connection.execute("select kind, value from key_check").fetchall())
        mark = hmac.digest(self._key, b"key check", "sha256")
        if not known:
            with transaction(self._connection):
                self._connection.executemany(
                    "insert or ignore into key_check (kind, value) values (?,?)",
                    [("pseudonym", mark), ("encryption", self._encrypt(b"key check", 0))],
                )
            return
        wrong = [] if hmac.compare_digest(known["pseudonym"], mark) else ["pseudonym key"]
        try:
            self._cipher.decrypt(known["encryption"])
        except InvalidToken:
            wrong.append("encryption key")
        if wrong:
            raise StoreError(
                f"Opening the PII store {path} failed: it was made with another "
                f"{' and another '.join(wrong)}. Nothing was changed. Trying again does not help; "
                "set the keys that this home was made with."
            )

    def pseudonym(self, kind: str, value: str) -> str:
        """Compute the pseudonym of one value: 32 hex digits."""
        return pseudonym_of(self._key, kind, value)

    def pseudonyms(self, kind: str, values: Iterable[str]) -> dict[str, str]:
        """Compute pseudonyms of distinct values; nothing is stored."""
        # The hash of key and kind is begun once, which makes millions of values affordable.
        inner = hashlib.sha256(self._inner + f"{kind}\0".encode())
        outer = hashlib.sha256(self._outer)
        found = {}
        for value in values:
            is_normal = kind == "phone" and len(value) < 13 and value.isascii() and value.isdigit()
            first, second = inner.copy(), outer.copy()
            first.update((value if is_normal else normalise(kind, value)).encode())
            second.update(first.digest())
            found[value] = second.hexdigest()[:32]
        return found

    def keep(
        self,
        batch_id: str,
        *,
        values: Mapping[str, tuple[str, str]],
        records: Mapping[int, bytes],
        now: datetime,
    ) -> None:
        """Store what a batch brings, in one transaction; repeating it changes nothing.

        `values` maps pseudonyms to (kind, value) of columns that may be revealed, `records` record
        numbers to the bytes of rejected records.
        """
        seconds = int(now.timestamp())
        new = self.unknown(values)
        if not new and not records and not self._has_records(batch_id):
            return
        with transaction(self._connection):
            self._insert_values(new, values, seconds)
            self._connection.execute(
                "delete from quarantined_record where batch_id = ?", [batch_id]
            )
            self._connection.executemany(
                "insert into quarantined_record (batch_id, record_no, record, mark) "
                "values (?,?,?,?)",
                (
                    (batch_id, number, self._encrypt(record, seconds), self._mark(record))
                    for number, record in records.items()
                ),
            )

    def keep_values(self, values: Mapping[str, tuple[str, str]], *, now: datetime) -> None:
        """Store values of people by pseudonym as (kind, value), in one transaction if any is new.

        What comes in one by one, as through the intake, has no batch yet.
        """
        new = self.unknown(values)
        if new:
            with transaction(self._connection):
                self._insert_values(new, values, int(now.timestamp()))

    def reveal(self, pseudonym: str, purpose: str, *, now: datetime | None = None) -> str:
        """Return the value behind a pseudonym and note for what purpose it was asked.

        Raises PseudonymUnknown when no value is kept, StoreError when the key is the wrong one.
        """
        row = self._connection.execute(
            "select value from person_value where pseudonym = ?", [pseudonym]
        ).fetchone()
        if row is None:
            raise PseudonymUnknown(
                f"Revealing pseudonym {pseudonym} failed: no value is kept for it. Trying again "
                "does not help unless its source says 'reveal: yes' and is landed anew."
            )
        with transaction(self._connection):
            self._connection.execute(
                "insert into reveal (pseudonym, purpose, at) values (?,?,?)",
                [pseudonym, purpose, now and as_text(now)],
            )
        return self._decrypt(row["value"]).decode()

    def seal(self, value: bytes, *, now: datetime) -> bytes:
        """Encrypt what another store keeps; any thread may call it."""
        return self._encrypt(value, int(now.timestamp()))

    def unseal(self, token: bytes) -> bytes:
        """Decrypt what `seal` gave; StoreError if the key is the wrong one."""
        return self._decrypt(token)

    def quarantined_record(self, batch_id: str, record_no: int) -> bytes | None:
        """Return the bytes of a rejected record, or None when none are kept."""
        row = self._connection.execute(
            "select record from quarantined_record where batch_id = ? and record_no = ?",
            [batch_id, record_no],
        ).fetchone()
        return self._decrypt(row["record"]) if row else None

    def records_alike(self, records: Iterable[bytes]) -> dict[bytes, list[tuple[str, int]]]:
        """Batch and number of the rejected records kept with the same bytes, by record.

        They are found by a keyed hash, so that nothing is decrypted.
        """
        found = {}
        for record in records:
            rows = self._connection.execute(
                "select batch_id, record_no from quarantined_record where mark = ?",
                [self._mark(record)],
            )
            found[record] = [(str(row[0]), int(row[1])) for row in rows]
        return found

    def reveal_record(
        self, batch_id: str, record_no: int, purpose: str, *, now: datetime
    ) -> bytes | None:
        """Return the bytes of a rejected record and note for what purpose they were asked."""
        with transaction(self._connection):
            self._connection.execute(
                "insert into reveal (pseudonym, purpose, at) values (?,?,?)",
                [f"record {batch_id} {record_no}", purpose, as_text(now)],
            )
        return self.quarantined_record(batch_id, record_no)

    def forget_records(self, records: Iterable[tuple[str, int]]) -> int:
        """Delete the bytes of rejected records, given by batch and number; returns how many."""
        with transaction(self._connection):
            return sum(
                self._connection.execute(
                    "delete from quarantined_record where batch_id = ? and record_no = ?", record
                ).rowcount
                for record in records
            )

    def kept_records(self) -> list[tuple[str, int]]:
        """Batch and number of every rejected record whose bytes are kept."""
        rows = self._connection.execute(
            "select batch_id, record_no from quarantined_record order by batch_id, record_no"
        )
        return [(row[0], row[1]) for row in rows]

    def _insert_values(
        self, new: Iterable[str], values: Mapping[str, tuple[str, str]], seconds: int
    ) -> None:
        self._connection.executemany(
            "insert or ignore into person_value (pseudonym, kind, value) values (?,?,?)",
            (
                (
                    pseudonym,
                    values[pseudonym][0],
                    self._encrypt(values[pseudonym][1].encode(), seconds),
                )
                for pseudonym in new
            ),
        )

    def _has_records(self, batch_id: str) -> bool:
        found = self._connection.execute(
            "select 1 from quarantined_record where batch_id = ? limit 1", [batch_id]
        ).fetchone()
        return found is not None

    def unknown(self, pseudonyms: Iterable[str]) -> list[str]:
        """Those of the pseudonyms behind which no value is kept yet."""
        new: list[str] = []
        iterator = iter(pseudonyms)
        while block := list(islice(iterator, _LOOKED_UP_AT_ONCE)):
            marks = ", ".join("?" for _ in block)
            rows = self._connection.execute(
                f"select pseudonym from person_value where pseudonym in ({marks})", block
            )
            known = {row[0] for row in rows}
            new += [pseudonym for pseudonym in block if pseudonym not in known]
        return new

    def _mark(self, record: bytes) -> bytes:
        return hmac.digest(self._key, b"rejected record\0" + record, "sha256")

    def _encrypt(self, value: bytes, seconds: int) -> bytes:
        return self._cipher.encrypt_at_time(value, seconds)

    def _decrypt(self, token: bytes) -> bytes:
        try:
            return self._cipher.decrypt(token)
        except InvalidToken as error:
            raise StoreError(
                "Reading the PII store failed: its values were encrypted with another key. Trying "
                "again does not help; set the encryption key that this home was made with."
            ) from error
