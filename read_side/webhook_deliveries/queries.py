"""Deliveries as a list, the latest attempt first."""

from datetime import datetime
from typing import Final, Literal, TypeAlias
from uuid import UUID

import msgspec

from read_side.query_execution import RANGE, Answer, Filter, ListQuery, ListSpecification, Record, Snapshot, list_page
from read_side.webhook_deliveries.view import VIEW, WebhookDeliveryRow

Status: TypeAlias = Literal["delivered", "retrying", "failed"]


class WebhookDeliveryItem(msgspec.Struct, frozen=True, kw_only=True):
    """A message to a receiver. `message_id` is its `webhook-id`; `attempts` count anew when it is replayed.

    `status_code` is what was answered last; null where nothing was, and then `error` says why in a word.
    """

    id: UUID
    webhook_id: UUID
    message_id: str
    message_type: str
    status: Status
    attempts: int
    status_code: int | None
    error: str | None
    duration_milliseconds: int
    created_at: datetime
    last_attempt_at: datetime
    next_attempt_at: datetime | None


DELIVERIES: Final = ListSpecification(
    view=VIEW,
    columns=WebhookDeliveryRow.__struct_fields__,
    sorts={"last_attempt_at": "last_attempt_at"},
    default_sort="-last_attempt_at",
    filters={
        "webhook_id": Filter(column="webhook_id"),
        "status": Filter(column="status", type=Status),
        "last_attempt_at": Filter(column="last_attempt_at", operators=RANGE),
    },
)


async def delivery_page(snapshot: Snapshot, query: ListQuery) -> Answer:
    """A page of deliveries."""
    return await list_page(snapshot, DELIVERIES, query, item=_item)


def _item(record: Record) -> WebhookDeliveryItem:
    names = (name for name in WebhookDeliveryRow.__struct_fields__ if name != "delivery_id")
    return WebhookDeliveryItem(id=record["delivery_id"], **{name: record[name] for name in names})
