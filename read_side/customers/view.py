"""The read table of `/customers`, which holds nothing personal, and what one row of it means."""

from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import Boolean, Column, DateTime, Index, Integer, Text, Uuid

from shared_kernel.views import View, view_table


class CustomerRow(msgspec.Struct, frozen=True, kw_only=True):
    """A customer, without who they are.

    Attributes:
        customer_version: the aggregate's, as `If-Match` takes it.
        status: `active` or `erased`.
        details_version: of the aggregate, as which `personal.customer` has them.
    """

    customer_id: UUID
    customer_version: int
    status: str
    marketing_consent: bool
    details_version: int
    registered_at: datetime


VIEW = View(
    name="customers",
    version=1,
    row=CustomerRow,
    key=("customer_id",),
    table=view_table(
        "customers",
        1,
        Column("customer_id", Uuid, primary_key=True),
        Column("customer_version", Integer, nullable=False),
        Column("status", Text, nullable=False),
        Column("marketing_consent", Boolean, nullable=False),
        Column("details_version", Integer, nullable=False),
        Column("registered_at", DateTime(timezone=True), nullable=False),
        Index(None, "registered_at", "customer_id"),
    ),
)
