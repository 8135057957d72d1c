"""The read table of `/webhooks`, and what one row of it means."""

from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import Column, DateTime, Index, Integer, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from shared_kernel.views import View, view_table


class WebhookRow(msgspec.Struct, frozen=True, kw_only=True):
    """A receiver.

    Attributes:
        webhook_version: the aggregate's, as `If-Match` takes it.
        event_types: of which it is told; all where there are none.
        status: `enabled` or `disabled`.
        disabled_reason: `asked`, `gone` or `failing`.
        previous_secret_until: how long messages carry the signature of the secret before, too.
    """

    webhook_id: UUID
    webhook_version: int
    url: str
    event_types: tuple[str, ...]
    description: str | None
    status: str
    disabled_reason: str | None
    previous_secret_until: datetime | None
    created_at: datetime


VIEW = View(
    name="webhooks",
    version=1,
    row=WebhookRow,
    key=("webhook_id",),
    table=view_table(
        "webhooks",
        1,
        Column("webhook_id", Uuid, primary_key=True),
        Column("webhook_version", Integer, nullable=False),
        Column("url", Text, nullable=False),
        Column("event_types", JSONB, nullable=False),
        Column("description", Text),
        Column("status", Text, nullable=False),
        Column("disabled_reason", Text),
        Column("previous_secret_until", DateTime(timezone=True)),
        Column("created_at", DateTime(timezone=True), nullable=False),
        Index(None, "created_at", "webhook_id"),
    ),
)
