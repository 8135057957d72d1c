"""Taking goods back, with a receipt or without: load, decide, save."""

from collections.abc import Iterator, Sequence
from uuid import UUID

import msgspec

from shared_kernel.errors import FieldError
from shared_kernel.events.orders import Disposition, GoodsReturned, OrderedLine, ReturnedLine
from write_side.command_execution.requests import Outcome
from write_side.command_execution.unit_of_work import UnitOfWork
from write_side.inventory.checks import money_faults
from write_side.inventory.holds.allocation import serve_waiting
from write_side.inventory.ledger import Ledger
from write_side.inventory.model import take_back, write_off
from write_side.inventory.repository import Place, open_accounts
from write_side.orders import repository, returns_repository
from write_side.orders.answers import return_decided
from write_side.orders.changing import load_order
from write_side.orders.commands import ReturnFromOrder, ReturnGoods
from write_side.orders.errors import InvalidReturn, OrderAlreadyCancelled
from write_side.orders.model import Order, line_quantities
from write_side.orders.pricing import priced_line, rate_of, returned_part, total_of
from write_side.orders.repository import Offer

ORDERS_PATH = "/api/v1/orders"


async def return_goods(command: ReturnGoods, work: UnitOfWork) -> Outcome:
    """Take copies back without a receipt, at the price paid back and the average cost of those on hand."""
    editions = {line.edition_id for line in command.lines}
    places = [Place(location_id=command.location_id, edition_id=edition) for edition in editions]
    await open_accounts(work.connection, work.tenant.id, places)
    offer = await repository.load_offer(
        work.connection, work.tenant.id, location_id=command.location_id, editions=editions
    )
    faults = tuple(_faults(command, offer, work.tenant.currency))
    if faults or offer.location_name is None:
        raise InvalidReturn("the return is not valid", errors=faults)
    ledger = Ledger(offer.stocks)
    lines = tuple(_priced(command, offer, ledger, work))
    event = goods_returned(
        return_id=work.new_id(),
        order=None,
        location=(command.location_id, offer.location_name),
        channel=command.channel,
        currency=work.tenant.currency,
        lines=lines,
    )
    return await _take_back(event, ledger, work)


async def return_from_order(order_id: UUID, command: ReturnFromOrder, work: UnitOfWork) -> Outcome:
    """Take back what an order handed over, at the price and cost it was sold for."""
    order, ledger = await load_order(order_id, work)
    if order.status == "cancelled":
        raise OrderAlreadyCancelled("this order was cancelled; nothing of it has left")
    returnable = {line.ordered.line_id: line.returnable for line in order.lines}
    changed = _after_return(order, line_quantities(command.lines, available=returnable))
    event = goods_returned(
        return_id=work.new_id(),
        order=changed,
        location=(order.location_id, order.location_name),
        channel=order.channel,
        currency=order.currency,
        lines=tuple(_parts(order, command, work)),
    )
    ledger = await _with_missing_accounts(order, ledger, work)
    return await _take_back(event, ledger, work, order=changed)


def goods_returned(
    *,
    return_id: UUID,
    order: Order | None,
    location: tuple[UUID, str],
    channel: str,
    currency: str,
    lines: Sequence[ReturnedLine],
    source: str | None = None,
) -> GoodsReturned:
    """The event of lines that came back, with their sums."""
    total = total_of(lines)
    return GoodsReturned(
        return_id=return_id,
        order_id=order.order_id if order else None,
        location_id=location[0],
        location_name=location[1],
        channel=channel,
        currency=currency,
        lines=tuple(lines),
        net_minor=total.net_minor,
        tax_minor=total.tax_minor,
        total_minor=total.total_minor,
        source=source,
        order_status=order.status if order else None,
    )


