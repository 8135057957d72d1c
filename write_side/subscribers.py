"""Every reaction and every duty there is, and every place where one of them may die."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import msgspec

from write_side.customers.showing import Showing, ShowingPoint
from write_side.inventory.holds.expiring import expiring_holds
from write_side.mail.noting import MAIL
from write_side.mail.sending import MailDelivery, MailPoint
from write_side.order_saga.reaction import following_orders
from write_side.order_saga.times import SagaTimes
from write_side.reactions.fault_points import FaultPoint
from write_side.reactions.reaction import Duty, Reaction
from write_side.webhooks.delivering import Deliveries, DeliveryPoint
from write_side.webhooks.noting import WEBHOOKS

REACTIONS: Final[tuple[Reaction, ...]] = (following_orders(SagaTimes()), WEBHOOKS, MAIL)
FAULT_POINTS: Final[tuple[StrEnum, ...]] = (*FaultPoint, *DeliveryPoint, *MailPoint, *ShowingPoint)
"""Of reactions and duties. The order saga's and its operations' are in `order_saga.fault_points`."""


class Deliverers(msgspec.Struct, frozen=True, kw_only=True):
    """Who makes the foreign calls of a worker."""

    webhooks: Deliveries
    mail: MailDelivery
    customers: Showing | None


def duties_of(deliverers: Deliverers) -> Sequence[Duty]:
    """What a worker does beside reacting."""
    showing = () if deliverers.customers is None else (deliverers.customers.duty,)
    return (deliverers.webhooks.duty, deliverers.mail.duty, expiring_holds(), *showing)
