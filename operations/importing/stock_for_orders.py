"""Receives what a history will sell, so that its orders find it: no more than is missing, however often it is run."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar
from uuid import UUID

from operations.in_house import InHouse
from shared_kernel.database.transactions import transaction
from shared_kernel.tenancy import Tenant
from write_side.inventory.bulk import DeliveryLine, receive_stock
from write_side.inventory.repository import Place, lock
from write_side.orders.history import HistoricInvoice
from write_side.orders.returns_repository import imported_references

ACTOR = "import"
COST_PERCENT_OF_PRICE = 60
"""What the copies are taken to have cost: the files tell prices, never costs."""
_INVOICES_AT_A_TIME = 1_000
_EDITIONS_AT_A_TIME = 250

ItemT = TypeVar("ItemT")


class _Need:
    """How many copies of each edition will be sold, and for how much."""

    def __init__(self) -> None:
        self.copies: Counter[UUID] = Counter()
        self._price_minor: Counter[UUID] = Counter()

    def add(self, invoice: HistoricInvoice) -> None:
        for line in invoice.lines:
            self.copies[line.edition_id] += line.quantity
            self._price_minor[line.edition_id] += line.quantity * line.unit_price_minor

    def unit_cost_minor(self, edition_id: UUID) -> int:
        """A share of the average price."""
        return self._price_minor[edition_id] * COST_PERCENT_OF_PRICE // (100 * self.copies[edition_id])


async def receive_what_is_missing(
    house: InHouse, tenant: Tenant, location_id: UUID, invoices: Iterable[HistoricInvoice], *, source: str
) -> int:
    """Receive what the orders not yet imported want beyond what is free; how many copies that were.

    Whoever is interrupted between this and the orders finds the copies free the next time, and receives nothing twice.
    """
    need = await _need(house, tenant, invoices, source=source)
    received = 0
    for editions in _chunks(sorted(need.copies), _EDITIONS_AT_A_TIME):
        free = await _free(house, tenant, location_id, editions)
        lines = [
            DeliveryLine(
                edition_id=edition,
                quantity=need.copies[edition] - free.get(edition, 0),
                unit_cost_minor=need.unit_cost_minor(edition),
            )
            for edition in editions
            if need.copies[edition] > free.get(edition, 0)
        ]
        if lines:
            await receive_stock(house.execution, tenant, location_id=location_id, lines=lines, actor=ACTOR)
            received += sum(line.quantity for line in lines)
    return received


async def _need(house: InHouse, tenant: Tenant, invoices: Iterable[HistoricInvoice], *, source: str) -> _Need:
    need = _Need()
    orders = (invoice for invoice in invoices if invoice.kind == "order")
    for chunk in _chunks(orders, _INVOICES_AT_A_TIME):
        references = [invoice.reference for invoice in chunk]
        async with transaction(house.write_pool, tenant_id=tenant.id) as connection:
            seen = await imported_references(connection, tenant.id, source, references)
        for invoice in chunk:
            if ("order", invoice.reference) not in seen:
                need.add(invoice)
    return need


async def _free(house: InHouse, tenant: Tenant, location_id: UUID, editions: Sequence[UUID]) -> dict[UUID, int]:
    places = [Place(location_id=location_id, edition_id=edition) for edition in editions]
    async with transaction(house.write_pool, tenant_id=tenant.id) as connection:
        loaded = await lock(connection, tenant.id, places)
    return {stock.edition_id: stock.available for stock in loaded.stocks}


def _chunks(items: Iterable[ItemT], size: int) -> Iterator[list[ItemT]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
