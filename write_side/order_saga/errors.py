"""What can be wrong with an operator's wish."""

from shared_kernel.errors import ConflictError, NotFoundError


class SagaNotFound(NotFoundError):
    """The store has no saga of such an order: it was placed without a payment token, or is not there."""

    code = "saga_not_found"


class SagaNotWaiting(ConflictError):
    """It does not ask for attention."""

    code = "saga_not_waiting"


class ProviderStillAsked(ConflictError):
    """What the provider makes of something it was asked for is not known yet: it could be done after all."""

    code = "provider_still_asked"
