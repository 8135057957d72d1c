"""What any decision gets, with or without a transaction: its tenant, the time, ids, and a place to put its events."""

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from shared_kernel.events.envelope import Event, Metadata, StoreTime
from shared_kernel.events.registry import encode_payload
from shared_kernel.tenancy import Tenant
from write_side.command_execution.requests import CommandRequest

_metadata_encoder = msgspec.json.Encoder()


class PendingEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event on its way into the log, encoded; its position is given when it is appended."""

    event_id: UUID
    stream_type: str
    stream_id: UUID
    stream_version: int
    type: str
    schema_version: int
    payload: str
    metadata: str
    occurred_at: datetime


class Recording:
    """One attempt at one command, as far as it needs no database."""

    def __init__(self, *, request: CommandRequest, now: datetime, make_id: Callable[[], UUID]) -> None:
        self.now = now
        self.new_id = make_id
        self.events: list[PendingEvent] = []
        self._request = request
        self._metadata: dict[datetime, str] = {}

    @property
    def tenant(self) -> Tenant:
        """In whose name this runs."""
        return self._request.tenant

    @property
    def actor(self) -> str:
        """Who asked: a principal's id, or the name of an internal one."""
        return self._request.actor

    def record(
        self, event: Event, *, stream_id: UUID, stream_version: int, occurred_at: datetime | None = None
    ) -> None:
        """Put an event behind those recorded so far; it happened now unless told otherwise."""
        happened_at = self.now if occurred_at is None else occurred_at
        self.events.append(
            PendingEvent(
                event_id=self.new_id(),
                stream_type=event.stream_type,
                stream_id=stream_id,
                stream_version=stream_version,
                type=type(event).__name__,
                schema_version=event.schema_version,
                payload=encode_payload(event),
                metadata=self._metadata_at(happened_at),
                occurred_at=happened_at,
            )
        )

    def _metadata_at(self, happened_at: datetime) -> str:
        if happened_at not in self._metadata:
            metadata = Metadata(
                actor=self._request.actor,
                store_time=store_time(happened_at, self.tenant.timezone),
                request_id=self._request.request_id,
                traceparent=self._request.traceparent,
            )
            self._metadata[happened_at] = _metadata_encoder.encode(metadata).decode()
        return self._metadata[happened_at]


def store_time(instant: datetime, timezone: str) -> StoreTime:
    """The store's own calendar at an instant, daylight saving included."""
    local = instant.astimezone(_zone(timezone))
    offset = local.utcoffset()
    assert offset is not None
    return StoreTime(date=local.date(), hour=local.hour, utc_offset_minutes=int(offset.total_seconds()) // 60)


@lru_cache(maxsize=1024)  # there are some 600 zones
def _zone(timezone: str) -> ZoneInfo:
    return ZoneInfo(timezone)
