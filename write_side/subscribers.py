"""Every reaction and every duty there is."""

from collections.abc import Sequence
from typing import Final

import msgspec

from write_side.order_saga.reaction import following_orders
from write_side.order_saga.times import SagaTimes
from write_side.reactions.reaction import Duty, Reaction
from write_side.webhooks.delivering import Deliveries
from write_side.webhooks.noting import WEBHOOKS

REACTIONS: Final[tuple[Reaction, ...]] = (following_orders(SagaTimes()), WEBHOOKS)


class Deliverers(msgspec.Struct, frozen=True, kw_only=True):
    """Who makes the foreign calls of a worker."""

    webhooks: Deliveries


def duties_of(deliverers: Deliverers) -> Sequence[Duty]:
    """What a worker does beside reacting."""
    return (deliverers.webhooks.duty,)
