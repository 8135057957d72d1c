"""`store_counts`: one row a store. An order's earlier status follows from its event, so that no order need be known.

`OrderFulfilled` says `fulfilled` once, when the last copy leaves; it and `OrderCancelled` say what the order was.
`GoodsReturned` says `returned` once, when the last copy is back: all of them had left.
"""

from collections.abc import Iterator
from typing import TypeAlias, assert_never, cast, get_args

import msgspec

from projections.fold import AnyRecorded, Pace, Projection
from read_side.store_counts.view import STORE, VIEW, StoreCountsRow
from shared_kernel.events.catalog import EditionCreated, EditionDiscontinued
from shared_kernel.events.inventory import LocationOpened
from shared_kernel.events.orders import GoodsReturned, OrderCancelled, OrderConfirmed, OrderFulfilled, OrderPlaced
from shared_kernel.events.tenants import StoreOpened
from shared_kernel.views import Key

_OrderEvent: TypeAlias = OrderPlaced | OrderConfirmed | OrderFulfilled | OrderCancelled | GoodsReturned
_Counted: TypeAlias = StoreOpened | EditionCreated | EditionDiscontinued | LocationOpened | _OrderEvent
_NOTHING = StoreCountsRow(
    scope=STORE,
    editions=0,
    discontinued_editions=0,
    locations=0,
    placed_orders=0,
    confirmed_orders=0,
    fulfilled_orders=0,
    cancelled_orders=0,
    returned_orders=0,
)
_ONLY_KEY: Key = (STORE,)


class UnknownOrderStatusError(ValueError):
    """An order event names a status that is not counted: this release does not know it."""


def _touches(_recorded: AnyRecorded) -> Iterator[tuple[Key, None]]:
    yield _ONLY_KEY, None


def _evolve(row: StoreCountsRow | None, _part: None, recorded: AnyRecorded) -> StoreCountsRow:
    counts = row or _NOTHING
    event = cast("_Counted", recorded.event)
    match event:
        case StoreOpened():
            return counts
        case EditionCreated():
            return msgspec.structs.replace(counts, editions=counts.editions + 1)
        case EditionDiscontinued():
            return msgspec.structs.replace(counts, discontinued_editions=counts.discontinued_editions + 1)
        case LocationOpened():
            return msgspec.structs.replace(counts, locations=counts.locations + 1)
        case OrderPlaced() | OrderConfirmed() | OrderFulfilled() | OrderCancelled() | GoodsReturned():
            return _moved(counts, event)
        case _:
            assert_never(event)


def _moved(counts: StoreCountsRow, event: _OrderEvent) -> StoreCountsRow:
    match event:
        case OrderPlaced(status="placed"):
            return msgspec.structs.replace(counts, placed_orders=counts.placed_orders + 1)
        case OrderFulfilled(status="placed" | "confirmed"):
            return counts
        case OrderConfirmed():
            return msgspec.structs.replace(
                counts, placed_orders=counts.placed_orders - 1, confirmed_orders=counts.confirmed_orders + 1
            )
        case OrderFulfilled(status="fulfilled") | OrderCancelled():
            return _closed(counts, event)
        case GoodsReturned(order_status="returned"):
            return msgspec.structs.replace(
                counts, fulfilled_orders=counts.fulfilled_orders - 1, returned_orders=counts.returned_orders + 1
            )
        case GoodsReturned():
            return counts
        case OrderPlaced() | OrderFulfilled():
            raise UnknownOrderStatusError(f"{type(event).__name__} with status {event.status}")
        case _:
            assert_never(event)


def _closed(counts: StoreCountsRow, event: OrderFulfilled | OrderCancelled) -> StoreCountsRow:
    """One open order less, and one of those that are not open more."""
    was_confirmed = event.previous_status == "confirmed"
    is_cancelled = isinstance(event, OrderCancelled)
    return msgspec.structs.replace(
        counts,
        placed_orders=counts.placed_orders - (not was_confirmed),
        confirmed_orders=counts.confirmed_orders - was_confirmed,
        fulfilled_orders=counts.fulfilled_orders + (not is_cancelled),
        cancelled_orders=counts.cancelled_orders + is_cancelled,
    )


PROJECTION = Projection(
    view=VIEW,
    handles=frozenset(get_args(_Counted)),
    touches=_touches,
    evolve=_evolve,
    pace=Pace.GATHERED,
)
