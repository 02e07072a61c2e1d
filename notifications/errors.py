"""The error tree of `notifications`.

NotificationError
├── StoreError           the operational store cannot be opened or is damaged
├── RosterError          the roster holds a row that cannot become an account
├── TemplateError        a text cannot be rendered from the values at hand
├── FigureError          a named query did not answer with the columns a text or rule needs
├── OutboxError          a message was asked to make a step its state does not allow
├── CredentialError      an account whose password is to be reset cannot be reached
├── ThresholdError       a threshold's numbers do not fit each other, or there are too many
├── GatewayBusy          another dispatcher holds the lease of the gateway
└── TransportError       the transport cannot be opened or its record is damaged

Every class states in `retryable` whether the same call can succeed later without a change.
"""

from __future__ import annotations


class NotificationError(Exception):
    """Base of all errors raised by `notifications`."""

    retryable: bool = False


class StoreError(NotificationError):
    """ops.db cannot be used; it must be restored or the cause removed."""


class RosterError(NotificationError):
    """A roster row lacks what an account needs; the source must send it again."""


class TemplateError(NotificationError):
    """A text uses something outside the allow-list or cannot be rendered."""


class FigureError(NotificationError):
    """A named query lacks a column; the query or the declaration must change."""


class OutboxError(NotificationError):
    """An illegal step of a message, or a message that does not exist."""


class CredentialError(NotificationError):
    """There is no reachable account with this id."""


class ThresholdError(NotificationError):
    """A threshold cannot be saved or evaluated as it is; its numbers must change."""


class GatewayBusy(NotificationError):
    """Another dispatcher works on this gateway; try again when it has ended."""

    retryable = True


class TransportError(NotificationError):
    """The transport cannot be opened, read or written; try again when the cause is gone."""

    retryable = True
