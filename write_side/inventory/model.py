"""Stock of one edition at one location: pure decisions, each an event that carries what stands after it.

Cost is a moving average kept as a sum: what arrives adds what it cost, what leaves takes its share along, so that the
sum never drifts from what was paid.
"""

from typing import TypeVar
from uuid import UUID

import msgspec

from shared_kernel.events.inventory import (
    StockAdjusted,
    StockCounted,
    StockEvent,
    StockReceived,
    StockReleased,
    StockReserved,
    StockReturned,
    StockSetAside,
    StockSetFree,
    StockShipped,
    StockTransferred,
    StockWrittenOff,
)
from shared_kernel.money import MAX_MINOR
from write_side.inventory.commands import MAX_COUNT
from write_side.inventory.errors import CountedBelowReserved, InsufficientStock, StockTooLarge

MovementT = TypeVar("MovementT", bound=StockEvent)


class Stock(msgspec.Struct, frozen=True, kw_only=True):
    """The account of one edition at one location; version 0 has no movement yet.

    `waiting` counts the copies that special orders still wait for here.
    """

    stock_id: UUID
    location_id: UUID
    edition_id: UUID
    version: int
    on_hand: int
    reserved: int
    value_minor: int
    waiting: int = 0

    @property
    def available(self) -> int:
        """Copies nobody has been promised."""
        return self.on_hand - self.reserved

    def share_of(self, quantity: int) -> int:
        """The cost of some of the copies on hand: value * quantity / on_hand, halves up; 0 where none is on hand."""
        if self.on_hand == 0:
            return 0
        return (2 * self.value_minor * quantity + self.on_hand) // (2 * self.on_hand)


def receive(stock: Stock, *, quantity: int, unit_cost_minor: int, receipt_id: UUID) -> StockReceived:
    """Copies arrive at a unit cost.

    Raises:
        StockTooLarge: past the account's bounds.
    """
    return _move(
        StockReceived,
        stock,
        delta=quantity,
        value_delta=quantity * unit_cost_minor,
        receipt_id=receipt_id,
        unit_cost_minor=unit_cost_minor,
    )


def adjust(stock: Stock, *, delta: int, reason: str) -> StockAdjusted:
    """The figure is corrected; copies come and go at the average cost.

    Raises:
        InsufficientStock: more than is free would go.
        StockTooLarge: past the account's bounds.
    """
    if stock.available + delta < 0:
        raise InsufficientStock(f"only {stock.available} copies are free")
    return _move(StockAdjusted, stock, delta=delta, value_delta=_signed_share(stock, delta), reason=reason)


def count(stock: Stock, *, counted: int) -> StockCounted:
    """The shelf was counted.

    Raises:
        CountedBelowReserved: copies promised to orders are not there.
        StockTooLarge: past the account's bounds.
    """
    if counted < stock.reserved:
        raise CountedBelowReserved(f"{stock.reserved} copies are promised to orders")
    delta = counted - stock.on_hand
    return _move(StockCounted, stock, delta=delta, value_delta=_signed_share(stock, delta), counted=counted)


def transfer_out(stock: Stock, *, quantity: int, transfer_id: UUID, to_location_id: UUID) -> StockTransferred:
    """Free copies leave for another location, and take their cost along. The caller has seen that they are free."""
    return _move(
        StockTransferred,
        stock,
        delta=-quantity,
        value_delta=-stock.share_of(quantity),
        transfer_id=transfer_id,
        other_location_id=to_location_id,
    )


def transfer_in(
    stock: Stock, *, quantity: int, cost_minor: int, transfer_id: UUID, from_location_id: UUID
) -> StockTransferred:
    """They arrive, with the cost they left with.

    Raises:
        StockTooLarge: past the account's bounds.
    """
    return _move(
        StockTransferred,
        stock,
        delta=quantity,
        value_delta=cost_minor,
        transfer_id=transfer_id,
        other_location_id=from_location_id,
    )


def reserve(stock: Stock, *, quantity: int, order_id: UUID) -> StockReserved:
    """Free copies are promised to an order. The caller has seen that they are free."""
    return _move(StockReserved, stock, reserved_delta=quantity, order_id=order_id)


def release(stock: Stock, *, quantity: int, order_id: UUID) -> StockReleased:
    """A promise is given back."""
    return _move(StockReleased, stock, reserved_delta=-quantity, order_id=order_id)


def set_aside(stock: Stock, *, quantity: int, hold_id: UUID) -> StockSetAside:
    """Free copies are put aside for a hold. The caller has seen that they are free."""
    return _move(StockSetAside, stock, reserved_delta=quantity, hold_id=hold_id)


def set_free(stock: Stock, *, quantity: int, hold_id: UUID) -> StockSetFree:
    """A hold gives its copies back."""
    return _move(StockSetFree, stock, reserved_delta=-quantity, hold_id=hold_id)


def ship(stock: Stock, *, quantity: int, reserved_quantity: int, order_id: UUID) -> StockShipped:
    """Copies leave with a customer, promised ones or not, and take their cost along."""
    return _move(
        StockShipped,
        stock,
        delta=-quantity,
        reserved_delta=-reserved_quantity,
        value_delta=-stock.share_of(quantity),
        order_id=order_id,
    )


def take_back(stock: Stock, *, quantity: int, cost_minor: int, return_id: UUID) -> StockReturned:
    """Copies come back from a customer, at the cost they count for.

    Raises:
        StockTooLarge: past the account's bounds.
    """
    return _move(StockReturned, stock, delta=quantity, value_delta=cost_minor, return_id=return_id)


def write_off(stock: Stock, *, quantity: int, cost_minor: int, return_id: UUID, disposition: str) -> StockWrittenOff:
    """Copies that have just come back leave again, with the cost they came with."""
    return _move(
        StockWrittenOff,
        stock,
        delta=-quantity,
        value_delta=-cost_minor,
        return_id=return_id,
        disposition=disposition,
    )


def after(stock: Stock, event: StockEvent) -> Stock:
    """The account once the event has happened to it."""
    return msgspec.structs.replace(
        stock,
        version=stock.version + 1,
        on_hand=event.on_hand,
        reserved=event.reserved,
        value_minor=event.value_minor,
    )


def _signed_share(stock: Stock, delta: int) -> int:
    return stock.share_of(delta) if delta >= 0 else -stock.share_of(-delta)


def _move(  # the three deltas are what a movement is
    kind: type[MovementT],
    stock: Stock,
    *,
    delta: int = 0,
    reserved_delta: int = 0,
    value_delta: int = 0,
    **rest: object,
) -> MovementT:
    on_hand, reserved = stock.on_hand + delta, stock.reserved + reserved_delta
    value_minor = stock.value_minor + value_delta
    if on_hand > MAX_COUNT or value_minor > MAX_MINOR:
        raise StockTooLarge("the stock of one edition at one location would be too large to account for")
    return kind(
        location_id=stock.location_id,
        edition_id=stock.edition_id,
        delta=delta,
        reserved_delta=reserved_delta,
        on_hand=on_hand,
        reserved=reserved,
        value_minor=value_minor,
        **rest,
    )
