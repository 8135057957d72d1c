"""Ninety days of orders as the store's past, taken in by the same way as an imported history."""

import datetime as dt
from collections.abc import Iterator, Mapping
from itertools import islice
from uuid import UUID
from zoneinfo import ZoneInfo

from operations.demo.keys import ACTOR
from operations.demo.orders import DemoLine, DemoOrder, demo_orders
from operations.importing.stock_for_orders import COST_PERCENT_OF_PRICE, receive_what_is_missing
from operations.in_house import InHouse
from operations.store_facts import Location
from shared_kernel.tenancy import Tenant
from write_side.inventory.bulk import DeliveryLine, receive_stock
from write_side.orders.commands import Channel
from write_side.orders.history import HistoricInvoice, HistoricLine, ImportOrders, import_orders

SOURCE = "demo"
_CHANNELS: tuple[Channel, ...] = ("pos", "web")
_BATCH_INVOICES = 200
_COPIES_ON_THE_SHELF = 12


async def fill_with_history(
    house: InHouse, tenant: Tenant, shop: Location, *, editions: Mapping[UUID, int], today: dt.date, seed: int
) -> None:
    """Receive the stock, then sell it; what is there already is left as it is.

    Cancelled orders leave nothing here: a history is of what was sold. Orders not handed over before today are left to
    the live ones.

    Args:
        house: the write side's ways in.
        tenant: the store.
        shop: where it sells.
        editions: most popular first, with what each sells for.
        today: of the store's calendar; the history ends the day before.
        seed: what to repeat.
    """
    by_name = {str(edition): edition for edition in editions}
    orders = [
        order
        for order in demo_orders(editions=list(by_name), today=today, timezone=ZoneInfo(tenant.timezone), seed=seed)
        if order.fulfilled_at is not None
    ]
    for channel in _CHANNELS:
        invoices = sorted(
            _invoices(orders, channel, by_name, editions), key=lambda invoice: (invoice.occurred_at, invoice.reference)
        )
        await receive_what_is_missing(house, tenant, shop.id, invoices, source=_source(channel))
        remaining = iter(invoices)
        while batch := tuple(islice(remaining, _BATCH_INVOICES)):
            command = ImportOrders(
                source=_source(channel), location_id=shop.id, channel=channel, take_stock=True, invoices=batch
            )
            await import_orders(house.execution, tenant, command, actor=ACTOR)
    await _stock_the_shelves(house, tenant, shop, editions)


async def _stock_the_shelves(house: InHouse, tenant: Tenant, shop: Location, editions: Mapping[UUID, int]) -> None:
    """A dozen copies of everything, once, so that whoever comes first finds what they ask for."""
    lines = [
        DeliveryLine(
            edition_id=edition,
            quantity=_COPIES_ON_THE_SHELF,
            unit_cost_minor=price_minor * COST_PERCENT_OF_PRICE // 100,
        )
        for edition, price_minor in editions.items()
    ]
    await receive_stock(
        house.execution, tenant, location_id=shop.id, lines=lines, actor=ACTOR, idempotency_key="demo-shelves"
    )


def _source(channel: Channel) -> str:
    return f"{SOURCE}-{channel}"


def _invoices(
    orders: list[DemoOrder], channel: Channel, by_name: Mapping[str, UUID], prices: Mapping[UUID, int]
) -> Iterator[HistoricInvoice]:
    def line(sold: DemoLine) -> HistoricLine:
        edition = by_name[sold.edition]
        return HistoricLine(edition_id=edition, quantity=sold.quantity, unit_price_minor=prices[edition])

    for number, order in enumerate(orders):
        if order.basket.channel != channel:
            continue
        reference = f"{number:06}"
        yield HistoricInvoice(
            reference=reference, kind="order", occurred_at=order.placed_at, lines=tuple(map(line, order.basket.lines))
        )
        if order.returned is not None:
            yield HistoricInvoice(
                reference=reference, kind="return", occurred_at=order.returned.at, lines=(line(order.returned.line),)
            )
