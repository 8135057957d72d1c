"""What was sold and brought back before the store came here: many invoices in one command, each exactly once."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Literal
from uuid import UUID

import msgspec

from shared_kernel.events.envelope import Event
from shared_kernel.events.orders import GoodsReturned, OrderedLine
from shared_kernel.money import MAX_MINOR
from shared_kernel.tenancy import Tenant
from write_side.command_execution.execution import CommandExecution
from write_side.command_execution.requests import CommandRequest, Outcome
from write_side.command_execution.unit_of_work import UnitOfWork
from write_side.inventory.checks import Demanded, shortages, summed_demand
from write_side.inventory.ledger import Ledger
from write_side.inventory.model import ship, take_back
from write_side.inventory.repository import Place, open_accounts
from write_side.orders import repository, returns_repository
from write_side.orders.commands import Channel, FulfilOrder
from write_side.orders.errors import InvalidOrder
from write_side.orders.model import Order, OrderLine, fulfil, order_number, placed
from write_side.orders.pricing import CostOfSale, priced_line, total_of
from write_side.orders.repository import Offer
from write_side.orders.returning import goods_returned, returned_line

MAX_INVOICES = 500
MAX_INVOICE_LINES = 1_000
MAX_INVOICE_QUANTITY = 1_000_000
_MAX_REFERENCE_LENGTH = 100


class HistoricLine(msgspec.Struct, frozen=True, kw_only=True):
    """Copies of one edition at the price that was paid, in the store's minor units, tax included and not told."""

    edition_id: UUID
    quantity: int
    unit_price_minor: int


class HistoricInvoice(msgspec.Struct, frozen=True, kw_only=True):
    """An order that was fulfilled at once, or a return without a receipt; quantities are positive in both.

    Attributes:
        reference: what the source calls it; orders and returns are told apart, so both may bear the same.
    """

    reference: str
    kind: Literal["order", "return"]
    occurred_at: datetime
    lines: tuple[HistoricLine, ...]


class ImportOrders(msgspec.Struct, frozen=True, kw_only=True):
    """Invoices of one source, in the order in which they happened.

    Attributes:
        take_stock: sold copies come off hand and returned ones come back; else the stock is left alone.
    """

    source: str
    location_id: UUID
    channel: Channel
    take_stock: bool
    invoices: tuple[HistoricInvoice, ...]


