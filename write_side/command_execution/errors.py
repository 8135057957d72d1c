"""What can be wrong with a command before and beside its own rules."""

from shared_kernel.database.transactions import DatabaseUnavailableError
from shared_kernel.errors import ConflictError, InvalidError, UnavailableError


class IdempotencyKeyReusedError(InvalidError):
    """The key was used for another request."""

    code = "idempotency_key_reused"
    title = "The Idempotency-Key belongs to another request"

    def __init__(self) -> None:
        super().__init__("this Idempotency-Key was used for another request; use a new key for a new request")


class ConcurrentChangeError(ConflictError):
    """Others changed the same aggregate, twice in a row, while this command was being decided."""

    code = "concurrent_change"

    def __init__(self) -> None:
        super().__init__("the resource is being changed by others at this very moment; retry")


class PlanEndedError(ConflictError):
    """What was planned under a key was not done and never will be: told once, and then the key stands for nothing."""


class OutcomeUnknownError(DatabaseUnavailableError):
    """The database went away; the command may or may not have been committed."""

    code = "outcome_unknown"

    def __init__(self) -> None:
        super().__init__(
            "the database did not answer in time; retry with the same Idempotency-Key to learn what happened"
        )


class TooManyCommandsError(UnavailableError):
    """More commands are running than this process may hold."""

    code = "saturated"

    def __init__(self) -> None:
        super().__init__("too many commands at once; retry in a moment")


class LogHeadMissingError(RuntimeError):
    """The tenant has no counter row, so its events would have no positions: the store was never opened."""
