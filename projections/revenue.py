"""How an event counts towards sales: the one rule that `sales`, `best_sellers` and `kpis` share.

Revenue counts on the placing date; a cancellation and a return count on their own, as negatives.
"""

from typing import TypeAlias, assert_never

import msgspec

from shared_kernel.events.envelope import Event
from shared_kernel.events.orders import GoodsReturned, OrderCancelled, OrderPlaced

RevenueEvent: TypeAlias = OrderPlaced | OrderCancelled | GoodsReturned
REVENUE_EVENTS: frozenset[type[Event]] = frozenset({OrderPlaced, OrderCancelled, GoodsReturned})


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What an event's figures are multiplied by: `amounts` are net, tax, discount and cost."""

    orders: int
    units: int
    returned_units: int
    amounts: int


_PLACED = Effect(orders=1, units=1, returned_units=0, amounts=1)
_CANCELLED = Effect(orders=-1, units=-1, returned_units=0, amounts=-1)
_RETURNED = Effect(orders=0, units=0, returned_units=1, amounts=-1)


def effect_of(event: RevenueEvent) -> Effect:
    """How the event counts."""
    match event:
        case OrderPlaced():
            return _PLACED
        case OrderCancelled():
            return _CANCELLED
        case GoodsReturned():
            return _RETURNED
        case _:
            assert_never(event)
