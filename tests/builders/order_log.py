"""A store's log of orders, written in one line an event: what projections are given in their tests."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import msgspec

from shared_kernel.events.envelope import Event, Metadata, Recorded, StoreTime
from shared_kernel.events.orders import (
    FulfilledLine,
    GoodsReturned,
    OrderCancelled,
    OrderedLine,
    OrderFulfilled,
    OrderPlaced,
    ReturnedLine,
)

LONDON = ZoneInfo("Europe/London")
NOON = datetime(2009, 12, 1, 12, 30, tzinfo=LONDON)
_NAMESPACE = UUID("6a0f6c57-9a36-4a3c-8d3b-5f0f3f0d7a11")


def id_of(name: str) -> UUID:
    """The same name is the same thing, in every test."""
    return uuid5(_NAMESPACE, name)


SHOP = id_of("shop")
TENANT = id_of("tenant")


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """An edition as order lines carry it. `name` makes its id and, unless given, its title and SKU."""

    name: str
    sku: str = ""
    title: str = ""
    authors: tuple[str, ...] = ("Jane Austen",)
    publisher: str | None = None
    price_minor: int = 1000
    cost_minor: int = 600

    @property
    def edition_id(self) -> UUID:
        """Made from the name."""
        return id_of(self.name)


EMMA = Book(name="emma")
PERSUASION = Book(name="persuasion", price_minor=800)


def line(book: Book, quantity: int = 1, *, line_id: str = "", discount_minor: int = 0) -> OrderedLine:
    """A line at the book's price, of which a tenth is tax."""
    total_minor = book.price_minor * quantity - discount_minor
    return OrderedLine(
        line_id=id_of(line_id or f"line of {book.name}"),
        edition_id=book.edition_id,
        sku=book.sku or f"SKU-{book.name}",
        title=book.title or book.name.title(),
        authors=book.authors,
        publisher=book.publisher,
        quantity=quantity,
        unit_price_minor=book.price_minor,
        discount_minor=discount_minor,
        net_minor=total_minor - total_minor // 10,
        tax_minor=total_minor // 10,
        total_minor=total_minor,
        cost_minor=book.cost_minor * quantity,
        tax_rate_basis_points=1111,
    )


class OrderLog:
    """Appends events of one tenant; positions, stream versions and store time follow by themselves."""

    def __init__(self, tenant_id: UUID = TENANT) -> None:
        self.tenant_id = tenant_id
        self.events: list[Recorded[Event]] = []
        self._versions: dict[UUID, int] = {}
        self._placed: dict[UUID, OrderPlaced] = {}
        self._kept: dict[UUID, int] = {}

    def append(self, event: Event, stream_id: UUID, at: datetime = NOON) -> Recorded[Event]:
        """Any event, as recorded at `at`, whose zone is the store's."""
        version = self._versions[stream_id] = self._versions.get(stream_id, 0) + 1
        position = len(self.events) + 1
        recorded = Recorded(
            tenant_id=self.tenant_id,
            position=position,
            event_id=id_of(f"{self.tenant_id} {position}"),
            stream_id=stream_id,
            stream_version=version,
            event=event,
            metadata=Metadata(actor="till", store_time=_store_time(at)),
            occurred_at=at.astimezone(UTC),
            recorded_at=at.astimezone(UTC),
        )
        self.events.append(recorded)
        return recorded

    def place(
        self,
        order: str,
        lines: Sequence[OrderedLine],
        *,
        at: datetime = NOON,
        channel: str = "web",
        location_id: UUID = SHOP,
        location_name: str = "Shop",
    ) -> UUID:
        """`OrderPlaced`; the id follows from the name."""
        event = OrderPlaced(
            order_id=id_of(order),
            number=f"SW-{order}",
            location_id=location_id,
            location_name=location_name,
            channel=channel,
            currency="GBP",
            lines=tuple(lines),
            item_count=sum(one.quantity for one in lines),
            net_minor=sum(one.net_minor for one in lines),
            tax_minor=sum(one.tax_minor for one in lines),
            total_minor=sum(one.total_minor for one in lines),
            status="placed",
            source=None,
        )
        self._placed[event.order_id] = event
        self.append(event, event.order_id, at)
        return event.order_id

    def fulfil(self, order_id: UUID, quantities: Sequence[int] | None = None, *, at: datetime = NOON) -> None:
        """`OrderFulfilled` of the first copies of each line; all of them unless told."""
        lines = self._placed[order_id].lines
        left = [one.quantity for one in lines] if quantities is None else quantities
        is_whole = all(count >= one.quantity for count, one in zip(left, lines, strict=True))
        fulfilled = tuple(
            FulfilledLine(line_id=one.line_id, edition_id=one.edition_id, quantity=count, fulfilled_quantity=count)
            for one, count in zip(lines, left, strict=True)
            if count
        )
        event = OrderFulfilled(
            order_id=order_id,
            fulfilment_id=id_of(f"fulfilment {len(self.events)}"),
            lines=fulfilled,
            fulfilment_status="fulfilled" if is_whole else "partial",
            status="fulfilled" if is_whole else "placed",
            number=self._placed[order_id].number,
            location_id=SHOP,
            method="collection",
        )
        self.append(event, order_id, at)

    def cancel(self, order_id: UUID, *, at: datetime = NOON) -> None:
        """`OrderCancelled`, with all that no longer counts."""
        placed = self._placed[order_id]
        event = OrderCancelled(
            order_id=order_id,
            reason="changed mind",
            location_id=placed.location_id,
            location_name=placed.location_name,
            channel=placed.channel,
            currency=placed.currency,
            lines=placed.lines,
            net_minor=placed.net_minor,
            tax_minor=placed.tax_minor,
            total_minor=placed.total_minor,
        )
        self.append(event, order_id, at)

    def take_back(self, lines: Sequence[OrderedLine], *, order_id: UUID | None = None, at: datetime = NOON) -> None:
        """`GoodsReturned`, without a receipt unless told whose: then the order's status follows from what is left."""
        event = GoodsReturned(
            return_id=id_of(f"return {len(self.events)}"),
            order_id=order_id,
            order_status=None if order_id is None else self._status_without(order_id, lines),
            location_id=SHOP,
            location_name="Shop",
            channel="pos",
            currency="GBP",
            lines=tuple(ReturnedLine(**msgspec.structs.asdict(one)) for one in lines),
            net_minor=sum(one.net_minor for one in lines),
            tax_minor=sum(one.tax_minor for one in lines),
            total_minor=sum(one.total_minor for one in lines),
            source=None,
        )
        self.append(event, event.return_id, at)

    def _status_without(self, order_id: UUID, lines: Sequence[OrderedLine]) -> str:
        self._kept.setdefault(order_id, self._placed[order_id].item_count)
        self._kept[order_id] -= sum(one.quantity for one in lines)
        return "fulfilled" if self._kept[order_id] else "returned"


def _store_time(at: datetime) -> StoreTime:
    offset = at.utcoffset()
    assert offset is not None, "a store's time has a zone"
    return StoreTime(date=at.date(), hour=at.hour, utc_offset_minutes=int(offset.total_seconds() // 60))
