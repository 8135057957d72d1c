"""Stream `hold` (id: the hold's): copies put aside for somebody, or waited for."""

from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from shared_kernel.events.envelope import Event

HoldKind: TypeAlias = Literal["hold", "special_order"]
HoldStatus: TypeAlias = Literal["waiting", "ready", "collected", "cancelled", "expired"]


class HoldPlaced(Event, frozen=True, kw_only=True):
    """Somebody wants copies: `allocated` of `quantity` are set aside, the others are waited for."""

    stream_type = "hold"

    hold_id: UUID
    kind: HoldKind
    location_id: UUID
    edition_id: UUID
    quantity: int
    allocated: int
    status: HoldStatus
    expires_at: datetime | None = None


class HoldAllocated(Event, frozen=True, kw_only=True):
    """Copies that became free were set aside; `allocated` of the hold's quantity are by now."""

    stream_type = "hold"

    hold_id: UUID
    granted: int
    allocated: int
    status: HoldStatus


class HoldEnded(Event, frozen=True, kw_only=True):
    """Its copies are set aside no longer: `order_id` took them where it was collected, else they are free again."""

    stream_type = "hold"

    hold_id: UUID
    status: HoldStatus
    released: int
    order_id: UUID | None
