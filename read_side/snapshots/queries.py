"""One snapshot, with how far each of its builds is."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from read_side.query_execution import Answer, BuildProgress, Snapshot

_SNAPSHOT = """
SELECT id, views::text AS views, position_asked, as_of, expires_at FROM read.snapshots__v1
WHERE tenant_id = $1 AND build = $2 AND id = $3
"""
State = Literal["requested", "building", "ready", "expired"]


class SnapshotQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which one; and what its state depends on beside its row: its builds, and the time, by the minute."""

    id: UUID
    builds: tuple[BuildProgress, ...]
    now: datetime


class FrozenView(msgspec.Struct, frozen=True, kw_only=True):
    """How far one view is; `as_of` reads it once it is at the snapshot's position."""

    view: str
    position: int
    ready: bool


class StoreSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Views as of a position.

    Attributes:
        state: `ready` when every view is; `expired` ones are gone.
        progress: of all its views, from 0 to 1.
        as_of: the moment asked for, where it was one.
    """

    id: UUID
    state: State
    progress: float
    position: int
    as_of: datetime | None
    expires_at: datetime
    views: tuple[FrozenView, ...]


async def fetch_snapshot(snapshot: Snapshot, query: SnapshotQuery) -> Answer | None:
    """The snapshot as it stands; None where the store has none of this id."""
    record = await snapshot.row(_SNAPSHOT, query.id)
    if record is None:
        return None
    target: int = record["position_asked"]
    reached = {one.name: one.position for one in query.builds}
    views = tuple(
        FrozenView(view=name, position=reached.get(name, 0), ready=reached.get(name, 0) >= target)
        for name in msgspec.json.decode(record["views"], type=tuple[str, ...])
    )
    is_expired = record["expires_at"] <= query.now
    found = StoreSnapshot(
        id=record["id"],
        state="expired" if is_expired else _state(views),
        progress=0.0 if is_expired else round(sum(one.position for one in views) / (target * len(views)), 3),
        position=target,
        as_of=record["as_of"],
        expires_at=record["expires_at"],
        views=views,
    )
    return Answer(data=msgspec.json.encode(found), row_keys=(f"{query.id}",))


def _state(views: tuple[FrozenView, ...]) -> State:
    if all(one.ready for one in views):
        return "ready"
    return "building" if any(one.position for one in views) else "requested"
