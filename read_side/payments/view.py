"""The read table of `/payments`, and what one row of it means."""

from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import BigInteger, Column, DateTime, Index, Integer, Text, Uuid

from shared_kernel.views import View, view_table


class PaymentRow(msgspec.Struct, frozen=True, kw_only=True):
    """A payment as it stands.

    Attributes:
        payment_version: the aggregate's, as `If-Match` takes it.
        amount_minor: what was asked for.
        reason: why the provider last said no; None where it did not.
    """

    payment_id: UUID
    payment_version: int
    order_id: UUID
    status: str
    currency: str
    amount_minor: int
    authorized_minor: int
    captured_minor: int
    refunded_minor: int
    fee_minor: int
    reason: str | None
    requested_at: datetime
    changed_at: datetime


VIEW = View(
    name="payments",
    version=1,
    row=PaymentRow,
    key=("payment_id",),
    table=view_table(
        "payments",
        1,
        Column("payment_id", Uuid, primary_key=True),
        Column("payment_version", Integer, nullable=False),
        Column("order_id", Uuid, nullable=False),
        Column("status", Text, nullable=False),
        Column("currency", Text, nullable=False),
        Column("amount_minor", BigInteger, nullable=False),
        Column("authorized_minor", BigInteger, nullable=False),
        Column("captured_minor", BigInteger, nullable=False),
        Column("refunded_minor", BigInteger, nullable=False),
        Column("fee_minor", BigInteger, nullable=False),
        Column("reason", Text),
        Column("requested_at", DateTime(timezone=True), nullable=False),
        Column("changed_at", DateTime(timezone=True), nullable=False),
        # One for each sort, and one for each filter that leaves few of many rows, in the order of the default sort.
        Index(None, "requested_at", "payment_id"),
        Index(None, "amount_minor", "payment_id"),
        Index(None, "status", "requested_at", "payment_id"),
        Index(None, "order_id", "requested_at", "payment_id"),
    ),
)
