"""The peer's orders: placed by a unit of work, alone or with all that is recorded beside an order, and listed."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Header, HTTPException
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from benchmarks.peers.tables import AuditEntry, Counter, Edition, Line, Money, Order, Recorded, Session, StoredResponse

PAGE = 20
STORES = 10
"""That orders are recorded for: each has its own counter, as none would wait for another's."""
_CREATED = 201


class LineOut(BaseModel):
    """A line, as answered."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    edition_id: UUID
    quantity: int
    unit_price: Money
    total: Money


class OrderOut(BaseModel):
    """An order with its lines, as answered: the fields of ShelfWise's rows."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    number: str
    placed_at: datetime
    status: str
    payment_status: str
    fulfilment_status: str
    channel: str
    location_id: UUID
    customer_id: UUID | None
    item_count: int
    total: Money
    lines: list[LineOut]


class LineIn(BaseModel):
    """What somebody wants."""

    edition_id: UUID
    quantity: int


class OrderIn(BaseModel):
    """An order, as asked for."""

    location_id: UUID
    channel: str
    lines: list[LineIn]


router = APIRouter()


@router.get("/orders", response_model=list[OrderOut])
async def orders(session: Session) -> list[Order]:
    """The latest orders with their lines: two statements, whatever their number."""
    latest = select(Order).order_by(Order.placed_at.desc(), Order.id.desc()).limit(PAGE)
    return list((await session.scalars(latest.options(selectinload(Order.lines)))).all())


@router.post("/orders", status_code=_CREATED, response_model=OrderOut)
async def place_order(wanted: OrderIn, session: Session) -> Order:
    """Check and take the stock, keep the order: one unit of work."""
    order = await _place(wanted, session, now=datetime.now(UTC))
    await session.commit()
    return order


@router.post("/stores/{store}/orders", status_code=_CREATED)
async def place_and_record_order(
    store: int, wanted: OrderIn, session: Session, idempotency_key: Annotated[str, Header()]
) -> OrderOut:
    """The same with an idempotency row, an audit row, the store's counter and four events: one unit of work.

    A key that was used is refused by its primary key, not answered again.
    """
    now = datetime.now(UTC)
    order = await _place(wanted, session, now=now)
    answer = OrderOut.model_validate(order)
    session.add_all(
        [
            StoredResponse(
                store=store, key=idempotency_key, status=_CREATED, body=answer.model_dump_json(), created_at=now
            ),
            AuditEntry(id=uuid4(), store=store, action="place_order", at=now),
        ]
    )
    await session.flush()
    # Last, as others of the store wait for it until the commit.
    moved = update(Counter).where(Counter.store == store).values(position=Counter.position + 1 + len(order.lines))
    last = await session.scalar(moved.returning(Counter.position))
    if last is None:
        raise HTTPException(404, "unknown store")
    session.add_all(_events(store, answer, last=last, now=now))
    await session.commit()
    return answer


async def _place(wanted: OrderIn, session: AsyncSession, *, now: datetime) -> Order:
    quantities = {line.edition_id: line.quantity for line in wanted.lines}
    locked = select(Edition).where(Edition.id.in_(quantities)).order_by(Edition.id).with_for_update()
    editions = {one.id: one for one in await session.scalars(locked)}
    if len(editions) < len(quantities):
        raise HTTPException(422, "unknown edition")
    order_id = uuid4()
    order = Order(
        id=order_id,
        number=f"SW-{order_id.hex[:10]}",
        placed_at=now,
        placed_on=now.date(),
        status="placed",
        payment_status="none",
        fulfilment_status="unfulfilled",
        channel=wanted.channel,
        location_id=wanted.location_id,
        customer_id=None,
        item_count=sum(quantities.values()),
        total_minor=0,
        lines=[],
    )
    for edition_id, quantity in quantities.items():
        edition = editions[edition_id]
        if edition.on_hand < quantity:
            raise HTTPException(409, "insufficient stock")
        edition.on_hand -= quantity
        line = _line(edition, quantity)
        order.total_minor += line.total_minor
        order.lines.append(line)
    session.add(order)
    return order


def _line(edition: Edition, quantity: int) -> Line:
    total_minor = edition.price_minor * quantity
    return Line(
        id=uuid4(),
        edition_id=edition.id,
        quantity=quantity,
        unit_price_minor=edition.price_minor,
        total_minor=total_minor,
        net_minor=total_minor,
        tax_minor=0,
        discount_minor=0,
        cost_minor=edition.cost_minor * quantity,
    )


def _events(store: int, order: OrderOut, *, last: int, now: datetime) -> Sequence[Recorded]:
    payloads: list[tuple[UUID, str, BaseModel]] = [(order.id, "OrderPlaced", order)]
    payloads += [(line.edition_id, "StockReserved", line) for line in order.lines]
    return [
        Recorded(
            store=store,
            position=position,
            id=uuid4(),
            stream_id=stream_id,
            type=kind,
            payload=payload.model_dump(mode="json"),
            occurred_at=now,
        )
        for position, (stream_id, kind, payload) in enumerate(payloads, start=last + 1 - len(payloads))
    ]
