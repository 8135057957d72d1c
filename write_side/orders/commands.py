"""Intents about orders and returns, and what they answer."""

from typing import Annotated, Literal, TypeAlias
from uuid import UUID

import msgspec

from shared_kernel.events.orders import Disposition
from shared_kernel.money import Money
from write_side.inventory.commands import Quantity

Channel: TypeAlias = Literal["web", "pos"]
FulfilmentMethod: TypeAlias = Literal["shipping", "collection"]
Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=500, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$")]
PaymentToken = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="The payment provider's token for the buyer's means of payment; with it the order waits until paid",
    ),
]
MAX_LINES = 200
MAX_HOLDS = 50


class OrderLineWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Copies of one edition, at today's price."""

    edition_id: UUID
    quantity: Quantity


class PlaceOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Order copies from a location's stock; `hold_ids` names the holds there that the order collects."""

    location_id: UUID
    channel: Channel
    lines: Annotated[tuple[OrderLineWanted, ...], msgspec.Meta(min_length=1, max_length=MAX_LINES)]
    customer_id: UUID | None = None
    payment_token: PaymentToken | None = None
    hold_ids: Annotated[tuple[UUID, ...], msgspec.Meta(max_length=MAX_HOLDS)] = ()


class LineQuantity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """So many copies of one line of an order."""

    line_id: UUID
    quantity: Quantity


class FulfilOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hand copies over: those of these lines, or all that are left.

    `location_id` is where they leave from, the order's own unless told; another must have as many free copies.
    `method` is shipping for orders of the web and collection for those of the till, unless told.
    """

    lines: Annotated[tuple[LineQuantity, ...], msgspec.Meta(min_length=1, max_length=MAX_LINES)] | None = None
    location_id: UUID | None = None
    method: FulfilmentMethod | None = None


class CancelOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Undo an order of which nothing has left."""

    reason: Reason


class ReturnLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Copies that come back, and what is paid back for each."""

    edition_id: UUID
    quantity: Quantity
    unit_price: Money
    disposition: Disposition = "restock"


class ReturnGoods(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Take copies back without a receipt."""

    location_id: UUID
    channel: Channel
    lines: Annotated[tuple[ReturnLine, ...], msgspec.Meta(min_length=1, max_length=MAX_LINES)]


class ReturnedQuantity(LineQuantity, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """So many copies of one line of an order, and what becomes of them."""

    disposition: Disposition = "restock"


class ReturnFromOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Take back copies that an order handed over, at the price they were sold for."""

    lines: Annotated[tuple[ReturnedQuantity, ...], msgspec.Meta(min_length=1, max_length=MAX_LINES)]


class LineDecided(msgspec.Struct, frozen=True, kw_only=True):
    """A line as the command left it."""

    line_id: UUID
    edition_id: UUID
    quantity: int
    fulfilled_quantity: int
    unit_price: Money
    net: Money
    tax: Money
    total: Money


class OrderDecided(msgspec.Struct, frozen=True, kw_only=True):
    """The order as the command left it."""

    id: UUID
    number: str
    version: int
    status: str
    fulfilment_status: str
    lines: tuple[LineDecided, ...]
    net: Money
    tax: Money
    total: Money
    payment_id: UUID | None = None


class ReturnedLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line that came back."""

    line_id: UUID
    edition_id: UUID
    quantity: int
    unit_price: Money
    total: Money
    disposition: Disposition


class ReturnDecided(msgspec.Struct, frozen=True, kw_only=True):
    """The return as it was taken."""

    id: UUID
    version: int
    order_id: UUID | None
    lines: tuple[ReturnedLine, ...]
    net: Money
    tax: Money
    total: Money
