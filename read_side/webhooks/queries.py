"""Webhooks as a list."""

from datetime import datetime
from typing import Final, Literal, TypeAlias
from uuid import UUID

import msgspec

from read_side.query_execution import Answer, Filter, ListQuery, ListSpecification, Record, Snapshot, list_page
from read_side.webhooks.view import VIEW, WebhookRow

Status: TypeAlias = Literal["enabled", "disabled"]


class WebhookItem(msgspec.Struct, frozen=True, kw_only=True):
    """A receiver. `version` is what `If-Match` takes; told of every public type where `event_types` has none.

    `disabled_reason` is `asked`, `gone` (it answered 410) or `failing` (for days).
    """

    id: UUID
    version: int
    url: str
    event_types: tuple[str, ...]
    description: str | None
    status: Status
    disabled_reason: str | None
    previous_secret_until: datetime | None
    created_at: datetime


WEBHOOKS: Final = ListSpecification(
    view=VIEW,
    columns=WebhookRow.__struct_fields__,
    sorts={"created_at": "created_at"},
    default_sort="-created_at",
    filters={"status": Filter(column="status", type=Status)},
)
_types = msgspec.json.Decoder(tuple[str, ...])


async def webhook_page(snapshot: Snapshot, query: ListQuery) -> Answer:
    """A page of receivers."""
    return await list_page(snapshot, WEBHOOKS, query, item=_item)


def _item(record: Record) -> WebhookItem:
    return WebhookItem(
        id=record["webhook_id"],
        version=record["webhook_version"],
        url=record["url"],
        event_types=_types.decode(record["event_types"]),
        description=record["description"],
        status=record["status"],
        disabled_reason=record["disabled_reason"],
        previous_secret_until=record["previous_secret_until"],
        created_at=record["created_at"],
    )
