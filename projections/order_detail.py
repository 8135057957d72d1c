"""`order_detail`: one row an order, with its lines as they were agreed, what left of them, and the order's story."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import assert_never, cast
from uuid import UUID

import msgspec

from projections.fold import AnyRecorded, Projection
from projections.order_rows import ORDER_EVENTS, OrderEvent, placed_order
from read_side.order_detail.view import MAX_TIMELINE_ENTRIES, VIEW, DetailLine, OrderDetailRow, TimelineEntry
from shared_kernel.events.orders import (
    GoodsReturned,
    OrderCancelled,
    OrderConfirmed,
    OrderedLine,
    OrderFulfilled,
    OrderNeedsAttention,
    OrderPlaced,
    OrderUndoBegun,
)
from shared_kernel.events.payments import PaymentEvent
from shared_kernel.views import Key


def _touches(recorded: AnyRecorded) -> Iterable[tuple[Key, None]]:
    event = cast("OrderEvent", recorded.event)
    if event.order_id is not None:
        yield (event.order_id,), None


def _evolve(row: OrderDetailRow | None, _part: None, recorded: AnyRecorded) -> OrderDetailRow:
    event = cast("OrderEvent", recorded.event)
    match event:
        case OrderPlaced():
            return _placed(event, recorded)
        case OrderFulfilled():
            return _fulfilled(_told(placed_order(row, recorded), recorded), event, recorded)
        case OrderConfirmed() | OrderUndoBegun() | OrderNeedsAttention() | OrderCancelled():
            return _moved_on(_told(placed_order(row, recorded), recorded), event, recorded)
        case PaymentEvent():
            # A stream of its own: the order's version stays.
            told = _told(placed_order(row, recorded), recorded)
            return msgspec.structs.replace(told, payment_status=event.payment_status)
        case GoodsReturned():
            return _returned(_told(placed_order(row, recorded), recorded), event)
        case _:
            assert_never(event)


def _placed(event: OrderPlaced, recorded: AnyRecorded) -> OrderDetailRow:
    return OrderDetailRow(
        order_id=event.order_id,
        order_version=recorded.stream_version,
        number=event.number,
        placed_at=recorded.occurred_at,
        status=event.status,
        payment_status="none",
        fulfilment_status="unfulfilled",
        channel=event.channel,
        location_id=event.location_id,
        location_name=event.location_name,
        customer_id=event.customer_id,
        item_count=event.item_count,
        net_minor=event.net_minor,
        tax_minor=event.tax_minor,
        total_minor=event.total_minor,
        currency=event.currency,
        lines=tuple(_line(line) for line in event.lines),
        timeline=(_entry(recorded),),
        timeline_omitted=0,
    )


def _line(line: OrderedLine) -> DetailLine:
    return DetailLine(
        line_id=line.line_id,
        edition_id=line.edition_id,
        sku=line.sku,
        title=line.title,
        authors=line.authors,
        quantity=line.quantity,
        fulfilled_quantity=0,
        returned_quantity=0,
        unit_price_minor=line.unit_price_minor,
        discount_minor=line.discount_minor,
        net_minor=line.net_minor,
        tax_minor=line.tax_minor,
        total_minor=line.total_minor,
    )


def _told(row: OrderDetailRow, recorded: AnyRecorded) -> OrderDetailRow:
    timeline = (*row.timeline, _entry(recorded))
    dropped = max(len(timeline) - MAX_TIMELINE_ENTRIES, 0)
    return msgspec.structs.replace(row, timeline=timeline[dropped:], timeline_omitted=row.timeline_omitted + dropped)


def _moved_on(
    row: OrderDetailRow,
    event: OrderConfirmed | OrderUndoBegun | OrderNeedsAttention | OrderCancelled,
    recorded: AnyRecorded,
) -> OrderDetailRow:
    match event:
        case OrderConfirmed():
            status = event.status
        case OrderCancelled():
            status = "cancelled"
        case OrderUndoBegun() | OrderNeedsAttention():
            status = row.status
        case _:
            assert_never(event)
    return msgspec.structs.replace(row, status=status, order_version=recorded.stream_version)


def _entry(recorded: AnyRecorded) -> TimelineEntry:
    return TimelineEntry(
        position=recorded.position,
        type=type(recorded.event).__name__,
        at=recorded.occurred_at,
        actor=recorded.metadata.actor,
    )


def _fulfilled(row: OrderDetailRow, event: OrderFulfilled, recorded: AnyRecorded) -> OrderDetailRow:
    fulfilled = {line.line_id: line.fulfilled_quantity for line in event.lines}
    return msgspec.structs.replace(
        row,
        order_version=recorded.stream_version,
        status=event.status,
        fulfilment_status=event.fulfilment_status,
        lines=tuple(
            msgspec.structs.replace(line, fulfilled_quantity=fulfilled[line.line_id])
            if line.line_id in fulfilled
            else line
            for line in row.lines
        ),
    )


def _returned(row: OrderDetailRow, event: GoodsReturned) -> OrderDetailRow:
    returned: Counter[UUID] = Counter()
    for line in event.lines:
        returned[line.edition_id] += line.quantity
    lines = tuple(_less_returned(row.lines, returned))
    return msgspec.structs.replace(row, lines=lines, status=event.order_status or row.status)


def _less_returned(lines: Iterable[DetailLine], returned: Counter[UUID]) -> Iterator[DetailLine]:
    """A return's lines have ids of their own: its copies fill the order's lines of their edition in turn."""
    for line in lines:
        taken = min(returned[line.edition_id], line.quantity - line.returned_quantity)
        returned[line.edition_id] -= taken
        yield msgspec.structs.replace(line, returned_quantity=line.returned_quantity + taken) if taken else line


PROJECTION = Projection(view=VIEW, handles=ORDER_EVENTS, touches=_touches, evolve=_evolve)
