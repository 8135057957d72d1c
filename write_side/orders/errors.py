"""The rules of orders that can break."""

from shared_kernel.errors import ConflictError, InvalidError, NotFoundError


class OrderNotFound(NotFoundError):
    """The store has no such order."""

    code = "order_not_found"


class EditionDiscontinued(ConflictError):
    """It is no longer for sale; names every line that asks for one."""

    code = "edition_discontinued"


class OrderAlreadyCancelled(ConflictError):
    """Nothing more can happen to a cancelled order."""

    code = "order_already_cancelled"


class OrderAlreadyFulfilled(ConflictError):
    """Copies have left: what is done cannot be cancelled or done again; goods come back as a return."""

    code = "order_already_fulfilled"


class OrderAwaitsPayment(ConflictError):
    """Its money is not certain yet, or is going back: no copy may leave."""

    code = "order_awaits_payment"


class QuantityExceedsRemaining(ConflictError):
    """More copies of a line than are left to fulfil, or to return."""

    code = "quantity_exceeds_remaining"


class InvalidOrder(InvalidError):
    """The order names what does not exist, or breaks a field's rule."""

    code = "invalid_order"


class InvalidReturn(InvalidError):
    """The return names what does not exist, or breaks a field's rule."""

    code = "invalid_return"
