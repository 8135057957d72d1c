"""What a good engineer would write without ShelfWise: FastAPI, pydantic, SQLAlchemy's ORM, a unit of work a request.

No tenants, no authentication, no idempotency, no limits, no events: only the job itself.
"""

import os
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict
from sqlalchemy import BigInteger, DateTime, ForeignKey, Index, func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, selectinload

PAGE = 20
DASHBOARD_DAYS = 366


class Model(DeclarativeBase):
    """All tables of the peer."""


class Edition(Model):
    """What is sold, and how many there are."""

    __tablename__ = "edition"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    title: Mapped[str]
    price_minor: Mapped[int] = mapped_column(BigInteger)
    on_hand: Mapped[int] = mapped_column(BigInteger)


class Order(Model):
    """An order."""

    __tablename__ = "customer_order"
    __table_args__ = (Index("customer_order_placed_at", "placed_at", "id"),)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[str]
    placed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    status: Mapped[str]
    channel: Mapped[str]
    total_minor: Mapped[int] = mapped_column(BigInteger)
    lines: Mapped[list["Line"]] = relationship(back_populates="order", cascade="all, delete-orphan")


class Line(Model):
    """A line of an order."""

    __tablename__ = "order_line"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    order_id: Mapped[UUID] = mapped_column(ForeignKey("customer_order.id"), index=True)
    edition_id: Mapped[UUID] = mapped_column(ForeignKey("edition.id"))
    quantity: Mapped[int]
    unit_price_minor: Mapped[int] = mapped_column(BigInteger)
    total_minor: Mapped[int] = mapped_column(BigInteger)
    order: Mapped[Order] = relationship(back_populates="lines")


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


class Day(BaseModel):
    """A day's sales."""

    day: date
    orders: int
    units: int
    total_minor: int


class LineIn(BaseModel):
    """What somebody wants."""

    edition_id: UUID
    quantity: int


class OrderIn(BaseModel):
    """An order, as asked for."""

    channel: str
    lines: list[LineIn]


engine = create_async_engine(os.environ.get("BENCH_PEER_URL", "postgresql+asyncpg://"), pool_size=10, max_overflow=0)
sessions = async_sessionmaker(engine, expire_on_commit=False)
app = FastAPI()


async def _session() -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(_session)]


@app.get("/orders", response_model=list[OrderOut])
async def orders(session: Session) -> list[Order]:
    """The latest orders with their lines: two statements, whatever their number."""
    latest = select(Order).order_by(Order.placed_at.desc(), Order.id.desc()).limit(PAGE)
    return list((await session.scalars(latest.options(selectinload(Order.lines)))).all())


@app.get("/dashboard")
async def dashboard(session: Session) -> list[Day]:
    """Sales by day, added up when asked for."""
    day = func.date(Order.placed_at)
    sums = (
        select(
            day.label("day"),
            func.count(Order.id.distinct()).label("orders"),
            func.sum(Line.quantity).label("units"),
            func.sum(Line.total_minor).label("total_minor"),
        )
        .join(Line)
        .group_by(day)
        .order_by(day)
        .limit(DASHBOARD_DAYS)
    )
    return [Day(**row) for row in (await session.execute(sums)).mappings()]


@app.post("/orders", status_code=201, response_model=OrderOut)
async def place_order(wanted: OrderIn, session: Session) -> Order:
    """Check and take the stock, keep the order: one unit of work."""
    quantities = {line.edition_id: line.quantity for line in wanted.lines}
    locked = select(Edition).where(Edition.id.in_(quantities)).order_by(Edition.id).with_for_update()
    editions = {one.id: one for one in await session.scalars(locked)}
    if len(editions) < len(quantities):
        raise HTTPException(422, "unknown edition")
    order_id = uuid4()
    order = Order(
        id=order_id,
        number=f"SW-{order_id.hex[:10]}",
        placed_at=datetime.now(UTC),
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
        )
        order.lines.append(line)
    session.add(order)
    await session.commit()
    return order
