"""The rules of holds that can break."""

from shared_kernel.errors import ConflictError, InvalidError, NotFoundError


class HoldNotFound(NotFoundError):
    """The store has no such hold."""

    code = "hold_not_found"


class HoldAlreadyEnded(ConflictError):
    """It was collected, cancelled or has expired: nothing is set aside for it any more."""

    code = "hold_already_ended"


class HoldNotReady(ConflictError):
    """Copies of it are still waited for: collect it once they have come in."""

    code = "hold_not_ready"


class InvalidHold(InvalidError):
    """The hold names what does not exist."""

    code = "invalid_hold"
