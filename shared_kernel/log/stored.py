"""What is asked of the log, and an event as the log holds it: in its table or in an archive file."""

from datetime import datetime
from uuid import UUID

import msgspec


class Want(msgspec.Struct, frozen=True, kw_only=True):
    """The events of one tenant after a position, at most `limit`, none past `until` where given."""

    tenant_id: UUID
    after: int
    limit: int
    until: int | None = None


class StoredEvent(msgspec.Struct, frozen=True):
    """An event as the log holds it, its payload not yet read: one that cannot be read must not stop the others.

    By place as well as by name, in the order in which the log is asked for its columns: of a backlog or a rebuild there
    are ten thousand a second to be made.
    """

    tenant_id: UUID
    position: int
    event_id: UUID
    stream_id: UUID
    stream_version: int
    type: str
    schema_version: int
    payload: str
    metadata: str
    occurred_at: datetime
    recorded_at: datetime