class RejectedInvoice(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice that was not taken, and why."""

    kind: Literal["order", "return"]
    reference: str
    reason: str


class ImportedOrders(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch. `skipped` counts those that had been imported before."""

    imported: int
    imported_lines: int
    skipped: int
    rejected: tuple[RejectedInvoice, ...]


async def import_orders(
    execution: CommandExecution, tenant: Tenant, command: ImportOrders, *, actor: str
) -> ImportedOrders:
    """Take in at most 500 invoices; those of the source that are there already are passed over.

    Raises:
        InvalidOrder: the location does not exist.
        ValueError: too many invoices.
    """
    if len(command.invoices) > MAX_INVOICES:
        raise ValueError(f"at most {MAX_INVOICES} invoices in one batch")
    request = CommandRequest(tenant=tenant, operation="import_orders", actor=actor)
    answer = await execution.execute(request, partial(_import_orders, command))
    return answer.read(ImportedOrders)


async def _import_orders(command: ImportOrders, work: UnitOfWork) -> Outcome:
    await returns_repository.take_turns(work.connection, work.tenant.id, command.source)
    seen = await returns_repository.imported_references(
        work.connection, work.tenant.id, command.source, [invoice.reference for invoice in command.invoices]
    )
    fresh: list[HistoricInvoice] = []
    for invoice in command.invoices:
        if (invoice.kind, invoice.reference) not in seen:
            seen.add((invoice.kind, invoice.reference))
            fresh.append(invoice)
    batch = _Batch(command, await _offer(command, fresh, work), work)
    for invoice in fresh:
        batch.take(invoice)
    await batch.save()
    imported = ImportedOrders(
        imported=len(batch.orders) + len(batch.returns),
        imported_lines=sum(len(order.lines) for order in batch.orders) + sum(len(ret.lines) for ret in batch.returns),
        skipped=len(command.invoices) - len(fresh),
        rejected=tuple(batch.rejected),
    )
    return Outcome(data=imported, version=None)


async def _offer(command: ImportOrders, invoices: Sequence[HistoricInvoice], work: UnitOfWork) -> Offer:
    editions = {line.edition_id for invoice in invoices for line in invoice.lines}
    if command.take_stock:
        places = [Place(location_id=command.location_id, edition_id=edition_id) for edition_id in editions]
        await open_accounts(work.connection, work.tenant.id, places)
    return await repository.load_offer(
        work.connection, work.tenant.id, location_id=command.location_id, editions=editions or {command.location_id}
    )


class _Batch:
    """The invoices of one command, decided one after the other on the same accounts, then written together."""

    def __init__(self, command: ImportOrders, offer: Offer, work: UnitOfWork) -> None:
        if offer.location_name is None:
            raise InvalidOrder("this store has no such location")
        self._command = command
        self._offer = offer
        self._work = work
        self._location = command.location_id, offer.location_name
        self._ledger = Ledger(offer.stocks)
        self.orders: list[Order] = []
        self.returns: list[GoodsReturned] = []
        self._placed_at: list[datetime] = []
        self._returned_at: list[datetime] = []
        self._references: list[str] = []
        self.rejected: list[RejectedInvoice] = []

    def take(self, invoice: HistoricInvoice) -> None:
        """Decide one invoice."""
        demand = summed_demand((line.edition_id, line.quantity) for line in invoice.lines)
        reason = next(self._faults(invoice, demand), None)
        if reason is not None:
            self.rejected.append(RejectedInvoice(kind=invoice.kind, reference=invoice.reference, reason=reason))
        elif invoice.kind == "order":
            self._take_order(invoice, demand)
        else:
            self._take_return(invoice)

    async def save(self) -> None:
        """Write everything that was taken."""
        connection, tenant_id = self._work.connection, self._work.tenant.id
        if self.orders:
            await repository.add(
                connection, tenant_id, self.orders, placed_at=self._placed_at, movements=self._ledger.movements
            )
        if self.returns:
            await returns_repository.add(
                connection,
                tenant_id,
                self.returns,
                references=self._references,
                returned_at=self._returned_at,
                movements=() if self.orders else self._ledger.movements,
            )

    def _faults(self, invoice: HistoricInvoice, demand: Sequence[Demanded]) -> Iterator[str]:
        yield from _own_faults(invoice)
        for line in invoice.lines:
            if line.edition_id not in self._offer.editions:
                yield f"unknown edition {line.edition_id}"
        if invoice.kind == "order" and self._command.take_stock:
            for short in shortages(demand, self._location[0], self._ledger):
                yield f"insufficient_stock: {short.detail}"

    def _take_order(self, invoice: HistoricInvoice, demand: Sequence[Demanded]) -> None:
        order = self._order(invoice)
        fulfilled, event = fulfil(order, FulfilOrder(), fulfilment_id=self._work.new_id())
        self._record(placed(order), order.order_id, order.version, invoice.occurred_at)
        self._record(event, order.order_id, fulfilled.version, invoice.occurred_at)
        if self._command.take_stock:
            for demanded in demand:
                stock = self._ledger.account(order.location_id, demanded.edition_id)
                shipped = ship(stock, quantity=demanded.quantity, reserved_quantity=0, order_id=order.order_id)
                self._ledger.move(shipped, occurred_at=invoice.occurred_at)
            self._ledger.record_all(self._work)
        self.orders.append(fulfilled)
        self._placed_at.append(invoice.occurred_at)

    def _take_return(self, invoice: HistoricInvoice) -> None:
        event = goods_returned(
            return_id=self._work.new_id(),
            order=None,
            location=self._location,
            channel=self._command.channel,
            currency=self._work.tenant.currency,
            lines=tuple(returned_line(line) for line in self._lines(invoice)),
            source=self._command.source,
        )
        self._record(event, event.return_id, 1, invoice.occurred_at)
        if self._command.take_stock:
            for line in event.lines:
                stock = self._ledger.account(event.location_id, line.edition_id)
                returned = take_back(
                    stock, quantity=line.quantity, cost_minor=line.cost_minor, return_id=event.return_id
                )
                self._ledger.move(returned, occurred_at=invoice.occurred_at)
            self._ledger.record_all(self._work)
        self.returns.append(event)
        self._references.append(invoice.reference)
        self._returned_at.append(invoice.occurred_at)

    def _order(self, invoice: HistoricInvoice) -> Order:
        lines = self._lines(invoice)
        total, order_id = total_of(lines), self._work.new_id()
        return Order(
            order_id=order_id,
            version=1,
            number=order_number(order_id),
            location_id=self._location[0],
            location_name=self._location[1],
            channel=self._command.channel,
            status="placed",
            fulfilment_status="unfulfilled",
            currency=self._work.tenant.currency,
            net_minor=total.net_minor,
            tax_minor=total.tax_minor,
            total_minor=total.total_minor,
            lines=tuple(OrderLine(ordered=line) for line in lines),
            source=self._command.source,
            source_reference=invoice.reference,
        )

    def _lines(self, invoice: HistoricInvoice) -> tuple[OrderedLine, ...]:
        costs = CostOfSale()
        return tuple(
            priced_line(
                self._offer.editions[line.edition_id],
                line_id=self._work.new_id(),
                quantity=line.quantity,
                unit_price_minor=line.unit_price_minor,
                rate_basis_points=0,
                includes_tax=True,
                cost_minor=costs.of(self._ledger.find(self._location[0], line.edition_id), line.quantity),
            )
            for line in invoice.lines
        )

    def _record(self, event: Event, stream_id: UUID, version: int, occurred_at: datetime) -> None:
        self._work.record(event, stream_id=stream_id, stream_version=version, occurred_at=occurred_at)


def _own_faults(invoice: HistoricInvoice) -> Iterator[str]:
    """What is wrong with an invoice whatever the store has."""
    if not 1 <= len(invoice.lines) <= MAX_INVOICE_LINES:
        yield f"an invoice has 1 to {MAX_INVOICE_LINES} lines"
    if not 1 <= len(invoice.reference) <= _MAX_REFERENCE_LENGTH:
        yield f"a reference has 1 to {_MAX_REFERENCE_LENGTH} characters"
    if invoice.occurred_at.tzinfo is None:
        yield "the time has no zone"
    for line in invoice.lines:
        if not 1 <= line.quantity <= MAX_INVOICE_QUANTITY:
            yield f"quantity {line.quantity} is not between 1 and {MAX_INVOICE_QUANTITY}"
        if line.unit_price_minor < 0:
            yield f"unit price {line.unit_price_minor} is negative"
    if sum(line.unit_price_minor * line.quantity for line in invoice.lines) > MAX_MINOR:
        yield "worth more than any account holds"
