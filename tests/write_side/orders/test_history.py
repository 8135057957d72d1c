"""Importing what was sold before."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from tests.builders.write_side import WriteSide, edition_command
from write_side.catalog.bulk import editions_by_popularity, import_editions
from write_side.inventory.bulk import DeliveryLine, receive_stock
from write_side.orders.history import HistoricInvoice, HistoricLine, ImportOrders, import_orders

BEGAN = datetime(2009, 12, 1, 7, 45, tzinfo=UTC)


async def test_orders_and_returns_keep_their_own_time_and_come_in_once(write_side: WriteSide) -> None:
    """A second run skips what the first took, and changes nothing."""
    location, edition = await write_side.location(), await write_side.edition()
    await write_side.receive(location, edition, 10, unit_cost_minor=100)
    command = ImportOrders(
        source="online-retail",
        location_id=location,
        channel="web",
        take_stock=True,
        invoices=(_invoice("489434", edition, 4), _invoice("C489449", edition, 1, is_return=True)),
    )
    first = await import_orders(write_side.execution, write_side.tenant, command, actor="import")
    assert (first.imported, first.imported_lines, first.skipped, first.rejected) == (2, 2, 0, ())
    assert await write_side.stock_of(location, edition) == (7, 0, 700)
    events = (await write_side.log())[-5:]
    assert [event.type for event in events] == [
        "OrderPlaced",
        "OrderFulfilled",
        "StockShipped",
        "GoodsReturned",
        "StockReturned",
    ]
    assert events[0].payload["status"] == "placed"
    assert events[1].payload["status"] == "fulfilled"
    assert events[0].metadata["store_time"] == {"date": "2009-12-01", "hour": 7, "utc_offset_minutes": 0}

    again = await import_orders(write_side.execution, write_side.tenant, command, actor="import")
    assert (again.imported, again.skipped) == (0, 2)
    assert await write_side.stock_of(location, edition) == (7, 0, 700)


async def test_an_invoice_that_cannot_be_is_rejected_alone(write_side: WriteSide) -> None:
    """The shelf holds five: the second order does not fit, the third does."""
    location, edition = await write_side.location(), await write_side.edition()
    await write_side.receive(location, edition, 5)
    invoices = (_invoice("1", edition, 3), _invoice("2", edition, 3), _invoice("3", edition, 2))
    command = ImportOrders(source="s", location_id=location, channel="web", take_stock=True, invoices=invoices)
    done = await import_orders(write_side.execution, write_side.tenant, command, actor="import")
    assert done.imported == 2
    assert [rejected.reference for rejected in done.rejected] == ["2"]
    assert "insufficient_stock" in done.rejected[0].reason
    assert (await write_side.stock_of(location, edition))[0] == 0


async def test_stock_can_be_left_alone(write_side: WriteSide) -> None:
    """No account is begun, and nothing moves."""
    location, edition = await write_side.location(), await write_side.edition()
    command = ImportOrders(
        source="s", location_id=location, channel="web", take_stock=False, invoices=(_invoice("1", edition, 3),)
    )
    done = await import_orders(write_side.execution, write_side.tenant, command, actor="import")
    assert done.imported == 1
    assert await write_side.as_administrator("SELECT 1 FROM write.stock") == []


async def test_a_batch_of_invoices_is_written_set_by_set(write_side: WriteSide) -> None:
    """A hundred invoices of twenty lines, in as many statements as one."""
    location = await write_side.location()
    editions = [edition_command() for _ in range(300)]
    added = (await import_editions(write_side.execution, write_side.tenant, editions, actor="import")).added
    edition_ids = [item.edition_id for item in added]
    delivery = [DeliveryLine(edition_id=edition_id, quantity=1000, unit_cost_minor=500) for edition_id in edition_ids]
    await receive_stock(write_side.execution, write_side.tenant, location_id=location, lines=delivery, actor="import")
    invoices = tuple(_mixed_invoice(number, edition_ids) for number in range(100))
    command = ImportOrders(source="s", location_id=location, channel="web", take_stock=True, invoices=invoices)
    async with write_side.counting() as trips:
        done = await import_orders(write_side.execution, write_side.tenant, command, actor="import")
    assert (done.imported, done.imported_lines) == (100, 2000)
    assert len(trips) <= 8


async def test_editions_come_by_popularity(write_side: WriteSide) -> None:
    """Ties in the order of the import."""
    editions = [msgspec.structs.replace(edition_command(), popularity=popularity) for popularity in (5, 9, 5, 7)]
    added = (await import_editions(write_side.execution, write_side.tenant, editions, actor="import")).added
    ids = [item.edition_id for item in added]
    assert await editions_by_popularity(write_side.pool, write_side.tenant, limit=4) == [ids[1], ids[3], ids[0], ids[2]]


def _invoice(reference: str, edition_id: UUID, quantity: int, *, is_return: bool = False) -> HistoricInvoice:
    line = HistoricLine(edition_id=edition_id, quantity=quantity, unit_price_minor=695)
    return HistoricInvoice(
        reference=reference, kind="return" if is_return else "order", occurred_at=BEGAN, lines=(line,)
    )


def _mixed_invoice(number: int, edition_ids: list[UUID]) -> HistoricInvoice:
    lines = tuple(
        HistoricLine(edition_id=edition_ids[(7 * number + 13 * place) % 300], quantity=2, unit_price_minor=695)
        for place in range(20)
    )
    occurred_at = BEGAN + timedelta(minutes=number)
    return HistoricInvoice(reference=f"{number}", kind="order", occurred_at=occurred_at, lines=lines)
