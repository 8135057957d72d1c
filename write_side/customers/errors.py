"""Rules that can break about customers."""

from shared_kernel.errors import ConflictError, NotFoundError


class CustomerNotFound(NotFoundError):
    """The store has no such customer."""

    code = "customer_not_found"


class CustomerAlreadyErased(ConflictError):
    """Nothing is known of them any more."""

    code = "customer_already_erased"
