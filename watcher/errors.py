"""Every error the watcher raises on purpose: what was being done, to what, what went wrong, and the remedy.

Adapters translate their library's exceptions into these once, at the edge, so that nothing above an adapter imports
botocore or sqlite3, and whether a failure is worth retrying is decided in one place.
"""

from __future__ import annotations


class WatcherError(Exception):
    """Base of all. ``str()`` is one sentence for people: operation, subject, cause, remedy.

    operation: what was being done ("UpdateTable", "read config"); subject: to what ("table orders");
    hint: what a person can do about it, or "" when there is nothing to do.
    """

    def __init__(self, cause: str, *, operation: str = "", subject: str = "", hint: str = "") -> None:
        self.cause = cause
        self.operation = operation
        self.subject = subject
        self.hint = hint
        super().__init__(cause)

    def __str__(self) -> str:
        where = " of ".join(part for part in (self.operation, self.subject) if part)
        text = f"{where}: {self.cause}" if where else self.cause
        return f"{text} ({self.hint})" if self.hint else text


class ConfigError(WatcherError):
    """The configuration cannot be used. ``mistakes`` holds every mistake, one sentence each. Exit status 2."""

    def __init__(self, path: str, mistakes: tuple[str, ...]) -> None:
        self.path = path
        self.mistakes = mistakes
        count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        super().__init__("\n  ".join((f"{path}: {count}", *mistakes)))


class UsageError(WatcherError):
    """The command line asks for something that cannot be. Exit status 2."""


class AwsError(WatcherError):
    """An AWS call failed. ``code`` is AWS's own error code, or the transport error's class name."""

    def __init__(
        self,
        cause: str,
        *,
        code: str,
        operation: str = "",
        subject: str = "",
        hint: str = "",
        retryable: bool = False,
    ) -> None:
        super().__init__(cause, operation=operation, subject=subject, hint=hint)
        self.code = code
        self.retryable = retryable


class AwsDenied(AwsError):
    """The credentials lack a permission; ``hint`` names the IAM action."""


class AwsNotFound(AwsError):
    """The table, index, topic or rule does not exist (any more)."""


class AwsUnavailable(AwsError):
    """No answer: timeout, connection refused or reset, 5xx, or throttled by AWS. Retrying later may help."""


class StoreError(WatcherError):
    """The state store cannot be read or written. Law 11: observe and alert, never act."""


class DeliveryError(WatcherError):
    """An alert could not be published. ``retryable`` tells whether the same may work soon; where not, somebody has to
    mend something first. ``of_message``: the message was refused for itself, and never will be taken; otherwise the
    topic fails, and every message to it would."""

    def __init__(
        self, cause: str, *, subject: str = "", hint: str = "", retryable: bool = True, of_message: bool = False
    ) -> None:
        super().__init__(cause, operation="Publish", subject=subject, hint=hint)
        self.retryable = retryable
        self.of_message = of_message
