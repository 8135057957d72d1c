"""The intent to have views as of a position or a moment, and what it answers."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from shared_kernel.events.snapshots import SnapshotView

MAX_VIEWS = 20

AsOfPosition = Annotated[int, msgspec.Meta(ge=1, le=2**53)]
AsOfMoment = Annotated[datetime, msgspec.Meta(tz=True)]


class RequestSnapshot(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Have views frozen as of a position of the store's log, or as of a moment."""

    views: Annotated[tuple[SnapshotView, ...], msgspec.Meta(min_length=1, max_length=MAX_VIEWS)]
    as_of: AsOfPosition | AsOfMoment


class SnapshotDecided(msgspec.Struct, frozen=True, kw_only=True):
    """What is being built: read it with `as_of=<position>` (or the moment asked for) until it expires."""

    id: UUID
    version: int
    views: tuple[str, ...]
    position: int
    as_of: datetime | None
    expires_at: datetime
