"""Intents about holds, and what they answer."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from shared_kernel.events.holds import HoldKind, HoldStatus
from write_side.inventory.commands import Quantity

Expiry = Annotated[
    datetime, msgspec.Meta(tz=True, description="When it ends by itself, unless it was collected; a year ahead at most")
]


class PlaceHold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Put free copies aside."""

    location_id: UUID
    edition_id: UUID
    quantity: Quantity
    expires_at: Expiry | None = None


class PlaceSpecialOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Put copies aside as they become free: those that are, and then the next that arrive."""

    location_id: UUID
    edition_id: UUID
    quantity: Quantity
    expires_at: Expiry | None = None


class CancelHold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nobody wants them any more."""


class HoldDecided(msgspec.Struct, frozen=True, kw_only=True):
    """The hold as the command left it: `ready` once all its copies are set aside."""

    id: UUID
    version: int
    kind: HoldKind
    status: HoldStatus
    location_id: UUID
    edition_id: UUID
    quantity: int
    allocated: int
    expires_at: datetime | None
