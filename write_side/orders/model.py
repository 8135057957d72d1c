"""Orders: pure decisions."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec

from shared_kernel.errors import FieldError
from shared_kernel.events.orders import (
    FulfilledLine,
    OrderCancelled,
    OrderConfirmed,
    OrderedLine,
    OrderFulfilled,
    OrderNeedsAttention,
    OrderPlaced,
    OrderUndoBegun,
)
from write_side.orders.commands import FulfilOrder, LineQuantity
from write_side.orders.errors import (
    InvalidOrder,
    OrderAlreadyCancelled,
    OrderAlreadyFulfilled,
    OrderAwaitsPayment,
    QuantityExceedsRemaining,
)

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_NUMBER_LENGTH = 10


class OfferedEdition(msgspec.Struct, frozen=True, kw_only=True):
    """What an order needs to know of an edition."""

    edition_id: UUID
    sku: str
    title: str
    authors: tuple[str, ...]
    publisher: str | None
    list_price_minor: int
    tax_class: str
    is_discontinued: bool


class OrderLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line and what has become of it."""

    ordered: OrderedLine
    fulfilled_quantity: int = 0
    returned_quantity: int = 0

    @property
    def remaining(self) -> int:
        """Copies still promised."""
        return self.ordered.quantity - self.fulfilled_quantity

    @property
    def returnable(self) -> int:
        """Copies that left and have not come back."""
        return self.fulfilled_quantity - self.returned_quantity


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An order as it stands.

    Attributes:
        held_for: `payment` while its money is not certain, `undoing` while it goes back; None: copies may leave.
        payment_id: where it was placed with a payment token.
    """

    order_id: UUID
    version: int
    number: str
    location_id: UUID
    location_name: str
    channel: str
    status: str
    fulfilment_status: str
    currency: str
    net_minor: int
    tax_minor: int
    total_minor: int
    lines: tuple[OrderLine, ...]
    source: str | None = None
    source_reference: str | None = None
    customer_id: UUID | None = None
    held_for: str | None = None
    payment_id: UUID | None = None


def order_number(order_id: UUID) -> str:
    """What people call an order: ten characters of Crockford's base 32, from the 50 last random bits of its id."""
    value, characters = order_id.int, []
    for _ in range(_NUMBER_LENGTH):
        value, index = divmod(value, len(_CROCKFORD))
        characters.append(_CROCKFORD[index])
    text = "".join(reversed(characters))
    return f"SW-{text[:5]}-{text[5:]}"


def placed(order: Order) -> OrderPlaced:
    """The event of an order that has just been placed."""
    lines = tuple(line.ordered for line in order.lines)
    return OrderPlaced(
        order_id=order.order_id,
        number=order.number,
        location_id=order.location_id,
        location_name=order.location_name,
        channel=order.channel,
        currency=order.currency,
        lines=lines,
        item_count=sum(line.quantity for line in lines),
        net_minor=order.net_minor,
        tax_minor=order.tax_minor,
        total_minor=order.total_minor,
        status="placed",
        source=order.source,
        customer_id=order.customer_id,
    )


def fulfil(order: Order, command: FulfilOrder, *, fulfilment_id: UUID) -> tuple[Order, OrderFulfilled]:
    """Hand copies over: the wanted ones, or all that are left.

    Raises:
        OrderAlreadyCancelled, OrderAlreadyFulfilled: nothing is left to hand over.
        OrderAwaitsPayment: it is not paid for, or is being undone.
        InvalidOrder: a line the order does not have.
        QuantityExceedsRemaining: more than is left of a line.
    """
    _refuse_cancelled(order)
    if order.fulfilment_status == "fulfilled":
        raise OrderAlreadyFulfilled("every copy of this order has left already")
    if order.held_for is not None:
        raise OrderAwaitsPayment("this order's payment is not certain: hand copies over once it is confirmed")
    if command.lines is None:
        quantities = {line.ordered.line_id: line.remaining for line in order.lines if line.remaining}
    else:
        remaining = {line.ordered.line_id: line.remaining for line in order.lines}
        quantities = line_quantities(command.lines, available=remaining)
    lines = tuple(
        msgspec.structs.replace(
            line, fulfilled_quantity=line.fulfilled_quantity + quantities.get(line.ordered.line_id, 0)
        )
        for line in order.lines
    )
    is_whole = all(line.remaining == 0 for line in lines)
    fulfilled = msgspec.structs.replace(
        order,
        version=order.version + 1,
        lines=lines,
        fulfilment_status="fulfilled" if is_whole else "partial",
        status="fulfilled" if is_whole else order.status,
    )
    return fulfilled, _fulfilled_event(fulfilled, quantities, command, fulfilment_id=fulfilment_id)


