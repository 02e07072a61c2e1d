"""The error tree of `connectors`.

ConnectorError
├── StoreError               ledger.db or pii.db cannot be opened or is newer than this program
├── LandingBusy              another process lands this source right now (trying again helps)
├── LandingFailed            the disk or a store failed while a source landed (retry helps)
├── RefusedDelivery          a delivery is refused whole; carries `code` and, in a file, `offset`
├── SourceUnreachable        a folder or database of a source cannot be reached (retry helps)
│   └── FileStillChanges     a file on a server changed while it was fetched
├── RelandingRefused         an archived file cannot become its batch again
├── CredentialsRefused       a server does not know us, or we have nothing to sign in with
├── HostKeyRefused           an ssh server shows a key that is not known
├── InterfaceMismatch        a table does not have the agreed columns, or the inbox is another one
├── ExportMismatch           an export does not fit its declaration, or its kept content is gone
├── UnwritableValue          a layout cannot carry a value that was to be written in it
├── InboxUnavailable         the inbox could not be written (trying again helps)
└── PseudonymUnknown         no value is kept for a pseudonym

Faults in declarations are `cubes.errors.DeclarationError`. Every class states in `retryable`
whether the same call can succeed later without a change, and in `code` its word of `codes.yml` if
it can end the landing of a source. No message carries a personal value.
"""

from __future__ import annotations


class ConnectorError(Exception):
    """Base of all errors raised by `connectors`."""

    retryable: bool = False
    code: str | None = None


class StoreError(ConnectorError):
    """A SQLite store cannot be used; the message names the file and the cause."""


class LandingBusy(ConnectorError):
    """Another process is landing the same source in this home."""

    retryable = True
    code = "landing_busy"


class LandingFailed(ConnectorError):
    """The disk, the engine or a store failed under a landing; what was finished before stays."""

    retryable = True
    code = "landing_failed"


class RefusedDelivery(ConnectorError):
    """A delivery cannot be accepted; none of its rows is loaded.

    `code` is the word for the ledger, `reason` one sentence without personal values, `offset`
    the byte in the file at which reading stopped (None when the fault has no place).
    """

    code: str

    def __init__(self, code: str, reason: str, *, offset: int | None = None) -> None:
        self.code = code
        self.reason = reason
        self.offset = offset
        super().__init__(
            f"The delivery is refused ({code}): {reason}. "
            "Trying again does not help; the sender must deliver it anew."
        )


class SourceUnreachable(ConnectorError):
    """The folder or database of a source cannot be reached."""

    retryable = True
    code = "source_unreachable"


class RelandingRefused(ConnectorError):
    """A batch cannot be landed again from its archived file; nothing was changed."""


class FileStillChanges(SourceUnreachable):
    """A file on a server changed while it was fetched, as one that is still being written does."""


class CredentialsRefused(ConnectorError):
    """The credentials of a source are missing, or its server does not accept them."""

    code = "credentials_refused"


class HostKeyRefused(ConnectorError):
    """An ssh server shows a host key that is not the known one; nothing was sent to it."""

    code = "host_key_refused"


class InterfaceMismatch(ConnectorError):
    """A table or its location is not what its contract and the interface agree on."""

    code = "interface_mismatch"


class ExportMismatch(ConnectorError):
    """What an export would say is not what its declaration promises, or it can no more be said."""


class UnwritableValue(ConnectorError):
    """A value cannot be written in the layout of a file so that reading gives it back.

    `record_no` counts from 1; the value itself is never told.
    """

    def __init__(self, record_no: int, column: str, why: str) -> None:
        self.record_no = record_no
        self.column = column
        self.why = why
        super().__init__(
            f"Writing record {record_no} failed: the value of column '{column}' {why}. No file "
            "was written. Trying again does not help; change the layout of the contract (quotes, "
            "another delimiter, wider columns) or the value."
        )


class InboxUnavailable(ConnectorError):
    """Something that came in could not be made durable, so it was not accepted."""

    retryable = True

    def __init__(self, cause: str) -> None:
        super().__init__(
            f"Writing to the inbox failed: {cause}. Nothing of this request was kept. Trying again "
            "helps once there is room on the disk."
        )


class PseudonymUnknown(ConnectorError):
    """The PII store keeps no value for this pseudonym."""
