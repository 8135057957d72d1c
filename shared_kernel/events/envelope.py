"""What every event carries around its payload, as the log stores it."""

from datetime import date, datetime
from typing import ClassVar, Generic, TypeVar
from uuid import UUID

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A fact of one stream. Carries resulting absolutes beside deltas, and ids only where people are concerned."""

    stream_type: ClassVar[str]
    schema_version: ClassVar[int] = 1


class StoreTime(msgspec.Struct, frozen=True, kw_only=True):
    """The store's own calendar at `occurred_at`, stamped when recorded so that no fold needs a time zone database."""

    date: date
    hour: int
    utc_offset_minutes: int


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """Who and what caused an event. `actor` is a principal's id or a name such as `import`; never a person's data."""

    actor: str
    store_time: StoreTime
    request_id: str | None = None
    traceparent: str | None = None


EventT_co = TypeVar("EventT_co", bound=Event, covariant=True)


class Recorded(msgspec.Struct, Generic[EventT_co], frozen=True, kw_only=True):
    """An event at its place in its tenant's log: positions are gapless and in commit order, from 1."""

    tenant_id: UUID
    position: int
    event_id: UUID
    stream_id: UUID
    stream_version: int
    event: EventT_co
    metadata: Metadata
    occurred_at: datetime
    recorded_at: datetime