def cancel(order: Order, *, reason: str) -> tuple[Order, OrderCancelled]:
    """Undo an order of which nothing has left.

    Raises:
        OrderAlreadyCancelled: that was done before.
        OrderAlreadyFulfilled: copies have left.
    """
    _refuse_cancelled(order)
    if order.fulfilment_status != "unfulfilled":
        raise OrderAlreadyFulfilled("copies of this order have left; take them back as a return")
    cancelled = msgspec.structs.replace(order, version=order.version + 1, status="cancelled")
    event = OrderCancelled(
        order_id=order.order_id,
        reason=reason,
        location_id=order.location_id,
        location_name=order.location_name,
        channel=order.channel,
        currency=order.currency,
        lines=tuple(line.ordered for line in order.lines),
        net_minor=order.net_minor,
        tax_minor=order.tax_minor,
        total_minor=order.total_minor,
        previous_status=order.status,
    )
    return cancelled, event


def confirm(order: Order) -> tuple[Order, OrderConfirmed]:
    """Its money is certain: copies may leave."""
    assert order.status == "placed"
    confirmed = msgspec.structs.replace(order, version=order.version + 1, status="confirmed", held_for=None)
    return confirmed, OrderConfirmed(order_id=order.order_id, status=confirmed.status)


def begin_undo(order: Order, *, reason: str) -> tuple[Order, OrderUndoBegun]:
    """From here on no copy leaves: money goes back first, then the order is cancelled."""
    assert order.status != "cancelled"
    assert order.fulfilment_status == "unfulfilled"
    undone = msgspec.structs.replace(order, version=order.version + 1, held_for="undoing")
    return undone, OrderUndoBegun(order_id=order.order_id, reason=reason)


def ask_for_attention(order: Order, *, step: str, reason: str) -> tuple[Order, OrderNeedsAttention]:
    """It can neither be completed nor undone without an operator."""
    asked = msgspec.structs.replace(order, version=order.version + 1)
    return asked, OrderNeedsAttention(order_id=order.order_id, step=step, reason=reason)


def line_quantities(wanted: Sequence[LineQuantity], *, available: Mapping[UUID, int]) -> dict[UUID, int]:
    """The wanted quantity of each line, summed.

    Raises:
        InvalidOrder: a line the order does not have.
        QuantityExceedsRemaining: more than is available of a line.
    """
    unknown, excessive = [], []
    quantities: dict[UUID, int] = {}
    for index, line in enumerate(wanted):
        if line.line_id not in available:
            detail = "this order has no such line"
            unknown.append(FieldError(pointer=f"/lines/{index}/line_id", code="unknown_line", detail=detail))
            continue
        quantities[line.line_id] = quantities.get(line.line_id, 0) + line.quantity
        if quantities[line.line_id] > available[line.line_id]:
            detail = f"{available[line.line_id]} left"
            excessive.append(FieldError(pointer=f"/lines/{index}/quantity", code="exceeds_remaining", detail=detail))
    if unknown:
        raise InvalidOrder("the order has no such line", errors=tuple(unknown))
    if excessive:
        raise QuantityExceedsRemaining("more copies than are left of a line", errors=tuple(excessive))
    return quantities


def by_edition(order: Order, quantities: Mapping[UUID, int]) -> dict[UUID, int]:
    """Quantities by line, summed by edition, in the order of editions."""
    summed: dict[UUID, int] = {}
    for line in order.lines:
        quantity = quantities.get(line.ordered.line_id, 0)
        if quantity:
            summed[line.ordered.edition_id] = summed.get(line.ordered.edition_id, 0) + quantity
    return dict(sorted(summed.items()))


def _refuse_cancelled(order: Order) -> None:
    if order.status == "cancelled":
        raise OrderAlreadyCancelled("this order was cancelled")


def _fulfilled_event(
    order: Order, quantities: Mapping[UUID, int], command: FulfilOrder, *, fulfilment_id: UUID
) -> OrderFulfilled:
    return OrderFulfilled(
        order_id=order.order_id,
        fulfilment_id=fulfilment_id,
        lines=tuple(
            FulfilledLine(
                line_id=line.ordered.line_id,
                edition_id=line.ordered.edition_id,
                quantity=quantities[line.ordered.line_id],
                fulfilled_quantity=line.fulfilled_quantity,
            )
            for line in order.lines
            if line.ordered.line_id in quantities
        ),
        fulfilment_status=order.fulfilment_status,
        status=order.status,
        number=order.number,
        location_id=command.location_id or order.location_id,
        method=command.method or ("shipping" if order.channel == "web" else "collection"),
    )
