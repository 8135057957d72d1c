"""What receivers are told: an explicit list of public types, each with a shape of its own that outlives our events'.

A shape is only ever added to; one that must change is a new type. Events of an import are history and are not told.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, TypeAlias, TypeVar
from uuid import UUID

import msgspec

from shared_kernel.events.catalog import EditionDiscontinued, EditionPriced
from shared_kernel.events.envelope import Event, Recorded
from shared_kernel.events.orders import (
    GoodsReturned,
    OrderCancelled,
    OrderConfirmed,
    OrderedLine,
    OrderFulfilled,
    OrderPlaced,
)
from shared_kernel.events.payments import (
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    PaymentEvent,
    PaymentRefunded,
    PaymentVoided,
    RefundRefused,
)
from shared_kernel.money import Money

EventT = TypeVar("EventT", bound=Event)
# Any: each type has a shape of its own, and only its encoding leaves this file.
Shape: TypeAlias = dict[str, Any]
_Tell: TypeAlias = Callable[[Any], Shape | None]

_encoder = msgspec.json.Encoder()


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What a receiver is sent: the same bytes at every attempt."""

    type: str
    body: bytes


def _money(amount_minor: int, currency: str) -> Money:
    return Money(amount_minor=amount_minor, currency=currency)


def _lines(lines: tuple[OrderedLine, ...], currency: str) -> list[Shape]:
    return [
        {
            "line_id": line.line_id,
            "edition_id": line.edition_id,
            "sku": line.sku,
            "title": line.title,
            "quantity": line.quantity,
            "unit_price": _money(line.unit_price_minor, currency),
            "total": _money(line.total_minor, currency),
        }
        for line in lines
    ]


def _order_placed(event: OrderPlaced) -> Shape | None:
    if event.source is not None:
        return None
    return {
        "id": event.order_id,
        "number": event.number,
        "channel": event.channel,
        "location_id": event.location_id,
        "item_count": event.item_count,
        "lines": _lines(event.lines, event.currency),
        "net": _money(event.net_minor, event.currency),
        "tax": _money(event.tax_minor, event.currency),
        "total": _money(event.total_minor, event.currency),
    }


def _order_confirmed(event: OrderConfirmed) -> Shape:
    return {"id": event.order_id, "status": event.status}


def _order_fulfilled(event: OrderFulfilled) -> Shape:
    lines = [{"line_id": one.line_id, "edition_id": one.edition_id, "quantity": one.quantity} for one in event.lines]
    return {
        "id": event.order_id,
        "fulfilment_id": event.fulfilment_id,
        "status": event.status,
        "fulfilment_status": event.fulfilment_status,
        "lines": lines,
    }


def _order_cancelled(event: OrderCancelled) -> Shape:
    return {"id": event.order_id, "total": _money(event.total_minor, event.currency)}


def _goods_returned(event: GoodsReturned) -> Shape | None:
    if event.source is not None:
        return None
    return {
        "id": event.return_id,
        "order_id": event.order_id,
        "lines": _lines(event.lines, event.currency),
        "total": _money(event.total_minor, event.currency),
    }


def _payment(event: PaymentEvent) -> Shape:
    return {
        "id": event.payment_id,
        "order_id": event.order_id,
        "status": event.status,
        "payment_status": event.payment_status,
        "amount": _money(event.amount_minor, event.currency),
        "authorized": _money(event.authorized_minor, event.currency),
        "captured": _money(event.captured_minor, event.currency),
        "refunded": _money(event.refunded_minor, event.currency),
    }


def _payment_declined(event: PaymentDeclined) -> Shape:
    return _payment(event) | {"reason": event.reason}


def _payment_refunded(event: PaymentRefunded) -> Shape:
    return _payment(event) | {"refund_id": event.refund_id}


def _refund_refused(event: RefundRefused) -> Shape:
    return _payment(event) | {"refund_id": event.refund_id, "reason": event.reason}


def _edition_priced(event: EditionPriced) -> Shape:
    return {"id": event.edition_id, "list_price": _money(event.list_price_minor, event.currency)}


def _edition_discontinued(event: EditionDiscontinued) -> Shape:
    return {"id": event.edition_id}


PUBLIC_EVENTS: Final[dict[type[Event], tuple[str, _Tell]]] = {
    OrderPlaced: ("order.placed", _order_placed),
    OrderConfirmed: ("order.confirmed", _order_confirmed),
    OrderFulfilled: ("order.fulfilled", _order_fulfilled),
    OrderCancelled: ("order.cancelled", _order_cancelled),
    GoodsReturned: ("goods.returned", _goods_returned),
    PaymentAuthorized: ("payment.authorized", _payment),
    PaymentDeclined: ("payment.declined", _payment_declined),
    PaymentCaptured: ("payment.captured", _payment),
    PaymentVoided: ("payment.voided", _payment),
    PaymentRefunded: ("payment.refunded", _payment_refunded),
    RefundRefused: ("payment.refund_refused", _refund_refused),
    EditionPriced: ("edition.priced", _edition_priced),
    EditionDiscontinued: ("edition.discontinued", _edition_discontinued),
}
PUBLIC_TYPES: Final = tuple(name for name, _ in PUBLIC_EVENTS.values())


def message_of(recorded: Recorded[Event]) -> Message | None:
    """What receivers are told of an event, if anything."""
    name, tell = PUBLIC_EVENTS[type(recorded.event)]
    data = tell(recorded.event)
    return None if data is None else _message(name, recorded.occurred_at, recorded.position, data)


def message_id(event_id: UUID) -> str:
    """`webhook-id`: the event's own, so that it is the same at every attempt and replay."""
    return f"msg_{event_id.hex}"


def _message(name: str, at: datetime, position: int, data: Shape) -> Message:
    return Message(type=name, body=_encoder.encode({"type": name, "timestamp": at, "position": position, "data": data}))
