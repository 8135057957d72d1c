"""The peer's tables, and its sessions."""

import os
from collections.abc import AsyncIterator
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends
from pydantic import BaseModel
from sqlalchemy import JSON, BigInteger, DateTime, ForeignKey, Index
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

CURRENCY = "GBP"


class Money(BaseModel):
    """An amount."""

    amount_minor: int
    currency: str


class Model(DeclarativeBase):
    """All tables of the peer."""


class Edition(Model):
    """What is sold, and how many there are."""

    __tablename__ = "edition"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    title: Mapped[str]
    price_minor: Mapped[int] = mapped_column(BigInteger)
    cost_minor: Mapped[int] = mapped_column(BigInteger)
    on_hand: Mapped[int] = mapped_column(BigInteger)


class Order(Model):
    """An order; `placed_on` is its day by the store's own calendar."""

    __tablename__ = "customer_order"
    __table_args__ = (Index("customer_order_placed_at", "placed_at", "id"),)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[str]
    placed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    placed_on: Mapped[date] = mapped_column(index=True, deferred=True)
    status: Mapped[str]
    payment_status: Mapped[str]
    fulfilment_status: Mapped[str]
    channel: Mapped[str]
    location_id: Mapped[UUID]
    customer_id: Mapped[UUID | None]
    item_count: Mapped[int]
    total_minor: Mapped[int] = mapped_column(BigInteger)
    lines: Mapped[list["Line"]] = relationship(back_populates="order", cascade="all, delete-orphan")

    @property
    def total(self) -> Money:
        """What is to be paid."""
        return Money(amount_minor=self.total_minor, currency=CURRENCY)


class Line(Model):
    """A line of an order. What only sums look at is not loaded with an order."""

    __tablename__ = "order_line"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    order_id: Mapped[UUID] = mapped_column(ForeignKey("customer_order.id"), index=True)
    edition_id: Mapped[UUID] = mapped_column(ForeignKey("edition.id"))
    quantity: Mapped[int]
    unit_price_minor: Mapped[int] = mapped_column(BigInteger)
    total_minor: Mapped[int] = mapped_column(BigInteger)
    net_minor: Mapped[int] = mapped_column(BigInteger, deferred=True)
    tax_minor: Mapped[int] = mapped_column(BigInteger, deferred=True)
    discount_minor: Mapped[int] = mapped_column(BigInteger, deferred=True)
    cost_minor: Mapped[int] = mapped_column(BigInteger, deferred=True)
    order: Mapped[Order] = relationship(back_populates="lines")

    @property
    def unit_price(self) -> Money:
        """Of one copy."""
        return Money(amount_minor=self.unit_price_minor, currency=CURRENCY)

    @property
    def total(self) -> Money:
        """Of all copies."""
        return Money(amount_minor=self.total_minor, currency=CURRENCY)


class ReturnLine(Model):
    """What came back of a line, and when by the store's own calendar."""

    __tablename__ = "return_line"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    line_id: Mapped[UUID] = mapped_column(ForeignKey("order_line.id"), index=True)
    returned_on: Mapped[date] = mapped_column(index=True)
    quantity: Mapped[int]
    net_minor: Mapped[int] = mapped_column(BigInteger)
    tax_minor: Mapped[int] = mapped_column(BigInteger)
    discount_minor: Mapped[int] = mapped_column(BigInteger)
    cost_minor: Mapped[int] = mapped_column(BigInteger)


class StoredResponse(Model):
    """What a request with this key was answered."""

    __tablename__ = "stored_response"
    store: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[int]
    body: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class AuditEntry(Model):
    """Who did what."""

    __tablename__ = "audit_entry"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    store: Mapped[int]
    action: Mapped[str]
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class Counter(Model):
    """A store's last position."""

    __tablename__ = "counter"
    store: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(BigInteger)


class Recorded(Model):
    """An event of the outbox."""

    __tablename__ = "recorded"
    store: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    id: Mapped[UUID]
    stream_id: Mapped[UUID]
    type: Mapped[str]
    payload: Mapped[dict[str, object]] = mapped_column(JSON)
    occurred_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


engine = create_async_engine(os.environ.get("BENCH_PEER_URL", "postgresql+asyncpg://"), pool_size=10, max_overflow=0)
sessions = async_sessionmaker(engine, expire_on_commit=False)


async def _session() -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(_session)]
