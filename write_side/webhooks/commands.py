"""Intents about webhooks, and what they answer."""

from datetime import datetime
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

import msgspec

EventType: TypeAlias = Literal[
    "order.placed",
    "order.confirmed",
    "order.fulfilled",
    "order.cancelled",
    "goods.returned",
    "payment.authorized",
    "payment.declined",
    "payment.captured",
    "payment.voided",
    "payment.refunded",
    "payment.refund_refused",
    "edition.priced",
    "edition.discontinued",
]
"""The public types; a test holds them against `public_events.PUBLIC_TYPES`."""
Url = Annotated[
    str,
    msgspec.Meta(
        min_length=8, max_length=2000, pattern=r"^https?://[!-~]+$(?!\n)", description="https, of a public address"
    ),
]
Note = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$")]


class CreateWebhook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tell a receiver of events of these types from now on; of every public type where none is named."""

    url: Url
    event_types: Annotated[tuple[EventType, ...], msgspec.Meta(max_length=20)] = ()
    description: Note | None = None


class ReplayDeliveries(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Send again what was made from a position of the log on, the oldest first: what failed, or all of it."""

    from_position: Annotated[int, msgspec.Meta(ge=1, le=2**53)]
    only_failed: bool = True


class Nothing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A body without members: the path says everything."""


class WebhookDecided(msgspec.Struct, frozen=True, kw_only=True):
    """The webhook as the command left it. Its secret is shown by `POST /webhooks/{id}/secret` alone."""

    id: UUID
    version: int
    url: str
    event_types: tuple[str, ...]
    description: str | None
    status: str


class WebhookSecret(msgspec.Struct, frozen=True, kw_only=True):
    """What messages are signed with: the newest first, and the one before until `previous_until`."""

    id: UUID
    secrets: tuple[str, ...]
    previous_until: datetime | None


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """How many messages are sent again, at most a thousand at a time, and the position after the last of them."""

    id: UUID
    messages: int
    next_position: int | None