async def _take_back(event: GoodsReturned, ledger: Ledger, work: UnitOfWork, *, order: Order | None = None) -> Outcome:
    for line in event.lines:
        stock = ledger.account(event.location_id, line.edition_id)
        returned = take_back(stock, quantity=line.quantity, cost_minor=line.cost_minor, return_id=event.return_id)
        stock = ledger.move(returned, occurred_at=work.now)
        if line.disposition != "restock":
            gone = write_off(
                stock,
                quantity=line.quantity,
                cost_minor=line.cost_minor,
                return_id=event.return_id,
                disposition=line.disposition,
            )
            ledger.move(gone, occurred_at=work.now)
    await serve_waiting(ledger, work)
    await returns_repository.add(
        work.connection,
        work.tenant.id,
        [event],
        references=[None],
        returned_at=[work.now],
        movements=ledger.movements,
        order=order,
    )
    work.record(event, stream_id=event.return_id, stream_version=1)
    ledger.record_all(work)
    location = f"{ORDERS_PATH}/{event.order_id}" if event.order_id else f"/api/v1/returns/{event.return_id}"
    return Outcome(data=return_decided(event), version=1, status=201, location=location)


def _faults(command: ReturnGoods, offer: Offer, currency: str) -> Iterator[FieldError]:
    if offer.location_name is None:
        yield FieldError(pointer="/location_id", code="unknown_location", detail="this store has no such location")
    for index, line in enumerate(command.lines):
        if line.edition_id not in offer.editions:
            detail = "this store has no such edition"
            yield FieldError(pointer=f"/lines/{index}/edition_id", code="unknown_edition", detail=detail)
        yield from money_faults(line.unit_price, line.quantity, currency, f"/lines/{index}/unit_price")


def _priced(command: ReturnGoods, offer: Offer, ledger: Ledger, work: UnitOfWork) -> Iterator[ReturnedLine]:
    for line in command.lines:
        edition = offer.editions[line.edition_id]
        priced = priced_line(
            edition,
            line_id=work.new_id(),
            quantity=line.quantity,
            unit_price_minor=line.unit_price.amount_minor,
            rate_basis_points=rate_of(offer.settings, edition.tax_class),
            includes_tax=offer.settings.prices_include_tax,
            cost_minor=ledger.account(command.location_id, line.edition_id).share_of(line.quantity),
        )
        yield returned_line(priced, line.disposition)


def _parts(order: Order, command: ReturnFromOrder, work: UnitOfWork) -> Iterator[ReturnedLine]:
    """A part for each line of the command; several may be of one line of the order, for what becomes of its copies."""
    lines = {line.ordered.line_id: line for line in order.lines}
    returned = {line_id: line.returned_quantity for line_id, line in lines.items()}
    for wanted in command.lines:
        before = returned[wanted.line_id]
        returned[wanted.line_id] += wanted.quantity
        ordered = lines[wanted.line_id].ordered
        part = returned_part(ordered, line_id=work.new_id(), before=before, quantity=wanted.quantity)
        yield returned_line(part, wanted.disposition)


def returned_line(line: OrderedLine, disposition: Disposition = "restock") -> ReturnedLine:
    """A line that came back, and what becomes of its copies."""
    return ReturnedLine(**msgspec.structs.asdict(line), disposition=disposition)


async def _with_missing_accounts(order: Order, ledger: Ledger, work: UnitOfWork) -> Ledger:
    """Imported orders may have left no trace in the stock; what comes back of them needs an account."""
    editions = {line.ordered.edition_id for line in order.lines}
    if all(ledger.find(order.location_id, edition) for edition in editions):
        return ledger
    places = [Place(location_id=order.location_id, edition_id=edition) for edition in editions]
    await open_accounts(work.connection, work.tenant.id, places)
    _, stocks = await repository.load_lines(work.connection, work.tenant.id, order, at={order.location_id})
    return Ledger(stocks)


def _after_return(order: Order, quantities: dict[UUID, int]) -> Order:
    lines = tuple(
        msgspec.structs.replace(
            line, returned_quantity=line.returned_quantity + quantities.get(line.ordered.line_id, 0)
        )
        for line in order.lines
    )
    is_whole = all(line.returned_quantity == line.ordered.quantity for line in lines)
    return msgspec.structs.replace(order, lines=lines, status="returned" if is_whole else order.status)
