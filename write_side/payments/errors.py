"""The rules of payments that can break."""

from shared_kernel.errors import ConflictError, InFlightError, InvalidError, NotFoundError, UnauthenticatedError
from write_side.command_execution.errors import PlanEndedError


class PaymentNotFound(NotFoundError):
    """The store has no such payment."""

    code = "payment_not_found"


class PaymentNotAuthorized(ConflictError):
    """Nothing is held that could be captured or let go."""

    code = "payment_not_authorized"


class PaymentAlreadyCaptured(ConflictError):
    """What was held is ours already, or is being made so."""

    code = "payment_already_captured"


class AmountExceedsHeld(ConflictError):
    """More than is held."""

    code = "amount_exceeds_held"


class AmountExceedsRefundable(ConflictError):
    """More than was captured and neither went back nor is on its way back."""

    code = "amount_exceeds_refundable"


class ProviderRefused(PlanEndedError):
    """The payment provider will not do it; nothing has changed. Sent again, the provider is asked anew."""

    code = "provider_refused"


class SettledByHand(ConflictError):
    """An operator has settled it with the provider: what became of it is known to nobody here."""

    code = "settled_by_hand"


class ProviderPending(InFlightError):
    """The provider has not answered yet: the same request, sent again, finds what came of it."""

    code = "provider_pending"
    title = "The payment provider has not answered yet"


class InvalidAmount(InvalidError):
    """The amount is not one of this payment's."""

    code = "invalid_amount"


class CallbackNotTrusted(UnauthenticatedError):
    """The signature is missing, wrong or too old; never says which."""

    code = "callback_not_trusted"
