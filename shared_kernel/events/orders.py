"""Stream `order` (id: the order's) and stream `return` (id: the return's, where there is no receipt)."""

from typing import Literal, TypeAlias
from uuid import UUID

import msgspec

from shared_kernel.events.envelope import Event

Disposition: TypeAlias = Literal["restock", "damage", "to_supplier"]


class OrderedLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line with its price, tax and cost as they stood: nothing about it changes when the catalogue does.

    `net_minor + tax_minor = total_minor`, after `discount_minor`; `cost_minor` is of all copies, by moving average.
    `publisher` is null where the catalogue knows none, and in events of before it was told.
    """

    line_id: UUID
    edition_id: UUID
    sku: str
    title: str
    authors: tuple[str, ...]
    quantity: int
    unit_price_minor: int
    discount_minor: int
    net_minor: int
    tax_minor: int
    total_minor: int
    cost_minor: int
    tax_rate_basis_points: int
    publisher: str | None = None


class ReturnedLine(OrderedLine, frozen=True, kw_only=True):
    """A line that came back, and what became of its copies: back on the shelf, written off, or sent to the supplier."""

    disposition: Disposition = "restock"


class FulfilledLine(msgspec.Struct, frozen=True, kw_only=True):
    """How many copies of a line left, and how many have by now."""

    line_id: UUID
    edition_id: UUID
    quantity: int
    fulfilled_quantity: int


class OrderPlaced(Event, frozen=True, kw_only=True):
    """A customer ordered, prices are fixed and copies promised. `source` names an import, else null."""

    stream_type = "order"

    order_id: UUID
    number: str
    location_id: UUID
    location_name: str
    channel: str
    currency: str
    lines: tuple[OrderedLine, ...]
    item_count: int
    net_minor: int
    tax_minor: int
    total_minor: int
    status: str
    source: str | None
    customer_id: UUID | None = None


class OrderConfirmed(Event, frozen=True, kw_only=True):
    """Paid for as far as it has to be: copies may be handed over."""

    stream_type = "order"

    order_id: UUID
    status: str


class OrderUndoBegun(Event, frozen=True, kw_only=True):
    """It will not be completed: money goes back first, then copies, then it is cancelled. Nothing leaves any more."""

    stream_type = "order"

    order_id: UUID
    reason: str


class OrderNeedsAttention(Event, frozen=True, kw_only=True):
    """The saga could neither complete nor undo it: `step` is where it stands, and an operator is asked."""

    stream_type = "order"

    order_id: UUID
    step: str
    reason: str


class OrderFulfilled(Event, frozen=True, kw_only=True):
    """Some or all copies left. `status` and `fulfilment_status` are the order's from here on.

    `number` is the order's, `location_id` where the copies left from, by `method` `shipping` or `collection`. They are
    null in events of before they were told: the copies left from the order's own location. `previous_status` is what
    the order was before; when that was not told yet, it could only be `placed`.
    """

    stream_type = "order"

    order_id: UUID
    fulfilment_id: UUID
    lines: tuple[FulfilledLine, ...]
    fulfilment_status: str
    status: str
    number: str | None = None
    location_id: UUID | None = None
    method: str | None = None
    previous_status: str = "placed"


class OrderCancelled(Event, frozen=True, kw_only=True):
    """Undone before anything left: the lines and sums that no longer count, and what the order was before."""

    stream_type = "order"

    order_id: UUID
    reason: str
    location_id: UUID
    location_name: str
    channel: str
    currency: str
    lines: tuple[OrderedLine, ...]
    net_minor: int
    tax_minor: int
    total_minor: int
    previous_status: str = "placed"


class GoodsReturned(Event, frozen=True, kw_only=True):
    """Copies came back; amounts are positive, and what reads them subtracts.

    `order_id` is null without a receipt, and so is `order_status`: the order's from here on, `returned` with its last
    copy.
    """

    stream_type = "return"

    return_id: UUID
    order_id: UUID | None
    location_id: UUID
    location_name: str
    channel: str
    currency: str
    lines: tuple[ReturnedLine, ...]
    net_minor: int
    tax_minor: int
    total_minor: int
    source: str | None
    order_status: str | None = None
