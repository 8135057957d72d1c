"""Fulfilling and cancelling: load, decide, save."""

from collections.abc import Mapping
from uuid import UUID

import msgspec

from shared_kernel.errors import FieldError
from write_side.command_execution.requests import Outcome
from write_side.command_execution.unit_of_work import UnitOfWork
from write_side.inventory.checks import shortages, summed_demand
from write_side.inventory.errors import InsufficientStock
from write_side.inventory.holds.allocation import serve_waiting
from write_side.inventory.ledger import Ledger
from write_side.inventory.model import release, ship
from write_side.inventory.repository import is_location
from write_side.orders import model, repository
from write_side.orders.answers import order_decided
from write_side.orders.commands import CancelOrder, FulfilOrder
from write_side.orders.errors import InvalidOrder, OrderNotFound
from write_side.orders.model import Order, by_edition

ORDERS_PATH = "/api/v1/orders"


async def fulfil_order(order_id: UUID, command: FulfilOrder, work: UnitOfWork) -> Outcome:
    """Hand copies over: they leave the shelf, and are promised no longer."""
    order, ledger = await load_order(order_id, work, leaving_from=command.location_id)
    fulfilled, event = model.fulfil(order, command, fulfilment_id=work.new_id())
    demand = by_edition(order, {line.line_id: line.quantity for line in event.lines})
    if command.location_id is None or command.location_id == order.location_id:
        _hand_over(order, demand, ledger, work)
    else:
        await _hand_over_elsewhere(order, demand, ledger, work, location_id=command.location_id)
    await serve_waiting(ledger, work)
    await repository.save(work.connection, work.tenant.id, fulfilled, ledger.movements)
    work.record(event, stream_id=order_id, stream_version=fulfilled.version)
    ledger.record_all(work)
    location = f"{ORDERS_PATH}/{order_id}"
    return Outcome(data=order_decided(fulfilled), version=fulfilled.version, status=201, location=location)


async def cancel_order(order_id: UUID, command: CancelOrder, work: UnitOfWork) -> Outcome:
    """Undo an order, and give its promises back."""
    order, ledger = await load_order(order_id, work)
    cancelled, event = model.cancel(order, reason=command.reason)
    promised = {line.ordered.line_id: line.remaining for line in order.lines}
    for edition_id, quantity in by_edition(order, promised).items():
        stock = ledger.account(order.location_id, edition_id)
        ledger.move(release(stock, quantity=quantity, order_id=order_id), occurred_at=work.now)
    await serve_waiting(ledger, work)
    await repository.save(work.connection, work.tenant.id, cancelled, ledger.movements)
    work.record(event, stream_id=order_id, stream_version=cancelled.version)
    ledger.record_all(work)
    return Outcome(data=order_decided(cancelled), version=cancelled.version)


def _hand_over(order: Order, demand: Mapping[UUID, int], ledger: Ledger, work: UnitOfWork) -> None:
    for edition_id, quantity in demand.items():
        stock = ledger.account(order.location_id, edition_id)
        shipped = ship(stock, quantity=quantity, reserved_quantity=quantity, order_id=order.order_id)
        ledger.move(shipped, occurred_at=work.now)


async def _hand_over_elsewhere(
    order: Order, demand: Mapping[UUID, int], ledger: Ledger, work: UnitOfWork, *, location_id: UUID
) -> None:
    """Free copies leave another location; those promised at the order's own are free again."""
    short = shortages(summed_demand(demand.items()), location_id, ledger)
    if short:
        if not await is_location(work.connection, work.tenant.id, location_id):
            fault = FieldError(
                pointer="/location_id", code="unknown_location", detail="this store has no such location"
            )
            raise InvalidOrder("the fulfilment names what this store does not have", errors=(fault,))
        errors = tuple(msgspec.structs.replace(fault, pointer="/location_id") for fault in short)
        raise InsufficientStock("there are not enough free copies where they should leave from", errors=errors)
    for edition_id, quantity in demand.items():
        promised = ledger.account(order.location_id, edition_id)
        ledger.move(release(promised, quantity=quantity, order_id=order.order_id), occurred_at=work.now)
        stock = ledger.account(location_id, edition_id)
        shipped = ship(stock, quantity=quantity, reserved_quantity=0, order_id=order.order_id)
        ledger.move(shipped, occurred_at=work.now)


async def load_order(order_id: UUID, work: UnitOfWork, *, leaving_from: UUID | None = None) -> tuple[Order, Ledger]:
    """The order, held against `If-Match`, and the accounts of what it holds at its location; all locked.

    Args:
        leaving_from: another location whose accounts are wanted too.

    Raises:
        OrderNotFound: the store does not have it.
    """
    order = await repository.lock_order(work.connection, work.tenant.id, order_id)
    if order is None:
        raise OrderNotFound("this store has no such order")
    work.check_version(order.version)
    locations = {order.location_id, leaving_from or order.location_id}
    whole, stocks = await repository.load_lines(work.connection, work.tenant.id, order, at=locations)
    return whole, Ledger(stocks)
