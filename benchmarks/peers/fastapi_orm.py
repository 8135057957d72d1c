"""What a good engineer would write without ShelfWise: FastAPI, pydantic, SQLAlchemy's ORM, a unit of work a request.

No tenants, no authentication, no idempotency, no limits, no events: only the job itself.
"""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from benchmarks.peers import fastapi_sales
from benchmarks.peers.tables import Edition, Line, Order, Session

PAGE = 20


class LineOut(BaseModel):
    """A line, as answered."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    edition_id: UUID
    quantity: int
    unit_price_minor: int
    total_minor: int


class OrderOut(BaseModel):
    """An order with its lines, as answered."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    number: str
    placed_at: datetime
    status: str
    channel: str
    total_minor: int
    lines: list[LineOut]


class LineIn(BaseModel):
    """What somebody wants."""

    edition_id: UUID
    quantity: int


class OrderIn(BaseModel):
    """An order, as asked for."""

    channel: str
    lines: list[LineIn]


app = FastAPI()


@app.get("/orders", response_model=list[OrderOut])
async def orders(session: Session) -> list[Order]:
    """The latest orders with their lines: two statements, whatever their number."""
    latest = select(Order).order_by(Order.placed_at.desc(), Order.id.desc()).limit(PAGE)
    return list((await session.scalars(latest.options(selectinload(Order.lines)))).all())


@app.post("/orders", status_code=201, response_model=OrderOut)
async def place_order(wanted: OrderIn, session: Session) -> Order:
    """Check and take the stock, keep the order: one unit of work."""
    quantities = {line.edition_id: line.quantity for line in wanted.lines}
    locked = select(Edition).where(Edition.id.in_(quantities)).order_by(Edition.id).with_for_update()
    editions = {one.id: one for one in await session.scalars(locked)}
    if len(editions) < len(quantities):
        raise HTTPException(422, "unknown edition")
    order_id, now = uuid4(), datetime.now(UTC)
    order = Order(
        id=order_id,
        number=f"SW-{order_id.hex[:10]}",
        placed_at=now,
        placed_on=now.date(),
        status="placed",
        channel=wanted.channel,
        total_minor=0,
        lines=[],
    )
    for edition_id, quantity in quantities.items():
        edition = editions[edition_id]
        if edition.on_hand < quantity:
            raise HTTPException(409, "insufficient stock")
        edition.on_hand -= quantity
        total_minor = edition.price_minor * quantity
        order.total_minor += total_minor
        line = Line(
            id=uuid4(),
            edition_id=edition_id,
            quantity=quantity,
            unit_price_minor=edition.price_minor,
            total_minor=total_minor,
            net_minor=total_minor,
            tax_minor=0,
            discount_minor=0,
            cost_minor=edition.cost_minor * quantity,
        )
        order.lines.append(line)
    session.add(order)
    await session.commit()
    return order


app.mount("/sales", fastapi_sales.app)
