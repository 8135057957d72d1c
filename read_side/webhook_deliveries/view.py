"""The read table of `/webhook-deliveries`, and what one row of it means."""

from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import Column, DateTime, Index, Integer, Text, Uuid

from shared_kernel.views import View, view_table


class WebhookDeliveryRow(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one receiver, as its last attempt left it.

    Attributes:
        status: `delivered`, `retrying` or `failed`.
        attempts: since it was made, or replayed.
        status_code: what the receiver answered last; None where it did not, for the reason in `error`.
    """

    delivery_id: UUID
    webhook_id: UUID
    message_id: str
    message_type: str
    status: str
    attempts: int
    status_code: int | None
    error: str | None
    duration_milliseconds: int
    created_at: datetime
    last_attempt_at: datetime
    next_attempt_at: datetime | None


VIEW = View(
    name="webhook_deliveries",
    version=1,
    row=WebhookDeliveryRow,
    key=("delivery_id",),
    table=view_table(
        "webhook_deliveries",
        1,
        Column("delivery_id", Uuid, primary_key=True),
        Column("webhook_id", Uuid, nullable=False),
        Column("message_id", Text, nullable=False),
        Column("message_type", Text, nullable=False),
        Column("status", Text, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("status_code", Integer),
        Column("error", Text),
        Column("duration_milliseconds", Integer, nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False),
        Column("last_attempt_at", DateTime(timezone=True), nullable=False),
        Column("next_attempt_at", DateTime(timezone=True)),
        Index(None, "last_attempt_at", "delivery_id"),
        Index(None, "webhook_id", "last_attempt_at", "delivery_id"),
        Index(None, "status", "last_attempt_at", "delivery_id"),
    ),
)
