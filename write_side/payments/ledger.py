"""The books of a payment: signed entries over four accounts that sum to nothing, event by event.

`customer` is what the buyer is down by, `held` what the provider holds for us, `received` what is ours, `fees` what the
provider kept. The database checks each posting's sum, and the balances against the payment's row, when it commits.
"""

from typing import Literal, TypeAlias

import msgspec

from shared_kernel.events.payments import (
    PaymentAbandoned,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    PaymentEvent,
    PaymentRefunded,
    PaymentRequested,
    PaymentVoided,
    RefundRefused,
)
from write_side.payments.model import Payment

Account: TypeAlias = Literal["customer", "held", "received", "fees"]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One signed entry."""

    account: Account
    amount_minor: int


def posting(before: Payment, event: PaymentEvent) -> tuple[Entry, ...]:
    """What an event books; the sum is zero."""
    amount = event.amount_minor
    match event:
        case PaymentAuthorized():
            return _entries(customer=-amount, held=amount)
        case PaymentCaptured(fee_delta_minor=fee):
            return _entries(
                held=-before.held_minor, received=amount - fee, fees=fee, customer=before.held_minor - amount
            )
        case PaymentVoided():
            return _entries(held=-amount, customer=amount)
        case PaymentRefunded():
            return _entries(received=-amount, customer=amount)
        case PaymentRequested() | PaymentDeclined() | PaymentAbandoned() | RefundRefused():
            return ()
        case _:
            message = f"no posting is known for {type(event).__name__}"
            raise TypeError(message)


def _entries(*, customer: int = 0, held: int = 0, received: int = 0, fees: int = 0) -> tuple[Entry, ...]:
    amounts: tuple[tuple[Account, int], ...] = (
        ("customer", customer),
        ("held", held),
        ("received", received),
        ("fees", fees),
    )
    entries = tuple(Entry(account=account, amount_minor=amount) for account, amount in amounts if amount)
    assert sum(entry.amount_minor for entry in entries) == 0
    return entries
