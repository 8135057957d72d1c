"""Stream `location` (id: the location's) and stream `stock` (id: of one edition's stock at one location).

Every stock event carries what stands after it: `on_hand` and `reserved` in copies, `value_minor` as the cost of all
copies on hand (moving average: what leaves takes its share of the value along).
"""

from typing import ClassVar
from uuid import UUID

from shared_kernel.events.envelope import Event


class LocationOpened(Event, frozen=True, kw_only=True):
    """The store has a place that holds stock: a `shop` or a `warehouse`."""

    stream_type = "location"

    location_id: UUID
    name: str
    kind: str


class StockEvent(Event, frozen=True, kw_only=True):
    """What all stock events share. `delta` is the change of copies on hand, `reserved_delta` of those promised."""

    stream_type = "stock"
    movement: ClassVar[str]

    location_id: UUID
    edition_id: UUID
    delta: int
    reserved_delta: int
    on_hand: int
    reserved: int
    value_minor: int


class StockReceived(StockEvent, frozen=True, kw_only=True):
    """Copies came from a supplier at a unit cost."""

    movement = "receipt"

    receipt_id: UUID
    unit_cost_minor: int


class StockAdjusted(StockEvent, frozen=True, kw_only=True):
    """Somebody corrected the figure, and said why."""

    movement = "adjustment"

    reason: str


class StockCounted(StockEvent, frozen=True, kw_only=True):
    """Somebody counted the shelf; `delta` is what the books were off by."""

    movement = "count"

    counted: int


class StockTransferred(StockEvent, frozen=True, kw_only=True):
    """Copies moved between two locations; one event at each of them."""

    movement = "transfer"

    transfer_id: UUID
    other_location_id: UUID


class StockReserved(StockEvent, frozen=True, kw_only=True):
    """An order promised copies."""

    movement = "reservation"

    order_id: UUID


class StockReleased(StockEvent, frozen=True, kw_only=True):
    """A cancelled order gave its promise back."""

    movement = "release"

    order_id: UUID


class StockShipped(StockEvent, frozen=True, kw_only=True):
    """A fulfilment took copies off hand; those that were promised are no longer."""

    movement = "shipment"

    order_id: UUID


class StockReturned(StockEvent, frozen=True, kw_only=True):
    """Copies came back from a customer."""

    movement = "return"

    return_id: UUID


class StockWrittenOff(StockEvent, frozen=True, kw_only=True):
    """Copies that came back do not go on the shelf: `disposition` says whether for damage or to the supplier."""

    movement = "write_off"

    return_id: UUID
    disposition: str


class StockSetAside(StockEvent, frozen=True, kw_only=True):
    """Copies were put aside for a hold: promised, before anybody could order them."""

    movement = "hold"

    hold_id: UUID


class StockSetFree(StockEvent, frozen=True, kw_only=True):
    """A hold gave copies back, to the shelf or to the order that collected them."""

    movement = "hold_release"

    hold_id: UUID
