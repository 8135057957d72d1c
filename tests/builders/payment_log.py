"""A payment's story in a store's log, a line an event: what stands after each follows by itself."""

from datetime import datetime
from typing import TypeVar
from uuid import UUID

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
from tests.builders.order_log import NOON, OrderLog, id_of

EventT = TypeVar("EventT", bound=PaymentEvent)


class PaymentLog:
    """One payment of one order."""

    def __init__(self, log: OrderLog, order_id: UUID, *, amount_minor: int = 1000) -> None:
        self._log = log
        self.order_id = order_id
        self.payment_id = id_of(f"payment of {order_id}")
        self._amount_minor = amount_minor
        self.is_requested = False
        self._authorized = self._captured = self._refunded = self._fee = 0

    def request(self, *, at: datetime = NOON) -> None:
        """It is to be paid."""
        self.is_requested = True
        self._append(PaymentRequested, "requested", "none", amount_minor=self._amount_minor, at=at)

    def authorize(self, *, at: datetime = NOON) -> None:
        """All of it is held."""
        self._authorized = self._amount_minor
        self._append(PaymentAuthorized, "authorized", "authorized", amount_minor=self._amount_minor, at=at)

    def decline(self, reason: str = "card_declined", *, at: datetime = NOON) -> None:
        """Nothing is."""
        self._append(PaymentDeclined, "declined", "failed", amount_minor=self._amount_minor, at=at, reason=reason)

    def abandon(self, *, at: datetime = NOON) -> None:
        """Nobody was asked."""
        self._append(PaymentAbandoned, "abandoned", "none", amount_minor=self._amount_minor, at=at)

    def capture(self, amount_minor: int, *, fee_minor: int = 0, at: datetime = NOON) -> None:
        """So much of it is ours, less the fee."""
        self._captured, self._fee = amount_minor, fee_minor
        self._append(
            PaymentCaptured, "captured", "captured", amount_minor=amount_minor, at=at, fee_delta_minor=fee_minor
        )

    def void(self, *, at: datetime = NOON) -> None:
        """It is let go."""
        self._append(PaymentVoided, "voided", "none", amount_minor=self._authorized, at=at)

    def refund(self, amount_minor: int, *, at: datetime = NOON) -> None:
        """So much goes back."""
        self._refunded += amount_minor
        status = "refunded" if self._refunded == self._captured else "captured"
        refund_id = id_of(f"refund {self._refunded} of {self.payment_id}")
        self._append(PaymentRefunded, status, status, amount_minor=amount_minor, at=at, refund_id=refund_id)

    def refuse(self, amount_minor: int, reason: str = "expired", *, at: datetime = NOON) -> None:
        """It does not."""
        refund_id = id_of(f"refused refund of {self.payment_id}")
        self._append(
            RefundRefused, "captured", "captured", amount_minor=amount_minor, at=at, refund_id=refund_id, reason=reason
        )

    def _append(
        self,
        kind: type[EventT],
        status: str,
        payment_status: str,
        *,
        amount_minor: int,
        at: datetime,
        **members: object,
    ) -> None:
        event = kind(
            payment_id=self.payment_id,
            order_id=self.order_id,
            currency="GBP",
            amount_minor=amount_minor,
            status=status,
            payment_status=payment_status,
            authorized_minor=self._authorized,
            captured_minor=self._captured,
            refunded_minor=self._refunded,
            fee_minor=self._fee,
            **members,
        )
        self._log.append(event, self.payment_id, at)
