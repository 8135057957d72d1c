"""Holds: pure decisions."""

from datetime import datetime
from uuid import UUID

import msgspec

from shared_kernel.events.holds import HoldAllocated, HoldEnded, HoldKind, HoldPlaced, HoldStatus
from write_side.inventory.holds.errors import HoldAlreadyEnded


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """Copies of one edition at one location that somebody is to have; `allocated` of them are set aside."""

    hold_id: UUID
    version: int
    kind: HoldKind
    status: HoldStatus
    location_id: UUID
    edition_id: UUID
    quantity: int
    allocated: int
    expires_at: datetime | None = None

    @property
    def missing(self) -> int:
        """Copies it waits for; none once it has ended."""
        return self.quantity - self.allocated if self.status == "waiting" else 0


def is_due(hold: Hold, *, now: datetime) -> bool:
    """Whether its time has come and it has not ended before."""
    return hold.status in {"waiting", "ready"} and hold.expires_at is not None and hold.expires_at <= now


def placed(hold: Hold) -> HoldPlaced:
    """The event of a hold that has just been placed."""
    return HoldPlaced(
        hold_id=hold.hold_id,
        kind=hold.kind,
        location_id=hold.location_id,
        edition_id=hold.edition_id,
        quantity=hold.quantity,
        allocated=hold.allocated,
        status=hold.status,
        expires_at=hold.expires_at,
    )


def status_of(*, quantity: int, allocated: int) -> HoldStatus:
    """What a hold is that has not ended."""
    return "ready" if allocated == quantity else "waiting"


def allocate(hold: Hold, granted: int) -> tuple[Hold, HoldAllocated]:
    """Some of the copies it waits for are set aside."""
    assert 0 < granted <= hold.missing, "nobody gets more than was asked for"
    allocated = hold.allocated + granted
    after = msgspec.structs.replace(
        hold,
        version=hold.version + 1,
        allocated=allocated,
        status=status_of(quantity=hold.quantity, allocated=allocated),
    )
    event = HoldAllocated(hold_id=hold.hold_id, granted=granted, allocated=allocated, status=after.status)
    return after, event


def end(hold: Hold, status: HoldStatus, *, order_id: UUID | None = None) -> tuple[Hold, HoldEnded]:
    """Its copies are set aside no longer.

    Raises:
        HoldAlreadyEnded: they were not.
    """
    if hold.status not in {"waiting", "ready"}:
        raise HoldAlreadyEnded(f"this hold is {hold.status}")
    ended = msgspec.structs.replace(hold, version=hold.version + 1, status=status, allocated=0)
    return ended, HoldEnded(hold_id=hold.hold_id, status=status, released=hold.allocated, order_id=order_id)
