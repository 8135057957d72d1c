"""Placing an order: load, decide, save."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from uuid import UUID

import asyncpg

from shared_kernel.errors import FieldError
from shared_kernel.events.orders import OrderedLine
from write_side.command_execution.recording import Recording
from write_side.command_execution.requests import Outcome
from write_side.command_execution.unit_of_work import UnitOfWork
from write_side.command_execution.unlocked import Decided, Unlocked
from write_side.inventory.checks import refuse_shortages, summed_demand
from write_side.inventory.ledger import Ledger
from write_side.inventory.model import reserve
from write_side.inventory.repository import as_seen
from write_side.orders import paying, repository
from write_side.orders.answers import order_decided
from write_side.orders.buying import note_customer
from write_side.orders.collecting import end_holds, free_held_copies
from write_side.orders.commands import PlaceOrder
from write_side.orders.errors import EditionDiscontinued, InvalidOrder
from write_side.orders.model import Order, OrderLine, order_number, placed
from write_side.orders.pricing import CostOfSale, priced_line, rate_of, total_of
from write_side.orders.repository import Offer

ORDERS_PATH = "/api/v1/orders"


async def place_order(command: PlaceOrder, work: UnitOfWork) -> Outcome:
    """Fix prices, promise copies; with a payment token, ask for payment."""
    offer = await repository.load_offer(
        work.connection, work.tenant.id, location_id=command.location_id, editions=_editions(command)
    )
    location_name = _refuse_unsellable(command, offer)
    ledger = Ledger(offer.stocks)
    holds = await free_held_copies(command, ledger, work)
    order = _promised(command, offer, location_name=location_name, ledger=ledger, work=work)
    await end_holds(holds, order_id=order.order_id, ledger=ledger, work=work)
    await _save(order, ledger, work)
    await note_customer(order.order_id, command.customer_id, work)
    _record(order, ledger, work)
    if command.payment_token is not None:
        await paying.request_payment(order, command.payment_token, work)
    return _outcome(order)


def without_locks(command: PlaceOrder) -> Unlocked | None:
    """The same for an order of nothing but its lines; None for one that other rows belong to."""
    if command.customer_id is not None or command.payment_token is not None or command.hold_ids:
        return None
    seeing = repository.seeing_offer(location_id=command.location_id, editions=_editions(command))
    return Unlocked(look=seeing, decide=partial(_decide, command))


def _decide(command: PlaceOrder, rows: Sequence[asyncpg.Record], work: Recording) -> Decided:
    offer = repository.offer_of(rows)
    location_name = _refuse_unsellable(command, offer)
    ledger = Ledger(offer.stocks)
    order = _promised(command, offer, location_name=location_name, ledger=ledger, work=work)
    _record(order, ledger, work)
    return Decided(
        outcome=_outcome(order),
        agreement=as_seen(work.tenant.id, offer.stocks),
        saving=repository.adding(work.tenant.id, [order], placed_at=[work.now], movements=ledger.movements),
    )


def _editions(command: PlaceOrder) -> set[UUID]:
    return {line.edition_id for line in command.lines}


def _promised(command: PlaceOrder, offer: Offer, *, location_name: str, ledger: Ledger, work: Recording) -> Order:
    """The order, and its copies promised to it.

    Raises:
        InsufficientStock: there are not enough.
    """
    demand = summed_demand((line.edition_id, line.quantity) for line in command.lines)
    refuse_shortages(demand, command.location_id, ledger)
    order = _order(command, offer, location_name=location_name, ledger=ledger, work=work)
    for demanded in demand:
        stock = ledger.account(command.location_id, demanded.edition_id)
        ledger.move(reserve(stock, quantity=demanded.quantity, order_id=order.order_id), occurred_at=work.now)
    return order


def _record(order: Order, ledger: Ledger, work: Recording) -> None:
    work.record(placed(order), stream_id=order.order_id, stream_version=order.version)
    ledger.record_all(work)


def _outcome(order: Order) -> Outcome:
    location = f"{ORDERS_PATH}/{order.order_id}"
    return Outcome(data=order_decided(order), version=order.version, status=201, location=location)


async def _save(order: Order, ledger: Ledger, work: UnitOfWork) -> None:
    saving = repository.adding(work.tenant.id, [order], placed_at=[work.now], movements=ledger.movements)
    if order.customer_id is None and order.payment_id is None:
        await work.save_last(saving)
    else:  # rows that refer to the order follow
        await work.save(saving)


def _refuse_unsellable(command: PlaceOrder, offer: Offer) -> str:
    """The location's name, where location and editions exist, and all of them are for sale.

    Raises:
        InvalidOrder: with everything that does not exist.
        EditionDiscontinued: with everything that is no longer for sale.
    """
    faults = tuple(_unknown(command, offer))
    if faults or offer.location_name is None:
        raise InvalidOrder("the order names what this store does not have", errors=faults)
    _refuse_discontinued(command, offer)
    return offer.location_name


def _unknown(command: PlaceOrder, offer: Offer) -> Iterator[FieldError]:
    if offer.location_name is None:
        detail = "this store has no such location"
        yield FieldError(pointer="/location_id", code="unknown_location", detail=detail)
    for index, line in enumerate(command.lines):
        if line.edition_id not in offer.editions:
            detail = "this store has no such edition"
            yield FieldError(pointer=f"/lines/{index}/edition_id", code="unknown_edition", detail=detail)


def _refuse_discontinued(command: PlaceOrder, offer: Offer) -> None:
    errors = tuple(
        FieldError(pointer=f"/lines/{index}/edition_id", code="edition_discontinued", detail="no longer for sale")
        for index, line in enumerate(command.lines)
        if offer.editions[line.edition_id].is_discontinued
    )
    if errors:
        raise EditionDiscontinued("the order asks for editions that are no longer for sale", errors=errors)


def _order(command: PlaceOrder, offer: Offer, *, location_name: str, ledger: Ledger, work: Recording) -> Order:
    lines = tuple(_priced(command, offer, ledger=ledger, new_id=work.new_id))
    total, order_id = total_of(lines), work.new_id()
    is_paid_first = command.payment_token is not None
    if is_paid_first and not total.total_minor:
        fault = FieldError(pointer="/payment_token", code="nothing_to_pay", detail="this order costs nothing")
        raise InvalidOrder("there is nothing to pay for this order: leave the payment token out", errors=(fault,))
    return Order(
        order_id=order_id,
        version=1,
        number=order_number(order_id),
        location_id=command.location_id,
        location_name=location_name,
        channel=command.channel,
        status="placed",
        fulfilment_status="unfulfilled",
        currency=work.tenant.currency,
        net_minor=total.net_minor,
        tax_minor=total.tax_minor,
        total_minor=total.total_minor,
        lines=tuple(OrderLine(ordered=line) for line in lines),
        customer_id=command.customer_id,
        held_for="payment" if is_paid_first else None,
        payment_id=paying.payment_id(order_id) if is_paid_first else None,
    )


def _priced(command: PlaceOrder, offer: Offer, *, ledger: Ledger, new_id: Callable[[], UUID]) -> Iterator[OrderedLine]:
    costs = CostOfSale()
    for line in command.lines:
        edition = offer.editions[line.edition_id]
        yield priced_line(
            edition,
            line_id=new_id(),
            quantity=line.quantity,
            unit_price_minor=edition.list_price_minor,
            rate_basis_points=rate_of(offer.settings, edition.tax_class),
            includes_tax=offer.settings.prices_include_tax,
            cost_minor=costs.of(ledger.find(command.location_id, line.edition_id), line.quantity),
        )
