"""Every reaction there is. A new one begins at the head of the logs that are there, unless it says otherwise."""

from typing import Final

from write_side.order_saga.reaction import following_orders
from write_side.order_saga.times import SagaTimes
from write_side.reactions.reaction import Reaction

REACTIONS: Final[tuple[Reaction, ...]] = (following_orders(SagaTimes()),)
